/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: bells, cancels, holds.
 *
 * A bell (jobs.control) only says "look": who cancelled or held what is in `cancels`, written before the bell rang. Every executor
 * hears every bell; the one that has the job acts: a running job's tree is signalled at once, a queued one ends without starting. A
 * job whose start is unanswered keeps the order with its task until the launch: the start looks up cancels after its compare-and-set,
 * but that may have been before this cancel was written.
 *
 * A bell may never ring (its ingest died, Kafka did not take the record), or nobody may have had the job when it rang. So running jobs
 * are asked for every few seconds, holds too, and all cancels are read once more a while after they were written (CANCELS_SETTLE_MS: as
 * far as the clocks of ingest and executor may differ, and as long as its write may take). Who takes partitions over reads those of the
 * last day: older ones of jobs that still wait are seen by their starts, as all are.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "executor/rules_private.h"

#define CANCEL_BATCH RULES_SIZE(250, 2) /* with payloads */
#define GROUP_PAGE RULES_SIZE(1000, 3)
#define CANCELS_SETTLE_MS 30000
#define CANCELS_BACK_MS (24 * 3600 * (int64_t)1000)

/* ---- orders kept with tasks ---- */

struct kept_order {
    struct order_seen order;
    struct arena memory;
};

void cancel_order_drop(void *order)
{
    struct kept_order *k = order;
    if (!k)
        return;
    arena_release(&k->memory);
    free(k);
}

const struct order_seen *cancel_order_of(const struct task *t)
{
    const struct kept_order *k = t->order;
    return k ? &k->order : NULL;
}

static void keep_order(struct task *t, const struct order_seen *o)
{
    if (t->order)
        return;
    struct kept_order *k = calloc(1, sizeof *k);
    if (!k)
        log_fatal("out_of_memory", "what=order");
    arena_init(&k->memory);
    k->order =
        (struct order_seen){true, arena_copy(&k->memory, o->by), arena_copy(&k->memory, o->reason), o->at};
    t->order = k;
}

void cancel_task(struct rules *r, struct task *t, const struct order_seen *o)
{
    if (t->run)
        r->world->stop(r->self, t, o);
    else
        keep_order(t, o);
}

/* ---- bells ---- */

static void group_begin(struct rules *r, struct bytes group);

void cancel_want(struct rules *r, const struct uuid *id)
{
    LIST_ADD(r->wanted, *id);
}

static void cancel_bell(struct rules *r, const struct control *c)
{
    struct uuid id;
    if (c->job_id.len == 0 && c->group.len > 0) {
        group_begin(r, c->group);
        return;
    }
    if (!uuid_parse(c->job_id, &id))
        return;
    struct task *t = scheduler_find(r->scheduler, &id);
    struct order_seen order = {true, c->by, c->reason, c->at};
    if (t)
        cancel_task(r, t, &order);
    else
        cancel_want(r, &id);
}

void rules_bell(struct rules *r, const struct control *c)
{
    if (r->dead)
        return;
    if (c->kind == CONTROL_CANCEL)
        cancel_bell(r, c);
    else if (r->under_way[OP_HOLDS] < 2) /* one may be at work already, with an answer older than the bell */
        (void)rules_begin(r, OP_HOLDS);
}

/* ---- cancels of jobs that are not tasks here (queued, or none of ours), and of those that run, once in a while ---- */

enum { CANCEL_BEGIN, CANCEL_ORDERS, CANCEL_FOUND };

struct cancel {
    struct op op;
    struct uuid *ids; /* first those that are asked for, then those that were cancelled */
    struct order_seen *orders;
    size_t count;
};
const size_t cancel_size = sizeof(struct cancel);

static bool ask_orders(struct rules *r, struct cancel *c)
{
    struct ask *ask = &c->op.ask;
    size_t left = r->wanted.count - r->wanted_done;
    size_t most = rules_payloads(r, CANCEL_BATCH);
    c->count = left < most ? left : most;
    c->ids = arena_array(&c->op.memory, c->count, sizeof *c->ids);
    memcpy(c->ids, r->wanted.items + r->wanted_done, c->count * sizeof *c->ids);
    r->wanted_done += c->count;
    if (r->wanted_done == r->wanted.count)
        r->wanted.count = r->wanted_done = 0;
    if (c->count == 0)
        return false;
    ask->kind = ASK_ORDERS;
    ask->ids = c->ids;
    ask->groups = NULL;
    ask->count = c->count;
    c->op.at = CANCEL_ORDERS;
    return true;
}

/* Most ids that are asked for were not cancelled; only of the others the runs are read. */
static bool ask_found(struct cancel *c)
{
    struct ask *ask = &c->op.ask;
    size_t found = 0;
    c->orders = ask->cancels;
    for (size_t i = 0; i < c->count; i++)
        if (c->orders[i].found) {
            c->ids[found] = c->ids[i];
            c->orders[found++] = c->orders[i];
        }
    c->count = found;
    ask->kind = ASK_FIND;
    ask->ids = c->ids;
    ask->count = found;
    ask->with_payload = true;
    c->op.at = CANCEL_FOUND;
    return found > 0;
}

static void act(struct rules *r, const struct run *run, const struct order_seen *o)
{
    struct task *t = scheduler_find(r->scheduler, &run->id);
    bool waits = run->state == RUN_QUEUED || run->state == RUN_DELAYED;
    if (t)
        cancel_task(r, t, o); /* it became one meanwhile, or it runs */
    else if (waits && scheduler_owns(r->scheduler, run->partition) &&
             scheduler_withdraw(r->scheduler, run->group, &run->id))
        finish_queued(r, run, PHASE_CANCELLED, "cancelled", o);
}

bool cancel_step(struct rules *r, struct op *op)
{
    struct cancel *c = (struct cancel *)op;
    switch (op->at) {
    case CANCEL_BEGIN:
        return ask_orders(r, c);
    case CANCEL_ORDERS:
        return ask_found(c);
    case CANCEL_FOUND:
        runs_sort(&op->ask.runs);
        rules_saw_payloads(r, &op->ask.runs);
        for (size_t i = 0; i < c->count; i++) {
            const struct run *run = runs_of(&op->ask.runs, &c->ids[i]);
            if (run)
                act(r, run, &c->orders[i]);
        }
        return false;
    }
    return false;
}

/* ---- a whole group was cancelled: all its jobs are asked for ---- */

struct group_cancel {
    struct op op;
    char group[LIMITS_SELECTOR_MAX];
};
const size_t group_size = sizeof(struct group_cancel);

static void group_begin(struct rules *r, struct bytes group)
{
    if (group.len >= LIMITS_SELECTOR_MAX) /* no job's group is so long */
        return;
    struct group_cancel *g = (struct group_cancel *)rules_begin(r, OP_GROUP);
    memcpy(g->group, group.data, group.len);
    g->op.ask.after = -1;
}

/* Only what this executor can end: what runs here, and what waits in its partitions. */
static void want_page(struct rules *r, const struct runs *page)
{
    for (size_t i = 0; i < page->count; i++)
        if (scheduler_owns(r->scheduler, page->items[i].partition) ||
            scheduler_find(r->scheduler, &page->items[i].id))
            cancel_want(r, &page->items[i].id);
}

bool group_step(struct rules *r, struct op *op)
{
    struct group_cancel *g = (struct group_cancel *)op;
    const struct runs *page = &op->ask.runs;
    if (op->at++ > 0) {
        want_page(r, page);
        if (page->count < GROUP_PAGE)
            return false;
        op->ask.after = page->items[page->count - 1].seq;
        arena_reset(&op->memory);
    }
    op->ask.kind = ASK_GROUP;
    op->ask.group = bytes_of(g->group);
    op->ask.limit = GROUP_PAGE;
    return true;
}

/* ---- cancels whose bells may not have been heard ---- */

void cancels_from_yesterday(struct rules *r)
{
    int64_t from = rules_now(r).utc_ms - CANCELS_BACK_MS;
    r->cancels_from = r->cancels_from < from ? r->cancels_from : from;
}

bool ask_cancels_step(struct rules *r, struct op *op)
{
    size_t cursor = 0;
    const struct task *t;
    if (op->at++ == 0) {
        while ((t = scheduler_next_task(r->scheduler, &cursor)) != NULL)
            if (t->run && !finish_has(r, &t->id))
                cancel_want(r, &t->id);
        op->ask.kind = ASK_CANCELS;
        op->ask.after = r->cancels_from;
        op->ask.older_than = rules_now(r).utc_ms - CANCELS_SETTLE_MS;
        r->cancels_from = op->ask.older_than; /* an assignment meanwhile moves it back */
        return op->ask.after < op->ask.older_than;
    }
    for (size_t i = 0; i < op->ask.found; i++)
        cancel_want(r, &op->ask.ids[i]);
    return false;
}

/* ---- holds, and an asked-for drain ---- */

bool holds_step(struct rules *r, struct op *op)
{
    if (op->at++ == 0) {
        op->ask.kind = ASK_HOLDS;
        return true;
    }
    scheduler_holds(r->scheduler, op->ask.names, op->ask.found);
    if (op->ask.yes)
        rules_drain(r, false);
    return false;
}
