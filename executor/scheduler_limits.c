/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler: time, limits, holds, engine slots and shared gates. */
#include "executor/scheduler.h"

#include "core/error.h"
#include "executor/settle.h"

/* ---- time ---- */

void scheduler_time(struct scheduler *s, int64_t now_utc)
{
    struct waiting w;
    struct group *g;
    s->now = now_utc;
    while ((g = alarms_take_due(&s->alarms, now_utc, &w)) != NULL) {
        if (!window_insert(&g->window, s->options.window, &w, false, s->options.drop))
            waiting_release(&w, s->options.drop); /* it lies among those that only the ledger knows */
        group_settle(s, g);
    }
}

int64_t scheduler_next_time(const struct scheduler *s)
{
    return alarms_next(&s->alarms);
}

/* ---- limits ---- */

void scheduler_limits(struct scheduler *s, const struct limits *l)
{
    struct group *g, *next;
    s->limits = l;
    HASH_ITER (hh, s->groups.by_name, g, next) {
        group_take_limits(g, l);
    }
    HASH_ITER (hh, s->groups.by_name, g, next) {
        group_settle(s, g);
    }
}

void scheduler_engine_slots(struct scheduler *s, struct bytes engine, size_t limit)
{
    struct gate *gate = gates_engine(&s->gates, engine);
    gate->limited = true;
    gate->limit = limit;
    gate_give_tickets(s, gate);
}

/* ---- holds ---- */

void scheduler_hold(struct scheduler *s, struct bytes group)
{
    if (holds_find(&s->groups, group))
        return;
    holds_add(&s->groups, group);
    struct group *g = groups_find(&s->groups, group);
    if (!g)
        return;
    groups_mark_held(&s->groups, g, true);
    group_settle(s, g);
}

static void release(struct scheduler *s, struct hold *h)
{
    struct group *g = groups_find(&s->groups, (struct bytes){h->name, h->name_len});
    holds_remove(&s->groups, h);
    if (!g)
        return;
    groups_mark_held(&s->groups, g, false);
    group_doubt(g);
    group_settle(s, g);
}

void scheduler_holds(struct scheduler *s, const struct bytes *groups, size_t count)
{
    struct hold *h, *next;
    HASH_ITER (hh, s->groups.holds, h, next) {
        h->kept = false;
    }
    for (size_t i = 0; i < count; i++) {
        scheduler_hold(s, groups[i]);
        holds_find(&s->groups, groups[i])->kept = true;
    }
    HASH_ITER (hh, s->groups.holds, h, next) {
        if (!h->kept)
            release(s, h);
    }
}

bool scheduler_is_held(const struct scheduler *s, struct bytes group)
{
    return holds_find(&s->groups, group) != NULL;
}

/* ---- shared gates ---- */

bool scheduler_next_gate(struct scheduler *s, size_t *cursor, struct bytes *selector)
{
    const struct gate *g = pile_next(&s->gates.closed, cursor);
    if (!g)
        return false;
    *selector = g->name;
    return true;
}

void scheduler_gate_open(struct scheduler *s, struct bytes selector, size_t free)
{
    struct gate *g = gates_shared(&s->gates, selector);
    if (g)
        gate_let_pass(s, g, free);
}
