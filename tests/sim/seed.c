/* SPDX-License-Identifier: Apache-2.0 */
/* seed: one seed, from the plan to the last check. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { STEPS_MAX = 3000000, PATIENCE_MS = 120 * 1000 };

static void (*const handlers[HAPPENINGS])(struct sim *, const struct happening *) = {
    [HAPPEN_TURN] = life_turn,
    [HAPPEN_ENLISTED] = life_enlisted,
    [HAPPEN_ANSWER] = asks_answer,
    [HAPPEN_REPEAT] = asks_repeat,
    [HAPPEN_REVOKED] = kafka_revoked,
    [HAPPEN_ASSIGNED] = kafka_assigned,
    [HAPPEN_FETCHED] = kafka_fetched,
    [HAPPEN_POLL] = kafka_poll,
    [HAPPEN_REPORT] = events_report,
    [HAPPEN_OVER] = children_over,
    [HAPPEN_NODE] = children_node,
    [HAPPEN_BELL] = users_bell,
    [HAPPEN_LIMITS] = life_limits,
    [HAPPEN_TERM] = life_term,
    [HAPPEN_APPLY] = asks_apply,
    [HAPPEN_RECORD] = kafka_record,
    [HAPPEN_COMMIT] = kafka_commit,
    [HAPPEN_SESSION] = kafka_session,
    [HAPPEN_REBALANCE] = kafka_rebalance,
    [HAPPEN_CHILD] = children_step,
    [HAPPEN_CHILD_DIES] = children_die,
    [HAPPEN_GUARD] = children_guard,
    [HAPPEN_EVENT] = events_arrive,
    [HAPPEN_BEGIN] = life_begin,
    [HAPPEN_THAW] = life_thaw,
    [HAPPEN_SUBMIT] = users_submit,
    [HAPPEN_ORDER] = users_order,
    [HAPPEN_FAULT] = faults_strike,
    [HAPPEN_CALM] = faults_calm,
    [HAPPEN_RELEASE_ALL] = users_release_all,
};

void sim_push(struct sim *s, int64_t at, enum happening_kind kind, struct life *l, void *what, int64_t number)
{
    struct happening h = {
        .at = at < s->now ? s->now : at, .kind = kind, .life = l, .what = what, .number = number};
    queue_push(&s->queue, &h);
}

void sim_happens(struct sim *s, const struct happening *h)
{
    struct life *l = h->life;
    if (h->kind >= HAPPENINGS_OF_LIVES) {
        handlers[h->kind](s, h);
        return;
    }
    if (l->state == LIFE_ENDED)
        return;
    if (l->frozen) {
        life_defer(l, h);
        return;
    }
    handlers[h->kind](s, h);
    if (l->rules)
        life_after(l);
}

void sim_init(struct sim *s, const struct sim_options *o, uint64_t seed)
{
    struct queue queue = s->queue;
    struct arena memory = s->memory;
    struct buf history = s->history;
    queue_clear(&queue);
    arena_reset(&memory);
    buf_clear(&history);
    *s = (struct sim){
        .options = o, .seed = seed, .queue = queue, .memory = memory, .history = history, .calm_at = NEVER};
    s->random.state = seed * 0x2545f4914f6cdd1dU + 1;
    TAILQ_INIT(&s->lives);
    sim_kept = 0;
    plan_draw(s);
    for (int i = 0; i < s->host_count; i++)
        sim_push(s, sim_in(s, 0, 500), HAPPEN_BEGIN, NULL, &s->hosts[i], 0);
    users_plan(s);
    faults_plan(s);
}

static void forget_lives(struct sim *s)
{
    struct life *l;
    TAILQ_FOREACH (l, &s->lives, all) {
        if (l->rules)
            rules_free(l->rules);
        free(l->missed);
        l->rules = NULL;
        l->missed = NULL;
    }
    for (int i = 0; i < s->limits_count; i++) {
        limits_free(s->limits[i]);
        s->limits[i] = NULL;
    }
    for (int i = 0; i < s->partition_count; i++) {
        free(s->partitions[i].records);
        s->partitions[i].records = NULL;
    }
    for (int i = 0; i < s->job_count; i++) {
        free(s->jobs[i].closes);
        s->jobs[i].closes = NULL;
    }
    free(s->outcomes);
    s->outcomes = NULL;
}

void sim_release(struct sim *s)
{
    queue_release(&s->queue);
    arena_release(&s->memory);
    buf_release(&s->history);
}

static bool all_lives_ended(const struct sim *s)
{
    const struct life *l;
    TAILQ_FOREACH (l, &s->lives, all)
        if (l->state != LIFE_ENDED)
            return false;
    return true;
}

/* What every job can need at most, one after another. */
static int64_t patience(const struct sim *s)
{
    int64_t sum = PATIENCE_MS;
    for (int i = 0; i < s->job_count; i++) {
        const struct sim_job *j = &s->jobs[i];
        sum += (j->max_attempts + 5) * (j->longest_ms + j->max_backoff_ms + 500);
    }
    return sum;
}

static void end_all(struct sim *s)
{
    struct life *l;
    s->ending = true;
    NOTE(s, "sim", "everything is done: drain all");
    TAILQ_FOREACH (l, &s->lives, all)
        if (l->state != LIFE_ENDED)
            sim_push(s, s->now, HAPPEN_TERM, l, NULL, 0);
}

static void digest(struct sim *s, const struct happening *h)
{
    s->digest = (s->digest ^ (uint64_t)h->at ^ ((uint64_t)h->kind << 48)) * 0x100000001b3U;
}

bool sim_run(struct sim *s)
{
    struct happening h;
    char missing[256];
    int64_t deadline = s->calm_at + patience(s), checked = 0;
    while (!s->failed && queue_pop(&s->queue, &h)) {
        if (++s->steps > STEPS_MAX) {
            complain(s, NULL, "%d steps and no end", STEPS_MAX);
            break;
        }
        s->now = h.at;
        digest(s, &h);
        sim_happens(s, &h);
        if (!s->calm || s->failed || s->now < checked)
            continue;
        checked = s->now + 100;
        if (s->ending) {
            if (all_lives_ended(s))
                break;
            if (s->now > deadline)
                complain(s, NULL, "a drain does not come to its end");
        } else if (check_everything_is_done(s, missing, sizeof missing)) {
            s->slowest_ms = s->now - s->calm_at;
            deadline = s->now + 60 * 1000;
            end_all(s);
        } else if (s->now > deadline) {
            complain(s, s->concerned, "%lld ms after the last fault: %s", (long long)(s->now - s->calm_at),
                missing);
        }
    }
    if (!s->failed && !s->ending)
        complain(s, NULL, "nothing happens any more");
    forget_lives(s);
    if (!s->failed && sim_kept != 0)
        complain(s, NULL, "%lld payloads are kept for nobody", (long long)sim_kept);
    return !s->failed;
}
