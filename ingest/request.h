/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: what the handlers of ingest have in common: known query parameters, numbers and times in them, the
 * job id of the path, the answer when the store does not answer. A function that returns false has answered
 * the request: the handler returns.
 */
#ifndef MILLRACE_INGEST_REQUEST_H
#define MILLRACE_INGEST_REQUEST_H

#include "core/http.h"
#include "core/store.h"
#include "core/uuid.h"

#define REQUEST_RETRY_AFTER_S 2 /* Retry-After of what may work later */

/* Refuses (400 bad_query) query parameters that are not in the NULL-terminated list. */
bool request_query_only(struct http_request *r, const char *const *names);
/* A whole number between min and max, or `otherwise` when absent. */
bool request_number(
    struct http_request *r, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out);
/* true or false; false when absent. */
bool request_flag(struct http_request *r, const char *name, bool *out);
/* {id} of the path. Malformed: 404, like any id that does not exist. */
bool request_job_id(struct http_request *r, struct uuid *id, char text[UUID_TEXT_LEN + 1]);
/* Is it application/json, text/json or none? */
bool request_is_json(struct bytes media_type);
/* 415: what came, and which content type to send ("application/json, or ..."). */
bool request_other_media_type(struct http_request *r, struct bytes media_type, const char *wanted);
/* The media type of a content-type or accept header, without parameters, white space and upper case; "" when
 * absent. */
struct bytes request_media_type(struct arena *a, struct bytes header);

bool request_bad_query(struct http_request *r, const char *name, struct bytes value, const char *expected);
bool request_not_found(struct http_request *r, const char *what, struct bytes id);
/* 503 store_away for a store that did not answer, 500 internal for anything else; logged. */
bool request_store_failed(struct http_request *r, const struct error *e);

/* The job's document, as far as clients may know of it. `opts`: a projection, which must bring rev and stub.claim; NULL: all. Answers 404
 * and 503. */
bool request_find_job(struct http_request *r, struct store *s, int64_t patience_ms, const char *id,
    const bson_t *opts, bson_t *doc);

/* Fields of documents by dotted path; BYTES_NONE, `otherwise` or false when absent or of another type.
 * Borrowed from doc. */
struct bytes doc_text(const bson_t *doc, const char *path);
struct bytes doc_binary(const bson_t *doc, const char *path);
int64_t doc_number(const bson_t *doc, const char *path, int64_t otherwise);
bool doc_flag(const bson_t *doc, const char *path);

#endif
