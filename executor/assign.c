/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assign: partitions and their records. At assignment: committed offset (fetched by the bus, before rules_assigned) -> who is held ->
 * the partition's unfinished runs, page by page by place -> records from exactly that offset. A batch of records: the outcome of refused
 * ones -> insert -> the duplicates are read -> due ones move -> cancels and holds -> decide -> taken (commit). Offsets never wait for a
 * job. The ledger gets records in their order: what stands behind a due one is inserted after it has moved, else another owner could find
 * the later job there and start it first.
 *
 * Pages, batches and looks share a lane, so a look sees every earlier insert and no later one.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "executor/rules_private.h"

#define PAGE_RUNS RULES_SIZE(1000, 3)

/* ---- a partition's unfinished runs ---- */

struct page {
    struct op op;
    int32_t partition;
    int64_t assignment, after;
};
const size_t page_size = sizeof(struct page);

/* For BUG_HEAD_FROM_QUEUED_ONLY: what runs is not seen. */
static void only_queued(struct runs *runs)
{
    size_t kept = 0;
    for (size_t i = 0; i < runs->count; i++)
        if (runs->items[i].state == RUN_QUEUED)
            runs->items[kept++] = runs->items[i];
    runs->count = kept;
}

static bool page_ask(struct page *p)
{
    p->op.ask.kind = ASK_PAGE;
    p->op.ask.partition = p->partition;
    p->op.ask.after = p->after;
    p->op.ask.limit = PAGE_RUNS;
    p->op.at = 1;
    return true;
}

bool page_step(struct rules *r, struct op *op)
{
    struct page *p = (struct page *)op;
    if (scheduler_assignment(r->scheduler, p->partition) != p->assignment)
        return false;
    if (op->at == 0)
        return page_ask(p);
    struct runs *runs = &op->ask.runs;
    bool last = runs->count < PAGE_RUNS;
    if (!last)
        p->after = runs->items[runs->count - 1].seq;
    if (BUG(HEAD_FROM_QUEUED_ONLY))
        only_queued(runs);
    scheduler_unfinished(r->scheduler, p->partition, p->assignment, runs->items, runs->count, last);
    arena_reset(&op->memory);
    return !last && page_ask(p);
}

void rules_assigned(struct rules *r, int32_t partition, int64_t assignment)
{
    if (r->dead)
        return;
    scheduler_assigned(r->scheduler, partition, assignment);
    (void)rules_begin_once(r, OP_HOLDS);
    struct page *p = (struct page *)rules_begin(r, OP_PAGE);
    p->partition = partition;
    p->assignment = assignment;
    p->after = -1;
}

void rules_revoked(struct rules *r, int32_t partition)
{
    scheduler_revoked(r->scheduler, partition);
}

bool rules_is_open(const struct rules *r, int32_t partition)
{
    return scheduler_is_open(r->scheduler, partition);
}

/* ---- records ---- */

enum {
    INTAKE_BEGIN,
    INTAKE_ORDERS_EARLY,
    INTAKE_OUTCOME,
    INTAKE_INSERT,
    INTAKE_FOUND,
    INTAKE_DUE,
    INTAKE_ORDERS
};

struct intake {
    struct op op;
    struct rules_batch *batch;
    struct rules_record **records; /* those whose partition is still ours, */
    struct run_insert *inserts;    /* and beside them what is written, */
    struct uuid *ids;              /* and asked */
    struct bytes *groups;
    size_t count;
    size_t from, to; /* those at work: up to a due one and its like, or to the end */
    struct order *cancels, *holds;
    char outcome[UUID_TEXT_LEN + 1]; /* "": nobody is refused */
    int64_t now;
};
const size_t intake_size = sizeof(struct intake);

bool rules_wants_records(const struct rules *r)
{
    return !r->dead && !r->draining && r->under_way[OP_INTAKE] == 0;
}

void rules_intake(struct rules *r, struct rules_batch *b)
{
    ((struct intake *)rules_begin(r, OP_INTAKE))->batch = b;
}

void intake_abandon(struct rules *r, struct op *op)
{
    r->world->taken(r->self, ((struct intake *)op)->batch, false);
}

static int64_t assignment_of(const struct rules_batch *b, int32_t partition)
{
    for (size_t i = 0; i < b->offset_count; i++)
        if (b->offsets[i].partition == partition)
            return b->offsets[i].assignment;
    return -1;
}

static void take_record(struct rules *r, struct intake *i, struct rules_record *record)
{
    static const enum run_state states[] = {[RECORD_NEW] = RUN_QUEUED,
        [RECORD_DELAYED] = RUN_DELAYED,
        [RECORD_DUE] = RUN_QUEUED,
        [RECORD_REFUSED] = RUN_ENDED};
    struct run_insert *insert = &i->inserts[i->count];
    *insert = (struct run_insert){.id = record->id,
        .partition = record->partition,
        .seq = record->seq,
        .wake_at = record->wake_at,
        .group = record->group,
        .engine = record->engine,
        .payload = record->payload,
        .state = states[record->kind]};
    record->task = NULL;
    /* Nothing behind these may start at once: a due one takes its place first, and a delayed one may stand in the line already (who took it
     * in had another clock). */
    if (record->kind == RECORD_DUE || record->kind == RECORD_DELAYED)
        scheduler_look(r->scheduler, record->group, record->partition);
    if (record->kind == RECORD_NEW)
        record->task = scheduler_record(
            r->scheduler, record->partition, &record->id, record->seq, record->group, record->engine);
    if (record->task)
        insert->state = RUN_RUNNING;
    if (record->kind == RECORD_REFUSED && !i->outcome[0])
        rules_new_outcome(r, i->outcome);
    i->ids[i->count] = record->id;
    i->groups[i->count] = record->group;
    i->records[i->count++] = record;
}

/* A partition that was taken away meanwhile: its records are its new owner's. */
static void take_records(struct rules *r, struct intake *i)
{
    struct rules_batch *b = i->batch;
    struct arena *a = &i->op.memory;
    i->now = rules_now(r).utc_ms;
    i->records = arena_array(a, b->count, sizeof(struct rules_record *));
    i->inserts = arena_array(a, b->count, sizeof *i->inserts);
    i->ids = arena_array(a, b->count, sizeof *i->ids);
    i->groups = arena_array(a, b->count, sizeof *i->groups);
    for (size_t k = 0; k < b->count; k++) {
        struct rules_record *record = &b->records[k];
        record->duplicate = false;
        record->other_group = BYTES_NONE;
        int64_t assignment = assignment_of(b, record->partition);
        if (scheduler_assignment(r->scheduler, record->partition) == assignment)
            take_record(r, i, record);
    }
}

static bool ask_outcome(struct intake *i)
{
    struct ask *ask = &i->op.ask;
    ask->lines = arena_array(&i->op.memory, i->count, sizeof *ask->lines);
    ask->count = 0;
    for (size_t k = 0; k < i->count; k++)
        if (i->records[k]->kind == RECORD_REFUSED)
            ask->lines[ask->count++] =
                (struct outcome_line){i->ids[k], i->groups[k], i->records[k]->event, 0, RUN_STATES};
    memcpy(ask->outcome, i->outcome, sizeof ask->outcome);
    ask->kind = ASK_OUTCOME;
    i->op.at = INTAKE_OUTCOME;
    return true;
}

static bool is_due(const struct intake *i, size_t k)
{
    return i->records[k]->kind == RECORD_DUE;
}

static bool ask_insert(struct intake *i)
{
    struct ask *ask = &i->op.ask;
    i->from = i->to;
    while (i->to < i->count && (i->to == i->from || !is_due(i, i->to - 1) || is_due(i, i->to)))
        i->to++;
    ask->kind = ASK_INSERT;
    ask->inserts = i->inserts + i->from;
    ask->count = i->to - i->from;
    memcpy(ask->outcome, i->outcome, sizeof ask->outcome);
    i->op.at = INTAKE_INSERT;
    return true;
}

static bool ask_duplicates(struct intake *i)
{
    struct ask *ask = &i->op.ask;
    ask->ids = arena_array(&i->op.memory, i->count, sizeof *ask->ids);
    ask->count = 0;
    for (size_t k = i->from; k < i->to; k++)
        if (i->inserts[k].duplicate)
            ask->ids[ask->count++] = i->ids[k];
    ask->kind = ASK_FIND;
    ask->with_payload = false;
    i->op.at = INTAKE_FOUND;
    return ask->count > 0;
}

/* What the duplicates are; true: some of them are due, and are moved into the line. */
static bool ask_due(struct intake *i)
{
    struct ask *ask = &i->op.ask;
    runs_sort(&ask->runs);
    ask->dues = arena_array(&i->op.memory, i->count, sizeof *ask->dues);
    ask->count = 0;
    for (size_t k = i->from; k < i->to; k++) {
        struct run_insert *insert = &i->inserts[k];
        const struct run *run = insert->duplicate ? runs_of(&ask->runs, &insert->id) : NULL;
        if (!run)
            continue;
        if (!bytes_equal(run->group, insert->group)) {
            i->records[k]->other_group = run->group;
            continue;
        }
        /* Our own refusal whose answer was lost: the outcome's id is ours alone. */
        if (insert->state == RUN_ENDED && bytes_equal_text(run->out, i->outcome))
            insert->duplicate = false;
        if (is_due(i, k) && run->state == RUN_DELAYED)
            ask->dues[ask->count++] = (struct run_due){insert->id, insert->seq, insert->wake_at};
    }
    ask->kind = ASK_DUE;
    i->op.at = INTAKE_DUE;
    return ask->count > 0;
}

static bool ask_orders(struct intake *i, int at)
{
    struct ask *ask = &i->op.ask;
    ask->kind = ASK_ORDERS;
    ask->ids = i->ids;
    ask->groups = i->groups;
    ask->count = i->count;
    i->op.at = at;
    return true;
}

static void tell_queued(struct rules *r, struct intake *i, size_t k)
{
    struct run run = {.id = i->ids[k],
        .group = i->groups[k],
        .payload = i->records[k]->payload,
        .queued_at = i->now,
        .started_at = NO_TIME};
    struct telling t = {.phase = PHASE_QUEUED, .run = &run, .at = i->now, .retry_at = NO_TIME};
    struct bytes event;
    if (r->world->event(r->self, &t, &i->op.memory, &event))
        publish_alone(r, run.group, &run.id, event);
}

static void end_cancelled(struct rules *r, struct intake *i, size_t k)
{
    struct run run = {.id = i->ids[k],
        .partition = i->inserts[k].partition,
        .group = i->groups[k],
        .state = i->inserts[k].state,
        .payload = i->records[k]->payload,
        .queued_at = i->now,
        .started_at = NO_TIME};
    if (scheduler_withdraw(r->scheduler, run.group, &run.id))
        finish_queued(r, &run, PHASE_CANCELLED, "cancelled", &i->cancels[k]);
}

/* A plain job: it starts, waits, or was there already. */
static void settle_new(struct rules *r, struct intake *i, size_t k)
{
    struct rules_record *record = i->records[k];
    const struct run_insert *insert = &i->inserts[k];
    struct task *task = record->task;
    bool waits = !task && !insert->duplicate;
    bool cancelled = i->cancels[k].found;
    void *payload = waits && !cancelled ? r->world->keep(r->self, record->payload) : NULL;
    if (i->holds[k].found)
        scheduler_hold(r->scheduler, record->group);
    if (task)
        task->started_at = i->now;
    scheduler_inserted(r->scheduler, record->partition, assignment_of(i->batch, record->partition),
        &record->id, record->seq, record->group, record->engine, i->now, task, insert->duplicate, payload);
    if (task && !insert->duplicate) {
        struct launch l = {.payload = record->payload};
        start_launch(r, task, &l, &i->cancels[k], i->holds[k].found);
    }
    if (waits)
        tell_queued(r, i, k);
    if (waits && cancelled)
        end_cancelled(r, i, k);
}

static void settle_record(struct rules *r, struct intake *i, size_t k, struct publication *refused)
{
    struct rules_record *record = i->records[k];
    const struct run_insert *insert = &i->inserts[k];
    record->duplicate = insert->duplicate;
    if (insert->duplicate)
        r->counts.duplicates++;
    switch (record->kind) {
    case RECORD_REFUSED:
        if (insert->duplicate)
            return;
        r->counts.ends[PHASE_REJECTED]++;
        publication_add(r, refused, record->group, &record->id, record->event);
        return;
    case RECORD_NEW:
        settle_new(r, i, k);
        return;
    case RECORD_DELAYED:
        if (insert
                ->duplicate) { /* who took it in may have had another clock: then it has a place in the line */
            scheduler_look(r->scheduler, record->group, record->partition);
            return;
        }
        tell_queued(r, i, k);
        if (i->cancels[k].found)
            end_cancelled(r, i, k);
        return;
    case RECORD_DUE:
        scheduler_look(r->scheduler, record->group, record->partition);
        return;
    }
}

static void settle(struct rules *r, struct intake *i)
{
    struct publication *refused = i->outcome[0] ? publication_new(r, i->outcome, true) : NULL;
    for (size_t k = 0; k < i->count && !r->dead; k++)
        settle_record(r, i, k, refused);
    if (refused)
        publication_close(r, refused);
    if (!r->dead)
        r->world->taken(r->self, i->batch, true);
}

bool intake_step(struct rules *r, struct op *op)
{
    struct intake *i = (struct intake *)op;
    switch (op->at) {
    case INTAKE_BEGIN:
        take_records(r, i);
        if (i->count == 0) {
            r->world->taken(r->self, i->batch, true);
            return false;
        }
        if (BUG(CANCELS_BEFORE_INSERT))
            return ask_orders(i, INTAKE_ORDERS_EARLY);
        return i->outcome[0] ? ask_outcome(i) : ask_insert(i);
    case INTAKE_ORDERS_EARLY:
        i->cancels = op->ask.cancels;
        i->holds = op->ask.holds;
        return i->outcome[0] ? ask_outcome(i) : ask_insert(i);
    case INTAKE_OUTCOME:
        return ask_insert(i);
    case INTAKE_INSERT:
        if (ask_duplicates(i))
            return true;
        break;
    case INTAKE_FOUND:
        if (ask_due(i))
            return true;
        break;
    case INTAKE_DUE:
        break;
    case INTAKE_ORDERS:
        i->cancels = op->ask.cancels;
        i->holds = op->ask.holds;
        settle(r, i);
        return false;
    }
    if (i->to < i->count)
        return ask_insert(i);
    if (!BUG(CANCELS_BEFORE_INSERT))
        return ask_orders(i, INTAKE_ORDERS);
    settle(r, i);
    return false;
}

/* ---- looks ---- */

const size_t look_size = sizeof(struct op);

bool look_step(struct rules *r, struct op *op)
{
    if (op->at++ == 0) {
        op->ask.kind = ASK_LOOK;
        return true;
    }
    if (BUG(HEAD_FROM_QUEUED_ONLY) && op->ask.runs.count < op->ask.limit)
        only_queued(&op->ask.runs);
    scheduler_looked(r->scheduler, op->ask.group, op->ask.runs.items, op->ask.runs.count);
    return false;
}
