/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle: where a group stands. At any time between two messages a group with queued jobs is in exactly one of these states, and each has
 * somebody who ends it:
 *
 *   closed    its partition is not ours, or its runs are not all known yet    ended by: the last page
 *   looking   the ledger is asked                                             the answer
 *   doubt     it stands in the line of those to be looked at                  scheduler_next_look
 *   held      somebody holds it                                               scheduler_holds
 *   starting  a start is unanswered                                           the answer
 *   full      its places are taken: by a task, a job elsewhere, a backoff     the task's end, a look, the clock
 *   gate      its next job stands before a closed gate                        an engine's task ends; scheduler_gate_open
 *   ready     it stands in the ring                                           scheduler_next_start
 *
 * (Doubt and looking may go with any of held, starting and full.) group_settle works it out from what the group has.
 */
#ifndef MILLRACE_EXECUTOR_SETTLE_H
#define MILLRACE_EXECUTOR_SETTLE_H

#include "executor/scheduler_private.h"

enum standing {
    STANDING_NOTHING_QUEUED,
    STANDING_CLOSED,
    STANDING_LOOKING,
    STANDING_DOUBT,
    STANDING_HELD,
    STANDING_STARTING,
    STANDING_FULL,
    STANDING_READY /* in the ring or at a gate */
};
enum standing group_standing(const struct group *g);

/* Puts the group where it belongs, or frees it. */
void group_settle(struct scheduler *s, struct group *g);
/* The same, but first in line when it must wait at this gate. */
void group_settle_first(struct scheduler *s, struct group *g);
/* The first of the ring whose head stands before no closed gate, taken out; the others that came first wait at their gates now. */
struct group *ring_take_open(struct scheduler *s);
/* A task of this engine is gone, or its limit rose: tickets for those that wait. */
void gate_give_tickets(struct scheduler *s, struct gate *engine);
/* So many groups may pass the closed gate. */
void gate_let_pass(struct scheduler *s, struct gate *shared, size_t count);

#endif
