/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease: our own proof of life, and what becomes of jobs whose executor gives none.
 *
 *   renewals          the lease is counted from the sending of the last acknowledged renewal. When it is over by our own clock, or
 *                     somebody ended it, everything is killed and the process ends.
 *   forgotten starts  runs that are `running` under our name and that we neither have nor are starting go back to the queue, uncharged.
 *   the watch         groups whose job runs under another name: once a second their runs and the leases of those instances are read.
 *                     A counter that stood still for lease_watch_ms before our eyes: the lease is ended by a write that names that
 *                     counter. Instances that hold a place under a shared limit for no visible reason are watched too. A lease that is over: the run goes back to the queue as lost (the attempt stays the fence); the fifth loss,
 *                     or the first with on_lost: fail, ends the job. Clocks are never compared across machines.
 */
#include <stdlib.h>
#include <string.h>

#include "executor/rules_private.h"

#define LOSSES_MAX 5
#define WATCH_BATCH RULES_SIZE(5000, 2)
#define LOST_BYTES ((size_t)16 << 20) /* LEDGER_ANSWER_BYTES_MAX */

/* ---- renewals ---- */

struct renew {
    struct op op;
    int64_t sent_boot;
};
const size_t renew_size = sizeof(struct renew);

/* The two deliberate bugs that take a lease for more than it is. */
static bool revives(void)
{
    if (BUG(LEASE_REVIVES))
        return true;
    return BUG(LEASE_FROM_ACK);
}

bool renew_step(struct rules *r, struct op *op)
{
    struct renew *n = (struct renew *)op;
    int64_t now = rules_now(r).boot_ms;
    if (op->at++ == 0) {
        n->sent_boot = now;
        op->ask.kind = ASK_RENEW;
        op->ask.counter = ++r->counter;
        op->ask.limit = (size_t)r->options.lease_renew_ms; /* patience, ms */
        return true;
    }
    switch (op->ask.renewal) {
    case ASK_RENEWED:
        if (now >= r->lease_until && !revives()) {
            rules_die(r, "not_renewed"); /* the answer came too late: the guard has killed what ran */
            break;
        }
        r->lease_until = (BUG(LEASE_FROM_ACK) ? now : n->sent_boot) + r->options.lease_hold_ms;
        r->counts.renewals++;
        r->world->lease(r->self, r->lease_until);
        break;
    case ASK_RENEW_OVER:
        rules_die(r, "ended_by_another");
        break;
    case ASK_RENEW_UNANSWERED:
        break;
    }
    return false;
}

/* ---- forgotten starts ---- */

/* The read is older than its answer: what we have or are starting by now is left alone, the rest is guarded by its attempt. */
static void give_back_forgotten(struct rules *r, const struct run *run)
{
    if (BUG(UNANSWERED_FORGOTTEN) || scheduler_find(r->scheduler, &run->id) || finish_has(r, &run->id))
        return;
    struct ending *e = finish_new(r, &run->id, run->attempt, run->group);
    e->partition = run->partition;
    e->phase = PHASE_RETRYING;
    e->close.to = RUN_QUEUED;
    e->close.uncharged = e->close.unlaunched = true;
    e->close.reason = "forgotten";
    finish_add(r, e);
}

bool mine_step(struct rules *r, struct op *op)
{
    if (op->at++ == 0) {
        op->ask.kind = ASK_MINE;
        return true;
    }
    for (size_t i = 0; i < op->ask.runs.count; i++)
        give_back_forgotten(r, &op->ask.runs.items[i]);
    return false;
}

/* ---- counters of others ---- */

static struct watched *watched_of(struct rules *r, const struct lease_seen *l, int64_t now_boot)
{
    for (size_t i = 0; i < r->watched.count; i++)
        if (bytes_equal_text(l->instance, r->watched.items[i].instance))
            return &r->watched.items[i];
    struct watched w = {.counter = l->counter, .since_boot = now_boot};
    memcpy(w.instance, l->instance.data, l->instance.len < sizeof w.instance ? l->instance.len : 0);
    LIST_ADD(r->watched, w);
    return &r->watched.items[r->watched.count - 1];
}

/* How long (ms) this counter has stood still before our eyes. */
static int64_t stood_still(struct rules *r, const struct lease_seen *l, int64_t now_boot)
{
    struct watched *w = watched_of(r, l, now_boot);
    w->seen = true;
    if (w->counter != l->counter) {
        w->counter = l->counter;
        w->since_boot = now_boot;
    }
    return now_boot - w->since_boot;
}

static void forget_unseen(struct rules *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->watched.count; i++)
        if (r->watched.items[i].seen) {
            r->watched.items[kept] = r->watched.items[i];
            r->watched.items[kept++].seen = false;
        }
    r->watched.count = kept;
}

/* ---- the watch ---- */

enum { WATCH_BEGIN, WATCH_FOUND, WATCH_LEASES, WATCH_ENDED, WATCH_LOST };

struct watch {
    struct op op;
    struct elsewhere *known;
    size_t count;
    struct runs runs;
    struct lease_seen *leases; /* distinct instances */
    size_t lease_count, at_lease;
};
const size_t watch_size = sizeof(struct watch);

static bool still_there(const struct run *run, const struct elsewhere *known)
{
    return run && run->state == RUN_RUNNING && run->attempt == known->attempt &&
           bytes_equal(run->instance, known->instance);
}

static bool ask_runs(struct rules *r, struct watch *w)
{
    struct ask *ask = &w->op.ask;
    struct arena *a = &w->op.memory;
    struct elsewhere item;
    w->known = arena_array(a, WATCH_BATCH, sizeof *w->known);
    ask->ids = arena_array(a, WATCH_BATCH, sizeof *ask->ids);
    while (w->count < WATCH_BATCH && scheduler_next_elsewhere(r->scheduler, &r->watch_cursor, &item)) {
        item.instance = arena_copy(a, item.instance);
        item.group = arena_copy(a, item.group);
        ask->ids[w->count] = item.id;
        w->known[w->count++] = item;
    }
    if (w->count < WATCH_BATCH)
        r->watch_cursor = 0;
    ask->kind = ASK_FIND;
    ask->count = w->count;
    ask->with_payload = false;
    w->op.at = WATCH_FOUND;
    return w->count > 0;
}

static void ask_lease_of(struct ask *ask, struct bytes instance)
{
    for (size_t i = 0; i < ask->count; i++)
        if (bytes_equal(ask->names[i], instance))
            return;
    ask->names[ask->count++] = instance;
}

static bool ask_leases(struct rules *r, struct watch *w)
{
    struct ask *ask = &w->op.ask;
    struct arena *a = &w->op.memory;
    ask->kind = ASK_LEASES;
    ask->names = arena_array(a, w->count + r->suspects.count, sizeof *ask->names);
    ask->count = 0;
    for (size_t i = 0; i < w->count; i++)
        ask_lease_of(ask, w->known[i].instance);
    for (size_t i = 0; i < r->suspects.count; i++)
        ask_lease_of(ask, arena_copy(a, bytes_of(r->suspects.items[i].instance)));
    w->op.at = WATCH_LEASES;
    return ask->count > 0;
}

static bool ask_end(struct watch *w)
{
    struct ask *ask = &w->op.ask;
    struct lease_seen *l = &w->leases[w->at_lease];
    ask->kind = ASK_END_LEASE;
    ask->names = &l->instance;
    ask->count = 1;
    ask->counter = l->counter;
    w->op.at = WATCH_ENDED;
    return true;
}

/* The next lease that has stood still for too long; false: none is left. */
static bool next_still(struct rules *r, struct watch *w)
{
    int64_t now = rules_now(r).boot_ms;
    for (; w->at_lease < w->lease_count; w->at_lease++) {
        const struct lease_seen *l = &w->leases[w->at_lease];
        if (l->exists && !l->over && !bytes_equal_text(l->instance, r->instance) &&
            stood_still(r, l, now) >= r->options.lease_watch_ms)
            return ask_end(w);
    }
    if (r->watch_cursor == 0) /* all were looked at, in one round or in several */
        forget_unseen(r);
    return false;
}

static bool is_gone(const struct watch *w, struct bytes instance)
{
    for (size_t i = 0; i < w->lease_count; i++)
        if (bytes_equal(w->leases[i].instance, instance))
            return w->leases[i].over || !w->leases[i].exists;
    return false;
}

/* Runs that ended or moved: their groups are looked at anew. Ours without a task: forgotten. Those of the dead are read again, with
 * their payload, as many as one answer holds: the next round asks for the others. */
static bool ask_lost(struct rules *r, struct watch *w)
{
    struct ask *ask = &w->op.ask;
    ask->kind = ASK_FIND;
    ask->ids = arena_array(&w->op.memory, w->count, sizeof *ask->ids);
    ask->count = 0;
    ask->with_payload = true;
    ask->bytes_max = LOST_BYTES;
    for (size_t i = 0; i < w->count; i++) {
        const struct elsewhere *known = &w->known[i];
        const struct run *run = runs_of(&w->runs, &known->id);
        if (!still_there(run, known))
            scheduler_look(r->scheduler, known->group, -1);
        else if (bytes_equal_text(known->instance, r->instance))
            give_back_forgotten(r, run);
        else if (is_gone(w, known->instance) && !finish_has(r, &known->id))
            ask->ids[ask->count++] = known->id;
    }
    w->op.at = WATCH_LOST;
    return ask->count > 0;
}

static void lose(struct rules *r, const struct run *run)
{
    bool fails = run->lost + 1 >= LOSSES_MAX;
    if (!fails && !r->world->on_lost(r->self, run->payload, &fails))
        return; /* its payload can't be read now: the next round decides */
    struct telling t = {.phase = fails ? PHASE_FAILED : PHASE_LOST,
        .run = run,
        .code = "lost",
        .reason = fails ? BYTES("its executor is gone, and it must not start again")
                        : BYTES("its executor is gone; it starts again"),
        .at = rules_now(r).utc_ms,
        .retry_at = NO_TIME};
    struct ending *e = finish_new(r, &run->id, run->attempt, run->group);
    e->close.instance = arena_copy(&e->memory, run->instance);
    e->partition = run->partition;
    if (!fails) {
        e->close.to = RUN_QUEUED;
        e->close.uncharged = e->close.lost = true;
        e->close.reason = "lost";
    }
    if (finish_tell(r, e, &t))
        finish_add(r, e);
}

static void take_over(struct rules *r, struct watch *w)
{
    runs_sort(&w->op.ask.runs);
    for (size_t i = 0; i < w->count; i++) {
        const struct run *run = runs_of(&w->op.ask.runs, &w->known[i].id);
        if (still_there(run, &w->known[i]) && !finish_has(r, &run->id))
            lose(r, run);
    }
}

bool watch_step(struct rules *r, struct op *op)
{
    struct watch *w = (struct watch *)op;
    switch (op->at) {
    case WATCH_BEGIN:
        return ask_runs(r, w) || ask_leases(r, w);
    case WATCH_FOUND:
        w->runs = op->ask.runs;
        runs_sort(&w->runs);
        return ask_leases(r, w);
    case WATCH_LEASES:
        w->leases = op->ask.leases;
        w->lease_count = op->ask.count;
        return next_still(r, w) || ask_lost(r, w);
    case WATCH_ENDED:
        w->leases[w->at_lease].over = op->ask.yes;
        w->at_lease++;
        return next_still(r, w) || ask_lost(r, w);
    case WATCH_LOST:
        take_over(r, w);
        return false;
    }
    return false;
}
