/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: from queued to running, in this order: a place under every shared limit -> compare-and-set -> who won -> cancels and holds
 * are looked up -> the own lease is checked -> launch. So a cancel that was acknowledged before is always seen, and an executor whose
 * lease is over launches nothing.
 */
#include <string.h>

#include "core/error.h"
#include "executor/rules_private.h"

#define BATCH_STARTS RULES_SIZE(256, 2)
#define ADMIT_TRIES 5
#define AHEAD RULES_SIZE(256, 3)         /* payloads read ahead, of all groups together */
#define AHEAD_OF_GROUP RULES_SIZE(16, 2) /* and of each */
#define AHEAD_BYTES (1024 * 1024)        /* about, by the size of earlier ones */

enum { START_BEGIN, START_HOLDERS, START_WRITTEN, START_AGAIN, START_STARTED, START_FOUND, START_ORDERS };

/* A job that is not started yet, whose payload is read along: it waits in the group of this task. */
struct ahead {
    struct task *task;
    struct uuid id;
};

struct start {
    struct op op;
    struct task **tasks;
    bool *won;
    size_t count;
    struct uuid *ids;
    struct runs found;
    struct ahead *ahead;
    size_t ahead_count;
    int64_t now; /* UTC ms, as written */
    /* shared limits */
    struct limit_count *shared; /* the distinct ones, */
    struct holders *holders;    /* and who has their places */
    size_t shared_count, at_shared;
    int tries;
    bool added;
};
const size_t start_size = sizeof(struct start);

/* ---- gathering ---- */

static void learn_shared(struct rules *r, struct start *s, const struct task *t)
{
    size_t n;
    const struct limit_count *shared = scheduler_shared(r->scheduler, t, &n);
    for (size_t i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < s->shared_count && !known; k++)
            known = bytes_equal(s->shared[k].selector, shared[i].selector);
        if (!known)
            s->shared[s->shared_count++] =
                (struct limit_count){arena_copy(&s->op.memory, shared[i].selector), shared[i].max};
    }
}

static bool passes(struct rules *r, const struct task *t, struct bytes selector)
{
    size_t n;
    const struct limit_count *shared = scheduler_shared(r->scheduler, t, &n);
    for (size_t i = 0; i < n; i++)
        if (bytes_equal(shared[i].selector, selector))
            return true;
    return false;
}

static void block(struct rules *r, struct task *t, const struct limit_count *at)
{
    if (cancel_order_of(t)) /* it was cancelled meanwhile: it must not wait for the gate with that */
        cancel_want(r, &t->id);
    holders_drop(r, t);
    holders_remember(r, at->selector, at->max);
    scheduler_start_blocked(r->scheduler, t, at->selector);
}

/* Before anything is read: a place of an earlier try is just being given up, and what is read of it would not count. It opens the gate
 * when it is gone. */
static bool waits_for_drop(struct rules *r, struct task *t)
{
    size_t n;
    const struct limit_count *shared = scheduler_shared(r->scheduler, t, &n);
    for (size_t i = 0; i < n; i++)
        if (holders_are_dropping(r, shared[i].selector, t)) {
            block(r, t, &shared[i]);
            return true;
        }
    return false;
}

static void gather(struct rules *r, struct start *s)
{
    struct arena *a = &s->op.memory;
    struct task *t;
    size_t most = rules_payloads(r, BATCH_STARTS);
    s->tasks = arena_array(a, BATCH_STARTS, sizeof(struct task *));
    s->shared = arena_array(a, BATCH_STARTS * 2, sizeof *s->shared);
    while (s->count < most && (t = scheduler_next_start(r->scheduler)) != NULL) {
        if (waits_for_drop(r, t))
            continue;
        s->tasks[s->count++] = t;
        learn_shared(r, s, t);
    }
}

/* ---- places under shared limits, one selector after another ---- */

/* Adds the tasks that find room at the present selector; the others go back to their groups. */
static void admit(struct rules *r, struct start *s)
{
    const struct limit_count *at = &s->shared[s->at_shared];
    struct holders *h = &s->holders[s->at_shared];
    size_t kept = 0;
    bool give_up = s->tries >= ADMIT_TRIES;
    s->added = false;
    for (size_t i = 0; i < s->count; i++) {
        struct task *t = s->tasks[i];
        if (passes(r, t, at->selector) && !holders_have(r, h, &t->id, t->attempt)) {
            if (give_up || (int64_t)h->count >= at->max) {
                block(r, t, at);
                continue;
            }
            struct holder item = {t->id, t->attempt, bytes_of(r->instance)};
            holders_add(h, &item, &s->op.memory);
            s->added = true;
        }
        s->tasks[kept++] = t;
    }
    s->count = kept;
}

static bool ask_holders(struct start *s)
{
    struct ask *ask = &s->op.ask;
    ask->kind = ASK_HOLDERS;
    ask->names = arena_array(&s->op.memory, s->shared_count, sizeof *ask->names);
    for (size_t i = 0; i < s->shared_count; i++)
        ask->names[i] = s->shared[i].selector;
    ask->count = s->shared_count;
    s->op.at = START_HOLDERS;
    return true;
}

static bool ask_again(struct start *s)
{
    struct ask *ask = &s->op.ask;
    ask->kind = ASK_HOLDERS;
    ask->names = &s->shared[s->at_shared].selector;
    ask->count = 1;
    s->op.at = START_AGAIN;
    return true;
}

static bool ask_starts(struct start *s);

/* Who has a place at the present selector is known: on to the next. */
static void pass_shared(struct rules *r, struct start *s)
{
    const struct limit_count *at = &s->shared[s->at_shared];
    for (size_t i = 0; i < s->count; i++)
        if (holders_have(r, &s->holders[s->at_shared], &s->tasks[i]->id, s->tasks[i]->attempt))
            holders_took(r, at->selector, s->tasks[i]);
    s->at_shared++;
    s->tries = 0;
}

/* Goes on with the selectors until one must be written; then the starts. */
static bool next_shared(struct rules *r, struct start *s)
{
    while (s->at_shared < s->shared_count) {
        admit(r, s);
        if (!s->added) {
            pass_shared(r, s);
            continue;
        }
        s->op.ask.kind = ASK_HOLDERS_WRITE;
        s->op.ask.holders = &s->holders[s->at_shared];
        s->op.ask.count = 1;
        s->op.at = START_WRITTEN;
        return true;
    }
    return s->count > 0 && ask_starts(s);
}

/* ---- the compare-and-set ---- */

static bool ask_starts(struct start *s)
{
    struct ask *ask = &s->op.ask;
    struct arena *a = &s->op.memory;
    s->ids = arena_array(a, s->count, sizeof *s->ids);
    s->won = arena_array(a, s->count, sizeof *s->won);
    ask->kind = ASK_START;
    ask->starts = arena_array(a, s->count, sizeof *ask->starts);
    ask->count = s->count;
    for (size_t i = 0; i < s->count; i++) {
        s->ids[i] = s->tasks[i]->id;
        ask->starts[i] = (struct run_start){s->ids[i], s->tasks[i]->attempt - 1};
    }
    s->op.at = START_STARTED;
    return true;
}

/* Fewer changed than asked: somebody else was faster, or our own answer was lost. Payloads that we don't have, and nodes that
 * finished in earlier attempts, come with the same read. */
static bool must_find(const struct start *s)
{
    if (s->op.ask.modified != (int64_t)s->count)
        return true;
    for (size_t i = 0; i < s->count; i++)
        if (!s->tasks[i]->payload || s->tasks[i]->attempt > 1)
            return true;
    return false;
}

/* A group whose jobs were not taken in just now would need such a read at each start: it takes the next payloads along. */
static void look_ahead(const struct rules *r, struct start *s)
{
    size_t most = (size_t)(AHEAD_BYTES / (r->payload_bytes + 1));
    most = most < AHEAD ? most : AHEAD;
    struct uuid ids[AHEAD_OF_GROUP];
    s->ahead = arena_array(&s->op.memory, most + AHEAD_OF_GROUP, sizeof *s->ahead);
    for (size_t i = 0; i < s->count && s->ahead_count < most; i++) {
        size_t n = s->tasks[i]->payload ? 0 : scheduler_ahead(s->tasks[i], ids, AHEAD_OF_GROUP);
        for (size_t k = 0; k < n; k++)
            s->ahead[s->ahead_count++] = (struct ahead){s->tasks[i], ids[k]};
    }
}

static bool ask_found(struct rules *r, struct start *s)
{
    look_ahead(r, s);
    struct uuid *ids = arena_array(&s->op.memory, s->count + s->ahead_count, sizeof *ids);
    memcpy(ids, s->ids, s->count * sizeof *ids);
    for (size_t i = 0; i < s->ahead_count; i++)
        ids[s->count + i] = s->ahead[i].id;
    s->op.ask.kind = ASK_FIND;
    s->op.ask.ids = ids;
    s->op.ask.count = s->count + s->ahead_count;
    s->op.ask.with_payload = true;
    s->op.at = START_FOUND;
    return true;
}

static bool ask_orders(struct start *s)
{
    struct ask *ask = &s->op.ask;
    ask->kind = ASK_ORDERS;
    ask->ids = s->ids;
    ask->count = s->count;
    ask->groups = arena_array(&s->op.memory, s->count, sizeof *ask->groups);
    for (size_t i = 0; i < s->count; i++)
        ask->groups[i] = scheduler_group_name(s->tasks[i]);
    s->op.at = START_ORDERS;
    return true;
}

static void keep_ahead(struct rules *r, struct start *s)
{
    for (size_t i = 0; i < s->ahead_count; i++) {
        const struct run *run = runs_of(&s->found, &s->ahead[i].id);
        if (!run || run->state != RUN_QUEUED)
            continue;
        void *kept = r->world->keep(r->self, run->payload);
        if (kept)
            scheduler_payload(r->scheduler, s->ahead[i].task, &run->id, kept);
    }
}

static void decide_won(struct rules *r, struct start *s)
{
    s->found = s->op.ask.runs;
    runs_sort(&s->found);
    rules_saw_payloads(r, &s->found);
    keep_ahead(r, s);
    for (size_t i = 0; i < s->count; i++) {
        const struct run *run = runs_of(&s->found, &s->ids[i]);
        s->won[i] = run && run->state == RUN_RUNNING && run->attempt == s->tasks[i]->attempt &&
                    bytes_equal_text(run->instance, r->instance);
    }
}

/* ---- launch ---- */

void start_launch(
    struct rules *r, struct task *t, const struct launch *l, const struct order_seen *cancel, bool held)
{
    const struct order_seen *order = cancel->found ? cancel : cancel_order_of(t);
    struct moment now = rules_now(r);
    MUST(l->payload.data);
    if (order) {
        struct run run = {.id = t->id,
            .group = scheduler_group_name(t),
            .state = RUN_RUNNING,
            .attempt = t->attempt,
            .payload = l->payload,
            .queued_at = t->queued_at,
            .started_at = NO_TIME};
        struct telling tell = {.phase = PHASE_CANCELLED,
            .run = &run,
            .code = "cancelled",
            .reason = order->reason,
            .order = order,
            .at = now.utc_ms,
            .retry_at = NO_TIME,
            .never_ran = true};
        struct ending *e = finish_new(r, &t->id, t->attempt, run.group);
        e->task = t;
        if (finish_tell(r, e, &tell))
            finish_add(r, e);
        else
            finish_give_back(r, t, "unreadable");
    } else if (held) {
        scheduler_hold(r->scheduler, scheduler_group_name(t));
        finish_give_back(r, t, "held");
    } else if (r->draining) {
        finish_give_back(r, t, "drained");
    } else if (now.boot_ms >= r->lease_until) {
        rules_die(r, "not_renewed");
    } else {
        r->counts.launched++;
        r->world->launch(r->self, t, l);
    }
}

static void conclude_one(struct rules *r, struct start *s, size_t i)
{
    struct task *t = s->tasks[i];
    if (!s->won[i]) {
        holders_drop(r, t);
        if (BUG(LOSER_DROPS_PARTITION))
            scheduler_revoked(r->scheduler, t->partition);
        scheduler_start_lost(r->scheduler, t);
        return;
    }
    const struct run *run = runs_of(&s->found, &t->id);
    void *kept = t->payload;
    struct launch l = {.payload = kept ? r->world->kept(kept) : run->payload};
    if (run) {
        l.nodes = run->nodes;
        l.node_count = run->node_count;
        t->tries = run->tries;
        t->queued_at = run->queued_at;
    }
    t->payload = NULL;
    t->started_at = s->now;
    scheduler_start_won(r->scheduler, t);
    start_launch(r, t, &l, &s->op.ask.cancels[i], s->op.ask.holds[i].found);
    if (kept)
        r->world->drop(kept);
}

bool start_step(struct rules *r, struct op *op)
{
    struct start *s = (struct start *)op;
    switch (op->at) {
    case START_BEGIN:
        gather(r, s);
        if (s->count == 0)
            return false;
        return s->shared_count ? ask_holders(s) : ask_starts(s);
    case START_HOLDERS:
        s->holders = op->ask.holders;
        return next_shared(r, s);
    case START_WRITTEN:
        if (!op->ask.yes)
            return ask_again(s);
        pass_shared(r, s);
        return next_shared(r, s);
    case START_AGAIN:
        s->holders[s->at_shared] = op->ask.holders[0];
        s->tries++;
        return next_shared(r, s);
    case START_STARTED:
        s->now = op->ask.now;
        if (must_find(s))
            return ask_found(r, s);
        for (size_t i = 0; i < s->count; i++)
            s->won[i] = true;
        return ask_orders(s);
    case START_FOUND:
        decide_won(r, s);
        return ask_orders(s);
    case START_ORDERS:
        for (size_t i = 0; i < s->count && !r->dead; i++)
            conclude_one(r, s, i);
        return false;
    }
    return false;
}
