/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checks: what a job must fulfil to be run, as a table; and what this version can't do yet, as another. Pure: all that is wrong
 * is told at once.
 */
#ifndef MILLRACE_CONVERTER_CHECKS_H
#define MILLRACE_CONVERTER_CHECKS_H

#include "converter/zones.h"
#include "core/defaults.h"
#include "core/engine_list.h"
#include "core/job.h"
#include "core/limits.h"

struct convert_rules {
    const struct engine_list *engines;
    int64_t submission_max_bytes; /* of the record */
    int64_t derived_max_bytes;    /* of what a job becomes */
    struct job_limits limits;     /* where the job says nothing */
    struct job_limits
        most; /* and the most it may say; 0 in the job means this, but for queue_timeout_ms: none */
    struct job_retry retry;          /* where the job says nothing */
    const struct limits *groups;     /* what the limits documents say of the job's group; NULL: nothing */
    const struct defaults *defaults; /* the defaults documents; NULL: none */
    const struct zones *zones;       /* NULL: only UTC */
    const char *timezone;            /* where the job says nothing; NULL: UTC */
};

/* What they say of this job's. Borrowed from the snapshot. */
void checks_limits(const struct convert_rules *rules, const struct job *j, struct limits_effective *out);

/* A check, for the reference. */
struct check {
    const char *what, *codes;
    const char *
        switched_by; /* field of the limits documents that switches it on, for a creator or a user; NULL: it is always on */
};
const struct check *check_at(size_t index); /* NULL behind the last */

struct parts_cut; /* parts.h */
/* Adds what is wrong to problems. False: there is something. `cut`: the job's parts are lines of its code; NULL: they are not. *line: of
 * the code, where the first of problems stands; NO_INT: it was there before, or is about no line. `now` UTC ms. */
bool checks_run(const struct convert_rules *rules, const struct job *j, const struct parts_cut *cut,
    int64_t now, struct arena *a, struct field_problems *problems, int64_t *line);

#endif
