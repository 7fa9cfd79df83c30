/* SPDX-License-Identifier: Apache-2.0 */
/*
 * running: one job that runs here: its plan walked node by node on engine processes, its log, its results, and how it ends. It
 * lives from the launch until the ledger has acknowledged its end (or its return to the queue) and all of its log is delivered.
 */
#include "executor/running.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"

#define FLUSH_EVERY_MS 100
#define PROGRESS_EVERY_MS 1000

static struct report report_of(const struct running *r)
{
    return (struct report){
        &r->job, r->group, bytes_of(r->x->instance), r->attempt, r->queued_at, r->started_at};
}

/* Events on the way: nothing waits for their delivery, a later event repeats their times. */
static void send_event(struct running *r, struct event *ev)
{
    struct buf out;
    struct uuid id = r->id;
    buf_init(&out);
    report_encode(r->x->world->codec, ev, &out);
    struct publication *p = publication_new(r->x, "", false);
    publication_add(p, r->group, &id, buf_bytes(&out));
    publication_close(p);
    buf_release(&out);
}

/* ---- the log ---- */

static void maybe_finish(struct running *r);

static void chunk_delivered(void *self, const struct error *failure)
{
    struct running *r = self;
    if (failure)
        log_error(
            "log_lost", "job=%.*s error=%s", BYTES_ARG(r->job.job_id), log_quote(bytes_of(failure->text)));
    r->undelivered--;
    maybe_finish(r);
}

static void send_chunk(void *self, const struct job_log *chunk)
{
    struct running *r = self;
    struct job_log record = *chunk;
    struct error e;
    struct buf out;
    record.job_id = r->job.job_id;
    record.attempt = r->attempt;
    record.node = r->walk.count > 1 && r->at < r->walk.count ? r->walk.nodes[r->at]->id : BYTES_NONE;
    record.at = clock_utc_ms();
    buf_init(&out);
    if (!codec_encode(r->x->world->codec, &shape_log, &record, &out, &e))
        log_fatal("encode_failed", "record=JobLog error=%s", log_quote(bytes_of(e.text)));
    struct bus_header header = {BYTES("job"), r->job.job_id};
    struct bus_message m = {"jobs.logs", -1, r->group, buf_bytes(&out), &header, 1};
    r->undelivered++;
    if (!producer_send(r->x->world->producer, &m, chunk_delivered, r, &e))
        log_fatal("send_failed", "topic=jobs.logs error=%s", log_quote(bytes_of(e.text)));
    metric_add(&executor_metrics[M_LOG_BYTES], (int64_t)chunk->text.len);
    buf_release(&out);
}

static void mark_dirty(struct running *r)
{
    struct executor *x = r->x;
    if (r->dirty)
        return;
    r->dirty = true;
    if (TAILQ_EMPTY(&x->dirty)) {
        int64_t now = clock_boot_ms();
        x->flush_at = r->flushed_at + FLUSH_EVERY_MS > now ? r->flushed_at + FLUSH_EVERY_MS : now;
    }
    TAILQ_INSERT_TAIL(&x->dirty, r, dirty_entry);
}

static void clean(struct running *r)
{
    if (r->dirty)
        TAILQ_REMOVE(&r->x->dirty, r, dirty_entry);
    r->dirty = false;
}

void running_flush(struct executor *x, int64_t now_boot)
{
    while (!TAILQ_EMPTY(&x->dirty) && x->flush_at <= now_boot) {
        struct running *r = TAILQ_FIRST(&x->dirty);
        clean(r);
        r->flushed_at = now_boot;
        job_log_flush(&r->log);
    }
}

static void on_log(void *self, struct bytes level, struct bytes text)
{
    struct running *r = self;
    job_log_add(&r->log, level, text);
    mark_dirty(r);
}

static void own_line(struct running *r, const char *level, struct bytes text)
{
    struct buf line;
    buf_init(&line);
    buf_add_bytes(&line, text);
    buf_add_char(&line, '\n');
    on_log(r, bytes_of(level), buf_bytes(&line));
    buf_release(&line);
}

/* ---- the end ---- */

/* Once all log is delivered and the last word is spoken: hand the end to the ledger, or give the job back. */
static void maybe_finish(struct running *r)
{
    if (!r->concluded || r->undelivered > 0 || r->handed_over)
        return;
    r->handed_over = true;
    if (r->give_back) {
        requeue_add(r->x, &r->id, r->attempt);
        return;
    }
    struct ending end = {.finish = {.id = r->id, .attempt = r->attempt, .from = RUN_RUNNING},
        .task = r->task,
        .running = r,
        .counts = r->counts};
    arena_init(&end.memory);
    end.finish.instance = arena_copy(&end.memory, bytes_of(r->x->instance));
    end.finish.group = arena_copy(&end.memory, r->group);
    end.finish.event = arena_copy(&end.memory, buf_bytes(&r->final));
    finish_add(r->x, &end);
}

static enum executor_metric metric_of(enum job_phase phase)
{
    static const struct {
        enum job_phase phase;
        enum executor_metric metric;
    } rows[] = {
        {PHASE_SUCCEEDED, M_SUCCEEDED}, {PHASE_CANCELLED, M_CANCELLED}, {PHASE_TIMED_OUT, M_TIMED_OUT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].phase == phase)
            return rows[i].metric;
    return M_FAILED;
}

static void conclude(struct running *r, enum job_phase phase, struct job_error *error, int64_t exit_code)
{
    if (r->concluded)
        return;
    clean(r);
    job_log_close(&r->log);
    r->concluded = true;
    struct report rep = report_of(r);
    struct event ev = report_event(&rep, phase, clock_utc_ms());
    ev.error = error;
    ev.exit_code = exit_code;
    ev.log = &r->log.totals;
    ev.results.items = r->results;
    ev.results.count = r->result_count;
    if (phase == PHASE_CANCELLED)
        ev.reason = r->cancel_reason;
    report_encode(r->x->world->codec, &ev, &r->final);
    r->counts = metric_of(phase);
    metric_observe_us(&executor_metrics[M_RUN_SECONDS], clock_boot_us() - r->began_us);
    log_debug("job_ended", "job=%.*s attempt=%lld phase=%s", BYTES_ARG(r->job.job_id), (long long)r->attempt,
        job_phase_names[phase]);
    maybe_finish(r);
}

static void conclude_error(struct running *r, enum job_phase phase, const char *code, struct bytes message)
{
    struct job_error error = report_error(code, message);
    conclude(r, phase, &error, NO_INT);
}

/* ---- nodes ---- */

static void node_event(struct running *r, const struct job_node *n, const char *state)
{
    if (r->walk.count < 2)
        return;
    struct report rep = report_of(r);
    struct event ev = report_event(&rep, PHASE_NODE, clock_utc_ms());
    ev.node = n->id;
    ev.node_state = bytes_of(state);
    send_event(r, &ev);
}

static int64_t least_positive(int64_t a, int64_t b)
{
    if (a <= 0 || (b > 0 && b < a))
        return b;
    return a;
}

static void run_node(struct running *r)
{
    const struct job_node *n = r->walk.nodes[r->at];
    int64_t left = 0;
    if (r->deadline_boot) {
        left = r->deadline_boot - clock_boot_ms();
        if (left <= 0) {
            conclude_error(r, PHASE_TIMED_OUT, "timed_out",
                arena_printf(
                    &r->memory, "run_timeout_ms (%lld) is over", (long long)r->job.limits.run_timeout_ms));
            return;
        }
    }
    struct engine_task t = {.creator = r->job.creator,
        .user = r->job.user,
        .job_id = r->job.job_id,
        .engine = n->engine,
        .target = n->target,
        .code_type = n->code_type,
        .code = walk_code(&r->job, n),
        .node = n->id,
        .variables = r->job.variables,
        .conf = r->job.conf,
        .attempt = r->attempt,
        .timeout_ms = least_positive(left, n->timeout_ms),
        .max_result_rows = r->job.limits.max_result_rows,
        .first_result = (int64_t)r->result_count,
        .statement = n->statement,
        .fresh = bytes_equal_text(n->reuse, "never"),
        .now_utc = r->started_at,
        .self = r};
    snprintf(t.run, sizeof t.run, "%.*s/%lld/%zu", BYTES_ARG(r->job.job_id), (long long)r->attempt, r->at);
    memcpy(r->run, t.run, sizeof r->run);
    node_event(r, n, "running");
    r->on_engine = true;
    engines_run(r->x->engines, &t);
}

static void keep_results(struct running *r, const struct task_outcome *o)
{
    if (o->result_count == 0)
        return;
    struct job_result *all = arena_array(&r->memory, r->result_count + o->result_count, sizeof *all);
    if (r->result_count)
        memcpy(all, r->results, r->result_count * sizeof *all);
    for (size_t i = 0; i < o->result_count; i++)
        shape_copy(&shape_result, &o->results[i], &all[r->result_count + i], &r->memory);
    r->results = all;
    r->result_count += o->result_count;
}

static void end_of_run(struct running *r, const struct task_outcome *o)
{
    struct job_error error = o->error;
    if (r->walk.count > 1)
        error.node = r->walk.nodes[r->at]->id;
    switch (o->end) {
    case TASK_SUCCEEDED:
        conclude(r, PHASE_SUCCEEDED, NULL, o->exit_code);
        break;
    case TASK_FAILED:
        conclude(r, PHASE_FAILED, &error, o->exit_code);
        break;
    case TASK_TIMED_OUT:
        conclude(r, PHASE_TIMED_OUT, &error, o->exit_code);
        break;
    case TASK_CANCELLED:
        error = report_cancelled(&r->memory, r->cancel_by, r->cancel_reason, "");
        conclude(r, PHASE_CANCELLED, &error, NO_INT);
        break;
    }
}

static void on_ended(void *self, const struct task_outcome *o)
{
    struct running *r = self;
    static const char *const states[] = {"succeeded", "failed", "cancelled", "failed"};
    r->on_engine = false;
    keep_results(r, o);
    if (r->x->killing && o->end != TASK_SUCCEEDED && !r->cancelled) {
        if (r->job.retry.on_lost == ON_LOST_FAIL) {
            conclude_error(
                r, PHASE_FAILED, "lost", BYTES("the executor was stopped while the job ran (on_lost: fail)"));
            return;
        }
        r->give_back = r->concluded = true;
        clean(r);
        job_log_close(&r->log);
        maybe_finish(r);
        return;
    }
    node_event(r, r->walk.nodes[r->at], states[o->end]);
    if (o->end == TASK_SUCCEEDED && r->cancelled && r->at + 1 < r->walk.count) {
        struct task_outcome cancelled = {.end = TASK_CANCELLED, .exit_code = NO_INT};
        end_of_run(r, &cancelled);
        return;
    }
    if (o->end == TASK_SUCCEEDED && r->at + 1 < r->walk.count) {
        r->at++;
        run_node(r);
        return;
    }
    end_of_run(r, o);
}

static void on_progress(void *self, double done)
{
    struct running *r = self;
    int64_t now = clock_boot_ms();
    if (r->progress_at && now - r->progress_at < PROGRESS_EVERY_MS)
        return;
    r->progress_at = now;
    struct report rep = report_of(r);
    struct event ev = report_event(&rep, PHASE_PROGRESS, clock_utc_ms());
    ev.progress = ((double)r->at + done) / (double)r->walk.count;
    send_event(r, &ev);
}

static void on_guard_lost(void *self, const struct error *e)
{
    (void)self;
    log_fatal("guard_lost", "error=%s", log_quote(bytes_of(e->text)));
}

const struct engine_events running_engine_events = {on_log, on_progress, on_ended, on_guard_lost};

/* ---- launch, cancel ---- */

static struct running *running_new(
    struct executor *x, struct task *t, struct bytes payload, int64_t started_at)
{
    struct running *r = calloc(1, sizeof *r);
    struct error e;
    if (!r)
        log_fatal("out_of_memory", "what=running");
    r->x = x;
    r->task = t;
    r->id = t->id;
    r->attempt = t->attempt;
    r->queued_at = t->queued_at;
    r->started_at = started_at;
    r->began_us = clock_boot_us();
    arena_init(&r->memory);
    buf_init(&r->final);
    t->run = r;
    TAILQ_INSERT_TAIL(&x->running, r, entry);
    payload = arena_copy(&r->memory, payload);
    enum codec_verdict v =
        codec_decode(x->world->codec, &shape_planned, payload, false, &r->memory, &r->job, &e);
    if (v !=
        CODEC_OK) /* intake has read these very bytes, so they are not bad: the ledger is corrupt, or the registry is away */
        log_fatal("payload_unreadable", "error=%s", log_quote(bytes_of(e.text)));
    r->group = job_group(&r->memory, &r->job);
    job_log_init(
        &r->log, r->job.limits.max_log_bytes == NO_INT ? 0 : r->job.limits.max_log_bytes, send_chunk, r);
    return r;
}

static bool waited_too_long(const struct running *r)
{
    int64_t limit = r->job.limits.queue_timeout_ms;
    return r->attempt == 1 && limit > 0 && r->queued_at != NO_INT && r->started_at - r->queued_at > limit;
}

/* Ends it before anything ran: no `started` event, no start time. */
static void refuse_to_run(struct running *r, enum job_phase phase, struct job_error *error)
{
    r->started_at = NO_INT;
    conclude(r, phase, error, NO_INT);
}

void running_launch(struct executor *x, struct task *t, struct bytes payload,
    const struct ledger_cancel *order, int64_t started_at)
{
    struct error e;
    struct running *r = running_new(x, t, payload, started_at);
    if (order) {
        struct job_error error = report_cancelled(&r->memory, order->by, order->reason, " before it started");
        r->cancel_reason = arena_copy(&r->memory, order->reason);
        refuse_to_run(r, PHASE_CANCELLED, &error);
        return;
    }
    if (waited_too_long(r)) {
        struct job_error error = report_error(
            "queue_timeout", arena_printf(&r->memory, "it waited longer than queue_timeout_ms (%lld)",
                                 (long long)r->job.limits.queue_timeout_ms));
        refuse_to_run(r, PHASE_TIMED_OUT, &error);
        return;
    }
    metric_add(&executor_metrics[M_STARTED], 1);
    if (r->queued_at != NO_INT)
        metric_observe_us(&executor_metrics[M_QUEUE_SECONDS], (started_at - r->queued_at) * 1000);
    struct report rep = report_of(r);
    struct event ev = report_event(&rep, PHASE_STARTED, started_at);
    send_event(r, &ev);
    for (size_t i = 0; i < r->job.warnings.count; i++)
        own_line(r, "warn", arena_printf(&r->memory, "warning: %.*s", BYTES_ARG(r->job.warnings.items[i])));
    if (r->job.limits.run_timeout_ms > 0)
        r->deadline_boot = clock_boot_ms() + r->job.limits.run_timeout_ms;
    if (!walk_plan(&r->job, &r->memory, &r->walk, &e)) {
        conclude_error(r, PHASE_FAILED, e.code, arena_copy(&r->memory, bytes_of(e.text)));
        return;
    }
    run_node(r);
}

void running_cancel(struct running *r, struct bytes by, struct bytes reason)
{
    if (r->cancelled || r->concluded)
        return;
    r->cancelled = true;
    r->cancel_by = arena_copy(&r->memory, by);
    r->cancel_reason = arena_copy(&r->memory, reason);
    if (r->on_engine)
        engines_cancel(r->x->engines, r->run);
}

void running_free(struct running *r)
{
    MUST(r->undelivered == 0);
    clean(r);
    TAILQ_REMOVE(&r->x->running, r, entry);
    job_log_release(&r->log);
    buf_release(&r->final);
    arena_release(&r->memory);
    free(r);
}
