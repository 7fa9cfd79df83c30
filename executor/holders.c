/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holders: a max_running that several groups share. Who uses it up stands in one document per selector, changed by compare-and-set on its
 * rev, keyed by job, attempt and instance. start.c takes places before the start is written, so there are never too many; here they are given up
 * once the end is acknowledged, waited for, and swept: a place whose run is not running with that attempt any more, or whose start
 * can't come because its executor is gone, is free.
 */
#include <string.h>

#include "executor/rules_private.h"

static bool is_ours(const struct rules *r, const struct holder *h, const struct uuid *id, int64_t attempt)
{
    return h->attempt == attempt && uuid_equal(&h->id, id) && bytes_equal_text(h->instance, r->instance);
}

bool holders_have(const struct rules *r, const struct holders *h, const struct uuid *id, int64_t attempt)
{
    for (size_t i = 0; i < h->count; i++)
        if (is_ours(r, &h->items[i], id, attempt))
            return true;
    return false;
}

void holders_add(struct holders *h, const struct holder *item, struct arena *a)
{
    struct holder *items = arena_array(a, h->count + 1, sizeof *items);
    if (h->count)
        memcpy(items, h->items, h->count * sizeof *items);
    items[h->count++] = *item;
    h->items = items;
}

static void copy_selector(char out[LIMITS_SELECTOR_MAX], struct bytes selector)
{
    size_t n = selector.len < LIMITS_SELECTOR_MAX ? selector.len : LIMITS_SELECTOR_MAX - 1;
    memcpy(out, selector.data, n);
    out[n] = '\0';
}

void holders_remember(struct rules *r, struct bytes selector, int64_t max)
{
    for (size_t i = 0; i < r->gates.count; i++)
        if (bytes_equal_text(selector, r->gates.items[i].selector)) {
            r->gates.items[i].max = max;
            return;
        }
    struct shared_gate gate = {.max = max};
    copy_selector(gate.selector, selector);
    LIST_ADD(r->gates, gate);
}

static const struct shared_gate *gate_of(const struct rules *r, struct bytes selector)
{
    for (size_t i = 0; i < r->gates.count; i++)
        if (bytes_equal_text(selector, r->gates.items[i].selector))
            return &r->gates.items[i];
    return NULL;
}

static void open_gate(struct rules *r, const struct holders *h)
{
    const struct shared_gate *gate = gate_of(r, h->selector);
    if (gate)
        scheduler_gate_open(
            r->scheduler, h->selector, gate->max > (int64_t)h->count ? (size_t)gate->max - h->count : 0);
}

/* ---- giving up places ---- */

void holders_took(struct rules *r, struct bytes selector, const struct task *t)
{
    struct holder_place place = {.id = t->id, .attempt = t->attempt};
    copy_selector(place.selector, selector);
    LIST_ADD(r->places, place);
}

void holders_drop(struct rules *r, const struct task *t)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->places.count; i++) {
        struct holder_place place = r->places.items[i];
        if (place.attempt == t->attempt && uuid_equal(&place.id, &t->id))
            LIST_ADD(r->drops, place);
        else
            r->places.items[kept++] = place;
    }
    r->places.count = kept;
}

static bool is_place(const struct holder_place *p, struct bytes selector, const struct task *t)
{
    return p->attempt == t->attempt && uuid_equal(&p->id, &t->id) && bytes_equal_text(selector, p->selector);
}

bool holders_are_dropping(const struct rules *r, struct bytes selector, const struct task *t)
{
    for (size_t i = 0; i < r->drops.count; i++)
        if (is_place(&r->drops.items[i], selector, t))
            return true;
    for (size_t i = 0; i < r->dropping.count; i++)
        if (is_place(&r->dropping.items[i], selector, t))
            return true;
    return false;
}

/* Works on r->dropping: all of one selector. */
struct drop {
    struct op op;
    struct bytes selector;
};
const size_t drop_size = sizeof(struct drop);

/* Takes out the drops of the first one's selector. */
static void take_drops(struct rules *r, struct drop *d)
{
    size_t kept = 0, n = r->drops.count;
    d->selector = arena_copy(&d->op.memory, bytes_of(r->drops.items[0].selector));
    for (size_t i = 0; i < n; i++)
        if (bytes_equal_text(d->selector, r->drops.items[i].selector))
            LIST_ADD(r->dropping, r->drops.items[i]);
        else
            r->drops.items[kept++] = r->drops.items[i];
    r->drops.count = kept;
}

static bool ask_drop_holders(struct drop *d)
{
    d->op.ask.kind = ASK_HOLDERS;
    d->op.ask.names = &d->selector;
    d->op.ask.count = 1;
    d->op.at = 1;
    return true;
}

static bool ask_without(struct rules *r, struct drop *d)
{
    struct holders *h = &d->op.ask.holders[0];
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++) {
        bool dropped = false;
        for (size_t k = 0; k < r->dropping.count && !dropped; k++)
            dropped = is_ours(r, &h->items[i], &r->dropping.items[k].id, r->dropping.items[k].attempt);
        if (!dropped)
            h->items[kept++] = h->items[i];
    }
    bool changed = kept != h->count;
    h->count = kept;
    d->op.ask.kind = ASK_HOLDERS_WRITE;
    d->op.ask.count = 1;
    d->op.at = 2;
    return changed;
}

bool drop_step(struct rules *r, struct op *op)
{
    struct drop *d = (struct drop *)op;
    switch (op->at) {
    case 0:
        if (r->drops.count == 0)
            return false;
        take_drops(r, d);
        return ask_drop_holders(d);
    case 1:
        if (ask_without(r, d))
            return true;
        break;
    case 2:
        if (!op->ask.yes)
            return ask_drop_holders(d); /* another was faster */
        break;
    }
    r->dropping.count = 0;
    open_gate(r, &op->ask.holders[0]);
    return false;
}

/* ---- waiting for places ---- */

bool gates_step(struct rules *r, struct op *op)
{
    struct ask *ask = &op->ask;
    if (op->at++ == 0) {
        size_t cursor = 0;
        struct bytes selector;
        ask->kind = ASK_HOLDERS;
        ask->names = arena_array(&op->memory, r->gates.count, sizeof *ask->names);
        ask->count = 0;
        while (ask->count < r->gates.count && scheduler_next_gate(r->scheduler, &cursor, &selector))
            ask->names[ask->count++] = arena_copy(&op->memory, selector);
        return ask->count > 0;
    }
    for (size_t i = 0; i < ask->count; i++)
        open_gate(r, &ask->holders[i]);
    return false;
}

/* ---- the sweep: places of runs that are not running, and of the dead ---- */

enum { SWEEP_BEGIN, SWEEP_HOLDERS, SWEEP_FOUND, SWEEP_LEASES, SWEEP_WRITTEN };

struct sweep {
    struct op op;
    size_t at_gate;
    struct holders held; /* of the present gate */
    struct runs runs;
};
const size_t sweep_size = sizeof(struct sweep);

static bool ask_swept_holders(struct rules *r, struct sweep *s)
{
    struct ask *ask = &s->op.ask;
    if (s->at_gate >= r->gates.count)
        return false;
    ask->kind = ASK_HOLDERS;
    ask->names = arena_array(&s->op.memory, 1, sizeof *ask->names);
    ask->names[0] = arena_copy(&s->op.memory, bytes_of(r->gates.items[s->at_gate].selector));
    ask->count = 1;
    s->op.at = SWEEP_HOLDERS;
    return true;
}

static bool next_gate(struct rules *r, struct sweep *s)
{
    s->at_gate++;
    return ask_swept_holders(r, s);
}

static bool ask_swept_runs(struct rules *r, struct sweep *s)
{
    struct ask *ask = &s->op.ask;
    s->held = ask->holders[0];
    if (s->held.count == 0)
        return next_gate(r, s);
    ask->kind = ASK_FIND;
    ask->with_payload = false;
    ask->ids = arena_array(&s->op.memory, s->held.count, sizeof *ask->ids);
    ask->count = s->held.count;
    for (size_t i = 0; i < s->held.count; i++)
        ask->ids[i] = s->held.items[i].id;
    s->op.at = SWEEP_FOUND;
    return true;
}

static bool ask_swept_leases(struct sweep *s)
{
    struct ask *ask = &s->op.ask;
    s->runs = ask->runs;
    runs_sort(&s->runs);
    ask->kind = ASK_LEASES;
    ask->names = arena_array(&s->op.memory, s->held.count, sizeof *ask->names);
    ask->count = s->held.count;
    for (size_t i = 0; i < s->held.count; i++)
        ask->names[i] = s->held.items[i].instance;
    s->op.at = SWEEP_LEASES;
    return true;
}

static void suspect(struct rules *r, struct bytes instance)
{
    struct suspect s = {""};
    if (instance.len >= sizeof s.instance || bytes_equal_text(instance, r->instance))
        return;
    memcpy(s.instance, instance.data, instance.len);
    LIST_ADD(r->suspects, s);
}

/* A start that is still to come, or never will, keeps its place while its executor's lease lasts; nobody else may be watching that
 * one. A run that a late write of the dead made `running` is told to its group, which may wait for this very place. */
static bool is_stale(
    struct rules *r, const struct run *run, const struct holder *h, const struct lease_seen *lease)
{
    bool gone = lease->over || !lease->exists;
    if (!run || run->state == RUN_ENDED || run->attempt > h->attempt)
        return true;
    if (run->attempt == h->attempt && (run->state != RUN_RUNNING || !bytes_equal(run->instance, h->instance)))
        return true;
    if (!gone)
        suspect(r, h->instance);
    else if (run->attempt == h->attempt)
        rules_look(r, run->group, run->partition);
    return gone && run->attempt < h->attempt;
}

static bool ask_swept_write(struct rules *r, struct sweep *s)
{
    struct ask *ask = &s->op.ask;
    size_t kept = 0, before = s->held.count;
    for (size_t i = 0; i < before; i++)
        if (!is_stale(r, runs_of(&s->runs, &s->held.items[i].id), &s->held.items[i], &ask->leases[i]))
            s->held.items[kept++] = s->held.items[i];
    s->held.count = kept;
    if (kept == before)
        return next_gate(r, s);
    ask->kind = ASK_HOLDERS_WRITE;
    ask->holders = &s->held;
    ask->count = 1;
    s->op.at = SWEEP_WRITTEN;
    return true;
}

bool sweep_step(struct rules *r, struct op *op)
{
    struct sweep *s = (struct sweep *)op;
    switch (op->at) {
    case SWEEP_BEGIN:
        r->suspects.count = 0;
        return ask_swept_holders(r, s);
    case SWEEP_HOLDERS:
        return ask_swept_runs(r, s);
    case SWEEP_FOUND:
        return ask_swept_leases(s);
    case SWEEP_LEASES:
        return ask_swept_write(r, s);
    case SWEEP_WRITTEN:
        if (op->ask.yes)
            open_gate(r, &s->held);
        return next_gate(r, s);
    }
    return false;
}
