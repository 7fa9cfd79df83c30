/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules: the settings that decide how a job is planned, and struct plan_rules made from them; the same for the planner and for dry runs.
 *
 * routes: rows with ; between them, each a label with its value and what it decides, any of
 *     team=finance pool/fast target/postgres@warehouse; tier=gold pool/gold
 */
#ifndef MILLRACE_PLANNER_RULES_H
#define MILLRACE_PLANNER_RULES_H

#include "core/config.h"
#include "planner/plan.h"

enum { PLAN_POOLS_MAX = 32 };

struct plan_settings {
    const char *pools, *routes;
};

/* Rows of a settings table; `at` is the offset of the struct plan_settings. */
#define PLAN_SETTINGS(at)                                                                                    \
    {"pools", SETTING_TEXT, (at) + offsetof(struct plan_settings, pools), "default", 1, 1000,                \
        "pools that have executors, with commas between; a job names one in its label pool"},                \
    {                                                                                                        \
        "routes", SETTING_TEXT, (at) + offsetof(struct plan_settings, routes), "", 0, 16384,                 \
            "where jobs go by their labels: LABEL=VALUE pool/NAME target/ENGINE@TARGET, with ; between rows" \
    }

/* Fills pools, engines and routes; the arena holds what they point to. False: bad_setting, with the row and what is wrong. */
bool plan_rules_read(const struct plan_settings *s, const struct engine_list *engines, struct arena *a,
    struct plan_rules *out, struct error *e);
/* [a-z0-9-]{1,32} */
bool plan_pool_is_valid(struct bytes pool);

#endif
