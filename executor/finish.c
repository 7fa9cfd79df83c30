/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish: ends, in this order and no other: the outcome with its events (unsent) -> the runs are closed by it -> the events are sent ->
 * all are delivered -> unsent is cleared. A place in a group and a slot are free once the runs are closed.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/running.h"

#define BATCH_ENDS 1000
#define BATCH_BYTES (4 * 1024 * 1024)
#define RESEND_AFTER_MS 10000
#define RESEND_BATCH 50

/* ---- publications ---- */

struct publication {
    struct executor *x;
    char outcome[UUID_TEXT_LEN + 1];
    bool settle;
    bool open; /* more may be added */
    size_t pending;
};

struct publication *publication_new(struct executor *x, const char *outcome, bool settle)
{
    struct publication *p = calloc(1, sizeof *p);
    if (!p)
        log_fatal("out_of_memory", "what=publication");
    p->x = x;
    memcpy(p->outcome, outcome, strlen(outcome) + 1);
    p->settle = settle;
    p->open = true;
    x->publications++;
    return p;
}

static void settle_later(struct executor *x, const char *outcome)
{
    if (x->settle.count == x->settle.cap) {
        size_t cap = x->settle.cap ? x->settle.cap * 2 : 64;
        void *more = realloc(x->settle.items, cap * sizeof *x->settle.items);
        if (!more)
            log_fatal("out_of_memory", "what=settle");
        x->settle.items = more;
        x->settle.cap = cap;
    }
    memcpy(x->settle.items[x->settle.count++], outcome, UUID_TEXT_LEN + 1);
}

static void publication_maybe_done(struct publication *p)
{
    if (p->open || p->pending > 0)
        return;
    if (p->settle)
        settle_later(p->x, p->outcome);
    p->x->publications--;
    free(p);
}

/* The outcome stays unsent, so it will be sent again: by us or by another executor of the pool. */
static void event_failed(struct publication *p, const struct error *failure)
{
    log_error("event_undelivered", "outcome=%s error=%s", p->outcome, log_quote(bytes_of(failure->text)));
    p->settle = false;
}

static void event_delivered(void *self, const struct error *failure)
{
    struct publication *p = self;
    if (failure)
        event_failed(p, failure);
    p->pending--;
    publication_maybe_done(p);
}

void publication_add(struct publication *p, struct bytes group, const struct uuid *job, struct bytes event)
{
    char id[UUID_TEXT_LEN + 1];
    struct error e;
    uuid_format(job, id);
    struct bus_header header = {BYTES("job"), {id, UUID_TEXT_LEN}};
    struct bus_message m = {"jobs.events", -1, group, event, &header, 1};
    p->pending++;
    if (!producer_send(p->x->world->producer, &m, event_delivered, p, &e)) {
        event_failed(p, &e);
        p->pending--; /* not by event_delivered: the caller still holds p */
    }
}

void publication_close(struct publication *p)
{
    p->open = false;
    publication_maybe_done(p);
}

/* ---- ends ---- */

void finish_add(struct executor *x, const struct ending *e)
{
    struct ending *copy = malloc(sizeof *copy);
    if (!copy)
        log_fatal("out_of_memory", "what=ending");
    *copy = *e;
    STAILQ_INSERT_TAIL(&x->ends, copy, entry);
    x->ends_under_way++;
}

struct finish_request {
    struct request request;
    struct executor *x;
    struct ending **ends;
    struct ledger_finish *items;
    size_t count;
    int64_t now;
    char outcome[UUID_TEXT_LEN + 1];
};

static void finish_work(struct request *r)
{
    struct finish_request *f = (struct finish_request *)r;
    struct error e;
    request_result(r, ledger_finish(&f->x->ledger, f->items, f->count, f->now, f->outcome, &e), &e);
}

static void end_acknowledged(
    struct executor *x, struct ending *end, const struct ledger_finish *f, struct publication *p)
{
    if (f->closed) {
        metric_add(&executor_metrics[end->counts], 1);
        publication_add(p, f->group, &f->id, f->event);
    } else {
        metric_add(&executor_metrics[M_DISCARDED], 1);
        log_warn("end_discarded", "group=%.*s attempt=%lld reason=closed_by_another", BYTES_ARG(f->group),
            (long long)f->attempt);
    }
    if (end->task)
        scheduler_ended(x->scheduler, end->task, f->closed);
    else
        scheduler_look(x->scheduler, f->group);
    if (end->running)
        running_free(end->running);
    arena_release(&end->memory);
    free(end);
    x->ends_under_way--;
}

static void finish_done(struct request *r)
{
    struct finish_request *f = (struct finish_request *)r;
    struct executor *x = f->x;
    x->finish_busy = false;
    if (r->ok) {
        struct publication *p = publication_new(x, f->outcome, true);
        for (size_t i = 0; i < f->count; i++)
            end_acknowledged(x, f->ends[i], &f->items[i], p);
        publication_close(p);
    }
    free(f->items);
    free((void *)f->ends);
    free(f);
}

void finish_pump(struct executor *x)
{
    if (x->finish_busy || STAILQ_EMPTY(&x->ends))
        return;
    struct finish_request *f = calloc(1, sizeof *f);
    size_t n = 0, bytes = 0;
    struct ending *end;
    STAILQ_FOREACH (end, &x->ends, entry) {
        if (n == BATCH_ENDS || (n > 0 && bytes + end->finish.event.len > BATCH_BYTES))
            break;
        bytes += end->finish.event.len;
        n++;
    }
    if (f) {
        f->ends = calloc(n, sizeof(struct ending *));
        f->items = calloc(n, sizeof *f->items);
    }
    if (!f || !f->ends || !f->items)
        log_fatal("out_of_memory", "what=finish");
    for (; f->count < n; f->count++) {
        end = STAILQ_FIRST(&x->ends);
        STAILQ_REMOVE_HEAD(&x->ends, entry);
        f->ends[f->count] = end;
        f->items[f->count] = end->finish;
    }
    f->request = (struct request){.work = finish_work, .done = finish_done};
    f->x = x;
    f->now = clock_utc_ms();
    x->finish_busy = true;
    clerk_ask(x->finish_clerk, &f->request);
}

/* ---- settling ---- */

struct settle_request {
    struct request request;
    struct executor *x;
    char (*outcomes)[UUID_TEXT_LEN + 1];
    size_t count;
    int64_t now;
};

static void settle_work(struct request *r)
{
    struct settle_request *s = (struct settle_request *)r;
    struct error e;
    request_result(r,
        ledger_settle(&s->x->ledger, (const char(*)[UUID_TEXT_LEN + 1]) s->outcomes, s->count, s->now, &e),
        &e);
}

static void settle_done(struct request *r)
{
    struct settle_request *s = (struct settle_request *)r;
    s->x->settle_busy = false;
    free(s->outcomes);
    free(s);
}

void finish_settle(struct executor *x)
{
    if (x->settle_busy || x->settle.count == 0)
        return;
    struct settle_request *s = calloc(1, sizeof *s);
    if (!s)
        log_fatal("out_of_memory", "what=settle");
    *s = (struct settle_request){
        {.work = settle_work, .done = settle_done}, x, x->settle.items, x->settle.count, clock_utc_ms()};
    x->settle.items = NULL;
    x->settle.count = x->settle.cap = 0;
    x->settle_busy = true;
    clerk_ask(x->house_clerk, &s->request);
}

/* ---- outcomes that stayed unsent: their executor died, or Kafka did not answer it ---- */

struct unsent_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct ledger_unsent *items;
    size_t count;
    int64_t older_than;
};

static void unsent_work(struct request *r)
{
    struct unsent_request *u = (struct unsent_request *)r;
    struct error e;
    request_result(r,
        ledger_unsent(&u->x->ledger, u->older_than, RESEND_BATCH, &u->memory, &u->items, &u->count, &e), &e);
}

static void unsent_done(struct request *r)
{
    struct unsent_request *u = (struct unsent_request *)r;
    u->x->unsent_busy = false;
    for (size_t i = 0; r->ok && i < u->count; i++) {
        const struct ledger_unsent *o = &u->items[i];
        log_info("outcome_resent", "outcome=%s events=%zu settled=%d", o->outcome, o->count, o->settled);
        struct publication *p = publication_new(u->x, o->outcome, o->settled);
        for (size_t k = 0; k < o->count; k++)
            publication_add(p, o->items[k].group, &o->items[k].id, o->items[k].event);
        publication_close(p);
    }
    arena_release(&u->memory);
    free(u);
}

void finish_unsent(struct executor *x)
{
    if (x->unsent_busy)
        return;
    struct unsent_request *u = calloc(1, sizeof *u);
    if (!u)
        log_fatal("out_of_memory", "what=unsent");
    u->request = (struct request){.work = unsent_work, .done = unsent_done};
    u->x = x;
    u->older_than = clock_utc_ms() - RESEND_AFTER_MS;
    arena_init(&u->memory);
    x->unsent_busy = true;
    clerk_ask(x->house_clerk, &u->request);
}
