/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks: see checks.h. A new check is a function and a row of `checks`; a feature that arrives is a row less in
 * `unsupported`.
 */
#include "converter/checks_private.h"

#include <string.h>

#include "core/retry.h"

#define DAY_MS (24LL * 3600 * 1000)
#define YEAR_MS (366 * DAY_MS)

enum { ZONE_MAX = 64 };

void checks_add(struct checking *c, struct bytes field, const char *code, struct bytes detail)
{
    field_problems_add(c->problems, field, code, detail);
}

/* ---- names ---- */

static void check_name_of(struct checking *c, const char *field, struct bytes name, bool required)
{
    if (name.len == 0 && !required)
        return;
    if (!job_name_is_valid(name))
        checks_add(c, bytes_of(field), "bad_name",
            BYTES("1 to 64 characters of A-Z a-z 0-9 . _ @ -, and neither \".\" nor \"..\""));
}

static void check_names(struct checking *c)
{
    check_name_of(c, "creator", c->job->creator, true);
    check_name_of(c, "user", c->job->user, true);
    check_name_of(c, "submitter", c->job->submitter, false);
    check_name_of(c, "target", c->job->target, false);
}

static void check_name(struct checking *c)
{
    if (bytes_characters(c->job->name) > JOB_NAME_CHARACTERS)
        checks_add(c, BYTES("name"), "too_long",
            arena_printf(c->arena, "at most %d characters", JOB_NAME_CHARACTERS));
    if (bytes_has_control(c->job->name))
        checks_add(c, BYTES("name"), "bad_name", BYTES("no control characters"));
}

/* ---- NUL bytes, anywhere ---- */

static bool has_nul(struct bytes b)
{
    return b.len > 0 && memchr(b.data, '\0', b.len) != NULL;
}

static void find_nul(struct checking *c, const struct shape *s, const void *record, struct bytes path);

static struct bytes join(struct checking *c, struct bytes path, const char *name)
{
    return path.len == 0 ? bytes_of(name) : arena_printf(c->arena, "%.*s.%s", BYTES_ARG(path), name);
}

static void find_nul_in_field(
    struct checking *c, const struct field *f, const void *record, struct bytes path)
{
    const void *at = (const char *)record + f->offset;
    const struct strings *strings = at;
    const struct pairs *pairs = at;
    const void *const *pointer = at;
    struct shape_list list;
    bool found = false;

    switch (f->type) {
    case FIELD_TEXT:
        found = has_nul(*(const struct bytes *)at);
        break;
    case FIELD_STRINGS:
        for (size_t i = 0; i < strings->count; i++)
            found = found || has_nul(strings->items[i]);
        break;
    case FIELD_PAIRS:
        for (size_t i = 0; i < pairs->count; i++)
            found = found || has_nul(pairs->items[i].key) || has_nul(pairs->items[i].value);
        break;
    case FIELD_RECORD:
        find_nul(c, f->shape, at, path);
        break;
    case FIELD_POINTER:
        if (*pointer != NULL)
            find_nul(c, f->shape, *pointer, path);
        break;
    case FIELD_LIST:
        list = shape_list_get(f, record);
        for (size_t i = 0; i < list.count; i++)
            find_nul(c, f->shape, (const char *)list.items + i * f->shape->size, path);
        break;
    case FIELD_INT:
    case FIELD_INTS:
    case FIELD_TIME:
    case FIELD_BOOL:
    case FIELD_DOUBLE:
    case FIELD_ENUM:
        break;
    }
    if (found)
        checks_add(c, path, "nul_byte", BYTES("the text holds a NUL byte"));
}

static void find_nul(struct checking *c, const struct shape *s, const void *record, struct bytes path)
{
    for (size_t i = 0; i < s->count; i++)
        find_nul_in_field(c, &s->fields[i], record, join(c, path, s->fields[i].name));
}

static void check_nul(struct checking *c)
{
    find_nul(c, &shape_submitted, c->job, (struct bytes){"", 0});
}

/* ---- maps ---- */

static void check_pairs(struct checking *c, const char *field, const struct pairs *pairs, size_t most,
    bool (*key_is_valid)(struct bytes key), size_t value_max, const char *wanted)
{
    if (pairs->count > most) {
        checks_add(c, bytes_of(field), "too_many", arena_printf(c->arena, "at most %zu entries", most));
        return;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *p = &pairs->items[i];
        struct bytes path =
            arena_printf(c->arena, "%s.%.*s", field, BYTES_ARG(bytes_cut(p->key, CHECKS_SHOWN_MAX)));
        if (!key_is_valid(p->key))
            checks_add(c, path, "bad_name", bytes_of(wanted));
        if (p->value.len > value_max)
            checks_add(c, path, "too_long", arena_printf(c->arena, "at most %zu bytes", value_max));
        for (size_t k = 0; k < i; k++) {
            if (bytes_equal(pairs->items[k].key, p->key))
                checks_add(c, path, "bad_value", BYTES("the key is there twice"));
        }
    }
}

static void check_maps(struct checking *c)
{
    const struct job *j = c->job;
    static const char variable[] = "a letter or _, then letters, digits, _ . -, up to 128 in all";
    static const char plain[] = "1 to 255 letters, digits, _ . - / : @";

    check_pairs(c, "variables", &j->variables, JOB_PAIRS_MAX, job_variable_name_is_valid, SIZE_MAX, variable);
    check_pairs(c, "conf", &j->conf, JOB_PAIRS_MAX, job_key_is_valid, JOB_VALUE_BYTES, plain);
    check_pairs(c, "labels", &j->labels, 64, job_key_is_valid, 256, plain);
    check_pairs(c, "source", &j->source, 64, job_key_is_valid, 4096, plain);
}

/* Labels that mean something to the planner. */
static void check_labels(struct checking *c)
{
    int64_t ms;

    if (!job_cache_ttl(c->job, &ms))
        checks_add(c, BYTES("labels.cache"), "bad_value", BYTES(JOB_CACHE_WANTED));
}

/* ---- numbers and the rest ---- */

static void check_range(struct checking *c, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value != NO_INT && (value < least || value > most))
        checks_add(c, bytes_of(field), "bad_value",
            arena_printf(
                c->arena, "%lld to %lld, not %lld", (long long)least, (long long)most, (long long)value));
}

static void check_numbers(struct checking *c)
{
    const struct job_limits *l = &c->job->limits;
    const struct job_limits *most = &c->rules->most;
    const struct job_retry *r = &c->job->retry;

    check_range(c, "limits.queue_timeout_ms", l->queue_timeout_ms, 0, most->queue_timeout_ms);
    check_range(c, "limits.run_timeout_ms", l->run_timeout_ms, 0, most->run_timeout_ms);
    check_range(c, "limits.max_log_bytes", l->max_log_bytes, 0, most->max_log_bytes);
    check_range(c, "limits.max_result_rows", l->max_result_rows, 0, most->max_result_rows);
    check_range(c, "retry.max_attempts", r->max_attempts, 1, RETRY_ATTEMPTS_MAX);
    check_range(c, "retry.backoff_ms", r->backoff_ms, 0, RETRY_BACKOFF_MAX_MS);
    check_range(c, "retry.max_backoff_ms", r->max_backoff_ms, 0, RETRY_BACKOFF_MAX_MS);
    check_range(c, "retry.node_attempts", r->node_attempts, 1, RETRY_ATTEMPTS_MAX);
    if (c->job->not_before != NO_INT && c->job->not_before > c->now + YEAR_MS)
        checks_add(c, BYTES("not_before"), "bad_value", BYTES("at most a year ahead"));
}

/* Rules on what is tried again: core/retry.h. */
static void check_retry_rules(struct checking *c)
{
    const struct job_retry *r = &c->job->retry;

    if (r->exit_codes.count > RETRY_RULES_MAX)
        checks_add(c, BYTES("retry.exit_codes"), "too_many",
            arena_printf(c->arena, "at most %d entries", RETRY_RULES_MAX));
    if (r->errors.count > RETRY_RULES_MAX)
        checks_add(c, BYTES("retry.errors"), "too_many",
            arena_printf(c->arena, "at most %d entries", RETRY_RULES_MAX));
    for (size_t i = 0; i < r->exit_codes.count && i < RETRY_RULES_MAX; i++) {
        struct bytes field = arena_printf(c->arena, "retry.exit_codes[%zu]", i);
        check_range(c, field.data, r->exit_codes.items[i], 0, 255);
    }
    for (size_t i = 0; i < r->errors.count && i < RETRY_RULES_MAX; i++) {
        struct bytes pattern = r->errors.items[i];
        const char *wrong = retry_pattern_problem(pattern, c->arena);
        if (wrong != NULL)
            checks_add(c, arena_printf(c->arena, "retry.errors[%zu]", i),
                pattern.len > RETRY_PATTERN_MAX ? "too_long" : "bad_value",
                arena_printf(c->arena, "a POSIX extended regular expression of 1 to %d bytes; %s",
                    RETRY_PATTERN_MAX, wrong));
    }
}

static void check_texts(struct checking *c)
{
    struct bytes key = c->job->idempotency_key;
    struct bytes zone = c->job->timezone;

    if (key.data != NULL && (key.len == 0 || key.len > JOB_KEY_BYTES || bytes_has_control(key)))
        checks_add(
            c, BYTES("idempotency_key"), "bad_value", BYTES("1 to 255 bytes without control characters"));
    if (zone.data != NULL && (zone.len == 0 || zone.len > ZONE_MAX || bytes_has_control(zone)))
        checks_add(c, BYTES("timezone"), "bad_value", BYTES("a zone's name, such as Europe/Berlin"));
    else if (zone.data != NULL && zones_find(c->rules->zones, zone) == NULL)
        checks_add(c, BYTES("timezone"), "unknown_timezone",
            arena_printf(c->arena, "there is no zone '%.*s'; names are such as UTC or Europe/Berlin",
                BYTES_ARG(zone)));
}

/* ---- what is not there yet ---- */

static bool has_callback(const struct checking *c)
{
    return c->job->callback_url.data != NULL;
}

/* Refused honestly until it works; then its row goes. */
static const struct {
    const char *field;
    bool (*used)(const struct checking *c);
    const char *detail;
} unsupported[] = {
    {"callback_url", has_callback, "calling back at the end"},
};

static void check_unsupported(struct checking *c)
{
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        if (unsupported[i].used(c))
            checks_add(c, bytes_of(unsupported[i].field), "unsupported",
                arena_printf(c->arena, "not there yet: %s", unsupported[i].detail));
    }
}

/* ---- the table ---- */

#define FIELDS(what, codes, run)                                                                             \
    {                                                                                                        \
        {what, codes, NULL}, run                                                                             \
    }
/* Those without a function are elsewhere: creator_rules.c, synonyms.c, and what looks at code: statements.c. */
static const struct {
    struct check shown;
    void (*run)(struct checking *c);
} checks[] = {
    FIELDS("creator, user, submitter and target are names: letters, digits, . _ @ -, up to 64", "bad_name",
        check_names),
    FIELDS("no text holds a NUL byte", "nul_byte", check_nul),
    FIELDS("the job's name is 256 characters at most, without control characters", "too_long, bad_name",
        check_name),
    {{"there are such engines, of the job and of its parts, the group may use them, and they take the code "
      "type",
         "missing, unknown_engine, engine_not_allowed, bad_code_type", "engines"},
        check_engines},
    FIELDS("the engines have such targets", "bad_name, unknown_target", check_targets),
    FIELDS("settings in conf are the engines', or Millrace's own: session, reuse", "unknown_field, bad_value",
        check_conf),
    FIELDS("there is code, in each part if it has parts", "missing, empty_code", check_code),
    FIELDS("parts have names of their own, are not too many, and wait for parts that there are, not for "
           "themselves",
        "bad_name, too_many, bad_parts", check_parts),
    FIELDS("lines that cut a text into parts can be understood, and the job has no other parts",
        "bad_parts, too_many, empty_code", NULL),
    FIELDS("keys and values of variables, conf, labels and source are such, not too many, none twice",
        "bad_name, too_long, too_many, bad_value", check_maps),
    FIELDS("timeouts, sizes and tries are within what the settings allow", "bad_value", check_numbers),
    FIELDS("rules on what is tried again are exit codes and patterns", "bad_value, too_long, too_many",
        check_retry_rules),
    FIELDS("idempotency key and time zone are such", "bad_value, unknown_timezone", check_texts),
    FIELDS("a strategy, of the job or of a part, is one that there is, with engines and targets that there "
           "are, none twice",
        "bad_value, unknown_engine, engine_not_allowed, bad_code_type, unknown_target", check_strategies),
    FIELDS("labels that the planner asks for have good values", "bad_value", check_labels),
    FIELDS("nothing is wanted that this version can't do", "unsupported", check_unsupported),
    {{"fields that the creator's jobs must give are there", "missing", "required"}, NULL},
    {{"only fields that the creator's jobs may give are there", "field_not_allowed", "allowed"}, NULL},
    FIELDS("labels that are synonyms of fields have good values and contradict no field", "bad_value", NULL),
    FIELDS("there is something to run but white space and comments", "empty_code", NULL),
    FIELDS("SQL has no more than 10,000 statements", "too_many_statements", NULL),
    FIELDS("lines that set variables, and ${...}, can be understood", "bad_set, bad_variable, fixed_variable",
        NULL),
    FIELDS("with its variables filled in the code is not too large", "too_large", NULL),
    {{"SQL does nothing that is forbidden", "forbidden_code", "forbidden_sql"}, NULL},
    {{"shell, Python and Scala do nothing that is forbidden", "forbidden_code", "forbidden_code"}, NULL},
};
enum { CHECKS = sizeof(checks) / sizeof(checks[0]) };

const struct check *check_at(size_t index)
{
    return index < CHECKS ? &checks[index].shown : NULL;
}

void checks_limits(const struct convert_rules *rules, const struct job *j, struct limits_effective *out)
{
    static const struct limits_effective none = {
        .weight = 1, .max_running = 1, .queue_timeout_ms = NO_INT, .run_timeout_ms = NO_INT};

    *out = none;
    if (rules->groups != NULL)
        limits_find(rules->groups, j->creator, j->user, out);
}

bool checks_run(const struct convert_rules *rules, const struct job *j, const struct parts_cut *cut,
    int64_t now, struct arena *a, struct field_problems *problems, int64_t *line)
{
    struct checking c = {
        .rules = rules, .job = j, .cut = cut, .now = now, .line = NO_INT, .arena = a, .problems = problems};

    checks_limits(rules, j, &c.limits);
    for (size_t i = 0; i < CHECKS; i++)
        if (checks[i].run != NULL)
            checks[i].run(&c);
    *line = c.line;
    return problems->count == 0;
}
