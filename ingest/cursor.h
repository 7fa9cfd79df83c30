/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor: where a page of GET /v1/jobs ended: the key (times.accepted, _id) of its last job, as text that
 * clients hand back and don't look into. Paging by key: a page costs the same wherever it lies, and jobs that
 * arrive meanwhile move nothing.
 */
#ifndef MILLRACE_INGEST_CURSOR_H
#define MILLRACE_INGEST_CURSOR_H

#include "core/arena.h"
#include "core/uuid.h"

struct cursor {
    int64_t accepted; /* UTC ms */
    struct uuid id;
};

struct bytes cursor_format(const struct cursor *c, struct arena *a);
bool cursor_parse(struct bytes text, struct cursor *out);

#endif
