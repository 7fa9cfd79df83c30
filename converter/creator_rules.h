/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creator_rules: what the limits documents (core/limits.h) say of the jobs of a creator or user beyond numbers: `required` and `allowed`
 * fields, `forbidden_sql` (converter/verbs.h), `forbidden_code` (converter/dangers.h). All are off where no document has them; a list
 * with the one entry `none` switches off what a wider selector has set.
 *
 * A field is written as in a submission: name, limits.run_timeout_ms, labels (any), labels.project (this one).
 */
#ifndef MILLRACE_CONVERTER_CREATOR_RULES_H
#define MILLRACE_CONVERTER_CREATOR_RULES_H

#include "core/job.h"
#include "core/limits.h"

/* Of a document that a client wants to write: names that mean nothing are added to problems. */
bool creator_rules_check(const struct limit *l, struct arena *a, struct field_problems *problems);

/* Is what must be given there, and what may not be given not? Looks at what the user said: call it before anything is filled in. */
void creator_rules_apply(const struct limits_effective *group, const struct job *j, struct arena *a,
    struct field_problems *problems);

/* Of a table for the reference: the fields that may be named, one after the other; NULL at the end. */
const char *creator_rules_field(size_t index);

#endif
