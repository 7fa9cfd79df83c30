/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_tree: the nodes of a plan as a tree on stdout, a node a line: id, kind, engine@target (part); state, time, why. Lines are drawn
 * with ASCII, on a terminal whose locale is UTF-8 with box characters.
 *
 *   n1 all                     running    2.1s
 *   |- n2 exec shell (load)    succeeded  300ms
 *   `- n3.retry retry          running          2 of 3 tries
 *      `- n3 exec sqlite@main  running    1.7s
 */
#ifndef MILLRACE_CLI_PLAN_TREE_H
#define MILLRACE_CLI_PLAN_TREE_H

#include <jansson.h>

/* `nodes` of GET /v1/jobs/{id}/plan, or of a dry run, where they have no states; the root is the first. */
void plan_tree_print(const json_t *nodes);

#endif
