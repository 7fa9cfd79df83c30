/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter: which jobs are meant: creator, user, group, engine, name, state (several), labels, since, until. The same for
 * GET /v1/jobs (query parameters; label=KEY=VALUE, as often as needed) and POST /v1/jobs/cancel (an object; "labels": {...}).
 */
#ifndef MILLRACE_INGEST_FILTER_H
#define MILLRACE_INGEST_FILTER_H

#include <bson/bson.h>

#include "core/http.h"

/* Appends to a query of `jobs`. False: answered 400. */
bool filter_from_query(struct http_request *r, bson_t *out);
/* From a JSON object: what is wrong is added to the problems, as filter.NAME. *any: something was asked for. */
void filter_from_json(
    struct http_request *r, json_t *object, bson_t *out, bool *any, struct field_problems *problems);

/* The parameters of a query that filter_from_query knows. */
#define FILTER_PARAMETERS "creator", "user", "group", "engine", "name", "state", "label", "since", "until"

/* {"$or": ...}: jobs behind (accepted, id) in the order of lists: newest first. */
void filter_behind(int64_t accepted, const char *id, bson_t *out);

#endif
