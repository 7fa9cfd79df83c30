/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running: one job that runs here: its life and its end. It lives from the launch until the rules say that it is gone: its end is
 * known to the ledger, or another has closed it.
 */
#include "executor/running.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/retry.h"
#include "executor/announce.h"
#include "executor/cached.h"
#include "executor/retry.h"

#define REGISTRY_EVERY_MS 1000
#define REASON_MAX 500

struct report running_report(const struct running *r)
{
    bool ran = !r->report.never_ran; /* else nobody heard of this attempt */
    return (struct report){&r->job, r->group, bytes_of(r->x->instance), ran ? r->attempt : r->attempt - 1,
        r->queued_at, ran ? r->started_at : NO_INT};
}

/* Events on the way: nothing waits for their delivery, a later event repeats their times. */
void running_send_event(struct running *r, struct event *ev)
{
    struct buf out;
    buf_init(&out);
    report_encode(r->x->world->codec, ev, &out);
    announce_send(r->x, r->group, &r->id, buf_bytes(&out), NULL, NULL);
    buf_release(&out);
}

/* ---- the end ---- */

/* Once all log is delivered and the last word is spoken. */
static void maybe_over(struct running *r)
{
    if (!r->concluded || r->delivered < r->sent || r->over)
        return;
    r->over = true;
    rules_over(r->x->rules, r->task, &r->report);
}

void running_delivered(struct running *r)
{
    r->delivered++;
    nodes_delivered(r);
    maybe_over(r);
}

static int64_t or_else(int64_t value, int64_t otherwise)
{
    return value == NO_INT ? otherwise : value;
}

bool running_is_retryable(
    struct running *r, bool engine_says, int64_t exit_code, const struct job_error *error)
{
    return engine_says || retry_rule_fits(&r->job.retry, exit_code, error, &r->memory);
}

/* What ran into its time limit was not judged by the engine. */
static bool end_is_retryable(struct running *r, enum job_phase phase, bool engine_says)
{
    return (phase == PHASE_FAILED || phase == PHASE_TIMED_OUT) &&
           running_is_retryable(
               r, engine_says && phase == PHASE_FAILED, r->exit_code, r->has_error ? &r->error : NULL);
}

static void clean(struct running *r)
{
    if (r->dirty)
        TAILQ_REMOVE(&r->x->dirty, r, dirty_entry);
    if (r->waiting)
        TAILQ_REMOVE(&r->x->waiting, r, waiting_entry);
    if (r->naps)
        TAILQ_REMOVE(&r->x->napping, r, nap_entry);
    r->dirty = r->waiting = r->naps = false;
    cached_forget(r);
}

void running_conclude(
    struct running *r, enum job_phase phase, const struct job_error *error, int64_t exit_code, bool retryable)
{
    if (r->concluded)
        return;
    clean(r);
    job_log_close(&r->log);
    r->concluded = true;
    r->exit_code = exit_code;
    r->has_error = error != NULL;
    if (error)
        shape_copy(&shape_error, error, &r->error, &r->memory);
    const struct job_retry *retry = &r->job.retry;
    r->report.phase = phase;
    r->report.code = error ? r->error.code : BYTES_NONE;
    r->report.retryable = !r->report.never_ran && end_is_retryable(r, phase, retryable);
    r->error.retryable = r->report.retryable;
    r->report.max_attempts = or_else(retry->max_attempts, 1);
    r->report.backoff_ms = or_else(retry->backoff_ms, RETRY_BACKOFF_MS);
    r->report.max_backoff_ms = or_else(retry->max_backoff_ms, RETRY_MAX_BACKOFF_MS);
    r->report.on_lost_fails = retry->on_lost == ON_LOST_FAIL;
    if (!r->report.never_ran)
        metric_observe_us(&executor_metrics[M_RUN_SECONDS], clock_boot_us() - r->began_us);
    log_debug("job_ended", "job=%.*s attempt=%lld phase=%s", BYTES_ARG(r->job.job_id), (long long)r->attempt,
        job_phase_names[phase]);
    maybe_over(r);
}

void running_conclude_error(struct running *r, enum job_phase phase, const char *code, struct bytes message)
{
    struct job_error error = report_error(code, message);
    running_conclude(r, phase, &error, NO_INT, false);
}

void running_conclude_cancelled(struct running *r)
{
    int64_t before = r->report.never_ran ? r->attempt - 1 : REPORT_RAN;
    struct job_error error = report_cancelled(&r->memory, r->cancel_by, r->cancel_reason, before);
    running_conclude(r, PHASE_CANCELLED, &error, NO_INT, false);
}

static struct bytes why_again(const struct running *r, struct arena *a)
{
    return arena_printf(a, "attempt %lld failed: %.*s: %.*s", (long long)r->attempt, BYTES_ARG(r->error.code),
        BYTES_ARG(bytes_cut(r->error.message, REASON_MAX)));
}

struct bytes running_tell(struct running *r, const struct telling *t, struct arena *a)
{
    struct report rep = running_report(r);
    struct event ev = report_event(&rep, t->phase, t->at);
    struct job_error error;
    ev.error = r->has_error ? &r->error : NULL;
    ev.exit_code = r->exit_code;
    ev.cached_from = r->cached_from;
    r->ended_at = t->at;
    announce_reason(&ev, &error, &r->job, t, a);
    if (t->phase == PHASE_CANCELLED && r->cancelled)
        ev.reason = r->cancel_reason;
    if (t->phase == PHASE_RETRYING && !t->reason.len && r->has_error)
        ev.reason = why_again(r, a);
    ev.log = r->report.never_ran ? NULL : &r->log.totals;
    ev.results.items = r->results;
    ev.results.count = r->result_count;
    return announce_encode(r->x, &ev, a);
}

static void on_guard_lost(void *self, const struct error *e)
{
    (void)self;
    log_fatal("guard_lost", "error=%s", log_quote(bytes_of(e->text)));
}

const struct engine_events running_engine_events = {
    running_on_log, nodes_progress, nodes_ended, on_guard_lost};

/* ---- launch, cancel ---- */

static struct running *running_new(struct executor *x, struct task *t, const struct launch *l)
{
    struct running *r = calloc(1, sizeof *r);
    if (!r)
        log_fatal("out_of_memory", "what=running");
    r->x = x;
    r->task = t;
    r->id = t->id;
    r->attempt = t->attempt;
    r->queued_at = t->queued_at;
    r->started_at = t->started_at;
    r->began_us = clock_boot_us();
    r->exit_code = NO_INT;
    arena_init(&r->memory);
    r->group = arena_copy(&r->memory, scheduler_group_name(t));
    r->payload = arena_copy(&r->memory, l->payload);
    r->finished = arena_array(&r->memory, l->node_count, sizeof *r->finished);
    for (; r->finished_count < l->node_count; r->finished_count++)
        r->finished[r->finished_count] =
            (struct run_node){arena_copy(&r->memory, l->nodes[r->finished_count].id),
                arena_copy(&r->memory, l->nodes[r->finished_count].event)};
    nodes_init(&r->nodes);
    job_log_init(&r->log, 0, running_send_chunk, r);
    t->run = r;
    TAILQ_INSERT_TAIL(&x->running, r, entry);
    return r;
}

/* Its time in the queue counts from the moment from which it could start. */
static bool waited_too_long(const struct running *r)
{
    int64_t limit = r->job.limits.queue_timeout_ms, from = r->queued_at;
    if (r->job.not_before != NO_INT && r->job.not_before > from)
        from = r->job.not_before;
    return r->attempt == 1 && limit > 0 && from != NO_INT && r->started_at - from > limit;
}

static void wait_for_registry(struct running *r)
{
    struct executor *x = r->x;
    if (r->waiting)
        return;
    if (TAILQ_EMPTY(&x->waiting))
        x->waiting_at = clock_boot_ms() + REGISTRY_EVERY_MS;
    r->waiting = true;
    TAILQ_INSERT_TAIL(&x->waiting, r, waiting_entry);
}

void running_started(struct running *r)
{
    if (r->queued_at != NO_INT)
        metric_observe_us(&executor_metrics[M_QUEUE_SECONDS], (r->started_at - r->queued_at) * 1000);
    struct report rep = running_report(r);
    struct event ev = report_event(&rep, PHASE_STARTED, r->started_at);
    running_send_event(r, &ev);
    for (size_t i = 0; i < r->job.warnings.count; i++)
        running_line(
            r, "warn", arena_printf(&r->memory, "warning: %.*s", BYTES_ARG(r->job.warnings.items[i])));
    if (r->job.limits.run_timeout_ms > 0)
        r->deadline_boot = clock_later(clock_boot_ms(), r->job.limits.run_timeout_ms);
}

/* False: the registry does not answer. */
static bool go(struct running *r)
{
    if (r->cancelled) {
        r->report.never_ran = true;
        running_conclude_cancelled(r);
        return true;
    }
    if (waited_too_long(r)) {
        r->report.never_ran = true;
        running_conclude_error(r, PHASE_TIMED_OUT, "queue_timeout",
            arena_printf(&r->memory, "it waited longer than queue_timeout_ms (%lld)",
                (long long)r->job.limits.queue_timeout_ms));
        return true;
    }
    return cached_look(r) || nodes_begin(r);
}

/* False: the registry does not answer. */
static bool begin(struct running *r)
{
    bool damaged;
    if (!announce_job(r->x, r->payload, &r->id, r->group, &r->memory, &r->job, &damaged)) {
        announce_stub(&r->id, r->group, &r->memory, &r->job);
        return false;
    }
    if (r->job.limits.max_log_bytes != NO_INT)
        r->log.max_bytes = r->job.limits.max_log_bytes;
    if (damaged) {
        r->report.never_ran = true;
        running_conclude_error(
            r, PHASE_FAILED, "internal", BYTES("the job's record in the ledger is damaged"));
        return true;
    }
    return go(r);
}

void running_go_on(struct running *r)
{
    if (!go(r))
        wait_for_registry(r);
}

void running_launch(struct executor *x, struct task *t, const struct launch *l)
{
    struct running *r = running_new(x, t, l);
    if (!begin(r))
        wait_for_registry(r);
}

void running_cancel(struct running *r, const struct order_seen *o)
{
    if (r->cancelled || r->concluded)
        return;
    r->cancelled = true;
    r->cancel_by = arena_copy(&r->memory, o->by);
    r->cancel_reason = arena_copy(&r->memory, o->reason);
    nodes_stop(r, NODES_CANCELLED);
    if (r->look)
        running_go_on(r);
}

void running_kill_all(struct executor *x)
{
    struct running *r;
    TAILQ_FOREACH (r, &x->running, entry)
        if (r->waiting || r->look)
            running_conclude_error(
                r, PHASE_FAILED, "lost", BYTES("the executor was stopped before the job ran"));
        else
            nodes_stop(r, NODES_KILLED);
}

/* ---- what comes with time ---- */

void running_nap(struct running *r, int64_t until_boot_ms)
{
    struct executor *x = r->x;
    r->wake_at = r->naps && r->wake_at < until_boot_ms ? r->wake_at : until_boot_ms;
    if (!r->naps)
        TAILQ_INSERT_TAIL(&x->napping, r, nap_entry);
    r->naps = true;
    if (r->wake_at < x->nap_at)
        x->nap_at = r->wake_at;
}

static void wake_napping(struct executor *x, int64_t now_boot)
{
    struct running *r, *next;
    if (now_boot < x->nap_at)
        return;
    x->nap_at = INT64_MAX;
    for (r = TAILQ_FIRST(&x->napping); r; r = next) {
        next = TAILQ_NEXT(r, nap_entry);
        if (r->wake_at <= now_boot) {
            TAILQ_REMOVE(&x->napping, r, nap_entry);
            r->naps = false;
            nodes_wake(r);
        } else if (r->wake_at < x->nap_at) {
            x->nap_at = r->wake_at;
        }
    }
}

int64_t running_serve(struct executor *x, int64_t now_boot)
{
    struct running *r;
    wake_napping(x, now_boot);
    while (!TAILQ_EMPTY(&x->dirty) && x->flush_at <= now_boot)
        running_log_now(TAILQ_FIRST(&x->dirty));
    if (!TAILQ_EMPTY(&x->waiting) && x->waiting_at <= now_boot) {
        x->waiting_at = now_boot + REGISTRY_EVERY_MS;
        while ((r = TAILQ_FIRST(&x->waiting)) != NULL) {
            clean(r);
            if (!begin(r)) {
                wait_for_registry(r);
                break;
            }
        }
    }
    int64_t next = cached_serve(x->cached, now_boot);
    if (!TAILQ_EMPTY(&x->dirty) && x->flush_at < next)
        next = x->flush_at;
    if (x->nap_at < next)
        next = x->nap_at;
    return !TAILQ_EMPTY(&x->waiting) && x->waiting_at < next ? x->waiting_at : next;
}

void running_free(struct running *r)
{
    MUST(r->delivered == r->sent);
    clean(r);
    TAILQ_REMOVE(&r->x->running, r, entry);
    job_log_release(&r->log);
    nodes_release(&r->nodes);
    arena_release(&r->memory);
    free(r);
}
