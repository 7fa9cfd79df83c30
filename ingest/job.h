/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: GET /v1/jobs/{id}: the document of a job without what is the programs' own (rev, fold, stub), `_id` as
 * `job_id`, times in RFC 3339. Of a job that waits also `waiting_for` (waiting.h). GET /v1/jobs/{id}/plan: plan_view.h.
 */
#ifndef MILLRACE_INGEST_JOB_H
#define MILLRACE_INGEST_JOB_H

#include <bson/bson.h>

#include "core/http.h"

void job_get(void *ingest, struct http_request *r);
void job_plan(void *ingest, struct http_request *r);

/* A job's document as clients see it. New reference. */
json_t *job_json(const bson_t *doc);

#endif
