/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* convert: which jobs are refused and why, what is filled in, which id a job gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/uuid.h"
#include "tests/unit/convert_world.h"

/* ---- cases: a good job in JSON, with one thing changed ---- */

struct refusal_case {
    const char *name;
    const char *field, *value; /* JSON; value NULL: the field is left out */
    const char *code;          /* of the error; NULL: the job is fine */
    const char *message;       /* it begins so */
};

#define ONES_31 "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
#define LONG_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_257 LONG_64 LONG_64 LONG_64 LONG_64 "a"

static const struct refusal_case refusals[] = {
    {"a plain job is fine", "name", "\"x\"", NULL, NULL},
    {"an unknown engine", "engine", "\"cobol\"", "unknown_engine",
        "engine: there is no engine 'cobol'; known: "},
    {"no engine", "engine", NULL, "missing", "engine: "},
    {"a code type that fits", "code_type", "\"bash\"", NULL, NULL},
    {"a code type of another engine", "code_type", "\"sql\"", "bad_code_type",
        "code_type: engine 'shell' does not run 'sql', but: shell, bash"},
    {"no code", "code", NULL, "missing", "code: "},
    {"empty code", "code", "\"\"", "missing", "code: "},
    {"blank code", "code", "\" \\n\\t\"", "empty_code", "code: "},
    {"NUL in the code", "code", "\"a\\u0000b\"", "nul_byte", "code: "},
    {"NUL in a label", "labels", "{\"a\":\"b\\u0000\"}", "nul_byte", "labels: "},
    {"NUL in a part", "parts", "[{\"id\":\"p\",\"code\":\"\\u0000\"}]", "nul_byte", "parts.code: "},
    {"a bad creator", "creator", "\"../etc\"", "bad_name", "creator: "},
    {"a bad user", "user", "\"a b\"", "bad_name", "user: "},
    {"a bad target", "target", "\"a/b\"", "bad_name", "target: "},
    {"a name with a newline", "name", "\"a\\nb\"", "bad_name", "name: "},
    {"a name of other scripts", "name", "\"\\u00e4\\u4e2d\"", NULL, NULL},
    {"a variable's name", "variables", "{\"1a\":\"x\"}", "bad_name", "variables.1a: "},
    {"a variable with a dot", "variables", "{\"a.b\":\"x\"}", NULL, NULL},
    {"a conf key with a space", "conf", "{\"a b\":\"x\"}", "bad_name", "conf.a b: "},
    {"a conf key with dots", "conf", "{\"spark.executor.memory\":\"1g\"}", NULL, NULL},
    {"settings of Millrace's own", "conf", "{\"session\":\"statement\",\"reuse\":\"never\"}", NULL, NULL},
    {"a session that there is not", "conf", "{\"session\":\"each\"}", "bad_value",
        "conf.session: job (all statements in one session) or "},
    {"a setting that the engine does not have", "conf", "{\"color\":\"red\"}", "unknown_field",
        "conf.color: the engine has no such setting; known: memory, cores, spark.executor.memory"},
    {"an empty label key", "labels", "{\"\":\"x\"}", "bad_name", "labels.: "},
    {"a negative limit", "limits", "{\"run_timeout_ms\":-1}", "bad_value", "limits.run_timeout_ms: "},
    {"a limit over the most", "limits", "{\"run_timeout_ms\":999999999999}", "bad_value",
        "limits.run_timeout_ms: 0 to "},
    {"a limit within", "limits", "{\"run_timeout_ms\":5000}", NULL, NULL},
    {"no tries", "retry", "{\"max_attempts\":0}", "bad_value", "retry.max_attempts: "},
    {"one try", "retry", "{\"max_attempts\":1}", NULL, NULL},
    {"two tries", "retry", "{\"max_attempts\":2}", NULL, NULL},
    {"as many tries as may be", "retry", "{\"max_attempts\":100,\"backoff_ms\":0,\"max_backoff_ms\":0}", NULL,
        NULL},
    {"too many tries", "retry", "{\"max_attempts\":101}", "bad_value",
        "retry.max_attempts: 1 to 100, not 101"},
    {"a negative backoff", "retry", "{\"backoff_ms\":-1}", "bad_value", "retry.backoff_ms: "},
    {"a backoff of ten years", "retry", "{\"max_backoff_ms\":315360000000}", "bad_value",
        "retry.max_backoff_ms: "},
    {"exit codes to retry", "retry", "{\"exit_codes\":[0,75,255]}", NULL, NULL},
    {"an exit code that there is not", "retry", "{\"exit_codes\":[75,256]}", "bad_value",
        "retry.exit_codes[1]: 0 to 255, not 256"},
    {"a negative exit code", "retry", "{\"exit_codes\":[-1]}", "bad_value", "retry.exit_codes[0]: "},
    {"32 exit codes", "retry", "{\"exit_codes\":[" ONES_31 "1]}", NULL, NULL},
    {"33 exit codes", "retry", "{\"exit_codes\":[" ONES_31 "1,1]}", "too_many",
        "retry.exit_codes: at most 32"},
    {"errors to retry", "retry", "{\"errors\":[\"deadlock\",\"^connection_(failed|reset)$\"]}", NULL, NULL},
    {"an error that is no pattern", "retry", "{\"errors\":[\"ok\",\"(\"]}", "bad_value", "retry.errors[1]: "},
    {"a pattern that costs too much", "retry", "{\"errors\":[\"((a{1,255}){1,255}){1,255}\"]}", "bad_value",
        "retry.errors[0]: "},
    {"a pattern with a NUL byte", "retry", "{\"errors\":[\"a\\u0000b\"]}", "nul_byte", "retry.errors: "},
    {"a pattern that is too long", "retry", "{\"errors\":[\"" LONG_257 "\"]}", "too_long",
        "retry.errors[0]: "},
    {"tries of a node", "retry", "{\"node_attempts\":100}", NULL, NULL},
    {"no tries of a node", "retry", "{\"node_attempts\":0}", "bad_value",
        "retry.node_attempts: 1 to 100, not 0"},
    {"too many tries of a node", "retry", "{\"node_attempts\":101}", "bad_value", "retry.node_attempts: "},
    {"results from before", "labels", "{\"cache\":\"10m\"}", NULL, NULL},
    {"results from before, by days", "labels", "{\"cache\":\"366d\"}", NULL, NULL},
    {"results from long before", "labels", "{\"cache\":\"367d\"}", "bad_value", "labels.cache: how old"},
    {"results from no time ago", "labels", "{\"cache\":\"0\"}", "bad_value", "labels.cache: "},
    {"results from a word", "labels", "{\"cache\":\"yes\"}", "bad_value", "labels.cache: "},
    {"results from nothing", "labels", "{\"cache\":\"\"}", "bad_value", "labels.cache: "},
    {"a start in the future", "not_before", "1800000000001", NULL, NULL},
    {"a start in a year", "not_before", "1831622400000", NULL, NULL},
    {"a start in more than a year", "not_before", "1831622400001", "bad_value", "not_before: at most a year"},
    {"a start in the past", "not_before", "1799999999999", NULL, NULL},
    {"a callback", "callback_url", "\"http://x\"", "unsupported", "callback_url: not there yet"},
    {"a time zone", "timezone", "\"Europe/Berlin\"", NULL, NULL},
    {"UTC", "timezone", "\"UTC\"", NULL, NULL},
    {"an unknown time zone", "timezone", "\"Europe/Atlantis\"", "unknown_timezone",
        "timezone: there is no zone 'Europe/Atlantis'"},
    {"a path as a time zone", "timezone", "\"../etc/passwd\"", "unknown_timezone", "timezone: "},
    {"a built-in variable", "variables", "{\"user\":\"root\"}", "fixed_variable",
        "variables.user: the variable is built in"},
    {"a run_date", "variables", "{\"run_date\":\"20240229\"}", NULL, NULL},
    {"a run_date that is none", "variables", "{\"run_date\":\"20230229\"}", "bad_value",
        "variables.run_date: expected a day"},
    {"an empty idempotency key", "idempotency_key", "\"\"", "bad_value", "idempotency_key: "},
};

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal_case *c = &refusals[i];
        struct job j;
        arena_reset(&arena);
        make_job(&j, c->field, c->value);
        bool fine = convert_job(&rules, &j, 100, NOW, &arena);
        if (fine != (c->code == NULL))
            fail_msg("%s: %s", c->name, fine ? "was not refused" : (const char *)j.error->message.data);
        if (fine)
            continue;
        if (!bytes_equal_text(j.error->code, c->code) || !bytes_starts_with(j.error->message, c->message))
            fail_msg("%s: got %.*s, %.*s", c->name, BYTES_ARG(j.error->code), BYTES_ARG(j.error->message));
        assert_int_equal(j.statements.count, 0);
    }
}

static void tells_all_problems_at_once(void **state)
{
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, "labels", "{\"a b\":\"x\"}");
    j.engine = BYTES("cobol");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_starts_with(j.error->detail, "engine: unknown_engine: "));
    assert_non_null(strstr(j.error->detail.data, "\nlabels.a b: bad_name: "));
}

static void fills_in_defaults(void **state)
{
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, NULL, NULL);
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.code_type, "shell"));
    assert_true(bytes_equal_text(j.submitter, "ann"));
    assert_int_equal(j.limits.queue_timeout_ms, 0);
    assert_int_equal(j.limits.run_timeout_ms, 1000);
    assert_int_equal(j.limits.max_log_bytes, 2000);
    assert_int_equal(j.limits.max_result_rows, 3000);
    assert_int_equal(j.retry.max_attempts, 1);
    assert_int_equal(j.retry.backoff_ms, 5);
    assert_int_equal(j.retry.max_backoff_ms, 6);
    assert_int_equal(j.retry.on_lost, ON_LOST_RETRY);
    assert_int_equal(j.retry.node_attempts, 1);
    assert_int_equal(j.statements.count, 1);
    assert_null(j.statements.items[0].text.data);
    assert_int_equal(j.statements.items[0].length, 2);
    assert_int_equal(j.statements.items[0].first_line, 1);
    assert_true(bytes_equal_text(job_statement_text(&j, &j.statements.items[0]), "ls"));
}

/* What the limits documents say of the job's group: engines, and timeouts where the job names none. */
static void follows_the_limits_of_the_group(void **state)
{
    struct bytes sql = BYTES("sqlite"), both[] = {BYTES("sqlite"), BYTES("shell")};
    struct limit items[3];
    struct job j;

    (void)state;
    arena_reset(&arena);
    for (int i = 0; i < 3; i++)
        shape_clear(&shape_limit, &items[i]);
    items[0].selector = BYTES("*");
    items[0].engines = (struct strings){&sql, 1};
    items[0].queue_timeout_ms = 9;
    items[0].run_timeout_ms = 999999999; /* more than any job may ask for */
    items[1].selector = BYTES("ide/ann");
    items[1].engines = (struct strings){both, 2};
    items[2].selector = BYTES("ide/zero");
    items[2].engines = (struct strings){both, 2};
    items[2].queue_timeout_ms = items[2].run_timeout_ms = 0;
    struct limits *groups = limits_of(items, 3);
    rules.groups = groups;

    make_job(&j, NULL, NULL);
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.limits.queue_timeout_ms, 9);
    assert_int_equal(j.limits.run_timeout_ms, rules.most.run_timeout_ms);
    make_job(&j, "limits", "{\"queue_timeout_ms\":0,\"run_timeout_ms\":7}");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.limits.queue_timeout_ms, 0);
    assert_int_equal(j.limits.run_timeout_ms, 7);
    make_job(&j, "user", "\"zero\"");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.limits.queue_timeout_ms, 0);
    assert_int_equal(j.limits.run_timeout_ms, rules.most.run_timeout_ms);
    make_job(&j, "user", "\"bob\"");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "engine_not_allowed"));
    assert_true(bytes_equal_text(j.error->message, "engine: ide/bob may not use 'shell', but: sqlite"));

    rules.groups = NULL;
    limits_free(groups);
}

static void takes_zero_as_the_most(void **state)
{
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, "limits", "{\"run_timeout_ms\":0, \"max_result_rows\":0}");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.limits.run_timeout_ms, rules.most.run_timeout_ms);
    assert_int_equal(j.limits.max_result_rows, rules.most.max_result_rows);
}

static void replaces_variables_in_the_statement_and_keeps_the_code(void **state)
{
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, "variables", "{\"day\":\"mon\"}");
    j.code = BYTES("echo ${day} ${HOME}");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.code, "echo ${day} ${HOME}"));
    assert_true(bytes_equal_text(job_statement_text(&j, &j.statements.items[0]), "echo mon ${HOME}"));
    assert_int_equal(j.warnings.count, 0); /* HOME is the shell's */
}

/* Editors put it in front of a text; it is no part of the code. */
static void drops_a_byte_order_mark(void **state)
{
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, "code", "\"\\ufeff#@set x = a\\necho ${x}\"");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.code, "#@set x = a\necho ${x}"));
    assert_int_equal(j.statements.items[0].offset, 0);
    assert_true(bytes_equal_text(j.statements.items[0].text, "#@set x = a\necho a"));

    make_job(&j, "parts", "[{\"id\":\"p\",\"code\":\"\\ufeffls\"}]");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.parts.items[0].code, "ls"));
}

static void refuses_wrong_variables_with_their_line(void **state)
{
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, NULL, NULL);
    j.code = BYTES("echo\n ${run_date*2}");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "bad_variable"));
    assert_true(
        bytes_equal_text(j.error->message, "line 2, column 2: ${run_date*2}: a date takes only + and -"));
    assert_int_equal(j.error->line, 2);
    assert_int_equal(j.statements.count, 0);
    assert_true(bytes_equal_text(j.code, "echo\n ${run_date*2}"));
}

/* The day before the submission, where the job says it is: NOW is 2027-01-15 08:00 UTC. */
static void knows_what_day_it_is(void **state)
{
    static const struct {
        const char *timezone; /* NULL: the job names none */
        int64_t submitted_at;
        const char *wanted;
    } cases[] = {
        {NULL, NO_INT, "20270114 08"},
        {NULL, NOW - 9 * 3600 * 1000, "20270113 23"},
        {"Asia/Tokyo", NOW + 7 * 3600 * 1000, "20270115 00"},
        {"America/Los_Angeles", NOW - 1, "20270113 23"},
        {"Pacific/Kiritimati", INT64_MAX, "99991228 14"},
        {NULL, INT64_MIN + 1, "00010102 00"},
    };
    struct job j;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        arena_reset(&arena);
        make_job(&j, NULL, NULL);
        j.code = BYTES("${run_date} &{HH}");
        j.timezone = bytes_of(cases[i].timezone);
        j.submitted_at = cases[i].submitted_at;
        assert_true(convert_job(&rules, &j, 100, NOW, &arena));
        struct bytes text = job_statement_text(&j, &j.statements.items[0]);
        if (!bytes_equal_text(text, cases[i].wanted))
            fail_msg("case %zu: expected '%s', got '%.*s'", i, cases[i].wanted, BYTES_ARG(text));
        assert_true(bytes_equal_text(j.timezone, cases[i].timezone != NULL ? cases[i].timezone : "UTC"));
    }
}

static void fills_in_the_defaults_that_fit(void **state)
{
    struct pair conf[] = {{BYTES("memory"), BYTES("1g")}, {BYTES("cores"), BYTES("2")}};
    struct pair variables[] = {{BYTES("table"), BYTES("t1")}, {BYTES("run_mon"), BYTES("x")},
        {BYTES("run_date"), BYTES("20240301")}};
    struct pair mine[] = {{BYTES("table"), BYTES("t2")}};
    struct pair own = {BYTES("cores"), BYTES("8")};
    struct bytes target = BYTES("main");
    struct job_strategy race = {BYTES("race"), {&target, 1}};
    struct job_default items[2];
    struct job j;

    (void)state;
    arena_reset(&arena);
    for (int i = 0; i < 2; i++)
        shape_clear(&shape_default, &items[i]);
    items[0].selector = BYTES("ide/*");
    items[0].conf = (struct pairs){conf, 2};
    items[0].variables = (struct pairs){variables, 3};
    items[0].limits.run_timeout_ms = 0;
    items[0].limits.queue_timeout_ms = 999999;
    items[0].limits.max_log_bytes = 77;
    items[0].retry.max_attempts = 4;
    items[0].retry.node_attempts = 3;
    items[1].selector = BYTES("ide/ann,engine=shell");
    items[1].variables = (struct pairs){mine, 1};
    items[1].retry.backoff_ms = 9;
    struct defaults *defaults = defaults_of(items, 2);
    rules.defaults = defaults;

    make_job(&j, NULL, NULL);
    j.conf = (struct pairs){&own, 1};
    j.code = BYTES("${table} ${run_date} ${run_mon}");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.conf.count, 2);
    assert_true(
        bytes_equal_text(j.conf.items[0].value, "8") && bytes_equal_text(j.conf.items[1].value, "1g"));
    assert_true(bytes_equal_text(job_statement_text(&j, &j.statements.items[0]), "t2 20240301 202403"));
    assert_int_equal(j.warnings.count, 1);
    assert_true(
        bytes_starts_with(j.warnings.items[0], "the defaults of ide/* set run_mon, which is built in"));
    assert_int_equal(j.limits.run_timeout_ms, rules.most.run_timeout_ms);
    assert_int_equal(j.limits.queue_timeout_ms, rules.most.queue_timeout_ms);
    assert_int_equal(j.limits.max_log_bytes, 77);
    assert_int_equal(j.limits.max_result_rows, 3000);
    assert_int_equal(j.retry.max_attempts, 4);
    assert_int_equal(j.retry.backoff_ms, 9);
    assert_int_equal(j.retry.max_backoff_ms, 6);
    assert_int_equal(j.retry.node_attempts, 3);

    make_job(&j, "limits", "{\"queue_timeout_ms\":0,\"run_timeout_ms\":7}");
    j.retry.max_attempts = 2;
    j.code = BYTES("#@set table = t3\n${table}");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(job_statement_text(&j, &j.statements.items[0]), "#@set table = t3\nt3"));
    assert_int_equal(j.limits.queue_timeout_ms, 0);
    assert_int_equal(j.limits.run_timeout_ms, 7);
    assert_int_equal(j.retry.max_attempts, 2);

    make_job(&j, "creator", "\"web\"");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.conf.count, 0);
    defaults_free(defaults);

    /* A strategy is filled in before the checks look at it. */
    items[0].strategy = &race;
    rules.defaults = defaults = defaults_of(items, 1);
    make_job(&j, NULL, NULL);
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.strategy->kind, "race"));
    make_job(&j, "strategy", "{\"kind\":\"single\",\"targets\":[]}");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.strategy->kind, "single"));
    rules.defaults = NULL;
    defaults_free(defaults);
}

static void refuses_what_is_too_large_and_drops_its_code(void **state)
{
    struct job j;
    char *value = malloc(5001);

    (void)state;
    arena_reset(&arena);
    make_job(&j, "labels", "{\"a\":\"b\"}");
    assert_true(convert_job(&rules, &j, 10000, NOW, &arena));
    assert_false(convert_job(&rules, &j, 10000 + 4097, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "too_large"));
    assert_int_equal(j.code.len, 0);
    assert_int_equal(j.labels.count, 0);

    memset(value, 'v', 5000);
    value[5000] = '\0';
    make_job(&j, NULL, NULL);
    struct pair variable = {BYTES("v"), bytes_of(value)};
    j.variables = (struct pairs){&variable, 1};
    j.code = BYTES("${v}${v}${v}${v}${v}");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "too_large"));
    assert_int_equal(j.code.len, 0);
    free(value);
}

static void keeps_harm_out_of_refused_jobs(void **state)
{
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, "code", "\"a\\u0000b\"");
    j.name = (struct bytes){"a\0b", 3};
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.code.len, 0);
    assert_int_equal(j.name.len, 0);
}

static void gives_ids_that_repeats_get_again(void **state)
{
    const struct origin here = {3, 14, 159};
    struct uuid wanted;
    char text[UUID_TEXT_LEN + 1];
    struct job j;

    (void)state;
    arena_reset(&arena);
    make_job(&j, NULL, NULL);
    convert_identify(&j, "jobs.submitted", &here, &arena);
    uuid_v5(&wanted, BYTES("jobs.submitted/3/14/159"));
    uuid_format(&wanted, text);
    assert_true(bytes_equal_text(j.job_id, text));

    make_job(&j, "idempotency_key", "\"k 1\"");
    convert_identify(&j, "jobs.submitted", &here, &arena);
    uuid_v5(&wanted, BYTES("ide/ann/k 1"));
    uuid_format(&wanted, text);
    assert_true(bytes_equal_text(j.job_id, text));

    make_job(&j, "job_id", "\"0198F5A0-0000-7000-8000-00000000000A\"");
    convert_identify(&j, "jobs.submitted", &here, &arena);
    assert_true(bytes_equal_text(j.job_id, "0198f5a0-0000-7000-8000-00000000000a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(tells_all_problems_at_once),
        cmocka_unit_test(fills_in_defaults),
        cmocka_unit_test(follows_the_limits_of_the_group),
        cmocka_unit_test(takes_zero_as_the_most),
        cmocka_unit_test(replaces_variables_in_the_statement_and_keeps_the_code),
        cmocka_unit_test(drops_a_byte_order_mark),
        cmocka_unit_test(refuses_wrong_variables_with_their_line),
        cmocka_unit_test(knows_what_day_it_is),
        cmocka_unit_test(fills_in_the_defaults_that_fit),
        cmocka_unit_test(refuses_what_is_too_large_and_drops_its_code),
        cmocka_unit_test(keeps_harm_out_of_refused_jobs),
        cmocka_unit_test(gives_ids_that_repeats_get_again),
    };
    return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
