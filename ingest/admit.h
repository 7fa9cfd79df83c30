/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit: max_queued. How many jobs of a group, a creator or of all may wait (unfinished and not running, by their documents).
 *
 * Never too many are let in, however many ingest processes there are and whatever dies; it may refuse too early. How:
 *
 *  1. The stub of a submission under a limit is inserted with `stub.claim`: the token of the batch that judges it. A stub with a claim
 *     is not accepted: nobody has been told of it and it is not produced. It counts like any other.
 *  2. Then the waiting jobs of each selector are counted. Whatever the order in which processes do this: of the stubs that are let
 *     in, the one whose count came last has seen all the others. Counting first and inserting then would let two in at one place.
 *  3. Stubs over the limit are deleted: only those that still carry our claim, and that no event has touched.
 *  4. Only when all of these are gone by our own hand, the rest is let in: the claim is taken away. This write is the point at which a
 *     job is accepted; then it is produced. Were one of the refused let in by somebody else (below), its place would be given away
 *     twice; so then it is counted again.
 *
 * An ingest that dies between 1 and 4 leaves a stub with a claim. The sweep of any ingest deletes it after CLAIM_KEEP_MS (it must not
 * produce it: its place may be taken by then), and a repeat of the same idempotency key takes it over by deleting it: it then inserts
 * its own. Both only with the claim they saw. The owner, if it only was slow, finds its claim gone and looks again. One that dies
 * after 4 has accepted the job: the sweep produces it.
 *
 * States are counted in the order in which jobs pass them, which is that of the alphabet and so of the index: a job that moves on
 * during the count is counted twice at worst, never missed. A retry that comes back to the queue is no submission: it may lift the
 * number over the limit. Jobs by Kafka are counted, but nobody refuses them.
 */
#ifndef MILLRACE_INGEST_ADMIT_H
#define MILLRACE_INGEST_ADMIT_H

#include "core/limits.h"
#include "core/store.h"
#include "core/uuid.h"

#define CLAIM_KEEP_MS 10000

enum admit_verdict {
    ADMIT_OPEN, /* to be judged */
    ADMIT_YES,
    ADMIT_FULL, /* refused, its stub is gone */
    ADMIT_LOST  /* its stub is not ours any more: look again */
};

/* A stub of ours with our claim. */
struct admit_item {
    const char *id;
    const struct limit_count *limits; /* at least one */
    size_t count;
    enum admit_verdict verdict;
    const struct limit_count *full; /* ADMIT_FULL: the limit that is reached */
    bool gone;                      /* ADMIT_FULL: its stub is known to be deleted already */
};

struct admit_batch {
    struct store *store;
    int64_t patience_ms;
    int64_t next_at; /* when the sweep looks at those let in */
    struct arena *arena;
    char token[UUID_TEXT_LEN + 1];
    struct admit_item *items;
    size_t count;
};

void admit_token(struct admit_batch *b, int64_t now);
/* Judges all items. False: the store did not answer; the stubs are left to the sweep. */
bool admit_judge(struct admit_batch *b, struct error *e);
/* Deletes a stub that carries this claim still. *gone: it did. */
bool admit_forget(
    struct store *s, const char *id, struct bytes claim, int64_t patience_ms, bool *gone, struct error *e);

/* How many jobs of a selector wait; counted up to `most`. */
bool admit_waiting(struct store *s, struct bytes selector, int64_t most, int64_t patience_ms,
    int64_t *waiting, struct error *e);

/* How many wait by this selector, ours among them. Pure: who is let in. An item over one limit keeps its place in the others: it is
 * only gone when it is deleted. */
struct admit_count {
    struct bytes selector;
    int64_t max, waiting;
    int64_t own; /* the calculation's */
};
void admit_decide(struct admit_item *items, size_t item_count, struct admit_count *counts, size_t count);

#endif
