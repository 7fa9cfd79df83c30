/* SPDX-License-Identifier: Apache-2.0 */
/*
 * users: who submits, cancels, holds and releases, with ingest's side of it: write, then read the ledger, then answer, and ring the bell
 * (which may be lost).
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

enum order_step {
    CANCEL_WRITE,
    CANCEL_READ,
    CANCEL_ANSWER,
    CANCEL_CHECK,
    CANCEL_GROUP,
    HOLD_WRITE,
    HOLD_ANSWER,
    RELEASE_WRITE
};

enum { SIGNAL_MS = 300 };

struct wish {
    enum order_step step;
    struct sim_job *job;
    struct sim_group *group;
    bool queued, running; /* what the ledger said */
    bool alone;           /* not one of a group's */
    int64_t attempt;      /* when it was answered */
};

static void next(struct sim *s, struct wish *w, enum order_step step, int64_t delay)
{
    w->step = step;
    sim_push(s, s->now + delay, HAPPEN_ORDER, NULL, w, 0);
}

static void plan_wish(struct sim *s, enum order_step step, struct sim_job *j, struct sim_group *g)
{
    struct wish *w = arena_alloc(&s->memory, sizeof *w);
    *w = (struct wish){.job = j, .group = g, .alone = true};
    next(s, w, step, sim_in(s, 0, s->calm_at - 1));
}

/* Jobs come in bursts, or all the time. Groups' records keep the order in which they were submitted. */
void users_plan(struct sim *s)
{
    int64_t last = s->calm_at * 8 / 10, burst = sim_in(s, 0, 1) ? last : sim_in(s, 1, 3000);
    int64_t from = 0;
    for (int i = 0; i < s->job_count; i++) {
        struct sim_job *j = &s->jobs[i];
        if (sim_in(s, 0, 9) == 0)
            from = sim_in(s, 0, last);
        j->submitted_at = sim_in(s, from, from + burst < last ? from + burst : last);
        if (sim_in(s, 0, 14) == 0 && !j->refused)
            j->not_before = sim_utc(s) + j->submitted_at + sim_in(s, -500, 8000);
        sim_push(s, j->submitted_at, HAPPEN_SUBMIT, NULL, j, 0);
    }
    int64_t cancels = sim_in(s, 0, 1) ? sim_in(s, 0, s->job_count / 2) : 0;
    for (int64_t i = 0; i < cancels; i++) {
        struct sim_job *j = &s->jobs[sim_in(s, 0, s->job_count - 1)];
        struct wish *w = arena_alloc(&s->memory, sizeof *w);
        *w = (struct wish){.job = j, .group = j->group, .alone = true};
        /* Most near the submission: that is where the races are. */
        int64_t at = sim_in(s, 0, 2) ? j->submitted_at + sim_in(s, -20, sim_in(s, 0, 1) ? 50 : 400)
                                     : sim_in(s, 0, s->calm_at);
        w->step = CANCEL_WRITE;
        sim_push(s, at, HAPPEN_ORDER, NULL, w, 0);
    }
    int64_t holds = sim_in(s, 0, 1) ? sim_in(s, 0, 6) : 0;
    for (int64_t i = 0; i < holds; i++)
        plan_wish(s, HOLD_WRITE, NULL, &s->groups[sim_in(s, 0, s->group_count - 1)]);
    for (int i = 0; i < s->job_count && (cancels || holds); i++) {
        static const enum ambush cancelling[] = {AMBUSH_CANCEL, AMBUSH_RUNNING};
        if (sim_in(s, 0, 7) == 0)
            s->jobs[i].ambush =
                !holds || (cancels && sim_in(s, 0, 2)) ? cancelling[sim_in(s, 0, 1)] : AMBUSH_HOLD;
    }
    if (sim_in(s, 0, 4) == 0)
        plan_wish(s, CANCEL_GROUP, NULL, &s->groups[sim_in(s, 0, s->group_count - 1)]);
}

void users_ambush(struct sim *s, struct sim_job *j)
{
    static const enum order_step steps[] = {
        [AMBUSH_CANCEL] = CANCEL_WRITE, [AMBUSH_HOLD] = HOLD_WRITE, [AMBUSH_RUNNING] = CANCEL_WRITE};
    if (j->ambush == AMBUSH_NONE || s->calm)
        return;
    struct wish *w = arena_alloc(&s->memory, sizeof *w);
    *w = (struct wish){.job = j, .group = j->group, .alone = true};
    next(s, w, steps[j->ambush], sim_in(s, 0, j->ambush == AMBUSH_RUNNING ? j->longest_ms : 10));
    j->ambush = AMBUSH_NONE;
}

void users_submit(struct sim *s, const struct happening *h)
{
    struct sim_job *j = h->what;
    NOTE(s, "user", "submits job %d to %.*s", j->number, BYTES_ARG(j->group->name));
    struct happening record = {s->now, 0, HAPPEN_RECORD, NULL, j, 0};
    kafka_record(s, &record);
    if (sim_hits(s, s->weather.produced_twice)) { /* a producer's crash: it and what came before again */
        int back = (int)sim_in(s, 0, 3);
        for (int i = 0; i < s->job_count; i++) {
            struct sim_job *other = &s->jobs[i];
            if (other == j || (other->group == j->group && other->record >= 0 &&
                                  other->record >= j->record - back && other->record < j->record))
                kafka_produce(s, sim_in(s, 0, sim_in(s, 0, 2) ? 50 : 20000), other, false, false);
        }
    }
    if (j->impostor && s->group_count > 1)
        kafka_produce(s, sim_in(s, 10, 3000), j, false, true);
}

/* ---- bells ---- */

static void ring(struct sim *s, enum control_kind kind, const struct sim_job *j, const struct sim_group *g)
{
    struct life *l;
    struct control *c = arena_alloc(&s->memory, sizeof *c);
    *c = (struct control){.kind = (int)kind,
        .job_id = j ? bytes_of(j->text) : BYTES_NONE,
        .group = g ? g->name : BYTES_NONE,
        .by = BYTES("somebody"),
        .reason = BYTES("why not"),
        .at = sim_utc(s)};
    TAILQ_FOREACH (l, &s->lives, all) {
        if (l->state == LIFE_ENDED)
            continue;
        if (sim_hits(s, s->weather.bell_lost))
            s->coverage.bell_lost++;
        else
            sim_push(s, s->now + sim_in(s, 1, 60), HAPPEN_BELL, l, c, 0);
    }
}

void users_bell(struct sim *s, const struct happening *h)
{
    (void)s;
    if (h->life->rules)
        rules_bell(h->life->rules, h->what);
}

/* ---- cancels ---- */

static void cancel_write(struct sim *s, struct wish *w)
{
    struct sim_job *j = w->job;
    if (!j->cancel)
        j->cancel_by = BYTES("somebody");
    j->cancel = true;
    NOTE(s, "user", "cancels job %d of %.*s", j->number, BYTES_ARG(j->group->name));
    next(s, w, CANCEL_READ, sim_in(s, 1, sim_in(s, 0, 4) ? 20 : 500));
}

static void cancel_read(struct sim *s, struct wish *w)
{
    const struct sim_job *j = w->job;
    const struct document *d = &j->run;
    if (BUG(CANCEL_FROM_JOBS)) {
        w->running = j->finals == 0 && j->shown_running <= s->now;
        w->queued = j->finals == 0 && !w->running;
    } else {
        w->running = d->exists && d->state == RUN_RUNNING;
        w->queued = !d->exists || d->state == RUN_QUEUED || d->state == RUN_DELAYED;
    }
    next(s, w, CANCEL_ANSWER, sim_in(s, 1, 20));
}

static void cancel_answer(struct sim *s, struct wish *w)
{
    struct sim_job *j = w->job;
    NOTE(s, "user", "is told that job %d of %.*s is %s", j->number, BYTES_ARG(j->group->name),
        w->queued    ? "queued"
        : w->running ? "running"
                     : "final");
    s->coverage.cancel_queued += w->queued;
    s->coverage.cancel_running += w->running;
    s->coverage.cancel_final += !w->queued && !w->running;
    if (w->queued && j->live)
        complain(s, j, "a cancel was answered: queued; it runs");
    if (w->queued && j->acked_queued == NEVER)
        j->acked_queued = s->now;
    if (!w->alone)
        return;
    ring(s, CONTROL_CANCEL, j, NULL);
    w->attempt = j->run.attempt;
    if (w->running && s->always_calm)
        next(s, w, CANCEL_CHECK, SIGNAL_MS);
}

/* With nothing in its way the signal comes at once. */
static void cancel_check(struct sim *s, const struct wish *w)
{
    const struct child *c = w->job->live;
    if (c && c->attempt == w->attempt && !c->signalled)
        complain(s, w->job, "it runs on %d ms after the cancel was answered: running", SIGNAL_MS);
}

static void cancel_group(struct sim *s, struct wish *w)
{
    struct sim_group *g = w->group;
    NOTE(s, "user", "cancels all of %.*s", BYTES_ARG(g->name));
    for (size_t i = 0; i < g->count; i++) {
        struct wish *one = arena_alloc(&s->memory, sizeof *one);
        if (g->jobs[i]->record < 0 || g->jobs[i]->finals)
            continue;
        *one = (struct wish){.job = g->jobs[i], .group = g};
        cancel_write(s, one);
    }
    ring(s, CONTROL_CANCEL, NULL, g);
}

/* ---- holds ---- */

static void release(struct sim *s, struct sim_group *g)
{
    if (!g->held)
        return;
    g->held = false;
    g->held_acked = NEVER;
    g->released = s->now;
    s->coverage.release++;
    NOTE(s, "user", "releases %.*s", BYTES_ARG(g->name));
    ring(s, CONTROL_RELEASE, NULL, g);
}

void users_order(struct sim *s, const struct happening *h)
{
    struct wish *w = h->what;
    switch (w->step) {
    case CANCEL_WRITE:
        cancel_write(s, w);
        return;
    case CANCEL_READ:
        cancel_read(s, w);
        return;
    case CANCEL_ANSWER:
        cancel_answer(s, w);
        return;
    case CANCEL_CHECK:
        cancel_check(s, w);
        return;
    case CANCEL_GROUP:
        cancel_group(s, w);
        return;
    case HOLD_WRITE:
        w->group->held = true;
        s->coverage.hold++;
        NOTE(s, "user", "holds %.*s", BYTES_ARG(w->group->name));
        ring(s, CONTROL_HOLD, NULL, w->group);
        next(s, w, HOLD_ANSWER, sim_in(s, 1, 50));
        return;
    case HOLD_ANSWER:
        if (w->group->held && w->group->held_acked == NEVER)
            w->group->held_acked = s->now;
        next(s, w, RELEASE_WRITE, sim_in(s, 10, 8000));
        return;
    case RELEASE_WRITE:
        release(s, w->group);
        return;
    }
}

/* At the end nobody wants anything to wait. */
void users_release_all(struct sim *s, const struct happening *h)
{
    (void)h;
    for (int i = 0; i < s->group_count; i++)
        release(s, &s->groups[i]);
    if (!s->ending)
        sim_push(s, s->now + 2000, HAPPEN_RELEASE_ALL, NULL, NULL, 0);
}
