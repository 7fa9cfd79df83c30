/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stub: the first form of a job's document (docs/documents.md): what the user sent, and the whole submission
 * as bytes, so that any ingest can produce it again. And what of a stub is read back when a job id was taken,
 * or when it is swept.
 */
#ifndef MILLRACE_INGEST_STUB_H
#define MILLRACE_INGEST_STUB_H

#include "core/store.h"
#include "ingest/submit.h"

/* A new document. `framed`: the record for jobs.submitted. `claim`: who judges whether it is let in (admit.h); NULL: it is. */
bson_t *stub_new(
    const struct submission *s, struct bytes framed, int64_t now, int64_t next_at, const char *claim);

/* What is needed to produce a stub again. Everything lives in the arena. */
struct stub {
    struct bytes id, group, state, engine, code;
    struct bytes hash;   /* none: the document is not from a stub */
    struct bytes framed; /* none: an event was seen, the job is on its way */
    struct bytes trace;
    struct bytes claim; /* not accepted yet, and no event was seen: who judges it (admit.h); none: accepted */
    int64_t next_at, tries;
};
/* The projection that stub_read needs, as find options; bson_destroy it. `extra`: further options to begin
 * with, or NULL. */
bson_t *stub_opts(const bson_t *extra);
void stub_read(const bson_t *doc, struct arena *a, struct stub *out);
/* struct stub's claim, borrowed from a document that has `rev` and `stub`. */
struct bytes stub_claim(const bson_t *doc);

/* Is this the job that the submission means? Of a document that no stub began (the job came by Kafka under the same key) there is
 * no hash: then engine and code are compared. */
bool stub_is_of(const struct stub *stub, const struct submission *s);

/* The header `job`, and `traceparent` where there is one; returns how many. `headers` has room for two. */
struct bus_header;
size_t stub_headers(struct bytes id, struct bytes trace, struct bus_header *headers);

#endif
