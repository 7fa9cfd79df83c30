/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engines: the pool. Which process takes which task, when a process is started or makes room, and the one place where
 * everything that happened is served.
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
#define MAKE_ROOM_MS 1000                            /* an idle engine that is asked to go has this long */
#define ENGINE_UNSENT_MAX ((size_t)16 * 1024 * 1024) /* run lines that its stdin did not take yet */

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

/* ---- lanes ---- */

static void key_part(struct buf *key, struct bytes text)
{
    buf_printf(key, "%zu:", text.len);
    buf_add_bytes(key, text);
}

/* Everything that must be equal for two tasks to share a process. */
static void lane_key(const struct engine_task *t, const struct engine_info *engine, struct buf *key)
{
    key_part(key, t->engine);
    if (t->fresh) {
        key_part(key, bytes_of(t->run));
    }
    if (engine->shared) {
        return;
    }
    key_part(key, t->creator);
    key_part(key, t->user);
    key_part(key, t->target);
    for (size_t i = 0; i < t->conf.count; i++) {
        key_part(key, t->conf.items[i].key);
        key_part(key, t->conf.items[i].value);
    }
}

static void copy_name(char out[65], struct bytes name)
{
    size_t len = name.len > 64 ? 64 : name.len;
    if (len > 0) {
        memcpy(out, name.data, len);
    }
    out[len] = '\0';
}

static struct lane *lane_of(struct engines *p, const struct engine_task *t, const struct engine_info *engine)
{
    struct buf key;
    struct lane *lane = NULL;
    buf_init(&key);
    lane_key(t, engine, &key);
    HASH_FIND(hh, p->lanes, key.data, key.len, lane);
    if (lane != NULL) {
        buf_release(&key);
        return lane;
    }
    lane = calloc(1, sizeof(*lane));
    MUST(lane != NULL);
    lane->key = key.data; /* handed over */
    lane->key_len = key.len;
    lane->engine = engine;
    lane->fresh = t->fresh;
    if (!engine->shared) {
        copy_name(lane->creator, t->creator);
        copy_name(lane->user, t->user);
    }
    TAILQ_INIT(&lane->waiting);
    TAILQ_INIT(&lane->processes);
    HASH_ADD_KEYPTR(hh, p->lanes, lane->key, lane->key_len, lane);
    return lane;
}

static void set_hungry(struct engines *p, struct lane *lane, bool hungry)
{
    if (hungry && !lane->hungry) {
        TAILQ_INSERT_TAIL(&p->hungry, lane, hungry_link);
        p->hungry_count++;
    } else if (!hungry && lane->hungry) {
        TAILQ_REMOVE(&p->hungry, lane, hungry_link);
        p->hungry_count--;
    }
    lane->hungry = hungry;
}

static void lane_free(struct engines *p, struct lane *lane)
{
    set_hungry(p, lane, false);
    HASH_DEL(p->lanes, lane);
    free(lane->key);
    free(lane);
}

/* ---- which process takes which task ---- */

static struct engine_process *find_room(const struct lane *lane)
{
    struct engine_process *x;
    TAILQ_FOREACH (x, &lane->processes, lane_link) {
        if (x->state == PROCESS_READY && x->in >= 0 && (int64_t)x->active < x->concurrency &&
            x->to.len < ENGINE_UNSENT_MAX) {
            return x;
        }
    }
    return NULL;
}

/* How many runs a process of the lane takes, as its first one told; 0: not known yet. */
static int64_t known_concurrency(const struct lane *lane)
{
    const struct engine_process *x;
    TAILQ_FOREACH (x, &lane->processes, lane_link) {
        if (x->concurrency > 0) {
            return x->concurrency;
        }
    }
    return 0;
}

/* While nobody knows how many runs a process takes, one is started at a time. */
static bool wants_process(const struct lane *lane)
{
    if (lane->waiting_count == 0 || lane->starting_count == 0) {
        return lane->waiting_count > 0;
    }
    return lane->waiting_count > lane->starting_count * (size_t)known_concurrency(lane) &&
           known_concurrency(lane) > 0;
}

static bool is_idle(const struct engine_process *x)
{
    return x->state == PROCESS_READY && TAILQ_EMPTY(&x->tasks) && x->lane->waiting_count == 0;
}

/* Ends the process that has been idle for longest, if not enough are ending already. */
static void make_room(struct engines *p)
{
    struct engine_process *oldest = NULL;
    struct engine_process *x;
    if (p->stopping_count >= p->hungry_count) {
        return;
    }
    TAILQ_FOREACH (x, &p->processes, link) {
        if (is_idle(x) && (oldest == NULL || x->idle_since < oldest->idle_since)) {
            oldest = x;
        }
    }
    if (oldest != NULL) {
        process_stop(oldest, p->settings.grace_ms < MAKE_ROOM_MS ? p->settings.grace_ms : MAKE_ROOM_MS);
    }
}

static void start_processes(struct engines *p, struct lane *lane)
{
    while (wants_process(lane)) {
        if ((int64_t)p->process_count >= p->settings.max_processes) {
            set_hungry(p, lane, true);
            make_room(p);
            return;
        }
        struct error e;
        error_clear(&e);
        if (process_start(p, lane, &e) == NULL) {
            task_fail(p, TAILQ_FIRST(&lane->waiting), e.code, e.text, true);
        }
    }
    set_hungry(p, lane, false);
}

static void fill_processes(struct lane *lane)
{
    struct engine_process *x;
    while (lane->waiting_count > 0 && (x = find_room(lane)) != NULL) {
        task_start(x, TAILQ_FIRST(&lane->waiting));
    }
}

static bool is_unused(const struct lane *lane)
{
    return lane->waiting_count == 0 && TAILQ_EMPTY(&lane->processes);
}

void pool_dispatch(struct engines *p, struct lane *lane)
{
    fill_processes(lane);
    start_processes(p, lane);
    p->has_unused_lanes = p->has_unused_lanes || is_unused(lane);
}

/* At the end of a turn, when nobody holds a lane. */
static void free_unused_lanes(struct engines *p)
{
    struct lane *lane;
    struct lane *next;
    if (p->has_unused_lanes) {
        HASH_ITER (hh, p->lanes, lane, next) {
            if (is_unused(lane)) {
                lane_free(p, lane);
            }
        }
        p->has_unused_lanes = false;
    }
}

static void feed_hungry(struct engines *p)
{
    while (p->hungry_count > 0 && (int64_t)p->process_count < p->settings.max_processes) {
        struct lane *lane = TAILQ_FIRST(&p->hungry);
        set_hungry(p, lane, false); /* comes back behind the others if it wants still more */
        pool_dispatch(p, lane);
    }
}

void pool_process_idle(struct engines *p, struct engine_process *x)
{
    if (x->state != PROCESS_READY) {
        return;
    }
    if (x->lane->fresh && x->used) {
        process_stop(x, p->settings.grace_ms);
        return;
    }
    fill_processes(x->lane);
    if (x->active > 0) {
        return;
    }
    x->idle_since = clock_boot_ms();
    x->ping_at = x->idle_since + ENGINE_PING_MS;
    x->pinged = false;
    pool_timer(p, x->ping_at);
    pool_timer(p, x->idle_since + p->settings.idle_ms);
    if (p->hungry_count > 0) {
        make_room(p);
    }
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
    struct lane *lane = lane_of(p, t, engine);
    s->lane = lane;
    TAILQ_INSERT_TAIL(&lane->waiting, s, link);
    lane->waiting_count++;
    pool_dispatch(p, lane);
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
            set_hungry(p, t->lane, false);
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
    feed_hungry(p);
    bool more = serve_ends(p);
    free_unused_lanes(p);
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
