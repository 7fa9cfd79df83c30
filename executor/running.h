/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running: a job that runs here. running.c has its life, its log and its end; nodes.c walks its plan. The calls for the rest of the executor are
 * in executor.h.
 *
 *   launch -> (waits for the registry) -> (waits for the cache) -> node after node -> concluded -> all log delivered -> rules_over -> freed by the rules' `gone`
 */
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
    struct bytes payload;
    struct job job;
    struct uuid id;
    struct bytes group;
    int64_t attempt, queued_at, started_at; /* UTC ms */
    int64_t began_us, deadline_boot;        /* boot; deadline 0: none */

    /* the walk */
    struct run_node *finished; /* in earlier attempts */
    size_t finished_count;
    struct walk walk;
    size_t at;      /* the node that runs, of walk.nodes */
    char run[64];   /* its name at the engines */
    bool on_engine; /* the engines owe us its `ended` */
    int64_t progress_at;
    struct job_result *results;
    size_t result_count;
    struct run_node done; /* finished, to be recorded once its log is delivered; id.data NULL: none */
    bool recording;       /* the rules owe us node_kept */

    /* the log */
    struct job_log_writer log;
    size_t undelivered;  /* chunks without a delivery report */
    int64_t flushed_at;  /* boot ms */
    bool dirty, waiting; /* in the executor's lists */

    /* the cache (executor/cached.h) */
    bool looked;              /* it was asked */
    struct cached_look *look; /* NULL: it does not wait for the answer */
    struct bytes cached_from; /* the job whose results are its own; none: it ran */
    int64_t ended_at;         /* UTC ms, of the event of its end */

    /* the end */
    bool cancelled; /* asked for */
    struct bytes cancel_by, cancel_reason;
    bool concluded; /* nothing more will run */
    bool over;      /* told to the rules */
    struct rules_report report;
    bool has_error;
    struct job_error error; /* texts in memory */
    int64_t exit_code;

    TAILQ_ENTRY(running) entry, dirty_entry, waiting_entry;
};

/* The event of its end, or of its return to the queue. */
struct bytes running_tell(struct running *r, const struct telling *t, struct arena *a);

/* ---- running.c, for nodes.c ---- */
struct report running_report(const struct running *r);
/* What it waited for is there, or not worth more waiting. */
void running_go_on(struct running *r);
/* Tells that it runs: to be called before anything of it does. */
void running_started(struct running *r);
void running_send_event(struct running *r, struct event *ev);
void running_log(struct running *r, struct bytes level, struct bytes text);
/* Sends what is pending, now. */
void running_log_now(struct running *r);
/* A line of ours. */
void running_line(struct running *r, const char *level, struct bytes text);
/* Nothing more will run. `retryable`: the engine's word. The error is copied. */
void running_conclude(struct running *r, enum job_phase phase, const struct job_error *error,
    int64_t exit_code, bool retryable);
void running_conclude_error(struct running *r, enum job_phase phase, const char *code, struct bytes message);
void running_conclude_cancelled(struct running *r);

/* ---- nodes.c ---- */
/* Takes over what earlier attempts finished, then runs the first node that is left. False: the registry does not answer. */
bool nodes_begin(struct running *r);
/* A chunk of the log was delivered: a finished node may be recorded now. */
void nodes_record(struct running *r);
void nodes_progress(void *self, double done);
void nodes_ended(void *self, const struct task_outcome *o);

#endif
