/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit: GET /v1/limits, and GET, PUT, DELETE /v1/limits/{selector}. A selector is creator/user, a creator with * as its user, or *; as a path it is
 * written plainly or percent-encoded (%2F, %2A).
 *
 * The document, here and as the body of PUT (core/limits.h): {"selector", "max_queued", "max_running", "weight", "engines",
 * "queue_timeout_ms", "run_timeout_ms", "on_failure", "by", "at"}; all but the first are left out where they are not set. PUT replaces
 * the whole document. All programs follow within five seconds.
 */
#ifndef MILLRACE_INGEST_LIMIT_H
#define MILLRACE_INGEST_LIMIT_H

#include "core/http.h"

void limits_get(void *ingest, struct http_request *r); /* all */
void limit_get(void *ingest, struct http_request *r);
void limit_put(void *ingest, struct http_request *r);
void limit_delete(void *ingest, struct http_request *r);

#endif
