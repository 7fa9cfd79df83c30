/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: from queued to running, in this order: compare-and-set -> cancels are looked up -> the own lease is checked -> launch. So a
 * cancel that was acknowledged before is always seen, and an executor whose lease is over launches nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/executor.h"
#include "executor/lease.h"

#define BATCH_STARTS 256

struct start_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct task **tasks;
    struct ledger_start *items;
    size_t count;
    int64_t now;
};

static void start_work(struct request *r)
{
    struct start_request *s = (struct start_request *)r;
    struct error e;
    request_result(r, ledger_start(&s->x->ledger, s->items, s->count, s->now, &s->memory, &e), &e);
}

void start_launch(struct executor *x, struct task *t, struct bytes payload,
    const struct ledger_cancel *cancel, int64_t started_at)
{
    if (!payload.data) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(&t->id, id);
        log_fatal("payload_missing", "job=%s", id);
    }
    const struct ledger_cancel *order = cancel->found ? cancel : cancel_order(t);
    if (x->draining && !order)
        requeue_add(x, &t->id, t->attempt);
    else if (!lease_is_valid(x->lease))
        log_fatal("lease_over", "instance=%s", x->instance);
    else
        running_launch(x, t, payload, order, started_at);
}

static void start_done(struct request *r)
{
    struct start_request *s = (struct start_request *)r;
    struct executor *x = s->x;
    x->start_busy = false;
    for (size_t i = 0; r->ok && i < s->count; i++) {
        struct task *t = s->tasks[i];
        if (!s->items[i].won) {
            scheduler_start_lost(x->scheduler, t);
            continue;
        }
        scheduler_start_won(x->scheduler, t);
        void *kept = t->payload;
        t->payload = NULL;
        start_launch(x, t, kept ? payload_bytes(kept) : s->items[i].payload, &s->items[i].cancel, s->now);
        if (kept)
            payload_drop(kept);
    }
    arena_release(&s->memory);
    free(s);
}

void start_pump(struct executor *x)
{
    struct task *t;
    if (x->start_busy || x->draining || !(t = scheduler_next_start(x->scheduler)))
        return;
    struct start_request *s = calloc(1, sizeof *s);
    if (!s)
        log_fatal("out_of_memory", "what=start");
    s->request = (struct request){.work = start_work, .done = start_done};
    s->x = x;
    s->now = clock_utc_ms();
    arena_init(&s->memory);
    s->tasks = arena_array(&s->memory, BATCH_STARTS, sizeof(struct task *));
    s->items = arena_array(&s->memory, BATCH_STARTS, sizeof *s->items);
    for (; t; t = s->count < BATCH_STARTS ? scheduler_next_start(x->scheduler) : NULL) {
        s->tasks[s->count] = t;
        s->items[s->count++] =
            (struct ledger_start){.id = t->id, .attempt = t->attempt - 1, .want_payload = t->payload == NULL};
    }
    x->start_busy = true;
    clerk_ask(x->start_clerk, &s->request);
}
