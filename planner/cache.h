/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache: the key under which an earlier result may serve (label `cache`: how old it may be). The same key means: the same creator and
 * user, engines, targets, code with its values, variables, conf and strategies, and no fewer rows asked for. A group of equals counts as
 * one target. The executor looks the key up (docs/plans.md).
 */
#ifndef MILLRACE_PLANNER_CACHE_H
#define MILLRACE_PLANNER_CACHE_H

#include "planner/tree.h"

/* The pass; never refuses. A label that is no duration, which the converter would not have let through, means no cache. */
bool use_cache(struct tree *t);

#endif
