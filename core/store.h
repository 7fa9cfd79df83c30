/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: MongoDB (or a server that speaks its wire protocol), through mongo-c-driver.
 *
 * Blocking calls, safe from every thread (one client pool per process). Writes use majority write concern, reads that
 * decide use primary + majority. No transactions, no change streams.
 *
 * Patience: a call either answers in `patience_ms`, or fails with code store_away. patience_ms 0: it is repeated until it
 * is answered, with growing pauses (up to 2 s), or until store_stop(); outages are logged once when they begin and once
 * when they end. What the server refuses for good is not repeated: code store_refused, or STORE_TOO_LARGE where a document would have more
 * than its 16 MiB. A repeated write may have been applied by the call whose answer was lost: all writes here are guarded or
 * inserts with a fixed _id, so the caller sees a duplicate or a lost guard, never a double effect.
 */
#ifndef MILLRACE_CORE_STORE_H
#define MILLRACE_CORE_STORE_H

#include <mongoc/mongoc.h>

#include "core/bytes.h"
#include "core/config.h"
#include "core/error.h"

struct store_settings {
    const char *uri;      /* mongo.uri */
    const char *database; /* mongo.database */
};
#define STORE_SETTINGS(type, member)                                                                         \
    {"mongo.uri", SETTING_TEXT, offsetof(type, member.uri), "mongodb://127.0.0.1:27017", 0, 0,               \
        "MongoDB's connection string"},                                                                      \
    {                                                                                                        \
        "mongo.database", SETTING_TEXT, offsetof(type, member.database), "millrace", 1, 60,                  \
            "the database's name"                                                                            \
    }

#define STORE_TOO_LARGE "document_too_large"

struct store;
/* Does not connect yet. */
struct store *store_open(const struct store_settings *s, const char *app_name, struct error *e);
void store_close(struct store *s);
/* Makes every waiting call give up (shutdown). Async-signal-safe. */
void store_stop(struct store *s);
bool store_ping(struct store *s, int64_t patience_ms, struct error *e);

/* Unordered bulk insert. duplicate[i] (may be NULL) says whether _id (or a unique index) of docs[i] was taken; that is
 * not an error. */
bool store_insert(struct store *s, const char *collection, const bson_t *const *docs, size_t count,
    bool *duplicate, int64_t patience_ms, struct error *e);

/* The same in order: whatever becomes of the call (an error, a dead writer, a server that dies in it), what is inserted by
 * it are the first of docs, never one without those before it; duplicates count as inserted. duplicate is not NULL.
 * One statement when nothing is taken; else one query and one more statement, if the ids are text. */
bool store_insert_in_order(struct store *s, const char *collection, const bson_t *const *docs, size_t count,
    bool *duplicate, int64_t patience_ms, struct error *e);

/* One statement; counts may be NULL. upsert never. */
bool store_update_many(struct store *s, const char *collection, const bson_t *filter, const bson_t *update,
    int64_t *matched, int64_t *modified, int64_t patience_ms, struct error *e);

/* One unordered bulk of guarded single-document writes. */
struct store_write {
    const bson_t *filter; /* _id and the guard */
    const bson_t *update; /* a replacement document, or an update with operators */
    bool replace;         /* update is a whole document */
    bool upsert;          /* a stale guard then shows as a duplicate _id */
    bool duplicate;       /* out: refused as duplicate */
};
/* matched: how many filters matched or upserted in all; fewer than asked: read back which. */
bool store_write(struct store *s, const char *collection, struct store_write *writes, size_t count,
    int64_t *matched, int64_t patience_ms, struct error *e);

/* Calls row(self, doc) for each document (borrowed for the call) until it returns false. opts: sort, limit, projection,
 * as in find. With patience 0 a repeat starts from the beginning after row_reset(self) (may be NULL when row is
 * idempotent). */
struct store_reader {
    bool (*row)(void *self, const bson_t *doc);
    void (*reset)(void *self);
    void *self;
};
bool store_find(struct store *s, const char *collection, const bson_t *filter, const bson_t *opts,
    const struct store_reader *reader, int64_t patience_ms, struct error *e);
/* Copies the first match into out (initialised by the callee; bson_destroy it when *found). */
bool store_find_one(struct store *s, const char *collection, const bson_t *filter, const bson_t *opts,
    bson_t *out, bool *found, int64_t patience_ms, struct error *e);
/* Counts up to `most` and no further: what it costs is bounded by that. 0: all. */
bool store_count(struct store *s, const char *collection, const bson_t *filter, int64_t most, int64_t *count,
    int64_t patience_ms, struct error *e);
/* As store_find; pipeline: {"pipeline": [stages]}. */
bool store_aggregate(struct store *s, const char *collection, const bson_t *pipeline,
    const struct store_reader *reader, int64_t patience_ms, struct error *e);

/* Deletes all that match. *deleted (may be NULL): how many by the try that was answered; fewer than expected may mean that an earlier
 * try, whose answer was lost, did it: read back. */
bool store_delete(struct store *s, const char *collection, const bson_t *filter, int64_t *deleted,
    int64_t patience_ms, struct error *e);

/* All indexes of all collections: one table; idempotent. Called by `millrace topics create` (it sets up both) and by tests. */
struct store_index {
    const char *collection;
    const char *name;
    const char *keys;    /* JSON: {"creator":1,...} */
    const char *options; /* JSON or NULL: {"expireAfterSeconds":0}, {"partialFilterExpression":{...}} */
    const char *help;    /* which query it serves */
};
extern const struct store_index store_indexes[]; /* ends with collection NULL */
bool store_indexes_create(struct store *s, int64_t patience_ms, struct error *e);

#endif
