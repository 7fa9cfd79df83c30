/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_process: one live engine process, as the executor sees it: three pipes and a name in the guard.
 * Every pipe end of ours is non-blocking; nothing here waits for the engine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/json_text.h"
#include "core/log.h"
#include "executor/engine_pool.h"

#define STDERR_LINE_MAX ((size_t)16 * 1024)
#define STDERR_LINES_PER_SECOND 20

/* What every engine process may use at most. Core files of jobs help nobody here. */
static const struct keeper_limit usual_limits[] = {
    {RLIMIT_CORE, 0},
    {RLIMIT_NOFILE, 4096},
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* leaves epoll by itself: no other descriptor of this pipe end exists */
        *fd = -1;
    }
}

/* ---- start ---- */

struct pipes {
    int ours[3], theirs[3]; /* in, out, err */
};

static void close_pipes(struct pipes *s)
{
    for (int i = 0; i < 3; i++) {
        close_fd(&s->ours[i]);
        close_fd(&s->theirs[i]);
    }
}

static bool open_pipes(struct pipes *s, struct error *e)
{
    for (int i = 0; i < 3; i++) {
        s->ours[i] = s->theirs[i] = -1;
    }
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            error_set(e, ENGINE_NO_DESCRIPTORS, "can't make a pipe: %s", strerror(errno));
            close_pipes(s);
            return false;
        }
        s->ours[i] = ends[i == 0 ? 1 : 0];
        s->theirs[i] = ends[i == 0 ? 0 : 1];
        (void)fcntl(s->ours[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}

static void add_variable(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=%s", name, value);
    buf_add_char(out, '\0');
}

/* A clean environment: nothing of the executor's own, which may hold its credentials. */
static void build_environment(const struct engines *p, const struct engine_process *x, struct buf *out)
{
    const char *path = getenv("PATH");
    const char *zone = getenv("TZ");
    add_variable(out, "PATH", path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path);
    add_variable(out, "HOME", x->folder);
    add_variable(out, "TMPDIR", x->folder);
    add_variable(out, "LANG", "C.UTF-8");
    add_variable(out, "TZ", zone == NULL ? "UTC" : zone);
    add_variable(out, "MILLRACE_INSTANCE", p->settings.instance);
    add_variable(out, "MILLRACE_ENGINE", x->lane->engine->name);
    if (x->lane->user[0] != '\0') {
        add_variable(out, "MILLRACE_CREATOR", x->lane->creator);
        add_variable(out, "MILLRACE_USER", x->lane->user);
    }
}

static bool spawn(struct engines *p, struct engine_process *x, struct pipes *s, struct error *e)
{
    const char *env[32] = {0};
    struct buf texts;
    buf_init(&texts);
    build_environment(p, x, &texts);
    size_t count = 0;
    for (size_t at = 0; at < texts.len && count < 31; at += strlen(texts.data + at) + 1) {
        env[count++] = texts.data + at;
    }
    struct guard_command c = {.argv = x->lane->engine->command,
        .env = env,
        .folder = x->folder,
        .limits = usual_limits,
        .limit_count = sizeof(usual_limits) / sizeof(usual_limits[0]),
        .in = s->theirs[0],
        .out = s->theirs[1],
        .err = s->theirs[2]};
    s->theirs[0] = s->theirs[1] = s->theirs[2] = -1;
    bool ok = guard_spawn(p->guard, x->id, &c, e);
    buf_release(&texts);
    return ok;
}

static void watch(struct engine_process *x, enum watch_kind kind, int fd, uint32_t events)
{
    struct watch *w = &x->watches[kind - WATCH_IN];
    *w = (struct watch){kind, x};
    struct epoll_event ev = {.events = events, .data.ptr = w};
    MUST(epoll_ctl(x->pool->epoll, EPOLL_CTL_ADD, fd, &ev) == 0);
}

struct engine_process *process_start(struct engines *p, struct lane *lane, struct error *e)
{
    struct pipes s;
    if (!open_pipes(&s, e)) {
        return NULL;
    }
    struct engine_process *x = calloc(1, sizeof(*x));
    struct buf folder;
    MUST(x != NULL);
    buf_init(&folder);
    x->pool = p;
    x->lane = lane;
    x->id = ++p->next_id;
    x->in = s.ours[0];
    x->out = s.ours[1];
    x->err = s.ours[2];
    s.ours[0] = s.ours[1] = s.ours[2] = -1;
    buf_init(&x->to);
    line_reader_init(&x->from);
    line_reader_init(&x->errors);
    TAILQ_INIT(&x->tasks);
    buf_printf(&folder, "%s/%lld", p->work_dir, (long long)x->id);
    buf_add_char(&folder, '\0');
    x->folder = folder.data; /* handed over */
    if (mkdir(x->folder, 0700) != 0 && errno != EEXIST) {
        error_set(
            e, "engine_unavailable", "can't make the working folder %s: %s", x->folder, strerror(errno));
        close_pipes(&s);
        process_free(x);
        return NULL;
    }
    if (!spawn(p, x, &s, e)) {
        disk_remove_folder(p->disk, x->folder);
        process_free(x);
        return NULL;
    }
    x->deadline = clock_boot_ms() + p->settings.start_timeout_ms;
    x->ping_at = INT64_MAX;
    pool_timer(p, x->deadline);
    watch(x, WATCH_OUT, x->out, EPOLLIN);
    watch(x, WATCH_ERR, x->err, EPOLLIN);
    x->out_watched = true;
    TAILQ_INSERT_TAIL(&p->processes, x, link);
    TAILQ_INSERT_TAIL(&lane->processes, x, lane_link);
    p->process_count++;
    lane->starting_count++;
    engine_say_hello(&x->to, p->settings.instance);
    process_flush(x);
    return x;
}

void process_free(struct engine_process *x)
{
    close_fd(&x->in);
    close_fd(&x->out);
    close_fd(&x->err);
    buf_release(&x->to);
    line_reader_release(&x->from);
    line_reader_release(&x->errors);
    free(x->folder);
    free(x);
}

/* ---- to the engine ---- */

void process_flush(struct engine_process *x)
{
    while (x->in >= 0 && x->sent < x->to.len) {
        ssize_t n = write(x->in, x->to.data + x->sent, x->to.len - x->sent);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n < 0) { /* it is dead or has closed its stdin; the guard or its silence tells the rest */
            close_fd(&x->in);
            x->in_watched = false;
            break;
        }
        x->sent += (size_t)n;
    }
    if (x->in < 0 || x->sent == x->to.len) {
        buf_clear(&x->to);
        x->sent = 0;
    }
    bool blocked = x->in >= 0 && x->to.len > 0;
    if (blocked && !x->in_watched) {
        watch(x, WATCH_IN, x->in, EPOLLOUT);
    } else if (!blocked && x->in_watched && x->in >= 0) {
        (void)epoll_ctl(x->pool->epoll, EPOLL_CTL_DEL, x->in, NULL);
    }
    x->in_watched = blocked;
}

static void begin_stopping(struct engine_process *x)
{
    if (x->state == PROCESS_STARTING) {
        x->lane->starting_count--;
    }
    if (x->state != PROCESS_STOPPING) {
        x->pool->stopping_count++;
    }
    x->state = PROCESS_STOPPING;
}

void process_stop(struct engine_process *x, int64_t wait_ms)
{
    if (x->state == PROCESS_STOPPING) {
        return;
    }
    begin_stopping(x);
    close_fd(&x->in);
    x->in_watched = false;
    buf_clear(&x->to);
    x->sent = 0;
    x->deadline = clock_boot_ms() + wait_ms;
    pool_timer(x->pool, x->deadline);
}

void process_kill(struct engine_process *x, const struct error *why)
{
    begin_stopping(x);
    if (why != NULL && x->why.code[0] == '\0') {
        x->why = *why;
    }
    x->deadline = INT64_MAX;
    if (!x->killed) {
        x->killed = true;
        guard_kill(x->pool->guard, x->id);
    }
}

static void kill_for(struct engine_process *x, const struct error *why)
{
    log_warn("engine_broken", "engine=%s process=%lld why=%s", x->lane->engine->name, (long long)x->id,
        log_quote(bytes_of(why->text)));
    process_kill(x, why);
}

/* ---- from the engine ---- */

static void take_ready(struct engine_process *x, const struct engine_line *l)
{
    if (x->state != PROCESS_STARTING) {
        return;
    }
    x->state = PROCESS_READY;
    x->lane->starting_count--;
    x->concurrency = l->concurrency;
    x->capabilities = l->capabilities;
    x->deadline = INT64_MAX;
    struct lane *lane = x->lane;
    pool_process_idle(x->pool, x);
    pool_dispatch(
        x->pool, lane); /* now it is known how much a process takes: whoever waits beyond that needs others */
}

/* Takes the line. */
static void take_line(struct engine_process *x, struct engine_line *l, size_t cost_bytes)
{
    struct engines *p = x->pool;
    if (l->type == LINE_READY) {
        take_ready(x, l);
    } else if (l->type == LINE_PONG) {
        x->pinged = false;
    } else {
        struct engine_task_state *t = task_find(p, l->run);
        if (t != NULL && t->process == x && t->state == TASK_RUNNING) {
            task_line(p, t, l, cost_bytes);
        } else if (!x->told_unknown) {
            x->told_unknown = true;
            log_warn("engine_unknown_run", "engine=%s process=%lld run=%s", x->lane->engine->name,
                (long long)x->id, log_quote(l->run));
        }
    }
    engine_line_release(l);
}

/* Killed for what it did: it is not listened to any more. */
static bool is_broken(const struct engine_process *x)
{
    return x->why.code[0] != '\0';
}

static void take_lines(struct engine_process *x)
{
    struct bytes line;
    struct engine_line parsed;
    struct error e;
    while (!is_broken(x) && line_reader_next(&x->from, &line)) {
        if (line.len == 0) {
            continue;
        }
        error_clear(&e);
        if (engine_line_parse(line, &parsed, &e)) {
            take_line(x, &parsed, line.len);
        } else {
            kill_for(x, &e);
        }
    }
    if (!is_broken(x) && line_reader_open(&x->from) > ENGINE_LINE_MAX) {
        error_set(&e, "engine_protocol", "the engine wrote a line of more than %d bytes", ENGINE_LINE_MAX);
        kill_for(x, &e);
    }
}

/* -1: nothing now; 0: the end; else how many bytes were added. */
static ssize_t read_some(int fd, struct line_reader *into)
{
    static char chunk[ENGINE_READ_SIZE]; /* one loop, one thread */
    ssize_t n;
    do {
        n = read(fd, chunk, sizeof(chunk));
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        line_reader_add(into, (struct bytes){chunk, (size_t)n});
    }
    return n;
}

void process_read_output(struct engine_process *x, bool at_end)
{
    for (int i = 0; x->out >= 0 && (at_end || i < ENGINE_READS_PER_TURN); i++) {
        ssize_t n = read_some(x->out, &x->from);
        if (n > 0 && is_broken(x)) {
            line_reader_release(&x->from); /* nothing that follows counts */
            line_reader_init(&x->from);
        } else if (n > 0) {
            take_lines(x);
        } else if (n == 0 || at_end) {
            close_fd(&x->out);
            x->out_watched = false;
        }
        if (n < (ssize_t)ENGINE_READ_SIZE && !at_end) {
            break;
        }
    }
    if (x->out < 0 && !at_end && x->state != PROCESS_STOPPING) {
        process_stop(x, x->pool->settings.grace_ms); /* it closed its stdout: nothing more can come */
    }
    process_watch_output(x);
}

static struct engine_task_state *only_task(const struct engine_process *x)
{
    struct engine_task_state *t = TAILQ_FIRST(&x->tasks);
    return t != NULL && TAILQ_NEXT(t, link) == NULL ? t : NULL;
}

static void stderr_line(struct engine_process *x, struct bytes line)
{
    struct engine_task_state *t = only_task(x);
    struct buf text;
    buf_init(&text);
    if (t != NULL) {
        buf_add_text(&text, "engine: ");
    }
    json_text_clean(&text, bytes_slice(line, 0, STDERR_LINE_MAX));
    if (t != NULL) {
        buf_add_char(&text, '\n');
        task_log(x->pool, t, BYTES("stderr"), buf_bytes(&text));
    } else {
        int64_t second = clock_boot_ms() / 1000;
        x->stderr_lines = second == x->stderr_window ? x->stderr_lines + 1 : 1;
        x->stderr_window = second;
        if (x->stderr_lines <= STDERR_LINES_PER_SECOND) {
            log_info("engine_stderr", "engine=%s process=%lld text=%s%s", x->lane->engine->name,
                (long long)x->id, log_quote(buf_bytes(&text)),
                x->stderr_lines == STDERR_LINES_PER_SECOND ? " more=dropped" : "");
        }
    }
    buf_release(&text);
}

void process_read_errors(struct engine_process *x, bool at_end)
{
    for (int i = 0; x->err >= 0 && (at_end || i < ENGINE_READS_PER_TURN); i++) {
        ssize_t n = read_some(x->err, &x->errors);
        struct bytes line;
        while (line_reader_next(&x->errors, &line)) {
            stderr_line(x, line);
        }
        bool ends = n == 0 || (n < 0 && at_end);
        if (line_reader_open(&x->errors) > (ends ? 0 : STDERR_LINE_MAX)) {
            stderr_line(x, line_reader_rest(&x->errors));
            line_reader_release(&x->errors);
            line_reader_init(&x->errors);
        }
        if (ends) {
            close_fd(&x->err);
        } else if (n < 0) {
            break;
        }
    }
}

void process_watch_output(struct engine_process *x)
{
    size_t waiting = 0;
    const struct engine_task_state *t;
    TAILQ_FOREACH (t, &x->tasks, link) {
        waiting += t->results == NULL ? 0 : disk_waiting_bytes(t->results);
    }
    bool held = x->pool->output_held && !TAILQ_EMPTY(&x->tasks);
    bool wanted = x->out >= 0 && waiting < ENGINE_WAITING_BYTES_MAX && !held;
    if (wanted && !x->out_watched) {
        watch(x, WATCH_OUT, x->out, EPOLLIN);
    } else if (!wanted && x->out_watched && x->out >= 0) {
        /* taken out, not muted: a dead peer would wake us again and again */
        (void)epoll_ctl(x->pool->epoll, EPOLL_CTL_DEL, x->out, NULL);
    }
    x->out_watched = wanted;
}

void process_hold_output(struct engine_process *x)
{
    bool held = x->pool->output_held && !TAILQ_EMPTY(&x->tasks) && x->err >= 0;
    process_watch_output(x);
    if (held == x->err_held)
        return;
    if (held)
        (void)epoll_ctl(x->pool->epoll, EPOLL_CTL_DEL, x->err, NULL);
    else if (x->err >= 0)
        watch(x, WATCH_ERR, x->err, EPOLLIN);
    x->err_held = held;
}

/* ---- time ---- */

static void idle_timers(struct engine_process *x, int64_t now)
{
    struct engines *p = x->pool;
    if (x->active > 0 || !TAILQ_EMPTY(&x->tasks)) {
        return;
    }
    if (now - x->idle_since >= p->settings.idle_ms) {
        process_stop(x, p->settings.grace_ms);
        return;
    }
    if (now >= x->ping_at && x->pinged) {
        struct error e;
        error_set(&e, "engine_silent", "the idle engine did not answer a ping");
        kill_for(x, &e);
        return;
    }
    if (now >= x->ping_at && x->to.len == 0) {
        engine_say_ping(&x->to);
        x->pinged = true;
        process_flush(x);
    }
    if (now >= x->ping_at) {
        x->ping_at = now + ENGINE_PING_MS;
    }
    pool_timer(p, x->ping_at);
    pool_timer(p, x->idle_since + p->settings.idle_ms);
}

void process_timers(struct engine_process *x, int64_t now)
{
    struct error e;
    if (x->state == PROCESS_READY) {
        idle_timers(x, now);
    } else if (now < x->deadline) {
        pool_timer(x->pool, x->deadline);
    } else if (x->state == PROCESS_STARTING) {
        error_set(&e, "engine_unavailable", "the engine was not ready within %lld ms",
            (long long)x->pool->settings.start_timeout_ms);
        kill_for(x, &e);
    } else {
        process_kill(x, NULL);
    }
}

/* ---- the end ---- */

static void describe_end(
    const struct engine_process *x, const struct guard_notice *n, bool started, struct error *out)
{
    const char *code = started ? "engine_died" : "engine_unavailable";
    if (x->why.code[0] != '\0') {
        *out = x->why;
        return;
    }
    switch (n->word) {
    case KEEPER_EXITED:
        error_set(out, code, "the engine process ended with exit status %d%s", n->value,
            started ? " in the middle of the run" : " before it was ready");
        break;
    case KEEPER_SIGNALED:
        error_set(out, code, "the engine process was killed by signal %d (SIG%s)", n->value,
            sigabbrev_np(n->value) == NULL ? "?" : sigabbrev_np(n->value));
        break;
    case KEEPER_START_FAILED:
        error_set(out, "engine_unavailable", "the engine's program %s could not be started: %s",
            x->lane->engine->command[0], strerror(n->value));
        break;
    case KEEPER_KILLED:
        error_set(out, code, "the engine process was killed%s",
            x->killed ? ": a run on it did not stop in time" : " from outside");
        break;
    case KEEPER_SWEPT:
        error_set(out, code, "the engine process ended");
        break;
    }
}

void process_ended(struct engine_process *x, const struct guard_notice *n)
{
    struct engines *p = x->pool;
    struct lane *lane = x->lane;
    struct error why;
    bool asked = x->state == PROCESS_STOPPING;
    bool started = x->concurrency > 0;
    begin_stopping(x); /* so that nothing that it still says makes it take work */
    process_read_errors(x, true);
    process_read_output(x, true); /* it may have answered just before it died */
    describe_end(x, n, started, &why);
    if (!asked) {
        log_warn("engine_ended", "engine=%s process=%lld why=%s", lane->engine->name, (long long)x->id,
            log_quote(bytes_of(why.text)));
    }
    struct engine_task_state *t;
    while ((t = TAILQ_FIRST(&x->tasks)) != NULL) {
        TAILQ_REMOVE(&x->tasks, t, link);
        t->process = NULL;
        task_process_ended(p, t, &why);
    }
    TAILQ_REMOVE(&p->processes, x, link);
    TAILQ_REMOVE(&lane->processes, x, lane_link);
    p->process_count--;
    p->most_for_now = SIZE_MAX;
    p->stopping_count--;
    /* One waiting task goes down with a process that never was ready: so a broken engine fails its tasks one by one, and a
     * passing fault costs one. */
    t = TAILQ_FIRST(&lane->waiting);
    if (!started && t != NULL) {
        task_fail(p, t, why.code, why.text, true);
    }
    disk_remove_folder(p->disk, x->folder);
    process_free(x);
    pool_dispatch(p, lane);
}
