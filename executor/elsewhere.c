/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elsewhere: groups whose job runs under another name. Once a second their runs and the leases of those instances are read:
 *   the run ended or moved      -> look at the group anew
 *   the lease is over           -> the run goes back to the queue, as lost (attempt stays the fence); the fifth loss, or the first with
 *                                  on_lost: fail, ends the job instead
 *   the lease's counter stood still for lease_watch_ms by our clock -> end the lease (compare-and-set on that counter)
 *   our own name, but no task   -> a start whose answer was lost: back to the queue, not charged
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/report.h"
#include "executor/running.h"

#define LOSSES_MAX 5

/* ---- what we saw of other instances' counters ---- */

struct watched {
    char instance[LEDGER_INSTANCE_MAX];
    int64_t counter, since_boot;
    bool seen; /* in the latest round */
};

struct watch {
    struct watched *items;
    size_t count, cap;
};

struct watch *watch_new(void)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        log_fatal("out_of_memory", "what=watch");
    return w;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    free(w->items);
    free(w);
}

/* How long (ms) this counter has stood still before our eyes. */
static int64_t watch_still(struct watch *w, const struct ledger_lease *l, int64_t now_boot)
{
    for (size_t i = 0; i < w->count; i++) {
        struct watched *item = &w->items[i];
        if (!bytes_equal_text(l->instance, item->instance))
            continue;
        item->seen = true;
        if (item->counter != l->counter) {
            item->counter = l->counter;
            item->since_boot = now_boot;
        }
        return now_boot - item->since_boot;
    }
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 8;
        struct watched *more = realloc(w->items, cap * sizeof *more);
        if (!more)
            log_fatal("out_of_memory", "what=watch");
        w->items = more;
        w->cap = cap;
    }
    struct watched *item = &w->items[w->count++];
    memset(item, 0, sizeof *item);
    memcpy(item->instance, l->instance.data, l->instance.len < sizeof item->instance ? l->instance.len : 0);
    item->counter = l->counter;
    item->since_boot = now_boot;
    item->seen = true;
    return 0;
}

static void watch_forget(struct watch *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->items[i].seen) {
            w->items[kept] = w->items[i];
            w->items[kept++].seen = false;
        }
    w->count = kept;
}

/* ---- the round ---- */

struct elsewhere_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct elsewhere *known;
    struct uuid *ids;
    size_t count;
    struct runs runs;
    struct ledger_lease *leases; /* one per known, many alike */
    struct ledger_requeue *requeues;
    const struct run **requeued; /* beside requeues */
    size_t requeue_count;
    const struct run **fails; /* lost ones that must not start again */
    size_t fail_count;
};

static const struct run *run_of(const struct elsewhere_request *q, const struct uuid *id)
{
    for (size_t i = 0; i < q->runs.count; i++)
        if (memcmp(&q->runs.items[i].id, id, sizeof *id) == 0)
            return &q->runs.items[i];
    return NULL;
}

static void end_still_leases(struct elsewhere_request *q)
{
    struct executor *x = q->x;
    int64_t now = clock_boot_ms();
    for (size_t i = 0; i < q->count; i++) {
        struct ledger_lease *l = &q->leases[i];
        struct error e;
        if (l->over || !l->exists || bytes_equal_text(l->instance, x->instance) ||
            watch_still(x->watch, l, now) < x->settings->lease_watch_ms)
            continue;
        bool ended = false;
        if (ledger_end_lease(&x->ledger, l->instance, l->counter, clock_utc_ms(), &ended, &e) && ended) {
            log_warn(
                "lease_ended", "instance=%.*s counter=%lld", BYTES_ARG(l->instance), (long long)l->counter);
            l->over = true;
        }
    }
    watch_forget(x->watch);
}

/* What becomes of a lost run. False: its payload can't be read now (the registry does not answer), the next round decides. */
static bool decide_lost(struct elsewhere_request *q, const struct run *run, bool *fail)
{
    struct job job;
    struct error e;
    *fail = run->lost + 1 >= LOSSES_MAX;
    if (*fail)
        return true;
    enum codec_verdict v =
        codec_decode(q->x->house_codec, &shape_planned, run->payload, false, &q->memory, &job, &e);
    if (v == CODEC_RETRY) {
        log_warn("registry_away", "error=%s", log_quote(bytes_of(e.text)));
        return false;
    }
    *fail = v == CODEC_OK && job.retry.on_lost == ON_LOST_FAIL;
    return true;
}

static void elsewhere_work(struct request *r)
{
    struct elsewhere_request *q = (struct elsewhere_request *)r;
    struct executor *x = q->x;
    struct error e;
    struct bytes *instances = arena_array(&q->memory, q->count, sizeof *instances);
    for (size_t i = 0; i < q->count; i++)
        instances[i] = q->known[i].instance;
    request_result(r,
        ledger_find(&x->ledger, q->ids, q->count, &q->memory, &q->runs, &e) &&
            ledger_leases(&x->ledger, instances, q->count, &q->memory, q->leases, &e),
        &e);
    if (!r->ok)
        return;
    end_still_leases(q);
    for (size_t i = 0; i < q->count; i++) {
        const struct run *run = run_of(q, &q->ids[i]);
        bool there = run && run->state == RUN_RUNNING && run->attempt == q->known[i].attempt &&
                     bytes_equal(run->instance, q->known[i].instance);
        bool gone = q->leases[i].over || !q->leases[i].exists;
        bool fail;
        if (!there || !gone || bytes_equal_text(run->instance, x->instance) || !decide_lost(q, run, &fail))
            continue;
        if (fail) {
            q->fails[q->fail_count++] = run;
            continue;
        }
        q->requeued[q->requeue_count] = run;
        q->requeues[q->requeue_count++] =
            (struct ledger_requeue){run->id, run->attempt, run->instance, true, false};
    }
    if (q->requeue_count)
        request_result(r, ledger_requeue(&x->ledger, q->requeues, q->requeue_count, &e), &e);
}

static bool event_of_lost(struct executor *x, const struct run *run, enum job_phase phase, const char *reason,
    struct arena *a, struct bytes *out)
{
    struct job job;
    struct error e;
    struct buf encoded;
    if (codec_decode(x->world->codec, &shape_planned, run->payload, false, a, &job, &e) != CODEC_OK) {
        log_error("payload_unreadable", "error=%s", log_quote(bytes_of(e.text)));
        return false;
    }
    struct report rep = {&job, run->group, run->instance, run->attempt, run->queued_at, run->started_at};
    struct event ev = report_event(&rep, phase, clock_utc_ms());
    struct job_error error = report_error("lost", bytes_of(reason));
    ev.reason = bytes_of(reason);
    if (phase == PHASE_FAILED)
        ev.error = &error;
    buf_init(&encoded);
    report_encode(x->world->codec, &ev, &encoded);
    *out = arena_copy(a, buf_bytes(&encoded));
    buf_release(&encoded);
    return true;
}

static void tell_lost(struct executor *x, const struct run *run, struct arena *a)
{
    struct bytes event;
    metric_add(&executor_metrics[M_TAKEOVERS], 1);
    if (!event_of_lost(x, run, PHASE_LOST, "its executor is gone; it starts again", a, &event))
        return;
    struct publication *p = publication_new(x, "", false);
    publication_add(p, run->group, &run->id, event);
    publication_close(p);
}

static void fail_lost(struct executor *x, const struct run *run)
{
    struct ending end = {
        .finish = {.id = run->id, .attempt = run->attempt, .from = RUN_RUNNING}, .counts = M_FAILED};
    arena_init(&end.memory);
    if (!event_of_lost(x, run, PHASE_FAILED, "its executor is gone, and it must not start again", &end.memory,
            &end.finish.event)) {
        arena_release(&end.memory);
        return;
    }
    end.finish.instance = arena_copy(&end.memory, run->instance);
    end.finish.group = arena_copy(&end.memory, run->group);
    finish_add(x, &end);
}

static void elsewhere_done(struct request *r)
{
    struct elsewhere_request *q = (struct elsewhere_request *)r;
    struct executor *x = q->x;
    x->elsewhere_busy = false;
    for (size_t i = 0; r->ok && i < q->count; i++) {
        const struct run *run = run_of(q, &q->ids[i]);
        bool there = run && run->state == RUN_RUNNING && run->attempt == q->known[i].attempt &&
                     bytes_equal(run->instance, q->known[i].instance);
        if (!there)
            scheduler_look(x->scheduler, q->known[i].group);
        else if (bytes_equal_text(run->instance, x->instance) && !scheduler_find(x->scheduler, &run->id))
            requeue_add(x, &run->id, run->attempt);
    }
    for (size_t i = 0; r->ok && i < q->requeue_count; i++) {
        if (q->requeues[i].done)
            tell_lost(x, q->requeued[i], &q->memory);
        scheduler_look(x->scheduler, q->requeued[i]->group);
    }
    for (size_t i = 0; r->ok && i < q->fail_count; i++)
        fail_lost(x, q->fails[i]);
    arena_release(&q->memory);
    free(q);
}

void elsewhere_pump(struct executor *x)
{
    struct elsewhere item;
    size_t cursor = 0, n = scheduler_figures(x->scheduler).elsewhere;
    if (x->elsewhere_busy || x->draining || n == 0)
        return;
    struct elsewhere_request *q = calloc(1, sizeof *q);
    if (!q)
        log_fatal("out_of_memory", "what=elsewhere");
    q->request = (struct request){.work = elsewhere_work, .done = elsewhere_done};
    q->x = x;
    arena_init(&q->memory);
    q->known = arena_array(&q->memory, n, sizeof *q->known);
    q->ids = arena_array(&q->memory, n, sizeof *q->ids);
    q->leases = arena_array(&q->memory, n, sizeof *q->leases);
    q->requeues = arena_array(&q->memory, n, sizeof *q->requeues);
    q->requeued = arena_array(&q->memory, n, sizeof(struct run *));
    q->fails = arena_array(&q->memory, n, sizeof(struct run *));
    while (q->count < n && scheduler_next_elsewhere(x->scheduler, &cursor, &item)) {
        item.instance = arena_copy(&q->memory, item.instance);
        item.group = arena_copy(&q->memory, item.group);
        q->ids[q->count] = item.id;
        q->known[q->count++] = item;
    }
    x->elsewhere_busy = true;
    clerk_ask(x->house_clerk, &q->request);
}

/* ---- back to the queue: ours ---- */

void requeue_add(struct executor *x, const struct uuid *id, int64_t attempt)
{
    for (size_t i = 0; i < x->requeues.count; i++)
        if (memcmp(&x->requeues.items[i].id, id, sizeof *id) == 0)
            return;
    if (x->requeues.count == x->requeues.cap) {
        size_t cap = x->requeues.cap ? x->requeues.cap * 2 : 16;
        struct ledger_requeue *more = realloc(x->requeues.items, cap * sizeof *more);
        if (!more)
            log_fatal("out_of_memory", "what=requeue");
        x->requeues.items = more;
        x->requeues.cap = cap;
    }
    x->requeues.items[x->requeues.count++] =
        (struct ledger_requeue){*id, attempt, bytes_of(x->instance), false, false};
}

struct requeue_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct ledger_requeue *items;
    size_t count;
    struct runs runs; /* for the events of those that were launched */
};

static void requeue_work(struct request *r)
{
    struct requeue_request *q = (struct requeue_request *)r;
    struct error e;
    struct uuid *ids = arena_array(&q->memory, q->count, sizeof *ids);
    for (size_t i = 0; i < q->count; i++)
        ids[i] = q->items[i].id;
    request_result(r,
        ledger_requeue(&q->x->ledger, q->items, q->count, &e) &&
            ledger_find(&q->x->ledger, ids, q->count, &q->memory, &q->runs, &e),
        &e);
}

static void tell_given_back(struct executor *x, const struct running *r)
{
    struct report rep = {&r->job, r->group, bytes_of(x->instance), r->attempt, r->queued_at, r->started_at};
    struct event ev = report_event(&rep, PHASE_RETRYING, clock_utc_ms());
    struct buf out;
    ev.reason = BYTES("its executor was stopped; it starts again, uncharged");
    buf_init(&out);
    report_encode(x->world->codec, &ev, &out);
    struct publication *p = publication_new(x, "", false);
    publication_add(p, r->group, &r->id, buf_bytes(&out));
    publication_close(p);
    buf_release(&out);
}

static void requeue_done(struct request *request)
{
    struct requeue_request *q = (struct requeue_request *)request;
    struct executor *x = q->x;
    x->requeue_busy = false;
    for (size_t i = 0; request->ok && i < q->count; i++) {
        const struct ledger_requeue *item = &q->items[i];
        struct task *t = scheduler_find(x->scheduler, &item->id);
        metric_add(&executor_metrics[M_REQUEUED], item->done ? 1 : 0);
        if (t && t->attempt == item->attempt) {
            struct running *r = t->run;
            if (r && item->done)
                tell_given_back(x, r);
            scheduler_ended(x->scheduler, t, false);
            if (r)
                running_free(r);
        }
        for (size_t k = 0; k < q->runs.count; k++)
            if (memcmp(&q->runs.items[k].id, &item->id, sizeof item->id) == 0)
                scheduler_look(x->scheduler, q->runs.items[k].group);
    }
    arena_release(&q->memory);
    free(q->items);
    free(q);
}

void requeue_pump(struct executor *x)
{
    if (x->requeue_busy || x->requeues.count == 0)
        return;
    struct requeue_request *q = calloc(1, sizeof *q);
    if (!q)
        log_fatal("out_of_memory", "what=requeue");
    q->request = (struct request){.work = requeue_work, .done = requeue_done};
    q->x = x;
    arena_init(&q->memory);
    q->items = x->requeues.items;
    q->count = x->requeues.count;
    x->requeues.items = NULL;
    x->requeues.count = x->requeues.cap = 0;
    x->requeue_busy = true;
    clerk_ask(x->house_clerk, &q->request);
}

void elsewhere_reconcile(struct executor *x, const struct runs *mine)
{
    for (size_t i = 0; i < mine->count; i++)
        if (!scheduler_find(x->scheduler, &mine->items[i].id)) {
            log_warn("forgotten_start", "group=%.*s attempt=%lld", BYTES_ARG(mine->items[i].group),
                (long long)mine->items[i].attempt);
            requeue_add(x, &mine->items[i].id, mine->items[i].attempt);
        }
}
