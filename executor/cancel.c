/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: bells, cancels, holds, and jobs whose time has come.
 *
 * A bell (jobs.control) only says "look": who cancelled or held what is in `cancels`, written before the bell rang. Every executor
 * hears every bell; the one that has the job acts: a running job's tree is signalled at once, a queued one ends without starting. A
 * job whose start is unanswered keeps the order with its task until the launch: the start looks up cancels after its compare-and-set,
 * but that may have been before this cancel was written.
 *
 * A bell may never ring (its ingest died, Kafka did not take the record): running jobs are asked for every few seconds, holds
 * too. Queued ones need no bell: their start asks.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "executor/rules_private.h"

#define CANCEL_BATCH RULES_SIZE(250, 2) /* with payloads */
#define GROUP_PAGE RULES_SIZE(1000, 3)
#define WAKE_BATCH RULES_SIZE(200, 2) /* LEDGER_WAKE_MAX */
#define WAKE_PAGES 20
#define DUE_AGAIN_MS 10000

/* ---- orders kept with tasks ---- */

struct kept_order {
    struct order order;
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

const struct order *cancel_order_of(const struct task *t)
{
    const struct kept_order *k = t->order;
    return k ? &k->order : NULL;
}

static void keep_order(struct task *t, const struct order *o)
{
    if (t->order)
        return;
    struct kept_order *k = calloc(1, sizeof *k);
    if (!k)
        log_fatal("out_of_memory", "what=order");
    arena_init(&k->memory);
    k->order = (struct order){true, arena_copy(&k->memory, o->by), arena_copy(&k->memory, o->reason), o->at};
    t->order = k;
}

void cancel_task(struct rules *r, struct task *t, const struct order *o)
{
    if (t->run)
        r->world->stop(r->self, t, o);
    else
        keep_order(t, o);
}

/* ---- bells ---- */

void cancel_want(struct rules *r, const struct uuid *id)
{
    LIST_ADD(r->wanted, *id);
}

static void cancel_bell(struct rules *r, const struct control *c)
{
    struct uuid id;
    if (c->job_id.len == 0 && c->group.len > 0) {
        struct op *op = rules_begin(r, OP_GROUP);
        op->ask.group = arena_copy(&op->memory, c->group);
        return;
    }
    if (!uuid_parse(c->job_id, &id))
        return;
    struct task *t = scheduler_find(r->scheduler, &id);
    struct order order = {true, c->by, c->reason, c->at};
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
    struct order *orders;
    size_t count;
};
const size_t cancel_size = sizeof(struct cancel);

static bool ask_orders(struct rules *r, struct cancel *c)
{
    struct ask *ask = &c->op.ask;
    c->count = r->wanted.count < CANCEL_BATCH ? r->wanted.count : CANCEL_BATCH;
    c->ids = arena_array(&c->op.memory, c->count, sizeof *c->ids);
    if (c->count == 0)
        return false;
    memcpy(c->ids, r->wanted.items, c->count * sizeof *c->ids);
    r->wanted.count -= c->count;
    memmove(r->wanted.items, r->wanted.items + c->count, r->wanted.count * sizeof *r->wanted.items);
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

static void act(struct rules *r, const struct run *run, const struct order *o)
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

const size_t group_size = sizeof(struct op);

bool group_step(struct rules *r, struct op *op)
{
    if (op->at > 0) {
        const struct runs *runs = &op->ask.runs;
        for (size_t i = 0; i < runs->count; i++)
            cancel_want(r, &runs->items[i].id);
        if (runs->count < GROUP_PAGE)
            return false;
        op->ask.after = runs->items[runs->count - 1].seq;
    } else {
        op->ask.after = -1;
    }
    op->at = 1;
    op->ask.kind = ASK_GROUP;
    op->ask.limit = GROUP_PAGE;
    return true;
}

bool ask_cancels_step(struct rules *r, struct op *op)
{
    size_t cursor = 0;
    const struct task *t;
    (void)op;
    while ((t = scheduler_next_task(r->scheduler, &cursor)) != NULL)
        if (t->run && !finish_has(r, &t->id))
            cancel_want(r, &t->id);
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

/* ---- delayed jobs that are due, and queue timeouts ---- */

/* True: it was not told to be due a moment ago. */
static bool is_news(struct rules *r, const struct uuid *id, int64_t now_boot)
{
    size_t kept = 0;
    bool news = true;
    for (size_t i = 0; i < r->told.count; i++) {
        if (r->told.items[i].until_boot <= now_boot)
            continue;
        news = news && !uuid_equal(&r->told.items[i].id, id);
        r->told.items[kept++] = r->told.items[i];
    }
    r->told.count = kept;
    if (news) {
        struct told_due t = {*id, now_boot + DUE_AGAIN_MS};
        LIST_ADD(r->told, t);
    }
    return news;
}

static void wake(struct rules *r, const struct run *run, int64_t now_boot)
{
    if (!scheduler_owns(r->scheduler, run->partition))
        return;
    if (run->state == RUN_DELAYED) {
        if (is_news(r, &run->id, now_boot))
            r->world->due(r->self, run);
    } else if (run->state == RUN_QUEUED && !scheduler_find(r->scheduler, &run->id)) {
        /* It keeps its place until that is acknowledged: another executor, with another clock, may start it all the same, and the next of
         * the group must not run beside it. (A cancelled one may be passed over at once: whoever starts it sees the cancel.) */
        finish_queued(r, run, PHASE_TIMED_OUT, "queue_timeout", NULL);
    }
}

static bool ask_wake(struct rules *r, struct op *op)
{
    struct ask *ask = &op->ask;
    int32_t all = scheduler_partitions(r->scheduler);
    ask->partitions = arena_array(&op->memory, (size_t)all, sizeof *ask->partitions);
    ask->count = 0;
    for (int32_t p = 0; p < all; p++)
        if (scheduler_is_open(r->scheduler, p))
            ask->partitions[ask->count++] = p;
    ask->kind = ASK_WAKE;
    ask->limit = WAKE_BATCH;
    return ask->count > 0;
}

/* Those that were told a moment ago come again until they are moved: so an answer is followed by a further one, up to a bound. */
bool wake_step(struct rules *r, struct op *op)
{
    const struct runs *runs = &op->ask.runs;
    if (op->at == 0) {
        op->ask.after = 0;
        return op->at++, ask_wake(r, op);
    }
    int64_t now = rules_now(r).boot_ms;
    for (size_t i = 0; i < runs->count; i++)
        wake(r, &runs->items[i], now);
    if (runs->count == 0 || op->at++ == WAKE_PAGES)
        return false;
    int64_t last = runs->items[runs->count - 1].wake_at;
    op->ask.after = last > op->ask.after
                        ? last
                        : last + 1; /* one millisecond with more than a page: the rest comes next time */
    arena_reset(&op->memory);
    return ask_wake(r, op);
}
