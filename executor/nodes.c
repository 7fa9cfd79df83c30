/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes: a job's plan, node after node. A plan of several nodes is resumed: before the next node starts, the finished one is recorded in
 * the ledger with the event that carries its results, and a later attempt takes that over instead of running it again.
 */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/announce.h"
#include "executor/running.h"

#define PROGRESS_EVERY_MS 1000

static struct event node_event(struct running *r, const char *state)
{
    struct report rep = running_report(r);
    struct event ev = report_event(&rep, PHASE_NODE, clock_utc_ms());
    ev.node = r->walk.nodes[r->at]->id;
    ev.node_state = bytes_of(state);
    return ev;
}

static void tell_node(struct running *r, const char *state)
{
    if (r->walk.count < 2)
        return;
    struct event ev = node_event(r, state);
    running_send_event(r, &ev);
}

/* ---- results ---- */

static void add_results(struct running *r, const struct job_result *results, size_t count)
{
    if (count == 0)
        return;
    struct job_result *all = arena_array(&r->memory, r->result_count + count, sizeof *all);
    if (r->result_count)
        memcpy(all, r->results, r->result_count * sizeof *all);
    for (size_t i = 0; i < count; i++)
        shape_copy(&shape_result, &results[i], &all[r->result_count + i], &r->memory);
    r->results = all;
    r->result_count += count;
}

/* ---- running a node ---- */

static int64_t least_positive(int64_t a, int64_t b)
{
    if (a <= 0 || (b > 0 && b < a))
        return b;
    return a;
}

static void conclude_run_timeout(struct running *r, int64_t exit_code)
{
    struct job_error error =
        report_error("run_timeout", arena_printf(&r->memory, "it ran longer than run_timeout_ms (%lld)",
                                        (long long)r->job.limits.run_timeout_ms));
    running_conclude(r, PHASE_TIMED_OUT, &error, exit_code, false);
}

static bool time_is_up(const struct running *r)
{
    return r->deadline_boot && clock_boot_ms() >= r->deadline_boot;
}

static void run_node(struct running *r)
{
    const struct job_node *n = r->walk.nodes[r->at];
    if (time_is_up(r)) {
        conclude_run_timeout(r, NO_INT);
        return;
    }
    int64_t left = r->deadline_boot ? r->deadline_boot - clock_boot_ms() : 0;
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
    tell_node(r, "running");
    r->on_engine = true;
    engines_run(r->x->engines, &t);
}

/* ---- finished nodes of earlier attempts ---- */

static const struct run_node *finished(const struct running *r, struct bytes id)
{
    for (size_t i = 0; i < r->finished_count; i++)
        if (bytes_equal(r->finished[i].id, id))
            return &r->finished[i];
    return NULL;
}

static enum codec_verdict take_over(struct running *r, const struct run_node *node)
{
    struct event ev;
    struct error e;
    enum codec_verdict v =
        codec_decode(r->x->world->codec, &shape_event, node->event, false, &r->memory, &ev, &e);
    if (v == CODEC_OK)
        add_results(r, ev.results.items, ev.results.count);
    else
        log_warn("node_unreadable", "job=%.*s node=%.*s code=%s error=%s", BYTES_ARG(r->job.job_id),
            BYTES_ARG(node->id), e.code, log_quote(bytes_of(e.text)));
    return v;
}

/* Finished nodes are the first of the walk: in one attempt each runs after the one before is recorded. */
static enum codec_verdict take_over_all(struct running *r)
{
    const struct run_node *node;
    enum codec_verdict v = CODEC_OK;
    r->at = r->result_count = 0;
    while (v == CODEC_OK && r->at < r->walk.count && (node = finished(r, r->walk.nodes[r->at]->id)) != NULL) {
        v = take_over(r, node);
        r->at++;
    }
    return v;
}

bool nodes_begin(struct running *r)
{
    struct error e;
    bool walkable = walk_plan(&r->job, &r->memory, &r->walk, &e);
    enum codec_verdict v = walkable ? take_over_all(r) : CODEC_OK;
    if (v == CODEC_RETRY)
        return false;
    running_started(r);
    if (!walkable) {
        running_conclude_error(r, PHASE_FAILED, e.code, arena_copy(&r->memory, bytes_of(e.text)));
        return true;
    }
    if (v == CODEC_BAD) { /* to run it again might repeat its effects */
        running_conclude_error(
            r, PHASE_FAILED, "internal", BYTES("the record of a finished node in the ledger is damaged"));
        return true;
    }
    if (r->at > 0)
        running_line(r, "info",
            arena_printf(&r->memory, "goes on after node %.*s, which finished in an earlier attempt",
                BYTES_ARG(r->walk.nodes[r->at - 1]->id)));
    if (r->at < r->walk.count)
        run_node(r);
    else
        running_conclude(r, PHASE_SUCCEEDED, NULL, NO_INT, false);
    return true;
}

/* ---- a node's end ---- */

static void end_of_run(struct running *r, const struct task_outcome *o)
{
    struct job_error error = o->error;
    if (error.line != NO_INT && error.line > 0) /* the engine counts from the first line that it was given */
        error.line += walk_first_line(&r->job, r->walk.nodes[r->at]) - 1;
    if (r->walk.count > 1)
        error.node = r->walk.nodes[r->at]->id;
    switch (o->end) {
    case TASK_SUCCEEDED:
        running_conclude(r, PHASE_SUCCEEDED, NULL, o->exit_code, false);
        break;
    case TASK_FAILED:
        if (r->cancelled && r->x->killing)
            running_conclude_cancelled(r);
        else
            running_conclude(r, PHASE_FAILED, &error, o->exit_code, o->retryable);
        break;
    case TASK_TIMED_OUT:
        if (time_is_up(r))
            conclude_run_timeout(r, o->exit_code);
        else
            running_conclude(r, PHASE_TIMED_OUT, &error, o->exit_code, false);
        break;
    case TASK_CANCELLED:
        running_conclude_cancelled(r);
        break;
    }
}

/* Others follow: it is recorded first, once all log so far is delivered, so that no attempt is left without it. */
static void finish_node(struct running *r, const struct task_outcome *o)
{
    struct event ev = node_event(r, "succeeded");
    struct job_result *results = r->results ? r->results + r->result_count - o->result_count : NULL;
    ev.results.items = results;
    ev.results.count = o->result_count;
    ev.exit_code = o->exit_code;
    running_log_now(r);
    r->done = (struct run_node){ev.node, announce_encode(r->x, &ev, &r->memory)};
    announce_send(r->x, r->group, &r->id, r->done.event, NULL, NULL);
    nodes_record(r);
}

void nodes_record(struct running *r)
{
    if (!r->done.id.data || r->recording || r->undelivered > 0)
        return;
    r->recording = true;
    rules_node(r->x->rules, r->task, &r->done);
}

void running_node_kept(struct running *r, bool still_ours)
{
    r->done = (struct run_node){BYTES_NONE, BYTES_NONE};
    r->recording = false;
    if (!still_ours) {
        running_conclude_error(r, PHASE_FAILED, "lost", BYTES("the attempt is not this executor's any more"));
        return;
    }
    r->at++;
    if (r->cancelled)
        running_conclude_cancelled(r);
    else
        run_node(r);
}

void nodes_ended(void *self, const struct task_outcome *o)
{
    struct running *r = self;
    static const char *const states[] = {"succeeded", "failed", "cancelled", "failed"};
    r->on_engine = false;
    add_results(r, o->results, o->result_count);
    if (o->end == TASK_SUCCEEDED && r->at + 1 < r->walk.count) {
        finish_node(r, o);
        return;
    }
    if (!r->x->killing)
        tell_node(r, states[o->end]);
    end_of_run(r, o);
}

void nodes_progress(void *self, double done)
{
    struct running *r = self;
    int64_t now = clock_boot_ms();
    if (r->progress_at && now - r->progress_at < PROGRESS_EVERY_MS)
        return;
    r->progress_at = now;
    struct report rep = running_report(r);
    struct event ev = report_event(&rep, PHASE_PROGRESS, clock_utc_ms());
    ev.progress = ((double)r->at + done) / (double)r->walk.count;
    running_send_event(r, &ev);
}
