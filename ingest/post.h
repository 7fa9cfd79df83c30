/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post: POST /v1/jobs. One JSON object, or many as lines (application/x-ndjson). Reads and checks in a worker
 * thread, hands over to the intake and answers when that has settled everything.
 *
 *   one:  202 + Location, {"job_id", "state", "group"}; a repeat of an idempotency key also has Idempotent-Replayed: true.
 *   many: 202 when every line was accepted, else 207; {"accepted": n, "refused": m, "jobs": [one entry a line, in order:
 *         {"line", "status": 202, "job_id", "state", "group"} or {"line", "status": 4xx, "code", "detail", "errors"}]}.
 *         A bad line refuses only itself. Empty lines are passed over. Lines are counted from 1.
 *
 * With dry_run=true nothing is taken: dry_run_post.h.
 */
#ifndef MILLRACE_INGEST_POST_H
#define MILLRACE_INGEST_POST_H

#include "core/http.h"

void post_jobs(void *ingest, struct http_request *r);

/* Next line of a text without its line end, or false at the end. */
bool post_next_line(struct bytes *rest, struct bytes *line);

#endif
