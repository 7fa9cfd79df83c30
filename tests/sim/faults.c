/* SPDX-License-Identifier: Apache-2.0 */
/* faults: what breaks when. Each kind comes again and again by its mean time, until it is calm. */
#include "tests/sim/sim.h"

const char *const fault_names[FAULTS] = {
    "crash", "power", "freeze", "cut", "rebalance", "lose", "step", "drain", "limits", "outage", "trip"};

static void plan_next(struct sim *s, enum fault_kind kind)
{
    int64_t every = s->weather.every_ms[kind];
    if (every && s->now < s->calm_at)
        sim_push(s, s->now + sim_in(s, 1, 2 * every), HAPPEN_FAULT, NULL, NULL, kind);
}

void faults_plan(struct sim *s)
{
    for (int i = 0; i < FAULTS; i++)
        plan_next(s, (enum fault_kind)i);
    sim_push(s, s->calm_at, HAPPEN_CALM, NULL, NULL, 0);
}

static struct life *a_life(struct sim *s)
{
    int first = (int)sim_in(s, 0, s->host_count - 1);
    for (int i = 0; i < s->host_count; i++) {
        struct life *l = s->hosts[(first + i) % s->host_count].life;
        if (l && l->state == LIFE_WORKS &&
            (!l->frozen || sim_in(s, 0, 9) == 0)) /* a frozen one is hit enough */
            return l;
    }
    return NULL;
}

static int64_t pause_ms(struct sim *s)
{
    int64_t hold = s->rules.lease_hold_ms;
    switch (sim_in(s, 0, 3)) {
    case 0:
        return sim_in(s, 10, 1000);
    case 1:
        return sim_in(s, hold - 1000, hold + 500);
    default:
        return sim_in(s, hold, 4 * hold);
    }
}

static void set_limits(struct sim *s)
{
    struct life *l;
    s->limits_now = (int)sim_in(s, 0, s->limits_count - 1);
    s->coverage.limits++;
    NOTE(s, "user", "sets limits %d", s->limits_now);
    TAILQ_FOREACH (l, &s->lives, all)
        if (l->state != LIFE_ENDED)
            sim_push(s, s->now + sim_in(s, 1, 2000), HAPPEN_LIMITS, l, NULL, 0);
}

static void cut(struct sim *s, struct life *l)
{
    l->cut_until = s->now + pause_ms(s);
    s->coverage.cut++;
    NOTE(s, l->name, "is cut off from the ledger for %lld ms", (long long)(l->cut_until - s->now));
}

static void drain(struct sim *s, struct life *l)
{
    s->coverage.drain++;
    if (sim_in(s, 0, 2) == 0) {
        l->drain_asked = true; /* seen with the holds, or told by the bell */
        struct control *c = arena_alloc(&s->memory, sizeof *c);
        *c = (struct control){.kind = CONTROL_DRAIN, .instance = bytes_of(l->name), .at = sim_utc(s)};
        if (!sim_hits(s, s->weather.bell_lost))
            sim_push(s, s->now + 5, HAPPEN_BELL, l, c, 0);
        return;
    }
    sim_push(s, s->now, HAPPEN_TERM, l, NULL, sim_in(s, 0, 4) == 0);
    if (sim_in(s, 0, 2) == 0) /* nobody waits for ever */
        sim_push(s, s->now + sim_in(s, 100, 3000), HAPPEN_TERM, l, NULL, 1);
}

static void strike_life(struct sim *s, enum fault_kind kind, struct life *l)
{
    switch (kind) {
    case FAULT_CRASH:
        s->coverage.crash++;
        life_die(l, "kill -9", false);
        return;
    case FAULT_POWER:
        s->coverage.power++;
        life_die(l, "its host died", true);
        return;
    case FAULT_FREEZE:
        life_freeze(l, pause_ms(s));
        return;
    case FAULT_CUT:
        cut(s, l);
        return;
    case FAULT_TRIP:
        l->trips = true;
        return;
    case FAULT_DRAIN:
        drain(s, l);
        return;
    case FAULT_STEP:
    case FAULT_REBALANCE:
    case FAULT_LOSE:
    case FAULT_LIMITS:
    case FAULT_OUTAGE:
    case FAULTS:
        return;
    }
}

static void strike_world(struct sim *s, enum fault_kind kind)
{
    struct happening stir = {.number = 1};
    switch (kind) {
    case FAULT_REBALANCE:
        kafka_rebalance(s, &stir);
        return;
    case FAULT_LOSE:
        kafka_lose(s, &s->partitions[sim_in(s, 0, s->partition_count - 1)]);
        return;
    case FAULT_LIMITS:
        set_limits(s);
        return;
    case FAULT_OUTAGE:
        s->outage_until = s->now + pause_ms(s);
        s->coverage.outage++;
        NOTE(s, "ledger", "answers nobody for %lld ms", (long long)(s->outage_until - s->now));
        return;
    case FAULT_STEP: {
        struct host *h = &s->hosts[sim_in(s, 0, s->host_count - 1)];
        h->utc_offset = sim_in(s, -3000, 3000);
        s->skew_ms = 3000;
        s->coverage.step++;
        NOTE(s, "sim", "clock of host %d is %lld ms off", h->number, (long long)h->utc_offset);
        return;
    }
    case FAULT_CRASH:
    case FAULT_POWER:
    case FAULT_FREEZE:
    case FAULT_CUT:
    case FAULT_TRIP:
    case FAULT_DRAIN:
    case FAULTS:
        return;
    }
}

void faults_strike(struct sim *s, const struct happening *h)
{
    enum fault_kind kind = (enum fault_kind)h->number;
    struct life *l = h->what;
    if (s->calm)
        return;
    if (l) { /* it trips over a start */
        s->coverage.trip++;
        life_freeze(l, sim_in(s, s->rules.lease_watch_ms + s->session_ms, 4 * s->rules.lease_watch_ms));
        return;
    }
    plan_next(s, kind);
    strike_world(s, kind);
    l = a_life(s);
    if (l)
        strike_life(s, kind, l);
}

void faults_calm(struct sim *s, const struct happening *h)
{
    struct life *l;
    (void)h;
    s->calm = true;
    NOTE(s, "sim", "no more faults");
    for (int i = 0; i < s->host_count; i++) {
        s->hosts[i].utc_offset = s->hosts[i].utc_offset < 0 ? -100 : 100;
        sim_push(s, s->now, HAPPEN_BEGIN, NULL, &s->hosts[i], 0);
    }
    TAILQ_FOREACH (l, &s->lives, all)
        if (l->frozen)
            sim_push(s, s->now, HAPPEN_THAW, NULL, l, 0);
    users_release_all(s, h);
}
