/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_private: the object behind executor/rules.h and the machines that work on it. Only the files named there use this.
 *
 * A machine is a struct that begins with a struct op. Its step function is called first with at == 0 when its lane is free, then with
 * each answer; it fills op->ask and returns true, or returns false when it is done. Whatever it needs lives in op->memory; the answers
 * of earlier asks stay there too. It never holds pointers to groups, and to tasks only while it is responsible for them.
 */
#ifndef MILLRACE_EXECUTOR_RULES_PRIVATE_H
#define MILLRACE_EXECUTOR_RULES_PRIVATE_H

#include <stddef.h>
#include <sys/queue.h>

#include "executor/bugs.h"
#include "executor/retry.h"
#include "executor/rules.h"
#include "executor/table.h"

/* Sizes of batches and pages. The simulator has few jobs: small ones show it the ends of pages. */
#ifdef MILLRACE_SIM
#define RULES_SIZE(size, in_simulator) (in_simulator)
#else
#define RULES_SIZE(size, in_simulator) (size)
#endif

enum op_kind {
    OP_PAGE, /* assign.c */
    OP_INTAKE,
    OP_LOOK,
    OP_START,  /* start.c */
    OP_FINISH, /* finish.c */
    OP_NODE,
    OP_SETTLE,
    OP_UNSENT,
    OP_RENEW, /* lease.c */
    OP_MINE,
    OP_WATCH,
    OP_CANCEL, /* cancel.c */
    OP_GROUP,
    OP_ASK_CANCELS,
    OP_WAKE,
    OP_HOLDS,
    OP_DROP, /* holders.c */
    OP_GATES,
    OP_SWEEP,
    OP_KINDS
};

struct op {
    struct ask ask; /* first: an ask that is given back is its op */
    enum op_kind kind;
    int at; /* which answer is awaited; the step's own numbering */
    struct arena memory;
    STAILQ_ENTRY(op) entry;
};
STAILQ_HEAD(op_list, op);

/* A list that grows; items are taken out by emptying it. */
#define LIST_OF(type)                                                                                        \
    struct {                                                                                                 \
        type *items;                                                                                         \
        size_t count, cap;                                                                                   \
    }
/* Room for one more item in a LIST_OF. */
/* How many payloads may be read at once: 1 to `most`. */
void rules_saw_payloads(struct rules *r, const struct runs *runs);
size_t rules_payloads(const struct rules *r, size_t most);
void *rules_grow(void *items, size_t count, size_t *cap, size_t size);
#define LIST_ADD(list, item)                                                                                 \
    ((list).items = rules_grow((list).items, (list).count, &(list).cap, sizeof *(list).items),               \
        (list).items[(list).count++] = (item))

/* An end that the ledger has not acknowledged yet. */
struct ending {
    struct run_close close; /* its instance is in `memory` */
    struct bytes group, event;
    struct task *task; /* NULL: it does not run here */
    int32_t partition; /* of a run that is no task: its group may have to be looked at; -1: not known */
    enum job_phase phase;
    struct bytes code; /* of its error; in `memory` */
    bool holds;        /* its group is to be held: limit on_failure */
    bool asked;        /* a FINISH is under way with it */
    struct arena memory;
    TAILQ_ENTRY(ending) entry;
};
TAILQ_HEAD(ending_list, ending);

struct publication {
    char outcome[UUID_TEXT_LEN + 1];
    bool settle; /* clear unsent once all are delivered */
    bool open;   /* more may be added */
    size_t pending;
    TAILQ_ENTRY(publication) entry;
};
TAILQ_HEAD(publication_list, publication);

struct outcome_name {
    char text[UUID_TEXT_LEN + 1];
};

/* What we saw of another instance's counter. */
struct watched {
    char instance[LEDGER_INSTANCE_MAX];
    int64_t counter, since_boot;
    bool seen; /* in the latest round */
};

/* A delayed job that was told to be due. */
struct told_due {
    struct uuid id;
    UT_hash_handle hh;
};
#define TOLD_GENERATIONS 2
struct told {
    struct arena memory;
    struct told_due *table; /* by id */
};

/* A place in `holders`: one that we have, or give up. */
struct holder_place {
    char selector[LIMITS_SELECTOR_MAX];
    struct uuid id;
    int64_t attempt;
};
/* A shared limit that somebody here waited for. */
struct shared_gate {
    char selector[LIMITS_SELECTOR_MAX];
    int64_t max;
};

/* An instance that holds a place which its run does not account for: its lease is watched too. */
struct suspect {
    char instance[LEDGER_INSTANCE_MAX];
};

#define START_PAYLOAD_BYTES (64 * 1024) /* careful as long as none was seen */
#define READ_BYTES (64 * 1024 * 1024) /* about as many payloads at once, by the size of those read of late */

struct rules {
    struct rules_options options;
    char instance[LEDGER_INSTANCE_MAX];
    const struct rules_world *world;
    void *self;
    struct scheduler *scheduler;
    const struct limits *limits; /* NULL: none yet */
    struct {
        struct op_list ops;
        bool busy; /* the first one's ask is out */
    } lanes[ASK_LANES];
    size_t under_way[OP_KINDS];
    int64_t period_at[OP_KINDS]; /* boot ms: when those that come again begin next */
    struct rules_counts counts;
    bool dead; /* died, or was told that the process stops */

    /* start.c */
    int64_t payload_bytes; /* of those that were read of late, on average; begins as START_PAYLOAD_BYTES */

    /* lease.c */
    int64_t lease_until, counter;
    LIST_OF(struct watched) watched;
    size_t watch_cursor;

    /* finish.c */
    struct ending_list ends;

    /* publish.c */
    struct publication_list publications;
    LIST_OF(struct outcome_name) settles;

    /* cancel.c */
    LIST_OF(struct uuid) wanted; /* ids whose cancels are asked for next, */
    size_t wanted_done;          /* but for the first of them */
    int64_t cancels_from;        /* UTC ms: those written since then are read once more */

    /* wake.c */
    struct told told[TOLD_GENERATIONS]; /* the newer first */
    int64_t told_since_boot;            /* the newer one */

    /* holders.c */
    LIST_OF(struct holder_place) places, drops, dropping;
    LIST_OF(struct shared_gate) gates;
    LIST_OF(struct suspect) suspects;

    /* drain.c */
    bool draining;
    bool killing; /* drain is over: what ends now goes back to the queue */
    int64_t drain_until;
};

/* ---- rules.c ---- */
struct moment rules_now(const struct rules *r);
/* Puts a machine of that kind into its lane; it begins when the lane is free. */
struct op *rules_begin(struct rules *r, enum op_kind kind);
/* The same, unless one of that kind is there already (then NULL). */
struct op *rules_begin_once(struct rules *r, enum op_kind kind);
void rules_die(struct rules *r, const char *reason);
/* Something about the group changed, and not by the intake: it is looked at anew, even when a look is under way, and even when it is not
 * in memory but its partition is ours (-1: not known). */
void rules_look(struct rules *r, struct bytes group, int32_t partition);
void rules_new_outcome(struct rules *r, char out[UUID_TEXT_LEN + 1]);
/* The run with that id in an answer, or NULL. Sorts once: call runs_sort before. */
void runs_sort(struct runs *runs);
const struct run *runs_of(const struct runs *runs, const struct uuid *id);
bool uuid_equal(const struct uuid *a, const struct uuid *b);

/* ---- the machines' steps ---- */
typedef bool op_step(struct rules *r, struct op *op);
op_step page_step, intake_step, look_step, start_step, finish_step, node_step, settle_step, unsent_step,
    renew_step, mine_step, watch_step, cancel_step, group_step, ask_cancels_step, wake_step, holds_step,
    drop_step, gates_step, sweep_step;
extern const size_t page_size, intake_size, look_size, start_size, finish_size, node_size, unsent_size,
    renew_size, watch_size, cancel_size, group_size, drop_size, sweep_size;
/* The process stops: gives the batch back. */
void intake_abandon(struct rules *r, struct op *op);

/* ---- start.c ---- */
/* The ledger says that the task runs under our name: launch it; or end it, or give it back. */
void start_launch(
    struct rules *r, struct task *t, const struct launch *l, const struct order_seen *cancel, bool held);

/* ---- finish.c ---- */
/* Is an end of this run on its way? */
bool finish_has(const struct rules *r, const struct uuid *id);
struct ending *finish_new(struct rules *r, const struct uuid *id, int64_t attempt, struct bytes group);
/* Tells it: fills the event from the telling. False: it can't be told now; the ending is gone. */
bool finish_tell(struct rules *r, struct ending *e, const struct telling *t);
void finish_add(struct rules *r, struct ending *e);
/* A task's attempt goes back to the queue, uncharged, without an event. */
void finish_give_back(struct rules *r, struct task *t, const char *reason);
/* A queued or delayed run ends without running. */
void finish_queued(struct rules *r, const struct run *run, enum job_phase phase, const char *code,
    const struct order_seen *order);

/* ---- publish.c ---- */
struct publication *publication_new(struct rules *r, const char *outcome, bool settle);
void publication_add(
    struct rules *r, struct publication *p, struct bytes group, const struct uuid *job, struct bytes event);
void publication_close(struct rules *r, struct publication *p);
/* An event without an outcome: lost when we die now, and then nobody misses it. */
void publish_alone(struct rules *r, struct bytes group, const struct uuid *job, struct bytes event);

/* ---- wake.c ---- */
void wake_forget(struct rules *r);

/* ---- cancel.c ---- */
/* Partitions were assigned: who cancelled a job of theirs may not have been heard. */
void cancels_from_yesterday(struct rules *r);
void cancel_want(struct rules *r, const struct uuid *id);
void cancel_order_drop(void *order);
const struct order_seen *cancel_order_of(const struct task *t);
void cancel_task(struct rules *r, struct task *t, const struct order_seen *o);

/* ---- holders.c ---- */
/* This start has a place there. It is given up by what was taken, whatever the limits say by then. */
void holders_took(struct rules *r, struct bytes selector, const struct task *t);
void holders_drop(struct rules *r, const struct task *t);
/* A place of this start (of an earlier try with the same attempt number, which was blocked) is just being given up: what is read of it
 * does not count. */
bool holders_are_dropping(const struct rules *r, struct bytes selector, const struct task *t);
/* The limits are new: so are the maxima of the gates where groups wait. */
void holders_limits(struct rules *r);
void holders_remember(struct rules *r, struct bytes selector, int64_t max);
/* Is the place of this start of ours among them? */
bool holders_have(const struct rules *r, const struct holders *h, const struct uuid *id, int64_t attempt);
void holders_add(struct holders *h, const struct holder *item, struct arena *a);

/* ---- drain.c ---- */
void drain_turn(struct rules *r);

#endif
