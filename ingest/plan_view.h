/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_view: a job's plan as people see it: GET /v1/jobs/{id}/plan. Pure: the document in, the answer out.
 *
 *   {"job_id", "state", "final", "pool", "attempt", "cache", "cached_from", "error", "nodes": [...]}
 *
 * Nodes are those of the document without their code, the root first, each with a `state`, and what is known of when and why
 * (docs/documents.md). What the document can't say is added here:
 *
 *   a node that was never heard of is `waiting`; once the job is over, `skipped`
 *   a node that ran when its attempt or its job was over does not run: `waiting`, or `cancelled`
 *   a plan of one leaf has no events of its own: the root's state follows from the job's
 *   the leaf that the job's error names has failed
 *   a leaf that failed and may be repeated has a node `<leaf>.retry` of kind `retry` above it, which takes its place among the children
 *       and in `after`: `retry` tries it may have, `try` of them were begun
 *
 * A job that has no plan (yet) has no nodes.
 */
#ifndef MILLRACE_INGEST_PLAN_VIEW_H
#define MILLRACE_INGEST_PLAN_VIEW_H

#include <jansson.h>

/* `doc`: the job's document as JSON (bson_to_json). A new reference. */
json_t *plan_view(const json_t *doc);

#endif
