/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synonyms: labels by which other systems (Linkis) say what here are fields: engineType, userCreator, jobRunningTimeout ... One table. A
 * label fills in its field where the job does not give it; where the job does, both must agree. The label itself stays: it can be
 * searched for. All other labels are the user's own.
 */
#ifndef MILLRACE_CONVERTER_SYNONYMS_H
#define MILLRACE_CONVERTER_SYNONYMS_H

#include "core/job.h"

struct synonym {
    const char *label, *field;
    const char *meaning, *example;
};
/* For the reference: NULL behind the last. */
const struct synonym *synonym_at(size_t index);

/* May be called again: a job that it has been over does not change. Problems: values that are none, and contradictions. */
void synonyms_apply(struct job *j, struct arena *a, struct field_problems *problems);

/* The same for creator, user and engine of a submission in JSON, which must have them before it can be read. */
void synonyms_complete(json_t *submission);

#endif
