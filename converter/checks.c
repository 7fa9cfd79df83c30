/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks: see checks.h. A new check is a function and a row of `checks`; a feature that arrives is a row less in
 * `unsupported`.
 */
#include "converter/checks.h"

#include <string.h>

#include "core/retry.h"

#define DAY_MS (24LL * 3600 * 1000)
#define YEAR_MS (366 * DAY_MS)
#define SHOWN_MAX 80

enum { ZONE_MAX = 64 };

struct checking {
    const struct convert_rules *rules;
    const struct job *job;
    struct limits_effective limits; /* of its group */
    int64_t now;
    struct arena *arena;
    struct field_problems *problems;
};

static void add(struct checking *c, struct bytes field, const char *code, struct bytes detail)
{
    if (c->problems->count < SHAPE_PROBLEMS_MAX)
        c->problems->items[c->problems->count++] = (struct field_problem){field, code, detail};
}

/* ---- names ---- */

static void check_name_of(struct checking *c, const char *field, struct bytes name, bool required)
{
    if (name.len == 0 && !required)
        return;
    if (!job_name_is_valid(name))
        add(c, bytes_of(field), "bad_name",
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
        add(c, BYTES("name"), "too_long",
            arena_printf(c->arena, "at most %d characters", JOB_NAME_CHARACTERS));
    if (bytes_has_control(c->job->name))
        add(c, BYTES("name"), "bad_name", BYTES("no control characters"));
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
        add(c, path, "nul_byte", BYTES("the text holds a NUL byte"));
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

/* ---- engine and code ---- */

static struct bytes engine_names(struct checking *c)
{
    struct bytes names = BYTES("");

    for (size_t i = 0; i < engine_list_count(c->rules->engines); i++)
        names = arena_printf(c->arena, "%.*s%s%s", BYTES_ARG(names), i > 0 ? ", " : "",
            engine_list_at(c->rules->engines, i)->name);
    return names;
}

static struct bytes type_names(struct checking *c, const struct engine_info *engine)
{
    struct bytes names = BYTES("");

    for (const char *const *t = engine->code_types; *t != NULL; t++)
        names = arena_printf(c->arena, "%.*s%s%s", BYTES_ARG(names), names.len > 0 ? ", " : "", *t);
    return names;
}

static struct bytes allowed_names(struct checking *c)
{
    struct bytes names = BYTES("");

    for (size_t i = 0; i < c->limits.engines->count; i++)
        names = arena_printf(c->arena, "%.*s%s%.*s", BYTES_ARG(names), i > 0 ? ", " : "",
            BYTES_ARG(c->limits.engines->items[i]));
    return names;
}

static void check_engine(struct checking *c)
{
    const struct job *j = c->job;
    const struct engine_info *engine = engine_list_find(c->rules->engines, j->engine);

    if (j->engine.len == 0) {
        add(c, BYTES("engine"), "missing", BYTES("the name of an engine"));
    } else if (engine == NULL) {
        struct bytes known = engine_names(c);
        add(c, BYTES("engine"), "unknown_engine",
            arena_printf(c->arena, "there is no engine '%.*s'; known: %.*s",
                BYTES_ARG(bytes_cut(j->engine, SHOWN_MAX)), BYTES_ARG(known)));
    } else if (!limits_engine_is_allowed(&c->limits, j->engine)) {
        struct bytes allowed = allowed_names(c);
        add(c, BYTES("engine"), "engine_not_allowed",
            arena_printf(c->arena, "%.*s/%.*s may not use '%.*s', but: %.*s", BYTES_ARG(j->creator),
                BYTES_ARG(j->user), BYTES_ARG(j->engine), BYTES_ARG(allowed)));
    } else if (j->code_type.len > 0 && !engine_info_accepts(engine, j->code_type)) {
        struct bytes types = type_names(c, engine);
        add(c, BYTES("code_type"), "bad_code_type",
            arena_printf(c->arena, "engine '%.*s' does not run '%.*s', but: %.*s", BYTES_ARG(j->engine),
                BYTES_ARG(bytes_cut(j->code_type, SHOWN_MAX)), BYTES_ARG(types)));
    }
}

static void check_code(struct checking *c)
{
    if (c->job->code.len == 0)
        add(c, BYTES("code"), "missing", BYTES("what to run"));
    else if (bytes_trim(c->job->code).len == 0)
        add(c, BYTES("code"), "empty_code", BYTES("there is nothing to run"));
}

/* ---- maps ---- */

static void check_pairs(struct checking *c, const char *field, const struct pairs *pairs, size_t most,
    bool (*key_is_valid)(struct bytes key), size_t value_max, const char *wanted)
{
    if (pairs->count > most) {
        add(c, bytes_of(field), "too_many", arena_printf(c->arena, "at most %zu entries", most));
        return;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *p = &pairs->items[i];
        struct bytes path = arena_printf(c->arena, "%s.%.*s", field, BYTES_ARG(bytes_cut(p->key, SHOWN_MAX)));
        if (!key_is_valid(p->key))
            add(c, path, "bad_name", bytes_of(wanted));
        if (p->value.len > value_max)
            add(c, path, "too_long", arena_printf(c->arena, "at most %zu bytes", value_max));
        for (size_t k = 0; k < i; k++) {
            if (bytes_equal(pairs->items[k].key, p->key))
                add(c, path, "bad_value", BYTES("the key is there twice"));
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

/* ---- numbers and the rest ---- */

static void check_range(struct checking *c, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value != NO_INT && (value < least || value > most))
        add(c, bytes_of(field), "bad_value",
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
    if (c->job->not_before != NO_INT && c->job->not_before > c->now + YEAR_MS)
        add(c, BYTES("not_before"), "bad_value", BYTES("at most a year ahead"));
}

/* Rules on what is tried again: core/retry.h. */
static void check_retry_rules(struct checking *c)
{
    const struct job_retry *r = &c->job->retry;

    if (r->exit_codes.count > RETRY_RULES_MAX)
        add(c, BYTES("retry.exit_codes"), "too_many",
            arena_printf(c->arena, "at most %d entries", RETRY_RULES_MAX));
    if (r->errors.count > RETRY_RULES_MAX)
        add(c, BYTES("retry.errors"), "too_many",
            arena_printf(c->arena, "at most %d entries", RETRY_RULES_MAX));
    for (size_t i = 0; i < r->exit_codes.count && i < RETRY_RULES_MAX; i++) {
        struct bytes field = arena_printf(c->arena, "retry.exit_codes[%zu]", i);
        check_range(c, field.data, r->exit_codes.items[i], 0, 255);
    }
    for (size_t i = 0; i < r->errors.count && i < RETRY_RULES_MAX; i++) {
        struct bytes pattern = r->errors.items[i];
        const char *wrong = retry_pattern_problem(pattern, c->arena);
        if (wrong != NULL)
            add(c, arena_printf(c->arena, "retry.errors[%zu]", i),
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
        add(c, BYTES("idempotency_key"), "bad_value", BYTES("1 to 255 bytes without control characters"));
    if (zone.data != NULL && (zone.len == 0 || zone.len > ZONE_MAX || bytes_has_control(zone)))
        add(c, BYTES("timezone"), "bad_value", BYTES("a zone's name, such as Europe/Berlin"));
    else if (zone.data != NULL && zones_find(c->rules->zones, zone) == NULL)
        add(c, BYTES("timezone"), "unknown_timezone",
            arena_printf(c->arena, "there is no zone '%.*s'; names are such as UTC or Europe/Berlin",
                BYTES_ARG(zone)));
}

static void check_strategy(struct checking *c)
{
    static const char *const kinds[] = {"single", "race", "all", "fallback"};

    if (c->job->strategy == NULL)
        return;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (bytes_equal_text(c->job->strategy->kind, kinds[i]))
            return;
    }
    add(c, BYTES("strategy.kind"), "bad_value", BYTES("single, race, all or fallback"));
}

/* ---- what is not there yet ---- */

static bool has_parts(const struct checking *c)
{
    return c->job->parts.count > 0;
}

static bool has_strategy(const struct checking *c)
{
    return c->job->strategy != NULL && !bytes_equal_text(c->job->strategy->kind, "single");
}

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
    {"parts", has_parts, "jobs of several parts"},
    {"strategy", has_strategy, "strategies other than single"},
    {"callback_url", has_callback, "calling back at the end"},
};

static void check_unsupported(struct checking *c)
{
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        if (unsupported[i].used(c))
            add(c, bytes_of(unsupported[i].field), "unsupported",
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
    {{"there is such an engine, the group may use it, and it takes the code type",
         "missing, unknown_engine, engine_not_allowed, bad_code_type", "engines"},
        check_engine},
    FIELDS("there is code", "missing, empty_code", check_code),
    FIELDS("keys and values of variables, conf, labels and source are such, not too many, none twice",
        "bad_name, too_long, too_many, bad_value", check_maps),
    FIELDS("timeouts, sizes and tries are within what the settings allow", "bad_value", check_numbers),
    FIELDS("rules on what is tried again are exit codes and patterns", "bad_value, too_long, too_many",
        check_retry_rules),
    FIELDS("idempotency key and time zone are such", "bad_value, unknown_timezone", check_texts),
    FIELDS("a strategy is one that there is", "bad_value", check_strategy),
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

bool checks_run(const struct convert_rules *rules, const struct job *j, int64_t now, struct arena *a,
    struct field_problems *problems)
{
    struct checking c = {.rules = rules, .job = j, .now = now, .arena = a, .problems = problems};

    checks_limits(rules, j, &c.limits);
    for (size_t i = 0; i < CHECKS; i++)
        if (checks[i].run != NULL)
            checks[i].run(&c);
    return problems->count == 0;
}
