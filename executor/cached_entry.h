/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_entry: one document of the collection `cached`: the results of a job that succeeded, kept under the key of its plan so that
 * another job of the same key need not run. Here are its form and what is believed of it; who reads and writes it: executor/cached.h.
 * Knows no executor and no store.
 *
 * The collection is a convenience: a document that is missing, damaged or of another group means that the job runs.
 */
#ifndef MILLRACE_EXECUTOR_CACHED_ENTRY_H
#define MILLRACE_EXECUTOR_CACHED_ENTRY_H

#include <bson/bson.h>

#include "core/job.h"

#define CACHED_ENTRY_BYTES_MAX ((uint32_t)256 * 1024) /* larger documents are not kept */
#define CACHED_KEY_BYTES_MAX 256

struct cached_entry {
    struct bytes key;
    struct bytes job;   /* which made the results: never one that was itself served by an entry */
    struct bytes group; /* of that job; nobody else's job is served */
    int64_t at;         /* UTC ms: its end */
    int64_t exit_code;  /* or NO_INT */
    struct job_result *results;
    size_t result_count;
};

/* A key under which something can be looked up or kept. */
bool cached_key_is_valid(const struct job_cache *c);
/* The caller's to destroy. */
bson_t *cached_entry_to_bson(const struct cached_entry *c, int64_t ttl_ms);
/* False: it is none of ours, or damaged; e says what is wrong. Strings are copied into the arena. */
bool cached_entry_from_bson(const bson_t *doc, struct arena *a, struct cached_entry *out, struct error *e);
/* May it serve a job of that group whose own ttl is this? An entry from the future is from a clock that goes before ours: it is new. */
bool cached_entry_serves(const struct cached_entry *c, struct bytes group, int64_t ttl_ms, int64_t now);
int64_t cached_entry_age_ms(const struct cached_entry *c, int64_t now);
/* Are all its files still there, of the size that was recorded? Blocks as file systems do. NULL: all; else the first that is not. */
const struct job_result *cached_entry_missing(const struct cached_entry *c, const char *results_dir);

#endif
