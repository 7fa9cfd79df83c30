/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes: the physical tree: what the executor walks. One unit is a leaf (all its statements in one session), or, with conf `session:
 * statement`, a sequence of leaves; once for each of its places, below its strategy. Several units are a sequence where each waits for
 * the one before it, else an `all` whose children say what they come `after`. Nothing is a node that has one child only.
 */
#ifndef MILLRACE_PLANNER_NODES_H
#define MILLRACE_PLANNER_NODES_H

#include "planner/tree.h"

/* 10,000 statements, each a node, and more. What is told of each stands in the job's document, which has 16 MiB. */
#define PLAN_NODES_MAX 20000

/* Fills job->nodes; there is something to run. False: they are too many, and the job is refused. */
bool nodes_make(struct tree *t);

#endif
