/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group: the scheduler's own nouns: a group with its window and its line, the ring of ready groups, the list of groups to look
 * at, and the tasks. Only scheduler.c uses this. Nothing here does I/O.
 *
 * A group lives while anything holds it: a task, a waiting job, jobs that run elsewhere, an unanswered record, a look. It is freed
 * by group_settle, which every message ends with; so after group_settle the pointer may be gone.
 */
#ifndef MILLRACE_EXECUTOR_GROUP_H
#define MILLRACE_EXECUTOR_GROUP_H

#include <sys/queue.h>
#include <uthash.h>

#include "executor/scheduler.h"

struct waiting {
    struct uuid id;
    int64_t seq;
    int64_t attempt; /* as the ledger has it */
    int64_t queued_at;
    void *payload; /* or NULL */
};

struct group {
    struct bytes name; /* owned */
    int32_t partition;
    bool disowned; /* Kafka took the partition away: only what runs goes on */

    /* the window: waiting[head .. head+count), by seq; a plain array that moves when its front is empty */
    struct waiting *waiting;
    size_t head, count, cap;
    bool complete; /* the window is all that waits in the ledger */

    /* the line */
    struct task *task;
    bool elsewhere; /* a job of the group runs under another name, or ours without a task */
    struct uuid elsewhere_id;
    int64_t elsewhere_attempt;
    char elsewhere_instance[LEDGER_INSTANCE_MAX];

    bool doubt;        /* the ledger must be looked at before anything starts */
    bool looking;      /* the look was asked for, its answer is due */
    bool moved;        /* the line moved while looking */
    size_t unanswered; /* records handed to the ledger */

    bool in_ring, in_looks;
    TAILQ_ENTRY(group) ring, looks;
    UT_hash_handle hh;
};
TAILQ_HEAD(group_list, group);

struct groups {
    struct group *by_name;
    struct group_list ring, looks;
    size_t ready, look_count, window;
    void (*drop)(void *payload);
    struct group **walk; /* snapshot for walking; rebuilt at cursor 0 */
    size_t walk_count;
};

void groups_init(struct groups *gs, size_t window, void (*drop)(void *payload));
void groups_release(struct groups *gs);
struct group *groups_find(const struct groups *gs, struct bytes name);
struct group *groups_get(struct groups *gs, struct bytes name, int32_t partition);
struct group *groups_next(struct groups *gs, size_t *cursor);
void groups_disown(struct groups *gs, int32_t partition);
size_t groups_ready(const struct groups *gs);
struct group *groups_pop_ready(struct groups *gs);
struct group *groups_pop_look(struct groups *gs);
struct scheduler_figures groups_figures(const struct groups *gs);

/* No task, nothing waiting or unanswered, nothing elsewhere, no doubt. */
bool group_is_idle(const struct group *g);
/* Takes in what the ledger says of one unfinished run, in the order of seq. */
void group_learn(struct groups *gs, struct group *g, const struct run *r);
/* Appends a job that was just inserted; returns the payload when it is not kept. */
void *group_append(
    struct groups *gs, struct group *g, const struct uuid *id, int64_t seq, int64_t queued_at, void *payload);
void group_remove(struct groups *gs, struct group *g, const struct uuid *id);
void group_forget_window(struct groups *gs, struct group *g);
struct waiting group_pop(struct group *g);
void group_doubt(struct group *g);
void group_take_line(struct group *g, struct task *t);
void group_free_line(struct group *g);
/* Puts the group where it belongs now: ring, looks, neither; or frees it. */
void group_settle(struct groups *gs, struct group *g);

/* ---- tasks: by job id ---- */
struct task_slot;
struct tasks {
    struct task_slot *by_id;
};
void tasks_init(struct tasks *ts);
void tasks_release(struct tasks *ts);
struct task *tasks_add(
    struct tasks *ts, const struct uuid *id, struct group *g, int64_t attempt, int64_t seq);
struct task *tasks_find(const struct tasks *ts, const struct uuid *id);
void tasks_remove(struct tasks *ts, struct task *t);
struct task *tasks_next(struct tasks *ts, size_t *cursor);
size_t tasks_count(const struct tasks *ts);

#endif
