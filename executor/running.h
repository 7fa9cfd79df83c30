/* SPDX-License-Identifier: Apache-2.0 */
/* running: the struct of a job that runs here; see running.c. Its calls are in executor.h. */
#ifndef MILLRACE_EXECUTOR_RUNNING_H
#define MILLRACE_EXECUTOR_RUNNING_H

#include "executor/executor.h"
#include "executor/job_log.h"
#include "executor/report.h"
#include "executor/walk.h"

struct running {
    struct executor *x;
    struct task *task;
    struct arena memory; /* everything of the job lives here */
    struct job job;
    struct uuid id;
    struct bytes group;
    int64_t attempt, queued_at, started_at; /* UTC ms */
    int64_t began_us, deadline_boot;        /* boot; deadline 0: none */

    /* the walk */
    struct walk walk;
    size_t at;      /* the node that runs, of walk.nodes */
    char run[64];   /* its name at the engines */
    bool on_engine; /* the engines owe us its `ended` */
    int64_t progress_at;
    struct job_result *results;
    size_t result_count;

    /* the log */
    struct job_log_writer log;
    size_t undelivered; /* chunks without a delivery report */
    int64_t flushed_at; /* boot ms */
    bool dirty;

    /* the end */
    bool cancelled; /* asked for */
    struct bytes cancel_by, cancel_reason;
    bool concluded; /* nothing more will run; `final` is its last event, unless it is given back */
    bool give_back;
    bool handed_over; /* to finish or requeue */
    struct buf final;
    enum executor_metric counts; /* how it ended */

    TAILQ_ENTRY(running) entry, dirty_entry;
};

#endif
