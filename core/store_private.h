/* SPDX-License-Identifier: Apache-2.0 */
/* store_private: what the files of the store share: the struct and the loop that knows patience. */
#ifndef MILLRACE_CORE_STORE_PRIVATE_H
#define MILLRACE_CORE_STORE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/store.h"

struct store {
    mongoc_client_pool_t *patient, *prompt;
    char *database;
    atomic_bool stopping;
    int stop_fd; /* an eventfd: readable for ever once stopping */
    pthread_mutex_t lock;
    atomic_bool away; /* an outage was logged and is not over; changed under lock */
    int64_t away_since;
};

/* One try on one client. False: `why` says what happened. */
typedef bool store_attempt(void *self, mongoc_client_t *client, bson_error_t *why);
/* Tries until it is answered, refused for good, out of patience, or stopped. `what` names it in log and error. */
bool store_patiently(
    struct store *s, const char *what, int64_t patience_ms, store_attempt *once, void *self, struct error *e);

/* Gives the documents of a cursor to a reader, after a reset where it was read before, and destroys the cursor. */
bool store_read_cursor(
    mongoc_cursor_t *cursor, const struct store_reader *reader, bool *repeated, bson_error_t *why);

/* The first of docs, at most as many as fit into one statement, inserted in order. *settled: how many from the front are
 * inserted or were duplicates; *stopped: the last of those is a duplicate, and nothing behind it was tried. */
bool store_insert_front(struct store *s, const char *collection, const bson_t *const *docs, size_t count,
    size_t *settled, bool *stopped, int64_t patience_ms, struct error *e);

/* The indexes of docs (documents or filters) by their _id, those of one _id as they stand; free() it. Bulks are written in this order: a
 * server that holds locks until the end of a bulk (DocumentDB on PostgreSQL) could otherwise meet two bulks of the same documents that
 * wait for each other, and finds out about each such pair only after a second. Those are no rarity: two collectors that were given a
 * partition one after the other write the same events, and a bulk whose answer is late is sent again. */
size_t *store_by_id(const bson_t *const *docs, size_t count);

/* A command of the database, with the same patience. */
bool store_command(struct store *s, const bson_t *command, int64_t patience_ms, struct error *e);

#endif
