/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep: see sweep.h. One thread, one round every few seconds; nothing of it is on the path of a job that
 * flows.
 */
#include "ingest/sweep.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "ingest/admit.h"
#include "ingest/meters.h"
#include "ingest/stub.h"

#define ROUND_MOST 500
#define ROUND_MS_MOST 5000
#define NEXT_MS_MOST (3600LL * 1000)

struct sweep {
    struct sweep_options o;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping;
    struct arena arena;
    struct stub *stubs;
    size_t count;
};

int64_t sweep_next_at(int64_t now, int64_t after_ms, int64_t tries)
{
    int64_t wait = after_ms;
    for (int64_t i = 0; i < tries && wait < NEXT_MS_MOST; i++)
        wait *= 2;
    if (wait > NEXT_MS_MOST)
        wait = after_ms > NEXT_MS_MOST ? after_ms : NEXT_MS_MOST;
    return now + wait;
}

static bool stub_row(void *self, const bson_t *doc)
{
    struct sweep *s = self;
    stub_read(doc, &s->arena, &s->stubs[s->count++]);
    return s->count < ROUND_MOST;
}

static void stub_reset(void *self)
{
    ((struct sweep *)self)->count = 0;
}

static bool find_due(struct sweep *s, int64_t now, struct error *e)
{
    bson_t *filter = BCON_NEW("stub.next_at", "{", "$lte", BCON_DATE_TIME(now), "}");
    bson_t *order =
        BCON_NEW("sort", "{", "stub.next_at", BCON_INT32(1), "}", "limit", BCON_INT64(ROUND_MOST));
    bson_t *opts = stub_opts(order);
    struct store_reader reader = {stub_row, stub_reset, s};
    s->stubs = arena_array(&s->arena, ROUND_MOST, sizeof *s->stubs);
    s->count = 0;
    bool ok = store_find(s->o.store, "jobs", filter, opts, &reader, s->o.store_patience_ms, e);
    bson_destroy(filter);
    bson_destroy(order);
    bson_destroy(opts);
    return ok;
}

/* A stub that nobody let in: whoever judged it died, or is slow and will find out. */
static bool forget(struct sweep *s, const struct stub *stub, struct error *e)
{
    bool gone;
    if (!admit_forget(
            s->o.store, arena_text(&s->arena, stub->id), stub->claim, s->o.store_patience_ms, &gone, e))
        return false;
    if (gone)
        log_info("forgotten", "job=%.*s why=never_let_in", BYTES_ARG(stub->id));
    return true;
}

/* Ours, if nobody moved it and no event came meanwhile. */
static bool claim(struct sweep *s, const struct stub *stub, int64_t now, bool *ours, struct error *e)
{
    int64_t matched = 0;
    bson_t filter = BSON_INITIALIZER;
    bson_append_utf8(&filter, "_id", -1, stub->id.data, (int)stub->id.len);
    BSON_APPEND_DATE_TIME(&filter, "stub.next_at", stub->next_at);
    bson_t *update = BCON_NEW("$set", "{", "stub.next_at",
        BCON_DATE_TIME(sweep_next_at(now, s->o.after_ms, stub->tries + 1)), "}", "$inc", "{", "stub.tries",
        BCON_INT64(1), "}");
    bool ok =
        store_update_many(s->o.store, "jobs", &filter, update, &matched, NULL, s->o.store_patience_ms, e);
    bson_destroy(&filter);
    bson_destroy(update);
    *ours = ok && matched == 1;
    return ok;
}

static bool produce(struct sweep *s, const struct stub *stub, struct error *e)
{
    struct bus_header headers[2];
    struct bus_message m = {.topic = "jobs.submitted",
        .partition = -1,
        .key = stub->group,
        .value = stub->framed,
        .headers = headers};
    m.header_count = stub_headers(stub->id, stub->trace, headers);
    return producer_send(s->o.producer, &m, NULL, NULL, e);
}

static bool sweep_stubs(struct sweep *s, int64_t now, struct error *e)
{
    size_t swept = 0;
    bool ok = find_due(s, now, e);
    for (size_t i = 0; ok && i < s->count; i++) {
        const struct stub *stub = &s->stubs[i];
        bool ours = false;
        if (!stub->framed.data)
            continue;
        if (stub->claim.data) {
            ok = forget(s, stub, e);
            continue;
        }
        ok = claim(s, stub, now, &ours, e) && (!ours || produce(s, stub, e));
        if (ok && ours) {
            swept++;
            log_debug(
                "produced_again", "job=%.*s tries=%lld", BYTES_ARG(stub->id), (long long)stub->tries + 1);
        }
    }
    meters_swept(swept);
    if (swept > 0)
        log_info("swept", "produced_again=%zu found=%zu", swept, s->count);
    return ok;
}

/* Waits for the next round; at once when the last one was full: after an outage there is a lot. False: stopping. */
static bool pause_round(struct sweep *s)
{
    int64_t ms = s->o.after_ms / 4 < ROUND_MS_MOST ? s->o.after_ms / 4 : ROUND_MS_MOST;
    if (s->count == ROUND_MOST)
        ms = 0;
    const struct timespec until = clock_after(CLOCK_MONOTONIC, ms);
    pthread_mutex_lock(&s->lock);
    while (!s->stopping && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0) {
    }
    bool go_on = !s->stopping;
    pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void *run(void *self)
{
    struct sweep *s = self;
    while (pause_round(s)) {
        struct error e;
        error_clear(&e);
        s->count = 0;
        if (producer_is_away(s->o.producer))
            continue;
        if (!sweep_stubs(s, clock_utc_ms(), &e)) {
            log_warn("sweep_failed", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
            s->count = 0;
        }
        arena_reset(&s->arena);
    }
    return NULL;
}

static void release(struct sweep *s)
{
    arena_release(&s->arena);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

struct sweep *sweep_open(const struct sweep_options *o, struct error *e)
{
    pthread_condattr_t monotonic;
    struct sweep *s = calloc(1, sizeof *s);
    if (!s)
        log_fatal("no_memory", "bytes=%zu", sizeof *s);
    s->o = *o;
    arena_init(&s->arena);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&s->thread, NULL, run, s);
    if (!failed)
        return s;
    error_set(e, "no_thread", "can't start the sweep thread: %s", strerror(failed));
    release(s);
    return NULL;
}

void sweep_close(struct sweep *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    release(s);
}
