/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engines_world: a pool of real engine processes under a real guard, for tests. Tasks are probes that remember what they
 * were told. Everything is awaited with a limit; nothing sleeps for luck.
 */
#ifndef MILLRACE_TESTS_ENGINES_WORLD_H
#define MILLRACE_TESTS_ENGINES_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/folder.h"
#include "core/process_tree.h"
#include "executor/engines.h"

#define LIMIT_MS 30000

struct probe {
    char run[64];
    bool ended;
    enum task_end end;
    char code[64], message[1024];
    bool retryable;
    int64_t exit_code, line, offset, ended_at;
    struct buf log, out, err; /* all, and by level stdout, stderr */
    size_t log_bytes, log_calls, largest_text;
    bool keep_log;
    double progress;
    size_t result_count;
    char paths[4][300];
    int64_t rows[4], offsets[4];
    char columns[4][200]; /* "name:type,..." */
};

struct world {
    struct engines *p;
    char folder[64], engines_dir[200], work_dir[200], results_dir[200], lock_path[200];
    char instance[64];
    int lock_fd, epoll;
    bool guard_lost;
    int64_t next;
};

/* ---- callbacks ---- */

static inline void on_log(void *self, struct bytes level, struct bytes text)
{
    struct probe *b = self;
    b->log_bytes += text.len;
    b->log_calls++;
    b->largest_text = text.len > b->largest_text ? text.len : b->largest_text;
    if (!b->keep_log) {
        return;
    }
    buf_add_bytes(&b->log, text);
    if (bytes_equal_text(level, "stdout")) {
        buf_add_bytes(&b->out, text);
    }
    if (bytes_equal_text(level, "stderr")) {
        buf_add_bytes(&b->err, text);
    }
}

static inline void on_progress(void *self, double done)
{
    struct probe *b = self;
    b->progress = done;
}

static inline void on_ended(void *self, const struct task_outcome *o)
{
    struct probe *b = self;
    MUST(!b->ended);
    b->ended = true;
    b->end = o->end;
    b->retryable = o->retryable;
    b->exit_code = o->exit_code;
    b->line = o->error.line;
    b->offset = o->offset;
    b->ended_at = clock_boot_ms();
    (void)snprintf(b->code, sizeof(b->code), "%.*s", BYTES_ARG(o->error.code));
    (void)snprintf(b->message, sizeof(b->message), "%.*s", BYTES_ARG(o->error.message));
    b->result_count = o->result_count;
    for (size_t i = 0; i < o->result_count && i < 4; i++) {
        const struct job_result *r = &o->results[i];
        (void)snprintf(b->paths[i], sizeof(b->paths[i]), "%.*s", BYTES_ARG(r->path));
        b->rows[i] = r->rows;
        b->offsets[i] = o->offsets[i];
        for (size_t k = 0; k < r->columns.count; k++) {
            size_t at = strlen(b->columns[i]);
            (void)snprintf(b->columns[i] + at, sizeof(b->columns[i]) - at, "%s%.*s:%.*s", k == 0 ? "" : ",",
                BYTES_ARG(r->columns.items[k].name), BYTES_ARG(r->columns.items[k].type));
        }
    }
}

static inline void on_guard_lost(void *self, const struct error *e)
{
    struct world *w = self;
    (void)e;
    w->guard_lost = true;
}

/* ---- the world ---- */

/* An engine that is a shell script, for bad manners of all kinds. */
static inline void add_script_engine(const struct world *w, const char *name, const char *script)
{
    char path[400];
    (void)snprintf(path, sizeof(path), "%s/%s", w->engines_dir, name);
    MUST(mkdir(path, 0755) == 0);
    (void)snprintf(path, sizeof(path), "%s/%s/engine.json", w->engines_dir, name);
    FILE *f = fopen(path, "w");
    MUST(f != NULL);
    (void)fprintf(f,
        "{\"engine\":\"%s\",\"about\":\"for "
        "tests\",\"command\":[\"engine.sh\"],\"code_types\":[\"x\"],\"scope\":\"user\"}",
        name);
    (void)fclose(f);
    (void)snprintf(path, sizeof(path), "%s/%s/engine.sh", w->engines_dir, name);
    f = fopen(path, "w");
    MUST(f != NULL);
    (void)fprintf(f, "#!/bin/bash\n%s\n", script);
    MUST(fchmod(fileno(f), 0755) == 0);
    (void)fclose(f);
}

/* Copies what a link would be, so that the pool sees plain folders. */
static inline void add_built_engines(const struct world *w)
{
    static const char *const names[] = {"noop", "shell", "sqlite"};
    char self[400];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    MUST(len > 0);
    self[len] = '\0';
    for (int i = 0; i < 2; i++) { /* build/<preset>/bin/test_x */
        *strrchr(self, '/') = '\0';
    }
    for (size_t i = 0; i < 3; i++) {
        char from[600];
        char to[400];
        (void)snprintf(from, sizeof(from), "%s/engines/%s", self, names[i]);
        (void)snprintf(to, sizeof(to), "%s/%s", w->engines_dir, names[i]);
        MUST(symlink(from, to) == 0);
    }
}

static inline void world_prepare(struct world *w)
{
    static int number;
    *w = (struct world){.lock_fd = -1, .next = INT64_MAX};
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/millrace-engines-XXXXXX");
    MUST(mkdtemp(w->folder) != NULL);
    (void)snprintf(w->engines_dir, sizeof(w->engines_dir), "%s/engines", w->folder);
    (void)snprintf(w->work_dir, sizeof(w->work_dir), "%s/work", w->folder);
    (void)snprintf(w->results_dir, sizeof(w->results_dir), "%s/results", w->folder);
    (void)snprintf(w->lock_path, sizeof(w->lock_path), "%s/lock", w->folder);
    (void)snprintf(w->instance, sizeof(w->instance), "test-%d-%d", (int)getpid(), ++number);
    MUST(mkdir(w->engines_dir, 0755) == 0);
    add_built_engines(w);
}

static inline struct engines_settings world_settings(const struct world *w, const char *isolation)
{
    struct engines_settings s = {.engines_dir = w->engines_dir,
        .results_dir = w->results_dir,
        .work_dir = w->work_dir,
        .idle_ms = 60000,
        .max_processes = 16,
        .grace_ms = 500,
        .start_timeout_ms = 5000,
        .isolation = isolation,
        .lock_fd = w->lock_fd};
    (void)snprintf(s.instance, sizeof(s.instance), "%s", w->instance);
    return s;
}

static inline bool take_lock(const struct world *w, int *fd)
{
    *fd = open(w->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    (void)close(*fd);
    *fd = -1;
    return false;
}

static inline void world_open_with(struct world *w, const struct engines_settings *s)
{
    static const struct engine_events events = {on_log, on_progress, on_ended, on_guard_lost};
    struct error e;
    error_clear(&e);
    w->p = engines_open(s, &events, w, &e);
    if (w->p == NULL) {
        (void)fprintf(stderr, "engines_open: %s: %s\n", e.code, e.text);
    }
    MUST(w->p != NULL);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN};
    MUST(epoll_ctl(w->epoll, EPOLL_CTL_ADD, engines_fd(w->p), &ev) == 0);
}

static inline void world_open(struct world *w, const char *isolation)
{
    MUST(take_lock(w, &w->lock_fd));
    struct engines_settings s = world_settings(w, isolation);
    world_open_with(w, &s);
}

static inline void world_close(struct world *w)
{
    engines_close(w->p);
    (void)close(w->epoll);
    (void)close(w->lock_fd);
    folder_remove(w->folder);
}

/* One turn of the executor's loop. */
static inline void world_turn(struct world *w, int64_t wait_ms)
{
    struct epoll_event ev;
    int64_t now = clock_boot_ms();
    int64_t wait = w->next <= now ? 0 : w->next - now;
    wait = wait > wait_ms ? wait_ms : wait;
    (void)epoll_wait(w->epoll, &ev, 1, (int)wait);
    w->next = engines_serve(w->p, clock_boot_ms());
}

/* Turns until `condition`; the test fails after the limit. */
#define AWAIT(world, condition)                                                                              \
    do {                                                                                                     \
        int64_t await_until = clock_boot_ms() + LIMIT_MS;                                                    \
        while (!(condition)) {                                                                               \
            if (clock_boot_ms() > await_until) {                                                             \
                fail_msg("not within %d ms: %s", LIMIT_MS, #condition);                                      \
            }                                                                                                \
            world_turn(world, 20);                                                                           \
        }                                                                                                    \
    } while (0)

/* The same where no loop of ours runs. */
#define AWAIT_OUTSIDE(condition)                                                                             \
    do {                                                                                                     \
        int64_t await_until = clock_boot_ms() + LIMIT_MS;                                                    \
        while (!(condition)) {                                                                               \
            if (clock_boot_ms() > await_until) {                                                             \
                fail_msg("not within %d ms: %s", LIMIT_MS, #condition);                                      \
            }                                                                                                \
            (void)nanosleep(&(struct timespec){0, 5000000L}, NULL);                                          \
        }                                                                                                    \
    } while (0)

static inline void probe_init(struct probe *b)
{
    *b = (struct probe){.keep_log = true, .progress = -1};
    buf_init(&b->log);
    buf_init(&b->out);
    buf_init(&b->err);
}

static inline void probe_release(struct probe *b)
{
    buf_release(&b->log);
    buf_release(&b->out);
    buf_release(&b->err);
}

static inline struct engine_task task_of(struct probe *b, const char *engine, const char *code)
{
    static int number;
    (void)snprintf(b->run, sizeof(b->run), "run-%d", ++number);
    struct engine_task t = {.creator = BYTES("ide"),
        .user = BYTES("ann"),
        .job_id = BYTES("0190f000-0000-7000-8000-000000000001"),
        .engine = bytes_of(engine),
        .code_type = BYTES(""),
        .code = bytes_of(code),
        .node = BYTES("n1"),
        .attempt = 1,
        .now_utc = 1767225600000,
        .self = b};
    memcpy(t.run, b->run, sizeof(t.run)); /* the same size */
    return t;
}

static inline void run_code(struct world *w, struct probe *b, const char *engine, const char *code)
{
    probe_init(b);
    struct engine_task t = task_of(b, engine, code);
    engines_run(w->p, &t);
}

static inline bool contains(const struct buf *b, const char *text)
{
    return b->len > 0 && memmem(b->data, b->len, text, strlen(text)) != NULL;
}

/* Living processes with the instance's mark, as seen from outside all namespaces. */
static inline size_t count_marked(const char *instance)
{
    struct process_list l = {0};
    size_t count = 0;
    char mark[100];
    size_t len = (size_t)snprintf(mark, sizeof(mark), "MILLRACE_INSTANCE=%s", instance) + 1;
    MUST(process_list_read(&l));
    for (size_t i = 0; i < l.count; i++) {
        static char text[65536];
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)l.items[i].pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));
        count += n > 0 && !l.items[i].zombie && memmem(text, (size_t)n, mark, len) != NULL;
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    process_list_release(&l);
    return count;
}

#endif
