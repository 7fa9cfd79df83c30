/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_end: what must have become of nodes whose own last word was lost. Nothing waits for the delivery of a node's event: an executor that
 * dies behind the end of a job may have told the ledger, and nobody of its last nodes. The job's end says what they came to.
 */
#ifndef MILLRACE_INGEST_PLAN_END_H
#define MILLRACE_INGEST_PLAN_END_H

#include <jansson.h>

/* Of a job that succeeded by running: the root did, and so did all children of a `sequence` or an `all` that did, and the one child of a
 * `race` or `fallback` that is left. Parents stand before their children. */
void plan_end_succeeded(json_t *nodes, json_t *finished);
/* Of a job that failed with the error of this node: those above it failed. */
void plan_end_failed(json_t *nodes, const char *id, json_t *finished);

#endif
