/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_write: the writes of runs. Starts and closes are one updateMany per equal change: a batch nearly always has one or two. Those
 * that have no equal (each failed try has its own time of the next one) go together in one bulk.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_run.h"

/* ---- new runs ---- */

static void insert_document(
    const struct ledger *l, const struct run_insert *i, int64_t now, const char *outcome, bson_t *doc)
{
    bool running = i->state == RUN_RUNNING, ended = i->state == RUN_ENDED;
    ledger_append_id(doc, "_id", &i->id);
    BSON_APPEND_UTF8(doc, "pool", l->pool);
    BSON_APPEND_INT32(doc, "partition", i->partition);
    BSON_APPEND_INT64(doc, "seq", i->seq);
    bson_add_text(doc, "group", i->group);
    bson_add_text(doc, "engine", i->engine);
    BSON_APPEND_UTF8(doc, "state", run_state_name(i->state));
    BSON_APPEND_BOOL(doc, "final", ended);
    BSON_APPEND_INT64(doc, "attempt", running ? 1 : 0);
    BSON_APPEND_INT64(doc, "tries", running ? 1 : 0);
    BSON_APPEND_INT64(doc, "lost", 0);
    BSON_APPEND_DATE_TIME(doc, "queued_at", now);
    if (running) {
        BSON_APPEND_UTF8(doc, "instance", l->instance);
        BSON_APPEND_DATE_TIME(doc, "started_at", now);
    }
    if (ended) {
        BSON_APPEND_UTF8(doc, "out", outcome);
        BSON_APPEND_DATE_TIME(doc, "ended_at", now);
        BSON_APPEND_DATE_TIME(doc, "expire_at", now + l->keep_ms);
        return;
    }
    if (!running)
        ledger_append_time(doc, "wake_at", i->wake_at);
    ledger_append_binary(doc, "payload", i->payload);
}

bool ledger_insert(const struct ledger *l, struct run_insert *items, size_t count, const char *outcome,
    int64_t now, struct arena *a, struct error *e)
{
    bson_t **docs = arena_array(a, count, sizeof *docs);
    bool *duplicate = arena_array(a, count, sizeof *duplicate);
    for (size_t i = 0; i < count; i++) {
        MUST(items[i].state != RUN_ENDED || outcome);
        docs[i] = bson_new(); /* a bson_t needs an alignment that the arena does not give */
        insert_document(l, &items[i], now, outcome, docs[i]);
    }
    bool ok = store_insert(l->store, "runs", (const bson_t *const *)docs, count, duplicate, 0, e);
    for (size_t i = 0; i < count; i++) {
        items[i].duplicate = duplicate[i];
        bson_destroy(docs[i]);
    }
    return ok;
}

/* ---- bulks of single writes ---- */

struct bulk {
    struct arena arena;
    struct store_write *writes;
    bson_t **owned;
    size_t count;
};

static void bulk_init(struct bulk *b, size_t max)
{
    arena_init(&b->arena);
    b->writes = arena_array(&b->arena, max, sizeof *b->writes);
    b->owned = arena_array(&b->arena, max, 2 * sizeof(bson_t *));
    b->count = 0;
}

/* Takes both. */
static void bulk_add(struct bulk *b, bson_t *filter, bson_t *update)
{
    b->owned[2 * b->count] = filter;
    b->owned[2 * b->count + 1] = update;
    b->writes[b->count++] = (struct store_write){.filter = filter, .update = update};
}

static bool bulk_write(struct bulk *b, const struct ledger *l, int64_t *matched, struct error *e)
{
    *matched = 0;
    return store_write(l->store, "runs", b->writes, b->count, matched, 0, e);
}

static void bulk_release(struct bulk *b)
{
    for (size_t i = 0; i < 2 * b->count; i++)
        bson_destroy(b->owned[i]);
    arena_release(&b->arena);
}

/* ---- delayed -> queued ---- */

bool ledger_due(
    const struct ledger *l, const struct run_due *items, size_t count, int64_t now, struct error *e)
{
    struct bulk bulk;
    int64_t matched;
    bulk_init(&bulk, count);
    for (size_t i = 0; i < count; i++) {
        bson_t *filter = bson_new(), *update = bson_new(), set;
        ledger_append_id(filter, "_id", &items[i].id);
        BSON_APPEND_UTF8(filter, "state", "delayed");
        BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
        BSON_APPEND_UTF8(&set, "state", "queued");
        BSON_APPEND_INT64(&set, "seq", items[i].seq);
        BSON_APPEND_DATE_TIME(&set, "queued_at", now);
        ledger_append_time(&set, "wake_at", items[i].wake_at);
        bson_append_document_end(update, &set);
        if (items[i].wake_at == NO_TIME)
            BCON_APPEND(update, "$unset", "{", "wake_at", BCON_INT32(1), "}");
        bulk_add(&bulk, filter, update);
    }
    bool ok = bulk_write(&bulk, l, &matched, e);
    bulk_release(&bulk);
    return ok;
}

/* ---- equal changes together ---- */

/* A kind of guarded change. Its items begin with the run's id. */
struct change {
    size_t size; /* of an item */
    /* Of two pointers to items, as qsort has them: 0 when guard and update are the same. */
    int (*order)(const void *a, const void *b);
    void (*guard)(const struct ledger *l, const void *item, bson_t *filter);
    bson_t *(*update)(const struct ledger *l, const void *item, const char *outcome, int64_t now);
};
_Static_assert(offsetof(struct run_start, id) == 0 && offsetof(struct run_close, id) == 0, "the id is first");

static bson_t *change_filter(
    const struct change *c, const struct ledger *l, const void *const *items, size_t count)
{
    bson_t *filter = bson_new();
    struct id_list in;
    if (count == 1) {
        ledger_append_id(filter, "_id", items[0]);
    } else {
        id_list_begin(&in, filter);
        for (size_t i = 0; i < count; i++)
            id_list_add(&in, items[i]);
        id_list_end(&in, filter);
    }
    c->guard(l, items[0], filter);
    return filter;
}

/* One statement for items with an equal change. */
static bool change_equals(const struct change *c, const struct ledger *l, const void *const *items,
    size_t count, const char *outcome, int64_t now, int64_t *modified, struct error *e)
{
    bson_t *filter = change_filter(c, l, items, count), *update = c->update(l, items[0], outcome, now);
    bool ok = store_update_many(l->store, "runs", filter, update, NULL, modified, 0, e);
    bson_destroy(filter);
    bson_destroy(update);
    return ok;
}

static bool change(const struct change *c, const struct ledger *l, const void *items, size_t count,
    const char *outcome, int64_t now, int64_t *modified, struct error *e)
{
    struct bulk singles;
    bool ok = true;
    int64_t some;
    *modified = 0;
    bulk_init(&singles, count);
    const void **order = arena_array(&singles.arena, count, sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = (const char *)items + i * c->size;
    if (count > 1)
        qsort(order, count, sizeof *order, c->order);
    for (size_t from = 0, to; ok && from < count; from = to) {
        for (to = from + 1; to < count && c->order(&order[from], &order[to]) == 0;)
            to++;
        if (to == from + 1 && count > 1) {
            bulk_add(&singles, change_filter(c, l, &order[from], 1), c->update(l, order[from], outcome, now));
            continue;
        }
        ok = change_equals(c, l, &order[from], to - from, outcome, now, &some, e);
        *modified += ok ? some : 0;
    }
    ok = ok && bulk_write(&singles, l, &some, e);
    *modified += ok ? some : 0; /* what was matched was changed: the guard does not fit its own result */
    bulk_release(&singles);
    return ok;
}

/* ---- starts ---- */

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int start_order(const void *a, const void *b)
{
    const struct run_start *const *x = a, *const *y = b;
    return compare((*x)->attempt, (*y)->attempt);
}

static void start_guard(const struct ledger *l, const void *item, bson_t *filter)
{
    const struct run_start *s = item;
    (void)l;
    BSON_APPEND_UTF8(filter, "state", "queued");
    BSON_APPEND_INT64(filter, "attempt", s->attempt);
}

static bson_t *start_update(const struct ledger *l, const void *item, const char *outcome, int64_t now)
{
    (void)item;
    (void)outcome;
    return BCON_NEW("$set", "{", "state", BCON_UTF8("running"), "instance", BCON_UTF8(l->instance),
        "started_at", BCON_DATE_TIME(now), "}", "$inc", "{", "attempt", BCON_INT64(1), "tries", BCON_INT64(1),
        "}", "$unset", "{", "wake_at", BCON_INT32(1), "retry_at", BCON_INT32(1), "reason", BCON_INT32(1),
        "}");
}

bool ledger_start(const struct ledger *l, const struct run_start *items, size_t count, int64_t now,
    int64_t *modified, struct error *e)
{
    static const struct change starts = {sizeof *items, start_order, start_guard, start_update};
    return change(&starts, l, items, count, NULL, now, modified, e);
}

/* ---- ends of attempts ---- */

static int close_order(const void *a, const void *b)
{
    const struct run_close *x = *(const struct run_close *const *)a, *y = *(const struct run_close *const *)b;
    int order = compare(x->attempt, y->attempt);
    order = order ? order : compare(x->from, y->from);
    order = order ? order : compare(x->to, y->to);
    if (!order && x->from == RUN_RUNNING)
        order = bytes_compare(x->instance, y->instance);
    if (order || x->to != RUN_QUEUED)
        return order;
    order = compare(x->retry_at, y->retry_at);
    order = order ? order : compare(x->uncharged, y->uncharged);
    order = order ? order : compare(x->lost, y->lost);
    return order ? order : strcmp(x->reason, y->reason);
}

static void close_guard(const struct ledger *l, const void *item, bson_t *filter)
{
    const struct run_close *c = item;
    (void)l;
    BSON_APPEND_UTF8(filter, "state", run_state_name(c->from));
    BSON_APPEND_INT64(filter, "attempt", c->attempt);
    if (c->from == RUN_RUNNING)
        bson_add_text(filter, "instance", c->instance);
}

static bson_t *end_update(const struct ledger *l, const char *outcome, int64_t now)
{
    return BCON_NEW("$set", "{", "state", BCON_UTF8("ended"), "final", BCON_BOOL(true), "out",
        BCON_UTF8(outcome), "ended_at", BCON_DATE_TIME(now), "expire_at", BCON_DATE_TIME(now + l->keep_ms),
        "}", "$unset", "{", "payload", BCON_INT32(1), "nodes", BCON_INT32(1), "wake_at", BCON_INT32(1),
        "retry_at", BCON_INT32(1), "}");
}

/* Payload and nodes stay. So does the instance: that of the latest start. */
static bson_t *requeue_update(const struct run_close *c, const char *outcome)
{
    bson_t *update = bson_new(), set;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    BSON_APPEND_UTF8(&set, "state", "queued");
    BSON_APPEND_UTF8(&set, "out", outcome);
    BSON_APPEND_UTF8(&set, "reason", c->reason);
    ledger_append_time(&set, "retry_at", c->retry_at);
    bson_append_document_end(update, &set);
    if (c->uncharged || c->lost) {
        bson_t inc;
        BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &inc);
        if (c->uncharged)
            BSON_APPEND_INT64(&inc, "tries", -1);
        if (c->lost)
            BSON_APPEND_INT64(&inc, "lost", 1);
        bson_append_document_end(update, &inc);
    }
    return update;
}

static bson_t *close_update(const struct ledger *l, const void *item, const char *outcome, int64_t now)
{
    const struct run_close *c = item;
    return c->to == RUN_QUEUED ? requeue_update(c, outcome) : end_update(l, outcome, now);
}

bool ledger_close(const struct ledger *l, const struct run_close *items, size_t count, const char *outcome,
    int64_t now, int64_t *modified, struct error *e)
{
    static const struct change closes = {sizeof *items, close_order, close_guard, close_update};
    for (size_t i = 0; i < count; i++) {
        MUST(items[i].to == RUN_ENDED || (items[i].to == RUN_QUEUED && items[i].reason));
        MUST(items[i].from != RUN_ENDED && (items[i].to == RUN_ENDED || items[i].from == RUN_RUNNING));
    }
    return change(&closes, l, items, count, outcome, now, modified, e);
}

bool ledger_node(const struct ledger *l, const struct uuid *id, int64_t attempt, const struct run_node *node,
    bool *modified, struct error *e)
{
    struct buf key;
    bson_t filter = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
    int64_t matched = 0;
    ledger_append_id(&filter, "_id", id);
    BSON_APPEND_UTF8(&filter, "state", "running");
    BSON_APPEND_INT64(&filter, "attempt", attempt);
    BSON_APPEND_UTF8(&filter, "instance", l->instance);
    buf_init(&key);
    ledger_node_key("nodes.", node->id, &key);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &set);
    ledger_append_binary(&set, key.data, node->event);
    bson_append_document_end(&update, &set);
    bool ok = store_update_many(l->store, "runs", &filter, &update, &matched, NULL, 0, e);
    *modified = matched == 1; /* a repeat changes nothing, but finds it ours */
    buf_release(&key);
    bson_destroy(&filter);
    bson_destroy(&update);
    return ok;
}
