/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query: GET /v1/jobs: the newest jobs first, by filters, page by page.
 *
 * Answer: {"jobs": [...], "next_cursor": text|null, "total": n (with total=true: of all pages)}. A job in the
 * list has no code, variables, conf, source and plan; GET /v1/jobs/{id} has them.
 */
#ifndef MILLRACE_INGEST_QUERY_H
#define MILLRACE_INGEST_QUERY_H

#include "core/http.h"

void query_jobs(void *ingest, struct http_request *r);

#endif
