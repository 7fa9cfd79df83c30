/* SPDX-License-Identifier: Apache-2.0 */
/* settle: see the header. */
#include "executor/settle.h"

#include "core/error.h"

enum standing group_standing(const struct group *g)
{
    if (g->window.count == 0 && g->window.complete && !g->doubt && !g->looking)
        return STANDING_NOTHING_QUEUED;
    if (!g->partition->open)
        return STANDING_CLOSED;
    if (g->looking)
        return STANDING_LOOKING;
    if (g->doubt)
        return STANDING_DOUBT;
    if (g->held)
        return STANDING_HELD;
    if (g->starting)
        return STANDING_STARTING;
    if (group_taken(g) >= g->max_running)
        return STANDING_FULL;
    /* When the window is used up and the ledger has more, it must be looked at. */
    return g->window.count ? STANDING_READY : STANDING_DOUBT;
}

/* ---- looks ---- */

static void stand_in_looks(struct scheduler *s, struct group *g, bool wanted)
{
    if (wanted == g->in_looks)
        return;
    g->in_looks = wanted;
    if (wanted) {
        TAILQ_INSERT_TAIL(&s->looks, g, look);
        s->look_count++;
    } else {
        TAILQ_REMOVE(&s->looks, g, look);
        s->look_count--;
    }
}

/* ---- gates ---- */

static uint8_t pass_of(const struct group *g, struct bytes selector)
{
    for (uint8_t i = 0; i < g->shared_count; i++)
        if (bytes_equal(g->shared[i].selector, selector))
            return (uint8_t)(1U << i);
    return 0;
}

static struct gate *closed_shared_gate(const struct scheduler *s, const struct group *g)
{
    for (uint8_t i = 0; i < g->shared_count; i++) {
        struct gate *gate = gates_shared(&s->gates, g->shared[i].selector);
        if (gate && !(g->passes & 1U << i))
            return gate;
    }
    return NULL;
}

/* The gate before which the group's head stands, or NULL. */
static struct gate *closed_gate(const struct scheduler *s, const struct group *g)
{
    struct gate *shared = closed_shared_gate(s, g), *engine = window_first(&g->window)->engine;
    if (shared)
        return shared;
    return g->ticket != engine && gate_is_full(engine) ? engine : NULL;
}

static void wait_at(struct scheduler *s, struct group *g, struct gate *gate, bool first)
{
    ring_enter(&gate->ring, &g->node, first);
    g->gate = gate;
    s->gates.waiting++;
}

static void took_from_gate(struct scheduler *s, struct group *g)
{
    g->gate = NULL;
    s->gates.waiting--;
}

static void leave(struct scheduler *s, struct group *g)
{
    struct gate *gate = g->gate;
    ring_leave(&g->node);
    if (!gate)
        return;
    took_from_gate(s, g);
    gates_tidy(&s->gates, gate);
}

static void give_ticket_back(struct scheduler *s, struct group *g)
{
    struct gate *engine = g->ticket;
    if (!engine)
        return;
    g->ticket = NULL;
    engine->tickets--;
    gate_give_tickets(s, engine);
}

/* A group that waited at a gate lost its turns in the ring meanwhile, and what it waited for lies idle until its next one. So it
 * goes first, if its creator got nothing for as long as a whole round takes. */
static void enter_ring_from_gate(struct scheduler *s, struct group *g)
{
    size_t turns = s->ring.turns_done - g->node.creator->served_at;
    ring_enter(&s->ring, &g->node, turns >= ring_creators(&s->ring));
}

/* A ready group that stands nowhere: to a gate or to the ring. */
static void place(struct scheduler *s, struct group *g, bool first)
{
    struct gate *gate = closed_gate(s, g);
    if (!gate) {
        ring_enter(&s->ring, &g->node, false);
        return;
    }
    wait_at(s, g, gate, first);
    give_ticket_back(s, g);
}

void gate_give_tickets(struct scheduler *s, struct gate *engine)
{
    while (engine->ring.count && !gate_is_full(engine)) {
        struct group *g = ring_take(&engine->ring);
        s->steps++;
        took_from_gate(s, g);
        struct gate *shared = closed_shared_gate(s, g);
        if (shared) {
            wait_at(s, g, shared, false);
            continue;
        }
        g->ticket = engine;
        engine->tickets++;
        enter_ring_from_gate(s, g);
    }
}

void gate_let_pass(struct scheduler *s, struct gate *shared, size_t count)
{
    for (size_t n = count < shared->ring.count ? count : shared->ring.count; n; n--) {
        struct group *g = ring_take(&shared->ring);
        s->steps++;
        took_from_gate(s, g);
        g->passes |= pass_of(g, shared->name);
        if (closed_gate(s, g))
            place(s, g, false);
        else
            enter_ring_from_gate(s, g);
    }
    gates_tidy(&s->gates, shared);
}

struct group *ring_take_open(struct scheduler *s)
{
    struct group *g;
    while ((g = ring_first(&s->ring)) != NULL) {
        s->steps++;
        if (!closed_gate(s, g)) {
            (void)ring_take(&s->ring);
            g->node.creator->served_at = s->ring.turns_done;
            return g;
        }
        ring_leave(&g->node);
        place(s, g, false);
    }
    return NULL;
}

/* ---- settle ---- */

/* Does a ready group stand where it may stay? In the ring it may: what closed meanwhile is seen when its turn comes. */
static bool stands_well(const struct group *g)
{
    const struct gate *engine = window_first(&g->window)->engine;
    if (!g->node.ring || (g->ticket && g->ticket != engine))
        return false;
    if (!g->gate)
        return true;
    return g->gate->shared ? pass_of(g, g->gate->name) != 0 : g->gate == engine;
}

static void settle(struct scheduler *s, struct group *g, bool first)
{
    enum standing standing = group_standing(g);
    if (standing == STANDING_DOUBT)
        g->doubt = true;
    stand_in_looks(s, g, standing == STANDING_DOUBT);
    if (standing != STANDING_READY) {
        leave(s, g);
        g->passes = 0;
        give_ticket_back(s, g);
    } else if (!stands_well(g)) {
        leave(s, g);
        if (g->ticket && g->ticket != window_first(&g->window)->engine)
            give_ticket_back(s, g);
        place(s, g, first);
    }
    if (group_is_idle(g))
        groups_remove(&s->groups, g);
}

void group_settle(struct scheduler *s, struct group *g)
{
    settle(s, g, false);
}

void group_settle_first(struct scheduler *s, struct group *g)
{
    settle(s, g, true);
}
