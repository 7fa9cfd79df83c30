/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_world: see plan_world.h.
 */
#include "planner/plan_world.h"

#include <stdlib.h>
#include <string.h>

static bool add_pool(struct plan_world *w, const char *name, struct error *e)
{
    if (!plan_pool_is_valid(bytes_of(name)))
        return error_set(e, "bad_setting", "pools: '%s' is no pool's name: a-z 0-9 -, up to 32", name);
    if (w->rules.pools.count == PLAN_POOLS_MAX)
        return error_set(e, "bad_setting", "pools: more than %d", PLAN_POOLS_MAX);
    w->pools[w->rules.pools.count++] = bytes_of(name);
    return true;
}

bool plan_world_open(struct plan_world *w, const struct plan_settings *s, const struct engine_list *engines,
    int64_t derived_max_bytes, struct error *e)
{
    char *rest = NULL;

    (void)engines;
    *w = (struct plan_world){.names = strdup(s->pools)};
    MUST(w->names != NULL);
    w->rules = (struct plan_rules){.pools = {w->pools, 0}, .derived_max_bytes = derived_max_bytes};
    for (char *name = strtok_r(w->names, ", ", &rest); name != NULL; name = strtok_r(NULL, ", ", &rest)) {
        if (!add_pool(w, name, e)) {
            plan_world_release(w);
            return false;
        }
    }
    return true;
}

void plan_world_release(struct plan_world *w)
{
    free(w->names);
    *w = (struct plan_world){.names = NULL};
}
