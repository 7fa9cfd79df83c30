/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler: which job starts next. Pure: no I/O, no clock, no Kafka, no MongoDB; messages in, decisions out. The executor's
 * loop asks the ledger and tells the answers; a simulator can do the same.
 *
 * In memory: the groups that have something to do. A group knows a window of its least queued jobs (ids, not payloads; at most
 * `window`), whether the window is all there is, and the one job that holds its line: the task. Order within a group and
 * fairness between groups follow from five rules:
 *
 *  1. A group's line is free when it has no task, no job of it runs elsewhere, and no look at the ledger is due. Only then, and
 *     only from the head of the window, may its next job start.
 *  2. A task holds the line from the decision to start until the ledger has acknowledged its end.
 *  3. Whenever the memory may be older than the ledger (a duplicate at intake, a lost compare-and-set, an emptied window that was
 *     not all), the group must be looked at anew (scheduler_next_look) before anything of it starts. Looks and intakes are done
 *     one after another by one ledger thread, so a look sees all earlier inserts and none of the later ones.
 *  4. Groups with a free line and a waiting job stand in a ring and get slots in turn. A group that runs or waits for a look is
 *     not in the ring and costs nothing.
 *  5. When Kafka takes a partition away its groups are forgotten, except the tasks that run: they end normally.
 *
 * A new record of an idle group may start at once (one write instead of two), but never past groups that wait for a slot.
 */
#ifndef MILLRACE_EXECUTOR_SCHEDULER_H
#define MILLRACE_EXECUTOR_SCHEDULER_H

#include <stdint.h>

#include "core/ledger.h"

struct scheduler;
struct group;

struct scheduler_options {
    size_t slots;                      /* tasks at once */
    size_t window;                     /* queued jobs known per group */
    void (*drop)(void *payload);       /* frees a payload that was handed in and is not wanted any more */
    void (*drop_cancel)(void *cancel); /* frees task.cancel when the task is gone */
};

/* A job that is being started, runs, or ends. Owned by the scheduler until scheduler_ended or scheduler_start_lost. */
struct task {
    struct uuid id;
    int64_t attempt; /* of this start */
    int64_t seq;
    struct group *group;
    bool started; /* the ledger says it runs under our name */
    void *
        payload; /* as handed in with the record, or NULL: ask the ledger for it; whoever takes it sets NULL */
    int64_t queued_at; /* UTC ms, when the ledger took it in */
    void *run;         /* the caller's, from the launch on */
    void *cancel;      /* the caller's: it was cancelled while its start was unanswered */
};

struct scheduler *scheduler_new(const struct scheduler_options *o);
void scheduler_free(struct scheduler *s);

/* ---- partitions ---- */
/* Nothing of the partition starts, and no record may be taken, until its unfinished runs were told (last = true). */
void scheduler_assigned(struct scheduler *s, int32_t partition, int64_t assignment);
void scheduler_unfinished(struct scheduler *s, int32_t partition, int64_t assignment, const struct run *runs,
    size_t count, bool last);
void scheduler_revoked(struct scheduler *s, int32_t partition);
/* May records of it be taken in? */
bool scheduler_is_open(const struct scheduler *s, int32_t partition);
/* How many partitions were ever seen: they are numbered from 0. */
int32_t scheduler_partitions(const struct scheduler *s);
/* The current assignment of a partition, or -1. */
int64_t scheduler_assignment(const struct scheduler *s, int32_t partition);

/* ---- intake ---- */
/* A new record. Returns a task when it is to be inserted as running at once (it holds slot and line from now on), NULL when
 * it is to be inserted as queued. Its answer must follow: scheduler_inserted. */
struct task *scheduler_record(
    struct scheduler *s, int32_t partition, const struct uuid *id, int64_t seq, struct bytes group);
/* The answer for one record, in the order of the records. `task` as returned above: when it was inserted it is started now;
 * when it was a duplicate the task is gone. payload (may be NULL) is the task's or the waiting job's from now on, or dropped. now:
 * UTC ms, when it was taken in. */
void scheduler_inserted(struct scheduler *s, int32_t partition, int64_t assignment, const struct uuid *id,
    int64_t seq, struct bytes group, int64_t now, struct task *task, bool duplicate, void *payload);

/* ---- starts ---- */
/* The next job to start from the ring, or NULL: no slot is free or no group is ready. */
struct task *scheduler_next_start(struct scheduler *s);
void scheduler_start_won(struct scheduler *s, struct task *t);
void scheduler_start_lost(
    struct scheduler *s, struct task *t); /* the task is gone, the group is looked at anew */

/* ---- ends ---- */
/* The ledger has acknowledged the end (closed), or refused it: another closed it. The task is gone. */
void scheduler_ended(struct scheduler *s, struct task *t, bool closed);

/* ---- looks ---- */
/* The next group whose memory is too old: ask ledger_look for its name, then tell. False: none. */
bool scheduler_next_look(struct scheduler *s, struct bytes *group, size_t *limit);
void scheduler_looked(struct scheduler *s, struct bytes group, const struct run *runs, size_t count);
/* Something about the group changed behind our back. */
void scheduler_look(struct scheduler *s, struct bytes group);

/* ---- jobs that run elsewhere: another executor's, or a start of ours whose answer was lost ---- */
struct elsewhere {
    struct uuid id;
    int64_t attempt;
    struct bytes instance, group; /* borrowed until the next change */
};
/* All of them; walks with *cursor from 0. False at the end. */
bool scheduler_next_elsewhere(struct scheduler *s, size_t *cursor, struct elsewhere *out);

/* ---- cancel ---- */
struct task *scheduler_find(struct scheduler *s, const struct uuid *id);
/* Takes a queued job out of its group's window. False: it is a task. (Not known here: true.) */
bool scheduler_withdraw(struct scheduler *s, struct bytes group, const struct uuid *id);
/* Do we own this group's partition? */
bool scheduler_owns(const struct scheduler *s, int32_t partition);

/* ---- drain ---- */
/* No more starts. */
void scheduler_drain(struct scheduler *s);

struct scheduler_figures {
    size_t groups, tasks, ready, looks, elsewhere, windowed;
};
struct scheduler_figures scheduler_figures(const struct scheduler *s);

#endif
