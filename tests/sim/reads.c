/* SPDX-License-Identifier: Apache-2.0 */
/* reads: what the reading statements of core/ledger.h answer. Each sees all documents as they are at its moment. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

/* ---- runs ---- */

/* Everything in memory of the asker's, so that what is used too long is seen by a sanitizer. */
static void tell_run(struct arena *a, const struct sim_job *j, bool with_payload, struct run *out)
{
    const struct document *d = &j->run;
    *out = (struct run){.id = j->id,
        .partition = d->partition,
        .seq = d->seq,
        .group = arena_copy(a, d->group),
        .engine = arena_copy(a, j->engine),
        .state = d->state,
        .attempt = d->attempt,
        .tries = d->tries,
        .lost = d->lost,
        .instance = arena_copy(a, d->instance),
        .out = d->out[0] ? arena_copy(a, bytes_of(d->out)) : BYTES_NONE,
        .reason = arena_copy(a, bytes_of(d->reason)),
        .queued_at = d->queued_at,
        .started_at = d->started_at,
        .wake_at = d->wake_at,
        .retry_at = d->retry_at};
    out->outs = arena_array(a, j->close_count + 1, sizeof *out->outs);
    for (size_t i = 0; i < j->close_count; i++)
        if (j->closes[i].to == RUN_QUEUED)
            out->outs[out->out_count++] = arena_copy(a, bytes_of(j->closes[i].out));
    if (!with_payload)
        return;
    if (d->has_payload)
        out->payload = arena_copy(a, j->payload);
    out->nodes = arena_array(a, NODES_MAX, sizeof *out->nodes);
    for (int n = 0; n < NODES_MAX; n++)
        if (d->nodes[n].data)
            out->nodes[out->node_count++] =
                (struct run_node){arena_printf(a, "n%d", n), arena_copy(a, d->nodes[n])};
}

static int64_t seq_of(const struct sim_job *j)
{
    return j->run.seq;
}

static int64_t wake_of(const struct sim_job *j)
{
    return j->run.wake_at;
}

/* Runs in an order, as far as the limit. */
struct gathered {
    struct sim_job **jobs;
    size_t count, limit;
    int64_t (*key)(const struct sim_job *);
};

static void gather(struct gathered *g, struct sim_job *j)
{
    if (g->limit && g->count == g->limit && g->key(g->jobs[g->count - 1]) <= g->key(j))
        return;
    size_t at = g->limit && g->count == g->limit ? g->count - 1 : g->count++;
    for (; at > 0 && g->key(g->jobs[at - 1]) > g->key(j); at--)
        g->jobs[at] = g->jobs[at - 1];
    g->jobs[at] = j;
}

static bool unfinished(const struct sim_job *j)
{
    return j->run.exists && j->run.state != RUN_ENDED;
}

static bool wakes(const struct ask *q, const struct sim_job *j)
{
    if (!unfinished(j) || j->run.state == RUN_RUNNING || j->run.wake_at == NO_TIME ||
        j->run.wake_at > q->now || j->run.wake_at < q->after)
        return false;
    for (size_t i = 0; i < q->count; i++)
        if (q->partitions[i] == j->run.partition)
            return true;
    return false;
}

static bool is_asked_for(const struct statement *st, const struct sim_job *j)
{
    const struct ask *q = st->q;
    switch (q->kind) {
    case ASK_PAGE:
        return unfinished(j) && j->run.partition == q->partition && j->run.seq > q->after &&
               (!BUG(SCAN_BY_STATE) || (j->run.state == RUN_RUNNING) == (st->step == 0));
    case ASK_LOOK:
        return unfinished(j) && j->run.state != RUN_DELAYED && bytes_equal(j->run.group, q->group);
    case ASK_GROUP:
        return unfinished(j) && j->run.seq > q->after && bytes_equal(j->run.group, q->group);
    case ASK_MINE:
        return unfinished(j) && j->run.state == RUN_RUNNING &&
               bytes_equal_text(j->run.instance, st->writer->name);
    case ASK_WAKE:
        return wakes(q, j);
    case ASK_FIND:
    case ASK_INSERT:
    case ASK_DUE:
    case ASK_START:
    case ASK_CLOSE:
    case ASK_NODE:
    case ASK_OUTCOME:
    case ASK_SETTLE:
    case ASK_UNSENT:
    case ASK_ORDERS:
    case ASK_CANCELS:
    case ASK_HOLDS:
    case ASK_HOLD:
    case ASK_RENEW:
    case ASK_LEASES:
    case ASK_END_LEASE:
    case ASK_HOLDERS:
    case ASK_HOLDERS_WRITE:
    case ASK_KINDS:
        break;
    }
    return false;
}

static void read_runs(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct arena *a = st->a->memory;
    struct gathered g = {.jobs = arena_array(&s->memory, (size_t)s->job_count + 1, sizeof(struct sim_job *)),
        .limit = q->kind == ASK_MINE ? 0 : q->limit,
        .key = q->kind == ASK_WAKE ? wake_of : seq_of};
    for (int i = 0; i < s->job_count; i++)
        if (is_asked_for(st, &s->jobs[i]))
            gather(&g, &s->jobs[i]);
    struct runs *out = &st->a->runs;
    *out = (struct runs){arena_array(a, g.count ? g.count : 1, sizeof *out->items), g.count};
    for (size_t i = 0; i < g.count; i++)
        tell_run(a, g.jobs[i], q->kind == ASK_WAKE, &out->items[i]);
    s->coverage.window_full += q->kind == ASK_LOOK && g.count == q->limit;
}

/* The bug: first those that run, then, later, the others. */
static bool page_by_state(struct sim *s, struct statement *st)
{
    struct runs first = st->a->runs;
    read_runs(s, st);
    if (st->step++ == 0)
        return false;
    struct runs second = st->a->runs, *out = &st->a->runs;
    out->items = arena_array(st->a->memory, first.count + second.count + 1, sizeof *out->items);
    out->count = 0;
    for (size_t i = 0, k = 0; i < first.count || k < second.count;) {
        bool from_first = k == second.count || (i < first.count && first.items[i].seq < second.items[k].seq);
        out->items[out->count++] = from_first ? first.items[i++] : second.items[k++];
    }
    if (out->count > st->q->limit)
        out->count = st->q->limit;
    return true;
}

static void find(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct runs *out = &st->a->runs;
    *out = (struct runs){arena_array(st->a->memory, q->count ? q->count : 1, sizeof *out->items), 0};
    for (size_t i = 0; i < q->count; i++) {
        struct sim_job *j = plan_job(s, &q->ids[i]);
        bool twice = false;
        for (size_t k = 0; k < i && !twice; k++)
            twice = memcmp(&q->ids[k], &q->ids[i], sizeof q->ids[i]) == 0;
        if (!j->run.exists || twice)
            continue;
        s->coverage.read_ahead += q->with_payload && j->run.state == RUN_QUEUED;
        tell_run(st->a->memory, j, q->with_payload, &out->items[out->count++]);
    }
    for (size_t i = out->count; i > 1; i--) { /* in no order */
        size_t k = (size_t)sim_in(s, 0, (int64_t)i - 1);
        struct run run = out->items[i - 1];
        out->items[i - 1] = out->items[k];
        out->items[k] = run;
    }
    if (q->bytes_max && out->count > 1) /* payloads are as large as they like */
        out->count = (size_t)sim_in(s, 1, (int64_t)out->count);
}

/* ---- outcomes, orders, leases, holders ---- */

static void unsent(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct ask *a = st->a;
    a->unsents = arena_array(a->memory, q->limit, sizeof *a->unsents);
    a->found = 0;
    while (s->first_unsent < s->outcome_count && !s->outcomes[s->first_unsent]->unsent)
        s->first_unsent++;
    for (size_t i = s->first_unsent; i < s->outcome_count && a->found < q->limit; i++) {
        const struct outcome *o = s->outcomes[i];
        if (!o->unsent || o->at >= q->older_than)
            continue;
        struct unsent *u = &a->unsents[a->found++];
        u->id = arena_copy(a->memory, bytes_of(o->id));
        u->count = o->count;
        u->lines = arena_array(a->memory, o->count, sizeof *u->lines);
        for (size_t k = 0; k < o->count; k++) {
            u->lines[k] = o->lines[k];
            u->lines[k].group = arena_copy(a->memory, o->lines[k].group);
            u->lines[k].event = arena_copy(a->memory, o->lines[k].event);
        }
        s->coverage.unsent_found++;
    }
}

static void orders(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct ask *a = st->a;
    a->cancels = arena_array(a->memory, q->count, sizeof *a->cancels);
    a->holds = arena_array(a->memory, q->count, sizeof *a->holds);
    for (size_t i = 0; i < q->count; i++) {
        const struct sim_job *j = plan_job(s, &q->ids[i]);
        if (j->cancel)
            a->cancels[i] =
                (struct order_seen){true, arena_copy(a->memory, j->cancel_by), BYTES("enough"), s->now};
        if (q->groups && plan_group(s, q->groups[i])->held)
            a->holds[i] = (struct order_seen){true, BYTES("somebody"), BYTES("wait"), s->now};
    }
}

static void cancels(struct sim *s, struct statement *st)
{
    struct ask *a = st->a;
    a->ids = arena_array(a->memory, (size_t)s->job_count + 1, sizeof *a->ids);
    a->found = 0;
    for (int i = 0; i < s->job_count; i++)
        if (s->jobs[i].cancel && s->jobs[i].cancel_at >= st->q->after &&
            s->jobs[i].cancel_at < st->q->older_than)
            a->ids[a->found++] = s->jobs[i].id;
    s->coverage.cancels_again += (int64_t)a->found;
}

static void holds(struct sim *s, struct statement *st)
{
    struct ask *a = st->a;
    a->names = arena_array(a->memory, GROUPS_MAX, sizeof *a->names);
    a->found = 0;
    for (int i = 0; i < s->group_count; i++)
        if (s->groups[i].held)
            a->names[a->found++] = arena_copy(a->memory, s->groups[i].name);
    st->yes = st->writer->drain_asked;
}

static void leases(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct ask *a = st->a;
    const struct life *l;
    a->leases = arena_array(a->memory, q->count ? q->count : 1, sizeof *a->leases);
    for (size_t i = 0; i < q->count; i++) {
        a->leases[i].instance = arena_copy(a->memory, q->names[i]);
        TAILQ_FOREACH (l, &s->lives, all)
            if (l->enlisted && bytes_equal_text(q->names[i], l->name)) {
                a->leases[i].exists = true;
                a->leases[i].over = l->over;
                a->leases[i].counter = l->counter;
            }
    }
}

static void holders(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct ask *a = st->a;
    a->holders = arena_array(a->memory, q->count ? q->count : 1, sizeof *a->holders);
    for (size_t i = 0; i < q->count; i++) {
        const struct holders *h = &plan_gate(s, q->names[i])->holders;
        a->holders[i] = (struct holders){.selector = arena_copy(a->memory, q->names[i]), .rev = h->rev};
        a->holders[i].items = arena_array(a->memory, h->count ? h->count : 1, sizeof *h->items);
        a->holders[i].count = h->count;
        for (size_t k = 0; k < h->count; k++) {
            a->holders[i].items[k] = h->items[k];
            a->holders[i].items[k].instance = arena_copy(a->memory, h->items[k].instance);
        }
    }
}

/* ---- all ---- */

bool reads_apply(struct sim *s, struct statement *st)
{
    if (!st->a) /* nobody waits for it any more */
        return true;
    switch (st->q->kind) {
    case ASK_PAGE:
        if (BUG(SCAN_BY_STATE))
            return page_by_state(s, st);
        read_runs(s, st);
        return true;
    case ASK_LOOK:
    case ASK_GROUP:
    case ASK_MINE:
    case ASK_WAKE:
        read_runs(s, st);
        return true;
    case ASK_FIND:
        find(s, st);
        return true;
    case ASK_UNSENT:
        unsent(s, st);
        return true;
    case ASK_ORDERS:
        orders(s, st);
        return true;
    case ASK_CANCELS:
        cancels(s, st);
        return true;
    case ASK_HOLDS:
        holds(s, st);
        return true;
    case ASK_LEASES:
        leases(s, st);
        return true;
    case ASK_HOLDERS:
        holders(s, st);
        return true;
    case ASK_INSERT:
    case ASK_DUE:
    case ASK_START:
    case ASK_CLOSE:
    case ASK_NODE:
    case ASK_OUTCOME:
    case ASK_SETTLE:
    case ASK_HOLD:
    case ASK_RENEW:
    case ASK_END_LEASE:
    case ASK_HOLDERS_WRITE:
    case ASK_KINDS:
        break;
    }
    return true;
}
