/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: GET /v1/jobs/{id}/log?offset&limit&attempt&node&nodes: a piece of a job's log (ingest/log_piece.h), by bytes, readable while the
 * job runs.
 *
 * JSON {"job_id", "attempt", "offset", "next_offset", "text", "complete"}, or the text alone with Accept:
 * text/plain (then X-Next-Offset and X-Complete tell the rest). `complete`: the job has
 * ended and nothing follows next_offset. Chunks travel on another topic than the end of the job, so for a job
 * that has ended the answer waits for them for a moment.
 */
#ifndef MILLRACE_INGEST_LOGS_H
#define MILLRACE_INGEST_LOGS_H

#include "core/http.h"

void logs_get(void *ingest, struct http_request *r);

/* Whose log is read: `wanted` (0: the latest), or -1 when the job has no such attempt. Pure. */
int64_t logs_attempt(int64_t wanted, int64_t latest, bool final);

#endif
