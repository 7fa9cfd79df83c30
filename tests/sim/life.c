/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life: hosts and their lives. A life begins when its host's lock is free (everything of the former life is dead), enlists, and works
 * until it dies (crash, its own decision) or is drained. While it is frozen nothing reaches it; then everything does at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define UTC_BASE 1790000000000

/* ---- clocks ---- */

static int64_t boot_of(const struct host *h, int64_t now)
{
    return h->boot_base + now * h->rate / 1000;
}

struct moment life_now(const struct life *l)
{
    const struct sim *s = l->sim;
    return (struct moment){boot_of(l->host, s->now), UTC_BASE + s->now + l->host->utc_offset};
}

int64_t life_when(const struct life *l, int64_t boot_ms)
{
    const struct host *h = l->host;
    if (boot_ms - h->boot_base > INT64_MAX / 2000)
        return NEVER;
    int64_t at = (boot_ms - h->boot_base) * 1000 / h->rate;
    while (boot_of(h, at) < boot_ms)
        at++;
    return at;
}

int64_t sim_utc(const struct sim *s)
{
    return UTC_BASE + s->now;
}

/* ---- begin ---- */

static bool lock_is_free(const struct host *h)
{
    const struct child *c;
    if (h->life)
        TAILQ_FOREACH (c, &h->life->children, all)
            if (c->alive)
                return false;
    return true;
}

static struct life *life_new(struct sim *s, struct host *h)
{
    struct life *l = arena_alloc(&s->memory, sizeof *l);
    l->sim = s;
    l->host = h;
    snprintf(l->name, sizeof l->name, "h%d-%d", h->number, ++h->lives);
    TAILQ_INIT(&l->children);
    TAILQ_INIT(&l->statements);
    TAILQ_INSERT_TAIL(&s->lives, l, all);
    l->turn_at = NEVER;
    return l;
}

void life_begin(struct sim *s, const struct happening *happening)
{
    struct host *h = happening->what;
    if (s->ending || (h->life && h->life->state != LIFE_ENDED))
        return;
    if (!lock_is_free(h)) {
        sim_push(s, s->now + 50, HAPPEN_BEGIN, NULL, h, 0);
        return;
    }
    struct life *former = h->life, *l = life_new(s, h);
    if (former && !former->over && sim_in(s, 0, 3)) {
        former->over = true; /* the lock proved that all of it is dead */
        s->coverage.lease_ended_by_lock++;
        NOTE(s, l->name, "has the lock: the lease of %s is over", former->name);
    }
    h->life = l;
    sim_push(
        s, s->now + sim_in(s, 1, 40), HAPPEN_ENLISTED, l, NULL, life_now(l).boot_ms + s->rules.lease_hold_ms);
    NOTE(s, l->name, "begins");
}

void life_enlisted(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    l->enlisted = true;
    l->counter = 1;
    l->state = LIFE_WORKS;
    l->lease_until = h->number;
    sim_push(s, life_when(l, l->lease_until), HAPPEN_GUARD, NULL, l, 0);
    struct rules_options o = s->rules;
    o.instance = l->name;
    NOTE(s, l->name, "enlisted");
    l->rules = rules_new(&o, &sim_world, l, h->number);
    scheduler_engine_slots(rules_scheduler(l->rules), BYTES("shell"), (size_t)s->engine_slots[0]);
    scheduler_engine_slots(rules_scheduler(l->rules), BYTES("python"), (size_t)s->engine_slots[1]);
    rules_limits(l->rules, s->limits[s->limits_now]);
    kafka_join(l);
}

/* ---- turns ---- */

static void want_turn(struct life *l, int64_t at)
{
    struct sim *s = l->sim;
    if (at < s->now)
        at = s->now;
    if (at >= l->turn_at)
        return;
    l->turn_at = at;
    sim_push(s, at, HAPPEN_TURN, l, NULL, ++l->turn_number);
}

void life_turn(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    if (h->number != l->turn_number || !l->rules)
        return;
    l->turn_at = NEVER;
    if (!l->backlog)
        rules_turn(l->rules);
    if (l->stuck_since != s->now) {
        l->stuck_since = s->now;
        l->turns_since = 0;
    }
    if (++l->turns_since > 1000)
        complain(s, NULL, "%s turns without end: its next turn is always now", l->name);
}

static void end(struct life *l, const char *why)
{
    struct sim *s = l->sim;
    NOTE(s, l->name, "ends: %s", why);
    kafka_leave(l);
    rules_free(l->rules);
    l->rules = NULL;
    l->state = LIFE_ENDED;
    if (!s->ending)
        sim_push(s, s->now + (s->calm ? 100 : sim_in(s, 10, 8000)), HAPPEN_BEGIN, NULL, l->host, 0);
}

/* The end of a drain. Nothing of it may be left. */
static void drained(struct life *l)
{
    struct sim *s = l->sim;
    if (l->live)
        complain(s, NULL, "%s says it is drained, %lld of its children live", l->name, (long long)l->live);
    if (l->tasks)
        complain(
            s, NULL, "%s says it is drained, %lld of its tasks are not gone", l->name, (long long)l->tasks);
    s->coverage.drained++;
    asks_orphan(l);
    end(l, "drained");
}

void life_after(struct life *l)
{
    struct sim *s = l->sim;
    if (l->backlog)
        l->backlog--;
    else if (!l->dying && sim_in(s, 0, 9) < 7)
        rules_turn(l->rules);
    if (l->dying) {
        life_die(l, l->why, false);
        return;
    }
    if (rules_is_draining(l->rules) && !l->draining) {
        l->draining = true;
        if (sim_in(s, 0, 1)) /* it may leave the group at once, or at its end */
            kafka_leave(l);
    }
    if (l->draining && rules_is_drained(l->rules)) {
        drained(l);
        return;
    }
    int64_t next = life_when(l, rules_next(l->rules));
    want_turn(l, next <= s->now ? s->now + sim_in(s, 0, 5) : next);
    kafka_wake(l);
}

/* ---- freeze ---- */

void life_defer(struct life *l, const struct happening *h)
{
    if (l->missed_count == l->missed_cap) {
        l->missed_cap = l->missed_cap ? 2 * l->missed_cap : 64;
        l->missed = realloc(l->missed, l->missed_cap * sizeof *l->missed);
        MUST(l->missed);
    }
    l->missed[l->missed_count++] = *h;
}

void life_freeze(struct life *l, int64_t for_ms)
{
    struct sim *s = l->sim;
    if (l->frozen || l->state == LIFE_ENDED)
        return;
    l->frozen = true;
    l->frozen_until = s->now + for_ms;
    s->coverage.freeze++;
    if (for_ms > s->rules.lease_hold_ms)
        s->coverage.freeze_long++;
    NOTE(s, l->name, "frozen for %lld ms", (long long)for_ms);
    sim_push(s, s->now + for_ms, HAPPEN_THAW, NULL, l, 0);
    sim_push(s, s->now + s->session_ms, HAPPEN_SESSION, NULL, l, 0);
}

static bool starts(const struct ask *a)
{
    bool any = a->kind == ASK_START;
    for (size_t i = 0; a->kind == ASK_INSERT && i < a->count; i++)
        any = any || a->inserts[i].state == RUN_RUNNING;
    return any;
}

/* Somebody must be there to see it. */
static bool is_watched(const struct life *l)
{
    const struct life *other;
    TAILQ_FOREACH (other, &l->sim->lives, all)
        if (other != l && other->state == LIFE_WORKS && !other->frozen)
            return true;
    return false;
}

/* A trip: renewals take long, and the process stops in the middle of its next start. */
void life_trip(struct life *l, const struct ask *a)
{
    struct sim *s = l->sim;
    if (!l->trips || s->calm || !starts(a) || !is_watched(l))
        return;
    l->trips = false;
    sim_push(s, s->now + sim_in(s, 0, 9), HAPPEN_FAULT, NULL, l, FAULT_TRIP);
}

/* What came meanwhile lies in several queues of the process; which of them it reads first is chance. */
static int queue_of(const struct happening *h, unsigned shuffle)
{
    static const int queues[HAPPENINGS_OF_LIVES] = {
        [HAPPEN_TURN] = 0,
        [HAPPEN_ENLISTED] = 1,
        [HAPPEN_ANSWER] = 1,
        [HAPPEN_REPEAT] = 1,
        [HAPPEN_REVOKED] = 2,
        [HAPPEN_ASSIGNED] = 2,
        [HAPPEN_FETCHED] = 2,
        [HAPPEN_POLL] = 2,
        [HAPPEN_REPORT] = 3,
        [HAPPEN_OVER] = 4,
        [HAPPEN_NODE] = 4,
        [HAPPEN_BELL] = 5,
        [HAPPEN_LIMITS] = 5,
        [HAPPEN_TERM] = 6,
    };
    return (int)(((unsigned)queues[h->kind] * 2654435761U) ^ shuffle) & 0xffff;
}

void life_thaw(struct sim *s, const struct happening *happening)
{
    struct life *l = happening->what;
    if (!l->frozen || (s->now < l->frozen_until && !s->calm))
        return;
    l->frozen = false;
    NOTE(s, l->name, "goes on");
    s->coverage.thaw_over += l->over && l->state != LIFE_ENDED;
    if (l->state == LIFE_ENDED)
        return;
    unsigned shuffle = (unsigned)sim_in(s, 0, 0xffff);
    bool in_order = sim_in(s, 0, 2) == 0;
    for (size_t i = 1; !in_order && i < l->missed_count;
         i++) { /* a stable sort: each queue keeps its order */
        struct happening h = l->missed[i];
        size_t k = i;
        for (; k > 0 && queue_of(&l->missed[k - 1], shuffle) > queue_of(&h, shuffle); k--)
            l->missed[k] = l->missed[k - 1];
        l->missed[k] = h;
    }
    struct happening *missed = l->missed;
    size_t count = l->missed_count;
    l->missed = NULL;
    l->missed_count = l->missed_cap = 0;
    l->backlog = sim_in(s, 0, 1) ? count : 0;
    for (size_t i = 0; i < count; i++) /* now, before anything else that is due now */
        sim_happens(s, &missed[i]);
    free(missed);
}

/* ---- death ---- */

void life_die(struct life *l, const char *why, bool with_host)
{
    struct sim *s = l->sim;
    if (l->state == LIFE_ENDED)
        return;
    NOTE(s, l->name, "dies: %s", why);
    asks_orphan(l);
    if (l->rules)
        rules_free(l->rules);
    l->rules = NULL;
    l->state = LIFE_ENDED;
    l->frozen = false;
    children_kill(l, with_host ? 0 : s->kill_ms); /* the guard sees the closed pipe */
    sim_push(s, s->now + s->session_ms, HAPPEN_SESSION, NULL, l, 0);
    int64_t pause = s->calm ? 100 : sim_in(s, 0, 2) ? sim_in(s, 5, 500) : sim_in(s, 500, 15000);
    sim_push(s, s->now + pause, HAPPEN_BEGIN, NULL, l->host, 0);
}

/* ---- what operators do ---- */

/* number 1: at once */
void life_term(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    if (!l->rules) {
        if (s->ending)
            sim_push(s, s->now + 50, HAPPEN_TERM, l, NULL, h->number);
        return;
    }
    NOTE(s, l->name, "told to drain%s", h->number ? " at once" : "");
    rules_drain(l->rules, h->number == 1);
}

void life_limits(struct sim *s, const struct happening *h)
{
    if (h->life->rules)
        rules_limits(h->life->rules, s->limits[s->limits_now]);
}
