/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish: ends of attempts, in this order and no other: (who is held for it) -> the outcome with its events, unsent -> the runs are closed
 * by it -> fewer than asked: who was it -> the events are sent -> all are delivered -> unsent is cleared. A place in a group and a slot
 * are free once the runs are closed. What goes back to the queue (a retry, a loss, what a drain gives back) goes the same way.
 */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "executor/rules_private.h"

#define BATCH_ENDS RULES_SIZE(1000, 3)
#define BATCH_BYTES (4 * 1024 * 1024)
#define SETTLE_BATCH RULES_SIZE(1000, 2)
#define RETRY_GRID_MS 100 /* retry times are rounded up, so that a burst of failures is one statement */
#define RESEND_AFTER_MS 10000
#define RESEND_BATCH RULES_SIZE(50, 2)

/* ---- publications ---- */

struct publication *publication_new(struct rules *r, const char *outcome, bool settle)
{
    struct publication *p = calloc(1, sizeof *p);
    if (!p)
        log_fatal("out_of_memory", "what=publication");
    memcpy(p->outcome, outcome, strlen(outcome) + 1);
    p->settle = settle;
    p->open = true;
    TAILQ_INSERT_TAIL(&r->publications, p, entry);
    return p;
}

static void settle_later(struct rules *r, const char *outcome)
{
    struct outcome_name name;
    memcpy(name.text, outcome, sizeof name.text);
    LIST_ADD(r->settles, name);
}

static void maybe_done(struct rules *r, struct publication *p)
{
    if (p->open || p->pending > 0)
        return;
    if (p->settle)
        settle_later(r, p->outcome);
    TAILQ_REMOVE(&r->publications, p, entry);
    free(p);
}

void publication_add(
    struct rules *r, struct publication *p, struct bytes group, const struct uuid *job, struct bytes event)
{
    p->pending++;
    r->world->send(r->self, group, job, event, p);
}

void publication_close(struct rules *r, struct publication *p)
{
    if (BUG(UNSENT_CLEARED_EARLY) && p->settle) {
        settle_later(r, p->outcome);
        p->settle = false;
    }
    p->open = false;
    maybe_done(r, p);
}

void publish_alone(struct rules *r, struct bytes group, const struct uuid *job, struct bytes event)
{
    struct publication *p = publication_new(r, "", false);
    publication_add(r, p, group, job, event);
    publication_close(r, p);
}

/* One that was not delivered: the outcome stays unsent, so it will be sent again, by us or by another executor of the pool. */
void rules_delivered(struct rules *r, struct publication *p, bool ok)
{
    if (!ok)
        p->settle = false;
    p->pending--;
    maybe_done(r, p);
}

/* ---- endings ---- */

bool finish_has(const struct rules *r, const struct uuid *id)
{
    const struct ending *e;
    TAILQ_FOREACH (e, &r->ends, entry)
        if (uuid_equal(&e->close.id, id))
            return true;
    return false;
}

struct ending *finish_new(struct rules *r, const struct uuid *id, int64_t attempt, struct bytes group)
{
    struct ending *e = calloc(1, sizeof *e);
    if (!e)
        log_fatal("out_of_memory", "what=ending");
    arena_init(&e->memory);
    e->close = (struct run_close){.id = *id,
        .attempt = attempt,
        .from = RUN_RUNNING,
        .instance = arena_copy(&e->memory, bytes_of(r->instance)),
        .to = RUN_ENDED,
        .retry_at = NO_TIME};
    e->group = arena_copy(&e->memory, group);
    e->partition = -1;
    return e;
}

static void ending_free(struct ending *e)
{
    arena_release(&e->memory);
    free(e);
}

static bool holds_on_failure(const struct rules *r, struct bytes group)
{
    struct limits_effective limits;
    if (!r->limits)
        return false;
    limits_find_group(r->limits, group, &limits);
    return limits.hold_on_failure;
}

bool finish_tell(struct rules *r, struct ending *e, const struct telling *t)
{
    e->phase = t->phase;
    e->holds = (t->phase == PHASE_FAILED || t->phase == PHASE_TIMED_OUT) && holds_on_failure(r, e->group);
    if (r->world->event(r->self, t, &e->memory, &e->event))
        return true;
    ending_free(e);
    return false;
}

void finish_add(struct rules *r, struct ending *e)
{
    TAILQ_INSERT_TAIL(&r->ends, e, entry);
}

void finish_give_back(struct rules *r, struct task *t, const char *reason)
{
    struct ending *e = finish_new(r, &t->id, t->attempt, scheduler_group_name(t));
    e->task = t;
    e->phase = PHASE_RETRYING;
    e->close.to = RUN_QUEUED;
    e->close.uncharged = true;
    e->close.reason = reason;
    finish_add(r, e);
}

void finish_queued(
    struct rules *r, const struct run *run, enum job_phase phase, const char *code, const struct order *order)
{
    struct telling t = {.phase = phase,
        .run = run,
        .code = code,
        .reason = order ? order->reason : BYTES_NONE,
        .order = order,
        .at = rules_now(r).utc_ms,
        .retry_at = NO_TIME,
        .never_ran = true};
    if (finish_has(r, &run->id))
        return;
    struct ending *e = finish_new(r, &run->id, run->attempt, run->group);
    e->close.from = run->state;
    e->close.instance = BYTES_NONE;
    e->partition = run->partition;
    if (finish_tell(r, e, &t))
        finish_add(r, e);
    else
        rules_look(r, run->group, run->partition); /* it was taken out of the window: there it is again */
}

/* ---- what becomes of an attempt ---- */

static void retry(struct rules *r, struct ending *e, const struct rules_report *report, struct telling *t)
{
    t->phase = PHASE_RETRYING;
    t->retry_at = t->at + retry_pause(e->task->tries, report->backoff_ms, report->max_backoff_ms,
                              r->world->random(r->self));
    t->retry_at += RETRY_GRID_MS - 1 - (t->retry_at + RETRY_GRID_MS - 1) % RETRY_GRID_MS;
    e->close.to = RUN_QUEUED;
    e->close.retry_at = t->retry_at;
    e->close.reason = "retry";
}

static void give_back(struct ending *e, struct telling *t)
{
    t->phase = PHASE_RETRYING;
    t->code = "drained";
    t->reason = BYTES("its executor was stopped; it starts again, uncharged");
    e->close.to = RUN_QUEUED;
    e->close.uncharged = true;
    e->close.reason = "drained";
}

static void fail_lost(struct telling *t)
{
    t->phase = PHASE_FAILED;
    t->code = "lost";
    t->reason = BYTES("the executor was stopped while the job ran (on_lost: fail)");
}

void rules_over(struct rules *r, struct task *task, const struct rules_report *report)
{
    if (r->dead)
        return;
    if (rules_now(r).boot_ms >= r->lease_until && !BUG(LEASE_REVIVES)) {
        rules_die(r, "not_renewed"); /* the guard may have killed it for that: no result of its own */
        return;
    }
    struct ending *e = finish_new(r, &task->id, task->attempt, scheduler_group_name(task));
    struct telling t = {.phase = report->phase,
        .task = task,
        .at = rules_now(r).utc_ms,
        .retry_at = NO_TIME,
        .never_ran = report->never_ran};
    bool failed = report->phase == PHASE_FAILED || report->phase == PHASE_TIMED_OUT;
    e->task = task;
    if (failed && r->killing && !report->never_ran) {
        if (report->on_lost_fails)
            fail_lost(&t);
        else
            give_back(e, &t);
    } else if (failed && report->retryable && !report->never_ran && task->tries < report->max_attempts) {
        retry(r, e, report, &t);
    }
    MUST(finish_tell(r, e, &t));
    if (BUG(START_BEFORE_FINISH)) {
        e->task = NULL;
        r->world->gone(r->self, task, true);
        scheduler_ended(r->scheduler, task, true);
    }
    finish_add(r, e);
}

/* ---- the batch ---- */

enum { FINISH_BEGIN, FINISH_HELD, FINISH_OUTCOME, FINISH_CLOSED, FINISH_FOUND };

struct finish {
    struct op op;
    struct ending **ends;
    size_t count;
    bool tells; /* an outcome is written */
    char outcome[UUID_TEXT_LEN + 1];
};
const size_t finish_size = sizeof(struct finish);

/* One run may have two ends on the way: cancelled while it waited, and started all the same. The token that is read back could not
 * tell which of them counted if both named one outcome. */
static bool has_end_of(const struct finish *f, const struct uuid *id)
{
    for (size_t i = 0; i < f->count; i++)
        if (uuid_equal(&f->ends[i]->close.id, id))
            return true;
    return false;
}

static void gather(struct rules *r, struct finish *f)
{
    struct ending *e;
    size_t bytes = 0;
    f->ends = arena_array(&f->op.memory, BATCH_ENDS, sizeof(struct ending *));
    TAILQ_FOREACH (e, &r->ends, entry) {
        if (e->asked)
            continue;
        if (f->count == BATCH_ENDS || (f->count > 0 && bytes + e->event.len > BATCH_BYTES) ||
            has_end_of(f, &e->close.id))
            break;
        bytes += e->event.len;
        e->asked = true;
        f->tells = f->tells || e->event.len > 0;
        f->ends[f->count++] = e;
    }
    rules_new_outcome(r, f->outcome);
}

static bool ask_hold(struct finish *f)
{
    struct ask *ask = &f->op.ask;
    ask->names = arena_array(&f->op.memory, f->count, sizeof *ask->names);
    ask->count = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->ends[i]->holds)
            ask->names[ask->count++] = f->ends[i]->group;
    ask->kind = ASK_HOLD;
    ask->reason = BYTES("a job failed (limit on_failure: hold)");
    f->op.at = FINISH_HELD;
    return ask->count > 0;
}

static bool ask_outcome(struct finish *f)
{
    struct ask *ask = &f->op.ask;
    ask->lines = arena_array(&f->op.memory, f->count, sizeof *ask->lines);
    ask->count = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct ending *e = f->ends[i];
        if (e->event.len)
            ask->lines[ask->count++] =
                (struct outcome_line){e->close.id, e->group, e->event, e->close.attempt, e->close.from};
    }
    memcpy(ask->outcome, f->outcome, sizeof ask->outcome);
    ask->kind = ASK_OUTCOME;
    f->op.at = FINISH_OUTCOME;
    return true;
}

static bool ask_close(struct finish *f)
{
    struct ask *ask = &f->op.ask;
    ask->kind = ASK_CLOSE;
    ask->closes = arena_array(&f->op.memory, f->count, sizeof *ask->closes);
    ask->count = f->count;
    for (size_t i = 0; i < f->count; i++)
        ask->closes[i] = f->ends[i]->close;
    memcpy(ask->outcome, f->outcome, sizeof ask->outcome);
    f->op.at = FINISH_CLOSED;
    return true;
}

static bool ask_found(struct finish *f)
{
    struct ask *ask = &f->op.ask;
    ask->kind = ASK_FIND;
    ask->ids = arena_array(&f->op.memory, f->count, sizeof *ask->ids);
    ask->count = f->count;
    ask->with_payload = false;
    for (size_t i = 0; i < f->count; i++)
        ask->ids[i] = f->ends[i]->close.id;
    f->op.at = FINISH_FOUND;
    return true;
}

static void count_end(struct rules *r, const struct ending *e, bool closed)
{
    if (!closed)
        r->counts.discarded++;
    else if (e->close.to == RUN_ENDED)
        r->counts.ends[e->phase]++;
    else if (e->close.lost)
        r->counts.takeovers++;
    else if (e->close.uncharged)
        r->counts.requeued++;
    else
        r->counts.retries++;
}

static void acknowledge(struct rules *r, struct ending *e, bool closed, struct publication *p)
{
    count_end(r, e, closed);
    if (closed && e->event.len)
        publication_add(r, p, e->group, &e->close.id, e->event);
    if (closed && e->holds)
        scheduler_hold(r->scheduler, e->group);
    if (e->task) {
        holders_drop(r, e->task);
        r->world->gone(r->self, e->task, closed);
        scheduler_ended(r->scheduler, e->task, closed && e->close.to == RUN_ENDED);
    } else {
        rules_look(r, e->group, e->partition);
    }
    TAILQ_REMOVE(&r->ends, e, entry);
    ending_free(e);
}

/* `found`: read back because fewer changed than asked; a run that carries our token was closed by us. */
static void conclude(struct rules *r, struct finish *f, struct runs *found)
{
    struct publication *p = publication_new(r, f->outcome, f->tells);
    if (found)
        runs_sort(found);
    for (size_t i = 0; i < f->count; i++) {
        const struct run *run = found ? runs_of(found, &f->ends[i]->close.id) : NULL;
        acknowledge(r, f->ends[i], !found || (run && bytes_equal_text(run->out, f->outcome)), p);
    }
    publication_close(r, p);
}

bool finish_step(struct rules *r, struct op *op)
{
    struct finish *f = (struct finish *)op;
    switch (op->at) {
    case FINISH_BEGIN:
        gather(r, f);
        if (f->count == 0)
            return false;
        if (ask_hold(f))
            return true;
        return f->tells ? ask_outcome(f) : ask_close(f);
    case FINISH_HELD:
        return f->tells ? ask_outcome(f) : ask_close(f);
    case FINISH_OUTCOME:
        return ask_close(f);
    case FINISH_CLOSED:
        if (op->ask.modified != (int64_t)f->count)
            return ask_found(f);
        conclude(r, f, NULL);
        return false;
    case FINISH_FOUND:
        conclude(r, f, &op->ask.runs);
        return false;
    }
    return false;
}

/* ---- nodes: recorded before the next one starts ---- */

struct node {
    struct op op;
    struct uuid id;
    int64_t attempt;
};
const size_t node_size = sizeof(struct node);

void rules_node(struct rules *r, struct task *t, const struct run_node *node)
{
    struct node *n = (struct node *)rules_begin(r, OP_NODE);
    n->id = t->id;
    n->attempt = t->attempt;
    n->op.ask.node =
        (struct run_node){arena_copy(&n->op.memory, node->id), arena_copy(&n->op.memory, node->event)};
}

bool node_step(struct rules *r, struct op *op)
{
    struct node *n = (struct node *)op;
    if (op->at++ == 0) {
        op->ask.kind = ASK_NODE;
        op->ask.ids = &n->id;
        op->ask.count = 1;
        op->ask.attempt = n->attempt;
        return true;
    }
    struct task *t = scheduler_find(r->scheduler, &n->id);
    if (t && t->attempt == n->attempt)
        r->world->node_kept(r->self, t, op->ask.yes);
    return false;
}

/* ---- settling ---- */

bool settle_step(struct rules *r, struct op *op)
{
    if (op->at++ > 0 || r->settles.count == 0)
        return false;
    size_t n = r->settles.count < SETTLE_BATCH ? r->settles.count : SETTLE_BATCH;
    op->ask.kind = ASK_SETTLE;
    op->ask.names = arena_array(&op->memory, n, sizeof *op->ask.names);
    op->ask.count = n;
    for (size_t i = 0; i < n; i++)
        op->ask.names[i] = arena_copy(&op->memory, bytes_of(r->settles.items[i].text));
    r->settles.count -= n;
    memmove(r->settles.items, r->settles.items + n, r->settles.count * sizeof *r->settles.items);
    return true;
}

/* ---- outcomes that stayed unsent: their executor died, or Kafka did not answer it ---- */

struct unsent_op {
    struct op op;
    struct unsent *items;
    size_t count;
};
const size_t unsent_size = sizeof(struct unsent_op);

static bool ask_fates(struct unsent_op *u)
{
    struct ask *ask = &u->op.ask;
    size_t lines = 0;
    u->items = ask->unsents;
    u->count = ask->found;
    for (size_t i = 0; i < u->count; i++)
        lines += u->items[i].count;
    if (u->count == 0)
        return false;
    ask->kind = ASK_FIND;
    ask->with_payload = false;
    ask->ids = arena_array(&u->op.memory, lines + 1, sizeof *ask->ids);
    ask->count = 0;
    for (size_t i = 0; i < u->count; i++)
        for (size_t k = 0; k < u->items[i].count; k++)
            ask->ids[ask->count++] = u->items[i].lines[k].id;
    u->op.at = 2;
    return true;
}

/* Can the outcome still close this run? Its write may arrive late, whatever became of its writer. */
static bool may_still_close(const struct outcome_line *line, const struct run *run)
{
    if (!run)
        return line->from ==
               RUN_STATES; /* only a refused run can still be inserted; one that was there is gone for good */
    if (run->state == RUN_ENDED || run->attempt > line->attempt)
        return false;
    return line->from == run->state;
}

/* Kafka may just be slow: then its events wait already, and more of them would not help. */
static bool is_on_its_way(const struct rules *r, struct bytes outcome)
{
    const struct publication *p;
    TAILQ_FOREACH (p, &r->publications, entry)
        if (bytes_equal_text(outcome, p->outcome))
            return true;
    return false;
}

static void resend(struct rules *r, const struct unsent *u, const struct runs *found)
{
    char outcome[UUID_TEXT_LEN + 1] = "";
    bool settled = true;
    memcpy(outcome, u->id.data, u->id.len < UUID_TEXT_LEN ? u->id.len : UUID_TEXT_LEN);
    struct publication *p = publication_new(r, outcome, false);
    for (size_t i = 0; i < u->count; i++) {
        const struct outcome_line *line = &u->lines[i];
        const struct run *run = runs_of(found, &line->id);
        if (run && bytes_equal(run->out, u->id))
            publication_add(r, p, line->group, &line->id, line->event);
        else
            settled = settled && !may_still_close(line, run);
    }
    p->settle = settled;
    r->counts.resent++;
    publication_close(r, p);
}

bool unsent_step(struct rules *r, struct op *op)
{
    struct unsent_op *u = (struct unsent_op *)op;
    switch (op->at) {
    case 0:
        op->ask.kind = ASK_UNSENT;
        op->ask.older_than = rules_now(r).utc_ms - RESEND_AFTER_MS;
        op->ask.limit = RESEND_BATCH;
        op->at = 1;
        return true;
    case 1:
        return ask_fates(u);
    case 2:
        runs_sort(&op->ask.runs);
        for (size_t i = 0; i < u->count; i++)
            if (!is_on_its_way(r, u->items[i].id))
                resend(r, &u->items[i], &op->ask.runs);
        return false;
    }
    return false;
}
