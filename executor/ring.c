/* SPDX-License-Identifier: Apache-2.0 */
/* ring: see the header. */
#include "executor/ring.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "executor/table.h"

TAILQ_HEAD(ring_line, ring_node);

struct ring_share {
    UT_hash_handle hh;
    struct ring_line line;
    TAILQ_ENTRY(ring_share) turn;
    int64_t credit; /* left in this turn; 0: its turn has not begun */
    size_t creator_len;
    char creator[];
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

void ring_release(struct ring *r)
{
    struct ring_share *share, *next;
    HASH_ITER (hh, r->by_creator, share, next) {
        share_free(r, share);
    }
    r->count = 0;
}

static struct ring_share *share_of(struct ring *r, struct bytes creator, bool first)
{
    struct ring_share *share;
    HASH_FIND(hh, r->by_creator, creator.data, creator.len, share);
    if (share)
        return share;
    share = calloc(1, sizeof *share + creator.len);
    if (!share)
        log_fatal("out_of_memory", "what=ring");
    memcpy(share->creator, creator.data, creator.len);
    share->creator_len = creator.len;
    TAILQ_INIT(&share->line);
    HASH_ADD_KEYPTR(hh, r->by_creator, share->creator, share->creator_len, share);
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

struct group *ring_take(struct ring *r)
{
    struct ring_share *share = TAILQ_FIRST(&r->turns);
    MUST(share);
    struct ring_node *n = TAILQ_FIRST(&share->line);
    if (share->credit == 0)
        share->credit = n->weight > 0 ? n->weight : 1;
    if (--share->credit == 0) {
        TAILQ_REMOVE(&r->turns, share, turn);
        TAILQ_INSERT_TAIL(&r->turns, share, turn);
    }
    ring_leave(n);
    return n->group;
}
