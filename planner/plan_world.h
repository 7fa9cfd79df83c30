/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_world: what decides about a plan beside the job itself, from the settings. The planner and ingest (for dry runs) have the same
 * rows in their tables and open the same world, so that both plan alike when they are given the same settings.
 *
 * routes: rows with ; between them, each a label with its value and what it decides, any of
 *     team=finance pool/fast target/postgres@warehouse; tier=gold pool/gold
 */
#ifndef MILLRACE_PLANNER_PLAN_WORLD_H
#define MILLRACE_PLANNER_PLAN_WORLD_H

#include "core/config.h"
#include "planner/plan.h"

enum { PLAN_POOLS_MAX = 32 };

struct plan_settings {
    const char *pools, *routes;
};

/* Rows of a settings table. */
#define PLAN_SETTINGS(type, member)                                                                          \
    {"pools", SETTING_TEXT, offsetof(type, member.pools), "default", 1, 1000,                                \
        "pools that have executors, with commas between; a job names one in its label pool"},                \
    {                                                                                                        \
        "routes", SETTING_TEXT, offsetof(type, member.routes), "", 0, 16384,                                 \
            "where jobs go by their labels: LABEL=VALUE pool/NAME target/ENGINE@TARGET, with ; between rows" \
    }

struct plan_world {
    struct plan_rules rules;
    struct arena arena; /* what the rules point to */
};

/* False: e says which setting is wrong, and why (bad_setting). The engines stay the caller's, and are there as long as the world. */
bool plan_world_open(struct plan_world *w, const struct plan_settings *s, const struct engine_list *engines,
    int64_t derived_max_bytes, struct error *e);
/* One that was not opened (all zero) is fine. */
void plan_world_release(struct plan_world *w);

/* The settings alone: fills pools, engines and routes; the arena holds what they point to. */
bool plan_rules_read(const struct plan_settings *s, const struct engine_list *engines, struct arena *a,
    struct plan_rules *out, struct error *e);
/* [a-z0-9-]{1,32} */
bool plan_pool_is_valid(struct bytes pool);

#endif
