/* SPDX-License-Identifier: Apache-2.0 */
/*
 * documents: the job documents of one batch, by id. One find for all of them, one write for each that changed, however
 * many events of a job the batch holds. Memory: the batch's arena; documents_forget before it is reset.
 */
#ifndef MILLRACE_COLLECTOR_DOCUMENTS_H
#define MILLRACE_COLLECTOR_DOCUMENTS_H

#include "collector/job_doc.h"
#include "core/stage.h"

struct documents {
    struct arena *arena;
    struct job_doc **slots; /* a hash table with free slots, made for the ids of one batch */
    size_t slot_count;      /* a power of 2; 0: nothing is loaded */
    size_t used;
};

/* Makes room for `ids` and reads those that are stored. Repeated ids are fine. False: shutting down. */
bool documents_load(struct documents *d, struct store *store, const struct bytes *ids, size_t count,
    struct arena *a, struct error *e);
/* The document of an id that was loaded; a new one, without views, if none is stored. */
struct job_doc *documents_of(struct documents *d, struct bytes id);
/* Writes for the changed ones to the outbox, each guarded by its rev; returns how many. */
size_t documents_write(const struct documents *d, int64_t keep_ms, struct outbox *out);
void documents_forget(struct documents *d);

#endif
