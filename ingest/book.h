/* SPDX-License-Identifier: Apache-2.0 */
/*
 * book: the `limits` and `defaults` documents as this process knows them: snapshots that a thread reads anew every LIMITS_EVERY_MS,
 * and at once after a change made here.
 */
#ifndef MILLRACE_INGEST_BOOK_H
#define MILLRACE_INGEST_BOOK_H

#include "core/defaults.h"
#include "core/limits.h"
#include "core/store.h"

struct book;
struct book *book_open(struct store *store, int64_t store_patience_ms, struct error *e);
void book_close(struct book *b);

/* What counts for a group, copied into the arena. Just after the start it waits for the first read, no longer than the store's
 * patience. False: nothing was read yet, the store was away since the start. */
bool book_find(struct book *b, struct bytes group, struct arena *a, struct limits_effective *out);
/* Both snapshots of one reading, as the converter has them. They stay as they are until they are given back, whatever is read
 * meanwhile. NULL: as false above. */
struct book_page {
    const struct limits *limits;
    const struct defaults *defaults;
};
const struct book_page *book_hold(struct book *b);
void book_give_back(struct book *b, const struct book_page *page);
/* A document was changed: reads them now, and returns when this process knows them; or after the store's patience. */
void book_changed(struct book *b);

#endif
