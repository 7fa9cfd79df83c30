/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window: a group's least queued jobs that may start (that don't back off), in the order of seq, and whether they are all there are.
 * What it is not sure of it does not keep: a job that lies behind others which only the ledger knows is found by the next look.
 */
#ifndef MILLRACE_EXECUTOR_WINDOW_H
#define MILLRACE_EXECUTOR_WINDOW_H

#include "core/uuid.h"
#include "executor/gate.h"

/* A queued job. There may be a million of them in memory: mind its size. */
struct waiting {
    struct uuid id;
    int64_t seq;
    int64_t attempt, tries; /* as the ledger has them */
    int64_t queued_at;
    struct gate *engine; /* counted in its refs */
    void *payload;       /* or NULL */
};
typedef void (*drop_payload)(void *payload);
/* Drops the payload, lets go of the engine. */
void waiting_release(struct waiting *w, drop_payload drop);

/* items[head .. head+count); the array moves when its end is reached, and is no larger than the limit. */
struct window {
    struct waiting *items;
    uint32_t head, count, cap;
    bool complete; /* nothing else waits in the ledger */
};

const struct waiting *window_first(const struct window *w); /* or NULL */
const struct waiting *window_at(const struct window *w, size_t i);
/* Puts the job in its place. sure: it is known to lie before all that only the ledger knows. False: it is not kept, it stays the
 * caller's. What no longer fits within `limit` is forgotten at the end. */
bool window_insert(struct window *w, size_t limit, const struct waiting *item, bool sure, drop_payload drop);
struct waiting window_pop(struct window *w);
bool window_remove(struct window *w, const struct uuid *id, drop_payload drop);
/* Empty and complete again. */
void window_forget(struct window *w, drop_payload drop);
/* Jobs that are in both: the payloads go over to `to`. */
void window_hand_on(struct window *from, struct window *to);

#endif
