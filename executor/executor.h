/* SPDX-License-Identifier: Apache-2.0 */
/*
 * executor: one executor process, seen from inside. Only files of this folder use it. What happens in which order is decided in
 * executor/rules.h; here is the world around it:
 *
 *   loop.c       opening, the epoll loop, the end        records.c   Kafka's records in, offsets out
 *   join.c       entering the pool                       settings.c  settings and metrics
 *   world.c      what the rules ask of the world         announce.c  events: from what the rules tell to the framed record
 *   running*.c   one job that runs                       outgoing.c  records out
 *   nodes.c      its plan on the way                     clerk.c     threads for what blocks
 *   leaf.c       one leaf of it, at the engines          lock.c      neighbours on this host
 *   node_event.c what is told and recorded of nodes
 *   cached.c     earlier results instead of a run (cached_keep.c)
 *
 * One loop thread owns everything. Five clerks, one for each lane of asks (executor/ask.h), do the blocking calls to the ledger; a sixth
 * buries neighbours, a seventh asks for earlier results.
 */
#ifndef MILLRACE_EXECUTOR_EXECUTOR_H
#define MILLRACE_EXECUTOR_EXECUTOR_H

#include <sys/queue.h>

#include "core/ledger.h"
#include "core/metrics.h"
#include "core/stage.h"
#include "executor/clerk.h"
#include "executor/engines.h"
#include "executor/rules.h"

struct executor_settings {
    struct stage_settings stage;
    const char *pool, *engines_dir, *results_dir, *state_dir, *isolation;
    const char *engine_slots;
    int64_t slots, window, nodes_at_once;
    int64_t lease_renew_ms, lease_hold_ms, lease_watch_ms;
    int64_t drain_ms, grace_ms, idle_ms, start_timeout_ms, max_processes;
    int64_t keep_ms;
    int64_t payload_cache_bytes;
};
extern const struct setting executor_settings_table[];

enum executor_metric {
    M_STARTED,
    M_SUCCEEDED,
    M_FAILED,
    M_CANCELLED,
    M_TIMED_OUT,
    M_REJECTED,
    M_RETRIES,
    M_DISCARDED,
    M_DUPLICATES,
    M_TAKEOVERS,
    M_REQUEUED,
    M_RENEWALS,
    M_RESENT,
    M_PARTITIONS,
    M_RUNNING,
    M_GROUPS,
    M_READY,
    M_OUTGOING,
    M_QUEUE_SECONDS,
    M_RUN_SECONDS,
    M_LOG_BYTES,
    M_TURN_SECONDS,
    M_CACHE_HITS,
    M_CACHE_MISSES,
    M_CACHE_UNANSWERED,
    M_CACHE_UNKEPT,
    EXECUTOR_METRICS
};
extern struct metric executor_metrics[EXECUTOR_METRICS];
/* Those that the rules count. */
void executor_metrics_of_rules(const struct rules_counts *c);

struct cached;
struct neighbours;
struct outgoing;
struct records;
struct running;
TAILQ_HEAD(running_list, running);

struct executor {
    const struct executor_settings *settings;
    struct stage_world *world;
    char instance[LEDGER_INSTANCE_MAX];
    char host[64];
    char planned_topic[64], consumer_group[64];
    struct ledger ledger;
    bool enlisted; /* the ledger knows us: the lease is ended at the close */
    struct rules *rules;
    struct engines *engines;
    struct consumer *consumer, *control;
    struct desk *desk;
    struct clerk *clerks[ASK_LANES], *burier;
    struct cached *cached;
    struct neighbours *neighbours;
    struct records *records;
    struct outgoing *outgoing;

    /* All; those with log text to send; those that wait for the registry; those whose nodes have something to do at a time. */
    struct running_list running, dirty, waiting, napping;
    int64_t flush_at;      /* boot ms: when dirty logs are sent next */
    int64_t waiting_at;    /* boot ms: when the registry is asked next */
    int64_t nap_at;        /* boot ms: when the first of the napping wakes */
    int64_t payload_bytes; /* kept for queued jobs */

    struct limits *limits; /* the snapshot that the rules borrow */
    int64_t limits_at;     /* boot ms: when they are read next */
    bool limits_busy, bury_busy;
    bool draining;       /* and that was said */
    bool left;           /* the consumer group */
    bool killing;        /* everything was told to die */
    int64_t killed_at;   /* boot ms */
    int64_t next_second; /* boot ms */
};

/* ---- join.c ---- */
/* False: e, or asked to stop while waiting. */
bool executor_join(struct executor *x, struct error *e);

/* ---- world.c ---- */
extern const struct rules_world executor_world; /* self: struct executor */
/* Has the rules' and our own work with the clerks; called by the loop's turns. */
void world_refresh_limits(struct executor *x, int64_t now_boot);
void world_bury(struct executor *x);

/* ---- running.c ---- */
void running_launch(struct executor *x, struct task *t, const struct launch *l);
void running_cancel(struct running *r, const struct order_seen *o);
void running_node_kept(struct running *r, bool still_ours);
void running_free(struct running *r);
/* Everything was killed: those that no engine has end as well, at the next running_serve. */
void running_kill_all(struct executor *x);
/* Sends logs that are due, looks again for what waits for the registry or the cache, wakes who naps. Returns the boot ms of its next turn. */
int64_t running_serve(struct executor *x, int64_t now_boot);
extern const struct engine_events running_engine_events;

#endif
