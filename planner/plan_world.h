/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_world: what decides about a plan beside the job itself, from the settings. The planner and ingest (for dry runs) have the same
 * rows in their tables and open the same world, so that both plan alike when they are given the same settings.
 */
#ifndef MILLRACE_PLANNER_PLAN_WORLD_H
#define MILLRACE_PLANNER_PLAN_WORLD_H

#include "core/config.h"
#include "core/engine_list.h"
#include "planner/plan.h"

enum { PLAN_POOLS_MAX = 32 };

struct plan_settings {
    const char *pools;
};

/* Rows of a settings table. */
#define PLAN_SETTINGS(type, member)                                                                          \
    {                                                                                                        \
        "pools", SETTING_TEXT, offsetof(type, member.pools), "default", 1, 1000,                             \
            "pools that have executors, with commas between; a job names one in its label pool"              \
    }

struct plan_world {
    struct plan_rules rules;
    char *names; /* the setting's copy: pools[] point into it, each a C string */
    struct bytes pools[PLAN_POOLS_MAX];
};

/* False: e says which setting is wrong, and why. The world stays where it is: its rules point into it. The engines (NULL: unknown) stay
 * the caller's, and are there as long as the world; nothing in a plan depends on them yet. */
bool plan_world_open(struct plan_world *w, const struct plan_settings *s, const struct engine_list *engines,
    int64_t derived_max_bytes, struct error *e);
/* One that was not opened (all zero) is fine. */
void plan_world_release(struct plan_world *w);

#endif
