/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_task: one task, from its run line to its outcome. What an engine says comes in through task_line; what happens to
 * the engine process through task_process_ended and task_swept. The first of them that tells an end decides the outcome.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/engine_pool.h"

/* ---- birth and death ---- */

static struct bytes keep(struct buf *names, struct bytes text)
{
    struct bytes out = {names->data + names->len, text.len};
    buf_add_bytes(names, text);
    return out;
}

struct engine_task_state *task_new(struct engines *p, const struct engine_task *t)
{
    struct engine_task_state *s = calloc(1, sizeof(*s));
    MUST(s != NULL);
    memcpy(s->run, t->run, sizeof(s->run));
    s->run[sizeof(s->run) - 1] = '\0';
    s->self = t->self;
    s->timeout_ms = t->timeout_ms;
    s->deadline = t->timeout_ms > 0 ? clock_boot_ms() + t->timeout_ms : INT64_MAX;
    s->kill_at = INT64_MAX;
    s->max_rows = t->max_result_rows;
    s->line_number = NO_INT;
    s->offset = NO_INT;
    s->exit_code = NO_INT;
    buf_init(&s->names);
    buf_reserve(&s->names, t->creator.len + t->user.len + t->job_id.len + 1);
    s->place = (struct result_place){.at = t->now_utc,
        .creator = keep(&s->names, t->creator),
        .user = keep(&s->names, t->user),
        .job_id = keep(&s->names, t->job_id),
        .attempt = t->attempt,
        .n = t->first_result};
    struct engine_run run = {.run = bytes_of(s->run),
        .job_id = t->job_id,
        .creator = t->creator,
        .user = t->user,
        .target = t->target,
        .code_type = t->code_type,
        .code = t->code,
        .node = t->node,
        .attempt = t->attempt,
        .timeout_ms = t->timeout_ms,
        .max_result_rows = t->max_result_rows,
        .variables = t->variables,
        .conf = t->conf};
    buf_init(&s->line);
    engine_say_run(&s->line, &run);
    pool_timer(p, s->deadline);
    HASH_ADD_STR(p->tasks, run, s);
    return s;
}

void task_free(struct engine_task_state *t)
{
    buf_release(&t->line);
    buf_release(&t->names);
    disk_run_free(t->results);
    free(t->result_dir);
    free(t->detail);
    free(t);
}

struct engine_task_state *task_find(struct engines *p, struct bytes run)
{
    struct engine_task_state *t = NULL;
    HASH_FIND(hh, p->tasks, run.data, run.len, t);
    return t;
}

/* ---- the end ---- */

static void set_outcome(struct engine_task_state *t, enum task_end end, const char *code, const char *message)
{
    t->end = end;
    if (code != NULL) {
        error_set(&t->error, code, "%s", message);
    }
}

static void set_stopped(struct engine_task_state *t, const char *otherwise_code, const char *otherwise)
{
    switch (t->stop) {
    case STOP_NONE:
        set_outcome(t, TASK_FAILED, otherwise_code, otherwise);
        return;
    case STOP_CANCEL:
        set_outcome(t, TASK_CANCELLED, "cancelled", "the run was cancelled");
        return;
    case STOP_TIMEOUT:
        t->end = TASK_TIMED_OUT;
        error_set(&t->error, "run_timeout", "the run took longer than %lld ms", (long long)t->timeout_ms);
        return;
    case STOP_LOST:
        set_outcome(t, TASK_FAILED, "lost", "the executor ended all its engine processes");
        return;
    }
}

static void to_ending(struct engines *p, struct engine_task_state *t)
{
    t->state = TASK_ENDING;
    TAILQ_INSERT_TAIL(&p->ending, t, link);
    pool_wake(p);
}

/* The outcome is known and nothing of the run is alive. */
static void settle(struct engines *p, struct engine_task_state *t)
{
    t->process = NULL;
    if (t->results == NULL) {
        to_ending(p, t);
    } else {
        t->state = TASK_FINISHING;
        disk_finish(t->results, t->end == TASK_SUCCEEDED);
    }
    if (t->result_dir != NULL) {
        disk_remove_folder(p->disk, t->result_dir); /* after the requests before it */
    }
}

/* The engine has answered: the run is over for it. */
static void leave_process(struct engines *p, struct engine_task_state *t)
{
    struct engine_process *x = t->process;
    x->active--;
    t->deadline = t->kill_at = INT64_MAX;
    if (x->state == PROCESS_STOPPING) {
        t->state = TASK_SWEEPING; /* the guard's notice brings it on */
        return;
    }
    if ((x->capabilities & ENGINE_CLEAN) == 0 && x->active == 0) {
        t->state = TASK_SWEEPING;
        x->state = PROCESS_SWEEPING;
        x->deadline = clock_boot_ms() + p->settings.grace_ms;
        pool_timer(p, x->deadline);
        guard_sweep(p->guard, x->id);
        return;
    }
    TAILQ_REMOVE(&x->tasks, t, link);
    settle(p, t);
    pool_process_idle(p, x);
}

void task_swept(struct engines *p, struct engine_task_state *t)
{
    settle(p, t);
}

void task_process_ended(struct engines *p, struct engine_task_state *t, const struct error *why)
{
    if (t->state == TASK_RUNNING) {
        t->retryable = true;
        set_stopped(t, why->code, why->text);
    }
    t->deadline = t->kill_at = INT64_MAX;
    settle(p, t);
}

void task_fail(
    struct engines *p, struct engine_task_state *t, const char *code, const char *message, bool retryable)
{
    if (t->lane != NULL) {
        place_leave_line(t);
    }
    t->deadline = INT64_MAX;
    t->retryable = retryable;
    set_stopped(t, code, message);
    to_ending(p, t);
}

void task_results_done(struct engines *p, struct disk_run *r)
{
    struct engine_task_state *t = disk_run_self(r);
    const struct error *e = disk_run_error(r);
    if (e != NULL && t->end == TASK_SUCCEEDED) {
        set_outcome(t, TASK_FAILED, e->code, e->text);
    } else if (e != NULL) {
        log_warn("result_lost", "run=%s why=%s", t->run, log_quote(bytes_of(e->text)));
    }
    to_ending(p, t);
}

void task_call_ended(struct engines *p, struct engine_task_state *t)
{
    struct task_outcome o = {
        .end = t->end, .retryable = t->retryable, .exit_code = t->exit_code, .offset = t->offset};
    o.error = (struct job_error){.class = CLASS_ENGINE, .statement = NO_INT, .line = t->line_number};
    if (t->end != TASK_SUCCEEDED) {
        const struct error_code *row = job_error_code(t->error.code);
        o.error.code = bytes_of(t->error.code);
        o.error.class = row == NULL ? CLASS_ENGINE : row->class;
        o.error.message = bytes_of(t->error.text);
        o.error.detail = bytes_of(t->detail);
    }
    if (t->results != NULL) {
        o.result_count = disk_run_results(t->results, &o.results, &o.offsets);
    }
    HASH_DEL(p->tasks, t);
    place_give_back(p, t); /* before the callback, which may begin further tasks */
    p->events.ended(t->self, &o);
    task_free(t);
}

/* ---- start and stop ---- */

/* A folder beside the results, so that a finished file only needs a rename. */
static void make_result_dir(struct engines *p, struct engine_task_state *t)
{
    struct buf path;
    buf_init(&path);
    buf_printf(&path, "%s/%lld", p->incoming_dir, (long long)++p->next_id);
    buf_add_char(&path, '\0');
    t->result_dir = path.data; /* handed over */
    if (mkdir(t->result_dir, 0700) != 0) {
        log_warn("result_dir", "path=%s why=%s", t->result_dir,
            strerror(errno)); /* the engine meets it at its write */
    }
}

void task_start(struct engine_process *x, struct engine_task_state *t)
{
    struct engines *p = x->pool;
    place_leave_line(t);
    t->process = x;
    t->state = TASK_RUNNING;
    TAILQ_INSERT_TAIL(&x->tasks, t, link);
    x->active++;
    x->used = true;
    if ((x->capabilities & ENGINE_FILES) != 0) {
        make_result_dir(p, t);
    }
    buf_add_bytes(&x->to, buf_bytes(&t->line));
    engine_say_run_end(&x->to, bytes_of(t->result_dir));
    buf_release(&t->line);
    buf_init(&t->line);
    process_flush(x);
}

void task_stop(struct engines *p, struct engine_task_state *t, enum task_stop why)
{
    struct engine_process *x = t->process;
    if (t->stop != STOP_NONE || (t->state != TASK_WAITING && t->state != TASK_RUNNING)) {
        return;
    }
    t->stop = why;
    if (t->state == TASK_WAITING) {
        struct lane *lane = t->lane;
        task_fail(p, t, "cancelled", "the run was cancelled", false);
        pool_dispatch(p, lane);
        return;
    }
    t->deadline = INT64_MAX;
    t->kill_at = clock_boot_ms() + p->settings.grace_ms;
    pool_timer(p, t->kill_at);
    /* The line first: when the signal arrives the engine can read why. */
    engine_say_cancel(&x->to, bytes_of(t->run));
    process_flush(x);
    if (x->active == 1) { /* else the signal would hit other runs' processes too */
        guard_terminate(p->guard, x->id);
    }
}

void task_timers(struct engines *p, struct engine_task_state *t, int64_t now)
{
    if (now >= t->deadline) {
        task_stop(p, t, STOP_TIMEOUT);
    } else if (now >= t->kill_at && t->process != NULL) {
        t->kill_at = INT64_MAX;
        process_kill(t->process, NULL);
    }
    pool_timer(p, t->deadline);
    pool_timer(p, t->kill_at);
}

/* ---- lines ---- */

void task_log(struct engines *p, struct engine_task_state *t, struct bytes level, struct bytes text)
{
    if (text.len > 0) {
        p->events.log(t->self, level, text);
    }
}

static void take_log(struct engines *p, struct engine_task_state *t, const struct engine_line *l)
{
    if (l->text.len == 0 || l->partial || l->text.data[l->text.len - 1] == '\n') {
        task_log(p, t, l->level, l->text);
        return;
    }
    struct buf whole;
    buf_init(&whole);
    buf_add_bytes(&whole, l->text);
    buf_add_char(&whole, '\n');
    task_log(p, t, l->level, buf_bytes(&whole));
    buf_release(&whole);
}

static void need_results(struct engines *p, struct engine_task_state *t)
{
    if (t->results == NULL) {
        t->results = disk_run_new(p->disk, &t->place, t);
    }
}

static void take_rows(
    struct engines *p, struct engine_task_state *t, struct engine_line *l, size_t cost_bytes)
{
    size_t count = json_array_size(l->rows);
    size_t keep = count;
    if (t->max_rows > 0 && (int64_t)count > t->max_rows - t->rows) {
        keep = (size_t)(t->max_rows - t->rows);
    }
    t->rows += (int64_t)keep;
    need_results(p, t);
    disk_rows(t->results, l, keep, cost_bytes);
    if (keep < count && !t->cut) {
        struct buf text;
        t->cut = true;
        buf_init(&text);
        buf_printf(
            &text, "the result has more than %lld rows: the rest is dropped\n", (long long)t->max_rows);
        task_log(p, t, BYTES("warn"), buf_bytes(&text));
        buf_release(&text);
    }
}

static void take_error(struct engines *p, struct engine_task_state *t, const struct engine_line *l)
{
    char code[ERROR_CODE_MAX];
    struct buf message;
    memcpy(code, l->code.data, l->code.len); /* at most 39 bytes, checked at parse */
    code[l->code.len] = '\0';
    buf_init(&message);
    buf_add_bytes(&message, l->message);
    buf_add_char(&message, '\0');
    t->retryable = l->retryable && t->stop == STOP_NONE;
    t->line_number = l->line;
    t->offset = l->offset;
    t->exit_code = l->exit_code;
    if (l->detail.len > 0)
        t->detail = bytes_dup(l->detail);
    set_stopped(t, code, message.data);
    buf_release(&message);
    leave_process(p, t);
}

void task_line(struct engines *p, struct engine_task_state *t, struct engine_line *l, size_t cost_bytes)
{
    switch (l->type) {
    case LINE_LOG:
        take_log(p, t, l);
        return;
    case LINE_PROGRESS:
        p->events.progress(t->self, l->progress);
        return;
    case LINE_COLUMNS:
        t->rows = 0;
        t->cut = false;
        need_results(p, t);
        disk_columns(t->results, l);
        return;
    case LINE_ROWS:
        take_rows(p, t, l, cost_bytes);
        return;
    case LINE_RESULT:
        if (t->result_dir != NULL) {
            need_results(p, t);
            disk_file(t->results, l, t->result_dir);
        }
        return;
    case LINE_DONE:
        t->exit_code = l->exit_code;
        set_outcome(t, TASK_SUCCEEDED, NULL, NULL);
        leave_process(p, t);
        return;
    case LINE_ERROR:
        take_error(p, t, l);
        return;
    case LINE_READY:
    case LINE_PONG:
    case ENGINE_LINE_TYPES:
        return;
    }
}
