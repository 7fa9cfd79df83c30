/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_doc: a document of `jobs` in memory, and its way from and to BSON (docs/documents.md).
 *
 * What the events of one group say about the job is a *view*; the document shows the view of the group that owns it.
 * A job id belongs to one group, but two submissions may claim the same id from different groups, and which of them
 * the ledger admits is known only when an executor speaks. Until then the views of the other groups wait in
 * `fold.others`, so that nothing depends on who was heard first.
 *
 * A view is stored as fields for people (state, times, plan, ...) and, in `fold`, what is needed to go on folding: which
 * event each of them came from. Reading what was written gives the same view again; that is why a fold may be cut into
 * batches anywhere.
 *
 * Everything borrowed: strings live in the batch's arena.
 */
#ifndef MILLRACE_COLLECTOR_JOB_DOC_H
#define MILLRACE_COLLECTOR_JOB_DOC_H

#include <bson/bson.h>

#include "collector/attempts.h"
#include "core/job.h"

/* Who told something. Of two events that tell the same thing, the least (at, instance) counts; the stub, which has no time
 * (at NO_INT), gives way to any event. */
struct claim {
    int64_t at;
    struct bytes instance;
};

/* How good a group's claim to the job id is. */
enum standing {
    STANDING_STUB,     /* only ingest's stub */
    STANDING_EVENT,    /* converter or planner spoke */
    STANDING_EXECUTOR, /* the ledger admitted it: settled */
    STANDINGS
};

/* What the event with the highest (attempt, try, rank of the state), then the least (at, instance, state) told of a node. */
struct node_state {
    struct bytes id;
    struct bytes state;
    int64_t attempt, try; /* each from 1 */
    int64_t at;
    int64_t started; /* the least `at` of `running` of this attempt and try; NO_INT: none was heard of */
    struct bytes instance;
    struct bytes reason;
    int64_t next_at; /* retrying: the next try is not earlier */
    struct job_error *error;
};

/* The sub-document `fold`. */
struct fold_state {
    /* the head: the event with the highest (attempt, rank), least (at, instance) */
    int64_t attempt;
    int64_t rank;
    int phase;
    int64_t at; /* NO_INT: only the stub */
    struct bytes stage;
    struct bytes instance;
    /* the claim to the job id */
    int standing;
    struct origin origin; /* the least one; means nothing for a stub */
    /* where the other parts come from */
    struct claim *spec; /* NULL: no specification known */
    struct claim *plan;
    int64_t progress_attempt;
    double progress;                   /* the highest of progress_attempt */
    ARRAY_OF(struct node_state) nodes; /* by id, each once */
    size_t nodes_room; /* of nodes.items in the arena; less than their count: no room is left */
};

/* Where the node of this id stands in f->nodes (*found), or would have to be put. */
size_t node_state_place(const struct fold_state *f, struct bytes id, bool *found);

struct job_view {
    struct bytes group;
    struct fold_state fold;
    struct job spec; /* valid if fold.spec */
    /* of the head event: results, cached_from, error, exit_code, log (final ones only), reason, next_at (retrying only); of all events:
     * plan, times */
    struct event shown;
    struct attempts attempts;
};

#define JOB_DOC_VIEWS 4 /* more groups that claim one id are forgotten, the weakest claim first */

struct job_doc {
    struct bytes id;
    int64_t rev;                           /* of what is stored; 0 for a stub and for none */
    bool stored;                           /* there is a document to be replaced */
    bool changed;                          /* it must be written */
    struct job_view *views[JOB_DOC_VIEWS]; /* the first owns the document; none for a new one */
    size_t count;
    const bson_t *before; /* what was read: fields that others keep here survive. NULL: none */
};

/* `doc` is borrowed as long as the job_doc. */
void job_doc_read(const bson_t *doc, struct arena *a, struct job_doc *out);
/* The whole document with rev + 1. The first write removes the stub's submission and next_at and keeps the rest of it.
 * keep_ms: how long after its end a job expires. */
void job_doc_write(const struct job_doc *doc, int64_t keep_ms, bson_t *out);

#endif
