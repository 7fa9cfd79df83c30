/* SPDX-License-Identifier: Apache-2.0 */
/* records: see the header. One batch at a time; its arrays are large, so they are kept. */
#include "executor/records.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/strategy.h"
#include "executor/announce.h"
#include "executor/outgoing.h"

#define BATCH_RECORDS 1000
#define BATCH_BYTES (4 * 1024 * 1024)
#define AGAIN_MS 1000 /* a record that could not be read: the registry is asked again */
#define COMMIT_MS                                                                                            \
    500 /* after so long without an answer to a commit that must come first, it is tried again later */
#define TAKE_BACK_MS 200
#define LOOK_MS 5 /* until then: when the answer is looked for, unless the consumer tells before */

struct record {
    struct bus_record raw;
    bool dead; /* it went to jobs.dead; the item is its job's refusal, where there is one */
    struct job job;
};

struct records {
    struct executor *x;
    struct arena memory;
    struct rules_batch batch;
    struct record *records; /* all that were taken, in order */
    size_t count, bytes;
    size_t *record_of; /* of batch.records[i]: its index in records */
    int64_t now;       /* UTC ms */
    bool busy, answered, ok;
    size_t dead_pending; /* dead letters without a delivery report */
    int32_t turn;        /* which partition is read first next time */

    struct progress progress; /* how far each partition is, and the poison rule */
    bool careful;             /* the batch is one record, and a death in it counts */

    int64_t
        entered_at; /* boot ms: when the held record's death was counted; 0: it was not. The answer is awaited. */

    struct bus_record held; /* could not be read yet, or must be a batch of its own */
    bool is_held;
    int64_t held_assignment;
    int64_t again_at; /* boot ms */
};

struct records *records_new(struct executor *x)
{
    struct records *r = calloc(1, sizeof *r);
    if (!r)
        log_fatal("out_of_memory", "what=records");
    r->x = x;
    arena_init(&r->memory);
    progress_init(&r->progress);
    r->records = calloc(BATCH_RECORDS, sizeof *r->records);
    r->record_of = calloc(BATCH_RECORDS, sizeof *r->record_of);
    r->batch.records = calloc(BATCH_RECORDS, sizeof *r->batch.records);
    if (!r->records || !r->record_of || !r->batch.records)
        log_fatal("out_of_memory", "what=records");
    return r;
}

void records_give_back(struct records *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->busy && i < r->count; i++)
        consumer_release(r->x->consumer, &r->records[i].raw);
    if (r->is_held)
        consumer_release(r->x->consumer, &r->held);
    r->busy = r->is_held = false;
    r->entered_at = 0;
}

void records_free(struct records *r)
{
    if (!r)
        return;
    progress_release(&r->progress);
    arena_release(&r->memory);
    free(r->records);
    free(r->record_of);
    free(r->batch.records);
    free(r);
}

bool records_busy(const struct records *r)
{
    return r->busy;
}

void records_take_back(struct records *r)
{
    const struct bus_record *counted = r->entered_at ? &r->held : &r->records[0].raw;
    if (!r->entered_at && !(r->busy && r->careful))
        return;
    progress_leave(&r->progress, counted);
    if (!consumer_commit_wait(r->x->consumer, TAKE_BACK_MS))
        log_warn("commit_unanswered", "topic=%s partition=%d offset=%lld", counted->topic,
            (int)counted->partition, (long long)counted->offset);
}

/* ---- partitions ---- */

void records_assigned(void *self, const char *topic, int32_t partition, int64_t assignment, int64_t offset)
{
    struct executor *x = self;
    x->records->progress.consumer = x->consumer;
    progress_assigned(&x->records->progress, topic, partition, offset,
        consumer_committed_metadata(x->consumer, topic, partition));
    rules_assigned(x->rules, partition, assignment);
}

void records_revoked(void *self, const char *topic, int32_t partition, bool lost)
{
    struct executor *x = self;
    progress_revoked(&x->records->progress, topic, partition, lost);
    rules_revoked(x->rules, partition);
}

static int64_t assignment_of(const struct records *r, int32_t partition)
{
    return scheduler_assignment(rules_scheduler(r->x->rules), partition);
}

/* ---- the end of a batch ---- */

static void commit(struct records *r, const struct rules_offset *o)
{
    for (size_t i = r->count; i-- > 0;)
        if (r->records[i].raw.partition == o->partition) {
            progress_done(&r->progress, &r->records[i].raw); /* the last of its partition */
            return;
        }
}

static void maybe_done(struct records *r)
{
    const struct rules_batch *b = &r->batch;
    if (!r->answered || r->dead_pending > 0)
        return;
    if (r->careful)
        progress_leave(&r->progress, &r->records[0].raw);
    for (size_t i = 0; r->ok && i < b->offset_count; i++)
        if (assignment_of(r, b->offsets[i].partition) == b->offsets[i].assignment)
            commit(r, &b->offsets[i]);
    for (size_t i = 0; i < r->count; i++)
        consumer_release(r->x->consumer, &r->records[i].raw);
    r->count = 0;
    r->busy = false;
}

static void dead_delivered(void *self, const struct error *failure)
{
    struct records *r = self;
    if (failure) {
        records_take_back(r);
        log_fatal("dead_letter_failed", "error=%s", log_quote(bytes_of(failure->text)));
    }
    r->dead_pending--;
    maybe_done(r);
}

static void bury(struct records *r, const struct bus_record *raw, const struct error *why)
{
    struct error e;
    log_warn("dead_letter", "topic=%s partition=%d offset=%lld code=%s error=%s", raw->topic,
        (int)raw->partition, (long long)raw->offset, why->code, log_quote(bytes_of(why->text)));
    r->dead_pending++;
    if (!dead_letter(r->x->world->producer, "executor", raw, why, r->now, dead_delivered, r, &e))
        log_fatal("dead_letter_failed", "error=%s", log_quote(bytes_of(e.text)));
}

void records_taken(struct records *r, struct rules_batch *b, bool ok)
{
    for (size_t i = 0; ok && i < b->count; i++) {
        const struct record *record = &r->records[r->record_of[i]];
        if (!b->records[i].other_group.data || record->dead)
            continue;
        struct error why;
        error_set(&why, "group_conflict", "job %.*s belongs to group %.*s already",
            BYTES_ARG(record->job.job_id), BYTES_ARG(b->records[i].other_group));
        bury(r, &record->raw, &why);
    }
    r->answered = true;
    r->ok = ok;
    maybe_done(r);
}

/* ---- reading ---- */

/* "engine" or "engine@target" of the plan's first leaf. */
static struct bytes engine_of(struct records *r, const struct job *j)
{
    struct bytes engine = j->engine, target = j->target;
    for (size_t i = 0; i < j->nodes.count; i++)
        if (bytes_equal_text(j->nodes.items[i].kind, "exec")) {
            engine = j->nodes.items[i].engine;
            target = j->nodes.items[i].target;
            break;
        }
    return strategy_target_text(engine, target, &r->memory);
}

static enum codec_verdict read_job(
    struct records *r, const struct bus_record *raw, struct job *job, struct uuid *id, struct error *e)
{
    if (!raw->value.data) {
        error_set(e, "null_value", "the record has no value");
        return CODEC_BAD;
    }
    enum codec_verdict v =
        codec_decode(r->x->world->codec, &shape_planned, raw->value, false, &r->memory, job, e);
    if (v != CODEC_OK)
        return v;
    if (!uuid_parse(job->job_id, id))
        error_set(e, "bad_value", "job_id is not a UUID");
    else if (!job_name_is_valid(job->creator) || !job_name_is_valid(job->user))
        error_set(e, "bad_name", "creator or user is not a valid name");
    else
        return CODEC_OK;
    return CODEC_BAD;
}

static bool has_due_header(const struct bus_record *raw)
{
    return bus_record_header(raw, RECORDS_DUE_HEADER).data != NULL;
}

static void fill(struct records *r, const struct record *record, struct rules_record *item)
{
    const struct job *j = &record->job;
    item->group = job_group(&r->memory, j);
    item->wake_at = NO_TIME;
    if (j->error) {
        item->kind = RECORD_REFUSED;
        item->engine = j->engine;
        item->event = announce_refused(r->x, j, item->group, r->now, &r->memory);
        return;
    }
    item->engine = engine_of(r, j);
    item->kind = has_due_header(&record->raw) ? RECORD_DUE : RECORD_NEW;
    if (item->kind == RECORD_NEW && j->not_before != NO_INT && j->not_before > r->now) {
        item->kind = RECORD_DELAYED;
        item->wake_at = j->not_before;
    } else if (j->limits.queue_timeout_ms > 0) {
        item->wake_at = clock_later(r->now, j->limits.queue_timeout_ms);
    }
}

/* False: the job that the record carries can't be known. */
static bool bury_and_refuse(struct records *r, struct record *record, struct uuid *id, const struct error *e)
{
    struct error *why = arena_alloc(&r->memory, sizeof *why);
    struct job_error *refusal = arena_alloc(&r->memory, sizeof *refusal);
    *why = *e;
    bury(r, &record->raw, why);
    record->dead = true;
    return dead_letter_job(&record->raw, NULL, why, &record->job, refusal) &&
           uuid_parse(record->job.job_id, id);
}

static void count_offset(struct records *r, const struct bus_record *raw)
{
    struct rules_batch *b = &r->batch;
    if (b->offset_count == 0 || b->offsets[b->offset_count - 1].partition != raw->partition)
        b->offsets[b->offset_count++] =
            (struct rules_offset){raw->partition, assignment_of(r, raw->partition), 0};
    b->offsets[b->offset_count - 1].next = raw->offset + 1;
}

/* A record on which readers died before is a batch of its own; the death that may come is counted before it is touched. False: not now. The
 * loop does not stand still for the answer: the record is held meanwhile. */
static bool enter(struct records *r, const struct bus_record *raw)
{
    int64_t now = clock_boot_ms();
    r->careful = false;
    if (!progress_is_careful(&r->progress, raw))
        return true;
    if (r->count > 0)
        return false;
    if (!r->entered_at) {
        progress_enter_soon(&r->progress, raw);
        r->entered_at = now;
        return false;
    }
    if (consumer_commit_soon(r->x->consumer)) {
        r->entered_at = 0;
        r->careful = true;
        return true;
    }
    if (now - r->entered_at < COMMIT_MS)
        return false;
    progress_leave(&r->progress, raw);
    r->entered_at = 0;
    log_warn("commit_unanswered", "topic=%s partition=%d offset=%lld", raw->topic, (int)raw->partition,
        (long long)raw->offset);
    return false;
}

static bool is_poisoned(const struct records *r, const struct bus_record *raw, struct error *e)
{
    if (!r->careful || progress_tries(&r->progress, raw) < POISON_DEATHS)
        return false;
    (void)error_set(e, "poison", "the executor died %d times on this record", POISON_DEATHS);
    return true;
}

/* Reads one record into the batch. False: it can't be read now. */
static bool take_record(struct records *r, const struct bus_record *raw)
{
    struct record *record = &r->records[r->count];
    struct rules_record *item = &r->batch.records[r->batch.count];
    struct error e;
    error_clear(&e);
    record->raw = *raw;
    record->dead = false;
    *item = (struct rules_record){.partition = raw->partition, .seq = raw->offset, .payload = raw->value};
    if (!enter(r, raw))
        return false;
    enum codec_verdict v =
        is_poisoned(r, raw, &e) ? CODEC_BAD : read_job(r, &record->raw, &record->job, &item->id, &e);
    if (v == CODEC_RETRY) {
        log_warn("registry_away", "topic=%s partition=%d offset=%lld error=%s", raw->topic,
            (int)raw->partition, (long long)raw->offset, log_quote(bytes_of(e.text)));
        if (r->careful)
            progress_leave(&r->progress, raw);
        r->careful = false;
        return false;
    }
    count_offset(r, raw);
    r->bytes += raw->value.len;
    r->record_of[r->batch.count] = r->count++;
    if (v == CODEC_OK || bury_and_refuse(r, record, &item->id, &e)) {
        fill(r, record, item);
        r->batch.count++;
    }
    return true;
}

static bool is_full(const struct records *r)
{
    return r->count == BATCH_RECORDS || r->bytes >= BATCH_BYTES || r->careful;
}

static int64_t look_again(const struct records *r, int64_t now_boot)
{
    return now_boot + (r->entered_at ? LOOK_MS : AGAIN_MS);
}

/* Takes what is there of one partition. False: the batch ends here. */
static bool take_partition(struct records *r, int32_t partition, int64_t now_boot)
{
    struct bus_record raw;
    while (!is_full(r)) {
        if (!consumer_next_of(r->x->consumer, partition, &raw))
            return true;
        if (take_record(r, &raw))
            continue;
        r->held = raw;
        r->is_held = true;
        r->held_assignment = assignment_of(r, partition);
        r->again_at = r->count > 0 ? now_boot : look_again(r, now_boot); /* the batch first, then this one */
        return false;
    }
    return false;
}

/* The held record comes first. False: nothing may be taken yet. */
static bool take_held(struct records *r, int64_t now_boot)
{
    if (!r->is_held)
        return true;
    if (assignment_of(r, r->held.partition) != r->held_assignment) {
        consumer_release(r->x->consumer, &r->held); /* whoever has the partition now reads it */
        r->is_held = false;
        r->entered_at = 0;
        return true;
    }
    if (now_boot < r->again_at || !rules_is_open(r->x->rules, r->held.partition))
        return false;
    r->is_held = !take_record(r, &r->held);
    r->again_at = look_again(r, now_boot);
    return !r->is_held;
}

static void begin(struct records *r, size_t partitions)
{
    r->now = clock_utc_ms();
    r->count = r->bytes = r->batch.count = r->batch.offset_count = 0;
    r->answered = r->ok = r->careful = false;
    arena_reset(&r->memory);
    /* one more: the held record's partition may come twice */
    r->batch.offsets = arena_array(&r->memory, partitions + 1, sizeof *r->batch.offsets);
}

static void take(struct records *r, int32_t partitions, int64_t now_boot)
{
    if (!take_held(r, now_boot) || is_full(r))
        return;
    for (int32_t i = 0; i < partitions; i++) {
        int32_t partition = (r->turn + i) % partitions;
        if (rules_is_open(r->x->rules, partition) && !take_partition(r, partition, now_boot))
            break;
    }
    r->turn = (r->turn + 1) % partitions;
}

int64_t records_serve(struct records *r, int64_t now_boot)
{
    int32_t partitions = scheduler_partitions(rules_scheduler(r->x->rules));
    if (!r->busy && partitions > 0 && rules_wants_records(r->x->rules) && !outgoing_is_full(r->x->outgoing)) {
        if (!progress_is_marked(&r->progress))
            return now_boot + LOOK_MS;
        begin(r, (size_t)partitions);
        take(r, partitions, now_boot);
        r->busy = r->count > 0;
        if (r->batch.count > 0)
            rules_intake(r->x->rules, &r->batch);
        else if (r->busy)
            records_taken(r, &r->batch, true); /* nothing but dead letters */
    }
    return r->is_held ? r->again_at : INT64_MAX;
}
