/* SPDX-License-Identifier: Apache-2.0 */
/* store_ask: the calls of store.h that are neither find nor a guarded write: aggregations, counts, deletions. */
#include <string.h>

#include "core/store_private.h"

struct pipeline {
    const char *database, *collection;
    const bson_t *stages;
    const struct store_reader *reader;
    bool repeated;
};

static bool aggregate_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    struct pipeline *p = self;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, p->database, p->collection);
    mongoc_cursor_t *cursor =
        mongoc_collection_aggregate(collection, MONGOC_QUERY_NONE, p->stages, NULL, NULL);
    bool ok = store_read_cursor(cursor, p->reader, &p->repeated, why);
    mongoc_collection_destroy(collection);
    return ok;
}

bool store_aggregate(struct store *s, const char *collection, const bson_t *pipeline,
    const struct store_reader *reader, int64_t patience_ms, struct error *e)
{
    struct pipeline p = {s->database, collection, pipeline, reader, false};
    return store_patiently(s, collection, patience_ms, aggregate_once, &p, e);
}

struct counting {
    const char *database, *collection;
    const bson_t *filter;
    bson_t opts;
    int64_t count;
};

static bool count_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    struct counting *c = self;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, c->database, c->collection);
    c->count = mongoc_collection_count_documents(collection, c->filter, &c->opts, NULL, NULL, why);
    mongoc_collection_destroy(collection);
    return c->count >= 0;
}

bool store_count(struct store *s, const char *collection, const bson_t *filter, int64_t most, int64_t *count,
    int64_t patience_ms, struct error *e)
{
    struct counting c = {s->database, collection, filter, BSON_INITIALIZER, 0};
    if (most > 0)
        BSON_APPEND_INT64(&c.opts, "limit", most);
    bool ok = store_patiently(s, collection, patience_ms, count_once, &c, e);
    bson_destroy(&c.opts);
    if (ok)
        *count = c.count;
    return ok;
}

struct deletion {
    const char *database, *collection;
    const bson_t *filter;
    int64_t deleted;
};

static bool delete_once(void *self, mongoc_client_t *client, bson_error_t *why)
{
    struct deletion *d = self;
    bson_t reply;
    bson_iter_t it;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, d->database, d->collection);
    bool ok = mongoc_collection_delete_many(collection, d->filter, NULL, &reply, why);
    if (bson_iter_init_find(&it, &reply, "deletedCount"))
        d->deleted = bson_iter_as_int64(&it);
    bson_destroy(&reply);
    mongoc_collection_destroy(collection);
    return ok;
}

bool store_delete(struct store *s, const char *collection, const bson_t *filter, int64_t *deleted,
    int64_t patience_ms, struct error *e)
{
    struct deletion d = {s->database, collection, filter, 0};
    bool ok = store_patiently(s, collection, patience_ms, delete_once, &d, e);
    if (deleted)
        *deleted = d.deleted;
    return ok;
}
