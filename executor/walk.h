/* SPDX-License-Identifier: Apache-2.0 */
/* walk: the order in which the exec nodes of a plan run. Pure. Knows `exec` and `sequence`. */
#ifndef MILLRACE_EXECUTOR_WALK_H
#define MILLRACE_EXECUTOR_WALK_H

#include "core/job.h"

struct walk {
    const struct job_node **nodes; /* exec leaves, in order */
    size_t count;
};

/* False: the plan is not one that can run (no nodes, unknown kinds, missing children, a cycle); e says which node. */
bool walk_plan(const struct job *j, struct arena *a, struct walk *out, struct error *e);
/* The code of an exec node: its own, or its statement's text. */
struct bytes walk_code(const struct job *j, const struct job_node *n);

/* The line of the user's text on which that code begins. */
int64_t walk_first_line(const struct job *j, const struct job_node *n);

#endif
