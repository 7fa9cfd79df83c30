/* SPDX-License-Identifier: Apache-2.0 */
/*
 * told: what a conversion can tell beside its job, for dry runs: which variables were filled in with what, which names stay as they
 * are, and what was wrong piece by piece (the job's error holds it as one text). Nobody asks for it in the converter.
 */
#ifndef MILLRACE_CONVERTER_TOLD_H
#define MILLRACE_CONVERTER_TOLD_H

#include "converter/finding.h"
#include "core/shape.h"

#define TOLD_NAMES_MAX 200 /* of each list; more are left out */

struct told {
    struct pair used[TOLD_NAMES_MAX]; /* in the order of their first use */
    size_t used_count;
    struct bytes left[TOLD_NAMES_MAX];
    size_t left_count;
    bool more; /* there were more names than fit */
    /* why it is refused; at most one of them */
    struct field_problems problems;
    struct findings findings;
    struct bytes
        part; /* of a job with parts: the one that the findings, or the error, are about; none: unknown */
    int64_t column; /* of the job's error, beside its line, in characters from 1; 0: none */
};

/* `t` NULL: nobody asks. A name that is known already stays as it is. Texts are copied. */
void told_use(struct told *t, struct bytes name, struct bytes value, struct arena *a);
void told_leave(struct told *t, struct bytes name, struct arena *a);

#endif
