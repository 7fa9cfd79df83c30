/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempts: what a job's document keeps of each attempt, so that the error, log and results of one that was followed by another
 * stay readable. A function of the set of events, as all of the document (fold.h):
 *
 *   started, instance: of the started event with the least (at, instance)
 *   ended, phase and what the end told: of the end with the least rank, then the least (at, instance), then the least phase
 *   of all attempts the ATTEMPTS_MAX highest numbers
 *
 * A job that is cancelled, or has waited too long, while nothing of it runs (its end tells no start) has no attempt for that: what was
 * before keeps its own end.
 *
 * What a final end told stands at the top of the document and is not repeated here.
 */
#ifndef MILLRACE_COLLECTOR_ATTEMPTS_H
#define MILLRACE_COLLECTOR_ATTEMPTS_H

#include <bson/bson.h>

#include "core/job.h"

#define ATTEMPTS_MAX 200 /* retry.max_attempts is 100 at most; lost ones and those given back come on top */

struct attempt {
    int64_t n;
    int64_t started; /* NO_INT: no started event was seen */
    struct bytes instance;
    int phase;     /* of the end; NO_ENUM: it is not over */
    int64_t ended; /* valid if over, as all below */
    struct bytes
        ended_by; /* the instance that told the end: another one than `instance` when that was lost */
    /* retrying and lost only */
    struct bytes reason;
    struct job_error *error;
    int64_t exit_code;
    ARRAY_OF(struct job_result) results;
    struct log_totals *log;
};

struct attempts {
    struct attempt *items; /* by n */
    size_t count;
};

/* True: the event told something new. Its strings are borrowed from now on. */
bool attempts_fold(struct attempts *list, const struct event *e, struct arena *a);
/* The field `attempts`; nothing where there is none. */
void attempts_write(const struct attempts *list, bson_t *out);
void attempts_read(const bson_t *doc, struct arena *a, struct attempts *out);

#endif
