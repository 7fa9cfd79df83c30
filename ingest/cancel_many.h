/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel_many: POST /v1/jobs/cancel: {"ids": [...]} or {"group": "creator/user"} or {"filter": {...}} (filter.h), with "by" and
 * "reason".
 *
 * `ids` names up to 10,000 jobs; a group or a filter means all jobs that have not ended and that were accepted before the request,
 * whether they reached the ledger or not; up to 1,000,000. All cancels are durable before the answer: nothing that was queued starts
 * after it. 202, or 200 when none was left to cancel:
 *
 *   {"matched": n, "counts": {"pending", "queued", "running", "final", "unknown"}, "jobs": [{"job_id", "was"}]}
 *
 * `jobs` is left out when there are more than 1,000. unknown: an id that no job has. A filter's `state` is that of the document when it
 * is asked, a moment behind the ledger. A repeat changes nothing.
 */
#ifndef MILLRACE_INGEST_CANCEL_MANY_H
#define MILLRACE_INGEST_CANCEL_MANY_H

#include "core/http.h"

void cancel_many_post(void *ingest, struct http_request *r);

#endif
