/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler: which job starts next. Pure: no I/O, no clock, no Kafka, no MongoDB; messages in, decisions out. The rules
 * (executor/rules.h) ask the ledger and tell the answers.
 *
 * In memory: the groups that have something to do. A group knows a window of its least queued jobs (ids, not payloads; at most
 * `window`), whether the window is all there is, and which of its jobs take up its places. So memory grows with active groups, not with
 * queued jobs. Order within a group and fairness between groups follow from these rules:
 *
 *  1. A group has max_running places (1 without a limit). A place is taken by a task (from the decision to start until the ledger has
 *     acknowledged its end), by a job that runs elsewhere, and by a job that backs off after a failed try.
 *  2. The next job is the least queued one that does not back off: the first such of the window. It may start when a place is free, no
 *     start of the group is unanswered, no look at the ledger is due, and the group is not held. A job whose backoff is over starts
 *     again in its own place, which is before all that never started.
 *  3. Whenever the memory may be older than the ledger (a duplicate at intake, a lost compare-and-set, a job that went back to the
 *     queue, an emptied window that was not all), the group must be looked at anew (scheduler_next_look) before anything of it starts. Looks
 *     and intakes are done one after another, so a look sees all earlier inserts and none of the later ones.
 *  4. Fairness is deficit round robin: creators take turns, each with a credit of its weight; within a creator its ready groups take
 *     turns. A start costs 1. Groups that can't start anything are in no ring and cost nothing.
 *  5. Slots: so many tasks at once in this process; and gates: a gate lets so many tasks of one kind through. Engine gates are counted here
 *     (engine "shell" or "postgres@warehouse"; tasks of a gate at most its limit). Shared gates (a max_running that several groups
 *     share, by its selector) are counted in the ledger: they are open until scheduler_start_blocked says closed, and open again
 *     by scheduler_gate_open. A group whose head stands before a closed gate waits there, in no ring.
 *  6. When Kafka takes a partition away its groups are forgotten, except the tasks that run: they end normally.
 *
 * A new record of an idle group may start at once (one write instead of two), but never past groups that wait for a slot, never through
 * a shared gate, and never when its group is held.
 *
 * Everything is O(1) in the number of queued jobs and of groups, except what says that it walks.
 */
#ifndef MILLRACE_EXECUTOR_SCHEDULER_H
#define MILLRACE_EXECUTOR_SCHEDULER_H

#include <stdint.h>

#include "core/limits.h"
#include "core/run.h"

struct scheduler;
struct group;

struct scheduler_options {
    size_t slots;                    /* tasks at once */
    size_t window;                   /* queued jobs known per group */
    void (*drop)(void *payload);     /* frees a payload that was handed in and is not wanted any more */
    void (*drop_order)(void *order); /* frees task.order when the task is gone */
};

/* A job that is being started, runs, or ends. Owned by the scheduler until scheduler_ended, scheduler_start_lost or
 * scheduler_start_blocked. */
struct task {
    struct uuid id;
    int64_t attempt; /* of this start */
    int64_t tries;   /* charged so far, this one included */
    int64_t seq;
    int32_t partition;
    struct group *group;
    bool started; /* the ledger says it runs under our name */
    void *
        payload; /* as handed in with the record, or NULL: ask the ledger for it; whoever takes it sets NULL */
    int64_t queued_at;  /* UTC ms, when the ledger took it in */
    int64_t started_at; /* the caller's: UTC ms of this start */
    void *run;          /* the caller's, from the launch on */
    void *order;        /* the caller's: it was cancelled while its start was unanswered */
};

struct scheduler *scheduler_new(const struct scheduler_options *o);
void scheduler_free(struct scheduler *s);
struct bytes scheduler_group_name(const struct task *t);

/* ---- time, limits, holds ---- */
/* Jobs whose backoff is over by then may start again. UTC ms; may step backwards. */
void scheduler_time(struct scheduler *s, int64_t now_utc);
/* The earliest end of a backoff (INT64_MAX: none). */
int64_t scheduler_next_time(const struct scheduler *s);
/* A new snapshot; borrowed until the next. Walks all groups. */
void scheduler_limits(struct scheduler *s, const struct limits *l);
/* At most `limit` tasks of this engine at once; given before anything runs. */
void scheduler_engine_slots(struct scheduler *s, struct bytes engine, size_t limit);
/* Exactly these groups are held. Groups that were not held before are looked at anew when they are released. Walks the held ones. */
void scheduler_holds(struct scheduler *s, const struct bytes *groups, size_t count);
void scheduler_hold(struct scheduler *s, struct bytes group);
bool scheduler_is_held(const struct scheduler *s, struct bytes group);

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
bool scheduler_owns(const struct scheduler *s, int32_t partition);

/* ---- intake ---- */
/* A new record (not a refused, a delayed or a due one: those are told by scheduler_look once they are in the ledger). Returns a task
 * when it is to be inserted as running at once (it holds slot and place from now on), NULL when it is to be inserted as queued. Its
 * answer must follow: scheduler_inserted. */
struct task *scheduler_record(struct scheduler *s, int32_t partition, const struct uuid *id, int64_t seq,
    struct bytes group, struct bytes engine);
/* The answer for one record, in the order of the records. `task` as returned above: when it was inserted it is started now;
 * when it was a duplicate the task is gone. payload (may be NULL) is the task's or the waiting job's from now on, or dropped. now:
 * UTC ms, when it was taken in. */
void scheduler_inserted(struct scheduler *s, int32_t partition, int64_t assignment, const struct uuid *id,
    int64_t seq, struct bytes group, struct bytes engine, int64_t now, struct task *task, bool duplicate,
    void *payload);

/* ---- starts ---- */
/* Cheap: would scheduler_next_start return one? (True may be wrong where a gate is closed.) */
bool scheduler_can_start(const struct scheduler *s);
/* The next job to start from the ring, or NULL: no slot is free or no group is ready. */
struct task *scheduler_next_start(struct scheduler *s);
/* The shared limits that a task of this group must pass: their selectors and maxima. Borrowed until the next message. */
const struct limit_count *scheduler_shared(const struct scheduler *s, const struct task *t, size_t *count);
/* Does a failed job of the task's group hold the group? */
bool scheduler_holds_on_failure(const struct scheduler *s, const struct task *t);
void scheduler_start_won(struct scheduler *s, struct task *t);
/* The task is gone, the group is looked at anew. */
void scheduler_start_lost(struct scheduler *s, struct task *t);
/* Nothing was written: the shared gate of this selector is closed. The task is gone, its job is at the head of its window again (with
 * its payload), its group waits at the gate. */
void scheduler_start_blocked(struct scheduler *s, struct task *t, struct bytes selector);
/* Shared gates where groups wait: walks with *cursor from 0. */
bool scheduler_next_gate(struct scheduler *s, size_t *cursor, struct bytes *selector);
/* There is room for `free` more at a shared gate: so many groups go back to the ring; with 0 it stays closed. */
void scheduler_gate_open(struct scheduler *s, struct bytes selector, size_t free);

/* ---- ends ---- */
/* The ledger has acknowledged the end of a task. closed: the job is final. Otherwise (it went back to the queue, or another closed
 * it) the group is looked at anew. The task is gone. */
void scheduler_ended(struct scheduler *s, struct task *t, bool closed);

/* ---- looks ---- */
/* The next group whose memory is too old: ask ledger_look for its name, then tell. False: none. */
bool scheduler_next_look(struct scheduler *s, struct bytes *group, size_t *limit);
/* `count` may be `limit`: then there may be more. */
void scheduler_looked(struct scheduler *s, struct bytes group, const struct run *runs, size_t count);
/* Something about the group changed behind our back. `partition`: told by the intake, in its order, of a record of this partition (a group
 * that is not in memory yet is made when the partition is ours); -1: told by anybody else, and only of a group that is in memory. */
void scheduler_look(struct scheduler *s, struct bytes group, int32_t partition);

/* ---- jobs that run elsewhere: another executor's, or a start of ours whose answer was lost ---- */
struct elsewhere {
    struct uuid id;
    int64_t attempt;
    struct bytes instance, group; /* borrowed until the next change */
};
/* All of them; walks with *cursor from 0. False at the end. */
bool scheduler_next_elsewhere(struct scheduler *s, size_t *cursor, struct elsewhere *out);

/* ---- tasks, cancel ---- */
struct task *scheduler_find(struct scheduler *s, const struct uuid *id);
/* All tasks; walks with *cursor from 0, in no order; tasks may not come or go meanwhile. */
struct task *scheduler_next_task(struct scheduler *s, size_t *cursor);
/* Takes a queued job out of its group's window. False: it is a task. (Not known here: true.) */
bool scheduler_withdraw(struct scheduler *s, struct bytes group, const struct uuid *id);

/* ---- drain ---- */
/* No more starts. */
void scheduler_drain(struct scheduler *s);

struct scheduler_figures {
    size_t groups, tasks, ready, looks, elsewhere, windowed, held, gated;
};
/* Kept up to date, except elsewhere and windowed: these walk all groups. */
struct scheduler_figures scheduler_figures(const struct scheduler *s);
size_t scheduler_elsewhere_count(const struct scheduler *s); /* kept up to date */
size_t scheduler_task_count(const struct scheduler *s);

#endif
