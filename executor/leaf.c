/* SPDX-License-Identifier: Apache-2.0 */
/* leaf: see the header. */
#include "executor/leaf.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/retry.h"
#include "core/strategy.h"
#include "executor/report.h"
#include "executor/running.h"

struct leaf *leaf_of(struct running *r, size_t at)
{
    struct leaf **place = &r->nodes.leaves[at];
    if (!*place) {
        const struct job_node *n = r->nodes.walk.nodes[at].node;
        *place = arena_alloc(&r->memory, sizeof **place);
        **place = (struct leaf){.r = r,
            .at = at,
            .exit_code = NO_INT,
            .target = strategy_target_text(n->engine, n->target, &r->memory)};
    }
    return *place;
}

static const struct job_node *node_of(const struct leaf *l)
{
    return l->r->nodes.walk.nodes[l->at].node;
}

/* ---- numbers of result files ---- */

/* Tries that run at once write into one folder: each has its range. What is left of the last one is given back, so that nodes that run
 * one after the other have their files numbered without gaps. */
static void reserve_numbers(struct leaf *l)
{
    l->first_result = l->r->nodes.next_file;
    l->r->nodes.next_file += ENGINE_RESULTS_MAX;
}

static void give_numbers_back(const struct leaf *l)
{
    if (l->r->nodes.next_file == l->first_result + ENGINE_RESULTS_MAX)
        l->r->nodes.next_file = l->first_result + (int64_t)l->result_count;
}

/* ---- its run ---- */

static int64_t least_positive(int64_t a, int64_t b)
{
    if (a <= 0 || (b > 0 && b < a))
        return b;
    return a;
}

void leaf_run(struct leaf *l, int64_t time_left_ms)
{
    struct running *r = l->r;
    const struct job_node *n = node_of(l);
    reserve_numbers(l);
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
        .timeout_ms = least_positive(time_left_ms, n->timeout_ms),
        .max_result_rows = r->job.limits.max_result_rows,
        .first_result = l->first_result,
        .fresh = bytes_equal_text(n->reuse, "never"),
        .now_utc = r->started_at,
        .self = l};
    snprintf(t.run, sizeof t.run, "%.*s/%lld/%zu.%lld", BYTES_ARG(r->job.job_id), (long long)r->attempt,
        l->at, (long long)r->nodes.walk.nodes[l->at].try);
    memcpy(l->run, t.run, sizeof l->run);
    l->on_engine = true;
    l->fraction = 0;
    engines_run(r->x->engines, &t);
}

/* ---- its end ---- */

/* That of its statement; of merged parts, whose node has the names of all, it is not known without one. */
static struct bytes part_of(const struct leaf *l, int64_t statement)
{
    const struct job *j = &l->r->job;
    if (statement >= 0 && (size_t)statement < j->statements.count)
        return j->statements.items[statement].part;
    return job_part_find(j, node_of(l)->part) ? node_of(l)->part : BYTES_NONE;
}

static void name_maker(const struct leaf *l, struct job_result *result)
{
    result->node = node_of(l)->id;
    result->target = l->target;
}

static void keep_results(struct leaf *l, const struct task_outcome *o)
{
    l->results = arena_array(&l->r->memory, o->result_count, sizeof *l->results);
    l->result_count = o->result_count;
    for (size_t i = 0; i < o->result_count; i++) {
        struct job_result *result = &l->results[i];
        shape_copy(&shape_result, &o->results[i], result, &l->r->memory);
        name_maker(l, result);
        result->statement = walk_statement_of_byte(&l->r->job, node_of(l), o->offsets[i]);
        result->part = part_of(l, result->statement);
    }
}

static void keep_error(struct leaf *l, const struct job_error *error)
{
    shape_copy(&shape_error, error, &l->error, &l->r->memory);
    l->has_error = true;
    if (l->error.line != NO_INT && l->error.line > 0) {
        /* The engine counts from the first line that it was given, and knows nothing of statements. */
        l->error.line += walk_first_line(&l->r->job, node_of(l)) - 1;
        l->error.statement = walk_statement_at(&l->r->job, node_of(l), l->error.line);
    }
    if (l->r->nodes.walk.count > 1)
        l->error.node = node_of(l)->id;
}

/* The byte tells more than the line: there may be many statements on one. */
static void keep_task_error(struct leaf *l, const struct task_outcome *o)
{
    struct job_error error = o->error;
    error.statement = node_of(l)->statement;
    keep_error(l, &error);
    if (o->offset != NO_INT)
        l->error.statement = walk_statement_of_byte(&l->r->job, node_of(l), o->offset);
}

static enum walk_end end_of(const struct leaf *l, const struct task_outcome *o)
{
    switch (o->end) {
    case TASK_SUCCEEDED:
        return WALK_END_SUCCEEDED;
    case TASK_FAILED:
    case TASK_TIMED_OUT:
        return running_is_retryable(l->r, o->end == TASK_FAILED && o->retryable, o->exit_code, &l->error)
                   ? WALK_END_RETRYABLE
                   : WALK_END_FAILED;
    case TASK_CANCELLED:
        return WALK_END_CANCELLED;
    }
    return WALK_END_FAILED;
}

/* Its run was given what was left of the job's time: that number means nothing to anybody. */
static void name_jobs_limit(struct leaf *l)
{
    struct running *r = l->r;
    if (l->timed_out && r->deadline_boot && clock_boot_ms() >= r->deadline_boot)
        l->error.message = arena_printf(&r->memory, "the job ran longer than run_timeout_ms (%lld)",
            (long long)r->job.limits.run_timeout_ms);
}

void leaf_take_outcome(struct leaf *l, const struct task_outcome *o)
{
    l->on_engine = false;
    l->fraction = 0;
    l->ended_at = clock_utc_ms();
    l->exit_code = o->exit_code;
    l->timed_out = o->end == TASK_TIMED_OUT;
    l->has_error = false;
    if (o->end != TASK_SUCCEEDED)
        keep_task_error(l, o);
    name_jobs_limit(l);
    keep_results(l, o);
    give_numbers_back(l);
    l->end = end_of(l, o);
}

void leaf_take_event(struct leaf *l, const struct event *ev)
{
    l->results = ev->results.items;
    l->result_count = ev->results.count;
    for (size_t i = 0; i < l->result_count; i++) /* older executors did not */
        name_maker(l, &l->results[i]);
    l->exit_code = ev->exit_code;
    l->ended_at = ev->at;
    l->next_at = ev->next_at;
    l->has_error = ev->error != NULL;
    if (ev->error)
        l->error = *ev->error;
    l->timed_out = l->has_error && bytes_equal_text(l->error.code, "run_timeout");
}

void leaf_refuse_results(struct leaf *l)
{
    const struct job_error error = report_error(
        "result_too_large", BYTES("with those of this node the job has more results than can be kept of it"));
    l->result_count = 0;
    l->timed_out = false;
    l->end = WALK_END_FAILED;
    keep_error(l, &error);
}
