/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: a completed job becomes a planned one: its pool and its tree of nodes. Pure: no clock, no I/O; ingest links it for dry
 * runs. The job is changed in place, new text lies in the arena.
 *
 * One statement is one `exec` node, n1. Several are a `sequence` n1 with exec children n2, n3, ...; node and statement refer to
 * the code, they don't repeat it. A refused job (error set) has no nodes and is planned on a pool that exists, so that an
 * executor ends it.
 */
#ifndef MILLRACE_PLANNER_PLAN_H
#define MILLRACE_PLANNER_PLAN_H

#include "core/job.h"

#define POOL_DEFAULT "default"

struct plan_rules {
    struct strings pools; /* that have executors; "default" is always one of them */
    int64_t derived_max_bytes;
};

/* [a-z0-9-]{1,32} */
bool plan_pool_is_valid(struct bytes pool);
/* False: j->error tells why it is refused (or was refused before). */
bool plan_job(const struct plan_rules *rules, struct job *j, struct arena *a);
/* Refuses a job whose JobPlanned turned out larger than derived_max_bytes: too_large, without its code. */
void plan_refuse_size(const struct plan_rules *rules, struct job *j, size_t bytes, struct arena *a);

#endif
