/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: see plan.h.
 */
#include "planner/plan.h"

#include "planner/nodes.h"
#include "planner/passes.h"
#include "planner/route.h"
#include "planner/tree.h"

void plan_refuse_size(const struct plan_rules *rules, struct job *j, size_t bytes, struct arena *a)
{
    job_refuse_large(j, "the planned job", (int64_t)bytes, rules->derived_max_bytes, a);
}

size_t plan_bytes(const struct job *j)
{
    enum { NODE_BYTES = 512 };
    size_t bytes = 0;

    for (size_t i = 0; i < j->nodes.count; i++) {
        const struct job_node *n = &j->nodes.items[i];
        bytes += NODE_BYTES + n->code.len + n->part.len + n->children.count * 8 + n->after.count * 8;
    }
    return bytes;
}

bool plan_job(const struct plan_rules *rules, struct job *j, struct arena *a)
{
    struct tree t = {.rules = rules, .job = j, .arena = a};
    bool pool_known = route_pool(rules, j, a);

    j->nodes.count = 0;
    j->cache = NULL;
    if (j->error != NULL || !pool_known)
        return false;
    if (j->statements.count == 0)
        return job_refuse(j, "plan_error", BYTES("the job has no statements"), a);
    if (!tree_make(&t) || !passes_run(&t))
        return false;
    return nodes_make(&t);
}
