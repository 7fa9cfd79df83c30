/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler_private: the insides of executor/scheduler.h, for its own files and for tests.
 *
 *   scheduler.c         partitions, intake, starts, ends, looks      window.c    the queued jobs of a group, in order
 *   scheduler_limits.c  time, limits, holds, shared gates            backoff.c   those that wait for their next attempt
 *   settle.c            where a group stands                         away.c      those that run elsewhere
 *   group.c             what is known of a group, holds              tasks.c     those that run here
 *   ring.c              fairness between creators and groups         pile.c      sets that can be walked
 *   gate.c              engine gates, shared gates                   scheduler_check.c  what must always be true
 */
#ifndef MILLRACE_EXECUTOR_SCHEDULER_PRIVATE_H
#define MILLRACE_EXECUTOR_SCHEDULER_PRIVATE_H

#include "executor/gate.h"
#include "executor/group.h"
#include "executor/scheduler.h"
#include "executor/tasks.h"

struct scheduler {
    struct scheduler_options options;
    struct partition **partitions; /* by number */
    size_t partition_count;
    struct groups groups;
    struct tasks tasks;
    struct all_aways aways;
    struct alarms alarms;
    struct ring ring; /* groups that can start a job as soon as a slot is free */
    struct gates gates;
    struct group_line looks;
    size_t look_count;
    const struct limits *limits; /* or NULL */
    int64_t now;                 /* UTC ms */
    size_t slots_used;
    size_t
        steps; /* groups that were moved or passed over in search of the next start: for tests of its cost */
    bool draining;
};

/* What is wrong, or NULL. Walks everything; for tests and the simulator. */
const char *scheduler_wrong(const struct scheduler *s);

#endif
