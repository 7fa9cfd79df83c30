/* SPDX-License-Identifier: Apache-2.0 */
/*
 * book: the `limits` documents as this process knows them: a snapshot that a thread reads anew every LIMITS_EVERY_MS, and at once
 * after a change made here.
 */
#ifndef MILLRACE_INGEST_BOOK_H
#define MILLRACE_INGEST_BOOK_H

#include "core/limits.h"
#include "core/store.h"

struct book;
struct book *book_open(struct store *store, int64_t store_patience_ms, struct error *e);
void book_close(struct book *b);

/* What counts for a group, copied into the arena. Just after the start it waits for the first read, no longer than the store's
 * patience. False: nothing was read yet, the store was away since the start. */
bool book_find(struct book *b, struct bytes group, struct arena *a, struct limits_effective *out);
/* A document was changed: reads them now, and returns when this process knows them; or after the store's patience. */
void book_changed(struct book *b);

#endif
