/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shrink: a job's document that would be larger than the store takes. Each text in it has its share (brief.h), but there may be 20,000
 * nodes beside code of some MiB. What people can read in job_events as well gives way, a step at a time, until it fits: the state, times
 * and results of a job are never in doubt for the length of a text. The last to go are other groups that claim the job's id: should the ledger admit one
 * of them after all, what it told before is then only in job_events.
 */
#ifndef MILLRACE_COLLECTOR_SHRINK_H
#define MILLRACE_COLLECTOR_SHRINK_H

#include "collector/job_doc.h"

/* MongoDB takes 16 MiB; some of it is the command's own. */
#define SHRINK_BYTES_MAX (16 * 1024 * 1024 - 64 * 1024)

/* As job_doc_write; `doc` loses what the document could not hold. Where all steps together are not enough, it is written as small as
 * they make it, and the store refuses it. */
void shrink_write(struct job_doc *doc, int64_t keep_ms, size_t bytes_max, struct arena *a, bson_t *out);

#endif
