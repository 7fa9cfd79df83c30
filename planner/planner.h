/* SPDX-License-Identifier: Apache-2.0 */
/*
 * planner: the program's settings, and its step: a JobConverted in; a JobPlanned to its pool's topic and an event out.
 */
#ifndef MILLRACE_PLANNER_PLANNER_H
#define MILLRACE_PLANNER_PLANNER_H

#include "core/stage.h"
#include "planner/plan_world.h"

struct planner_settings {
    struct stage_settings stage; /* first */
    const char *engines_dir;
    struct plan_settings plan;
    int64_t derived_max_bytes;
};
extern const struct setting planner_settings_table[];

bool planner_open(struct stage_world *w, void **self, struct error *e);
void planner_close(void *self);
enum step_verdict planner_step(void *self, struct step_record *r, struct outbox *out, struct error *e);

#endif
