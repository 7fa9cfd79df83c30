/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake_batch: a batch of submissions: encode, insert the stubs, let in (admit.h), produce; and what to do about ids that were taken.
 * Everything runs in the intake's own thread, and lives in its arena.
 */
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "ingest/admit.h"
#include "ingest/intake_private.h"
#include "ingest/meters.h"
#include "ingest/stub.h"

enum {
    LOOKS_MOST = 3,  /* at an id that was taken and yet not there */
    CLAIM_LOOKS = 5, /* at a stub that another judges, before it is taken over */
    TRIES_MOST = 20  /* in all */
};

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
static const struct refusal refused_conflict = {.status = 409,
    .code = "idempotency_conflict",
    .detail = DETAIL("this idempotency key was used for another job")};
#define FULL(whose)                                                                                          \
    {                                                                                                        \
        .status = 429, .code = "too_many_queued",                                                            \
        .detail = DETAIL("as many jobs of " whose " wait as max_queued allows; nothing was accepted, try "   \
                         "again later")                                                                      \
    }
static const struct refusal refused_full_group = FULL("this group"),
                            refused_full_creator = FULL("this creator"),
                            refused_full_all = FULL("this installation");

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

static void try_again(struct intake *in, struct submission *s, int most)
{
    if (s->tries++ < most)
        intake_wait_again(in, s);
    else
        intake_refuse(in, s, &intake_busy, false);
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
        intake_refuse(in, s, &refused_store, true);
}

/* The id was taken: by this very stub (an insert whose answer was lost), by an earlier request, or by another
 * payload. */
static void settle_taken(struct intake *in, struct item *item)
{
    struct submission *s = item->submission;
    const struct stub *stub = item->taken;
    if (!stub && s->tries++ < LOOKS_MOST)
        intake_wait_again(in, s); /* it went between the insert and the look */
    else if (!stub)
        intake_refuse(in, s, &intake_unknown, true);
    else if (stub->claim.data)
        settle_claimed(in, item);
    else if (!stub_is_of(stub, s))
        intake_refuse(in, s, &refused_conflict, true);
    else if (!stub->framed.data)
        intake_accept(in, s, SUBMISSION_REPLAYED, state_word(stub->state));
    else
        intake_produce(in, s, stub->framed, stub->trace,
            bytes_equal(stub->framed, item->framed) ? SUBMISSION_ACCEPTED : SUBMISSION_REPLAYED,
            state_word(stub->state));
}

static void refuse_all(
    struct intake *in, struct item *items, size_t count, const struct refusal *why, bool named)
{
    for (size_t i = 0; i < count; i++)
        intake_refuse(in, items[i].submission, why, named);
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
            intake_refuse(in, item.submission, &refused_registry, false);
            continue;
        }
        if (!book_find(in->o.book, item.submission->group, &in->arena, &item.limits)) {
            intake_refuse(in, item.submission, &refused_limits, false);
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
        intake_refuse(in, s, refusal_full(item->judged->full->selector), false);
    else if (verdict != ADMIT_YES)
        try_again(in, s, TRIES_MOST);
    else
        intake_produce(in, s, item->framed, s->job.trace, SUBMISSION_ACCEPTED, BYTES("accepted"));
}

void intake_batch(struct intake *in, struct submission *const *submissions, size_t count)
{
    struct item *items = arena_array(&in->arena, count, sizeof *items);
    struct error e;
    struct admit_batch batch = {
        .store = in->o.store, .patience_ms = in->o.store_patience_ms, .arena = &in->arena};
    int64_t now = clock_utc_ms();
    error_clear(&e);
    for (size_t i = 0; i < count; i++)
        items[i].submission = submissions[i];
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
