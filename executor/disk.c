/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk: see the header. One queue under one mutex; a run's own fields belong to the thread from its first
 * request until it comes out of disk_next.
 */
#define _GNU_SOURCE
#include "executor/disk.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "core/folder.h"
#include "executor/engines.h"

struct disk_run {
    STAILQ_ENTRY(disk_run) link;
    struct disk *disk;
    void *self;
    struct arena arena;
    struct result_place place;
    _Atomic size_t waiting_bytes;
    struct result_writer *table; /* open, or NULL */
    struct job_result open;      /* of the open table */
    int64_t open_offset;
    struct job_result *results;
    int64_t *offsets; /* of each result */
    size_t count, cap;
    struct error error;
};

enum request_kind {
    REQUEST_COLUMNS,
    REQUEST_ROWS,
    REQUEST_FILE,
    REQUEST_FINISH,
    REQUEST_REMOVE,
    REQUEST_STOP
};

struct disk_request {
    STAILQ_ENTRY(disk_request) link;
    enum request_kind kind;
    struct disk_run *run;
    struct engine_line line; /* owns its root */
    size_t keep, cost_bytes;
    bool complete;
    char *path;
};

struct disk {
    const char *results_dir;
    int wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    STAILQ_HEAD(, disk_request) queue; /* under the lock */
    STAILQ_HEAD(, disk_run) finished;  /* under the lock */
};

/* ---- the thread's side ---- */

static bool failed(const struct disk_run *r)
{
    return r->error.code[0] != '\0';
}

static void add_result(struct disk_run *r, const struct job_result *result, int64_t offset)
{
    if (r->count == r->cap) {
        r->cap = r->cap == 0 ? 4 : r->cap * 2;
        r->results = realloc(r->results, r->cap * sizeof(*r->results));
        r->offsets = realloc(r->offsets, r->cap * sizeof(*r->offsets));
        MUST(r->results != NULL && r->offsets != NULL);
    }
    r->results[r->count] = *result;
    r->offsets[r->count++] = offset;
    r->place.n++;
}

static struct bytes text_field(struct arena *a, const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return json_is_string(v) ? arena_copy(a, (struct bytes){json_string_value(v), json_string_length(v)})
                             : BYTES_NONE;
}

static bool known_type(struct bytes type)
{
    static const char *const types[] = {"long", "double", "boolean", "string", "bytes"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (bytes_equal_text(type, types[i])) {
            return true;
        }
    }
    return false;
}

static void close_table(struct disk_run *r, bool complete)
{
    struct result_writer *w = r->table;
    r->table = NULL;
    if (w == NULL || !complete || failed(r)) {
        result_abandon(w);
        return;
    }
    if (result_finish(w, &r->arena, &r->open, &r->error)) {
        add_result(r, &r->open, r->open_offset);
    }
}

static bool may_add(struct disk_run *r)
{
    if (!failed(r) && r->count >= ENGINE_RESULTS_MAX) {
        error_set(&r->error, "result_too_large", "a run may have %d results", ENGINE_RESULTS_MAX);
    }
    return !failed(r);
}

static void open_table(struct disk_run *r, const struct engine_line *l)
{
    close_table(r, true);
    if (!may_add(r)) {
        return;
    }
    size_t count = json_array_size(l->columns);
    r->open = (struct job_result){.n = r->place.n,
        .kind = BYTES("table"),
        .format = BYTES("avro"),
        .name = arena_copy(&r->arena, l->name.data == NULL ? BYTES("result") : l->name),
        .statement = NO_INT};
    r->open_offset = l->offset;
    r->open.columns.count = count;
    r->open.columns.items = arena_array(&r->arena, count, sizeof(struct result_column));
    for (size_t i = 0; i < count; i++) {
        const json_t *c = json_array_get(l->columns, i);
        struct bytes type = text_field(&r->arena, c, "type");
        r->open.columns.items[i] = (struct result_column){.name = text_field(&r->arena, c, "name"),
            .type = known_type(type) ? type : BYTES("string"),
            .comment = text_field(&r->arena, c, "comment")};
    }
    r->place.name = r->open.name;
    r->table = result_create(&r->place, r->open.columns.items, count, &r->error);
}

static void add_rows(struct disk_run *r, const struct disk_request *q)
{
    if (!failed(r) && r->table == NULL) {
        error_set(&r->error, "engine_protocol", "the engine sent rows before columns");
    }
    for (size_t i = 0; i < q->keep && !failed(r); i++) {
        (void)result_add(r->table, json_array_get(q->line.rows, i), &r->error);
    }
    if (q->line.last) {
        close_table(r, true);
    }
}

static void take_file(struct disk_run *r, const struct disk_request *q)
{
    close_table(r, true);
    if (!may_add(r)) {
        return;
    }
    const struct engine_line *l = &q->line;
    const char *dot = memrchr(l->path.data, '.', l->path.len);
    struct bytes extension =
        dot == NULL ? BYTES("bin") : bytes_slice(l->path, (size_t)(dot - l->path.data) + 1, l->path.len);
    struct job_result out = {.n = r->place.n,
        .kind = arena_copy(&r->arena, l->kind),
        .format = arena_copy(&r->arena, l->format.data == NULL ? extension : l->format),
        .name = arena_copy(&r->arena, l->name.data == NULL ? l->path : l->name),
        .rows = l->row_count,
        .statement = NO_INT};
    r->place.name = out.name;
    if (result_adopt(&r->place, q->path, extension, &r->arena, &out, &r->error)) {
        add_result(r, &out, l->offset);
    }
}

static void wake(const struct disk *d)
{
    uint64_t one = 1;
    if (write(d->wake, &one, sizeof(one)) < 0) {
        return; /* the counter is full: awake enough */
    }
}

static void finish(struct disk_run *r, bool complete)
{
    struct disk *d = r->disk;
    close_table(r, complete);
    (void)pthread_mutex_lock(&d->lock);
    STAILQ_INSERT_TAIL(&d->finished, r, link);
    (void)pthread_mutex_unlock(&d->lock);
}

static void perform(struct disk *d, struct disk_request *q)
{
    switch (q->kind) {
    case REQUEST_COLUMNS:
        open_table(q->run, &q->line);
        break;
    case REQUEST_ROWS:
        add_rows(q->run, q);
        break;
    case REQUEST_FILE:
        take_file(q->run, q);
        break;
    case REQUEST_FINISH:
        finish(q->run, q->complete); /* the run is the loop's again */
        wake(d);
        return;
    case REQUEST_REMOVE:
        folder_remove(q->path);
        return;
    case REQUEST_STOP:
        return;
    }
    atomic_fetch_sub(&q->run->waiting_bytes, q->cost_bytes);
    if (q->cost_bytes > 0) {
        wake(d);
    }
}

static void request_free(struct disk_request *q)
{
    json_decref(q->line.root);
    free(q->path);
    free(q);
}

static void *thread_main(void *self)
{
    struct disk *d = self;
    for (bool on = true; on;) {
        (void)pthread_mutex_lock(&d->lock);
        while (STAILQ_EMPTY(&d->queue)) {
            (void)pthread_cond_wait(&d->more, &d->lock);
        }
        struct disk_request *q = STAILQ_FIRST(&d->queue);
        STAILQ_REMOVE_HEAD(&d->queue, link);
        (void)pthread_mutex_unlock(&d->lock);
        perform(d, q);
        on = q->kind != REQUEST_STOP;
        request_free(q);
    }
    return NULL;
}

/* ---- the loop's side ---- */

static struct disk_request *request_new(enum request_kind kind, struct disk_run *run)
{
    struct disk_request *q = calloc(1, sizeof(*q));
    MUST(q != NULL);
    q->kind = kind;
    q->run = run;
    return q;
}

static void ask(struct disk *d, struct disk_request *q)
{
    (void)pthread_mutex_lock(&d->lock);
    STAILQ_INSERT_TAIL(&d->queue, q, link);
    (void)pthread_cond_signal(&d->more);
    (void)pthread_mutex_unlock(&d->lock);
}

static struct disk_request *request_of_line(
    enum request_kind kind, struct disk_run *run, struct engine_line *l)
{
    struct disk_request *q = request_new(kind, run);
    q->line = *l;
    l->root = NULL; /* taken */
    return q;
}

struct disk *disk_open(const char *results_dir, int wake_fd, struct error *e)
{
    struct disk *d = calloc(1, sizeof(*d));
    MUST(d != NULL);
    d->results_dir = results_dir;
    d->wake = wake_fd;
    STAILQ_INIT(&d->queue);
    STAILQ_INIT(&d->finished);
    MUST(pthread_mutex_init(&d->lock, NULL) == 0 && pthread_cond_init(&d->more, NULL) == 0);
    /* Signals are the main thread's. */
    sigset_t all;
    sigset_t old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failure = pthread_create(&d->thread, NULL, thread_main, d);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failure != 0) {
        error_set(e, "internal", "can't start a thread: %s", strerror(failure));
        (void)pthread_cond_destroy(&d->more);
        (void)pthread_mutex_destroy(&d->lock);
        free(d);
        return NULL;
    }
    return d;
}

void disk_close(struct disk *d)
{
    if (d == NULL) {
        return;
    }
    ask(d, request_new(REQUEST_STOP, NULL));
    (void)pthread_join(d->thread, NULL);
    struct disk_run *r;
    while ((r = STAILQ_FIRST(&d->finished)) != NULL) {
        STAILQ_REMOVE_HEAD(&d->finished, link);
        disk_run_free(r);
    }
    (void)pthread_cond_destroy(&d->more);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}

void disk_remove_folder(struct disk *d, const char *path)
{
    struct disk_request *q = request_new(REQUEST_REMOVE, NULL);
    q->path = strdup(path);
    MUST(q->path != NULL);
    ask(d, q);
}

struct disk_run *disk_run_new(struct disk *d, const struct result_place *place, void *self)
{
    struct disk_run *r = calloc(1, sizeof(*r));
    MUST(r != NULL);
    arena_init(&r->arena);
    r->disk = d;
    r->self = self;
    r->place = *place;
    r->place.root = d->results_dir;
    r->place.creator = arena_copy(&r->arena, place->creator);
    r->place.user = arena_copy(&r->arena, place->user);
    r->place.job_id = arena_copy(&r->arena, place->job_id);
    return r;
}

void *disk_run_self(const struct disk_run *r)
{
    return r->self;
}

void disk_columns(struct disk_run *r, struct engine_line *l)
{
    ask(r->disk, request_of_line(REQUEST_COLUMNS, r, l));
}

void disk_rows(struct disk_run *r, struct engine_line *l, size_t keep, size_t cost_bytes)
{
    struct disk_request *q = request_of_line(REQUEST_ROWS, r, l);
    q->keep = keep;
    q->cost_bytes = cost_bytes;
    atomic_fetch_add(&r->waiting_bytes, cost_bytes);
    ask(r->disk, q);
}

void disk_file(struct disk_run *r, struct engine_line *l, const char *folder)
{
    struct buf path;
    buf_init(&path);
    buf_printf(&path, "%s/%.*s", folder, BYTES_ARG(l->path));
    buf_add_char(&path, '\0');
    struct disk_request *q = request_of_line(REQUEST_FILE, r, l);
    q->path = path.data; /* handed over */
    ask(r->disk, q);
}

void disk_finish(struct disk_run *r, bool complete)
{
    struct disk_request *q = request_new(REQUEST_FINISH, r);
    q->complete = complete;
    ask(r->disk, q);
}

size_t disk_waiting_bytes(const struct disk_run *r)
{
    return atomic_load(&r->waiting_bytes);
}

struct disk_run *disk_next(struct disk *d)
{
    (void)pthread_mutex_lock(&d->lock);
    struct disk_run *r = STAILQ_FIRST(&d->finished);
    if (r != NULL) {
        STAILQ_REMOVE_HEAD(&d->finished, link);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return r;
}

size_t disk_run_results(const struct disk_run *r, const struct job_result **results, const int64_t **offsets)
{
    *results = r->results;
    *offsets = r->offsets;
    return r->count;
}

const struct error *disk_run_error(const struct disk_run *r)
{
    return failed(r) ? &r->error : NULL;
}

void disk_run_free(struct disk_run *r)
{
    if (r == NULL) {
        return;
    }
    result_abandon(r->table);
    free(r->results);
    free(r->offsets);
    arena_release(&r->arena);
    free(r);
}
