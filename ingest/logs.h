/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: GET /v1/jobs/{id}/log?offset&limit&attempt: a piece of a job's log, by bytes, readable while the job
 * runs.
 *
 * JSON {"job_id", "attempt", "offset", "next_offset", "text", "complete"}, or the text alone with Accept:
 * text/plain (then X-Next-Offset and X-Complete tell the rest). Only contiguous text: where a chunk has not
 * arrived yet the answer ends before it. Pieces begin and end between characters. `complete`: the job has
 * ended and nothing follows next_offset. Chunks travel on another topic than the end of the job, so for a job
 * that has ended the answer waits for them for a moment.
 */
#ifndef MILLRACE_INGEST_LOGS_H
#define MILLRACE_INGEST_LOGS_H

#include "core/http.h"

void logs_get(void *ingest, struct http_request *r);

/* Whose log is read: `wanted` (0: the latest), or -1 when the job has no such attempt. Pure. */
int64_t logs_attempt(int64_t wanted, int64_t latest, bool final);

/* Puts chunks together. Pure. Chunks come by rising offset. */
struct logs_piece {
    struct buf text;
    int64_t offset; /* of the text's first byte */
    int64_t limit;
};
/* False: enough, or a gap before this chunk. */
bool logs_add(struct logs_piece *p, int64_t chunk_offset, struct bytes text);
/* Cuts both ends to whole characters; moves offset when the start lay within one. */
void logs_trim(struct logs_piece *p);

#endif
