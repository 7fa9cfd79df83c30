/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route: where a job goes by its labels. The job's own word comes first: its label pool and its targets, then its label target; then
 * the rows of the setting routes (plan_world.h), the first that fits.
 */
#ifndef MILLRACE_PLANNER_ROUTE_H
#define MILLRACE_PLANNER_ROUTE_H

#include "planner/tree.h"

/* Sets j->pool, to one that exists, also of a refused job. False: the label names one that does not, and the job is refused. */
bool route_pool(const struct plan_rules *rules, struct job *j, struct arena *a);
/* The pass: targets of units that name none. */
bool route_targets(struct tree *t);

#endif
