/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_in_order: an insert that leaves no gap. An ordered statement stops at the first duplicate; then one query tells
 * which of the rest are taken, and the others are tried again. A batch that was inserted before costs one insert and one
 * query, whatever its size.
 */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/store_private.h"

/* A document that is not settled yet. */
struct left {
    const char *id;
    const bson_t *doc;
    bool *duplicate; /* where its answer goes */
};

struct queue {
    struct left *items; /* in the order given */
    size_t count;
    struct left **by_id; /* the same, sorted */
};

/* Another kind of id is not asked for: each taken one costs a statement of its own. */
static const char *text_id(const bson_t *doc)
{
    bson_iter_t it;
    bool text = bson_iter_init_find(&it, doc, "_id") && BSON_ITER_HOLDS_UTF8(&it);
    return text ? bson_iter_utf8(&it, NULL) : "";
}

static int compare_ids(const void *a, const void *b)
{
    const struct left *const *x = a, *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

/* Marks all with the id of this row; an id may stand in a batch more than once. */
static bool mark_taken(void *self, const bson_t *row)
{
    struct queue *q = self;
    const struct left wanted = {.id = text_id(row)}, *key = &wanted;
    struct left **hit = bsearch(&key, q->by_id, q->count, sizeof *q->by_id, compare_ids),
                **end = q->by_id + q->count;
    while (hit && hit > q->by_id && compare_ids(hit - 1, &key) == 0)
        hit--;
    for (; hit && hit < end && compare_ids(hit, &key) == 0; hit++)
        *(*hit)->duplicate = true;
    return true;
}

static bool ask_taken(
    struct store *s, const char *collection, struct queue *q, int64_t patience_ms, struct error *e)
{
    bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER, id, in, fields;
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &id);
    BSON_APPEND_ARRAY_BEGIN(&id, "$in", &in);
    for (size_t i = 0; i < q->count; i++) {
        char buffer[16];
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof buffer);
        BSON_APPEND_UTF8(&in, key, q->items[i].id);
        q->by_id[i] = &q->items[i];
    }
    bson_append_array_end(&id, &in);
    bson_append_document_end(&filter, &id);
    BSON_APPEND_DOCUMENT_BEGIN(&opts, "projection", &fields);
    BSON_APPEND_INT32(&fields, "_id", 1);
    bson_append_document_end(&opts, &fields);
    qsort(q->by_id, q->count, sizeof *q->by_id, compare_ids);
    const struct store_reader reader = {mark_taken, NULL, q};
    bool ok = store_find(s, collection, &filter, &opts, &reader, patience_ms, e);
    bson_destroy(&filter);
    bson_destroy(&opts);
    return ok;
}

static void drop_front(struct queue *q, size_t n)
{
    q->items += n;
    q->count -= n;
}

static void drop_taken(struct queue *q)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->count; i++)
        if (!*q->items[i].duplicate)
            q->items[kept++] = q->items[i];
    q->count = kept;
}

bool store_insert_in_order(struct store *s, const char *collection, const bson_t *const *docs, size_t count,
    bool *duplicate, int64_t patience_ms, struct error *e)
{
    struct arena memory;
    arena_init(&memory);
    struct queue q = {.items = arena_array(&memory, count, sizeof *q.items),
        .count = count,
        .by_id = arena_array(&memory, count, sizeof(struct left *))};
    const bson_t **front = arena_array(&memory, count, sizeof *front);
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        duplicate[i] = false;
        q.items[i] = (struct left){text_id(docs[i]), docs[i], &duplicate[i]};
    }
    while (ok && q.count > 0) {
        size_t settled;
        bool stopped;
        for (size_t i = 0; i < q.count; i++)
            front[i] = q.items[i].doc;
        ok = store_insert_front(s, collection, front, q.count, &settled, &stopped, patience_ms, e);
        if (!ok)
            break;
        if (stopped)
            *q.items[settled - 1].duplicate = true;
        drop_front(&q, settled);
        if (stopped && q.count > 0) {
            ok = ask_taken(s, collection, &q, patience_ms, e);
            drop_taken(&q);
        }
    }
    arena_release(&memory);
    return ok;
}
