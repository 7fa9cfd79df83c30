/* SPDX-License-Identifier: Apache-2.0 */
/* cached_keep: what the cache keeps: results of jobs that succeeded by running, on their way into the collection. */
#include <stdlib.h>

#include "core/log.h"
#include "core/shape_bson.h"
#include "executor/cached_entry.h"
#include "executor/cached_private.h"
#include "executor/running.h"

#define KEEP_MS 5000   /* then they are not kept */
#define KEEPS_MAX 1000 /* that wait for the clerk */

static void keep_free(struct keep *k)
{
    bson_destroy(k->filter);
    bson_destroy(k->doc);
    free(k);
}

static void keep_work(struct request *request)
{
    struct keep_batch *b = (struct keep_batch *)request;
    struct store_write writes[CACHED_BATCH];
    struct keep *k;
    struct error e;
    size_t n = 0;
    STAILQ_FOREACH (k, &b->keeps, entry)
        writes[n++] =
            (struct store_write){.filter = k->filter, .update = k->doc, .replace = true, .upsert = true};
    int64_t matched;
    b->ok = store_write(b->c->x->ledger.store, CACHED_COLLECTION, writes, n, &matched, KEEP_MS, &e);
    if (!b->ok)
        log_warn("cached_unkept", "results=%zu code=%s error=%s", n, e.code, log_quote(bytes_of(e.text)));
}

static void keep_ask(struct cached *c)
{
    struct keep_batch *b = &c->keep;
    if (b->busy || !c->clerk || STAILQ_EMPTY(&c->keeps))
        return;
    for (b->count = 0; b->count < CACHED_BATCH && !STAILQ_EMPTY(&c->keeps); b->count++, c->keep_count--) {
        struct keep *k = STAILQ_FIRST(&c->keeps);
        STAILQ_REMOVE_HEAD(&c->keeps, entry);
        STAILQ_INSERT_TAIL(&b->keeps, k, entry);
    }
    b->busy = true;
    clerk_ask(c->clerk, &b->request);
}

static void keep_list_free(struct keep_list *keeps)
{
    while (!STAILQ_EMPTY(keeps)) {
        struct keep *k = STAILQ_FIRST(keeps);
        STAILQ_REMOVE_HEAD(keeps, entry);
        keep_free(k);
    }
}

size_t cached_keep_drop(struct cached *c)
{
    size_t dropped = c->keep_count;
    keep_list_free(&c->keeps);
    c->keep_count = 0;
    return dropped;
}

static void keep_done(struct request *request)
{
    struct keep_batch *b = (struct keep_batch *)request;
    struct cached *c = b->c;
    if (!b->ok) /* those behind them would only wait as long for nothing */
        metric_add(&executor_metrics[M_CACHE_UNKEPT], (int64_t)(b->count + cached_keep_drop(c)));
    keep_list_free(&b->keeps);
    b->busy = false;
    keep_ask(c);
}

/* Only over an older one: an upsert whose guard fails is a duplicate, and stays undone. */
static bson_t *guard_of(const struct cached_entry *entry)
{
    bson_t *filter = bson_new(), at;
    bson_add_text(filter, "_id", entry->key);
    bson_append_document_begin(filter, "at", -1, &at);
    BSON_APPEND_DATE_TIME(&at, "$lt", entry->at);
    bson_append_document_end(filter, &at);
    return filter;
}

static void keep_entry(struct cached *c, const struct cached_entry *entry, int64_t ttl_ms)
{
    struct keep *k = calloc(1, sizeof *k);
    if (!k)
        log_fatal("out_of_memory", "what=cached_keep");
    k->filter = guard_of(entry);
    k->doc = cached_entry_to_bson(entry, ttl_ms);
    if (k->doc->len > CACHED_ENTRY_BYTES_MAX || c->keep_count >= KEEPS_MAX) {
        log_info("cached_unkept", "job=%.*s bytes=%u reason=%s", BYTES_ARG(entry->job), k->doc->len,
            c->keep_count >= KEEPS_MAX ? "store_away" : "too_large");
        metric_add(&executor_metrics[M_CACHE_UNKEPT], 1);
        keep_free(k);
        return;
    }
    STAILQ_INSERT_TAIL(&c->keeps, k, entry);
    c->keep_count++;
    keep_ask(c);
}

void cached_keep(const struct running *r)
{
    if (!r->over || r->report.phase != PHASE_SUCCEEDED || r->cached_from.len ||
        !cached_key_is_valid(r->job.cache))
        return;
    const struct cached_entry entry = {
        r->job.cache->key, r->job.job_id, r->group, r->ended_at, r->exit_code, r->results, r->result_count};
    keep_entry(r->x->cached, &entry, r->job.cache->ttl_ms);
}

void cached_keep_init(struct cached *c)
{
    STAILQ_INIT(&c->keeps);
    STAILQ_INIT(&c->keep.keeps);
    c->keep.c = c;
    c->keep.request = (struct request){.work = keep_work, .done = keep_done};
}
