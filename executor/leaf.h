/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaf: one exec node of a job that runs here: it goes to the engines, try after try, and what its latest try brought is kept until the
 * job ends. What its end means is decided in nodes.c.
 */
#ifndef MILLRACE_EXECUTOR_LEAF_H
#define MILLRACE_EXECUTOR_LEAF_H

#include <sys/queue.h>

#include "executor/engines.h"
#include "executor/walk.h"

struct running;

struct leaf {
    struct running *r;
    struct bytes target; /* engine@target, or the engine alone */
    size_t at;           /* its node in the walk */
    char run[64];        /* its name at the engines: one for each try */
    bool on_engine;      /* the engines owe us its `ended` */
    double fraction;     /* of the present try that is done */

    /* How the latest try ended; texts in the job's memory. */
    enum walk_end end;
    bool timed_out, has_error;
    struct job_error error;
    int64_t exit_code;
    struct job_result *results;
    size_t result_count;
    int64_t ended_at; /* UTC ms */
    int64_t next_at;  /* UTC ms: of the next try, if one is recorded */
    int64_t log_mark; /* chunks of the job's log that were sent by then */

    size_t record_bytes; /* of its record in the ledger; 0: it has none */

    int64_t first_result; /* number of its first file; ENGINE_RESULTS_MAX are reserved while it runs */
    STAILQ_ENTRY(leaf) ended_entry;
};
STAILQ_HEAD(leaf_list, leaf);

/* That of the node; a new one if need be. */
struct leaf *leaf_of(struct running *r, size_t at);
/* Gives the try that begins to the engines. `time_left_ms` 0: no limit but the node's own. */
void leaf_run(struct leaf *l, int64_t time_left_ms);
/* Keeps how the try ended. */
void leaf_take_outcome(struct leaf *l, const struct task_outcome *o);
/* The same of an earlier attempt, from its event, whose texts are in the job's memory. */
void leaf_take_event(struct leaf *l, const struct event *ev);
/* Its results can't be kept: it has failed by that. */
void leaf_refuse_results(struct leaf *l);

#endif
