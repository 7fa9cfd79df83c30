/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit: see submit.h. Reading is jansson plus the shape of JobSubmitted; the checks of values are one
 * function per field group, run over whatever could be read, so that a client sees all its mistakes in one
 * answer.
 */
#include "ingest/submit.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converter/part_graph.h"
#include "converter/synonyms.h"
#include "core/retry.h"
#include "core/strategy.h"

#define SHOWN_MAX 80    /* bytes of what came, in details */
#define ENGINES_SEEN 32 /* of one job; what more it names counts nothing for its settings */

/* ---- refusals ---- */

static struct refusal *refusal_make(struct arena *a, int status, const char *code, struct bytes detail)
{
    struct refusal *why = arena_alloc(a, sizeof *why);
    why->status = status;
    why->code = code;
    why->detail = detail;
    return why;
}

const struct refusal *refusal_new(struct arena *a, int status, const char *code, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct bytes detail = arena_copy(a, bytes_of(text));
    /* The cut of a long text may split a character. */
    detail.len = bytes_utf8_valid_len(detail);
    return refusal_make(a, status, code, detail);
}

/* ---- the checks ---- */

struct check {
    const struct submit_rules *rules;
    struct arena *arena;
    struct job *job;
    struct field_problems *problems;
};

static bool has_problem(const struct check *c, struct bytes field)
{
    for (size_t i = 0; i < c->problems->count; i++)
        if (bytes_equal(c->problems->items[i].field, field))
            return true;
    return false;
}

/* One problem a field: the first says what to repair first. */
static void problem(struct check *c, struct bytes field, const char *code, struct bytes detail)
{
    if (!has_problem(c, field))
        field_problems_add(c->problems, field, code, detail);
}

/* What a check that ingest shares with the converter has found. */
static void take_problems(struct check *c, const struct field_problems *found)
{
    for (size_t i = 0; i < found->count; i++)
        problem(c, found->items[i].field, found->items[i].code, found->items[i].detail);
}

static bool is_blank(struct bytes b)
{
    return bytes_trim(b).len == 0;
}

static void check_names(struct check *c)
{
    const struct {
        struct bytes field, value;
    } names[] = {{BYTES("creator"), c->job->creator}, {BYTES("user"), c->job->user},
        {BYTES("target"), c->job->target}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].value.data && !job_name_is_valid(names[i].value))
            problem(c, names[i].field, "bad_name",
                BYTES("1 to 64 characters of A-Z a-z 0-9 . _ @ -, and neither \".\" nor \"..\""));
    if (bytes_characters(c->job->name) > JOB_NAME_CHARACTERS)
        problem(c, BYTES("name"), "too_long",
            arena_printf(c->arena, "at most %d characters", JOB_NAME_CHARACTERS));
    if (bytes_has_control(c->job->name))
        problem(c, BYTES("name"), "bad_name", BYTES("no control characters"));
}

static void check_engine(
    struct check *c, struct bytes field, struct bytes type_field, struct bytes engine, struct bytes code_type)
{
    const struct engine_info *info = engine_list_find(c->rules->engines, engine);
    struct bytes wrong = info ? engine_info_wrong_type(info, code_type, c->arena)
                              : engine_list_wrong_name(c->rules->engines, engine, c->arena);
    if (wrong.len)
        problem(c, info ? type_field : field, info ? "bad_code_type" : "unknown_engine", wrong);
}

static void check_target(struct check *c, struct bytes field, struct bytes engine, struct bytes target)
{
    const struct engine_info *info = engine_list_find(c->rules->engines, engine);
    struct bytes wrong = info ? engine_info_wrong_target(info, target, c->arena) : BYTES_NONE;
    if (wrong.len)
        problem(c, field, "unknown_target", wrong);
}

/* The engines that a job names, each once. */
struct engines_used {
    struct bytes names[ENGINES_SEEN];
    size_t count;
};

static void use_engine(struct engines_used *used, struct bytes name)
{
    for (size_t i = 0; i < used->count; i++)
        if (bytes_equal(used->names[i], name))
            return;
    if (name.len > 0 && used->count < ENGINES_SEEN)
        used->names[used->count++] = name;
}

static void use_strategy(struct engines_used *used, const struct job_strategy *s)
{
    struct strategy_target target;
    for (size_t i = 0; s && i < s->targets.count && i < STRATEGY_TARGETS_MAX; i++)
        if (strategy_target_parse(s->targets.items[i], BYTES_NONE, &target))
            use_engine(used, target.engine);
}

static struct engines_used engines_of(const struct job *j)
{
    struct engines_used used = {.count = 0};
    use_engine(&used, j->engine);
    use_strategy(&used, j->strategy);
    for (size_t i = 0; i < j->parts.count && i < JOB_PARTS_MAX; i++) {
        use_engine(&used, j->parts.items[i].engine);
        use_strategy(&used, j->parts.items[i].strategy);
    }
    return used;
}

/* Does any engine of the job take this setting? One that is unknown may; it is told of already. The last that does not: *other. */
static bool takes_conf(
    struct check *c, const struct engines_used *used, struct bytes name, const struct engine_info **other)
{
    bool takes = false;
    for (size_t i = 0; i < used->count && !takes; i++) {
        *other = engine_list_find(c->rules->engines, used->names[i]);
        takes = !*other || engine_info_has_conf(*other, name);
    }
    return takes;
}

static void check_conf(struct check *c)
{
    const struct job *j = c->job;
    const struct engines_used used = engines_of(j);
    if (used.count == 0)
        return; /* told already: which settings there are depends on the engine */
    for (size_t i = 0; i < j->conf.count; i++) {
        const struct engine_info *engine = NULL;
        const char *wanted;
        struct bytes field =
            arena_printf(c->arena, "conf.%.*s", BYTES_ARG(bytes_cut(j->conf.items[i].key, SHOWN_MAX)));
        if (job_conf_is_own(&j->conf.items[i], &wanted)) {
            if (wanted)
                problem(c, field, "bad_value", bytes_of(wanted));
        } else if (!takes_conf(c, &used, j->conf.items[i].key, &engine)) {
            problem(c, field, "unknown_field",
                used.count > 1 ? BYTES("none of the job's engines has such a setting")
                               : engine_info_wrong_conf(engine, j->conf.items[i].key, c->arena));
        }
    }
}

/* ---- parts and strategies ---- */

static void check_strategy_of(struct check *c, struct bytes field, const struct job_strategy *s,
    struct bytes engine, struct bytes code_type)
{
    struct field_problems found = {.count = 0};
    struct strategy_target target;
    if (!s || !s->kind.data)
        return;
    strategy_check(s, field, engine, c->arena, &found);
    take_problems(c, &found);
    for (size_t i = 0; i < s->targets.count && i < STRATEGY_TARGETS_MAX; i++) {
        struct bytes path = arena_printf(c->arena, "%.*s.targets[%zu]", BYTES_ARG(field), i);
        if (!strategy_target_parse(s->targets.items[i], engine, &target) || target.engine.len == 0)
            continue;
        /* Without an engine of its own it is told of the job or part already. */
        if (!bytes_equal(target.engine, engine))
            check_engine(c, path, path, target.engine, code_type);
        check_target(c, path, target.engine, target.target);
    }
}

static void check_part(struct check *c, size_t index)
{
    const struct job_part *part = &c->job->parts.items[index];
    struct bytes engine = arena_printf(c->arena, "parts[%zu].engine", index);
    struct bytes code = arena_printf(c->arena, "parts[%zu].code", index);
    struct bytes runs_on = part->engine.len ? part->engine : c->job->engine;

    if (part->code.data && is_blank(part->code))
        problem(c, code, part->code.len ? "empty_code" : "missing", BYTES("there is nothing to run"));
    if (runs_on.len == 0)
        problem(c, engine, "missing", BYTES("the name of an engine; the job has none either"));
    else if (part->engine.len > 0 || part->code_type.len > 0)
        check_engine(
            c, engine, arena_printf(c->arena, "parts[%zu].code_type", index), runs_on, part->code_type);
    check_target(c, arena_printf(c->arena, "parts[%zu].target", index), runs_on, part->target);
    check_strategy_of(
        c, arena_printf(c->arena, "parts[%zu].strategy", index), part->strategy, runs_on, part->code_type);
}

static void check_parts(struct check *c)
{
    const struct job *j = c->job;
    struct field_problems found = {.count = 0};
    part_graph_check_fields(j->parts.items, j->parts.count, c->arena, &found);
    take_problems(c, &found);
    for (size_t i = 0; i < j->parts.count && i < JOB_PARTS_MAX; i++)
        check_part(c, i);
    check_strategy_of(c, BYTES("strategy"), j->strategy, j->engine, j->code_type);
}

static void check_code(struct check *c)
{
    const struct job *j = c->job;
    if (j->engine.len > 0)
        check_engine(c, BYTES("engine"), BYTES("code_type"), j->engine, j->code_type);
    else if (j->parts.count == 0)
        problem(c, BYTES("engine"), "missing", BYTES("the name of an engine"));
    check_target(c, BYTES("target"), j->engine, j->target);
    check_conf(c);
    if (j->parts.count == 0 && is_blank(j->code))
        problem(c, BYTES("code"), j->code.len ? "empty_code" : "missing",
            BYTES("what to run; it may not be blank"));
    check_parts(c);
}

static void check_range(struct check *c, struct bytes field, int64_t value, int64_t min, int64_t max)
{
    if (value != NO_INT && (value < min || value > max))
        problem(c, field, "bad_value",
            arena_printf(
                c->arena, "%lld to %lld, not %lld", (long long)min, (long long)max, (long long)value));
}

static void check_numbers(struct check *c)
{
    const int64_t year_ms = 366LL * 24 * 3600 * 1000;
    const struct job *j = c->job;
    check_range(c, BYTES("limits.queue_timeout_ms"), j->limits.queue_timeout_ms, 0, year_ms);
    check_range(c, BYTES("limits.run_timeout_ms"), j->limits.run_timeout_ms, 0, year_ms);
    check_range(c, BYTES("limits.max_log_bytes"), j->limits.max_log_bytes, 0, INT64_MAX);
    check_range(c, BYTES("limits.max_result_rows"), j->limits.max_result_rows, 0, INT64_MAX);
    check_range(c, BYTES("retry.max_attempts"), j->retry.max_attempts, 1, RETRY_ATTEMPTS_MAX);
    check_range(c, BYTES("retry.backoff_ms"), j->retry.backoff_ms, 0, year_ms);
    check_range(c, BYTES("retry.max_backoff_ms"), j->retry.max_backoff_ms, 0, year_ms);
    check_range(c, BYTES("retry.node_attempts"), j->retry.node_attempts, 1, RETRY_ATTEMPTS_MAX);
}

/* Which failed tries are repeated: core/retry.h. */
static void check_retry_rules(struct check *c)
{
    const struct job_retry *r = &c->job->retry;
    if (r->exit_codes.count > RETRY_RULES_MAX)
        problem(c, BYTES("retry.exit_codes"), "too_many",
            arena_printf(c->arena, "at most %d entries", RETRY_RULES_MAX));
    if (r->errors.count > RETRY_RULES_MAX)
        problem(c, BYTES("retry.errors"), "too_many",
            arena_printf(c->arena, "at most %d entries", RETRY_RULES_MAX));
    for (size_t i = 0; i < r->exit_codes.count && i < RETRY_RULES_MAX; i++)
        check_range(c, arena_printf(c->arena, "retry.exit_codes[%zu]", i), r->exit_codes.items[i], 0, 255);
    for (size_t i = 0; i < r->errors.count && i < RETRY_RULES_MAX; i++) {
        struct bytes pattern = r->errors.items[i];
        const char *wrong = retry_pattern_problem(pattern, c->arena);
        if (wrong)
            problem(c, arena_printf(c->arena, "retry.errors[%zu]", i),
                pattern.len > RETRY_PATTERN_MAX ? "too_long" : "bad_value",
                arena_printf(c->arena, "a POSIX extended regular expression; %s", wrong));
    }
}

static void check_cache(struct check *c)
{
    int64_t ms;
    if (!job_cache_ttl(c->job, &ms))
        problem(c, BYTES("labels.cache"), "bad_value", BYTES(JOB_CACHE_WANTED));
}

static void check_texts(struct check *c)
{
    struct bytes key = c->job->idempotency_key, url = c->job->callback_url;
    if (key.data && (key.len == 0 || key.len > JOB_KEY_BYTES || bytes_has_control(key)))
        problem(c, BYTES("idempotency_key"), "bad_value",
            arena_printf(c->arena, "1 to %d bytes without control characters", JOB_KEY_BYTES));
    if (url.data && !bytes_starts_with(url, "http://") && !bytes_starts_with(url, "https://"))
        problem(c, BYTES("callback_url"), "bad_value", BYTES("an http:// or https:// address"));
    if (url.data && bytes_has_control(url))
        problem(c, BYTES("callback_url"), "bad_value", BYTES("no control characters"));
}

/* ---- reading ---- */

static const struct refusal *refuse_syntax(struct arena *a, const json_error_t *e)
{
    bool utf8 = json_error_code(e) == json_error_invalid_utf8;
    return refusal_new(
        a, 400, utf8 ? "bad_utf8" : "bad_json", "line %d, column %d: %s", e->line, e->column, e->text);
}

static bool take_key(struct check *c, struct bytes header_key)
{
    struct bytes key = c->job->idempotency_key;
    if (!header_key.data)
        return true;
    if (key.data && !bytes_equal(key, header_key)) {
        problem(c, BYTES("idempotency_key"), "bad_value", BYTES("differs from the header Idempotency-Key"));
        return false;
    }
    if (!bytes_is_utf8(header_key))
        problem(c, BYTES("idempotency_key"), "bad_utf8", BYTES("the header Idempotency-Key is not UTF-8"));
    else
        c->job->idempotency_key = arena_copy(c->arena, header_key);
    return bytes_is_utf8(header_key);
}

/* With parts, a client may leave out what they all have. */
static void complete_parts(json_t *object)
{
    static const char *const fields[] = {"engine", "code"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (json_array_size(json_object_get(object, "parts")) > 0 && !json_object_get(object, fields[i]))
            json_object_set_new(object, fields[i], json_string(""));
}

static const struct refusal *check_all(const struct submit_rules *rules, json_t *object,
    struct bytes header_key, struct arena *a, struct job *job)
{
    struct refusal *why =
        refusal_make(a, 422, "invalid", BYTES("the submission can't be accepted as it is; see errors"));
    struct check c = {rules, a, job, &why->problems};
    synonyms_complete(object);
    complete_parts(object);
    bool readable = shape_from_json(&shape_submitted, object, SHAPE_STRICT, a, job, &why->problems);

    readable = take_key(&c, header_key) && readable && why->problems.count == 0;
    if (!readable) {
        why->status = 400;
        why->detail = BYTES("this is no submission: see errors");
    }
    synonyms_apply(job, a, &why->problems);
    check_names(&c);
    check_code(&c);
    check_numbers(&c);
    check_retry_rules(&c);
    check_cache(&c);
    check_texts(&c);
    return why->problems.count > 0 ? why : NULL;
}

bool submit_parse(const struct submit_rules *rules, struct bytes text, struct bytes header_key,
    struct arena *a, struct submission *out, const struct refusal **why)
{
    json_error_t e;
    *out = (struct submission){.end = SUBMISSION_OPEN};
    if ((int64_t)text.len > rules->max_bytes) {
        *why = refusal_new(a, 413, "too_large", "a submission has at most %lld bytes, this one %zu",
            (long long)rules->max_bytes, text.len);
        return false;
    }
    if (is_blank(text)) {
        *why = refusal_new(a, 400, "bad_json", "the body is empty; send one JSON object");
        return false;
    }
    /* NUL is let through here, so that the shape can say which field has it. */
    json_t *object = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!object) {
        *why = refuse_syntax(a, &e);
        return false;
    }
    if (json_is_object(object))
        *why = check_all(rules, object, header_key, a, &out->job);
    else
        *why = refusal_new(a, 400, "bad_request",
            "one JSON object is expected; send many as lines, with content-type application/x-ndjson");
    json_decref(object);
    return *why == NULL;
}

/* ---- identity ---- */

/* SHA-256 over the compact JSON with sorted keys of what the client said. Not over the Avro bytes: they
 * change with the framing, with every new version of the schema and with the order of a map's keys, and a
 * repeat after an upgrade must still be one. */
static void hash_payload(const struct job *job, unsigned char out[SUBMIT_HASH_SIZE])
{
    json_t *payload = shape_to_json(&shape_submitted, job, SHAPE_COMPACT);
    char *text = json_dumps(payload, JSON_COMPACT | JSON_SORT_KEYS);
    MUST(text != NULL);
    SHA256((const unsigned char *)text, strlen(text), out);
    free(text);
    json_decref(payload);
}

void submit_name(struct submission *s, int64_t now, struct bytes trace, struct arena *a)
{
    struct job *j = &s->job;
    s->group = job_group(a, j);
    s->keyed = j->idempotency_key.len > 0;
    if (s->keyed)
        uuid_v5(&s->id, arena_printf(a, "%.*s/%.*s", BYTES_ARG(s->group), BYTES_ARG(j->idempotency_key)));
    else
        uuid_v7(&s->id, now);
    uuid_format(&s->id, s->id_text);
    j->job_id = arena_copy(a, bytes_of(s->id_text));
    j->submitter = j->user;
    j->submitted_at = now;
    j->trace = trace.data ? arena_copy(a, trace) : BYTES_NONE;
}

void submit_identify(struct submission *s, int64_t now, struct bytes trace, struct arena *a)
{
    struct job *j = &s->job;
    j->job_id = j->submitter = j->trace = BYTES_NONE;
    j->submitted_at = NO_INT;
    hash_payload(j, s->hash);
    submit_name(s, now, trace, a);
}

struct bytes submit_trace(struct bytes header)
{
    static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (header.len != sizeof form - 1)
        return BYTES_NONE;
    for (size_t i = 0; i < header.len; i++) {
        char c = header.data[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (form[i] == '-' ? c != '-' : !hex)
            return BYTES_NONE;
    }
    return header;
}
