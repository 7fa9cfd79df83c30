/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selected: documents by selector, as REST reads and writes them: limits (limit.c) and defaults (default.c). A kind says what differs; the
 * routes are the same: all, one, replace, delete. The selector is the document's _id, no field of it.
 */
#ifndef MILLRACE_INGEST_SELECTED_H
#define MILLRACE_INGEST_SELECTED_H

#include "core/http.h"
#include "core/shape.h"
#include "core/store.h"

struct ingest;

struct selected_kind {
    const char *collection; /* also the field of the list */
    const char *none;       /* "limit for": what is not found */
    const char *wanted;     /* what a selector looks like, for people */
    const char *refused;    /* "this is no limit: see errors" */
    const struct shape *shape;
    size_t selector, by, at; /* where these stand in the record */
    bool (*selector_is_valid)(struct bytes selector);
    bool (*from_bson)(const bson_t *doc, struct arena *a, void *record); /* false: its _id is no selector */
    void (*check)(const void *record, struct arena *a, struct field_problems *problems);
    void (*changed)(struct ingest *in); /* NULL: nobody here has to hear of it */
};

void selected_list(const struct selected_kind *kind, struct ingest *in, struct http_request *r);
void selected_get(const struct selected_kind *kind, struct ingest *in, struct http_request *r);
void selected_put(const struct selected_kind *kind, struct ingest *in, struct http_request *r);
void selected_delete(const struct selected_kind *kind, struct ingest *in, struct http_request *r);

#endif
