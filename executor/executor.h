/* SPDX-License-Identifier: Apache-2.0 */
/*
 * executor: one executor process, seen from inside. Only files of this folder use it.
 *
 * One loop thread owns everything here; four clerks (executor/clerk.h) do the blocking calls to the ledger:
 *
 *   intake   records into the ledger, pages at assignment, looks at groups, finds for cancels   (in this order, one by one)
 *   start    queued -> running, in batches
 *   finish   outcomes and ends, in batches
 *   house    settling outcomes, unsent ones, jobs elsewhere, requeues
 *
 * and one thread renews the lease (executor/lease.h). Each kind of batch has at most one request under way; whatever becomes
 * ready meanwhile is the next batch. Nothing waits for a batch to fill.
 *
 *   intake.c    partitions and records        start.c    starts, launches         running.c  one job that runs
 *   finish.c    ends, events, settling        cancel.c   jobs.control             elsewhere.c jobs that run under other names
 *   lease.c     proof of life                 lock.c     neighbours on this host   loop.c     all of it together
 */
#ifndef MILLRACE_EXECUTOR_EXECUTOR_H
#define MILLRACE_EXECUTOR_EXECUTOR_H

#include "core/metrics.h"
#include "core/stage.h"
#include "executor/clerk.h"
#include "executor/engines.h"
#include "executor/scheduler.h"

struct executor_settings {
    struct stage_settings stage;
    const char *pool, *engines_dir, *results_dir, *state_dir, *isolation;
    int64_t slots, window;
    int64_t lease_renew_ms, lease_hold_ms, lease_watch_ms;
    int64_t drain_ms, grace_ms, idle_ms, start_timeout_ms, max_processes;
    int64_t keep_ms;
    int64_t payload_cache_bytes;
};

struct intake_request;
struct running;
struct neighbours;
struct lease;
struct watch;
TAILQ_HEAD(running_list, running);

/* ---- metrics (loop.c) ---- */
enum executor_metric {
    M_STARTED,
    M_SUCCEEDED,
    M_FAILED,
    M_CANCELLED,
    M_TIMED_OUT,
    M_REJECTED,
    M_DISCARDED,
    M_DUPLICATES,
    M_TAKEOVERS,
    M_REQUEUED,
    M_RENEWALS,
    M_RUNNING,
    M_GROUPS,
    M_READY,
    M_QUEUE_SECONDS,
    M_RUN_SECONDS,
    M_LOG_BYTES,
    EXECUTOR_METRICS
};
extern struct metric executor_metrics[EXECUTOR_METRICS];

/* An end that the ledger does not know yet. */
struct ending {
    struct ledger_finish finish; /* group and event are owned by `memory` */
    struct task *task;           /* NULL: the job was not running here */
    struct running *running;     /* or NULL */
    enum executor_metric counts; /* which counter, once the ledger has closed it */
    struct arena memory;
    STAILQ_ENTRY(ending) entry;
};
STAILQ_HEAD(ending_list, ending);

struct executor {
    const struct executor_settings *settings;
    struct stage_world *world;
    char instance[LEDGER_INSTANCE_MAX];
    char host[64];
    char planned_topic[64];
    struct ledger ledger;
    struct scheduler *scheduler;
    struct engines *engines;
    struct consumer *consumer, *control;
    struct desk *desk;
    struct clerk *intake_clerk, *start_clerk, *finish_clerk, *house_clerk;
    struct codec *house_codec; /* the house clerk's own: a codec belongs to one thread */
    struct neighbours *neighbours;
    struct lease *lease;
    struct watch *watch;

    /* under way: at most one of each */
    bool intake_busy, start_busy, finish_busy, settle_busy, unsent_busy, elsewhere_busy, cancel_busy,
        requeue_busy, bury_busy;
    size_t pages_due;              /* assignments whose unfinished runs are being read */
    struct intake_request *intake; /* the one intake batch, reused */
    int32_t intake_turn;           /* which partition is read first next time */

    struct ending_list ends;
    size_t ends_under_way;              /* ends from here to the acknowledgement */
    struct running_list running, dirty; /* all; those with log text to send */
    int64_t flush_at;                   /* boot ms: when dirty logs are sent next */
    int64_t payload_bytes;              /* cached for queued jobs */
    size_t publications;                /* outcomes whose events are not all delivered */

    struct {
        char (*items)[UUID_TEXT_LEN + 1];
        size_t count, cap;
    } settle;
    struct {
        struct uuid *items;
        size_t count, cap;
    } cancels;
    struct {
        struct ledger_requeue *items; /* instance is x->instance */
        size_t count, cap;
    } requeues; /* drained and forgotten starts */

    bool draining;
    bool killing;                     /* drain is over: what ends now goes back to the queue */
    int64_t drain_until, next_second; /* boot ms */
    int64_t seconds;
};

/* ---- intake.c ---- */
extern const struct consumer_events intake_events; /* self: struct executor */
void intake_pump(struct executor *x);
void intake_looks(struct executor *x);
void intake_free(struct executor *x);

/* A payload kept for a queued job: counted against the cache. NULL when there is no room. */
void *payload_keep(struct executor *x, struct bytes payload);
struct bytes payload_bytes(const void *payload);
void payload_drop(void *payload);

/* ---- start.c ---- */
void start_pump(struct executor *x);
/* The ledger says that the task runs under our name: launch it, or end it when it was cancelled, or give it back while draining. */
void start_launch(struct executor *x, struct task *t, struct bytes payload,
    const struct ledger_cancel *cancel, int64_t started_at);

/* ---- running.c ---- */
/* With an order (it was cancelled before) it ends without running. */
void running_launch(struct executor *x, struct task *t, struct bytes payload,
    const struct ledger_cancel *order, int64_t started_at);
void running_cancel(struct running *r, struct bytes by, struct bytes reason);
void running_free(struct running *r);
void running_flush(struct executor *x, int64_t now_boot);
extern const struct engine_events running_engine_events;

/* ---- finish.c ---- */
/* Takes over e->memory. */
void finish_add(struct executor *x, const struct ending *e);
void finish_pump(struct executor *x);
void finish_settle(struct executor *x);
void finish_unsent(struct executor *x);
/* Sends one framed event; *pending is counted down on delivery and `done(self)` called when it reaches 0. */
struct publication;
/* An outcome's events: settled when all are delivered. */
struct publication *publication_new(struct executor *x, const char *outcome, bool settle);
void publication_add(struct publication *p, struct bytes group, const struct uuid *job, struct bytes event);
void publication_close(struct publication *p);

/* ---- cancel.c ---- */
void cancel_poll(struct executor *x);
void cancel_pump(struct executor *x);
/* Asks for cancels of all jobs that run here: called every few seconds, for bells that never rang. */
void cancel_look(struct executor *x);
/* Ends a queued job (with its payload) as cancelled; it was taken out of its group's window already. */
void cancel_queued(struct executor *x, const struct run *run, const struct ledger_cancel *c);
void cancel_order_free(void *order);
const struct ledger_cancel *cancel_order(const struct task *t);

/* ---- elsewhere.c ---- */
struct watch *watch_new(void);
void watch_free(struct watch *w);
void elsewhere_pump(struct executor *x);
void requeue_add(struct executor *x, const struct uuid *id, int64_t attempt);
void requeue_pump(struct executor *x);
/* The lease thread's list of runs under our name: those that we do not have go back to the queue. */
void elsewhere_reconcile(struct executor *x, const struct runs *mine);

#endif
