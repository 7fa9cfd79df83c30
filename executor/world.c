/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: what the rules ask of the world (struct rules_world), made of clerks, engines, Kafka and the clock; and what the executor
 * itself asks of a clerk: limits, neighbours.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/announce.h"
#include "executor/cached.h"
#include "executor/lock.h"
#include "executor/outgoing.h"
#include "executor/perform.h"
#include "executor/records.h"

static struct moment world_now(void *self)
{
    (void)self;
    return (struct moment){clock_boot_ms(), clock_utc_ms()};
}

static uint64_t world_random(void *self)
{
    uint64_t n;
    (void)self;
    MUST(getrandom(&n, sizeof n, 0) == (ssize_t)sizeof n);
    return n;
}

/* ---- asks ---- */

struct ask_request {
    struct request request;
    struct executor *x;
    struct ask *ask;
};

static void ask_work(struct request *r)
{
    const struct ask_request *q = (struct ask_request *)r;
    perform(&q->x->ledger, q->ask);
}

static void ask_done(struct request *r)
{
    struct ask_request *q = (struct ask_request *)r;
    rules_answered(q->x->rules, q->ask);
    free(q);
}

static void world_ask(void *self, struct ask *a)
{
    struct executor *x = self;
    if (!x->clerks[a->lane]) /* the process ends: nobody answers any more */
        return;
    struct ask_request *q = calloc(1, sizeof *q);
    if (!q)
        log_fatal("out_of_memory", "what=ask");
    *q = (struct ask_request){{.work = ask_work, .done = ask_done}, x, a};
    clerk_ask(x->clerks[a->lane], &q->request);
}

/* ---- events and records out ---- */

static void world_taken(void *self, struct rules_batch *b, bool ok)
{
    struct executor *x = self;
    records_taken(x->records, b, ok);
}

struct sent {
    struct executor *x;
    struct publication *publication;
};

static void sent_delivered(void *self, const struct error *failure)
{
    struct sent *s = self;
    if (failure)
        log_error("event_undelivered", "code=%s error=%s", failure->code, log_quote(bytes_of(failure->text)));
    rules_delivered(s->x->rules, s->publication, failure == NULL);
    free(s);
}

static void world_send(
    void *self, struct bytes group, const struct uuid *job, struct bytes event, struct publication *p)
{
    struct sent *s = malloc(sizeof *s);
    if (!s)
        log_fatal("out_of_memory", "what=sent");
    *s = (struct sent){self, p};
    announce_send(s->x, group, job, event, sent_delivered, s);
}

/* Done again until it worked: so not at all while Kafka is away, else repeats would gather. */
static void world_due(void *self, const struct run *run)
{
    struct executor *x = self;
    char id[UUID_TEXT_LEN + 1];
    if (outgoing_is_full(x->outgoing) || producer_is_away(x->world->producer))
        return;
    uuid_format(&run->id, id);
    struct bus_header headers[] = {
        {BYTES("job"), {id, UUID_TEXT_LEN}}, {BYTES(RECORDS_DUE_HEADER), BYTES("1")}};
    struct bus_message m = {x->planned_topic, -1, run->group, run->payload, headers, 2};
    outgoing_send(x->outgoing, &m, NULL, NULL);
}

/* ---- payloads ---- */

static bool world_on_lost(void *self, struct bytes payload, bool *fails)
{
    struct executor *x = self;
    struct arena a;
    struct job job;
    struct error e;
    arena_init(&a);
    enum codec_verdict v = codec_decode(x->world->codec, &shape_planned, payload, false, &a, &job, &e);
    *fails = v == CODEC_OK && job.retry.on_lost == ON_LOST_FAIL;
    if (v != CODEC_OK)
        log_warn("payload_unreadable", "code=%s error=%s", e.code, log_quote(bytes_of(e.text)));
    arena_release(&a);
    return v != CODEC_RETRY;
}

struct payload {
    struct executor *x;
    size_t len;
    char data[];
};

static void *world_keep(void *self, struct bytes payload)
{
    struct executor *x = self;
    if (x->payload_bytes + (int64_t)payload.len > x->settings->payload_cache_bytes)
        return NULL;
    struct payload *p = malloc(sizeof *p + payload.len);
    if (!p)
        log_fatal("out_of_memory", "what=payload");
    p->x = x;
    p->len = payload.len;
    memcpy(p->data, payload.data, payload.len);
    x->payload_bytes += (int64_t)payload.len;
    return p;
}

static struct bytes world_kept(const void *payload)
{
    const struct payload *p = payload;
    return (struct bytes){p->data, p->len};
}

static void world_drop(void *payload)
{
    struct payload *p = payload;
    if (!p)
        return;
    p->x->payload_bytes -= (int64_t)p->len;
    free(p);
}

/* ---- jobs ---- */

static void world_launch(void *self, struct task *t, const struct launch *l)
{
    running_launch(self, t, l);
}

static void world_stop(void *self, struct task *t, const struct order_seen *o)
{
    (void)self;
    if (t->run)
        running_cancel(t->run, o);
}

static void world_node_kept(void *self, struct task *t, bool still_ours)
{
    (void)self;
    if (t->run)
        running_node_kept(t->run, still_ours);
}

static void world_gone(void *self, struct task *t, bool closed)
{
    (void)self;
    if (t->run && closed)
        cached_keep(t->run);
    if (t->run)
        running_free(t->run);
    t->run = NULL;
}

/* ---- the end ---- */

static void world_kill_all(void *self)
{
    struct executor *x = self;
    if (!x->killing) {
        x->killing = true;
        x->killed_at = clock_boot_ms();
    }
    engines_kill_all(x->engines);
    running_kill_all(x);
}

static void world_lease(void *self, int64_t until_boot_ms)
{
    struct executor *x = self;
    engines_lease(x->engines, until_boot_ms);
}

static void world_die(void *self, const char *reason)
{
    const struct executor *x = self;
    records_take_back(x->records);
    log_fatal("lease_over", "instance=%s reason=%s", x->instance, reason);
}

const struct rules_world executor_world = {
    .now = world_now,
    .random = world_random,
    .ask = world_ask,
    .taken = world_taken,
    .event = announce_event,
    .send = world_send,
    .due = world_due,
    .on_lost = world_on_lost,
    .keep = world_keep,
    .kept = world_kept,
    .drop = world_drop,
    .launch = world_launch,
    .stop = world_stop,
    .node_kept = world_node_kept,
    .gone = world_gone,
    .kill_all = world_kill_all,
    .lease = world_lease,
    .die = world_die,
};

/* ---- limits ---- */

struct limits_request {
    struct request request;
    struct executor *x;
    struct limits *read; /* NULL: the store did not answer */
};

static void limits_work(struct request *r)
{
    struct limits_request *q = (struct limits_request *)r;
    struct error e;
    q->read = limits_load(q->x->ledger.store, LIMITS_EVERY_MS, &e);
}

static void limits_done(struct request *r)
{
    struct limits_request *q = (struct limits_request *)r;
    struct executor *x = q->x;
    x->limits_busy = false;
    if (q->read && rules_limits(x->rules, q->read)) {
        limits_free(x->limits);
        x->limits = q->read;
        q->read = NULL;
    }
    limits_free(q->read);
    free(q);
}

void world_refresh_limits(struct executor *x, int64_t now_boot)
{
    if (x->limits_busy || now_boot < x->limits_at)
        return;
    struct limits_request *q = calloc(1, sizeof *q);
    if (!q)
        log_fatal("out_of_memory", "what=limits");
    *q = (struct limits_request){{.work = limits_work, .done = limits_done}, x, NULL};
    x->limits_busy = true;
    x->limits_at = now_boot + LIMITS_EVERY_MS;
    clerk_ask(x->clerks[LANE_HOUSE], &q->request);
}

/* ---- neighbours ---- */

struct bury_request {
    struct request request;
    struct executor *x;
};

static void bury_work(struct request *r)
{
    struct bury_request *b = (struct bury_request *)r;
    struct error e;
    (void)neighbours_bury(b->x->neighbours, &b->x->ledger, clock_utc_ms(), &e);
}

static void bury_done(struct request *r)
{
    ((struct bury_request *)r)->x->bury_busy = false;
    free(r);
}

void world_bury(struct executor *x)
{
    if (x->bury_busy || !neighbours_any(x->neighbours))
        return;
    struct bury_request *b = calloc(1, sizeof *b);
    if (!b)
        log_fatal("out_of_memory", "what=bury");
    *b = (struct bury_request){{.work = bury_work, .done = bury_done}, x};
    x->bury_busy = true;
    clerk_ask(x->burier,
        &b->request); /* it may wait for Kafka, for names, for what does not die: nobody waits with it */
}
