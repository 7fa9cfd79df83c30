/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill: see fill.h.
 */
#include "converter/fill.h"

#include "converter/language.h"
#include "converter/variables.h"
#include "core/retry.h"

/* ---- maps, from the defaults documents ---- */

static bool has_key(const struct pairs *pairs, struct bytes key)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (bytes_equal(pairs->items[i].key, key))
            return true;
    return false;
}

static void warn_fixed(struct job *j, struct bytes selector, struct bytes name, struct arena *a)
{
    struct strings all = {arena_array(a, j->warnings.count + 1, sizeof(*all.items)), 0};

    for (size_t i = 0; i < j->warnings.count; i++)
        all.items[all.count++] = j->warnings.items[i];
    all.items[all.count++] = arena_printf(a,
        "the defaults of %.*s set %.*s, which is built in and can't be set: it is passed over",
        BYTES_ARG(selector), BYTES_ARG(name));
    j->warnings = all;
}

/* Those of `from` whose keys the job has not are put behind its own. */
static void fill_pairs(struct job *j, struct pairs *pairs, const struct pairs *from,
    const struct job_default *of, struct arena *a)
{
    struct pairs all = {NULL, pairs->count};

    for (size_t i = 0; i < from->count; i++) {
        const struct pair *p = &from->items[i];
        if (has_key(all.items != NULL ? &all : pairs, p->key))
            continue;
        if (pairs == &j->variables && variable_is_fixed(p->key)) {
            warn_fixed(j, of->selector, p->key, a);
            continue;
        }
        if (all.items == NULL) {
            all.items = arena_array(a, pairs->count + from->count, sizeof(*all.items));
            for (size_t k = 0; k < pairs->count; k++)
                all.items[k] = pairs->items[k];
        }
        all.items[all.count++] = *p;
    }
    if (all.items != NULL)
        *pairs = all;
}

/* ---- numbers ---- */

static void fill(int64_t *value, int64_t normal, int64_t most, bool zero_is_most)
{
    if (*value == NO_INT)
        *value = normal;
    else if (*value == 0 && zero_is_most)
        *value = most;
}

/* The group's own where the limits documents set one, within what a job may ask for; 0 means there what it means in a job. */
static int64_t normal_of(int64_t of_group, int64_t normal, int64_t most, bool zero_is_most)
{
    if (of_group == NO_INT)
        return normal;
    if (of_group == 0)
        return zero_is_most ? most : 0;
    return of_group < most ? of_group : most;
}

/* The first number that a document has, within what a job may ask for. */
static void fill_limit(
    const struct defaults_found *found, size_t offset, int64_t *value, int64_t most, bool zero_is_most)
{
    for (size_t i = 0; *value == NO_INT && i < found->count; i++) {
        int64_t of_default = *(const int64_t *)((const char *)&found->items[i]->limits + offset);
        *value = normal_of(of_default, NO_INT, most, zero_is_most);
    }
}

#define LIMIT(name, zero_is_most)                                                                            \
    fill_limit(&found, offsetof(struct job_limits, name), &j->limits.name, rules->most.name, zero_is_most)

static void fill_limits(const struct convert_rules *rules, struct defaults_found found, struct job *j)
{
    struct limits_effective group;
    const struct job_limits *normal = &rules->limits;
    const struct job_limits *most = &rules->most;

    LIMIT(queue_timeout_ms, false);
    LIMIT(run_timeout_ms, true);
    LIMIT(max_log_bytes, true);
    LIMIT(max_result_rows, true);
    checks_limits(rules, j, &group);
    fill(&j->limits.queue_timeout_ms,
        normal_of(group.queue_timeout_ms, normal->queue_timeout_ms, most->queue_timeout_ms, false),
        most->queue_timeout_ms, false);
    fill(&j->limits.run_timeout_ms,
        normal_of(group.run_timeout_ms, normal->run_timeout_ms, most->run_timeout_ms, true),
        most->run_timeout_ms, true);
    fill(&j->limits.max_log_bytes, normal->max_log_bytes, most->max_log_bytes, true);
    fill(&j->limits.max_result_rows, normal->max_result_rows, most->max_result_rows, true);
    /* What SQL can't be limited to (converter/row_limit.h), the fetch is. */
    if (group.row_limit > 0 && group.row_limit < j->limits.max_result_rows)
        j->limits.max_result_rows = group.row_limit;
}

static void fill_retry(struct job_retry *r, const struct job_retry *from)
{
    fill(&r->max_attempts, from->max_attempts, 0, false);
    fill(&r->backoff_ms, from->backoff_ms, 0, false);
    fill(&r->max_backoff_ms, from->max_backoff_ms, 0, false);
    if (r->on_lost == NO_ENUM)
        r->on_lost = from->on_lost;
    if (r->exit_codes.count == 0)
        r->exit_codes = from->exit_codes;
    if (r->errors.count == 0)
        r->errors = from->errors;
}

/* ---- parts ---- */

static struct bytes first_type(const struct engine_info *engine)
{
    return engine != NULL ? bytes_of(engine->code_types[0]) : BYTES("");
}

/* Of a part whose code is a piece of the job's SQL. */
static struct bytes sql_type(const struct engine_info *engine, struct bytes wanted)
{
    if (engine == NULL || engine_info_accepts(engine, wanted))
        return wanted;
    for (const char *const *type = engine->code_types; *type != NULL; type++)
        if (language_of(bytes_of(*type)) == LANGUAGE_SQL)
            return bytes_of(*type);
    return wanted; /* the checks refuse it */
}

void fill_unit(const struct convert_rules *rules, const struct job *j, const struct job_part *part,
    struct fill_unit *out)
{
    struct bytes type = j->code_type;

    if (type.len == 0)
        type = first_type(engine_list_find(rules->engines, j->engine));
    *out = (struct fill_unit){j->engine, j->target, type};
    if (part == NULL)
        return;
    bool same = part->engine.len == 0 || bytes_equal(part->engine, j->engine);
    if (part->engine.len > 0)
        out->engine = part->engine;
    const struct engine_info *engine = engine_list_find(rules->engines, out->engine);
    if (part->target.len > 0 || !same)
        out->target = part->target;
    if (part->code_type.len > 0)
        out->code_type = part->code_type;
    else if (part->code.len == 0)
        out->code_type = sql_type(engine, type);
    else if (!same)
        out->code_type = first_type(engine);
}

static void fill_parts(const struct convert_rules *rules, struct job *j)
{
    struct fill_unit unit;

    for (size_t i = 0; i < j->parts.count; i++) {
        struct job_part *part = &j->parts.items[i];
        fill_unit(rules, j, part, &unit);
        part->engine = unit.engine;
        part->target = unit.target;
        part->code_type = unit.code_type;
        if (part->id.data == NULL)
            part->id = BYTES("");
        if (part->code.data == NULL)
            part->code = BYTES("");
    }
}

/* ---- the job ---- */

void fill_strategy(const struct convert_rules *rules, struct job *j, struct arena *a)
{
    struct defaults_found found = defaults_find(rules->defaults, j, a);

    for (size_t i = 0; j->strategy == NULL && i < found.count; i++) {
        if (found.items[i]->strategy == NULL)
            continue;
        j->strategy = arena_alloc(a, sizeof(*j->strategy));
        *j->strategy = *found.items[i]->strategy;
    }
}

void fill_job(const struct convert_rules *rules, struct job *j, struct arena *a)
{
    const struct engine_info *engine = engine_list_find(rules->engines, j->engine);
    struct defaults_found found = defaults_find(rules->defaults, j, a);

    if (j->submitter.len == 0)
        j->submitter = j->user;
    if (j->name.data == NULL)
        j->name = BYTES("");
    if (j->code.data == NULL)
        j->code = BYTES("");
    if (j->timezone.data == NULL && rules->timezone != NULL)
        j->timezone = bytes_of(rules->timezone);
    if (j->code_type.len == 0)
        j->code_type = engine != NULL ? bytes_of(engine->code_types[0]) : BYTES("");
    for (size_t i = 0; i < found.count; i++) {
        fill_pairs(j, &j->conf, &found.items[i]->conf, found.items[i], a);
        fill_pairs(j, &j->variables, &found.items[i]->variables, found.items[i], a);
        fill_retry(&j->retry, &found.items[i]->retry);
        fill(&j->retry.node_attempts, found.items[i]->retry.node_attempts, 0, false);
    }
    fill_retry(&j->retry, &rules->retry);
    fill(&j->retry.node_attempts, 1, 0, false);
    fill_limits(rules, found, j);
    fill_parts(rules, j);
}
