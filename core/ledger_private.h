/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_private: what the files of the ledger share: small BSON helpers, and outcomes. */
#ifndef MILLRACE_CORE_LEDGER_PRIVATE_H
#define MILLRACE_CORE_LEDGER_PRIVATE_H

#include <bson/bson.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/ledger.h"
#include "core/shape_bson.h"
#include "core/uuid.h"

struct bytes ledger_text_of(const bson_iter_t *it);   /* BYTES_NONE unless it is text */
struct bytes ledger_binary_of(const bson_iter_t *it); /* BYTES_NONE unless it is binary */
void ledger_append_binary(bson_t *doc, const char *key, struct bytes data);
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
/* One document of `runs`, whichever fields it has. */
void ledger_run_read(const bson_t *doc, struct arena *a, struct run *r);

/* ---- outcomes (ledger_finish.c) ---- */
struct outcome_item {
    const struct uuid *id;
    struct bytes group, event;
    int64_t attempt;
    const char *from;
};
/* A new outcomes document, its items array open: close with outcome_write. `outcome`: UUID_TEXT_LEN + 1 bytes for its id. */
void outcome_begin(const struct ledger *l, int64_t now, char *outcome, bson_t *doc, bson_t *items);
void outcome_append(bson_t *items, uint32_t index, const struct outcome_item *o);
/* Inserts it, and destroys doc in any case. */
bool outcome_write(const struct ledger *l, bson_t *doc, bson_t *items, struct error *e);

#endif
