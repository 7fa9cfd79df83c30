/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_write: the writing calls of store.h. A bulk is cut into statements of a size that servers take and that stay
 * well below the socket timeout; a statement whose answer was lost is repeated, those before it are not.
 */
#include <stdlib.h>
#include <string.h>

#include "core/store_private.h"

enum {
    CHUNK_OPS = 10000,     /* servers take 100,000 operations */
    CHUNK_BYTES = 16 << 20 /* and 48 MB */
};

/* ---- bulks ---- */

/* Ordered: the server goes through the operations one by one and stops at the first that it refuses. */
static bool bulk_open(mongoc_client_t *client, const char *database, const char *name, bool ordered,
    mongoc_collection_t **collection, mongoc_bulk_operation_t **bulk)
{
    bson_t opts = BSON_INITIALIZER;
    BSON_APPEND_BOOL(&opts, "ordered", ordered);
    *collection = mongoc_client_get_collection(client, database, name);
    *bulk = mongoc_collection_create_bulk_operation_with_opts(*collection, &opts);
    bson_destroy(&opts);
    return *bulk != NULL;
}

static int64_t reply_int(const bson_t *reply, const char *key)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, reply, key) ? bson_iter_as_int64(&it) : 0;
}

/* Which operation was refused, and how. */
static bool write_error(const bson_iter_t *item, int64_t *index, uint32_t *code, const char **text)
{
    bson_iter_t it;
    *index = -1;
    *code = 0;
    *text = "";
    if (!bson_iter_recurse(item, &it))
        return false;
    while (bson_iter_next(&it)) {
        if (strcmp(bson_iter_key(&it), "index") == 0)
            *index = bson_iter_as_int64(&it);
        else if (strcmp(bson_iter_key(&it), "code") == 0)
            *code = (uint32_t)bson_iter_as_int64(&it);
        else if (strcmp(bson_iter_key(&it), "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(&it))
            *text = bson_iter_utf8(&it, NULL);
    }
    return true;
}

static bool is_duplicate(uint32_t code)
{
    return code == 11000 || code == 11001;
}

/* Where the answer to a bulk's duplicates goes. */
typedef void mark_duplicate(void *self, size_t index);

/* True when every operation was done or was a duplicate, and the majority has it. */
static bool bulk_settled(
    const bson_t *reply, bool executed, mark_duplicate *mark, void *self, bson_error_t *why)
{
    bson_iter_t it, item;
    int64_t duplicates = 0;
    if (bson_iter_init_find(&it, reply, "writeErrors") && bson_iter_recurse(&it, &item)) {
        while (bson_iter_next(&item)) {
            int64_t index;
            uint32_t code;
            const char *text;
            if (!write_error(&item, &index, &code, &text))
                continue;
            if (!is_duplicate(code) || index < 0) {
                bson_set_error(why, MONGOC_ERROR_SERVER, code, "operation %lld: %s", (long long)index, text);
                return false;
            }
            duplicates++;
            mark(self, (size_t)index);
        }
    }
    if (bson_iter_init_find(&it, reply, "writeConcernErrors") && bson_iter_recurse(&it, &item) &&
        bson_iter_next(&item)) {
        bson_set_error(why, MONGOC_ERROR_WRITE_CONCERN, MONGOC_ERROR_WRITE_CONCERN_ERROR,
            "no majority has confirmed the write in time");
        return false;
    }
    /* Not executed although only duplicates were refused: the bulk's own error is the first duplicate. */
    return executed || (duplicates > 0 && is_duplicate(why->code));
}

struct insert {
    const char *database, *collection;
    const bson_t *const *docs; /* of this chunk */
    size_t count;
    const size_t *by_id; /* unordered: the order in which they are sent */
    bool *duplicate;     /* may be NULL */
    size_t stopped_at;   /* ordered: the first duplicate, behind which nothing was tried; or count */
};

static void insert_mark(void *self, size_t index)
{
    struct insert *in = self;
    if (index >= in->count)
        return;
    if (in->by_id)
        index = in->by_id[index];
    if (in->duplicate)
        in->duplicate[index] = true;
    if (index < in->stopped_at)
        in->stopped_at = index;
}

static bool insert_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    struct insert *in = self;
    mongoc_collection_t *collection;
    mongoc_bulk_operation_t *bulk;
    bson_t reply = BSON_INITIALIZER;
    in->stopped_at = in->count;
    if (in->duplicate)
        memset(in->duplicate, 0, in->count * sizeof *in->duplicate);
    bool ok = bulk_open(client, in->database, in->collection, in->by_id == NULL, &collection, &bulk);
    for (size_t i = 0; ok && i < in->count; i++)
        ok = mongoc_bulk_operation_insert_with_opts(bulk, in->docs[in->by_id ? in->by_id[i] : i], NULL, why);
    if (ok) {
        bson_destroy(&reply);
        bool executed = mongoc_bulk_operation_execute(bulk, &reply, why) != 0;
        ok = bulk_settled(&reply, executed, insert_mark, self, why);
    }
    bson_destroy(&reply);
    mongoc_bulk_operation_destroy(bulk);
    mongoc_collection_destroy(collection);
    return ok;
}

/* How many of the documents make one statement. */
static size_t insert_chunk(const bson_t *const *docs, size_t count)
{
    size_t n = 0, bytes = 0;
    while (n < count && n < CHUNK_OPS) {
        bytes += docs[n]->len;
        if (bytes > CHUNK_BYTES && n > 0)
            break;
        n++;
    }
    return n;
}

bool store_insert(struct store *s, const char *collection, const bson_t *const *docs, size_t count,
    bool *duplicate, int64_t patience_ms, struct error *e)
{
    for (size_t from = 0, n; from < count; from += n) {
        n = insert_chunk(docs + from, count - from);
        size_t *by_id = store_by_id(docs + from, n);
        struct insert in = {.database = s->database,
            .collection = collection,
            .docs = docs + from,
            .count = n,
            .by_id = by_id,
            .duplicate = duplicate ? duplicate + from : NULL};
        bool ok = store_patiently(s, collection, patience_ms, insert_once, &in, e);
        free(by_id);
        if (!ok)
            return false;
    }
    return true;
}

bool store_insert_front(struct store *s, const char *collection, const bson_t *const *docs, size_t count,
    size_t *settled, bool *stopped, int64_t patience_ms, struct error *e)
{
    struct insert in = {
        .database = s->database, .collection = collection, .docs = docs, .count = insert_chunk(docs, count)};
    if (!store_patiently(s, collection, patience_ms, insert_once, &in, e))
        return false;
    *stopped = in.stopped_at < in.count;
    *settled = *stopped ? in.stopped_at + 1 : in.count;
    return true;
}

struct bulk {
    const char *database, *collection;
    struct store_write *writes; /* of this chunk */
    size_t count;
    const size_t *by_id; /* the order in which they are sent */
    int64_t matched;
};

static void bulk_mark(void *self, size_t index)
{
    const struct bulk *b = self;
    if (index < b->count)
        b->writes[b->by_id[index]].duplicate = true;
}

static bool bulk_add(
    mongoc_bulk_operation_t *bulk, const struct store_write *w, const bson_t *upsert, bson_error_t *why)
{
    const bson_t *opts = w->upsert ? upsert : NULL;
    if (w->replace)
        return mongoc_bulk_operation_replace_one_with_opts(bulk, w->filter, w->update, opts, why);
    return mongoc_bulk_operation_update_one_with_opts(bulk, w->filter, w->update, opts, why);
}

static bool bulk_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    struct bulk *b = self;
    mongoc_collection_t *collection;
    mongoc_bulk_operation_t *bulk;
    bson_t reply = BSON_INITIALIZER, upsert = BSON_INITIALIZER;
    BSON_APPEND_BOOL(&upsert, "upsert", true);
    bool ok = bulk_open(client, b->database, b->collection, false, &collection, &bulk);
    for (size_t i = 0; i < b->count; i++) {
        struct store_write *w = &b->writes[b->by_id[i]];
        w->duplicate = false;
        ok = ok && bulk_add(bulk, w, &upsert, why);
    }
    if (ok) {
        bson_destroy(&reply);
        bool executed = mongoc_bulk_operation_execute(bulk, &reply, why) != 0;
        ok = bulk_settled(&reply, executed, bulk_mark, self, why);
        b->matched = reply_int(&reply, "nMatched") + reply_int(&reply, "nUpserted");
    }
    bson_destroy(&reply);
    bson_destroy(&upsert);
    mongoc_bulk_operation_destroy(bulk);
    mongoc_collection_destroy(collection);
    return ok;
}

static size_t *writes_by_id(const struct store_write *writes, size_t count)
{
    const bson_t **filters = calloc(count + 1, sizeof *filters);
    MUST(filters);
    for (size_t i = 0; i < count; i++)
        filters[i] = writes[i].filter;
    size_t *by_id = store_by_id(filters, count);
    free(filters);
    return by_id;
}

bool store_write(struct store *s, const char *collection, struct store_write *writes, size_t count,
    int64_t *matched, int64_t patience_ms, struct error *e)
{
    int64_t sum = 0;
    for (size_t from = 0, to; from < count; from = to) {
        size_t bytes = 0;
        for (to = from; to < count && to - from < CHUNK_OPS; to++) {
            bytes += (size_t)writes[to].filter->len + writes[to].update->len;
            if (bytes > CHUNK_BYTES && to > from)
                break;
        }
        size_t *by_id = writes_by_id(writes + from, to - from);
        struct bulk b = {s->database, collection, writes + from, to - from, by_id, 0};
        bool ok = store_patiently(s, collection, patience_ms, bulk_once, &b, e);
        free(by_id);
        if (!ok)
            return false;
        sum += b.matched;
    }
    if (matched)
        *matched = sum;
    return true;
}

/* ---- one statement for many ---- */

struct many {
    const char *database, *collection;
    const bson_t *filter;
    const bson_t *update;
    int64_t matched, modified;
};

static bool many_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    struct many *m = self;
    bson_t reply;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, m->database, m->collection);
    bool ok = mongoc_collection_update_many(collection, m->filter, m->update, NULL, &reply, why);
    m->matched = reply_int(&reply, "matchedCount");
    m->modified = reply_int(&reply, "modifiedCount");
    bson_destroy(&reply);
    mongoc_collection_destroy(collection);
    return ok;
}

bool store_update_many(struct store *s, const char *collection, const bson_t *filter, const bson_t *update,
    int64_t *matched, int64_t *modified, int64_t patience_ms, struct error *e)
{
    struct many m = {.database = s->database, .collection = collection, .filter = filter, .update = update};
    if (!store_patiently(s, collection, patience_ms, many_once, &m, e))
        return false;
    if (matched)
        *matched = m.matched;
    if (modified)
        *modified = m.modified;
    return true;
}
