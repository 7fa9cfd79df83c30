/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate: what lets only so many tasks through, and the groups whose next job stands before it.
 *
 * An engine gate counts its tasks here. When a task ends, a group that waits gets a ticket: a place behind the gate is kept for it until
 * its turn comes in the scheduler's ring. So whoever waits longest is not overtaken by newcomers, and who gets the ticket is decided by
 * the gate's own ring. As long as a group waits here, tasks and tickets make up the limit.
 *
 * A shared gate is counted in the ledger. It is there only while it is closed and a group waits; no gate means open.
 */
#ifndef MILLRACE_EXECUTOR_GATE_H
#define MILLRACE_EXECUTOR_GATE_H

#include "executor/pile.h"
#include "executor/ring.h"
#include "executor/table.h"

struct gate {
    UT_hash_handle hh;
    struct ring ring; /* who waits here */
    struct bytes name;
    bool shared;
    size_t place;                   /* shared: in gates.closed */
    size_t limit, running, tickets; /* engine */
    size_t refs;                    /* engine: queued jobs and tasks that are known here */
    bool limited;                   /* engine: a limit was given, it stays */
};

struct gates {
    struct gate *engines, *shared;
    struct pile closed;      /* the shared ones */
    size_t waiting;          /* groups at all gates */
    size_t engines_at_sweep; /* how many were left when the unused were last swept out */
};

void gates_init(struct gates *gs);
void gates_release(struct gates *gs);
/* Makes it, when it is not known. May sweep out engines that nothing refers to. */
struct gate *gates_engine(struct gates *gs, struct bytes name);
bool gate_is_full(const struct gate *engine);
/* The closed gate of this selector, or NULL. */
struct gate *gates_shared(const struct gates *gs, struct bytes selector);
struct gate *gates_close(struct gates *gs, struct bytes selector);
/* A shared gate where nobody waits is open: it goes. */
void gates_tidy(struct gates *gs, struct gate *g);

#endif
