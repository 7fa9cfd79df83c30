/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passes: what makes a plan better before its nodes are made: one table, one small function each, in the order of the table. A pass
 * looks at the logical tree (tree.h) and changes it; it may refuse the job. docs/reference/passes.md is made from the table.
 */
#ifndef MILLRACE_PLANNER_PASSES_H
#define MILLRACE_PLANNER_PASSES_H

#include "planner/tree.h"

struct plan_pass {
    const char *name, *help;
};
/* NULL behind the last. */
const struct plan_pass *plan_pass_at(size_t index);

/* All of them. False: the job is refused. */
bool passes_run(struct tree *t);

#endif
