/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default: GET /v1/defaults, and GET, PUT, DELETE /v1/defaults/{selector}: what counts for jobs that say nothing themselves. A selector
 * (core/defaults.h) is written plainly or percent-encoded; with a / in a label's value it must be one percent-encoded word.
 *
 * The document, here and as the body of PUT: {"selector", "conf", "variables", "limits", "retry", "strategy", "by", "at"}; all but the
 * first are left out where they are not set. PUT replaces the whole document. The converters follow within five seconds.
 */
#ifndef MILLRACE_INGEST_DEFAULT_H
#define MILLRACE_INGEST_DEFAULT_H

#include "core/http.h"

#define DEFAULT_BODY_MOST (1 << 20)

void defaults_get(void *ingest, struct http_request *r); /* all */
void default_get(void *ingest, struct http_request *r);
void default_put(void *ingest, struct http_request *r);
void default_delete(void *ingest, struct http_request *r);

#endif
