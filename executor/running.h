/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running: a job that runs here. running.c has its life and its end, running_log.c its log, nodes.h its plan. The calls for the rest of the executor are
 * in executor.h.
 *
 *   launch -> (waits for the registry) -> (waits for the cache) -> its nodes -> concluded -> all log delivered -> rules_over -> freed by the rules' `gone`
 */
#ifndef MILLRACE_EXECUTOR_RUNNING_H
#define MILLRACE_EXECUTOR_RUNNING_H

#include "executor/executor.h"
#include "executor/job_log.h"
#include "executor/nodes.h"
#include "executor/report.h"

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

    /* the plan */
    struct run_node *finished; /* on record of earlier attempts */
    size_t finished_count;
    struct nodes nodes;
    bool naps;                  /* in the executor's list */
    int64_t wake_at;            /* boot ms */
    struct job_result *results; /* since the end is known: those that count */
    size_t result_count;

    /* the log */
    struct job_log_writer log;
    int64_t sent, delivered; /* chunks; reports come in the order of sending */
    int64_t flushed_at;      /* boot ms */
    bool dirty, waiting;     /* in the executor's lists */

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

    TAILQ_ENTRY(running) entry, dirty_entry, waiting_entry, nap_entry;
};

/* The event of its end, or of its return to the queue. */
struct bytes running_tell(struct running *r, const struct telling *t, struct arena *a);

/* ---- running.c, for the nodes ---- */
struct report running_report(const struct running *r);
/* What it waited for is there, or not worth more waiting. */
void running_go_on(struct running *r);
/* Tells that it runs: to be called before anything of it does. */
void running_started(struct running *r);
void running_send_event(struct running *r, struct event *ev);
/* nodes_wake is called then; a second call may move it to an earlier time only. */
void running_nap(struct running *r, int64_t until_boot_ms);
/* May a try that ended so be repeated? Either suffices: the engine's word or the job's own rules. */
bool running_is_retryable(
    struct running *r, bool engine_says, int64_t exit_code, const struct job_error *error);
/* Nothing more will run. `retryable`: the engine's word. The error is copied. */
void running_conclude(struct running *r, enum job_phase phase, const struct job_error *error,
    int64_t exit_code, bool retryable);
void running_conclude_error(struct running *r, enum job_phase phase, const char *code, struct bytes message);
void running_conclude_cancelled(struct running *r);
/* A chunk of the log was delivered. */
void running_delivered(struct running *r);

/* ---- running_log.c ---- */
/* Sends what is pending, now. */
void running_log_now(struct running *r);
/* A line of ours. */
void running_line(struct running *r, const char *level, struct bytes text);
/* Of the log's writer; self is the job. */
void running_send_chunk(void *self, const struct job_log *chunk);
/* Of engine_events; self is the leaf. */
void running_on_log(void *self, struct bytes level, struct bytes text);

#endif
