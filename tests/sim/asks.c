/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asks: statements on their way. What may happen to one: it is slow; it is refused and repeated; it is done, the answer is lost, and the
 * repeat finds its own work; it is done a second time much later; its writer dies and it is done in time, late, half, or never.
 */
#include <string.h>

#include "tests/sim/sim.h"

enum { RENEW_PATIENCE_MS = 1000 };

bool ask_writes(enum ask_kind kind)
{
    static const bool writes[ASK_KINDS] = {
        [ASK_INSERT] = true,
        [ASK_DUE] = true,
        [ASK_START] = true,
        [ASK_CLOSE] = true,
        [ASK_NODE] = true,
        [ASK_OUTCOME] = true,
        [ASK_SETTLE] = true,
        [ASK_HOLD] = true,
        [ASK_RENEW] = true,
        [ASK_END_LEASE] = true,
        [ASK_HOLDERS_WRITE] = true,
    };
    return writes[kind];
}

/* ---- a question of its own, for when the rules' memory goes ---- */

static void *copy(struct sim *s, const void *items, size_t count, size_t size)
{
    void *own = arena_array(&s->memory, count ? count : 1, size);
    if (count)
        memcpy(own, items, count * size);
    return own;
}

static void copy_bytes(struct sim *s, struct bytes *b)
{
    *b = arena_copy(&s->memory, *b);
}

static void own_question(struct sim *s, struct statement *st)
{
    const struct ask *q = st->q;
    struct ask *own = &st->own;
    *own = *q;
    own->memory = NULL;
    size_t n = q->count;
    switch (q->kind) {
    case ASK_INSERT:
        own->inserts = copy(s, q->inserts, n, sizeof *q->inserts);
        for (size_t i = 0; i < n; i++) {
            copy_bytes(s, &own->inserts[i].group);
            copy_bytes(s, &own->inserts[i].engine);
            copy_bytes(s, &own->inserts[i].payload);
        }
        break;
    case ASK_DUE:
        own->dues = copy(s, q->dues, n, sizeof *q->dues);
        break;
    case ASK_START:
        own->starts = copy(s, q->starts, n, sizeof *q->starts);
        break;
    case ASK_CLOSE:
        own->closes = copy(s, q->closes, n, sizeof *q->closes);
        for (size_t i = 0; i < n; i++)
            copy_bytes(s, &own->closes[i].instance);
        break;
    case ASK_OUTCOME:
        own->lines = copy(s, q->lines, n, sizeof *q->lines);
        for (size_t i = 0; i < n; i++) {
            copy_bytes(s, &own->lines[i].group);
            copy_bytes(s, &own->lines[i].event);
        }
        break;
    case ASK_NODE:
        own->ids = copy(s, q->ids, 1, sizeof *q->ids);
        copy_bytes(s, &own->node.id);
        copy_bytes(s, &own->node.event);
        break;
    case ASK_END_LEASE:
        n = 1;
        /* fall through */
    case ASK_SETTLE:
    case ASK_HOLD:
        own->names = copy(s, q->names, n, sizeof *q->names);
        for (size_t i = 0; i < n; i++)
            copy_bytes(s, &own->names[i]);
        break;
    case ASK_HOLDERS_WRITE:
        own->holders = copy(s, q->holders, 1, sizeof *q->holders);
        copy_bytes(s, &own->holders->selector);
        own->holders->items = copy(s, q->holders->items, q->holders->count, sizeof *q->holders->items);
        for (size_t i = 0; i < own->holders->count; i++)
            copy_bytes(s, &own->holders->items[i].instance);
        break;
    case ASK_RENEW:
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
    st->q = own;
}

/* ---- there ---- */

static int64_t way(struct sim *s, const struct life *l)
{
    int64_t ms = sim_in(s, 1, 8);
    if (sim_hits(s, s->weather.slow))
        ms += sim_in(s, 0, 9) < 9 ? sim_in(s, 50, 1000) : sim_in(s, 1500, 12000);
    if (sim_hits(s, s->weather.refused)) {
        s->coverage.refused++;
        ms += sim_in(s, 50, 2000);
    }
    if (!s->calm && s->now < s->outage_until)
        ms += s->outage_until - s->now;
    if (!s->calm && l && s->now < l->cut_until && sim_in(s, 0, 1))
        ms += l->cut_until - s->now;
    return ms;
}

/* While it trips, a renewal is answered late or done late. */
static int64_t trip(struct life *l, const struct ask *a)
{
    struct sim *s = l->sim;
    bool late = a->kind == ASK_RENEW && l->trips && sim_in(s, 0, 2) == 0;
    life_trip(l, a);
    return late ? sim_in(s, 1000, 14000) : 0;
}

static void ambush_start(struct sim *s, const struct uuid *id)
{
    struct sim_job *j = plan_job(s, id);
    if (j->ambush != AMBUSH_RUNNING)
        users_ambush(s, j);
}

static void ambush(struct sim *s, const struct ask *a)
{
    for (size_t i = 0; a->kind == ASK_INSERT && i < a->count; i++)
        if (a->inserts[i].state == RUN_RUNNING)
            ambush_start(s, &a->inserts[i].id);
    for (size_t i = 0; a->kind == ASK_START && i < a->count; i++)
        ambush_start(s, &a->starts[i].id);
}

static void repeat_late(struct life *l, const struct ask *a)
{
    struct sim *s = l->sim;
    struct statement *st = arena_alloc(&s->memory, sizeof *st);
    *st = (struct statement){.writer = l, .q = a, .sent_late = true};
    own_question(s, st);
    s->late++;
    s->coverage.repeated_late++;
    sim_push(s, s->now + sim_in(s, 10, sim_in(s, 0, 2) ? 2000 : 30000), HAPPEN_APPLY, NULL, st, 0);
}

void asks_give(struct life *l, struct ask *a)
{
    struct sim *s = l->sim;
    struct statement *st = arena_alloc(&s->memory, sizeof *st);
    *st = (struct statement){.life = l, .writer = l, .q = a, .a = a};
    TAILQ_INSERT_TAIL(&l->statements, st, out);
    a->performer = st;
    if (a->kind == ASK_INSERT)
        st->duplicates = arena_array(&s->memory, a->count ? a->count : 1, sizeof *st->duplicates);
    if (a->kind == ASK_RENEW) {
        own_question(s, st);
        sim_push(s, s->now + RENEW_PATIENCE_MS, HAPPEN_ANSWER, l, st, 1);
    }
    if (a->kind == ASK_LOOK || a->kind == ASK_GROUP)
        NOTE(s, l->name, "asks %s %.*s", ask_kind_names[a->kind], BYTES_ARG(a->group));
    else
        NOTE(s, l->name, "asks %s (%zu)", ask_kind_names[a->kind], a->count);
    sim_push(s, s->now + way(s, l) + trip(l, a), HAPPEN_APPLY, NULL, st, 0);
    if (ask_writes(a->kind) && sim_hits(s, s->weather.repeated_late))
        repeat_late(l, a);
    ambush(s, a);
}

/* ---- done ---- */

void asks_apply(struct sim *s, const struct happening *h)
{
    struct statement *st = h->what;
    if (st->dropped)
        return;
    if (h->number < st->own.older_than && !st->life && st->sent_late) { /* not before: see asks_orphan */
        sim_push(s, st->own.older_than, HAPPEN_APPLY, NULL, st, st->own.older_than);
        return;
    }
    if (ask_writes(st->q->kind) ? !writes_apply(s, st) : !reads_apply(s, st)) {
        s->coverage.in_pieces++;
        bool reads = !ask_writes(st->q->kind); /* only with a bug: it takes as long as many pages */
        sim_push(s,
            s->now + sim_in(s, 1,
                         reads             ? 1500
                         : sim_in(s, 0, 3) ? 30
                                           : 600),
            HAPPEN_APPLY, NULL, st, h->number);
        return;
    }
    st->applied = true;
    struct life *l = st->life;
    if (!l) {
        s->late--;
        s->coverage.late_write += st->writer->state == LIFE_ENDED;
        s->coverage.late_write_over += st->writer->over;
        NOTE(s, st->writer->name, "its late %s is applied: modified=%lld", ask_kind_names[st->q->kind],
            (long long)st->modified);
        return;
    }
    if (sim_hits(s, s->weather.answer_lost)) {
        s->coverage.answer_lost++;
        NOTE(s, l->name, "%s is done, its answer is lost", ask_kind_names[st->q->kind]);
        sim_push(s, s->now + sim_in(s, 20, 1500), HAPPEN_REPEAT, l, st, 0);
        return;
    }
    int64_t back = way(s, l);
    if (!s->calm && s->now < l->cut_until)
        back += l->cut_until - s->now;
    if (st->q->kind == ASK_RENEW && l->trips && !s->calm)
        back += sim_in(s, 100, 900);
    st->answer_at = s->now + back;
    sim_push(s, st->answer_at, HAPPEN_ANSWER, l, st, 0);
}

void asks_repeat(struct sim *s, const struct happening *h)
{
    struct statement *st = h->what;
    st->applied = false;
    st->repeated = true;
    st->next = 0;
    st->step = 0;
    st->modified = 0;
    sim_push(s, s->now + way(s, st->life), HAPPEN_APPLY, NULL, st, 0);
}

/* number 1: the patience of a renewal is over; one that is there all the same counts (both wait for a process that was frozen) */
void asks_answer(struct sim *s, const struct happening *h)
{
    struct statement *st = h->what;
    struct life *l = st->life;
    bool unanswered = h->number == 1 && !(st->answer_at && st->answer_at <= s->now);
    if (!l || st->answered)
        return;
    struct ask *a = st->a;
    st->answered = true;
    st->a = NULL;
    if (st->applied)
        TAILQ_REMOVE(&l->statements, st, out);
    a->ok = true;
    a->yes = st->yes;
    a->modified = st->modified;
    a->renewal = unanswered ? ASK_RENEW_UNANSWERED : st->renewal;
    for (size_t i = 0; st->duplicates && i < a->count; i++)
        a->inserts[i].duplicate = st->duplicates[i];
    if (a->kind == ASK_START && a->modified < (int64_t)a->count)
        *(st->repeated ? &s->coverage.start_refound : &s->coverage.start_lost) += 1;
    if (a->kind == ASK_CLOSE && a->modified < (int64_t)a->count)
        s->coverage.close_lost++;
    s->coverage.thaw_renewed +=
        a->renewal == ASK_RENEWED && a->kind == ASK_RENEW && life_now(l).boot_ms >= l->lease_until;
    s->coverage.lease_refused += a->kind == ASK_RENEW && a->renewal == ASK_RENEW_OVER;
    NOTE(s, l->name, "is answered %s: modified=%lld yes=%d runs=%zu", ask_kind_names[a->kind],
        (long long)a->modified, a->yes, a->runs.count);
    rules_answered(l->rules, a);
}

/* ---- the writer dies ---- */

void asks_orphan(struct life *l)
{
    struct sim *s = l->sim;
    struct statement *st, *next;
    for (st = TAILQ_FIRST(&l->statements); st; st = next) {
        next = TAILQ_NEXT(st, out);
        TAILQ_REMOVE(&l->statements, st, out);
        st->life = NULL;
        st->a = NULL;
        if (st->applied)
            continue;
        int64_t fate = s->calm ? 0 : sim_in(s, 0, 9);
        if (fate < 4 || !ask_writes(st->q->kind)) {
            st->dropped = true;
            s->coverage.half_bulk += st->next > 0;
            continue;
        }
        own_question(s, st);
        s->late++;
        if (fate >= 7) {
            st->sent_late = true;
            st->own.older_than = s->now + sim_in(s, 100, sim_in(s, 0, 1) ? 9000 : 40000);
        }
    }
}
