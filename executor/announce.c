/* SPDX-License-Identifier: Apache-2.0 */
/* announce: see the header. */
#include "executor/announce.h"

#include <string.h>

#include "core/log.h"
#include "executor/outgoing.h"
#include "executor/running.h"

/* ---- jobs ---- */

void announce_stub(const struct uuid *id, struct bytes group, struct arena *a, struct job *out)
{
    char text[UUID_TEXT_LEN + 1];
    const char *slash = group.len ? memchr(group.data, '/', group.len) : NULL;
    size_t creator = slash ? (size_t)(slash - group.data) : group.len;
    shape_clear(&shape_planned, out);
    uuid_format(id, text);
    group = arena_copy(a, group);
    out->job_id = arena_copy(a, (struct bytes){text, UUID_TEXT_LEN});
    out->creator = bytes_slice(group, 0, creator);
    out->user = bytes_slice(group, creator + 1, group.len);
}

bool announce_job(struct executor *x, struct bytes payload, const struct uuid *id, struct bytes group,
    struct arena *a, struct job *out, bool *damaged)
{
    struct error e;
    enum codec_verdict v = codec_decode(x->world->codec, &shape_planned, payload, false, a, out, &e);
    if (damaged)
        *damaged = v == CODEC_BAD;
    if (v == CODEC_RETRY)
        log_warn("registry_away", "error=%s", log_quote(bytes_of(e.text)));
    if (v == CODEC_BAD) { /* intake has read these very bytes: the ledger is damaged */
        log_error("payload_unreadable", "group=%.*s code=%s error=%s", BYTES_ARG(group), e.code,
            log_quote(bytes_of(e.text)));
        announce_stub(id, group, a, out);
    }
    return v != CODEC_RETRY;
}

/* ---- events ---- */

struct bytes announce_encode(struct executor *x, struct event *ev, struct arena *a)
{
    struct buf out;
    buf_init(&out);
    report_encode(x->world->codec, ev, &out);
    struct bytes copy = arena_copy(a, buf_bytes(&out));
    buf_release(&out);
    return copy;
}

struct bytes announce_refused(
    struct executor *x, const struct job *j, struct bytes group, int64_t at, struct arena *a)
{
    struct report rep = {j, group, bytes_of(x->instance), 0, NO_INT, NO_INT};
    struct event ev = report_event(&rep, PHASE_REJECTED, at);
    ev.error = j->error;
    return announce_encode(x, &ev, a);
}

static struct bytes message_of(const struct job *j, const struct telling *t, struct arena *a)
{
    if (strcmp(t->code, "queue_timeout") == 0)
        return arena_printf(a, "it waited longer than queue_timeout_ms (%lld)",
            (long long)(j->limits.queue_timeout_ms == NO_INT ? 0 : j->limits.queue_timeout_ms));
    return t->reason;
}

void announce_reason(
    struct event *ev, struct job_error *error, const struct job *j, const struct telling *t, struct arena *a)
{
    ev->reason = t->reason;
    ev->next_at = t->retry_at;
    if (t->order) {
        *error =
            report_cancelled(a, t->order->by, t->order->reason, t->never_ran ? " before it started" : "");
        ev->reason = t->order->reason;
        ev->error = error;
    } else if (t->code) {
        *error = report_error(t->code, message_of(j, t, a));
        ev->error = error;
    }
}

bool announce_event(void *self, const struct telling *t, struct arena *a, struct bytes *out)
{
    struct executor *x = self;
    const struct run *run = t->run;
    struct job job;
    struct job_error error;
    if (t->task && t->task->run) {
        *out = running_tell(t->task->run, t, a);
        return true;
    }
    MUST(run);
    if (!announce_job(x, run->payload, &run->id, run->group, a, &job, NULL))
        return false;
    bool ran = run->state == RUN_RUNNING && !t->never_ran;
    struct report rep = {&job, run->group, ran ? run->instance : bytes_of(x->instance), run->attempt,
        run->queued_at, ran ? run->started_at : NO_INT};
    struct event ev = report_event(&rep, t->phase, t->at);
    announce_reason(&ev, &error, &job, t, a);
    *out = announce_encode(x, &ev, a);
    return true;
}

void announce_send(struct executor *x, struct bytes group, const struct uuid *job, struct bytes event,
    bus_delivered *done, void *self)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(job, id);
    struct bus_header header = {BYTES("job"), {id, UUID_TEXT_LEN}};
    struct bus_message m = {"jobs.events", -1, group, event, &header, 1};
    outgoing_send(x->outgoing, &m, done, self);
}

bool announce_ready(struct executor *x, struct error *e)
{
    struct event ev;
    struct job_log log;
    struct buf out;
    shape_clear(&shape_event, &ev);
    shape_clear(&shape_log, &log);
    ev.phase = PHASE_PROGRESS;
    buf_init(&out);
    bool ready = codec_encode(x->world->codec, &shape_event, &ev, &out, e) &&
                 codec_encode(x->world->codec, &shape_log, &log, &out, e);
    buf_release(&out);
    return ready;
}
