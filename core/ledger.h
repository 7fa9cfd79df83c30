/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger: the collections runs, outcomes, instances and cancels: the truth about what may start.
 *
 * One document per job in `runs`. `attempt` is the fence: it rises with every start and every write is guarded by what its
 * writer believes (state and attempt; a finish also by instance). There is no other lock. The rules, and what goes wrong
 * without each:
 *
 *  - Insert, then commit the offset. Else a crash in between loses the job.
 *  - A duplicate at intake means "look at this group anew", never "ignore": the group's memory may be older than the ledger,
 *    and a later job would start before an earlier one.
 *  - A start is a compare-and-set on (queued, attempt) that names the instance; then cancels are looked up, then the own lease
 *    is checked, then the job is launched. Looking up cancels before the write would miss a cancel that was acknowledged in
 *    between.
 *  - A finish writes the outcome first (with its events, `unsent`), then closes the runs that are still (running, attempt,
 *    instance) in one statement, then sends the events, then clears `unsent`. Else a crash leaves an ended job that nobody
 *    hears of, or an event for an end that did not count.
 *  - `unsent` is cleared only when each run it lists was closed by this outcome and its event delivered, or can no longer be
 *    closed by it.
 *  - Fewer modified than asked: read back who owns what; an answer that was lost is not a defeat.
 *  - An instance whose lease is over never renews again (`over` is written by a compare-and-set on the counter that was seen); only
 *    after that write may its runs be taken.
 *
 * All calls block and are patient (core/store.h): they return false only when the process is asked to stop, except those with
 * patience_ms. Strings returned live in the arena given.
 */
#ifndef MILLRACE_CORE_LEDGER_H
#define MILLRACE_CORE_LEDGER_H

#include "core/arena.h"
#include "core/store.h"
#include "core/uuid.h"

enum run_state { RUN_QUEUED, RUN_DELAYED, RUN_RUNNING, RUN_ENDED, RUN_STATES };
const char *run_state_name(enum run_state s);

#define LEDGER_INSTANCE_MAX 64

struct run {
    struct uuid id;
    int32_t partition;
    int64_t seq;
    struct bytes group;
    enum run_state state;
    int64_t attempt, tries, lost;
    struct bytes instance;         /* of the latest start */
    struct bytes payload;          /* the framed JobPlanned; only where the call says so */
    int64_t queued_at, started_at; /* UTC ms, NO_INT-like INT64_MIN when absent */
};
struct runs {
    struct run *items;
    size_t count;
};

/* One executor process, as the ledger knows it. */
struct ledger {
    struct store *store;
    const char *pool;
    const char *instance;
    int64_t keep_ms; /* how long ended runs stay: the dedupe window */
};

/* ---- assign ---- */
/* Unfinished runs of a partition with seq > after, least first, up to limit. Never filtered by state. */
bool ledger_page(const struct ledger *l, int32_t partition, int64_t after, size_t limit, struct arena *a,
    struct runs *out, struct error *e);
/* The least unfinished runs of one group, whatever their state. */
bool ledger_look(const struct ledger *l, struct bytes group, size_t limit, struct arena *a, struct runs *out,
    struct error *e);

/* ---- intake ---- */
struct ledger_cancel {
    bool found;
    struct bytes by, reason;
    int64_t at;
};
struct ledger_intake {
    struct uuid id;
    int32_t partition;
    int64_t seq;
    struct bytes group, payload;
    enum run_state state; /* RUN_QUEUED; RUN_RUNNING: attempt 1 by us; RUN_ENDED: refused, `event` tells it */
    struct bytes event;   /* RUN_ENDED: the framed JobEvent */
    /* answers */
    bool duplicate;
    struct bytes other_group; /* duplicate whose run belongs to another group: that group (else none) */
    struct ledger_cancel cancel;
};
/* Writes the outcome of refused ones first, inserts all, then looks up cancels. `outcome` (UUID_TEXT_LEN + 1 bytes): the id of the
 * outcomes document, "" when there was none. */
bool ledger_intake(const struct ledger *l, struct ledger_intake *items, size_t count, int64_t now,
    char *outcome, struct arena *a, struct error *e);

/* ---- start ---- */
struct ledger_start {
    struct uuid id;
    int64_t attempt; /* the one believed; a won start has attempt + 1 */
    bool want_payload;
    /* answers */
    bool won;
    struct bytes payload;
    struct ledger_cancel cancel;
};
bool ledger_start(const struct ledger *l, struct ledger_start *items, size_t count, int64_t now,
    struct arena *a, struct error *e);

/* ---- finish ---- */
struct ledger_finish {
    struct uuid id;
    int64_t attempt;
    enum run_state from;   /* RUN_RUNNING: guarded by owner too */
    struct bytes instance; /* owner of the running run: ours, or the dead one whose job fails (on_lost) */
    struct bytes group, event;
    bool closed; /* answer */
};
/* `outcome`: the document's id, for ledger_settle. */
bool ledger_finish(const struct ledger *l, struct ledger_finish *items, size_t count, int64_t now,
    char *outcome, struct error *e);
/* Clears unsent of these outcomes: all their closed runs' events were delivered and the others can't be closed by them. */
bool ledger_settle(const struct ledger *l, const char (*outcomes)[UUID_TEXT_LEN + 1], size_t count,
    int64_t now, struct error *e);

/* Outcomes of this pool that stayed unsent for longer than age_ms: events that must be sent (again). `settled`: whether unsent may be
 * cleared once they are delivered. One outcome per call of `each`, until it returns false. */
struct ledger_unsent {
    const char *outcome;
    struct ledger_unsent_item {
        struct uuid id;
        struct bytes group, event;
    } * items; /* those closed by this outcome */
    size_t count;
    bool settled;
};
bool ledger_unsent(const struct ledger *l, int64_t older_than, size_t limit, struct arena *a,
    struct ledger_unsent **out, size_t *count, struct error *e);

/* ---- back to the queue ---- */
struct ledger_requeue {
    struct uuid id;
    int64_t attempt;
    struct bytes instance; /* who runs it in the ledger's eyes */
    bool lost;             /* counts as a loss (not for drained ones and forgotten starts) */
    bool done;             /* answer */
};
/* running (attempt, instance) -> queued. */
bool ledger_requeue(const struct ledger *l, struct ledger_requeue *items, size_t count, struct error *e);

/* ---- single reads ---- */
/* Runs by id (missing ones are left out), with payload, any state. */
bool ledger_find(const struct ledger *l, const struct uuid *ids, size_t count, struct arena *a,
    struct runs *out, struct error *e);
/* Unfinished runs that are `running` under an instance. */
bool ledger_running_of(const struct ledger *l, const char *instance, int64_t patience_ms, struct arena *a,
    struct runs *out, struct error *e);
/* cancels by job id; out[i].found tells. */
bool ledger_cancels(const struct ledger *l, const struct uuid *ids, size_t count, struct ledger_cancel *out,
    struct arena *a, struct error *e);

/* ---- leases ---- */
/* Creates this instance's document, counter 1. */
bool ledger_enlist(const struct ledger *l, const char *host, int64_t pid, int64_t now, struct error *e);
enum renewal { RENEWED, RENEW_OVER /* the lease is over for good */, RENEW_UNANSWERED };
enum renewal ledger_renew(
    const struct ledger *l, int64_t counter, int64_t now, int64_t patience_ms, struct error *e);
struct ledger_lease {
    struct bytes instance;
    bool exists, over;
    int64_t counter;
};
bool ledger_leases(const struct ledger *l, const struct bytes *instances, size_t count, struct arena *a,
    struct ledger_lease *out, struct error *e);
/* Ends the lease of an instance whose counter is still the one seen (counter < 0: whatever it is; only for one known to be dead).
 * *ended: it is over now (also when it was before). */
bool ledger_end_lease(const struct ledger *l, struct bytes instance, int64_t counter, int64_t now,
    bool *ended, struct error *e);

/* ---- ingest's side of a cancel ---- */
/* Inserts the cancel (the first one wins), then reads the run. *found false: not in the ledger (yet). */
bool ledger_cancel(struct store *store, const struct uuid *id, struct bytes by, struct bytes reason,
    int64_t now, struct arena *a, struct run *run, bool *found, int64_t patience_ms, struct error *e);

#endif
