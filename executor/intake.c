/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake: partitions and their records. At assignment: committed offset (fetched by the bus) -> the partition's unfinished runs, page
 * by page -> records from exactly that offset. A batch of records: outcome of refused ones -> insert all -> cancels -> decide -> commit.
 * Offsets never wait for a job.
 */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "executor/executor.h"
#include "executor/report.h"

#define BATCH_RECORDS 1000
#define BATCH_BYTES (4 * 1024 * 1024)
#define PAGE_RUNS 1000

/* ---- payloads of queued jobs, kept to save a read at their start ---- */

struct payload {
    struct executor *x;
    size_t len;
    char data[];
};

void *payload_keep(struct executor *x, struct bytes payload)
{
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

struct bytes payload_bytes(const void *payload)
{
    const struct payload *p = payload;
    return (struct bytes){p->data, p->len};
}

void payload_drop(void *payload)
{
    struct payload *p = payload;
    p->x->payload_bytes -= (int64_t)p->len;
    free(p);
}

/* ---- assignment: pages of unfinished runs ---- */

struct page_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct runs runs;
    int32_t partition;
    int64_t assignment, after;
};

static void page_work(struct request *r)
{
    struct page_request *p = (struct page_request *)r;
    struct error e;
    arena_reset(&p->memory);
    request_result(
        r, ledger_page(&p->x->ledger, p->partition, p->after, PAGE_RUNS, &p->memory, &p->runs, &e), &e);
}

static void page_done(struct request *r)
{
    struct page_request *p = (struct page_request *)r;
    struct executor *x = p->x;
    bool last = p->runs.count < PAGE_RUNS;
    if (r->ok && scheduler_assignment(x->scheduler, p->partition) == p->assignment) {
        scheduler_unfinished(x->scheduler, p->partition, p->assignment, p->runs.items, p->runs.count, last);
        if (!last) {
            p->after = p->runs.items[p->runs.count - 1].seq;
            clerk_ask(x->intake_clerk, r);
            return;
        }
        log_info("partition_open", "topic=%s partition=%d assignment=%lld", x->planned_topic,
            (int)p->partition, (long long)p->assignment);
    }
    x->pages_due--;
    arena_release(&p->memory);
    free(p);
}

static void on_assigned(void *self, const char *topic, int32_t partition, int64_t assignment, int64_t offset)
{
    struct executor *x = self;
    log_info("assigned", "topic=%s partition=%d assignment=%lld offset=%lld", topic, (int)partition,
        (long long)assignment, (long long)offset);
    scheduler_assigned(x->scheduler, partition, assignment);
    struct page_request *p = calloc(1, sizeof *p);
    if (!p)
        log_fatal("out_of_memory", "what=page");
    p->request = (struct request){.work = page_work, .done = page_done};
    p->x = x;
    p->partition = partition;
    p->assignment = assignment;
    p->after = -1;
    arena_init(&p->memory);
    x->pages_due++;
    clerk_ask(x->intake_clerk, &p->request);
}

static void on_revoked(void *self, const char *topic, int32_t partition, bool lost)
{
    struct executor *x = self;
    log_info("revoked", "topic=%s partition=%d lost=%d", topic, (int)partition, lost);
    scheduler_revoked(x->scheduler, partition);
}

const struct consumer_events intake_events = {on_assigned, on_revoked};

/* ---- records ---- */

struct intake_record {
    struct bus_record raw;
    bool readable; /* item is valid */
    bool dead;     /* it went to jobs.dead; the item is its job's refusal, where there is one */
    struct task *task;
    struct job job;
};

struct intake_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct intake_record *records;
    struct ledger_intake *items; /* of the readable ones, in order */
    size_t count, item_count, bytes;
    int64_t now;
    char outcome[UUID_TEXT_LEN + 1];
    size_t dead_pending; /* dead letters without a delivery report */
    bool answered;
    struct {
        int32_t partition;
        int64_t assignment, next;
    } * offsets;
    size_t offset_count;
};

static void intake_finish(struct intake_request *q)
{
    struct executor *x = q->x;
    if (!q->answered || q->dead_pending > 0)
        return;
    for (size_t i = 0; q->request.ok && i < q->offset_count; i++)
        if (scheduler_assignment(x->scheduler, q->offsets[i].partition) == q->offsets[i].assignment)
            consumer_commit(x->consumer, x->planned_topic, q->offsets[i].partition, q->offsets[i].next, "");
    for (size_t i = 0; i < q->count; i++)
        consumer_release(x->consumer, &q->records[i].raw);
    x->intake_busy = false;
}

static void dead_delivered(void *self, const struct error *failure)
{
    struct intake_request *q = self;
    if (failure)
        log_fatal("dead_letter_failed", "error=%s", log_quote(bytes_of(failure->text)));
    q->dead_pending--;
    intake_finish(q);
}

static void bury(struct intake_request *q, const struct bus_record *raw, const struct error *why)
{
    struct error e;
    log_warn("dead_letter", "topic=%s partition=%d offset=%lld code=%s error=%s", raw->topic,
        (int)raw->partition, (long long)raw->offset, why->code, log_quote(bytes_of(why->text)));
    q->dead_pending++;
    if (!dead_letter(q->x->world->producer, "executor", raw, why, q->now, dead_delivered, q, &e))
        log_fatal("dead_letter_failed", "error=%s", log_quote(bytes_of(e.text)));
}

static void intake_work(struct request *r)
{
    struct intake_request *q = (struct intake_request *)r;
    struct error e;
    request_result(r,
        q->item_count == 0 ||
            ledger_intake(&q->x->ledger, q->items, q->item_count, q->now, q->outcome, &q->memory, &e),
        &e);
}

static struct bytes rejected_event(struct intake_request *q, struct intake_record *r, struct bytes group)
{
    struct buf out;
    struct report rep = {&r->job, group, bytes_of(q->x->instance), 0, NO_INT, NO_INT};
    struct event ev = report_event(&rep, PHASE_REJECTED, q->now);
    ev.error = r->job.error;
    buf_init(&out);
    report_encode(q->x->world->codec, &ev, &out);
    struct bytes copy = arena_copy(&q->memory, buf_bytes(&out));
    buf_release(&out);
    return copy;
}

/* False: e says why this is no job that can run. */
static bool read_job(struct intake_request *q, struct intake_record *r, struct uuid *id, struct error *e)
{
    struct executor *x = q->x;
    if (!r->raw.value.data)
        return error_set(e, "null_value", "the record has no value");
    switch (codec_decode(x->world->codec, &shape_planned, r->raw.value, false, &q->memory, &r->job, e)) {
    case CODEC_OK:
        break;
    case CODEC_BAD:
        return false;
    case CODEC_RETRY:
        log_fatal("registry_away", "error=%s", log_quote(bytes_of(e->text)));
    }
    if (!uuid_parse(r->job.job_id, id))
        return error_set(e, "bad_value", "job_id is not a UUID");
    if (!job_name_is_valid(r->job.creator) || !job_name_is_valid(r->job.user))
        return error_set(e, "bad_name", "creator or user is not a valid name");
    return true;
}

/* To jobs.dead; and the job that the record carries, where that can be known, ends as refused. */
static bool bury_and_refuse(
    struct intake_request *q, struct intake_record *r, struct uuid *id, const struct error *e)
{
    struct error *why = arena_alloc(&q->memory, sizeof *why);
    struct job_error *refusal = arena_alloc(&q->memory, sizeof *refusal);
    *why = *e;
    bury(q, &r->raw, why);
    r->dead = true;
    return dead_letter_job(&r->raw, NULL, why, &r->job, refusal) && uuid_parse(r->job.job_id, id);
}

/* Reads one record into an item, or buries it. */
static void take_record(struct intake_request *q, struct intake_record *r)
{
    struct executor *x = q->x;
    struct error e;
    struct ledger_intake *item = &q->items[q->item_count];
    *item =
        (struct ledger_intake){.partition = r->raw.partition, .seq = r->raw.offset, .payload = r->raw.value};
    error_clear(&e);
    r->dead = false;
    r->task = NULL;
    r->readable = read_job(q, r, &item->id, &e) || bury_and_refuse(q, r, &item->id, &e);
    if (!r->readable)
        return;
    item->group = job_group(&q->memory, &r->job);
    item->state = RUN_QUEUED;
    if (r->job.error) {
        item->state = RUN_ENDED;
        item->event = rejected_event(q, r, item->group);
    } else {
        r->task = scheduler_record(x->scheduler, item->partition, &item->id, item->seq, item->group);
        if (r->task)
            item->state = RUN_RUNNING;
    }
    q->item_count++;
}

static void queued_event(
    struct intake_request *q, const struct intake_record *r, const struct ledger_intake *item)
{
    struct buf out;
    struct report rep = {&r->job, item->group, bytes_of(q->x->instance), 0, q->now, NO_INT};
    struct event ev = report_event(&rep, PHASE_QUEUED, q->now);
    buf_init(&out);
    report_encode(q->x->world->codec, &ev, &out);
    struct publication *p = publication_new(q->x, "", false);
    publication_add(p, item->group, &item->id, buf_bytes(&out));
    publication_close(p);
    buf_release(&out);
}

/* What the ledger says of one record. */
static void settle_record(struct intake_request *q, struct intake_record *r, const struct ledger_intake *item,
    struct publication **refused)
{
    struct executor *x = q->x;
    int64_t assignment = -1;
    for (size_t i = 0; i < q->offset_count; i++)
        if (q->offsets[i].partition == item->partition)
            assignment = q->offsets[i].assignment;
    if (item->duplicate)
        metric_add(&executor_metrics[M_DUPLICATES], 1);
    if (item->other_group.data && !r->dead) {
        struct error why;
        error_set(&why, "group_conflict", "job %.*s belongs to group %.*s already", BYTES_ARG(r->job.job_id),
            BYTES_ARG(item->other_group));
        bury(q, &r->raw, &why);
    }
    if (item->state == RUN_ENDED) {
        if (!item->duplicate) {
            if (!*refused)
                *refused = publication_new(x, q->outcome, true);
            publication_add(*refused, item->group, &item->id, item->event);
            metric_add(&executor_metrics[M_REJECTED], 1);
        }
        return;
    }
    bool starts = r->task && !item->duplicate;
    bool waits = !r->task && !item->duplicate;
    void *payload = waits && !item->cancel.found ? payload_keep(x, item->payload) : NULL;
    scheduler_inserted(x->scheduler, item->partition, assignment, &item->id, item->seq, item->group, q->now,
        r->task, item->duplicate, payload);
    if (starts)
        start_launch(x, r->task, item->payload, &item->cancel, q->now);
    if (!waits)
        return;
    queued_event(q, r, item);
    if (item->cancel.found && scheduler_withdraw(x->scheduler, item->group, &item->id)) {
        struct run run = {
            .id = item->id, .group = item->group, .payload = item->payload, .queued_at = q->now};
        cancel_queued(x, &run, &item->cancel);
    }
}

static void intake_done(struct request *request)
{
    struct intake_request *q = (struct intake_request *)request;
    struct publication *refused = NULL;
    size_t next = 0;
    for (size_t i = 0; request->ok && i < q->count; i++)
        if (q->records[i].readable)
            settle_record(q, &q->records[i], &q->items[next++], &refused);
    if (refused)
        publication_close(refused);
    else if (request->ok && q->outcome[0]) /* all its refusals were repeats: nothing to send */
        publication_close(publication_new(q->x, q->outcome, true));
    q->answered = true;
    intake_finish(q);
}

/* Takes what is there of one partition; false when the batch is full. */
static bool take_partition(struct intake_request *q, int32_t partition)
{
    struct executor *x = q->x;
    bool any = false;
    while (q->count < BATCH_RECORDS && q->bytes < BATCH_BYTES) {
        struct intake_record *r = &q->records[q->count];
        if (!consumer_next_of(x->consumer, partition, &r->raw))
            return true;
        if (!any) {
            any = true;
            q->offsets[q->offset_count].partition = partition;
            q->offsets[q->offset_count].assignment = scheduler_assignment(x->scheduler, partition);
            q->offset_count++;
        }
        q->offsets[q->offset_count - 1].next = r->raw.offset + 1;
        q->bytes += r->raw.value.len;
        q->count++;
        take_record(q, r);
    }
    return false;
}

/* One request serves all batches, since there is one at a time: its arrays are large. */
static struct intake_request *intake_request(struct executor *x, size_t partitions)
{
    if (!x->intake) {
        x->intake = calloc(1, sizeof *x->intake);
        if (!x->intake)
            log_fatal("out_of_memory", "what=intake");
        arena_init(&x->intake->memory);
        x->intake->records = calloc(BATCH_RECORDS, sizeof *x->intake->records);
        x->intake->items = calloc(BATCH_RECORDS, sizeof *x->intake->items);
        if (!x->intake->records || !x->intake->items)
            log_fatal("out_of_memory", "what=intake");
    }
    struct intake_request *q = x->intake;
    q->request = (struct request){.work = intake_work, .done = intake_done};
    q->x = x;
    q->now = clock_utc_ms();
    q->outcome[0] = '\0';
    q->count = q->item_count = q->bytes = q->offset_count = 0;
    q->answered = false;
    arena_reset(&q->memory);
    q->offsets = arena_array(&q->memory, partitions, sizeof *q->offsets);
    return q;
}

void intake_free(struct executor *x)
{
    if (!x->intake)
        return;
    arena_release(&x->intake->memory);
    free(x->intake->records);
    free(x->intake->items);
    free(x->intake);
}

void intake_pump(struct executor *x)
{
    int32_t partitions = scheduler_partitions(x->scheduler);
    if (x->intake_busy || x->draining || partitions == 0)
        return;
    struct intake_request *q = intake_request(x, (size_t)partitions);
    for (int32_t i = 0; i < partitions; i++) {
        int32_t partition = (x->intake_turn + i) % partitions;
        if (scheduler_is_open(x->scheduler, partition) && !take_partition(q, partition))
            break;
    }
    x->intake_turn = (x->intake_turn + 1) % partitions;
    if (q->count == 0)
        return;
    x->intake_busy = true;
    clerk_ask(x->intake_clerk, &q->request);
}

/* ---- looks ---- */

struct look_request {
    struct request request;
    struct executor *x;
    struct arena memory;
    struct bytes group;
    size_t limit;
    struct runs runs;
};

static void look_work(struct request *r)
{
    struct look_request *q = (struct look_request *)r;
    struct error e;
    request_result(r, ledger_look(&q->x->ledger, q->group, q->limit, &q->memory, &q->runs, &e), &e);
}

static void look_done(struct request *r)
{
    struct look_request *q = (struct look_request *)r;
    if (r->ok)
        scheduler_looked(q->x->scheduler, q->group, q->runs.items, q->runs.count);
    arena_release(&q->memory);
    free(q);
}

void intake_looks(struct executor *x)
{
    struct bytes group;
    size_t limit;
    while (scheduler_next_look(x->scheduler, &group, &limit)) {
        struct look_request *q = calloc(1, sizeof *q);
        if (!q)
            log_fatal("out_of_memory", "what=look");
        q->request = (struct request){.work = look_work, .done = look_done};
        q->x = x;
        q->limit = limit;
        arena_init(&q->memory);
        q->group = arena_copy(&q->memory, group);
        clerk_ask(x->intake_clerk, &q->request);
    }
}
