/* SPDX-License-Identifier: Apache-2.0 */
/*
 * book: see book.h.
 */
#include "ingest/book.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"

#define AGAIN_MS 200 /* after a read that failed */

struct book {
    struct store *store;
    int64_t patience_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, known;
    /* under lock */
    struct limits *limits;         /* NULL: nothing was read yet */
    int64_t wanted, reading, read; /* changes: told of, before the read under way, known */
    bool stopping;
};

/* Until it is time, something changed, or the end. False: the end. */
static bool pause_for(struct book *b, int64_t ms)
{
    const struct timespec until = clock_after(CLOCK_MONOTONIC, ms);
    pthread_mutex_lock(&b->lock);
    while (
        !b->stopping && b->wanted <= b->reading && pthread_cond_timedwait(&b->wake, &b->lock, &until) == 0) {
    }
    bool go_on = !b->stopping;
    b->reading = b->wanted;
    pthread_mutex_unlock(&b->lock);
    return go_on;
}

static bool read_anew(struct book *b)
{
    struct error e;
    error_clear(&e);
    struct limits *fresh = limits_load(b->store, b->patience_ms, &e);
    if (!fresh) {
        log_debug("limits_not_read", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
        return false;
    }
    pthread_mutex_lock(&b->lock);
    struct limits *old = b->limits;
    b->limits = fresh;
    b->read = b->reading;
    pthread_cond_broadcast(&b->known);
    pthread_mutex_unlock(&b->lock);
    limits_free(old);
    return true;
}

static void *run(void *self)
{
    struct book *b = self;
    while (pause_for(b, read_anew(b) ? LIMITS_EVERY_MS : AGAIN_MS)) {
    }
    return NULL;
}

static void copy_counts(struct limit_count *counts, size_t count, struct arena *a)
{
    for (size_t i = 0; i < count; i++)
        counts[i].selector = arena_copy(a, counts[i].selector);
}

static const struct strings *copy_strings(const struct strings *from, struct arena *a)
{
    if (!from)
        return NULL;
    struct strings *to = arena_alloc(a, sizeof *to);
    to->count = from->count;
    to->items = arena_array(a, from->count, sizeof *to->items);
    for (size_t i = 0; i < from->count; i++)
        to->items[i] = arena_copy(a, from->items[i]);
    return to;
}

bool book_find(struct book *b, struct bytes group, struct arena *a, struct limits_effective *out)
{
    const struct timespec until = clock_after(CLOCK_MONOTONIC, b->patience_ms);
    pthread_mutex_lock(&b->lock);
    while (!b->limits && !b->stopping && pthread_cond_timedwait(&b->known, &b->lock, &until) == 0) {
    }
    bool known = b->limits != NULL;
    if (known) {
        limits_find_group(b->limits, group, out);
        copy_counts(out->shared, out->shared_count, a);
        copy_counts(out->queued, out->queued_count, a);
        out->engines = copy_strings(out->engines, a);
    }
    pthread_mutex_unlock(&b->lock);
    return known;
}

void book_changed(struct book *b)
{
    const struct timespec until = clock_after(CLOCK_MONOTONIC, b->patience_ms);
    pthread_mutex_lock(&b->lock);
    int64_t mine = ++b->wanted;
    pthread_cond_signal(&b->wake);
    while (!b->stopping && b->read < mine && pthread_cond_timedwait(&b->known, &b->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&b->lock);
}

static void release(struct book *b)
{
    limits_free(b->limits);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
    pthread_cond_destroy(&b->known);
    free(b);
}

struct book *book_open(struct store *store, int64_t store_patience_ms, struct error *e)
{
    pthread_condattr_t monotonic;
    struct book *b = calloc(1, sizeof *b);
    if (!b)
        log_fatal("no_memory", "bytes=%zu", sizeof *b);
    b->store = store;
    b->patience_ms = store_patience_ms;
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &monotonic);
    pthread_cond_init(&b->known, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&b->thread, NULL, run, b);
    if (!failed)
        return b;
    error_set(e, "no_thread", "can't start the thread that reads limits: %s", strerror(failed));
    release(b);
    return NULL;
}

void book_close(struct book *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->stopping = true;
    pthread_cond_signal(&b->wake);
    pthread_cond_broadcast(&b->known);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    release(b);
}
