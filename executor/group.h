/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group: what the scheduler knows of one group. Private to the scheduler.
 *
 * A group is in memory while anything holds it: a task, a queued job, a job that runs elsewhere, an unanswered record, a look. Every
 * message ends with group_settle (executor/settle.h), which puts it where it belongs now or frees it; after that the pointer may
 * be gone.
 */
#ifndef MILLRACE_EXECUTOR_GROUP_H
#define MILLRACE_EXECUTOR_GROUP_H

#include "core/limits.h"
#include "executor/away.h"
#include "executor/backoff.h"
#include "executor/ring.h"
#include "executor/table.h"
#include "executor/window.h"

struct group;
LIST_HEAD(group_list, group);
TAILQ_HEAD(group_line, group);

struct partition {
    int64_t assignment; /* -1: not ours */
    bool open;          /* ours, and its unfinished runs are known */
    int32_t number;
    struct group_list groups;
};

/* Jobs that must be passed over in the answer of the look that is under way. */
struct passed_over {
    struct uuid *ids;
    size_t count, cap;
};

struct group {
    struct bytes name; /* owned */
    struct partition *partition;
    LIST_ENTRY(group) of_partition;
    UT_hash_handle hh;

    /* what counts for it; from the snapshot */
    size_t max_running;
    struct limit_count shared[2]; /* borrowed */
    uint8_t shared_count;
    bool hold_on_failure;

    /* what it has */
    struct window window;
    struct backoffs backoffs; /* these three take up places */
    struct aways aways;
    size_t tasks;
    bool starting;     /* a start is unanswered */
    size_t unanswered; /* records handed to the ledger */

    bool held;
    bool doubt;   /* the ledger must be looked at before anything starts */
    bool looking; /* a look was asked for, its answer is due */
    bool stale;   /* while looking: what is seen does not count */
    bool in_looks;
    size_t look_limit;
    struct passed_over passed;

    /* where it stands; executor/settle.c */
    struct ring_node node;
    struct gate *gate;   /* the one it waits at, in its ring; NULL: none */
    struct gate *ticket; /* the engine gate where a place is kept for it */
    uint8_t passes;      /* closed shared gates that it may pass, by its index in shared */
    TAILQ_ENTRY(group) look;
};

/* A held group's name. */
struct hold {
    UT_hash_handle hh;
    bool kept;
    size_t name_len;
    char name[];
};

struct groups {
    struct group *by_name;
    struct creator *creators;
    struct hold *holds;
    size_t held; /* groups in memory that are held */
};

struct group *groups_find(const struct groups *gs, struct bytes name);
/* Makes it, without limits. */
struct group *groups_add(struct groups *gs, struct bytes name, struct partition *p);
void groups_move(struct group *g, struct partition *p);
/* It must have nothing any more. */
void groups_remove(struct groups *gs, struct group *g);

void groups_mark_held(struct groups *gs, struct group *g, bool held);
struct hold *holds_find(const struct groups *gs, struct bytes name);
struct hold *holds_add(struct groups *gs, struct bytes name);
void holds_remove(struct groups *gs, struct hold *h);

/* NULL: as without limits. */
void group_take_limits(struct group *g, const struct limits *l);
size_t group_taken(const struct group *g); /* places */
/* Nothing of it is known, waits or is under way. */
bool group_is_idle(const struct group *g);
void group_doubt(struct group *g); /* when the partition is ours */
void group_pass_over(struct group *g, const struct uuid *id);
bool group_is_passed_over(const struct group *g, const struct uuid *id);
void group_end_look(struct group *g);

#endif
