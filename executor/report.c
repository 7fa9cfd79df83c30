/* SPDX-License-Identifier: Apache-2.0 */
/* report: events from runs. */
#include "executor/report.h"

#include "core/log.h"

#define MESSAGE_SHARE 16 /* so much of the limit: 16 KiB of REPORT_MAX */

struct event report_event(const struct report *r, enum job_phase phase, int64_t at)
{
    struct event ev;
    shape_clear(&shape_event, &ev);
    ev.job_id = r->job->job_id;
    ev.group = r->group;
    ev.origin = r->job->origin;
    ev.attempt = r->attempt;
    ev.phase = (int)phase;
    ev.at = at;
    ev.stage = BYTES("executor");
    ev.instance = r->instance;
    ev.progress = -1;
    ev.times = r->job->times;
    ev.times.queued = r->queued_at;
    ev.times.started = r->started_at;
    if (job_phase_is_final(phase))
        ev.times.finished = at;
    return ev;
}

struct job_error report_error(const char *code, struct bytes message)
{
    struct job_error e;
    shape_clear(&shape_error, &e);
    const struct error_code *row = job_error_code(code);
    MUST(row);
    e.code = bytes_of(row->code);
    e.class = row->class;
    e.message = message;
    return e;
}

struct job_error report_cancelled(
    struct arena *a, struct bytes by, struct bytes reason, int64_t attempts_before)
{
    const char *when = attempts_before == REPORT_RAN ? ""
                       : attempts_before == 0        ? " before it started"
                                                     : " while it waited for its next attempt";
    return report_error("cancelled", arena_printf(a, "cancelled%s%.*s%s%s%.*s", by.len ? " by " : "",
                                         BYTES_ARG(by), when, reason.len ? ": " : "", BYTES_ARG(reason)));
}

static void encode(struct codec *c, const struct event *ev, struct buf *out)
{
    struct error e;
    if (!codec_encode(c, &shape_event, ev, out, &e))
        log_fatal("encode_failed", "record=JobEvent error=%s", log_quote(bytes_of(e.text)));
}

void report_encode_within(struct codec *c, struct event *ev, size_t max, struct buf *out)
{
    size_t before = out->len;
    encode(c, ev, out);
    if (out->len - before <= max)
        return;
    log_warn("event_cut", "job=%.*s bytes=%zu", BYTES_ARG(ev->job_id), out->len - before);
    for (size_t i = 0; i < ev->results.count; i++)
        ev->results.items[i].columns.count = 0;
    struct job_error error;
    if (ev->error) {
        error = *ev->error;
        error.detail = BYTES_NONE;
        error.message = bytes_head(error.message, max / MESSAGE_SHARE);
        ev->error = &error;
    }
    out->len = before;
    encode(c, ev, out);
}

void report_encode(struct codec *c, struct event *ev, struct buf *out)
{
    report_encode_within(c, ev, REPORT_MAX, out);
}
