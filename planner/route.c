/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route: see route.h.
 */
#include "planner/route.h"

static bool fits(const struct plan_route *r, const struct job *j)
{
    for (size_t i = 0; i < j->labels.count; i++)
        if (bytes_equal(j->labels.items[i].key, r->label))
            return bytes_equal(j->labels.items[i].value, r->value);
    return false;
}

/* ---- the pool ---- */

static bool pool_exists(const struct plan_rules *rules, struct bytes pool)
{
    if (bytes_equal_text(pool, POOL_DEFAULT))
        return true;
    for (size_t i = 0; i < rules->pools.count; i++) {
        if (bytes_equal(rules->pools.items[i], pool))
            return true;
    }
    return false;
}

static struct bytes pool_of_routes(const struct plan_rules *rules, const struct job *j)
{
    for (size_t i = 0; i < rules->routes.count; i++) {
        const struct plan_route *r = &rules->routes.items[i];
        if (r->pool.len > 0 && fits(r, j))
            return r->pool;
    }
    return BYTES(POOL_DEFAULT);
}

bool route_pool(const struct plan_rules *rules, struct job *j, struct arena *a)
{
    struct bytes pool = plan_pair_value(&j->labels, "pool");

    j->pool = pool.len == 0 ? pool_of_routes(rules, j) : BYTES(POOL_DEFAULT);
    if (pool.len == 0)
        return true;
    if (pool_exists(rules, pool)) {
        j->pool = pool;
        return true;
    }
    if (j->error != NULL)
        return false;
    return job_refuse(j, "unknown_pool",
        arena_printf(a, "labels.pool: no executors serve a pool '%.*s'", BYTES_ARG(plan_shown(pool))), a);
}

/* ---- targets ---- */

static bool refuse_target(struct tree *t, const struct engine_info *info, struct bytes target)
{
    return job_refuse(t->job, "unknown_target",
        arena_printf(t->arena,
            "labels.target: engine '%s' has no target '%.*s'; known: %.*s. For parts of several engines "
            "write "
            "ENGINE@TARGET",
            info->name, BYTES_ARG(plan_shown(target)),
            BYTES_ARG(plan_shown(engine_info_names(info->targets, t->arena)))),
        t->arena);
}

/* The first row that has a target of this engine. */
static void route_place(const struct tree *t, const bool *fitting, struct strategy_target *place)
{
    for (size_t i = 0; i < t->rules->routes.count; i++) {
        const struct plan_route *r = &t->rules->routes.items[i];
        for (size_t k = 0; fitting[i] && k < r->target_count; k++) {
            if (bytes_equal(r->targets[k].engine, place->engine)) {
                place->target = r->targets[k].target;
                return;
            }
        }
    }
}

static bool route_by_label(struct tree *t, struct bytes label)
{
    struct strategy_target named = {BYTES_NONE, BYTES_NONE};
    bool used = false, open = false;

    for (size_t i = 0; i < t->units.count; i++) {
        struct unit *u = t->units.items[i];
        if (u->asked)
            continue;
        open = true;
        if (!strategy_target_parse(label, u->places[0].engine, &named))
            named = (struct strategy_target){u->places[0].engine, label}; /* a name of the engine's own */
        if (!bytes_equal(named.engine, u->places[0].engine))
            continue;
        const struct engine_info *info = engine_list_find(t->rules->engines, named.engine);
        if (info != NULL && !engine_info_has_target(info, named.target))
            return refuse_target(t, info, named.target);
        u->places[0].target = named.target;
        u->asked = used = true;
    }
    if (used || !open)
        return true;
    return job_refuse(t->job, "unknown_target",
        arena_printf(t->arena, "labels.target: '%.*s' is of engine '%.*s', which runs nothing of this job",
            BYTES_ARG(plan_shown(label)), BYTES_ARG(plan_shown(named.engine))),
        t->arena);
}

bool route_targets(struct tree *t)
{
    struct bytes label = plan_pair_value(&t->job->labels, "target");
    size_t count = t->rules->routes.count;

    if (label.len > 0 && !route_by_label(t, label))
        return false;
    if (count == 0)
        return true;
    bool *fitting = arena_array(t->arena, count, sizeof(*fitting));
    for (size_t i = 0; i < count; i++)
        fitting[i] = fits(&t->rules->routes.items[i], t->job);
    for (size_t i = 0; i < t->units.count; i++) {
        struct unit *u = t->units.items[i];
        if (!u->asked)
            route_place(t, fitting, &u->places[0]);
    }
    return true;
}
