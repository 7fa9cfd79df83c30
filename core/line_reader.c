/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line_reader: see the header.
 */
#include "core/line_reader.h"

#include <string.h>

void line_reader_init(struct line_reader *r)
{
    *r = (struct line_reader){0};
    buf_init(&r->in);
}

void line_reader_release(struct line_reader *r)
{
    buf_release(&r->in);
}

void line_reader_add(struct line_reader *r, struct bytes more)
{
    if (r->start > 0) {
        buf_consume(&r->in, r->start);
        r->scanned -= r->start;
        r->start = 0;
    }
    buf_add_bytes(&r->in, more);
}

bool line_reader_next(struct line_reader *r, struct bytes *line)
{
    if (r->scanned == r->in.len) {
        return false;
    }
    const char *end = memchr(r->in.data + r->scanned, '\n', r->in.len - r->scanned);
    if (end == NULL) {
        r->scanned = r->in.len;
        return false;
    }
    size_t at = (size_t)(end - r->in.data);
    size_t len = at - r->start;
    if (len > 0 && end[-1] == '\r') {
        len--;
    }
    *line = (struct bytes){r->in.data + r->start, len};
    r->start = r->scanned = at + 1;
    return true;
}

size_t line_reader_open(const struct line_reader *r)
{
    return r->in.len - r->start;
}

struct bytes line_reader_rest(const struct line_reader *r)
{
    return r->in.len == r->start ? BYTES_NONE : (struct bytes){r->in.data + r->start, r->in.len - r->start};
}
