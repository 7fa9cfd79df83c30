/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_rows: a small collection read as a whole: each document becomes a struct in an array. For what is kept as a snapshot (limits,
 * defaults).
 */
#ifndef MILLRACE_CORE_STORE_ROWS_H
#define MILLRACE_CORE_STORE_ROWS_H

#include "core/arena.h"
#include "core/store.h"

/* Fills one item; its texts are copied into the arena. False: the document is left out. */
typedef bool store_rows_read(const bson_t *doc, struct arena *a, void *item);

/* `items`: count structs of `size` bytes, in the arena, which holds nothing else: it is reset when the store has to be asked again. False:
 * the store did not answer in time; e says why. */
bool store_rows(struct store *s, const char *collection, store_rows_read *read, size_t size,
    int64_t patience_ms, struct arena *a, void **items, size_t *count, struct error *e);

#endif
