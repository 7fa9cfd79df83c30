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

/* One reading. */
struct page {
    struct book_page shown; /* first: book_give_back gets it */
    struct limits *limits;
    struct defaults *defaults;
    int holders; /* the book, and whoever works with it */
};

struct book {
    struct store *store;
    int64_t patience_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, known;
    /* under lock */
    struct page *page;             /* NULL: nothing was read yet */
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

static void page_free(struct page *p)
{
    if (!p)
        return;
    limits_free(p->limits);
    defaults_free(p->defaults);
    free(p);
}

/* Under the lock. NULL, or the page that nobody holds any more. */
static struct page *let_go(struct page *p)
{
    return p && --p->holders == 0 ? p : NULL;
}

static struct page *page_read(struct book *b, struct error *e)
{
    struct page *p = calloc(1, sizeof *p);
    if (!p)
        log_fatal("no_memory", "bytes=%zu", sizeof *p);
    p->holders = 1;
    p->limits = limits_load(b->store, b->patience_ms, e);
    p->defaults = p->limits ? defaults_load(b->store, b->patience_ms, e) : NULL;
    if (p->defaults) {
        p->shown = (struct book_page){p->limits, p->defaults};
        return p;
    }
    page_free(p);
    return NULL;
}

static bool read_anew(struct book *b)
{
    struct error e;
    error_clear(&e);
    struct page *fresh = page_read(b, &e);
    if (!fresh) {
        log_debug("limits_not_read", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
        return false;
    }
    pthread_mutex_lock(&b->lock);
    struct page *unused = let_go(b->page);
    b->page = fresh;
    b->read = b->reading;
    pthread_cond_broadcast(&b->known);
    pthread_mutex_unlock(&b->lock);
    page_free(unused);
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

/* Under the lock. NULL: nothing was read in time. */
static struct page *first_page(struct book *b)
{
    const struct timespec until = clock_after(CLOCK_MONOTONIC, b->patience_ms);
    while (!b->page && !b->stopping && pthread_cond_timedwait(&b->known, &b->lock, &until) == 0) {
    }
    return b->page;
}

const struct book_page *book_hold(struct book *b)
{
    pthread_mutex_lock(&b->lock);
    struct page *p = first_page(b);
    if (p)
        p->holders++;
    pthread_mutex_unlock(&b->lock);
    return p ? &p->shown : NULL;
}

void book_give_back(struct book *b, const struct book_page *page)
{
    struct page *p = (struct page *)(uintptr_t)page;
    pthread_mutex_lock(&b->lock);
    struct page *unused = let_go(p);
    pthread_mutex_unlock(&b->lock);
    page_free(unused);
}

bool book_find(struct book *b, struct bytes group, struct arena *a, struct limits_effective *out)
{
    pthread_mutex_lock(&b->lock);
    const struct page *page = first_page(b);
    if (page) {
        limits_find_group(page->limits, group, out);
        copy_counts(out->shared, out->shared_count, a);
        copy_counts(out->queued, out->queued_count, a);
        out->engines = copy_strings(out->engines, a);
    }
    pthread_mutex_unlock(&b->lock);
    return page != NULL;
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
    page_free(b->page);
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
