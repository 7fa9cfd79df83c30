/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line_reader: cuts a stream of bytes into lines, whatever pieces it comes in. Bounded by its user: line_reader_open tells
 * how long the unfinished line is.
 */
#ifndef MILLRACE_CORE_LINE_READER_H
#define MILLRACE_CORE_LINE_READER_H

#include "core/bytes.h"

struct line_reader {
    struct buf in;
    size_t start;   /* of the first line that was not handed out */
    size_t scanned; /* no line end before this */
};
void line_reader_init(struct line_reader *r);
void line_reader_release(struct line_reader *r);
/* Adds what was read. Lines handed out before are forgotten. */
void line_reader_add(struct line_reader *r, struct bytes more);
/* The next whole line without its end ("\n" or "\r\n"), borrowed until the next line_reader_add. False: none.
 */
bool line_reader_next(struct line_reader *r, struct bytes *line);
/* Length of the unfinished line; over its limit the user gives the peer up. */
size_t line_reader_open(const struct line_reader *r);
/* The unfinished line, at the end of the stream. */
struct bytes line_reader_rest(const struct line_reader *r);

#endif
