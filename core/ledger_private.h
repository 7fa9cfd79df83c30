/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_private: small BSON helpers of the files that read and write the ledger's collections. (Those that know runs: ledger_run.h.) */
#ifndef MILLRACE_CORE_LEDGER_PRIVATE_H
#define MILLRACE_CORE_LEDGER_PRIVATE_H

#include <bson/bson.h>

#include "core/arena.h"
#include "core/shape_bson.h"
#include "core/store.h"
#include "core/uuid.h"

/* Reading a field: BYTES_NONE, NO_TIME, 0 or false when it is not there or of another type. Text and binary are borrowed. */
struct bytes ledger_text(const bson_t *doc, const char *key);
struct bytes ledger_binary(const bson_t *doc, const char *key);
int64_t ledger_int(const bson_t *doc, const char *key);
int64_t ledger_time(const bson_t *doc, const char *key);
bool ledger_uuid(const bson_t *doc, const char *key, struct uuid *out);
/* The same of an iterator. */
struct bytes ledger_text_of(const bson_iter_t *it);
struct bytes ledger_binary_of(const bson_iter_t *it);
/* Calls each(self, element) for the documents of an array; returns how many elements it has. each may be NULL. */
size_t ledger_array(
    const bson_t *doc, const char *key, void (*each)(void *self, const bson_t *element), void *self);

void ledger_append_id(bson_t *doc, const char *key, const struct uuid *id);
void ledger_append_binary(bson_t *doc, const char *key, struct bytes data);
/* NO_TIME: nothing. */
void ledger_append_time(bson_t *doc, const char *key, int64_t at);
/* _id: {$in: [...]}, one id after another, between begin and end on the same filter. count: how many so far. */
struct id_list {
    bson_t in, array;
    int64_t count;
};
void id_list_begin(struct id_list *l, bson_t *filter);
void id_list_add(struct id_list *l, const struct uuid *id);
void id_list_add_text(struct id_list *l, struct bytes id);
void id_list_end(struct id_list *l, bson_t *filter);
/* All of that at once; the ids lie `stride` bytes apart. */
void ledger_append_ids(bson_t *filter, const struct uuid *ids, size_t count, size_t stride);
void ledger_append_texts(bson_t *filter, const struct bytes *ids, size_t count);
/* Has the reader see the documents of these ids, which are texts. As patient as the ledger is. */
bool ledger_find_texts(struct store *s, const char *collection, const struct bytes *ids, size_t count,
    const struct store_reader *reader, struct error *e);

#endif
