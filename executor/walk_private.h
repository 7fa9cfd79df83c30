/* SPDX-License-Identifier: Apache-2.0 */
/* walk_private: what walk.c and walk_record.c both ask of nodes. */
#ifndef MILLRACE_EXECUTOR_WALK_PRIVATE_H
#define MILLRACE_EXECUTOR_WALK_PRIVATE_H

#include "core/error.h"
#include "executor/walk.h"

static inline struct walk_node *walk_parent(const struct walk *w, const struct walk_node *n)
{
    return n->parent == WALK_NONE ? NULL : &w->nodes[n->parent];
}

static inline size_t walk_number(const struct walk *w, const struct walk_node *n)
{
    return (size_t)(n - w->nodes);
}

/* Did enough of its children succeed, whatever became of the others? */
static inline bool walk_is_complete(const struct walk_node *n, size_t done)
{
    return n->kind == WALK_RACE || n->kind == WALK_FALLBACK ? done > 0 : done == n->child_count;
}

static inline bool walk_is_retried(const struct walk_node *n, enum walk_end end)
{
    return end == WALK_END_RETRYABLE && !n->closing && n->try < n->node->retry;
}

#endif
