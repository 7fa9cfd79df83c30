/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill: what a job does not say is filled in: first from the defaults documents that fit it, field by field, then timeouts from the limits
 * of its group, then from the settings.
 */
#ifndef MILLRACE_CONVERTER_FILL_H
#define MILLRACE_CONVERTER_FILL_H

#include "converter/checks.h"

/* What a part runs on; of a job without parts, what the job does. Where a part says nothing, it is the job's: its engine; its target and
 * code type, if the part's engine is the job's. A code type that nobody gives is the engine's first; of a part that a line of the job's SQL
 * began (it has no code of its own), the job's where the engine takes it, else the engine's first that is SQL. */
struct fill_unit {
    struct bytes engine, target, code_type; /* none: not known */
};
void fill_unit(const struct convert_rules *rules, const struct job *j, const struct job_part *part,
    struct fill_unit *out);

/* Before the checks: what they must see. */
void fill_strategy(const struct convert_rules *rules, struct job *j, struct arena *a);
/* After them; the job may be refused. Warnings about defaults that can't be used become the job's. */
void fill_job(const struct convert_rules *rules, struct job *j, struct arena *a);

#endif
