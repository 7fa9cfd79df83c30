/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dry_run_post: POST /v1/jobs?dry_run=true: 200 with what would come of one submission (dry_run.h), 422 with the same body when the job
 * would be refused, sooner or later. What is no submission at all (bad JSON, unknown fields, too large) is answered as without dry_run.
 * Nothing is written, and Kafka is not asked. When the store is away, what it would have said is missing: counts are null, a warning
 * about max_queued is left out; limits and defaults are those that were read last (503 when none ever were).
 */
#ifndef MILLRACE_INGEST_DRY_RUN_POST_H
#define MILLRACE_INGEST_DRY_RUN_POST_H

#include "core/http.h"

struct ingest;
/* `many`: the body is NDJSON, which is refused. Answers the request. */
void dry_run_post(struct ingest *in, struct http_request *r, bool many);

#endif
