/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake: see intake.h; what is done with a batch: intake_batch.c. Three threads meet here: those that take tickets, the one
 * that writes stubs and produces, and the one that polls the producer (delivery reports, late ones). A submission belongs to whoever
 * is to settle it next; once it is settled its request may be answered and its memory gone, so nobody touches it after that.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "ingest/intake_private.h"
#include "ingest/meters.h"
#include "ingest/stub.h"

enum {
    BATCH_MOST = 1000,   /* submissions of one bulk insert */
    WAITING_MOST = 50000 /* more are refused: the store is slower than the clients */
};
#define BATCH_BYTES (8LL * 1024 * 1024)

const struct refusal intake_unknown = {.status = 503,
    .code = "unknown_outcome",
    .detail = DETAIL("the job is stored and will run, but Kafka has not confirmed it yet: ask for its "
                     "job_id, or repeat with the same idempotency key")};
const struct refusal intake_busy = {.status = 503,
    .code = "busy",
    .detail = DETAIL("too many submissions wait already, or the server is starting or stopping; nothing was "
                     "accepted, try again")};

/* ---- settling ---- */

static const struct refusal *refusal_of(const struct submission *s)
{
    return s->end == SUBMISSION_REFUSED ? s->refusal : NULL;
}

static void settle(struct intake *in, struct submission *s)
{
    struct ticket *t = s->ticket;
    meters_submission(s->end, refusal_of(s));
    pthread_mutex_lock(&in->lock);
    in->open--;
    bool last = --t->open == 0;
    pthread_mutex_unlock(&in->lock);
    if (last)
        t->done(t);
}

void intake_accept(struct intake *in, struct submission *s, enum submission_end end, struct bytes state)
{
    s->end = end;
    s->state = state;
    settle(in, s);
}

void intake_refuse(struct intake *in, struct submission *s, const struct refusal *why, bool named)
{
    s->end = SUBMISSION_REFUSED;
    s->refusal = why;
    s->named = named;
    settle(in, s);
}

/* ---- producing ---- */

static void release(struct intake *in)
{
    arena_release(&in->arena);
    pthread_mutex_destroy(&in->lock);
    pthread_cond_destroy(&in->more);
    free(in);
}

/* A delivery report, in the thread that polls the producer; late ones also while the producer is closed. */
static void delivered(void *self, const struct error *failure)
{
    struct flight *f = self;
    struct intake *in = f->in;
    pthread_mutex_lock(&in->lock);
    struct submission *s = f->submission;
    TAILQ_REMOVE(s ? &in->flights : &in->late, f, link);
    pthread_mutex_unlock(&in->lock);
    if (failure)
        log_error("not_produced", "job=%s code=%s reason=%s", s ? s->id_text : "late", failure->code,
            log_quote(bytes_of(failure->text)));
    if (s && failure)
        intake_refuse(in, s, &intake_unknown, true);
    else if (s)
        intake_accept(in, s, f->end, f->state);
    free(f);
    pthread_mutex_lock(&in->lock);
    bool last = in->closed && TAILQ_EMPTY(&in->late);
    pthread_mutex_unlock(&in->lock);
    if (last)
        release(in);
}

void intake_produce(struct intake *in, struct submission *s, struct bytes framed, struct bytes trace,
    enum submission_end end, struct bytes state)
{
    struct error e;
    struct bus_header headers[2];
    struct bus_message m = {
        .topic = "jobs.submitted", .partition = -1, .key = s->group, .value = framed, .headers = headers};
    m.header_count = stub_headers(bytes_of(s->id_text), trace, headers);
    struct flight *f = calloc(1, sizeof *f);
    if (!f)
        log_fatal("no_memory", "bytes=%zu", sizeof *f);
    *f = (struct flight){.in = in,
        .submission = s,
        .deadline = clock_boot_ms() + in->o.ack_timeout_ms,
        .end = end,
        .state = state};
    pthread_mutex_lock(&in->lock);
    TAILQ_INSERT_TAIL(&in->flights, f, link);
    pthread_mutex_unlock(&in->lock);
    error_clear(&e);
    /* Not touched after this: the report may be there before the call returns. */
    if (!producer_send(in->o.producer, &m, delivered, f, &e))
        delivered(f, &e);
}

void intake_tick(struct intake *in)
{
    int64_t now = clock_boot_ms();
    for (;;) {
        struct submission *s = NULL;
        pthread_mutex_lock(&in->lock);
        struct flight *f = TAILQ_FIRST(&in->flights);
        if (f && f->deadline <= now) {
            s = f->submission;
            f->submission = NULL;
            TAILQ_REMOVE(&in->flights, f, link);
            TAILQ_INSERT_TAIL(&in->late, f, link);
        }
        pthread_mutex_unlock(&in->lock);
        if (!s)
            return;
        log_warn("not_acknowledged", "job=%s waited_ms=%lld", s->id_text, (long long)in->o.ack_timeout_ms);
        intake_refuse(in, s, &intake_unknown, true);
    }
}

void intake_wait_again(struct intake *in, struct submission *s)
{
    pthread_mutex_lock(&in->lock);
    s->next = NULL;
    *in->last = s;
    in->last = &s->next;
    in->waiting++;
    pthread_mutex_unlock(&in->lock);
}

/* ---- the thread ---- */

/* Waits for submissions and takes up to a batch of them; 0: stopping. */
static size_t take(struct intake *in, struct submission **submissions)
{
    size_t count = 0;
    int64_t bytes = 0;
    pthread_mutex_lock(&in->lock);
    while (!in->first && !in->stopping)
        pthread_cond_wait(&in->more, &in->lock);
    while (in->first && count < BATCH_MOST && (count == 0 || bytes < BATCH_BYTES)) {
        struct submission *s = in->first;
        in->first = s->next;
        if (!in->first)
            in->last = &in->first;
        in->waiting--;
        bytes += (int64_t)s->job.code.len;
        submissions[count++] = s;
    }
    meters_waiting(in->waiting);
    pthread_mutex_unlock(&in->lock);
    return count;
}

static void *run(void *self)
{
    struct intake *in = self;
    for (;;) {
        struct submission **submissions = arena_array(&in->arena, BATCH_MOST, sizeof(struct submission *));
        size_t count = take(in, submissions);
        if (count == 0)
            return NULL;
        intake_batch(in, submissions, count);
        arena_reset(&in->arena);
    }
}

void intake_take(struct intake *in, struct ticket *t)
{
    size_t refused = 0, count = t->count;
    t->open = 1; /* held by this call, so that done is not called before all are in */
    pthread_mutex_lock(&in->lock);
    bool full = !in->admitting || in->waiting > WAITING_MOST;
    for (size_t i = 0; i < count; i++) {
        struct submission *s = &t->items[i];
        if (s->end != SUBMISSION_OPEN)
            continue;
        s->ticket = t;
        s->next = NULL;
        if (full) {
            s->end = SUBMISSION_REFUSED;
            s->refusal = &intake_busy;
            refused++;
            continue;
        }
        t->open++;
        in->open++;
        in->waiting++;
        *in->last = s;
        in->last = &s->next;
    }
    bool done = --t->open == 0;
    pthread_cond_signal(&in->more);
    pthread_mutex_unlock(&in->lock);
    for (size_t i = 0; i < refused; i++)
        meters_submission(SUBMISSION_REFUSED, &intake_busy);
    if (done)
        t->done(t);
}

size_t intake_open_count(struct intake *in)
{
    pthread_mutex_lock(&in->lock);
    size_t open = in->open;
    pthread_mutex_unlock(&in->lock);
    return open;
}

void intake_admit(struct intake *in, bool admit)
{
    pthread_mutex_lock(&in->lock);
    in->admitting = admit;
    pthread_mutex_unlock(&in->lock);
}

struct intake *intake_open(const struct intake_options *o, struct error *e)
{
    struct intake *in = calloc(1, sizeof *in);
    if (!in)
        log_fatal("no_memory", "bytes=%zu", sizeof *in);
    in->o = *o;
    in->last = &in->first;
    TAILQ_INIT(&in->flights);
    TAILQ_INIT(&in->late);
    arena_init(&in->arena);
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->more, NULL);
    int failed = pthread_create(&in->thread, NULL, run, in);
    if (!failed)
        return in;
    error_set(e, "no_thread", "can't start the intake thread: %s", strerror(failed));
    release(in);
    return NULL;
}

void intake_close(struct intake *in)
{
    if (!in)
        return;
    pthread_mutex_lock(&in->lock);
    in->admitting = false;
    in->stopping = true;
    pthread_cond_signal(&in->more);
    pthread_mutex_unlock(&in->lock);
    pthread_join(in->thread, NULL);
    for (struct flight *f = TAILQ_FIRST(&in->flights); f; f = TAILQ_FIRST(&in->flights)) {
        f->deadline = 0;
        intake_tick(in);
    }
    /* Records that Kafka has not confirmed are still the producer's, and their reports come here: the last one
     * releases. */
    pthread_mutex_lock(&in->lock);
    in->closed = true;
    bool empty = TAILQ_EMPTY(&in->late);
    pthread_mutex_unlock(&in->lock);
    if (empty)
        release(in);
}
