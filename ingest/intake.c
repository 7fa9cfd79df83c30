/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake: see intake.h. Three threads meet here: those that take tickets, the one that writes stubs and
 * produces, and the one that polls the producer (delivery reports, late ones). A submission belongs to
 * whoever is to settle it next; once it is settled its request may be answered and its memory gone, so nobody
 * touches it after that.
 */
#include "ingest/intake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "ingest/admit.h"
#include "ingest/meters.h"
#include "ingest/stub.h"

enum {
    BATCH_MOST = 1000,    /* submissions of one bulk insert */
    WAITING_MOST = 50000, /* more are refused: the store is slower than the clients */
    LOOKS_MOST = 3,       /* at an id that was taken and yet not there */
    CLAIM_LOOKS = 5,      /* at a stub that another judges, before it is taken over */
    TRIES_MOST = 20       /* in all */
};
#define BATCH_BYTES (8LL * 1024 * 1024)

/* BYTES is no constant expression. */
#define DETAIL(text)                                                                                         \
    {                                                                                                        \
        (text), sizeof(text) - 1                                                                             \
    }

static const struct refusal refused_kafka = {.status = 503,
    .code = "kafka_away",
    .detail = DETAIL("Kafka does not answer; nothing was accepted, try again")};
static const struct refusal refused_registry = {.status = 503,
    .code = "registry_away",
    .detail = DETAIL("the schema registry does not answer; nothing was accepted, try again")};
static const struct refusal refused_store = {.status = 503,
    .code = "store_away",
    .detail = DETAIL("the document store did not answer; if it took the job all the same, it will run: ask "
                     "for its job_id, or repeat with the same idempotency key")};
static const struct refusal refused_limits = {.status = 503,
    .code = "store_away",
    .detail = DETAIL("the document store has not told the limits yet; nothing was accepted, try again")};
#define FULL(whose)                                                                                          \
    {                                                                                                        \
        .status = 429, .code = "too_many_queued",                                                            \
        .detail = DETAIL("as many jobs of " whose " wait as max_queued allows; nothing was accepted, try "   \
                         "again later")                                                                      \
    }
static const struct refusal refused_full_group = FULL("this group"),
                            refused_full_creator = FULL("this creator"),
                            refused_full_all = FULL("this installation");
static const struct refusal refused_unknown = {.status = 503,
    .code = "unknown_outcome",
    .detail = DETAIL("the job is stored and will run, but Kafka has not confirmed it yet: ask for its "
                     "job_id, or repeat with the same idempotency key")};
static const struct refusal refused_conflict = {.status = 409,
    .code = "idempotency_conflict",
    .detail = DETAIL("this idempotency key was used for another job")};
static const struct refusal refused_busy = {.status = 503,
    .code = "busy",
    .detail = DETAIL("too many submissions wait already, or the server is starting or stopping; nothing was "
                     "accepted, try again")};

/* A record on its way to Kafka. It outlives its submission when the report is late. */
struct flight {
    TAILQ_ENTRY(flight) link;
    struct intake *in;
    struct submission *submission; /* NULL: given up */
    int64_t deadline;              /* boot ms */
    enum submission_end end;       /* when it is acknowledged */
    struct bytes state;
};
TAILQ_HEAD(flights, flight);

struct intake {
    struct intake_options o;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    /* under lock */
    struct submission *first, **last; /* waiting */
    size_t waiting, open;
    struct flights flights; /* by deadline */
    struct flights late;
    bool admitting, stopping, closed;
    /* the thread's */
    struct arena arena;
};

/* ---- settling ---- */

static const struct refusal *refusal_of(const struct submission *s)
{
    return s->end == SUBMISSION_REFUSED ? s->refusal : NULL;
}

/* The last word on a submission. It must not be touched afterwards. */
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

static void accept_it(struct intake *in, struct submission *s, enum submission_end end, struct bytes state)
{
    s->end = end;
    s->state = state;
    settle(in, s);
}

static void refuse(struct intake *in, struct submission *s, const struct refusal *why, bool named)
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
        refuse(in, s, &refused_unknown, true);
    else if (s)
        accept_it(in, s, f->end, f->state);
    free(f);
    pthread_mutex_lock(&in->lock);
    bool last = in->closed && TAILQ_EMPTY(&in->late);
    pthread_mutex_unlock(&in->lock);
    if (last)
        release(in);
}

static void produce(struct intake *in, struct submission *s, struct bytes framed, struct bytes trace,
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
        refuse(in, s, &refused_unknown, true);
    }
}

/* ---- a batch ---- */

struct item {
    struct submission *submission; /* NULL: settled */
    struct bytes framed;
    bson_t *doc;
    struct stub *taken; /* what already has the id */
    struct limits_effective limits;
    struct admit_item *judged; /* NULL: no limit, or not our stub */
};

struct found {
    struct arena *arena;
    struct stub *items;
    size_t count, cap;
};

static bool found_row(void *self, const bson_t *doc)
{
    struct found *found = self;
    if (found->count < found->cap)
        stub_read(doc, found->arena, &found->items[found->count++]);
    return true;
}

static void found_reset(void *self)
{
    ((struct found *)self)->count = 0;
}

/* One query for all ids that were taken. */
static bool look_up(struct intake *in, struct item *items, size_t count, const bool *taken, struct error *e)
{
    size_t ids = 0;
    bson_t filter = BSON_INITIALIZER, in_list, array;
    char index[16];
    bson_append_document_begin(&filter, "_id", -1, &in_list);
    bson_append_array_begin(&in_list, "$in", -1, &array);
    for (size_t i = 0; i < count; i++) {
        const char *key;
        if (!taken[i])
            continue;
        bson_uint32_to_string((uint32_t)ids++, &key, index, sizeof index);
        bson_append_utf8(&array, key, -1, items[i].submission->id_text, UUID_TEXT_LEN);
    }
    bson_append_array_end(&in_list, &array);
    bson_append_document_end(&filter, &in_list);
    struct found found = {&in->arena, arena_array(&in->arena, ids, sizeof(struct stub)), 0, ids};
    struct store_reader reader = {found_row, found_reset, &found};
    bson_t *opts = stub_opts(NULL);
    bool ok = store_find(in->o.store, "jobs", &filter, opts, &reader, in->o.store_patience_ms, e);
    bson_destroy(opts);
    bson_destroy(&filter);
    for (size_t i = 0; ok && i < count; i++)
        for (size_t n = 0; taken[i] && n < found.count; n++)
            if (bytes_equal_text(found.items[n].id, items[i].submission->id_text))
                items[i].taken = &found.items[n];
    return ok;
}

static struct bytes state_word(struct bytes state)
{
    enum job_state s = JOB_ACCEPTED;
    (void)job_state_parse(state, &s);
    return bytes_of(job_state_name(s));
}

static void wait_again(struct intake *in, struct submission *s)
{
    pthread_mutex_lock(&in->lock);
    s->next = NULL;
    *in->last = s;
    in->last = &s->next;
    in->waiting++;
    pthread_mutex_unlock(&in->lock);
}

static void try_again(struct intake *in, struct submission *s, int most)
{
    if (s->tries++ < most)
        wait_again(in, s);
    else
        refuse(in, s, &refused_busy, false);
}

/* A stub that is not let in yet: whoever judges it needs a moment, or died. Then it makes place for our own. */
static void settle_claimed(struct intake *in, struct item *item)
{
    struct submission *s = item->submission;
    struct error e;
    bool gone;
    error_clear(&e);
    if (s->tries < CLAIM_LOOKS ||
        admit_forget(in->o.store, s->id_text, item->taken->claim, in->o.store_patience_ms, &gone, &e))
        try_again(in, s, TRIES_MOST);
    else
        refuse(in, s, &refused_store, true);
}

/* The id was taken: by this very stub (an insert whose answer was lost), by an earlier request, or by another
 * payload. */
static void settle_taken(struct intake *in, struct item *item)
{
    struct submission *s = item->submission;
    const struct stub *stub = item->taken;
    if (!stub && s->tries++ < LOOKS_MOST)
        wait_again(in, s); /* it went between the insert and the look */
    else if (!stub)
        refuse(in, s, &refused_unknown, true);
    else if (stub->claim.data)
        settle_claimed(in, item);
    else if (!stub_is_of(stub, s))
        refuse(in, s, &refused_conflict, true);
    else if (!stub->framed.data)
        accept_it(in, s, SUBMISSION_REPLAYED, state_word(stub->state));
    else
        produce(in, s, stub->framed, stub->trace,
            bytes_equal(stub->framed, item->framed) ? SUBMISSION_ACCEPTED : SUBMISSION_REPLAYED,
            state_word(stub->state));
}

static void refuse_all(
    struct intake *in, struct item *items, size_t count, const struct refusal *why, bool named)
{
    for (size_t i = 0; i < count; i++)
        refuse(in, items[i].submission, why, named);
}

/* Encodes and builds the stubs; those that can't be are settled and left out. Returns how many are left. */
static size_t prepare(struct intake *in, struct item *items, size_t count, const char *token)
{
    int64_t now = clock_utc_ms();
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct error e;
        struct item item = {.submission = items[i].submission};
        error_clear(&e);
        item.framed = pen_encode(in->o.pen, &shape_submitted, &item.submission->job, &in->arena, &e);
        if (!item.framed.data) {
            refuse(in, item.submission, &refused_registry, false);
            continue;
        }
        if (!book_find(in->o.book, item.submission->group, &in->arena, &item.limits)) {
            refuse(in, item.submission, &refused_limits, false);
            continue;
        }
        bool limited = item.limits.queued_count > 0;
        int64_t keep_ms =
            limited && in->o.sweep_after_ms > CLAIM_KEEP_MS ? CLAIM_KEEP_MS : in->o.sweep_after_ms;
        item.doc = stub_new(item.submission, item.framed, item.submission->job.submitted_at, now + keep_ms,
            limited ? token : NULL);
        items[kept++] = item;
    }
    return kept;
}

static bool insert(struct intake *in, struct item *items, size_t count, bool *taken, struct error *e)
{
    const bson_t **docs = arena_array(&in->arena, count, sizeof *docs);
    bool any = false;
    int64_t began = clock_boot_us();
    for (size_t i = 0; i < count; i++)
        docs[i] = items[i].doc;
    bool ok = store_insert(in->o.store, "jobs", docs, count, taken, in->o.store_patience_ms, e);
    for (size_t i = 0; i < count; i++) {
        any = any || taken[i];
        bson_destroy(items[i].doc);
        items[i].doc = NULL;
    }
    meters_batch(clock_boot_us() - began);
    return ok && (!any || look_up(in, items, count, taken, e));
}

/* ---- limits ---- */

/* Is this stub ours to judge: inserted by this batch, for this submission and not for one before it with the same id? */
static bool is_ours(const struct item *items, size_t i, bool taken, const char *token)
{
    const struct stub *stub = items[i].taken;
    if (!taken)
        return true;
    if (!stub || !bytes_equal_text(stub->claim, token))
        return false;
    for (size_t n = 0; n < i; n++)
        if (strcmp(items[n].submission->id_text, items[i].submission->id_text) == 0)
            return false;
    return true; /* an insert whose answer was lost */
}

static bool judge(struct intake *in, struct item *items, size_t count, const bool *taken,
    struct admit_batch *batch, struct error *e)
{
    batch->items = arena_array(&in->arena, count, sizeof *batch->items);
    for (size_t i = 0; i < count; i++) {
        const struct limits_effective *l = &items[i].limits;
        if (l->queued_count == 0 || !is_ours(items, i, taken[i], batch->token))
            continue;
        items[i].judged = &batch->items[batch->count++];
        *items[i].judged = (struct admit_item){
            items[i].submission->id_text, l->queued, l->queued_count, ADMIT_OPEN, NULL, false};
    }
    return batch->count == 0 || admit_judge(batch, e);
}

static const struct refusal *refusal_full(struct bytes selector)
{
    if (bytes_equal_text(selector, "*"))
        return &refused_full_all;
    return selector.data[selector.len - 1] == '*' ? &refused_full_creator : &refused_full_group;
}

/* In the order of the submissions: so their records lie in Kafka. */
static void settle_written(struct intake *in, struct item *item, bool taken)
{
    struct submission *s = item->submission;
    enum admit_verdict verdict = item->judged ? item->judged->verdict : ADMIT_YES;
    if (taken && !item->judged)
        settle_taken(in, item);
    else if (verdict == ADMIT_FULL)
        refuse(in, s, refusal_full(item->judged->full->selector), false);
    else if (verdict != ADMIT_YES)
        try_again(in, s, TRIES_MOST);
    else
        produce(in, s, item->framed, s->job.trace, SUBMISSION_ACCEPTED, BYTES("accepted"));
}

static void work(struct intake *in, struct item *items, size_t count)
{
    struct error e;
    struct admit_batch batch = {
        .store = in->o.store, .patience_ms = in->o.store_patience_ms, .arena = &in->arena};
    int64_t now = clock_utc_ms();
    error_clear(&e);
    /* An accepted stub is a promise that the job will run: none is made while Kafka is known to be away. */
    if (producer_is_away(in->o.producer)) {
        refuse_all(in, items, count, &refused_kafka, false);
        return;
    }
    admit_token(&batch, now);
    batch.next_at = now + in->o.sweep_after_ms;
    count = prepare(in, items, count, batch.token);
    if (count == 0)
        return;
    bool *taken = arena_array(&in->arena, count, sizeof *taken);
    if (!insert(in, items, count, taken, &e) || !judge(in, items, count, taken, &batch, &e)) {
        log_error(
            "stubs_not_written", "count=%zu code=%s reason=%s", count, e.code, log_quote(bytes_of(e.text)));
        refuse_all(in, items, count, &refused_store, true);
        return;
    }
    for (size_t i = 0; i < count; i++)
        settle_written(in, &items[i], taken[i]);
}

/* ---- the thread ---- */

/* Waits for submissions and takes up to a batch of them; 0: stopping. */
static size_t take(struct intake *in, struct item *items)
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
        items[count++] = (struct item){.submission = s};
    }
    meters_waiting(in->waiting);
    pthread_mutex_unlock(&in->lock);
    return count;
}

static void *run(void *self)
{
    struct intake *in = self;
    for (;;) {
        struct item *items = arena_array(&in->arena, BATCH_MOST, sizeof *items);
        size_t count = take(in, items);
        if (count == 0)
            return NULL;
        work(in, items, count);
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
            s->refusal = &refused_busy;
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
        meters_submission(SUBMISSION_REFUSED, &refused_busy);
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
