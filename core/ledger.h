/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger: the collections runs, outcomes, instances, cancels and holders: the truth about what may start.
 *
 * Every function here is one statement, or one for all equal changes and a bulk for the rest; it asks or changes, and decides
 * nothing. The order in which they are used, and what is believed of their answers, is decided in executor/rules.h, so that the
 * simulator runs the same decisions against a model of these statements. One document per job in `runs`. `attempt` is the fence: it rises with every start, and every write is guarded by what its
 * writer believes (state and attempt; an end of a running one also by instance). There is no other lock. The rules, and what goes
 * wrong without each:
 *
 *  - Insert, then commit the offset. Else a crash in between loses the job.
 *  - Insert in the order of the records. Else a crash in the middle leaves a later one without an earlier one of its group.
 *  - A duplicate at intake means "look at this group anew", never "ignore": the group's memory may be older than the ledger,
 *    and a later job would start before an earlier one.
 *  - Committed offset, then unfinished runs, then records from that offset. Else records that another took in between the two reads
 *    are in neither.
 *  - Unfinished runs are paged by place (seq), never by state: a run that changes its state between two pages would be in neither.
 *  - A start is a compare-and-set on (queued, attempt) that names the instance; then cancels are looked up, then the own lease
 *    is checked, then the job is launched. Looking up cancels before the write would miss a cancel that was acknowledged in
 *    between.
 *  - Who loses a compare-and-set has an old view: it looks the group up anew and goes on.
 *  - An attempt's end writes the outcome first (with its events, `unsent`), then closes the runs that are still (running, attempt,
 *    instance) in one statement, then sends the events, then clears `unsent`. Else a crash leaves an ended job that nobody
 *    hears of, or an event for an end that did not count.
 *  - `unsent` is cleared only when each run it lists was closed by this outcome and its event delivered, or can no longer be
 *    closed by it.
 *  - Fewer modified than asked: read back who owns what (`out` is the token); an answer that was lost is not a defeat.
 *  - A run that is `running` under our name and that we neither have nor are starting is a start whose answer was lost: back to the
 *    queue. Else it waits for ever for a process that is alive.
 *  - An instance whose lease is over never renews again (`over` is written by a compare-and-set on the counter that was seen); only
 *    after that write may its runs be taken. Counting from the acknowledgement of a renewal instead of its sending would let the
 *    holder believe longer than its watchers wait.
 *  - The attempt number is never reused, not even by an uncharged start: an old owner's late end would close the new attempt.
 *
 * All calls block. Those without patience_ms repeat until they are answered (core/store.h) and return false only when the process is
 * asked to stop, or when the server refuses for good. Strings returned live in the arena given.
 *
 * A write that is repeated because its answer was lost finds its own work done. No effect is ever double; what the caller is told then
 * stands at each function ("repeated"). tests/ledger runs every case both ways.
 */
#ifndef MILLRACE_CORE_LEDGER_H
#define MILLRACE_CORE_LEDGER_H

#include "core/run.h"
#include "core/store.h"

/* Bounds of answers with payloads or events, whatever the limit that is asked for: the answer ends with what reaches the bytes. Only
 * ledger_find leaves it to the caller. */
#define LEDGER_ANSWER_BYTES_MAX ((size_t)16 << 20)

/* One executor process, as the ledger knows it. */
struct ledger {
    struct store *store;
    const char *pool;
    const char *instance;
    int64_t keep_ms; /* how long ended runs stay: the dedupe window */
};

/* ---- runs: reading ---- */
/* Unfinished runs of a partition with seq > after, least first, up to limit. Whatever their state. No payload. */
bool ledger_page(const struct ledger *l, int32_t partition, int64_t after, size_t limit, struct arena *a,
    struct runs *out, struct error *e);
/* The least unfinished runs of one group that are not delayed. No payload. */
bool ledger_look(const struct ledger *l, struct bytes group, size_t limit, struct arena *a, struct runs *out,
    struct error *e);
/* Unfinished runs of one group with seq > after, least first: whatever their state. No payload. (For a cancel of a whole group.) */
bool ledger_group(const struct ledger *l, struct bytes group, int64_t after, size_t limit, struct arena *a,
    struct runs *out, struct error *e);
/* Runs by id, any state; missing ones are left out. with_payload: also nodes. bytes_max: the answer ends with the run that reaches it, so
 * that one that is left out may exist all the same; 0: it has all, however large they are. */
bool ledger_find(const struct ledger *l, const struct uuid *ids, size_t count, bool with_payload,
    size_t bytes_max, struct arena *a, struct runs *out, struct error *e);
/* Unfinished runs that are `running` under our name. No payload. */
bool ledger_mine(const struct ledger *l, struct arena *a, struct runs *out, struct error *e);
/* Runs of these partitions whose wake_at lies between `after` and now and that are delayed or queued; with payload. Least wake_at first. At most
 * LEDGER_WAKE_MAX and LEDGER_ANSWER_BYTES_MAX: fewer than the limit may still not be all. */
bool ledger_wake(const struct ledger *l, const int32_t *partitions, size_t count, int64_t after, int64_t now,
    size_t limit, struct arena *a, struct runs *out, struct error *e);

/* ---- runs: writing ---- */
/* In order: what is in the ledger after an error or a crash are the first of items, never one without those before it. Else the next owner
 * of the partition would find a later record of a group, and might start it before it reads the earlier one again. A duplicate keeps none of
 * the others out. `outcome`: the token of those that are inserted as ended; may be NULL when there
 * are none. Repeated: what the first try inserted is told as duplicate. */
bool ledger_insert(const struct ledger *l, struct run_insert *items, size_t count, const char *outcome,
    int64_t now, struct arena *a, struct error *e);
/* Repeated: the same. */
bool ledger_due(
    const struct ledger *l, const struct run_due *items, size_t count, int64_t now, struct error *e);
/* One statement per attempt number. Forgets retry_at and reason. Repeated: *modified is too small. */
bool ledger_start(const struct ledger *l, const struct run_start *items, size_t count, int64_t now,
    int64_t *modified, struct error *e);
/* An ended run loses payload and nodes; one that goes back to the queue (only from RUN_RUNNING; with a reason) keeps them, and its instance.
 * One statement for all with the same guard and the same end. One that has no equal costs four times as much: let times of next tries
 * be equal where it does not matter. Repeated: *modified is too small, and `out` tells whose it is. */
bool ledger_close(const struct ledger *l, const struct run_close *items, size_t count, const char *outcome,
    int64_t now, int64_t *modified, struct error *e);
/* A node of a running run finished. Guarded by attempt and instance; *modified false: the run is not ours any more. Repeated:
 * the same. */
bool ledger_node(const struct ledger *l, const struct uuid *id, int64_t attempt, const struct run_node *node,
    bool *modified, struct error *e);

/* ---- outcomes ---- */
/* Inserts one document, unsent; all its events together must stay well below 16 MB, the server's limit. An id that exists is our own
 * earlier write. */
bool ledger_outcome(const struct ledger *l, const char *outcome, const struct outcome_line *lines,
    size_t count, int64_t now, struct error *e);
/* Clears unsent of these. Repeated: the same. */
bool ledger_settle(
    const struct ledger *l, const struct bytes *outcomes, size_t count, int64_t now, struct error *e);
/* Those of this pool that are unsent and older than that, oldest first; at most LEDGER_ANSWER_BYTES_MAX. */
bool ledger_unsent(const struct ledger *l, int64_t older_than, size_t limit, struct arena *a,
    struct unsent **out, size_t *count, struct error *e);

/* ---- cancels and holds (written by ingest: core/orders.h) ---- */
/* cancels[i] by job id, holds[i] by group. groups and holds may be NULL. */
bool ledger_orders(const struct ledger *l, const struct uuid *ids, const struct bytes *groups, size_t count,
    struct order_seen *cancels, struct order_seen *holds, struct arena *a, struct error *e);
/* Jobs whose cancels were written in [from, until), UTC ms; in no order. */
bool ledger_cancels(const struct ledger *l, int64_t from, int64_t until, struct arena *a, struct uuid **ids,
    size_t *count, struct error *e);
/* All groups that are held; whether somebody asked this instance to drain. */
bool ledger_holds(const struct ledger *l, struct arena *a, struct bytes **groups, size_t *count, bool *drain,
    struct error *e);
/* Holds groups[i] for reasons[i], because a job of theirs failed (limit on_failure: hold). One that is held stays as it is; of a group
 * that is told twice the first counts.
 * Repeated: the same, but a release between the two tries is undone. */
bool ledger_hold(const struct ledger *l, const struct bytes *groups, const struct bytes *reasons,
    size_t count, int64_t now, struct error *e);

/* ---- leases ---- */
/* Creates this instance's document, counter 1. One that exists is our own: names of instances are never used again. It expires when it
 * was not renewed for keep_ms and a day: one that is gone means the same as one that is over. lease_ms: without a renewal for so long
 * the executor is dead (for people to see; nothing is decided by it). */
bool ledger_enlist(
    const struct ledger *l, const char *host, int64_t pid, int64_t lease_ms, int64_t now, struct error *e);
enum renewal { RENEWED, RENEW_OVER /* the lease is over for good */, RENEW_UNANSWERED };
/* The counter never falls. Repeated: the same, however late. */
enum renewal ledger_renew(
    const struct ledger *l, int64_t counter, int64_t now, int64_t patience_ms, struct error *e);
/* out[i] of instances[i]. */
bool ledger_leases(const struct ledger *l, const struct bytes *instances, size_t count, struct arena *a,
    struct lease_seen *out, struct error *e);
/* Ends the lease of an instance whose counter is still the one seen (counter < 0: whatever it is; only for one known to be dead).
 * *ended: it is over now (also when it was before, or is forgotten: then a second statement reads it). Repeated: the same. */
bool ledger_end_lease(const struct ledger *l, struct bytes instance, int64_t counter, int64_t now,
    bool *ended, struct error *e);

/* ---- shared limits ---- */
/* out[i] of selectors[i]. */
bool ledger_holders(const struct ledger *l, const struct bytes *selectors, size_t count, struct arena *a,
    struct holders *out, struct error *e);
/* Replaces the items when rev is still the one read; *written false: another was faster (or it was our own write whose answer was lost:
 * read again and see). */
bool ledger_holders_write(const struct ledger *l, const struct holders *h, bool *written, struct error *e);

#endif
