/* SPDX-License-Identifier: Apache-2.0 */
/* orders: see orders.h. Orders are found by _id alone: a list of holds is a range of it. */
#include "core/orders.h"

#include <stdlib.h>
#include <string.h>

#include "core/ledger_private.h"
#include "core/store.h"

#define DAY_MS (24 * 3600 * (int64_t)1000)
#define KEEP_MS (400 * DAY_MS) /* longer than a job may wait for its not_before, and some time in the queue */
#define LOOK_MOST 1000         /* ids of one query */

/* By enum order_kind. `after`: the least text that is greater than all that begin with the prefix. */
static const struct {
    const char *prefix, *after, *kind, *field;
    bool expires;
} kinds[ORDER_KINDS] = {
    [ORDER_CANCEL] = {"job:", "job;", "cancel", "job_id", true},
    [ORDER_HOLD] = {"hold:", "hold;", "hold", "group", false},
    [ORDER_DRAIN] = {"drain:", "drain;", "drain", "instance", true},
};

static bson_t *order_doc(enum order_kind kind, struct bytes of, const struct order *o)
{
    bson_t *doc = bson_new();
    struct buf id;
    buf_init(&id);
    buf_add_text(&id, kinds[kind].prefix);
    buf_add_bytes(&id, of);
    bson_add_text(doc, "_id", buf_bytes(&id));
    buf_release(&id);
    BSON_APPEND_UTF8(doc, "kind", kinds[kind].kind);
    bson_add_text(doc, kinds[kind].field, of);
    bson_add_text(doc, "by", o->by);
    bson_add_text(doc, "reason", o->reason);
    BSON_APPEND_DATE_TIME(doc, "at", o->at);
    if (kinds[kind].expires)
        BSON_APPEND_DATE_TIME(doc, "expire_at", o->at + KEEP_MS);
    return doc;
}

static struct bytes text_at(const bson_t *doc, const char *field, struct arena *a)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, field) ? arena_copy(a, ledger_text_of(&it)) : BYTES_NONE;
}

static struct order order_read(const bson_t *doc, struct arena *a)
{
    bson_iter_t it;
    struct order o = {.by = text_at(doc, "by", a), .reason = text_at(doc, "reason", a)};
    if (bson_iter_init_find(&it, doc, "at") && BSON_ITER_HOLDS_DATE_TIME(&it))
        o.at = bson_iter_date_time(&it);
    return o;
}

/* ---- cancels ---- */

static int by_id(const void *a, const void *b)
{
    return memcmp(
        &((const struct order_job *)a)->id, &((const struct order_job *)b)->id, sizeof(struct uuid));
}

struct look {
    struct order_job *jobs; /* sorted by id */
    size_t count;
    struct arena *arena;
};

static bool look_row(void *self, const bson_t *doc)
{
    struct look *l = self;
    bson_iter_t it;
    struct order_job key;
    if (!bson_iter_init_find(&it, doc, "_id") || !uuid_parse(ledger_text_of(&it), &key.id))
        return true;
    struct order_job *job = bsearch(&key, l->jobs, l->count, sizeof *l->jobs, by_id);
    if (job) {
        job->state = text_at(doc, "state", l->arena);
        job->group = text_at(doc, "group", l->arena);
    }
    return true;
}

static bool look_some(struct store *s, struct order_job *jobs, size_t count, struct arena *a,
    int64_t patience_ms, struct error *e)
{
    struct look look = {jobs, count, a};
    struct store_reader reader = {look_row, NULL, &look};
    bson_t filter = BSON_INITIALIZER;
    for (size_t i = 0; i < count; i++)
        jobs[i].state = jobs[i].group = BYTES_NONE;
    qsort(jobs, count, sizeof *jobs, by_id);
    ledger_append_ids(&filter, &jobs[0].id, count, sizeof *jobs);
    bson_t *opts = BCON_NEW("projection", "{", "state", BCON_INT32(1), "group", BCON_INT32(1), "}");
    bool ok = store_find(s, "runs", &filter, opts, &reader, patience_ms, e);
    bson_destroy(opts);
    bson_destroy(&filter);
    return ok;
}

bool orders_look(struct store *s, struct order_job *jobs, size_t count, struct arena *a, int64_t patience_ms,
    struct error *e)
{
    for (size_t from = 0; from < count; from += LOOK_MOST) {
        size_t some = count - from < LOOK_MOST ? count - from : LOOK_MOST;
        if (!look_some(s, jobs + from, some, a, patience_ms, e))
            return false;
    }
    return true;
}

bool orders_cancel(struct store *s, const struct order *o, struct order_job *jobs, size_t count,
    struct arena *a, int64_t patience_ms, struct error *e)
{
    const bson_t **docs = arena_array(a, count, sizeof *docs);
    bson_t **own = arena_array(a, count, sizeof *own);
    char text[UUID_TEXT_LEN + 1];
    for (size_t i = 0; i < count; i++) {
        uuid_format(&jobs[i].id, text);
        docs[i] = own[i] = order_doc(ORDER_CANCEL, bytes_of(text), o);
    }
    bool ok = store_insert(s, "cancels", docs, count, NULL, patience_ms, e);
    for (size_t i = 0; i < count; i++)
        bson_destroy(own[i]);
    return ok && orders_look(s, jobs, count, a, patience_ms, e);
}

/* ---- holds and drains ---- */

static void append_id(bson_t *filter, const char *key, enum order_kind kind, struct bytes of)
{
    struct buf id;
    buf_init(&id);
    buf_add_text(&id, kinds[kind].prefix);
    buf_add_bytes(&id, of);
    bson_add_text(filter, key, buf_bytes(&id));
    buf_release(&id);
}

bool orders_find(struct store *s, enum order_kind kind, struct bytes of, struct order *out, bool *found,
    struct arena *a, int64_t patience_ms, struct error *e)
{
    bson_t filter = BSON_INITIALIZER, doc;
    append_id(&filter, "_id", kind, of);
    bool ok = store_find_one(s, "cancels", &filter, NULL, &doc, found, patience_ms, e);
    bson_destroy(&filter);
    *out = (struct order){BYTES_NONE, BYTES_NONE, 0};
    if (ok && *found) {
        *out = order_read(&doc, a);
        bson_destroy(&doc);
    }
    return ok;
}

bool orders_place(struct store *s, enum order_kind kind, struct bytes of, const struct order *o,
    struct order *standing, bool *stood, struct arena *a, int64_t patience_ms, struct error *e)
{
    bool found = false;
    MUST(kind != ORDER_CANCEL);
    bson_t *doc = order_doc(kind, of, o);
    const bson_t *docs[1] = {doc};
    bool ok = store_insert(s, "cancels", docs, 1, stood, patience_ms, e);
    bson_destroy(doc);
    *standing = *o;
    if (!ok || !*stood)
        return ok;
    ok = orders_find(s, kind, of, standing, &found, a, patience_ms, e);
    if (ok && !found)
        *standing = *o; /* lifted in this very moment: as if we had come before that */
    return ok;
}

bool orders_lift(
    struct store *s, enum order_kind kind, struct bytes of, bool *stood, int64_t patience_ms, struct error *e)
{
    int64_t deleted = 0;
    bson_t filter = BSON_INITIALIZER;
    append_id(&filter, "_id", kind, of);
    bool ok = store_delete(s, "cancels", &filter, &deleted, patience_ms, e);
    bson_destroy(&filter);
    *stood = deleted > 0;
    return ok;
}

struct listing {
    struct order_rows *out;
    const char *field;
    struct arena *arena;
};

static bool listing_row(void *self, const bson_t *doc)
{
    struct listing *l = self;
    l->out->items[l->out->count++] =
        (struct order_row){text_at(doc, l->field, l->arena), order_read(doc, l->arena)};
    return true;
}

static void listing_reset(void *self)
{
    ((struct listing *)self)->out->count = 0;
}

bool orders_list(struct store *s, enum order_kind kind, struct bytes from, size_t most, struct arena *a,
    struct order_rows *out, int64_t patience_ms, struct error *e)
{
    struct listing l = {.out = out, .field = kinds[kind].field, .arena = a};
    struct store_reader reader = {listing_row, listing_reset, &l};
    bson_t filter = BSON_INITIALIZER, range;
    *out = (struct order_rows){arena_array(a, most, sizeof *out->items), 0};
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &range);
    append_id(&range, "$gte", kind, from);
    BSON_APPEND_UTF8(&range, "$lt", kinds[kind].after);
    bson_append_document_end(&filter, &range);
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)most));
    bool ok = store_find(s, "cancels", &filter, opts, &reader, patience_ms, e);
    bson_destroy(opts);
    bson_destroy(&filter);
    return ok;
}
