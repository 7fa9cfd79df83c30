/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meters: what ingest counts. One table (meters.c); these functions know which row.
 */
#ifndef MILLRACE_INGEST_METERS_H
#define MILLRACE_INGEST_METERS_H

#include "core/metrics.h"
#include "ingest/submit.h"

void meters_register(void);
void meters_submission(enum submission_end end, const struct refusal *why);
/* From the request's arrival to its answer. */
void meters_submit_us(int64_t us);
void meters_read_us(int64_t us);
void meters_batch(int64_t insert_us);
void meters_waiting(size_t submissions);
void meters_swept(size_t stubs);
void meters_cancels(size_t count);

#endif
