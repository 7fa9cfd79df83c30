/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brief: what a job's document keeps of events that are not the job's last. There may be thousands of nodes and hundreds of attempts, and a
 * document has 16 MiB: so each gets a fixed share, whatever its event carries. The whole text stays in job_events. What is kept depends on
 * the event alone, as all of the fold.
 */
#ifndef MILLRACE_COLLECTOR_BRIEF_H
#define MILLRACE_COLLECTOR_BRIEF_H

#include "core/job.h"

#define BRIEF_NODE_ERROR_BYTES 500
#define BRIEF_NODE_REASON_BYTES 500
#define BRIEF_ATTEMPT_REASON_BYTES 1000
#define BRIEF_ATTEMPT_ERROR_BYTES 4096
#define BRIEF_ATTEMPT_RESULTS_BYTES 16384

struct bytes brief_text(struct bytes text, size_t bytes);
/* Over `bytes` the detail is left out, and the message cut. NULL for NULL. */
struct job_error *brief_error(struct job_error *e, size_t bytes, struct arena *a);
/* Over `bytes` the columns are left out, then those results that don't fit, from the last. Returns the list that begins at *items, *count
 * of them. */
struct job_result *brief_results(struct job_result *items, size_t *count, size_t bytes, struct arena *a);

#endif
