/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules: the executor's order of effects (DESIGN 7), as one object without I/O. It owns the scheduler, asks the ledger for reads and
 * writes (executor/ask.h), takes the answers, and tells the world what to do: launch this, stop that, send this event. The very same
 * object runs in the real executor and in tests/sim, under virtual time and injected faults.
 *
 *   rules.c    lanes, turns, the driver of the machines        lease.c    own lease, watching others, lost jobs, forgotten starts
 *   assign.c   partitions, intake, looks                       drain.c    the end of the process
 *   start.c    from queued to running                          cancel.c   bells, cancels, holds
 *   finish.c   ends of attempts, finished nodes                holders.c  limits that several groups share
 *   publish.c  events on their way, settling, `unsent`         wake.c     what is due, queue timeouts
 *
 * A machine (struct op, executor/rules_private.h) is a function that is called with the answer to its latest ask and either fills
 * the next ask or is done. Each belongs to a lane; a lane has one machine at work, so everything in a lane happens in order. A batch is
 * whatever is ready when its lane is free; nothing waits for a batch to fill.
 *
 * One thread. Time and randomness come from the world. The world never calls back from inside its own functions, except rules_over from
 * launch (a job that ends before it ran), rules_over and rules_node from node_kept.
 */
#ifndef MILLRACE_EXECUTOR_RULES_H
#define MILLRACE_EXECUTOR_RULES_H

#include "core/job.h"
#include "executor/ask.h"
#include "executor/scheduler.h"

struct rules;
struct publication; /* events on their way; counted down by rules_delivered */

struct moment {
    int64_t boot_ms; /* CLOCK_BOOTTIME: leases, run times */
    int64_t utc_ms;  /* documents; not before, retry and queue times. May step. */
};

/* ---- records ---- */

enum record_kind {
    RECORD_NEW,     /* a job's planned record */
    RECORD_DELAYED, /* the same, with a not_before that lies ahead: wake_at */
    RECORD_DUE,     /* a delayed job's record, sent again because it is due */
    RECORD_REFUSED, /* it carries an error, or its record is no job that can run: `event` tells it */
};
struct rules_record {
    enum record_kind kind;
    struct uuid id;
    int32_t partition;
    int64_t seq; /* its offset */
    struct bytes group, engine, payload;
    int64_t wake_at; /* RECORD_DELAYED: not before; else when its queue timeout is over, or NO_TIME */
    struct bytes event;
    /* answers, for the world's `taken` */
    bool duplicate;
    struct bytes other_group; /* a duplicate whose run belongs to another group: that one */
    struct task *task;        /* the rules' */
};
struct rules_offset {
    int32_t partition;
    int64_t assignment, next; /* commit this once the batch is taken */
};
struct rules_batch {
    struct rules_record *records;
    size_t count;
    struct rules_offset *offsets;
    size_t offset_count;
};

/* ---- what became of a job ---- */

/* The end of an attempt, by whoever ran it. */
struct rules_report {
    enum job_phase phase; /* PHASE_SUCCEEDED, PHASE_FAILED, PHASE_TIMED_OUT, PHASE_CANCELLED */
    bool retryable;       /* says the engine, or the job's own rules */
    struct bytes code;    /* of its error; borrowed for the call */
    bool never_ran;       /* it ended before anything was launched (its queue timeout was over, ...) */
    int64_t max_attempts, backoff_ms, max_backoff_ms;
    bool on_lost_fails;
};

/* What an event must tell. For a job that was launched here `task` is its task; otherwise `run` has its payload. */
struct telling {
    enum job_phase phase; /* queued, retrying, lost or a final one */
    const struct task *task;
    const struct run *run;
    const char *code;               /* of its error, or NULL: the task knows */
    struct bytes reason;            /* for people */
    const struct order_seen *order; /* PHASE_CANCELLED of a job that did not run: by whom and why */
    int64_t at;                     /* UTC ms */
    int64_t retry_at;               /* PHASE_RETRYING: not before; NO_TIME: at once */
    bool never_ran;
};

struct launch {
    struct bytes payload;         /* borrowed for the call */
    const struct run_node *nodes; /* recorded in earlier attempts */
    size_t node_count;
};

/* ---- the world ---- */

struct rules_world {
    struct moment (*now)(void *self);
    uint64_t (*random)(void *self);
    /* Perform it and give it back by rules_answered; not from inside this call. */
    void (*ask)(void *self, struct ask *a);
    /* The batch is in the ledger: its offsets may be committed, if their assignment is still the current one. ok false: the
     * process stops, commit nothing. The batch is the world's again. */
    void (*taken)(void *self, struct rules_batch *b, bool ok);
    /* The framed JobEvent, from the arena. False: the payload can't be read now; it is asked for again later. */
    bool (*event)(void *self, const struct telling *t, struct arena *a, struct bytes *out);
    /* Send it; rules_delivered tells the report, not from inside this call. Borrowed for the call. */
    void (*send)(
        void *self, struct bytes group, const struct uuid *job, struct bytes event, struct publication *p);
    /* A delayed job's time has come: produce its payload again with the header `due`. No answer: it is done again until it worked. */
    void (*due)(void *self, const struct run *run);
    /* Does a lost job with this payload fail (on_lost: fail)? False: it can't be read now. */
    bool (*on_lost)(void *self, struct bytes payload, bool *fails);
    /* Keep a copy of a queued job's payload, to save a read at its start; NULL: no room. Dropped by scheduler_options.drop. */
    void *(*keep)(void *self, struct bytes payload);
    struct bytes (*kept)(const void *payload);
    void (*drop)(void *payload);
    /* Run it; rules_over tells its end, once every process of it is dead and its log is delivered. t->run is the world's. */
    void (*launch)(void *self, struct task *t, const struct launch *l);
    /* It was cancelled: SIGTERM to its tree now; rules_over follows. May be told again. */
    void (*stop)(void *self, struct task *t, const struct order_seen *o);
    /* The answer to rules_node. */
    void (*node_kept)(void *self, struct task *t, bool still_ours);
    /* The task's end is known to the ledger (closed), or another closed it: free t->run. */
    void (*gone)(void *self, struct task *t, bool closed);
    /* SIGKILL to everything that runs; rules_over follows for each. */
    void (*kill_all)(void *self);
    /* What runs may run until then (boot ms). */
    void (*lease)(void *self, int64_t until_boot_ms);
    /* The process must end at once (kill_all was called); in the simulator the object must not be used any more. */
    void (*die)(void *self, const char *reason);
};

struct rules_options {
    const char *instance;
    size_t slots, window;
    int64_t lease_renew_ms, lease_hold_ms, lease_watch_ms;
    int64_t drain_ms;
};

/* Counters for metrics and tests. */
struct rules_counts {
    int64_t ends[JOB_PHASES]; /* final phases, as acknowledged */
    int64_t launched, retries, discarded, duplicates, takeovers, requeued, renewals, resent;
    int64_t limits; /* snapshots that all groups were told */
};

/* `held_until_boot_ms`: of the lease as it was enlisted. */
struct rules *rules_new(
    const struct rules_options *o, const struct rules_world *w, void *self, int64_t held_until_boot_ms);
/* Forgets everything, as a crash does; asks that are out must not be given back afterwards. */
void rules_free(struct rules *r);

/* ---- messages ---- */
/* The committed offset of the partition was fetched; records from exactly there will be handed in once it is open. */
void rules_assigned(struct rules *r, int32_t partition, int64_t assignment);
void rules_revoked(struct rules *r, int32_t partition);
/* Is there room for a batch, and may records of this partition be in it? */
bool rules_wants_records(const struct rules *r);
bool rules_is_open(const struct rules *r, int32_t partition);
/* Borrowed until `taken`. */
void rules_intake(struct rules *r, struct rules_batch *b);
void rules_answered(struct rules *r, struct ask *a);
void rules_delivered(struct rules *r, struct publication *p, bool ok);
void rules_over(struct rules *r, struct task *t, const struct rules_report *report);
/* What became of a node: it is recorded before node_kept is called, so that a later attempt goes on from there. The job's next one comes
 * after that. */
void rules_node(struct rules *r, struct task *t, const struct run_node *node);
/* A doorbell (jobs.control): the truth is in `cancels`. */
void rules_bell(struct rules *r, const struct control *c);
/* A new snapshot; borrowed until another is taken. False: it says what the present one says, which goes on (to tell all groups costs a
 * walk). */
bool rules_limits(struct rules *r, const struct limits *l);
/* No more starts; at_once, or when drain_ms is over: kill what runs and give it back. */
void rules_drain(struct rules *r, bool at_once);
bool rules_is_draining(const struct rules *r);
/* Everything that was begun has come to its end. */
bool rules_is_drained(const struct rules *r);
/* Begins whatever is due or ready. To be called after messages and by rules_next. */
void rules_turn(struct rules *r);
/* Boot ms of the next turn that must not be missed. */
int64_t rules_next(const struct rules *r);

struct scheduler *rules_scheduler(struct rules *r);
const struct rules_counts *rules_counts(const struct rules *r);
int64_t rules_lease_until(const struct rules *r);

#endif
