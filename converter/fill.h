/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill: what a job does not say is filled in: first from the defaults documents that fit it, field by field, then timeouts from the limits
 * of its group, then from the settings.
 */
#ifndef MILLRACE_CONVERTER_FILL_H
#define MILLRACE_CONVERTER_FILL_H

#include "converter/checks.h"

/* Before the checks: what they must see. */
void fill_strategy(const struct convert_rules *rules, struct job *j, struct arena *a);
/* After them; the job may be refused. Warnings about defaults that can't be used become the job's. */
void fill_job(const struct convert_rules *rules, struct job *j, struct arena *a);

#endif
