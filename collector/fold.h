/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold: what an event does to a job's document. Pure: no I/O, no clock.
 *
 * The document is a function of the set of events received, whatever their order and however often they repeat
 * (tests/unit/test_fold.c tries all). So each part of it is a least or greatest element under some total order:
 *
 *   state, attempt, error, results, cached_from, exit code, log, reason: from the event with the highest (attempt, rank), then the
 *       least (at, instance), then the least phase
 *   specification, plan: from the accepted, planned event with the least (at, instance)
 *   each time: the least one told
 *   progress: the highest of the highest attempt
 *   the attempts: attempts.h
 *   each node's state, reason, next try and error: from the event about it with the highest (attempt, try, rank of the state), then the
 *       least (at, instance), then the least state by its name; when it started: the least `at` of `running` of that attempt and try
 *   the group that owns the document: the one that an executor spoke for; before any, the one with the least origin
 *       (timestamp, partition, offset); a stub is weaker than any event
 *
 * Once an executor has spoken for a group, the other groups' events don't count.
 */
#ifndef MILLRACE_COLLECTOR_FOLD_H
#define MILLRACE_COLLECTOR_FOLD_H

#include "collector/job_doc.h"

/* Is this an event that can be folded? False: e says why (codes bad_value, missing). */
bool fold_accepts(const struct event *event, struct error *e);
/* Sets doc->changed when the event told something new. The event's strings are borrowed from now on. */
void fold_event(struct job_doc *doc, const struct event *event, struct arena *a);

/* The order of those who told the same: less than 0 when a counts before b. */
int claim_compare(int64_t a_at, struct bytes a_instance, int64_t b_at, struct bytes b_instance);

#endif
