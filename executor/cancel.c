/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: the doorbell. jobs.control only says "look": who cancelled what is in `cancels`, written before the bell rang. Every executor
 * hears every bell; the one that has the job acts: a running job's tree is signalled at once, a queued one ends without starting.
 *
 * A job whose start is unanswered: the start looks up cancels after its compare-and-set, but that may have been before this cancel
 * was written; so the order is kept with the task until the launch.
 *
 * A bell may never ring (the ingest that wrote the cancel died, Kafka did not take the record): cancel_look asks for the jobs that run
 * here. Queued ones need no bell: their start asks.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/report.h"
#include "executor/running.h"

struct order {
    struct ledger_cancel cancel;
    struct arena memory;
};

void cancel_order_free(void *order)
{
    struct order *o = order;
    if (!o)
        return;
    arena_release(&o->memory);
    free(o);
}

const struct ledger_cancel *cancel_order(const struct task *t)
{
    const struct order *o = t->cancel;
    return o ? &o->cancel : NULL;
}

static void keep_order(struct task *t, const struct ledger_cancel *c)
{
    if (t->cancel)
        return;
    struct order *o = calloc(1, sizeof *o);
    if (!o)
        log_fatal("out_of_memory", "what=cancel");
    arena_init(&o->memory);
    o->cancel = *c;
    o->cancel.by = arena_copy(&o->memory, c->by);
    o->cancel.reason = arena_copy(&o->memory, c->reason);
    t->cancel = o;
}

static void cancel_task(struct task *t, const struct ledger_cancel *c)
{
    if (t->run)
        running_cancel(t->run, c->by, c->reason);
    else
        keep_order(t, c);
}

void cancel_queued(struct executor *x, const struct run *run, const struct ledger_cancel *c)
{
    struct ending end = {
        .finish = {.id = run->id, .attempt = run->attempt, .from = RUN_QUEUED}, .counts = M_CANCELLED};
    struct job job;
    struct error e;
    struct buf out;
    arena_init(&end.memory);
    buf_init(&out);
    if (codec_decode(x->world->codec, &shape_planned, run->payload, false, &end.memory, &job, &e) != CODEC_OK)
        log_fatal("payload_unreadable", "error=%s", log_quote(bytes_of(e.text)));
    struct job_error error = report_cancelled(&end.memory, c->by, c->reason, " before it started");
    struct report rep = {
        &job, job_group(&end.memory, &job), bytes_of(x->instance), run->attempt, run->queued_at, NO_INT};
    struct event ev = report_event(&rep, PHASE_CANCELLED, clock_utc_ms());
    ev.error = &error;
    ev.reason = c->reason;
    report_encode(x->world->codec, &ev, &out);
    end.finish.group = rep.group;
    end.finish.event = arena_copy(&end.memory, buf_bytes(&out));
    buf_release(&out);
    finish_add(x, &end);
}

/* ---- bells ---- */

static void find_later(struct executor *x, const struct uuid *id)
{
    if (x->cancels.count == x->cancels.cap) {
        size_t cap = x->cancels.cap ? x->cancels.cap * 2 : 16;
        struct uuid *more = realloc(x->cancels.items, cap * sizeof *more);
        if (!more)
            log_fatal("out_of_memory", "what=cancels");
        x->cancels.items = more;
        x->cancels.cap = cap;
    }
    x->cancels.items[x->cancels.count++] = *id;
}

static void bell(struct executor *x, const struct control *c)
{
    struct uuid id;
    if (c->kind != CONTROL_CANCEL || !uuid_parse(c->job_id, &id))
        return;
    struct task *t = scheduler_find(x->scheduler, &id);
    struct ledger_cancel order = {true, c->by, c->reason, c->at};
    if (t)
        cancel_task(t, &order);
    else
        find_later(x, &id);
}

void cancel_poll(struct executor *x)
{
    struct bus_record record;
    while (consumer_poll(x->control, 0, &record)) {
        struct arena a;
        struct control c;
        struct error e;
        arena_init(&a);
        if (!record.value.data ||
            codec_decode(x->world->codec, &shape_control, record.value, false, &a, &c, &e) != CODEC_OK)
            log_warn("control_unreadable", "partition=%d offset=%lld", (int)record.partition,
                (long long)record.offset);
        else
            bell(x, &c);
        arena_release(&a);
        consumer_release(x->control, &record);
    }
}

/* ---- asking: jobs that are not tasks here (queued, or none of ours), and those that run, once in a while ---- */

struct cancel_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct uuid *ids;
    struct ledger_cancel *cancels;
    size_t count;
    struct runs runs;
};

/* Most ids that are asked for were not cancelled; only of the others the runs are read. */
static void cancel_work(struct request *r)
{
    struct cancel_request *q = (struct cancel_request *)r;
    const struct ledger *l = &q->x->ledger;
    struct error e;
    size_t found = 0;
    bool ok = ledger_cancels(l, q->ids, q->count, q->cancels, &q->memory, &e);
    for (size_t i = 0; ok && i < q->count; i++)
        if (q->cancels[i].found) {
            q->ids[found] = q->ids[i];
            q->cancels[found++] = q->cancels[i];
        }
    q->count = found;
    request_result(r, ok && (found == 0 || ledger_find(l, q->ids, found, &q->memory, &q->runs, &e)), &e);
}

static void cancel_found(struct executor *x, const struct run *run, const struct ledger_cancel *c)
{
    struct task *t = scheduler_find(x->scheduler, &run->id);
    if (t)
        cancel_task(t, c); /* it became one meanwhile */
    else if (run->state == RUN_QUEUED && scheduler_owns(x->scheduler, run->partition) &&
             scheduler_withdraw(x->scheduler, run->group, &run->id))
        cancel_queued(x, run, c);
}

static void cancel_done(struct request *r)
{
    struct cancel_request *q = (struct cancel_request *)r;
    q->x->cancel_busy = false;
    for (size_t i = 0; r->ok && i < q->runs.count; i++)
        for (size_t k = 0; k < q->count; k++)
            if (memcmp(&q->ids[k], &q->runs.items[i].id, sizeof(struct uuid)) == 0)
                cancel_found(q->x, &q->runs.items[i], &q->cancels[k]);
    arena_release(&q->memory);
    free(q->ids);
    free(q);
}

void cancel_look(struct executor *x)
{
    const struct running *r;
    if (x->cancel_busy)
        return;
    TAILQ_FOREACH (r, &x->running, entry)
        if (!r->cancelled && !r->concluded)
            find_later(x, &r->id);
}

void cancel_pump(struct executor *x)
{
    if (x->cancel_busy || x->cancels.count == 0)
        return;
    struct cancel_request *q = calloc(1, sizeof *q);
    if (!q)
        log_fatal("out_of_memory", "what=cancel");
    q->request = (struct request){.work = cancel_work, .done = cancel_done};
    q->x = x;
    arena_init(&q->memory);
    q->ids = x->cancels.items;
    q->count = x->cancels.count;
    q->cancels = arena_array(&q->memory, q->count, sizeof *q->cancels);
    x->cancels.items = NULL;
    x->cancels.count = x->cancels.cap = 0;
    x->cancel_busy = true;
    clerk_ask(x->intake_clerk, &q->request);
}
