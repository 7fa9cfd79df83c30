/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: the ledger's nouns, without the ledger: what a run is and what is asked and answered about it. Plain data, so that the
 * executor's rules (executor/rules.h) and the simulator need no store. The statements are in core/ledger.h.
 *
 * Times are UTC ms, NO_TIME where there is none. Strings live in the arena of whoever read them.
 */
#ifndef MILLRACE_CORE_RUN_H
#define MILLRACE_CORE_RUN_H

#include "core/arena.h"
#include "core/uuid.h"

#define NO_TIME INT64_MIN
#define LEDGER_WAKE_MAX 2000 /* runs in one answer of ledger_wake */
#define LEDGER_INSTANCE_MAX 64

enum run_state { RUN_QUEUED, RUN_DELAYED, RUN_RUNNING, RUN_ENDED, RUN_STATES };
const char *run_state_name(enum run_state s);

/* What became of a node of the plan in an earlier attempt, where the next one goes on from: it succeeded, it failed and the job went on,
 * or a try of it failed and the next one was to come. */
struct run_node {
    struct bytes id;
    struct bytes event; /* the framed JobEvent `node` that told it */
};

/* One document of `runs`. */
struct run {
    struct uuid id;
    int32_t partition;
    int64_t
        seq; /* its place: the offset of its planned record (of a delayed job: of the one that said `due`) */
    struct bytes group;
    struct bytes engine; /* "shell" or "postgres@warehouse": whose slots it uses */
    enum run_state state;
    int64_t attempt;       /* starts so far: the fence */
    int64_t tries;         /* of them charged against max_attempts */
    int64_t lost;          /* of them lost with their executor */
    struct bytes instance; /* of the latest start */
    struct bytes out;      /* the outcome that ended the latest attempt: its token */
    struct bytes *outs;    /* the tokens of all that sent it back to the queue, oldest first */
    size_t out_count;
    struct bytes reason; /* queued again: why */
    int64_t queued_at, started_at;
    int64_t wake_at;      /* delayed: not before; queued and never tried: when its queue timeout is over */
    int64_t retry_at;     /* queued after a failed try: not before */
    struct bytes payload; /* the framed JobPlanned; only where the call says so */
    struct run_node *nodes;
    size_t node_count;
};
struct runs {
    struct run *items;
    size_t count;
};
/* Was an attempt of the run closed by this outcome? */
bool run_closed_by(const struct run *r, struct bytes outcome);

/* ---- what is asked ---- */

/* A new run. An id that exists stays as it is: `duplicate`. */
struct run_insert {
    struct uuid id;
    int32_t partition;
    int64_t seq, wake_at;
    struct bytes group, engine, payload;
    enum run_state
        state;      /* RUN_RUNNING: attempt 1 by us; RUN_ENDED: refused, out = the outcome of the batch */
    bool duplicate; /* answer */
};

/* delayed -> queued, with a new place. Changes nothing when it is not delayed. */
struct run_due {
    struct uuid id;
    int64_t seq, wake_at;
};

/* queued, attempt -> running, attempt + 1, under our name. */
struct run_start {
    struct uuid id;
    int64_t attempt; /* the one believed */
};

/* The end of an attempt, or of a run that never started: from (attempt; running: and instance) -> to. Leaves the outcome's id as
 * `out`, by which its writer knows later that it was this one. */
struct run_close {
    struct uuid id;
    int64_t attempt;
    enum run_state from;   /* RUN_QUEUED, RUN_DELAYED or RUN_RUNNING */
    struct bytes instance; /* RUN_RUNNING: the owner that is believed: we, or one whose lease is over */
    enum run_state to;     /* RUN_ENDED, or back to RUN_QUEUED */
    int64_t retry_at;      /* back to the queue: not before; NO_TIME: at once */
    const char *reason;    /* back to the queue: retry, lost, drained, forgotten, held */
    bool uncharged;        /* takes the try back (tries - 1) */
    bool unlaunched;       /* nothing of this start ever ran: its queue timeout (wake_at) still counts */
    bool lost;             /* counts a loss (lost + 1) */
};

/* One line of an outcome: the event that tells an end. */
struct outcome_line {
    struct uuid id;
    struct bytes group, event;
    int64_t attempt;
    enum run_state from; /* what it closes; RUN_STATES: a refusal, whose run may not be in the ledger yet */
};

/* What was found of a cancel or a hold (core/orders.h): who wants a job cancelled, or a group held. */
struct order_seen {
    bool found;
    struct bytes by, reason;
    int64_t at;
};

/* An outcome whose events may not have been delivered. */
struct unsent {
    struct bytes id;
    struct outcome_line *lines;
    size_t count;
};

struct lease_seen {
    struct bytes instance;
    bool exists, over;
    int64_t counter;
};

/* Who uses up a max_running that several groups share. One document per selector, changed by compare-and-set on rev. */
struct holder {
    struct uuid id;
    int64_t attempt;
    struct bytes instance;
};
struct holders {
    struct bytes selector;
    int64_t rev; /* 0: no document yet */
    struct holder *items;
    size_t count;
};

#endif
