/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting: why a job waits: made on read from the ledger, the orders and the limits. Of all the reasons there may be the one that has
 * to go first:
 *
 *   {"kind": "pipeline"}                               not in the ledger yet
 *   {"kind": "not_before", "at"}                       it is not due yet
 *   {"kind": "held", "by", "reason", "at"}             nothing of its group starts until it is released
 *   {"kind": "no_executor", "pool"}                    nobody lives who could run it: no lease of its pool was renewed within a minute
 *   {"kind": "job", "job_id", "state"}                 a job before it in its group: one that runs, or the head that waits itself
 *   {"kind": "retry", "at"}                            its next attempt is not due yet
 *   {"kind": "limit", "selector", "max_running"}       all places of a shared limit are taken
 *   {"kind": "slot"}                                   it is its turn: no executor has a free place, or one takes it now
 *
 * and, of jobs in the ledger that are due, "position": how many of its group stand before it (up to 1000).
 */
#ifndef MILLRACE_INGEST_WAITING_H
#define MILLRACE_INGEST_WAITING_H

#include <bson/bson.h>
#include <jansson.h>

#include "core/arena.h"
#include "core/error.h"

struct ingest;
/* *out: a new reference, or NULL when it does not wait. `doc`: the job's. */
bool waiting_for(
    struct ingest *in, const bson_t *doc, const char *id, struct arena *a, json_t **out, struct error *e);

/* Jobs before this one in its group, the first of them first. Pure: who stands in the way, or NULL when nobody does. */
struct waiting_job {
    struct bytes id;
    bool running;
};
const struct waiting_job *waiting_behind(const struct waiting_job *ahead, size_t count, int64_t max_running);

#endif
