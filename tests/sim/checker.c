/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checker: the promises (DESIGN 5), checked where they could be broken: when `running` is written, at a launch, when an end is applied,
 * when an event arrives, and at the end.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { LOSSES_MAX = 5 };

void complain(struct sim *s, struct sim_job *j, const char *format, ...)
{
    va_list args;
    if (s->failed)
        return;
    int at = j ? snprintf(s->complaint, sizeof s->complaint, "job %d of %.*s: ", j->number,
                     BYTES_ARG(j->group->name))
               : 0;
    va_start(args, format);
    vsnprintf(s->complaint + at, sizeof s->complaint - (size_t)at, format, args);
    va_end(args);
    s->failed = true;
    s->concerned = j;
    NOTE(s, "CHECKER", "%s", s->complaint);
}

/* ---- order: when `running` is written ---- */

/* Why j may not start while k is as it is; NULL: it may. */
static const char *stands_before(const struct sim_job *k, const struct sim_job *j)
{
    bool strict = j->group->strict;
    if (!k->run.exists)
        return k->record >= 0 && k->record < j->run.seq ? "is passed over: it is not in the ledger yet"
                                                        : NULL;
    switch (k->run.state) {
    case RUN_ENDED:
        return NULL;
    case RUN_DELAYED:
        return k->due_record >= 0 && k->due_record < j->run.seq && !k->cancel ? "is passed over: it is due"
                                                                              : NULL;
    case RUN_RUNNING: /* one that was cancelled before its launch does not run, whatever was written */
        return strict && (k->live || !k->cancel) ? "runs" : NULL;
    case RUN_QUEUED:
        if (k->run.seq > j->run.seq || k->cancel) /* whoever starts a cancelled one will see that */
            return NULL;
        if (k->run.attempt == 0)
            return "is passed over: it waits";
        return strict ? "is passed over: it is to be tried again" : NULL;
    case RUN_STATES:
        break;
    }
    return NULL;
}

void check_begun(struct sim *s, struct sim_job *j, struct life *writer)
{
    const struct sim_group *g = j->group;
    int64_t running = 0;
    if (j->cancel) /* it will not be launched */
        return;
    for (size_t i = 0; i < g->count; i++) {
        const struct sim_job *k = g->jobs[i];
        if (k == j)
            continue;
        running += k->run.exists && k->run.state == RUN_RUNNING && (k->live || !k->cancel);
        const char *why = stands_before(k, j);
        if (why)
            complain(s, j, "%s starts it out of order: job %d %s", writer->name, k->number, why);
    }
    if (running >= g->max_running)
        complain(s, j, "%s starts it, %lld of its group run", writer->name, (long long)running);
    s->coverage.full_group += running + 1 == g->max_running && g->max_running > 1;
}

/* ---- launch ---- */

static bool launched_before(struct sim_job *j, int64_t attempt)
{
    if (attempt < 1 || attempt >= 256)
        return true;
    uint64_t bit = (uint64_t)1 << (attempt % 64), *word = &j->launched[attempt / 64];
    bool was = *word & bit;
    *word |= bit;
    return was;
}

static unsigned nodes_of(const struct launch *l)
{
    unsigned nodes = 0;
    for (size_t i = 0; i < l->node_count; i++)
        nodes |= 1U << (l->nodes[i].id.data[1] - '0');
    return nodes;
}

static void check_promises(struct life *l, struct child *c)
{
    struct sim *s = l->sim;
    struct sim_job *j = c->job;
    if (j->acked_queued != NEVER)
        complain(s, j, "launched after a cancel that was answered: queued");
    if (j->group->held_acked < j->begun_at)
        complain(s, j, "launched while its group is held");
    if (j->live)
        complain(s, j, "launched while attempt %lld lives on %s", (long long)j->live->attempt,
            j->live->life->name);
    if (launched_before(j, c->attempt))
        complain(s, j, "attempt %lld is launched twice", (long long)c->attempt);
    if (j->group->live >= j->group->max_running)
        complain(s, j, "launched, %lld of its group live", (long long)j->group->live);
    for (int i = 0; i < s->gate_count; i++) {
        const struct shared_gate *g = &s->gates[i];
        if (!gate_covers(g, j->group) || g->max == NO_INT || g->max == 0)
            continue;
        if (g->live >= g->max)
            complain(s, j, "launched, %lld live under the limit of %.*s", (long long)g->live,
                BYTES_ARG(g->selector));
        s->coverage.full_gate += g->live + 1 == g->max;
    }
    if (j->run.tries > j->max_attempts)
        complain(s, j, "try %lld of %lld", (long long)j->run.tries, (long long)j->max_attempts);
    if (j->run.lost >= LOSSES_MAX)
        complain(s, j, "launched after %lld losses", (long long)j->run.lost);
}

void check_launch(struct life *l, struct child *c, const struct launch *launch)
{
    struct sim *s = l->sim;
    struct sim_job *j = c->job;
    const struct document *d = &j->run;
    bool python = bytes_equal_text(j->engine, "python");
    if (d->state != RUN_RUNNING || d->attempt != c->attempt || !bytes_equal_text(d->instance, l->name))
        complain(s, j, "%s launches attempt %lld, the ledger says %s, attempt %lld of %.*s", l->name,
            (long long)c->attempt, run_state_name(d->state), (long long)d->attempt, BYTES_ARG(d->instance));
    if (life_now(l).boot_ms >= l->lease_until)
        complain(s, j, "%s launches it when its lease is over", l->name);
    if (rules_is_draining(l->rules))
        complain(s, j, "%s launches it while it drains", l->name);
    check_promises(l, c);
    if (l->live >= (int64_t)s->rules.slots)
        complain(s, j, "%s has no slot for it", l->name);
    if (l->live_of_engine[python] >= s->engine_slots[python])
        complain(s, j, "%s has no slot of its engine for it", l->name);
    if (!bytes_equal(launch->payload, j->payload))
        complain(s, j, "launched with a payload that is not its own");
    if ((nodes_of(launch) & j->nodes_acked) != j->nodes_acked)
        complain(s, j, "a node that finished is to run again");
    int64_t latest = sim_utc(s) + s->skew_ms;
    if (j->not_before != NO_TIME && j->not_before > latest)
        complain(s, j, "launched before its time");
    if (j->retry_at != NO_TIME && j->retry_at > latest)
        complain(s, j, "launched before its backoff is over");
}

/* ---- ends and their events ---- */

static const struct outcome *outcome_of(const struct sim *s, const char *id)
{
    for (size_t i = s->outcome_count; i > 0; i--)
        if (strcmp(s->outcomes[i - 1]->id, id) == 0)
            return s->outcomes[i - 1];
    return NULL;
}

static bool event_of(const struct sim *s, const char *outcome, const struct sim_job *j, struct sim_event *out)
{
    const struct outcome *o = outcome_of(s, outcome);
    for (size_t i = 0; o && i < o->count; i++)
        if (memcmp(&o->lines[i].id, &j->id, sizeof j->id) == 0 && o->lines[i].event.len == sizeof *out) {
            memcpy(out, o->lines[i].event.data, sizeof *out);
            return true;
        }
    return false;
}

/* What became of an attempt that ran is what its child reported; a failure may be tried again, or is a drain's doing. */
static void check_report(struct sim *s, struct sim_job *j, const struct run_close *c, enum job_phase told)
{
    const struct rules_report *r = &j->report;
    if (j->guarded && (r->phase == PHASE_FAILED || r->phase == PHASE_TIMED_OUT))
        complain(s, j, "the guard killed it when the lease was over, and its executor calls that a result");
    bool again = c->to == RUN_QUEUED, failed = r->phase == PHASE_FAILED || r->phase == PHASE_TIMED_OUT;
    bool by_drain = again ? strcmp(c->reason, "drained") == 0 : told == PHASE_FAILED && j->on_lost_fails;
    if (!failed && (again || told != r->phase))
        complain(s, j, "it reported %s, and became %s", job_phase_names[r->phase],
            again ? c->reason : job_phase_names[told]);
    if (!failed || by_drain)
        return;
    bool may_retry = r->retryable && !r->never_ran && j->run.tries < j->max_attempts;
    if (again != may_retry)
        complain(s, j, "it failed, retryable=%d, try %lld of %lld: %s", r->retryable, (long long)j->run.tries,
            (long long)j->max_attempts, again ? "it is tried again" : "it is not tried again");
}

static bool was_launched(const struct sim_job *j, int64_t attempt)
{
    return attempt > 0 && attempt < 256 && (j->launched[attempt / 64] >> (attempt % 64) & 1);
}

void check_closed(
    struct sim *s, struct sim_job *j, const struct life *writer, const struct run_close *c, const char *out)
{
    struct sim_event e = {.phase = PHASE_RETRYING};
    const struct sim_group *g = j->group;
    bool own =
        c->from == RUN_RUNNING && bytes_equal_text(c->instance, writer->name) && j->reported == c->attempt;
    if (c->to == RUN_QUEUED && j->on_lost_fails && strcmp(c->reason, "retry") != 0 &&
        was_launched(j, c->attempt))
        complain(s, j, "it ran, must fail when it is lost, and goes back to the queue: %s", c->reason);
    if (j->live && j->live->attempt == c->attempt)
        complain(
            s, j, "attempt %lld is closed while it lives on %s", (long long)c->attempt, j->live->life->name);
    j->retry_at = c->to == RUN_QUEUED ? c->retry_at : NO_TIME;
    if (c->to != RUN_ENDED) {
        if (own)
            check_report(s, j, c, PHASE_RETRYING);
        return;
    }
    if (!event_of(s, out, j, &e)) {
        complain(s, j, "it is ended by outcome %s, which does not tell its end", out);
        return;
    }
    if (!job_phase_is_final((enum job_phase)e.phase))
        complain(s, j, "it is ended, and told as %s", job_phase_names[e.phase]);
    if (own)
        check_report(s, j, c, (enum job_phase)e.phase);
    if (j->acked_queued != NEVER && e.phase == PHASE_SUCCEEDED)
        complain(s, j, "it succeeded after a cancel that was answered: queued");
    if (g->holds_on_failure && e.phase == PHASE_FAILED && !g->held && g->released < j->begun_at)
        complain(s, j, "it failed, and its group is not held");
}

/* An event of an end must be that of an end which counted. */
static bool counted(const struct sim *s, const struct sim_job *j, const struct sim_event *e)
{
    struct sim_event told;
    for (size_t i = 0; i < j->close_count; i++)
        if (j->closes[i].attempt == e->attempt && event_of(s, j->closes[i].out, j, &told) &&
            memcmp(&told, e, sizeof told) == 0)
            return true;
    return false;
}

void check_event(struct sim *s, const struct sim_event *e)
{
    struct sim_job *j = &s->jobs[e->job];
    NOTE(s, "kafka", "event of job %d attempt %lld: %s %s", e->job, (long long)e->attempt,
        job_phase_names[e->phase], e->code);
    if (e->phase == PHASE_QUEUED)
        return;
    if (!counted(s, j, e))
        complain(s, j, "%s of attempt %lld is told, an end that did not count", job_phase_names[e->phase],
            (long long)e->attempt);
    if (!job_phase_is_final((enum job_phase)e->phase))
        return;
    if (j->finals++ == 0) {
        j->final = *e;
        s->finals++;
        return;
    }
    s->coverage.event_again++;
    if (memcmp(&j->final, e, sizeof *e) != 0)
        complain(s, j, "it ended as %s, and then as %s", job_phase_names[j->final.phase],
            job_phase_names[e->phase]);
}

/* ---- the end ---- */

static bool job_is_done(struct sim *s, struct sim_job *j, char *missing, size_t size)
{
    const struct document *d = &j->run;
    if (d->exists && d->state == RUN_ENDED && j->finals && !j->live)
        return true;
    s->concerned = j;
    snprintf(missing, size, "the ledger says %s, attempt %lld of %.*s; %zu final events, %s",
        d->exists ? run_state_name(d->state) : "nothing", (long long)d->attempt, BYTES_ARG(d->instance),
        j->finals, j->live ? "it lives" : "no child");
    return false;
}

/* What a dead executor has under a shared limit is swept by whoever waits for it; a living one gives up its places itself. */
static bool places_are_given_up(struct sim *s, char *missing, size_t size)
{
    const struct life *l;
    for (int i = 0; i < s->gate_count; i++)
        for (size_t k = 0; k < s->gates[i].holders.count; k++) {
            const struct holder *h = &s->gates[i].holders.items[k];
            TAILQ_FOREACH (l, &s->lives, all)
                if (l->state == LIFE_WORKS && bytes_equal_text(h->instance, l->name)) {
                    s->concerned = plan_job(s, &h->id);
                    snprintf(missing, size, "%s still has a place under %.*s for attempt %lld", l->name,
                        BYTES_ARG(s->gates[i].selector), (long long)h->attempt);
                    return false;
                }
        }
    return true;
}

bool check_everything_is_done(struct sim *s, char *missing, size_t size)
{
    for (int i = 0; i < s->job_count; i++)
        if (!job_is_done(s, &s->jobs[i], missing, size))
            return false;
    s->concerned = NULL;
    for (size_t i = s->first_unsent; i < s->outcome_count; i++)
        if (s->outcomes[i]->unsent) {
            snprintf(missing, size, "outcome %s is still unsent", s->outcomes[i]->id);
            return false;
        }
    if (!places_are_given_up(s, missing, size))
        return false;
    snprintf(missing, size, "%lld late writes, %lld due records are on their way", (long long)s->late,
        (long long)s->due_pending);
    return s->late == 0 && s->due_pending == 0;
}
