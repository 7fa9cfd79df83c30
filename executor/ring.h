/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring: groups that wait for the same thing, in a fair order: deficit round robin. Creators take turns; in its turn a creator may take as
 * many as its weight, its groups in turn. Everything that is taken costs 1, so a turn always ends at 0, or when the creator has no
 * group here any more: nothing is saved up, neither in a turn that was cut short nor while a creator is away.
 *
 * The scheduler's own ring, where groups wait for a slot, is one, and every gate (executor/gate.h) has one. A group stands in at most
 * one of them.
 */
#ifndef MILLRACE_EXECUTOR_RING_H
#define MILLRACE_EXECUTOR_RING_H

#include <sys/queue.h>

#include "core/bytes.h"
#include "executor/table.h"

struct group;

struct creator {
    UT_hash_handle hh;
    size_t groups;    /* in memory */
    int64_t weight;   /* counts from its next turn on */
    size_t served_at; /* ring.turns_done when it last took something from the scheduler's ring */
    size_t name_len;
    char name[];
};

struct ring_share; /* a creator's groups in one ring */
TAILQ_HEAD(ring_turns, ring_share);

struct ring {
    struct ring_turns turns; /* the first has its turn */
    struct ring_share *by_creator;
    size_t count;      /* groups */
    size_t turns_done; /* so far */
};

/* A group's part of it. */
struct ring_node {
    struct group *group;
    struct creator *creator;
    struct ring *ring; /* where it stands, or NULL */
    struct ring_share *share;
    TAILQ_ENTRY(ring_node) line;
};

void ring_init(struct ring *r);
/* Behind the creator's others, and the creator, when it is new, behind the others; or before them: its turn was taken from it. */
void ring_enter(struct ring *r, struct ring_node *n, bool first);
void ring_leave(struct ring_node *n); /* without a charge; nothing when it stands nowhere */
struct group *ring_first(const struct ring *r);
size_t ring_creators(const struct ring *r);
/* Takes out the first: it is charged to its creator. */
struct group *ring_take(struct ring *r);

#endif
