/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance: GET /v1/instances, and POST /v1/instances/{id}/drain. An instance is one process start of an executor.
 *
 * {"instances": [{"instance", "host", "pid", "pool", "started_at", "renewed_at", "renewed_ms" (how long ago, by this server's clock:
 * a hint; a lease is judged by its counter), "state" live|dead, "over", "running" (jobs), "drain" null|{"by", "reason", "at"}}]}. dead: its
 * lease is over, or was not renewed for as long as it lasts, by this server's clock. Without those whose lease is over and those not heard
 * of for two hours, except with all=true: then the 10000 heard of last.
 *
 * drain: it starts nothing more, waits for what runs, gives back the rest and ends, as after SIGTERM. 202 {"instance", "drain"}; may be
 * repeated, the first one counts. 404: no such instance; 409: it is dead.
 */
#ifndef MILLRACE_INGEST_INSTANCE_H
#define MILLRACE_INGEST_INSTANCE_H

#include <bson/bson.h>

#include "core/http.h"

void instances_get(void *ingest, struct http_request *r);
void instance_drain(void *ingest, struct http_request *r);

/* Of a document of `instances`: its lease was ended, or nobody has looked yet, but it would have ended itself by now (UTC ms). */
bool instance_is_dead(const bson_t *doc, int64_t now);

#endif
