/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: the `limits` documents, one per selector: "creator/user" (a group), a creator with * as its user (all groups of the creator),
 * or "*" (all). Written by ingest (PUT /v1/limits/{selector}), read by all programs as a snapshot that is refreshed every LIMITS_EVERY_MS.
 *
 * engines, timeouts and on_failure: the most specific selector that sets the field wins. weight is a creator's: a group's own counts
 * nothing. max_queued and max_running: every matching selector counts on its own. max_running of a group says how many of its jobs run at
 * once (1 without one); that of the wider selectors is shared by their groups and counted in `holders` (core/ledger.h).
 *
 * required, allowed, forbidden_sql, forbidden_code, row_limit: rules for code and fields, which the converter applies
 * (converter/creator_rules.h); the most specific selector that sets the field wins, too. A list with the one entry `none`, and a row_limit
 * of 0, switch off what a wider selector has set.
 *
 * Documents may be written by hand: one with a selector that is none is passed over, a number out of range counts as the nearest one that
 * is in it, a timeout below 0 as not set. What REST refuses is told by limit_check.
 *
 * A snapshot is immutable; whoever has the old one frees it when it is replaced.
 */
#ifndef MILLRACE_CORE_LIMITS_H
#define MILLRACE_CORE_LIMITS_H

#include "core/bytes.h"
#include "core/error.h"
#include "core/shape.h"

#define LIMITS_EVERY_MS 2000
#define LIMITS_SELECTOR_MAX 130 /* creator/user, with a NUL */
#define LIMITS_WEIGHT_MAX 1000
#define LIMITS_RUNNING_MAX 100000
#define LIMITS_QUEUED_MAX 1000000000
#define LIMITS_TIMEOUT_MAX_MS (365 * 24 * 3600 * (int64_t)1000)
#define LIMITS_LIST_MAX 64 /* entries of each list */
#define LIMITS_LIST_NONE "none"
#define LIMITS_ROWS_MAX 1000000000

/* One document. A field that is not set: NO_INT, or no items. */
struct limit {
    struct bytes selector;
    int64_t max_queued; /* 0: nothing is taken */
    int64_t max_running, weight;
    struct strings engines;
    int64_t queue_timeout_ms, run_timeout_ms; /* 0: no timeout */
    struct bytes
        on_failure; /* "hold": a failed job holds its group; "next": it does not, whatever wider selectors say */
    struct strings required, allowed;             /* fields of a submission */
    struct strings forbidden_sql, forbidden_code; /* phrases; names of rules */
    int64_t row_limit;                            /* 0: none */
    struct bytes by;
    int64_t at; /* UTC ms */
};

struct limits; /* a snapshot */

struct store;
struct limits *limits_none(void);
/* NULL (e): the store did not answer in time. */
struct limits *limits_load(struct store *s, int64_t patience_ms, struct error *e);
void limits_free(struct limits *l); /* NULL is fine */
/* For tests and the simulator: a snapshot of these. Copies them. Of two with one selector the last counts. */
struct limits *limits_of(const struct limit *items, size_t count);

/* Do both say the same? Who wrote it, and when, says nothing. */
bool limits_are_equal(const struct limits *a, const struct limits *b);

/* What counts for one group. Strings and lists are borrowed from the snapshot. */
struct limit_count {
    struct bytes selector;
    int64_t max;
};
struct limits_effective {
    int64_t weight;               /* 1 without a limit */
    int64_t max_running;          /* of the group; 1 without a limit */
    struct limit_count shared[2]; /* max_running of the creator and of all, where set */
    size_t shared_count;
    struct limit_count queued[3]; /* max_queued, where set, the narrowest first */
    size_t queued_count;
    const struct strings *engines;            /* NULL: all */
    int64_t queue_timeout_ms, run_timeout_ms; /* NO_INT: not set */
    bool hold_on_failure;
    const struct strings *required, *allowed, *forbidden_sql, *forbidden_code; /* NULL: none */
    int64_t row_limit;                                                         /* 0: none */
};
void limits_find(
    const struct limits *l, struct bytes creator, struct bytes user, struct limits_effective *out);
/* The same for "creator/user". */
void limits_find_group(const struct limits *l, struct bytes group, struct limits_effective *out);
/* max_running of this very selector, or NO_INT. */
int64_t limits_max_running(const struct limits *l, struct bytes selector);
/* May the group's jobs use this engine? */
bool limits_engine_is_allowed(const struct limits_effective *limits, struct bytes engine);

/* A group, a creator with * as its user, or "*", with valid names? */
bool limits_selector_is_valid(struct bytes selector);
/* Is it what a client may write? Fields out of range are added to problems (texts from the arena). */
bool limit_check(const struct limit *l, struct arena *a, struct field_problems *problems);

/* struct limit: the document and the JSON body. The selector is no field of it: it is the document's _id, and in the path of REST. by and
 * at are internal: the server sets them. */
extern const struct shape shape_limit;

/* As the documents are read: numbers out of range become the nearest in it, a timeout below 0 is not set. */
void limit_tame(struct limit *l);

typedef struct _bson_t bson_t;
/* A document of `limits`, strings from the arena. False: its _id is no selector. */
bool limit_from_bson(const bson_t *doc, struct arena *a, struct limit *out);

#endif
