/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: see the header.
 */
#define _GNU_SOURCE
#include "engines/shell/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engines/lib/engine.h"

#define CHUNK_SIZE ((size_t)48 * 1024)

void stream_open(struct stream *s, int fd, const char *level)
{
    s->fd = fd;
    s->level = level;
    buf_init(&s->pending);
}

/* Length without an unfinished UTF-8 sequence at the end, so that a character is not cut in two. */
static size_t whole_characters(struct bytes text)
{
    size_t back = 1;
    while (back < 4 && back <= text.len) {
        unsigned char c = (unsigned char)text.data[text.len - back];
        size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        if ((c & 0xC0) != 0x80) {
            return need > back ? text.len - back : text.len;
        }
        back++;
    }
    return text.len;
}

/* Whole lines go out; a line longer than a chunk goes out in pieces. */
static void send_lines(struct stream *s, struct bytes run, struct buf *out)
{
    struct bytes all = buf_bytes(&s->pending);
    const char *last = all.len == 0 ? NULL : memrchr(all.data, '\n', all.len);
    size_t len = last == NULL ? 0 : (size_t)(last - all.data) + 1;
    bool partial = false;
    if (len == 0 && all.len >= CHUNK_SIZE) {
        len = whole_characters(all);
        partial = true;
    }
    if (len > 0) {
        engine_say_log(out, run, s->level, bytes_slice(all, 0, len), partial);
        buf_consume(&s->pending, len);
    }
}

bool stream_read(struct stream *s, struct bytes run, struct buf *out)
{
    static char chunk[CHUNK_SIZE];
    if (s->fd < 0) {
        return false;
    }
    ssize_t n = read(s->fd, chunk, sizeof(chunk));
    if (n > 0) {
        buf_add(&s->pending, chunk, (size_t)n);
        send_lines(s, run, out);
        return true;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return errno == EINTR;
    }
    (void)close(s->fd);
    s->fd = -1;
    return false;
}

void stream_close(struct stream *s, struct bytes run, struct buf *out)
{
    if (s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
    if (s->pending.len > 0) {
        engine_say_log(out, run, s->level, buf_bytes(&s->pending), false);
    }
    buf_release(&s->pending);
}
