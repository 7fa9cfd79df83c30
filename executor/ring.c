/* SPDX-License-Identifier: Apache-2.0 */
/* ring: see the header. */
#include "executor/ring.h"

#include <stdlib.h>

#include "core/error.h"

TAILQ_HEAD(ring_line, ring_node);

struct ring_share {
    UT_hash_handle hh;
    struct ring_line line;
    TAILQ_ENTRY(ring_share) turn;
    struct creator *creator;
    int64_t credit; /* left in this turn; 0: its turn has not begun */
};

void ring_init(struct ring *r)
{
    *r = (struct ring){.by_creator = NULL};
    TAILQ_INIT(&r->turns);
}

static void share_free(struct ring *r, struct ring_share *share)
{
    TAILQ_REMOVE(&r->turns, share, turn);
    HASH_DEL(r->by_creator, share);
    free(share);
}

static struct ring_share *share_of(struct ring *r, struct creator *creator, bool first)
{
    struct ring_share *share;
    HASH_FIND_PTR(r->by_creator, &creator, share);
    if (share)
        return share;
    share = calloc(1, sizeof *share);
    if (!share)
        log_fatal("out_of_memory", "what=ring");
    share->creator = creator;
    TAILQ_INIT(&share->line);
    HASH_ADD_PTR(r->by_creator, creator, share);
    if (first)
        TAILQ_INSERT_HEAD(&r->turns, share, turn);
    else
        TAILQ_INSERT_TAIL(&r->turns, share, turn);
    return share;
}

void ring_enter(struct ring *r, struct ring_node *n, bool first)
{
    MUST(!n->ring);
    struct ring_share *share = share_of(r, n->creator, first);
    if (first)
        TAILQ_INSERT_HEAD(&share->line, n, line);
    else
        TAILQ_INSERT_TAIL(&share->line, n, line);
    n->ring = r;
    n->share = share;
    r->count++;
}

void ring_leave(struct ring_node *n)
{
    struct ring *r = n->ring;
    if (!r)
        return;
    TAILQ_REMOVE(&n->share->line, n, line);
    if (TAILQ_EMPTY(&n->share->line))
        share_free(r, n->share);
    n->ring = NULL;
    n->share = NULL;
    r->count--;
}

struct group *ring_first(const struct ring *r)
{
    const struct ring_share *share = TAILQ_FIRST(&r->turns);
    return share ? TAILQ_FIRST(&share->line)->group : NULL;
}

size_t ring_creators(const struct ring *r)
{
    return HASH_COUNT(r->by_creator);
}

struct group *ring_take(struct ring *r)
{
    struct ring_share *share = TAILQ_FIRST(&r->turns);
    MUST(share);
    struct ring_node *n = TAILQ_FIRST(&share->line);
    if (share->credit == 0)
        share->credit = n->creator->weight > 0 ? n->creator->weight : 1;
    share->credit--;
    if (share->credit == 0 || TAILQ_NEXT(n, line) == NULL)
        r->turns_done++;
    if (share->credit == 0) {
        TAILQ_REMOVE(&r->turns, share, turn);
        TAILQ_INSERT_TAIL(&r->turns, share, turn);
    }
    ring_leave(n);
    return n->group;
}
