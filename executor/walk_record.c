/* SPDX-License-Identifier: Apache-2.0 */
/* walk_record: what of a leaf's end must be on record before the walk acts on it, so that a takeover goes on from there. */
#include "executor/walk_private.h"

/* It is enough for the whole, at once; or it lost a race, so that it is never needed again. */
static bool success_is_last(const struct walk *w, const struct walk_node *n)
{
    for (const struct walk_node *p = walk_parent(w, n); p; p = walk_parent(w, p))
        if (p->closing && p->verdict == WALK_SUCCEEDED)
            return true;
    for (const struct walk_node *p = walk_parent(w, n); p; p = walk_parent(w, p))
        if (p->live > 1 || (p->closing && p->verdict == WALK_FAILED) || !walk_is_complete(p, p->done + 1))
            return false;
    return true;
}

/* Would the end of the whole still be open? */
static bool failure_goes_on(const struct walk *w, const struct walk_node *n, bool retryable)
{
    for (const struct walk_node *p; (p = walk_parent(w, n)) != NULL; n = p) {
        if (p->kind == WALK_FALLBACK && retryable && n->place + 1 < p->child_count)
            return true;
        if (p->kind == WALK_RACE && p->failed + 1 < p->child_count)
            return true;
        for (size_t c = 0; p->kind == WALK_RACE && c < p->child_count; c++)
            retryable = retryable || w->nodes[p->children[c]].retryable;
    }
    return false;
}

enum walk_state walk_to_record(const struct walk *w, size_t leaf, enum walk_end end)
{
    const struct walk_node *n = &w->nodes[leaf];
    if (end == WALK_END_SUCCEEDED)
        return success_is_last(w, n) ? WALK_WAITING : WALK_SUCCEEDED;
    if (n->closing)
        return WALK_WAITING;
    if (walk_is_retried(n, end))
        return WALK_RETRYING;
    return failure_goes_on(w, n, end == WALK_END_RETRYABLE) ? WALK_FAILED : WALK_WAITING;
}
