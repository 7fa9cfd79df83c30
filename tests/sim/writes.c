/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writes: what the writing statements of core/ledger.h do to the documents. One document at a time: others' statements come between the
 * items of a bulk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* ---- runs ---- */

static void begun(struct sim *s, struct sim_job *j, struct life *writer, int64_t now)
{
    j->run.instance = bytes_of(writer->name);
    j->run.started_at = now;
    j->begun_at = s->now;
    NOTE(s, writer->name, "ledger: job %d of %.*s runs, attempt %lld", j->number, BYTES_ARG(j->group->name),
        (long long)j->run.attempt);
    check_begun(s, j, writer);
}

static void remember_close(struct sim_job *j, int64_t attempt, enum run_state from, const char *out)
{
    if (j->close_count == j->close_cap) {
        j->close_cap = j->close_cap ? 2 * j->close_cap : 4;
        j->closes = realloc(j->closes, j->close_cap * sizeof *j->closes);
        MUST(j->closes);
    }
    struct close_done *done = &j->closes[j->close_count++];
    *done = (struct close_done){.attempt = attempt, .from = from, .to = j->run.state};
    snprintf(done->out, sizeof done->out, "%s", out);
}

static void insert_item(struct sim *s, struct statement *st, size_t i)
{
    const struct run_insert *item = &st->q->inserts[i];
    struct sim_job *j = plan_job(s, &item->id);
    struct document *d = &j->run;
    if (d->exists) {
        if (st->duplicates)
            st->duplicates[i] = true;
        s->coverage.duplicate++;
        return;
    }
    bool runs = item->state == RUN_RUNNING, ended = item->state == RUN_ENDED;
    *d = (struct document){.exists = true,
        .has_payload = !ended,
        .state = item->state,
        .partition = item->partition,
        .seq = item->seq,
        .attempt = runs,
        .tries = runs,
        .group = j->group->name,
        .queued_at = st->q->now,
        .started_at = NO_TIME,
        .wake_at = runs || ended ? NO_TIME : item->wake_at,
        .retry_at = NO_TIME};
    if (st->duplicates)
        st->duplicates[i] = false;
    if (!bytes_equal(item->group, j->group->name) || !bytes_equal(item->engine, j->engine) ||
        (!ended && !bytes_equal(item->payload, j->payload)))
        complain(s, j, "inserted with a group, an engine or a payload that is not its own");
    NOTE(s, st->writer->name, "ledger: job %d of %.*s inserted as %s, seq %lld", j->number,
        BYTES_ARG(j->group->name), run_state_name(d->state), (long long)d->seq);
    s->coverage.delayed += item->state == RUN_DELAYED;
    if (ended) {
        snprintf(d->out, sizeof d->out, "%s", st->q->outcome);
        s->coverage.refusal++;
        remember_close(j, 0, RUN_STATES, d->out);
    }
    if (runs) {
        s->coverage.launch_at_intake++;
        begun(s, j, st->writer, st->q->now);
    }
}

static void due_item(struct sim *s, struct statement *st, size_t i)
{
    const struct run_due *item = &st->q->dues[i];
    struct sim_job *j = plan_job(s, &item->id);
    struct document *d = &j->run;
    if (!d->exists || d->state != RUN_DELAYED)
        return;
    d->state = RUN_QUEUED;
    d->seq = item->seq;
    d->wake_at = item->wake_at;
    d->queued_at = st->q->now;
    NOTE(s, st->writer->name, "ledger: job %d of %.*s is due, seq %lld", j->number, BYTES_ARG(j->group->name),
        (long long)d->seq);
}

static void start_item(struct sim *s, struct statement *st, size_t i)
{
    const struct run_start *item = &st->q->starts[i];
    struct sim_job *j = plan_job(s, &item->id);
    struct document *d = &j->run;
    if (!d->exists || d->state != RUN_QUEUED || d->attempt != item->attempt)
        return;
    d->state = RUN_RUNNING;
    d->attempt++;
    d->tries++;
    d->wake_at = d->retry_at = NO_TIME;
    d->reason = NULL;
    st->modified++;
    begun(s, j, st->writer, st->q->now);
}

static void requeue(struct sim *s, struct document *d, const struct run_close *c)
{
    d->state = RUN_QUEUED;
    d->reason = arena_text(&s->memory, bytes_of(c->reason));
    d->retry_at = c->retry_at;
    d->tries -= c->uncharged;
    d->lost += c->lost;
    s->coverage.retry += strcmp(c->reason, "retry") == 0;
    s->coverage.lost += strcmp(c->reason, "lost") == 0;
    s->coverage.drain_requeued += strcmp(c->reason, "drained") == 0;
    s->coverage.forgotten += strcmp(c->reason, "forgotten") == 0;
    s->coverage.held_requeued += strcmp(c->reason, "held") == 0;
    if (BUG(ATTEMPT_REUSED) && strcmp(c->reason, "drained") == 0)
        d->attempt--;
}

static void close_item(struct sim *s, struct statement *st, size_t i)
{
    const struct run_close *c = &st->q->closes[i];
    struct sim_job *j = plan_job(s, &c->id);
    struct document *d = &j->run;
    if (!d->exists || d->state != c->from || d->attempt != c->attempt ||
        (c->from == RUN_RUNNING && !bytes_equal(d->instance, c->instance)))
        return;
    if (c->to == RUN_QUEUED) {
        requeue(s, d, c);
    } else {
        d->state = RUN_ENDED;
        d->has_payload = false;
        d->wake_at = d->retry_at = NO_TIME;
        memset(d->nodes, 0, sizeof d->nodes);
        s->coverage.lost_failed += c->from == RUN_RUNNING && !bytes_equal_text(c->instance, st->writer->name);
    }
    snprintf(d->out, sizeof d->out, "%s", st->q->outcome);
    st->modified++;
    remember_close(j, c->attempt, c->from, d->out);
    NOTE(s, st->writer->name, "ledger: job %d of %.*s attempt %lld: %s -> %s (%s)", j->number,
        BYTES_ARG(j->group->name), (long long)c->attempt, run_state_name(c->from), run_state_name(c->to),
        c->to == RUN_QUEUED ? c->reason : d->out);
    check_closed(s, j, st->writer, c, d->out);
}

static void node(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct sim_job *j = plan_job(s, &q->ids[0]);
    struct document *d = &j->run;
    st->yes = d->exists && d->state == RUN_RUNNING && d->attempt == q->attempt &&
              bytes_equal_text(d->instance, st->writer->name);
    if (st->yes)
        d->nodes[q->node.id.data[1] - '0'] = arena_copy(&s->memory, q->node.event);
}

/* ---- outcomes ---- */

static struct outcome *outcome_find(const struct sim *s, struct bytes id)
{
    for (size_t i = s->outcome_count; i > 0; i--)
        if (bytes_equal_text(id, s->outcomes[i - 1]->id))
            return s->outcomes[i - 1];
    return NULL;
}

static void outcome(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    if (outcome_find(s, bytes_of(q->outcome)))
        return;
    struct outcome *o = arena_alloc(&s->memory, sizeof *o);
    memcpy(o->id, q->outcome, sizeof o->id);
    o->unsent = true;
    o->at = q->now;
    o->writer = st->writer;
    o->count = q->count;
    o->lines = arena_array(&s->memory, q->count, sizeof *o->lines);
    for (size_t i = 0; i < q->count; i++) {
        o->lines[i] = q->lines[i];
        o->lines[i].group = arena_copy(&s->memory, q->lines[i].group);
        o->lines[i].event = arena_copy(&s->memory, q->lines[i].event);
    }
    if (s->outcome_count == s->outcome_cap) {
        s->outcome_cap = s->outcome_cap ? 2 * s->outcome_cap : 64;
        s->outcomes = realloc(s->outcomes, s->outcome_cap * sizeof(struct outcome *));
        MUST(s->outcomes);
    }
    s->outcomes[s->outcome_count++] = o;
}

static void settle(struct sim *s, struct statement *st)
{
    for (size_t i = 0; i < st->q->count; i++) {
        struct outcome *o = outcome_find(s, st->q->names[i]);
        if (!o) {
            complain(s, NULL, "an outcome is settled that was never written");
            return;
        }
        o->unsent = false;
        NOTE(s, st->writer->name, "ledger: outcome %s is settled", o->id);
    }
}

/* ---- the rest ---- */

static void hold(struct sim *s, struct statement *st)
{
    for (size_t i = 0; i < st->q->count; i++) {
        struct sim_group *g = plan_group(s, st->q->names[i]);
        s->coverage.hold_by_failure += !g->held;
        g->held = true;
        NOTE(s, st->writer->name, "ledger: group %.*s is held after a failure", BYTES_ARG(g->name));
    }
}

static void renew(struct statement *st)
{
    struct life *l = st->writer;
    if (l->over && !BUG(LEASE_REVIVES)) {
        st->renewal = ASK_RENEW_OVER;
        return;
    }
    l->over = false;
    l->counter = st->q->counter;
    st->renewal = ASK_RENEWED;
}

static void end_lease(struct sim *s, struct statement *st)
{
    struct life *l;
    st->yes = true; /* also one that does not exist */
    TAILQ_FOREACH (l, &s->lives, all)
        if (l->enlisted && bytes_equal_text(st->q->names[0], l->name)) {
            if (!l->over && (st->q->counter < 0 || l->counter == st->q->counter)) {
                l->over = true;
                s->coverage.lease_ended++;
                NOTE(s, st->writer->name, "ledger: the lease of %s is over", l->name);
            }
            st->yes = l->over;
        }
}

static void holders_write(struct sim *s, struct statement *st)
{
    const struct holders *h = st->q->holders;
    struct shared_gate *g = plan_gate(s, h->selector);
    st->yes = g->holders.rev == h->rev;
    if (!st->yes) {
        s->coverage.holders_lost++;
        return;
    }
    for (size_t i = 0; i < g->holders.count; i++) {
        const struct holder *had = &g->holders.items[i];
        bool kept = false;
        for (size_t k = 0; k < h->count && !kept; k++)
            kept =
                memcmp(&had->id, &h->items[k].id, sizeof had->id) == 0 && had->attempt == h->items[k].attempt;
        s->coverage.holders_swept += !kept && !bytes_equal_text(had->instance, st->writer->name);
    }
    g->holders.rev++;
    g->holders.count = h->count;
    g->holders.items = arena_array(&s->memory, h->count ? h->count : 1, sizeof *h->items);
    for (size_t i = 0; i < h->count; i++) {
        g->holders.items[i] = h->items[i];
        g->holders.items[i].instance = arena_copy(&s->memory, h->items[i].instance);
    }
    NOTE(s, st->writer->name, "ledger: holders of %.*s: %zu", BYTES_ARG(g->selector), h->count);
}

/* ---- all ---- */

static bool bulk(struct sim *s, struct statement *st, void (*item)(struct sim *, struct statement *, size_t))
{
    while (st->next < st->q->count) {
        item(s, st, st->next++);
        if (st->next < st->q->count && sim_hits(s, s->weather.in_pieces))
            return false;
    }
    return true;
}

bool writes_apply(struct sim *s, struct statement *st)
{
    switch (st->q->kind) {
    case ASK_INSERT:
        return bulk(s, st, insert_item);
    case ASK_DUE:
        return bulk(s, st, due_item);
    case ASK_START:
        return bulk(s, st, start_item);
    case ASK_CLOSE:
        return bulk(s, st, close_item);
    case ASK_NODE:
        node(s, st);
        return true;
    case ASK_OUTCOME:
        outcome(s, st);
        return true;
    case ASK_SETTLE:
        settle(s, st);
        return true;
    case ASK_HOLD:
        hold(s, st);
        return true;
    case ASK_RENEW:
        renew(st);
        return true;
    case ASK_END_LEASE:
        end_lease(s, st);
        return true;
    case ASK_HOLDERS_WRITE:
        holders_write(s, st);
        return true;
    case ASK_PAGE:
    case ASK_LOOK:
    case ASK_GROUP:
    case ASK_FIND:
    case ASK_MINE:
    case ASK_WAKE:
    case ASK_UNSENT:
    case ASK_ORDERS:
    case ASK_HOLDS:
    case ASK_LEASES:
    case ASK_HOLDERS:
    case ASK_KINDS:
        break;
    }
    return true;
}
