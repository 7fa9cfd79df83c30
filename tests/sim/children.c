/* SPDX-License-Identifier: Apache-2.0 */
/*
 * children: attempts that run. A child works through its nodes, ends, or is killed; its life hears of that a little later, when its log
 * is delivered. The guard kills what runs when the lease is over or its executor is gone, whether the executor is frozen or not.
 */
#include <string.h>

#include "tests/sim/sim.h"

static void work(struct sim *s, struct child *c)
{
    int64_t most = c->job->longest_ms / c->job->nodes;
    sim_push(s, s->now + sim_in(s, 1, most > 1 ? most : 2), HAPPEN_CHILD, NULL, c, ++c->version);
}

static void draw_end(struct sim *s, const struct sim_job *j, struct rules_report *r)
{
    *r = (struct rules_report){.phase = PHASE_SUCCEEDED,
        .max_attempts = j->max_attempts,
        .backoff_ms = j->backoff_ms,
        .max_backoff_ms = j->max_backoff_ms,
        .on_lost_fails = j->on_lost_fails};
    if (!random_hits(&s->random, j->fails))
        return;
    r->phase = sim_in(s, 0, 9) ? PHASE_FAILED : PHASE_TIMED_OUT;
    r->retryable = sim_in(s, 0, 3) != 0;
}

static void over(struct child *c, int64_t delay)
{
    struct sim *s = c->life->sim;
    if (c->life->state != LIFE_ENDED)
        sim_push(s, s->now + delay, HAPPEN_OVER, c->life, c, 0);
}

/* ---- launch ---- */

/* Its queue timeout is over, or its engine can't be had: it ends without running. */
static bool ends_before_it_runs(struct life *l, struct child *c)
{
    struct sim *s = l->sim;
    struct sim_job *j = c->job;
    bool late = j->queue_timeout_ms && c->attempt == 1 &&
                life_now(l).utc_ms > sim_utc(s) - s->now + j->submitted_at + j->queue_timeout_ms;
    if (!late && !random_hits(&s->random, s->weather.never_ran))
        return false;
    s->coverage.never_ran++;
    draw_end(s, j, &c->report);
    c->report.phase = late ? PHASE_TIMED_OUT : PHASE_FAILED;
    c->report.retryable = false;
    c->report.never_ran = true;
    c->told = true;
    j->report = c->report;
    j->reported = c->attempt;
    j->guarded = false;
    NOTE(s, l->name, "job %d attempt %lld ends before it runs", j->number, (long long)c->attempt);
    rules_over(l->rules, c->task, &c->report);
    return true;
}

void children_launch(struct life *l, struct task *t, const struct launch *launch)
{
    struct sim *s = l->sim;
    struct child *c = arena_alloc(&s->memory, sizeof *c);
    struct sim_job *j = plan_job(s, &t->id);
    *c = (struct child){.job = j, .attempt = t->attempt, .life = l, .task = t};
    t->run = c;
    l->tasks++;
    NOTE(s, l->name, "launches job %d of %.*s, attempt %lld", j->number, BYTES_ARG(j->group->name),
        (long long)c->attempt);
    check_launch(l, c, launch);
    if (ends_before_it_runs(l, c))
        return;
    for (size_t i = 0; i < launch->node_count; i++)
        c->done |= 1U << (launch->nodes[i].id.data[1] - '0');
    s->coverage.node_resumed += c->done != 0;
    s->coverage.launch++;
    c->alive = true;
    TAILQ_INSERT_TAIL(&l->children, c, all);
    j->live = c;
    j->group->live++;
    l->live++;
    l->live_of_engine[bytes_equal_text(j->engine, "python")]++;
    for (int i = 0; i < s->gate_count; i++)
        s->gates[i].live += gate_covers(&s->gates[i], j->group);
    j->shown_running = s->now + sim_in(s, 5, 400);
    draw_end(s, j, &c->report);
    work(s, c);
    if (j->ambush == AMBUSH_RUNNING)
        users_ambush(s, j);
}

void child_dead(struct sim *s, struct child *c)
{
    struct life *l = c->life;
    struct sim_job *j = c->job;
    c->alive = false;
    c->version++;
    TAILQ_REMOVE(&l->children, c, all);
    if (j->live == c)
        j->live = NULL;
    j->group->live--;
    l->live--;
    l->live_of_engine[bytes_equal_text(j->engine, "python")]--;
    for (int i = 0; i < s->gate_count; i++)
        s->gates[i].live -= gate_covers(&s->gates[i], j->group);
}

/* ---- its own way ---- */

static int next_node(const struct child *c)
{
    int n = 0;
    while (n < c->job->nodes && (c->done & (1U << n)))
        n++;
    return n;
}

void children_step(struct sim *s, const struct happening *h)
{
    struct child *c = h->what;
    if (!c->alive || h->number != c->version)
        return;
    int n = next_node(c);
    if (n + 1 < c->job->nodes && c->report.phase == PHASE_SUCCEEDED) {
        c->waits = true;
        if (c->life->state != LIFE_ENDED)
            sim_push(s, s->now + sim_in(s, 0, 5), HAPPEN_NODE, c->life, c, n);
        return;
    }
    NOTE(s, c->life->name, "job %d attempt %lld ends: %s", c->job->number, (long long)c->attempt,
        job_phase_names[c->report.phase]);
    child_dead(s, c);
    over(c, sim_in(s, 0, 40));
}

void children_node(struct sim *s, const struct happening *h)
{
    struct child *c = h->what;
    if (!c->alive || c->told)
        return;
    struct bytes text = arena_printf(&s->memory, "n%d", (int)h->number);
    struct run_node node = {text, arena_printf(&s->memory, "job %d node %d", c->job->number, (int)h->number)};
    rules_node(c->life->rules, c->task, &node);
}

void children_node_kept(struct life *l, struct task *t, bool still_ours)
{
    struct sim *s = l->sim;
    struct child *c = t->run;
    int n = next_node(c);
    NOTE(s, l->name, "job %d attempt %lld: node n%d is %s", c->job->number, (long long)c->attempt, n,
        still_ours ? "recorded" : "refused");
    if (still_ours) {
        s->coverage.node_kept++;
        c->job->nodes_acked |= 1U << n;
    }
    if (!c->alive)
        return;
    c->waits = false;
    if (still_ours) {
        c->done |= 1U << n;
        work(s, c);
    } else {
        c->report.phase = PHASE_FAILED;
        c->report.retryable = false;
        sim_push(s, s->now + sim_in(s, 0, s->kill_ms), HAPPEN_CHILD_DIES, NULL, c, 0);
    }
}

void children_over(struct sim *s, const struct happening *h)
{
    struct child *c = h->what;
    (void)s;
    MUST(!c->alive && !c->told);
    c->told = true;
    c->job->report = c->report;
    c->job->reported = c->attempt;
    c->job->guarded = c->guarded;
    rules_over(c->life->rules, c->task, &c->report);
}

void children_gone(struct life *l, struct task *t, bool closed)
{
    struct child *c = t->run;
    struct sim *s = l->sim;
    if (!c) /* it was never launched */
        return;
    NOTE(s, l->name, "job %d attempt %lld is gone, closed=%d", c->job->number, (long long)c->attempt, closed);
    if (c->alive || !c->told)
        complain(s, c->job, "its task is gone, and its end was not told");
    if (c->gone)
        complain(s, c->job, "its task is gone twice");
    c->gone = true;
    l->tasks--;
}

/* ---- stopped ---- */

void children_stop(struct life *l, struct task *t)
{
    struct sim *s = l->sim;
    struct child *c = t->run;
    MUST(c);
    c->signalled = true;
    if (!c->alive || c->doomed || sim_in(s, 0, 5) == 0) /* it may end by itself before the signal counts */
        return;
    c->doomed = true;
    c->report.phase = PHASE_CANCELLED;
    c->report.retryable = false;
    sim_push(s, s->now + sim_in(s, 1, s->grace_ms), HAPPEN_CHILD_DIES, NULL, c, 0);
}

void children_die(struct sim *s, const struct happening *h)
{
    struct child *c = h->what;
    if (!c->alive)
        return;
    NOTE(s, c->life->name, "job %d attempt %lld is dead", c->job->number, (long long)c->attempt);
    child_dead(s, c);
    over(c, sim_in(s, 0, 40));
}

void children_kill(struct life *l, int64_t within_ms)
{
    struct sim *s = l->sim;
    struct child *c, *next;
    for (c = TAILQ_FIRST(&l->children); c; c = next) {
        next = TAILQ_NEXT(c, all);
        if (within_ms == 0) {
            child_dead(s, c);
            continue;
        }
        if (c->report.phase != PHASE_CANCELLED) {
            c->report.phase = PHASE_FAILED;
            c->report.retryable = sim_in(s, 0, 1);
        }
        sim_push(s, s->now + sim_in(s, 1, within_ms), HAPPEN_CHILD_DIES, NULL, c, 0);
    }
}

/* A lease was to end now. */
void children_guard(struct sim *s, const struct happening *h)
{
    struct life *l = h->what;
    if (life_now(l).boot_ms < l->lease_until || TAILQ_EMPTY(&l->children))
        return;
    NOTE(s, l->name, "its guard kills what runs: the lease is over");
    s->coverage.guard_killed += l->live;
    struct child *c;
    TAILQ_FOREACH (c, &l->children, all)
        c->guarded = true;
    children_kill(l, s->kill_ms);
}
