/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engines: the pool as the executor's loop sees it: open, requests, and the one place where everything that happened is
 * served. Which process takes which task is in engine_lane.c.
 */
#define _GNU_SOURCE
#include "executor/engines.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/engine_pool.h"

#define EVENTS_PER_TURN 64
#define ENDS_PER_TURN 1000

/* ---- waking ---- */

void pool_wake(struct engines *p)
{
    uint64_t one = 1;
    if (!p->serving && write(p->wake, &one, sizeof(one)) < 0) {
        return; /* the counter is full: awake enough */
    }
}

void pool_timer(struct engines *p, int64_t at)
{
    if (at < p->next_timer) {
        p->next_timer = at;
    }
    if (at < p->told_timer && !p->serving) {
        p->told_timer = at;
        pool_wake(p);
    }
}

static void watch_guard(struct engines *p)
{
    bool wanted = guard_wants_write(p->guard);
    if (p->lost || wanted == p->guard_watched_out) {
        return;
    }
    struct epoll_event ev = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0U), .data.ptr = &p->guard_watch};
    MUST(epoll_ctl(p->epoll, EPOLL_CTL_MOD, guard_fd(p->guard), &ev) == 0);
    p->guard_watched_out = wanted;
}

/* ---- open and close ---- */

/* As mkdir -p, then the absolute path; the caller frees it. */
static char *make_folder(const char *path, const char *below, struct error *e)
{
    struct buf b;
    buf_init(&b);
    buf_printf(&b, "%s%s", path, below);
    buf_add_char(&b, '\0');
    for (char *at = b.data + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        (void)mkdir(b.data, 0750);
        *at = '/';
    }
    char *absolute = NULL;
    if ((mkdir(b.data, 0750) != 0 && errno != EEXIST) || (absolute = realpath(b.data, NULL)) == NULL) {
        error_set(e, "internal", "can't make the folder %s: %s", b.data, strerror(errno));
    }
    buf_release(&b);
    return absolute;
}

static bool make_folders(struct engines *p, struct error *e)
{
    char below[80];
    (void)snprintf(below, sizeof(below), "/%s", p->settings.instance);
    p->results_dir = make_folder(p->settings.results_dir, "", e);
    p->work_dir = make_folder(p->settings.work_dir, below, e);
    (void)snprintf(below, sizeof(below), "/.incoming/%s", p->settings.instance);
    p->incoming_dir = p->results_dir == NULL ? NULL : make_folder(p->results_dir, below, e);
    return p->results_dir != NULL && p->work_dir != NULL && p->incoming_dir != NULL;
}

static bool open_parts(struct engines *p, struct error *e)
{
    p->list = engine_list_open(p->settings.engines_dir, e);
    if (p->list == NULL || !make_folders(p, e)) {
        return false;
    }
    p->guard = guard_open(p->settings.lock_fd, p->settings.isolation, e); /* before the thread below */
    if (p->guard == NULL) {
        return false;
    }
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->epoll < 0 || p->wake < 0) {
        return error_set(e, "internal", "can't make an epoll set: %s", strerror(errno));
    }
    p->guard_watch.kind = WATCH_GUARD;
    p->wake_watch.kind = WATCH_WAKE;
    struct epoll_event guard = {.events = EPOLLIN, .data.ptr = &p->guard_watch};
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &p->wake_watch};
    MUST(epoll_ctl(p->epoll, EPOLL_CTL_ADD, guard_fd(p->guard), &guard) == 0);
    MUST(epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->wake, &wake) == 0);
    p->disk = disk_open(p->results_dir, p->wake, e);
    return p->disk != NULL;
}

struct engines *engines_open(
    const struct engines_settings *s, const struct engine_events *events, void *self, struct error *e)
{
    static const char *const isolation_names[] = {
        "none", "pid namespaces", "pid namespaces in user namespaces"};
    struct engines *p = calloc(1, sizeof(*p));
    MUST(p != NULL);
    p->settings = *s;
    p->events = *events;
    p->self = self;
    p->epoll = p->wake = -1;
    p->next_timer = INT64_MAX;
    p->told_timer = INT64_MAX;
    p->most_for_now = SIZE_MAX;
    TAILQ_INIT(&p->hungry);
    TAILQ_INIT(&p->ending);
    TAILQ_INIT(&p->processes);
    (void)signal(SIGPIPE, SIG_IGN); /* an engine may die while it is written to */
    json_object_seed(0);            /* before the second thread that uses jansson */
    if (!open_parts(p, e)) {
        engines_close(p);
        return NULL;
    }
    log_info("guard_started", "pid=%d isolation=\"%s\"", (int)guard_pid(p->guard),
        isolation_names[guard_isolation(p->guard)]);
    return p;
}

void engines_close(struct engines *p)
{
    if (p == NULL) {
        return;
    }
    guard_close(p->guard);
    struct engine_process *x;
    while ((x = TAILQ_FIRST(&p->processes)) != NULL) {
        TAILQ_REMOVE(&p->processes, x, link);
        disk_remove_folder(p->disk, x->folder);
        process_free(x);
    }
    if (p->disk != NULL) {
        disk_remove_folder(p->disk, p->work_dir);
        disk_remove_folder(p->disk, p->incoming_dir);
    }
    /* Runs that are with the disk thread for their end come back here as well; both ends know them, so the tasks let go. */
    struct engine_task_state *t;
    struct engine_task_state *next;
    disk_close(p->disk);
    HASH_ITER (hh, p->tasks, t, next) {
        HASH_DEL(p->tasks, t);
        t->results = t->state == TASK_FINISHING ? NULL : t->results;
        task_free(t);
    }
    struct lane *lane;
    struct lane *next_lane;
    HASH_ITER (hh, p->lanes, lane, next_lane) {
        lane_free(p, lane);
    }
    places_free(p);
    if (p->epoll >= 0) {
        (void)close(p->epoll);
    }
    if (p->wake >= 0) {
        (void)close(p->wake);
    }
    engine_list_close(p->list);
    free(p->results_dir);
    free(p->work_dir);
    free(p->incoming_dir);
    free(p);
}

/* ---- requests ---- */

void engines_run(struct engines *p, const struct engine_task *t)
{
    struct engine_task_state *s = task_new(p, t);
    const struct engine_info *engine = engine_list_find(p->list, t->engine);
    if (p->killed || p->lost) {
        task_fail(p, s, "lost", "the executor is ending", true);
        return;
    }
    if (engine == NULL) {
        task_fail(p, s, "engine_unavailable", "this executor does not have the engine", false);
        return;
    }
    if (t->target.len > 0 && !engine_info_has_target(engine, t->target)) {
        struct arena a;
        arena_init(&a);
        struct bytes wrong = engine_info_wrong_target(engine, t->target, &a);
        task_fail(p, s, "unknown_target", arena_text(&a, wrong), false);
        arena_release(&a);
        return;
    }
    place_enter(p, s, lane_of(p, t, engine), t);
    watch_guard(p);
}

void engines_cancel(struct engines *p, const char *run)
{
    struct engine_task_state *t = task_find(p, bytes_of(run));
    if (t != NULL) {
        task_stop(p, t, STOP_CANCEL);
        watch_guard(p);
    }
}

void engines_kill_all(struct engines *p)
{
    struct error why;
    struct engine_process *x;
    struct engine_task_state *t;
    struct engine_task_state *next;
    p->killed = true;
    guard_kill_all(p->guard);
    error_set(&why, "lost", "the executor ended all its engine processes");
    TAILQ_FOREACH (x, &p->processes, link) {
        process_kill(x, &why);
    }
    HASH_ITER (hh, p->tasks, t, next) {
        if (t->state == TASK_WAITING) {
            lane_set_hungry(p, t->lane, false);
            task_fail(p, t, why.code, why.text, true);
        } else if (t->state == TASK_RUNNING) {
            t->stop = STOP_LOST;
        }
    }
    watch_guard(p);
}

void engines_lease(struct engines *p, int64_t until_boot_ms)
{
    guard_lease(p->guard, until_boot_ms);
    watch_guard(p);
}

void engines_hold_output(struct engines *p, bool hold)
{
    struct engine_process *x;
    if (!hold && !p->output_held) {
        return;
    }
    p->output_held = hold;
    TAILQ_FOREACH (x, &p->processes, link) { /* each time: others may run something now */
        process_hold_output(x);
    }
}

/* ---- serving ---- */

static struct engine_process *find_process(struct engines *p, int64_t id)
{
    struct engine_process *x;
    TAILQ_FOREACH (x, &p->processes, link) {
        if (x->id == id) {
            return x;
        }
    }
    return NULL;
}

static void take_swept(struct engines *p, struct engine_process *x)
{
    struct engine_task_state *t;
    struct engine_task_state *next;
    if (x->state == PROCESS_SWEEPING) {
        x->state = PROCESS_READY;
        x->deadline = INT64_MAX;
        for (t = TAILQ_FIRST(&x->tasks); t != NULL; t = next) {
            next = TAILQ_NEXT(t, link);
            TAILQ_REMOVE(&x->tasks, t, link);
            task_swept(p, t);
        }
        pool_process_idle(p, x);
    }
}

static void serve_guard(struct engines *p)
{
    struct guard_notice n;
    while (!p->lost && guard_next(p->guard, &n) != GUARD_NONE) {
        struct engine_process *x = find_process(p, n.id);
        struct error e;
        switch (n.news) {
        case GUARD_NONE:
            break;
        case GUARD_ENDED:
            if (x != NULL) {
                process_ended(x, &n);
            }
            break;
        case GUARD_SWEPT:
            if (x != NULL) {
                take_swept(p, x);
            }
            break;
        case GUARD_LOST:
            p->lost = true;
            (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, guard_fd(p->guard), NULL);
            error_set(&e, "guard_lost", "the guard process is gone, and all engine processes with it");
            p->events.guard_lost(p->self, &e);
            break;
        }
    }
}

static void serve_wake(struct engines *p)
{
    uint64_t count;
    struct disk_run *r;
    struct engine_process *x;
    (void)!read(p->wake, &count, sizeof(count));
    while ((r = disk_next(p->disk)) != NULL) {
        task_results_done(p, r);
    }
    TAILQ_FOREACH (x, &p->processes, link) {
        if (!x->out_watched) {
            process_watch_output(x);
        }
    }
}

static void serve_timers(struct engines *p, int64_t now)
{
    struct engine_process *x;
    struct engine_task_state *t;
    struct engine_task_state *next;
    if (now < p->next_timer) {
        return;
    }
    p->next_timer = INT64_MAX;
    TAILQ_FOREACH (x, &p->processes, link) {
        process_timers(x, now);
    }
    HASH_ITER (hh, p->tasks, t, next) {
        task_timers(p, t, now);
    }
}

/* Callbacks may start further tasks that end at once: a limit, so that others get their turn. True: there are more. */
static bool serve_ends(struct engines *p)
{
    struct engine_task_state *t;
    for (int i = 0; i < ENDS_PER_TURN && (t = TAILQ_FIRST(&p->ending)) != NULL; i++) {
        TAILQ_REMOVE(&p->ending, t, link);
        task_call_ended(p, t);
    }
    return !TAILQ_EMPTY(&p->ending);
}

static bool serve_event(const struct watch *w)
{
    switch (w->kind) {
    case WATCH_GUARD:
        return true; /* served last: it frees processes */
    case WATCH_WAKE:
        break;
    case WATCH_IN:
        process_flush(w->process);
        break;
    case WATCH_OUT:
        process_read_output(w->process, false);
        break;
    case WATCH_ERR:
        process_read_errors(w->process, false);
        break;
    }
    return false;
}

int engines_fd(struct engines *p)
{
    return p->epoll;
}

int64_t engines_serve(struct engines *p, int64_t now_boot_ms)
{
    struct epoll_event events[EVENTS_PER_TURN];
    bool guard = false;
    p->serving = true;
    int count = epoll_wait(p->epoll, events, EVENTS_PER_TURN, 0);
    for (int i = 0; i < count; i++) {
        const struct watch *w = events[i].data.ptr;
        guard = serve_event(w) || guard;
        if (w->kind == WATCH_WAKE) {
            serve_wake(p);
        }
    }
    if (guard) {
        serve_guard(p);
    }
    serve_timers(p, now_boot_ms);
    pool_feed_hungry(p);
    bool more = serve_ends(p);
    pool_free_unused_lanes(p);
    watch_guard(p);
    p->serving = false;
    p->told_timer = p->next_timer;
    if (more) {
        pool_wake(p);
    }
    return p->told_timer;
}

size_t engines_process_count(const struct engines *p)
{
    return p->process_count;
}
