/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: a completed job becomes a planned one: its pool, its tree of nodes, and the key of a cached result. Pure: no clock, no I/O;
 * ingest links it for dry runs. The job is changed in place, new text lies in the arena. docs/plans.md tells it for users.
 *
 * The way: the job's parts become units (tree.h), the passes make them better, one after the other (passes.h), and the units become
 * nodes (nodes.h). The root is nodes[0]; ids are n1, n2, ... depth first.
 *
 * A refused job (error set) has no nodes and is planned on a pool that exists, so that an executor ends it.
 */
#ifndef MILLRACE_PLANNER_PLAN_H
#define MILLRACE_PLANNER_PLAN_H

#include "core/engine_list.h"
#include "core/job.h"
#include "core/strategy.h"

#define POOL_DEFAULT "default"

/* Jobs with this label go to this pool, and those that name no target of these engines to these. */
struct plan_route {
    struct bytes label, value;
    struct bytes pool; /* none: the row is about targets only */
    struct strategy_target *targets;
    size_t target_count;
};

struct plan_routes {
    struct plan_route
        *items; /* the first that fits counts, for the pool and for the targets of each engine */
    size_t count;
};

struct plan_rules {
    struct strings pools; /* that have executors; "default" is always one of them */
    int64_t derived_max_bytes;
    const struct engine_list *engines; /* NULL: nothing is known of engines and their targets */
    struct plan_routes routes;
};

/* False: j->error tells why it is refused (or was refused before). */
bool plan_job(const struct plan_rules *rules, struct job *j, struct arena *a);
/* Refuses a job whose JobPlanned turned out larger than derived_max_bytes: too_large, without its code. */
void plan_refuse_size(const struct plan_rules *rules, struct job *j, size_t bytes, struct arena *a);
/* About how many bytes the plan adds to the record, not less. */
size_t plan_bytes(const struct job *j);

#endif
