/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes: a job's plan on its way: executor/walk.h says what may start and what to stop, the engines run it, the ledger remembers what a
 * later attempt must know.
 *
 * Ends of leaves are served one after the other, in the order in which they came: the log up to it is delivered -> what must survive is in
 * the ledger, then told -> the walk hears of it. So there is one record of a job under way, and what is recorded never depends on an end
 * that the walk has not heard of. The attempt is over when the walk is: nothing of it runs then.
 */
#ifndef MILLRACE_EXECUTOR_NODES_H
#define MILLRACE_EXECUTOR_NODES_H

#include "executor/leaf.h"

/* Why nothing more of it starts. The first reason counts. */
enum nodes_stop {
    NODES_GO_ON,
    NODES_CANCELLED, /* somebody asked for it */
    NODES_TIMED_OUT, /* run_timeout_ms is over */
    NODES_KILLED,    /* the executor ends */
    NODES_LOST,      /* the attempt is another executor's */
    NODES_STOPS
};

struct nodes {
    struct walk walk;
    struct leaf **leaves; /* beside walk.nodes; NULL: it did not run */
    struct walk_past *past;
    size_t past_count;
    struct leaf_list ended; /* the walk has not heard of them yet */
    enum nodes_stop stop;
    size_t recorded; /* the node whose record is under way, or was just acknowledged; WALK_NONE */
    enum walk_state recorded_state;
    bool recording; /* the rules owe us node_kept */
    bool root_on_record;
    size_t record_bytes; /* of all records in the ledger */
    struct buf record;   /* its event, told once it is kept */
    int64_t next_file;   /* number of the next file of results */
    int64_t progress_at;
};

void nodes_init(struct nodes *n);
void nodes_release(struct nodes *n);
/* Takes over what earlier attempts recorded, then goes on from there. False: the registry does not answer. */
bool nodes_begin(struct running *r);
/* A chunk of the log was delivered: the end of a leaf may be served now. */
void nodes_delivered(struct running *r);
/* It is time for what the nap was for. */
void nodes_wake(struct running *r);
void nodes_stop(struct running *r, enum nodes_stop why);
/* Of engine_events; self is the leaf. */
void nodes_progress(void *self, double done);
void nodes_ended(void *self, const struct task_outcome *o);

/* ---- for node_event.c ---- */
/* For people; of a job that was stopped. */
struct bytes nodes_why_stopped(struct running *r);
/* Do failures and what was cancelled count here? Not when the job goes on elsewhere. */
bool nodes_may_tell(const struct running *r);

#endif
