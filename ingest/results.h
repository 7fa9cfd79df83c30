/* SPDX-License-Identifier: Apache-2.0 */
/*
 * results: GET /v1/jobs/{id}/results: {"job_id", "state", "final", "results": [...]} as recorded.
 * GET /v1/jobs/{id}/results/{n}?offset&limit&format: a page of the rows of table n.
 *   json  {"columns": [{name, type}], "rows": [[...]], "offset", "total", "next_offset": n|null}
 *   csv   RFC 4180 with a header line; X-Total and X-Next-Offset. null is an empty field, text "" is "".
 * A page may be shorter than its limit when rows are large (about 16 MiB): go on at next_offset.
 */
#ifndef MILLRACE_INGEST_RESULTS_H
#define MILLRACE_INGEST_RESULTS_H

#include "core/http.h"

void results_list(void *ingest, struct http_request *r);
void results_get(void *ingest, struct http_request *r);

/* One field of CSV: quoted where it must be. */
void results_csv_text(struct buf *out, struct bytes text);
/* One line of CSV, with CRLF, from a JSON array. */
void results_csv_row(struct buf *out, const json_t *values);

#endif
