/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: one output of a job (stdout or stderr), cut into log lines while it comes. Memory: one chunk. A job may write
 * anything: bytes that are not UTF-8, NUL bytes, gigabytes without a line end.
 */
#ifndef MILLRACE_ENGINES_SHELL_STREAM_H
#define MILLRACE_ENGINES_SHELL_STREAM_H

#include "core/bytes.h"

struct stream {
    int fd; /* non-blocking read end; -1: closed */
    const char *level;
    struct buf pending; /* an unfinished line */
};

void stream_open(struct stream *s, int fd, const char *level);
/* Reads once and appends log lines to `out`. False: nothing to read now, or the end (then fd is -1). */
bool stream_read(struct stream *s, struct bytes run, struct buf *out);
/* Appends what is left, closes. */
void stream_close(struct stream *s, struct bytes run, struct buf *out);

#endif
