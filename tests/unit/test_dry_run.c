/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: ingest */
/* test_dry_run: what a dry run tells of a submission: the same as converter and planner would make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "ingest/dry_run_answer.h"

#define NOW 1769848200000 /* 2026-01-31 08:30 UTC */
#define WHO "'creator': 'ide', 'user': 'ann', "
#define SHELL "'engine': 'shell', "
#define SQL "'engine': 'sqlite', "
enum { SUBMISSION_MOST = 4096, EXPECT_MAX = 12 };

/* In single quotes, for reading. An expectation is "path value" in the answer; "path -": there is no such value. */
static const struct {
    const char *name, *body;
    const char *expect[EXPECT_MAX];
} rows[] = {
    {"a job that would run", "{" WHO SHELL "'code': 'echo hi'}",
        {"dry_run true", "accepted true", "job.creator ide", "job.code_type shell",
            "job.retry.max_attempts 1", "job.job_id -", "code.0.text echo hi", "code.0.first_line 1",
            "plan.pool default", "plan.nodes.0.kind exec", "where.0.node n1", "where.0.executors 2"}},
    {"and where", "{" WHO SQL "'code': 'select 1', 'labels': {'pool': 'fast'}}",
        {"accepted true", "where.0.engine sqlite", "where.0.target null", "where.0.pool fast", "where.1 -",
            "errors.0 -", "warnings.0 it is busy", "warnings.1 -"}},
    {"statements with their values",
        "{" WHO SQL "'code': 'select ${a};\\nselect ${b}', 'variables': {'a': 1, 'b': 'x'}}",
        {"accepted true", "code.0.text select 1", "code.1.text select x", "code.1.statement 1",
            "code.1.first_line 2", "code.0.part null", "variables.used.a 1", "variables.used.b x",
            "variables.left.0 -", "job.code select ${a};\nselect ${b}"}},
    {"sums tell the variables in them",
        "{" WHO SQL "'code': 'select ${n+m}, ${run_date-1}', 'variables': {'n': 40, 'm': 2}}",
        {"code.0.text select 42, 20260129", "variables.used.n 40", "variables.used.m 2",
            "variables.used.run_date 20260130"}},
    {"lines that set variables count", "{" WHO SQL "'code': '--@set day=7\\nselect ${day}'}",
        {"accepted true", "variables.used.day 7"}},
    {"names that stay as they are, each once",
        "{" WHO SHELL "'code': 'echo ${HOME} ${HOME} ${dya} ${a}', 'variables': {'a': 'A'}}",
        {"accepted true", "variables.left.0 HOME", "variables.left.1 dya", "variables.left.2 -",
            "variables.used.a A"}},
    {"a warning", "{" WHO SQL "'code': 'select ${nothing}'}",
        {"accepted true", "warnings.0 ${nothing} stays as it is: no variable is named nothing",
            "variables.left.0 nothing"}},
    {"ingest refuses it", "{" WHO "'engine': 'nope', 'code': 'x'}",
        {"accepted false", "errors.0.field engine", "errors.0.code unknown_engine", "errors.1 -", "plan null",
            "where.0 -", "code.0 -", "job.engine nope"}},
    {"the converter refuses it, all is told",
        "{" WHO SHELL "'code': 'x', 'timezone': 'Nowhere', 'limits': {'run_timeout_ms': 20001}}",
        {"accepted false", "errors.1.field timezone", "errors.1.code unknown_timezone",
            "errors.0.field limits.run_timeout_ms", "plan null"}},
    {"with line and column", "{" WHO SQL "'code': 'select 1;\\nselect ${n/0}', 'variables': {'n': 4}}",
        {"accepted false", "errors.0.code bad_variable", "errors.0.line 2", "errors.0.column 8", "errors.1 -",
            "code.0 -"}},
    {"each finding of the rules", "{" WHO SQL "'code': 'select 1;\\n  drop table a;\\ndrop table b'}",
        {"accepted false", "errors.0.code forbidden_code", "errors.0.line 2", "errors.0.column 3",
            "errors.0.rule drop", "errors.1.line 3", "errors.1.column 1", "errors.2 -"}},
    {"parts with what is between them",
        "{" WHO SQL "'parts': [{'id': 'a', 'engine': 'shell', 'code': 'echo ${x}'}, {'id': 'b', 'code': "
        "'select 2', 'after': ['a']}], 'variables': {'x': 'y'}}",
        {"accepted true", "code.0.part a", "code.0.text echo y", "code.1.part b", "code.1.statement 1",
            "plan.nodes.0.kind sequence", "plan.nodes.1.part a", "where.0.engine shell",
            "where.1.engine sqlite", "where.1.node n3"}},
    {"an error tells its part",
        "{" WHO SQL "'parts': [{'id': 'a', 'code': 'select 1'}, {'id': 'b', 'code': 'select ${n/0}'}], "
        "'variables': {'n': 4}}",
        {"accepted false", "errors.0.code bad_variable", "errors.0.part b", "errors.0.line 1",
            "errors.0.column 8"}},
    {"and so does a finding",
        "{" WHO SQL "'parts': [{'id': 'a', 'code': 'select 1'}, {'id': 'b', 'code': ' drop table t'}]}",
        {"accepted false", "errors.0.code forbidden_code", "errors.0.part b", "errors.0.column 2"}},
    {"a result may be an earlier one's", "{" WHO SQL "'code': 'select 1', 'labels': {'cache': '10m'}}",
        {"accepted true", "plan.cache.ttl_ms 600000"}},
    {"the planner refuses it", "{" WHO SHELL "'code': 'x', 'labels': {'pool': 'nope'}}",
        {"accepted false", "errors.0.code unknown_pool", "plan null", "where.0 -"}},
    {"defaults are filled in", "{'creator': 'cron', 'user': 'bob', " SHELL "'code': 'echo ${region}'}",
        {"accepted true", "code.0.text echo north", "job.variables.region north",
            "job.limits.run_timeout_ms 77"}},
    {"it grows too large",
        "{" WHO SHELL
        "'code': '${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}${a}', 'variables': {'a': 'LONG'}}",
        {"accepted false", "errors.0.code too_large", "job.code "}},
};

static struct {
    struct arena arena;
    struct engine_list *engines;
    struct zones *zones;
    struct limits *limits;
    struct defaults *defaults;
    struct dry_run_rules rules;
} w;

/* ---- the world ---- */

/* As a record of that many bytes of code would be. */
static size_t size_of(void *self, const struct shape *s, const struct job *j)
{
    size_t bytes = 500;
    (void)self, (void)s;
    for (size_t i = 0; i < j->statements.count; i++)
        bytes += j->statements.items[i].text.len;
    return bytes;
}

static int set_up(void **state)
{
    static struct bytes drop[] = {{"drop", 4}}, pools[] = {{"fast", 4}};
    static struct pair region[] = {{{"region", 6}, {"north", 5}}};
    static struct plan_rules plan = {.pools = {pools, 1}, .derived_max_bytes = 100000};
    static struct submit_rules submit = {.max_bytes = SUBMISSION_MOST};
    struct limit limit;
    struct job_default fallback;
    struct error e;
    (void)state;
    arena_init(&w.arena);
    error_clear(&e);
    w.engines = engine_list_open(SOURCE_DIR "/engines", &e);
    w.zones = zones_open("/usr/share/zoneinfo", &e);
    if (!w.engines || !w.zones) {
        print_error("%s\n", e.text);
        return -1;
    }
    shape_clear(&shape_limit, &limit);
    limit.selector = BYTES("ide/*");
    limit.forbidden_sql = (struct strings){drop, 1};
    w.limits = limits_of(&limit, 1);
    shape_clear(&shape_default, &fallback);
    fallback.selector = BYTES("cron/*");
    fallback.variables = (struct pairs){region, 1};
    fallback.limits.run_timeout_ms = 77;
    w.defaults = defaults_of(&fallback, 1);
    submit.engines = w.engines;
    w.rules = (struct dry_run_rules){.submit = &submit,
        .convert = {.engines = w.engines,
            .submission_max_bytes = SUBMISSION_MOST,
            .derived_max_bytes = 10000,
            .limits = {0, 1000, 2000, 3000},
            .most = {10000, 20000, 30000, 40000},
            .retry = {.max_attempts = 1, .backoff_ms = 5, .max_backoff_ms = 6, .on_lost = ON_LOST_RETRY},
            .groups = w.limits,
            .defaults = w.defaults,
            .zones = w.zones,
            .timezone = "UTC"},
        .plan = &plan,
        .size = size_of};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    limits_free(w.limits);
    defaults_free(w.defaults);
    zones_close(w.zones);
    engine_list_close(w.engines);
    arena_release(&w.arena);
    return 0;
}

/* ---- answers ---- */

/* ' to ", and LONG to a thousand characters. */
static struct bytes body_of(const char *text)
{
    struct buf b;
    buf_init(&b);
    for (; *text; text++) {
        if (strncmp(text, "LONG", 4) == 0) {
            for (int i = 0; i < 1000; i++)
                buf_add_char(&b, 'x');
            text += 3;
        } else {
            buf_add_char(&b, *text == '\'' ? '"' : *text);
        }
    }
    struct bytes copy = arena_copy(&w.arena, buf_bytes(&b));
    buf_release(&b);
    return copy;
}

static json_t *answer_of(const struct dry_run *d, const struct dry_run_world *world)
{
    struct buf text;
    json_error_t e;
    buf_init(&text);
    dry_run_write(d, world, &text);
    json_t *answer = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &e);
    if (!answer)
        fail_msg("%s: %.*s", e.text, BYTES_ARG(buf_bytes(&text)));
    buf_release(&text);
    return answer;
}

static const json_t *at_path(const json_t *value, const char *path, size_t len)
{
    while (value && len > 0) {
        char key[64];
        size_t part = 0;
        while (part < len && path[part] != '.')
            part++;
        assert_true(part < sizeof key);
        memcpy(key, path, part);
        key[part] = '\0';
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
        path += part < len ? part + 1 : part;
        len -= part < len ? part + 1 : part;
    }
    return value;
}

static void value_text(const json_t *value, char *out, size_t size)
{
    char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    snprintf(out, size, "%s", json_is_string(value) ? json_string_value(value) : dumped ? dumped : "-");
    free(dumped);
}

static void a_dry_run_tells_what_would_come_of_it(void **state)
{
    (void)state;
    static struct bytes busy[] = {{"it is busy", 10}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct dry_run *d = arena_alloc(&w.arena, sizeof *d);
        bool fast = strstr(rows[r].body, "fast") != NULL;
        struct dry_run_world world = {{busy, fast ? 1 : 0}, 2};
        bool runs = dry_run_make(&w.rules, body_of(rows[r].body), BYTES_NONE, NOW, &w.arena, d);
        json_t *answer = answer_of(d, &world);
        if (runs != json_is_true(json_object_get(answer, "accepted")))
            fail_msg("%s: the answer says otherwise", rows[r].name);
        for (size_t i = 0; i < EXPECT_MAX && rows[r].expect[i]; i++) {
            char got[300];
            const char *expect = rows[r].expect[i], *space = strchr(expect, ' ');
            value_text(at_path(answer, expect, (size_t)(space - expect)), got, sizeof got);
            if (strcmp(got, space + 1) != 0) {
                char *all = json_dumps(answer, JSON_INDENT(1));
                print_error("%s\n", all);
                free(all);
                fail_msg("%s: %s, got %s", rows[r].name, expect, got);
            }
        }
        json_decref(answer);
    }
}

/* What is no submission is no dry run either. */
static void what_can_not_be_read_is_refused_as_always(void **state)
{
    (void)state;
    static const struct {
        const char *name, *body;
        int status;
    } cases[] = {
        {"no JSON", "{", 400},
        {"unknown fields", "{" WHO SHELL "'code': 'x', 'color': 1}", 400},
        {"too large", "{" WHO SHELL "'code': 'LONGLONGLONGLONGLONG'}", 413},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dry_run *d = arena_alloc(&w.arena, sizeof *d);
        assert_false(dry_run_make(&w.rules, body_of(cases[i].body), BYTES_NONE, NOW, &w.arena, d));
        if (!d->refusal || d->refusal->status != cases[i].status)
            fail_msg("%s: not refused with %d", cases[i].name, cases[i].status);
    }
}

/* Very many names: the lists stay short, and say so. */
static void of_very_many_names_the_first_are_told(void **state)
{
    (void)state;
    struct buf code;
    struct dry_run *d = arena_alloc(&w.arena, sizeof *d);
    struct dry_run_world world = {{NULL, 0}, NO_INT};
    buf_init(&code);
    buf_add_text(&code, "{\"creator\":\"ide\",\"user\":\"ann\",\"engine\":\"shell\",\"code\":\"");
    for (int i = 0; i < TOLD_NAMES_MAX + 50; i++)
        buf_printf(&code, "${n%d} ", i);
    buf_add_text(&code, "\"}");
    assert_true(dry_run_make(&w.rules, buf_bytes(&code), BYTES_NONE, NOW, &w.arena, d));
    json_t *answer = answer_of(d, &world);
    const json_t *variables = json_object_get(answer, "variables");
    assert_int_equal(json_array_size(json_object_get(variables, "left")), TOLD_NAMES_MAX);
    assert_true(json_is_true(json_object_get(variables, "more")));
    assert_true(json_is_null(at_path(answer, "where.0.executors", strlen("where.0.executors"))));
    json_decref(answer);
    buf_release(&code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_tells_what_would_come_of_it),
        cmocka_unit_test(what_can_not_be_read_is_refused_as_always),
        cmocka_unit_test(of_very_many_names_the_first_are_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
