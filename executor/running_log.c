/* SPDX-License-Identifier: Apache-2.0 */
/* running_log: the log of one job that runs here, from the lines of its leaves to records on their way to Kafka. */
#include "core/clock.h"
#include "core/log.h"
#include "executor/outgoing.h"
#include "executor/running.h"

#define FLUSH_EVERY_MS 100

static void chunk_delivered(void *self, const struct error *failure)
{
    struct running *r = self;
    if (failure)
        log_error(
            "log_lost", "job=%.*s error=%s", BYTES_ARG(r->job.job_id), log_quote(bytes_of(failure->text)));
    running_delivered(r);
}

void running_send_chunk(void *self, const struct job_log *chunk)
{
    struct running *r = self;
    struct job_log record = *chunk;
    struct error e;
    struct buf out;
    record.job_id = r->job.job_id;
    record.attempt = r->attempt;
    record.at = clock_utc_ms();
    buf_init(&out);
    if (!codec_encode(r->x->world->codec, &shape_log, &record, &out, &e))
        log_fatal("encode_failed", "record=JobLog error=%s", log_quote(bytes_of(e.text)));
    struct bus_header header = {BYTES("job"), r->job.job_id};
    struct bus_message m = {"jobs.logs", -1, r->group, buf_bytes(&out), &header, 1};
    r->sent++;
    outgoing_send(r->x->outgoing, &m, chunk_delivered, r);
    metric_add(&executor_metrics[M_LOG_BYTES], (int64_t)chunk->text.len);
    buf_release(&out);
}

static void mark_dirty(struct running *r)
{
    struct executor *x = r->x;
    if (r->dirty)
        return;
    r->dirty = true;
    if (TAILQ_EMPTY(&x->dirty)) {
        int64_t now = clock_boot_ms();
        x->flush_at = r->flushed_at + FLUSH_EVERY_MS > now ? r->flushed_at + FLUSH_EVERY_MS : now;
    }
    TAILQ_INSERT_TAIL(&x->dirty, r, dirty_entry);
}

static void add_log(struct running *r, struct bytes node, struct bytes level, struct bytes text)
{
    if (r->concluded)
        return;
    job_log_add(&r->log, node, level, text);
    mark_dirty(r);
}

void running_log_now(struct running *r)
{
    if (r->dirty)
        TAILQ_REMOVE(&r->x->dirty, r, dirty_entry);
    r->dirty = false;
    r->flushed_at = clock_boot_ms();
    job_log_flush(&r->log);
}

void running_line(struct running *r, const char *level, struct bytes text)
{
    struct buf line;
    buf_init(&line);
    buf_add_bytes(&line, text);
    buf_add_char(&line, '\n');
    add_log(r, BYTES_NONE, bytes_of(level), buf_bytes(&line));
    buf_release(&line);
}

void running_on_log(void *self, struct bytes level, struct bytes text)
{
    const struct leaf *l = self;
    const struct walk *w = &l->r->nodes.walk;
    add_log(l->r, w->count > 1 ? w->nodes[l->at].node->id : BYTES_NONE, level, text);
}
