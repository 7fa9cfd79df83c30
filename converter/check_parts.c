/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_parts: is there what the job and its parts run on: engines, code types, targets, strategies; and do the parts fit together. A job
 * without parts is checked as one unit, each part as one more. Of a part that is cut from a text, the place is a line of the text.
 */
#include "converter/checks_private.h"
#include "converter/fill.h"
#include "converter/part_graph.h"
#include "converter/parts.h"
#include "core/strategy.h"

#define NO_PART SIZE_MAX

/* ---- places ---- */

/* parts[3].engine, or engine where it is about the job. */
static struct bytes field_of(struct checking *c, size_t part, const char *field)
{
    return part == NO_PART ? bytes_of(field) : arena_printf(c->arena, "parts[%zu].%s", part, field);
}

static void tell(struct checking *c, size_t part, struct bytes field, const char *code, struct bytes detail)
{
    if (part == NO_PART || c->cut == NULL) {
        checks_add(c, field, code, detail);
        return;
    }
    int64_t line = c->cut->places[part].line;
    if (c->problems->count == 0)
        c->line = line;
    checks_add(c, BYTES("code"), code,
        arena_printf(c->arena, "part %.*s, line %lld: %.*s", BYTES_ARG(c->job->parts.items[part].id),
            (long long)line, BYTES_ARG(detail)));
}

/* ---- engines ---- */

static struct bytes allowed_names(struct checking *c)
{
    struct bytes names = BYTES("");

    for (size_t i = 0; i < c->limits.engines->count; i++)
        names = arena_printf(c->arena, "%.*s%s%.*s", BYTES_ARG(names), i > 0 ? ", " : "",
            BYTES_ARG(c->limits.engines->items[i]));
    return names;
}

/* NULL: it was told what is wrong with it. */
static const struct engine_info *find_engine(
    struct checking *c, size_t part, struct bytes field, struct bytes name)
{
    const struct engine_info *engine = engine_list_find(c->rules->engines, name);

    if (engine == NULL) {
        tell(c, part, field, "unknown_engine", engine_list_wrong_name(c->rules->engines, name, c->arena));
    } else if (!limits_engine_is_allowed(&c->limits, name)) {
        struct bytes allowed = allowed_names(c);
        tell(c, part, field, "engine_not_allowed",
            arena_printf(c->arena, "%.*s/%.*s may not use '%.*s', but: %.*s", BYTES_ARG(c->job->creator),
                BYTES_ARG(c->job->user), BYTES_ARG(bytes_cut(name, CHECKS_SHOWN_MAX)), BYTES_ARG(allowed)));
        engine = NULL;
    }
    return engine;
}

static bool takes_type(struct checking *c, size_t part, struct bytes field, const struct engine_info *engine,
    struct bytes code_type)
{
    struct bytes wrong = engine_info_wrong_type(engine, code_type, c->arena);
    if (wrong.len > 0)
        tell(c, part, field, "bad_code_type", wrong);
    return wrong.len == 0;
}

static void check_part_engine(struct checking *c, size_t i)
{
    const struct job_part *part = &c->job->parts.items[i];
    struct fill_unit unit;

    if (part->engine.len == 0 && part->code_type.len == 0 && c->job->engine.len > 0)
        return;
    fill_unit(c->rules, c->job, part, &unit);
    struct bytes field = field_of(c, i, "engine");
    if (unit.engine.len == 0) {
        tell(c, i, field, "missing", BYTES("the name of an engine; the job has none either"));
        return;
    }
    /* The job's is told once, as the job's. */
    const struct engine_info *engine = part->engine.len > 0
                                           ? find_engine(c, i, field, part->engine)
                                           : engine_list_find(c->rules->engines, unit.engine);
    if (engine != NULL)
        takes_type(c, i, c->cut == NULL ? field_of(c, i, "code_type") : field, engine, unit.code_type);
}

void check_engines(struct checking *c)
{
    const struct job *j = c->job;

    if (j->engine.len > 0) {
        const struct engine_info *engine = find_engine(c, NO_PART, BYTES("engine"), j->engine);
        if (engine != NULL)
            takes_type(c, NO_PART, BYTES("code_type"), engine, j->code_type);
    } else if (j->parts.count == 0) {
        checks_add(c, BYTES("engine"), "missing", BYTES("the name of an engine"));
    }
    for (size_t i = 0; i < j->parts.count && i < JOB_PARTS_MAX; i++)
        check_part_engine(c, i);
}

/* ---- targets ---- */

static void check_target(
    struct checking *c, size_t part, struct bytes field, struct bytes engine_name, struct bytes target)
{
    const struct engine_info *engine = engine_list_find(c->rules->engines, engine_name);

    if (!job_name_is_valid(target)) {
        tell(c, part, field, "bad_name", BYTES("1 to 64 characters of A-Z a-z 0-9 . _ @ -"));
    } else if (engine != NULL) {
        struct bytes wrong = engine_info_wrong_target(engine, target, c->arena);
        if (wrong.len > 0)
            tell(c, part, field, "unknown_target", wrong);
    }
}

void check_targets(struct checking *c)
{
    const struct job *j = c->job;

    if (job_name_is_valid(j->target)) /* else the check of names tells */
        check_target(c, NO_PART, BYTES("target"), j->engine, j->target);
    for (size_t i = 0; i < j->parts.count && i < JOB_PARTS_MAX; i++) {
        const struct job_part *part = &j->parts.items[i];
        struct bytes engine = part->engine.len > 0 ? part->engine : j->engine;
        if (part->target.len > 0)
            check_target(c, i, field_of(c, i, "target"), engine, part->target);
    }
}

/* ---- settings ---- */

static bool engine_takes(struct checking *c, struct bytes engine, struct bytes setting)
{
    const struct engine_info *info = engine_list_find(c->rules->engines, engine);
    return info == NULL || engine_info_has_conf(info, setting); /* unknown engines are told already */
}

static bool strategy_takes(
    struct checking *c, const struct job_strategy *s, struct bytes engine, struct bytes setting)
{
    struct strategy_target target;
    bool takes = false;

    for (size_t i = 0; s != NULL && i < s->targets.count && i < STRATEGY_TARGETS_MAX; i++)
        takes = takes || (strategy_target_parse(s->targets.items[i], engine, &target) &&
                             engine_takes(c, target.engine, setting));
    return takes;
}

/* Does any engine of the job take it? */
static bool job_takes(struct checking *c, struct bytes setting)
{
    const struct job *j = c->job;
    bool takes = (j->engine.len > 0 && engine_takes(c, j->engine, setting)) ||
                 strategy_takes(c, j->strategy, j->engine, setting);

    for (size_t i = 0; !takes && i < j->parts.count && i < JOB_PARTS_MAX; i++) {
        const struct job_part *part = &j->parts.items[i];
        struct bytes engine = part->engine.len > 0 ? part->engine : j->engine;
        takes = engine_takes(c, engine, setting) || strategy_takes(c, part->strategy, engine, setting);
    }
    return takes;
}

void check_conf(struct checking *c)
{
    const struct job *j = c->job;
    const struct engine_info *engine = engine_list_find(c->rules->engines, j->engine);
    const char *wanted;

    if (j->engine.len == 0 && j->parts.count == 0)
        return; /* told already */
    for (size_t i = 0; i < j->conf.count && i < JOB_PAIRS_MAX; i++) {
        struct bytes name = j->conf.items[i].key;
        struct bytes field =
            arena_printf(c->arena, "conf.%.*s", BYTES_ARG(bytes_cut(name, CHECKS_SHOWN_MAX)));
        if (job_conf_is_own(&j->conf.items[i], &wanted)) {
            if (wanted != NULL)
                checks_add(c, field, "bad_value", bytes_of(wanted));
        } else if (job_key_is_valid(name) && !job_takes(c, name)) {
            bool alone = engine != NULL && j->parts.count == 0 && j->strategy == NULL;
            checks_add(c, field, "unknown_field",
                alone ? engine_info_wrong_conf(engine, name, c->arena)
                      : BYTES("none of the job's engines has such a setting"));
        }
    }
}

/* ---- code ---- */

void check_code(struct checking *c)
{
    const struct job *j = c->job;

    if (c->cut != NULL)
        return; /* looked at when it was cut */
    if (j->parts.count == 0 && bytes_trim(j->code).len == 0)
        checks_add(c, BYTES("code"), j->code.len == 0 ? "missing" : "empty_code",
            j->code.len == 0 ? BYTES("what to run") : BYTES("there is nothing to run"));
    for (size_t i = 0; i < j->parts.count && i < JOB_PARTS_MAX; i++) {
        struct bytes code = j->parts.items[i].code;
        if (bytes_trim(code).len == 0)
            checks_add(c, field_of(c, i, "code"), code.len == 0 ? "missing" : "empty_code",
                code.len == 0 ? BYTES("what to run") : BYTES("there is nothing to run"));
    }
}

void check_parts(struct checking *c)
{
    if (c->cut == NULL)
        part_graph_check_fields(c->job->parts.items, c->job->parts.count, c->arena, c->problems);
}

/* ---- strategies ---- */

/* Of the job or of a part, on what it runs. False: it was told what is wrong. */
static bool check_strategy_target(
    struct checking *c, size_t part, struct bytes field, const struct fill_unit *unit, struct bytes text)
{
    size_t before = c->problems->count;
    struct strategy_target target;

    if (!strategy_target_parse(text, unit->engine, &target) || target.engine.len == 0)
        return true; /* told already */
    const struct engine_info *engine = find_engine(c, part, field, target.engine);
    if (engine != NULL && takes_type(c, part, field, engine, unit->code_type) && target.target.len > 0)
        check_target(c, part, field, target.engine, target.target);
    return c->problems->count == before;
}

static bool check_strategy(struct checking *c, size_t part, struct bytes field, const struct job_strategy *s,
    const struct fill_unit *unit)
{
    bool ok = true;

    for (size_t i = 0; i < s->targets.count && i < STRATEGY_TARGETS_MAX; i++)
        ok = check_strategy_target(c, part, arena_printf(c->arena, "%.*s.targets[%zu]", BYTES_ARG(field), i),
                 unit, s->targets.items[i]) &&
             ok;
    return ok;
}

static void check_part_strategy(struct checking *c, size_t i, bool *job_is_fine)
{
    const struct job_part *part = &c->job->parts.items[i];
    struct bytes field = field_of(c, i, "strategy");
    struct fill_unit unit;

    fill_unit(c->rules, c->job, part, &unit);
    if (part->strategy != NULL && strategy_check(part->strategy, field, unit.engine, c->arena, c->problems))
        check_strategy(c, i, field, part->strategy, &unit);
    /* The job's is every such part's; what is wrong with it is told of the first. */
    if (part->strategy == NULL && *job_is_fine)
        *job_is_fine =
            strategy_check(c->job->strategy, BYTES("strategy"), unit.engine, c->arena, c->problems) &&
            check_strategy(c, i, BYTES("strategy"), c->job->strategy, &unit);
}

void check_strategies(struct checking *c)
{
    const struct job *j = c->job;
    struct fill_unit unit;
    bool is_fine = j->strategy != NULL &&
                   strategy_check(j->strategy, BYTES("strategy"), j->engine, c->arena, c->problems);

    for (size_t i = 0; i < j->parts.count && i < JOB_PARTS_MAX; i++)
        if (is_fine || j->parts.items[i].strategy != NULL)
            check_part_strategy(c, i, &is_fine);
    if (j->parts.count > 0 || !is_fine)
        return;
    fill_unit(c->rules, j, NULL, &unit);
    check_strategy(c, NO_PART, BYTES("strategy"), j->strategy, &unit);
}
