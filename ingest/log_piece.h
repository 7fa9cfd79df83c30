/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_piece: a piece of a job's log, put together from its chunks. Pure. Only contiguous text: a chunk that has not arrived ends it.
 * A piece begins and ends between characters.
 *
 * Nodes that run at once write into one log, chunk by chunk. So a piece may be of one node alone, or name the node in front of each line.
 * Offsets are those of the log in any case, not of what is shown of it.
 */
#ifndef MILLRACE_INGEST_LOG_PIECE_H
#define MILLRACE_INGEST_LOG_PIECE_H

#include "core/bytes.h"

#define LOG_PIECE_READ (16 * 1024 * 1024) /* bytes of the log that are read at most for one piece */

struct log_piece {
    struct buf text;
    int64_t offset, next; /* the bytes of the log that it is about: from, and where to go on */
    int64_t limit;        /* bytes of text, at least 4 */
    struct bytes node;    /* whose lines; BYTES_NONE: all. Borrowed */
    bool names;           /* lines of a node begin with "n2 | " */
    bool full;            /* it ended before the log did */
    bool open;            /* the last line is not ended, and is */
    struct buf of;        /* that node's */
};

void log_piece_init(struct log_piece *p, int64_t offset, int64_t limit, struct bytes node, bool names);
/* As after init: the chunks come once more. */
void log_piece_restart(struct log_piece *p);
void log_piece_release(struct log_piece *p);
/* Chunks come by rising offset, beginning with one before `offset`, if there is one. False: it is full, or a gap is before this chunk. */
bool log_piece_add(struct log_piece *p, int64_t chunk_offset, struct bytes node, struct bytes text);

#endif
