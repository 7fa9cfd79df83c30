/* SPDX-License-Identifier: Apache-2.0 */
/* job_log: chunks, offsets, and the dropped middle. */
#include "executor/job_log.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"

struct job_log_tail {
    STAILQ_ENTRY(job_log_tail) entry;
    struct bytes node;
    const char *level;
    size_t len;
    char text[];
};

static const char *level_of(struct bytes name)
{
    static const char *const levels[] = {"stdout", "stderr", "info", "warn", "error"};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (bytes_equal_text(name, levels[i]))
            return levels[i];
    return "info";
}

void job_log_init(struct job_log_writer *w, int64_t max_bytes,
    void (*send)(void *self, const struct job_log *chunk), void *self)
{
    memset(w, 0, sizeof *w);
    w->send = send;
    w->self = self;
    w->max_bytes = max_bytes;
    w->level = "info";
    buf_init(&w->pending);
    STAILQ_INIT(&w->tail);
}

static struct job_log_tail *tail_pop(struct job_log_writer *w)
{
    struct job_log_tail *t = STAILQ_FIRST(&w->tail);
    STAILQ_REMOVE_HEAD(&w->tail, entry);
    w->tail_bytes -= (int64_t)t->len;
    return t;
}

void job_log_release(struct job_log_writer *w)
{
    while (!STAILQ_EMPTY(&w->tail))
        free(tail_pop(w));
    buf_release(&w->pending);
}

static int64_t lines_in(struct bytes text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == '\n';
    return n;
}

static void send_chunk(struct job_log_writer *w, struct bytes node, const char *level, struct bytes text)
{
    struct job_log chunk;
    shape_clear(&shape_log, &chunk);
    chunk.seq = w->seq++;
    chunk.offset = w->totals.bytes;
    chunk.node = node;
    chunk.level = bytes_of(level);
    chunk.text = text;
    w->totals.bytes += (int64_t)text.len;
    w->totals.lines += lines_in(text);
    w->send(w->self, &chunk);
}

static void keep_tail(struct job_log_writer *w, struct bytes text)
{
    struct job_log_tail *t = malloc(sizeof *t + text.len);
    if (!t)
        log_fatal("out_of_memory", "what=job_log");
    t->node = w->node;
    t->level = w->level;
    t->len = text.len;
    memcpy(t->text, text.data, text.len);
    STAILQ_INSERT_TAIL(&w->tail, t, entry);
    w->tail_bytes += (int64_t)text.len;
    while (w->tail_bytes > w->max_bytes / 2) {
        struct job_log_tail *old = tail_pop(w);
        w->dropped_bytes += (int64_t)old->len;
        free(old);
    }
}

void job_log_flush(struct job_log_writer *w)
{
    struct bytes text = buf_bytes(&w->pending);
    if (text.len == 0)
        return;
    if (w->max_bytes > 0 && (!STAILQ_EMPTY(&w->tail) || w->dropped_bytes > 0 ||
                                w->totals.bytes + (int64_t)text.len > w->max_bytes / 2))
        keep_tail(w, text);
    else
        send_chunk(w, w->node, w->level, text);
    buf_clear(&w->pending);
}

/* The longest piece of at most max bytes that ends with a line, or at least at a character's border. */
static size_t piece_len(struct bytes text, size_t max)
{
    if (text.len <= max)
        return text.len;
    for (size_t n = max; n > 0; n--)
        if (text.data[n - 1] == '\n')
            return n;
    size_t n = max;
    while (n > 1 && ((unsigned char)text.data[n] & 0xC0) == 0x80)
        n--;
    return n;
}

void job_log_add(struct job_log_writer *w, struct bytes node, struct bytes level, struct bytes text)
{
    const char *name = level_of(level);
    if (name != w->level || !bytes_equal(node, w->node))
        job_log_flush(w);
    w->node = node;
    w->level = name;
    while (text.len > 0) {
        size_t room = JOB_LOG_CHUNK - w->pending.len;
        if (text.len > room && w->pending.len > 0) {
            job_log_flush(w);
            continue;
        }
        size_t n = piece_len(text, room);
        buf_add(&w->pending, text.data, n);
        text = bytes_slice(text, n, text.len - n);
    }
}

void job_log_close(struct job_log_writer *w)
{
    job_log_flush(w);
    if (w->dropped_bytes > 0) {
        struct buf note;
        buf_init(&note);
        buf_printf(&note, "[millrace: %lld bytes of the log were dropped here; max_log_bytes is %lld]\n",
            (long long)w->dropped_bytes, (long long)w->max_bytes);
        send_chunk(w, BYTES_NONE, "warn", buf_bytes(&note));
        buf_release(&note);
        w->totals.truncated = true;
    }
    while (!STAILQ_EMPTY(&w->tail)) {
        struct job_log_tail *t = tail_pop(w);
        send_chunk(w, t->node, t->level, (struct bytes){t->text, t->len});
        free(t);
    }
}
