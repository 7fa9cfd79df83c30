/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defaults: the `defaults` documents: what counts for jobs that say nothing themselves, one per selector. Written by ingest, read by the
 * converter as a snapshot that is refreshed every LIMITS_EVERY_MS.
 *
 * A selector is whom it is for, then conditions: `creator/user`, a creator with * as its user, or `*`; then, each optional and in this
 * order, `,engine=NAME` and `,label=KEY=VALUE`. For each setting, variable and field on its own the most specific document that has it
 * counts: a user's before a creator's before all; of one of these, with a label before without, then with an engine before without.
 *
 * Documents may be written by hand: one with a selector that is none is passed over, and so is each value that a client could not have
 * written (default_check). A snapshot is immutable; whoever has the old one frees it when it is replaced.
 */
#ifndef MILLRACE_CORE_DEFAULTS_H
#define MILLRACE_CORE_DEFAULTS_H

#include "core/job.h"

#define DEFAULT_SELECTOR_MAX 1024

/* One document. What is not set: as in a job that says nothing. */
struct job_default {
    struct bytes selector;
    struct pairs conf, variables;
    struct job_limits limits;
    struct job_retry retry;
    struct job_strategy *strategy;
    struct bytes by;
    int64_t at; /* UTC ms */
};

/* The pieces of a selector, borrowed from it. */
struct default_selector {
    struct bytes who;                /* creator/user, a creator with *, or * */
    struct bytes engine;             /* none: any */
    struct bytes label, label_value; /* none: any */
};
/* False: it is none. */
bool default_selector_parse(struct bytes text, struct default_selector *out);

struct defaults; /* a snapshot */

struct store;
/* NULL (e): the store did not answer in time. */
struct defaults *defaults_load(struct store *s, int64_t patience_ms, struct error *e);
void defaults_free(struct defaults *d); /* NULL is fine */
/* For tests: a snapshot of these. Copies them. Of two with one selector the last counts. */
struct defaults *defaults_of(const struct job_default *items, size_t count);

/* Those that fit the job, the most specific first; borrowed from the snapshot, the list from the arena. */
struct defaults_found {
    const struct job_default **items;
    size_t count;
};
struct defaults_found defaults_find(const struct defaults *d, const struct job *j, struct arena *a);

/* Is it what a client may write? Fields that are wrong are added to problems (texts from the arena). That a variable is not a built-in
 * one only the converter knows: it passes over such a value, and tells in the job's log. */
bool default_check(const struct job_default *d, struct arena *a, struct field_problems *problems);
/* Takes out what default_check would not let in. */
void default_tame(struct job_default *d, struct arena *a);

/* struct job_default: the document and the JSON body. The selector is no field of it: it is the document's _id, and in the path of REST.
 * by and at are internal: the server sets them. */
extern const struct shape shape_default;

typedef struct _bson_t bson_t;
/* A document of `defaults`, tamed, strings from the arena. False: its _id is no selector. */
bool default_from_bson(const bson_t *doc, struct arena *a, struct job_default *out);

#endif
