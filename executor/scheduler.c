/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler: partitions, intake, starts, ends and looks. The rules stand in scheduler.h, the map of the files in scheduler_private.h. */
#include "executor/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "executor/bugs.h"
#include "executor/settle.h"

struct scheduler *scheduler_new(const struct scheduler_options *o)
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s)
        log_fatal("out_of_memory", "what=scheduler");
    s->options = *o;
    if (s->options.window == 0)
        s->options.window = 1;
    s->now = INT64_MIN;
    ring_init(&s->ring);
    gates_init(&s->gates);
    TAILQ_INIT(&s->looks);
    return s;
}

static void forget_queued(struct scheduler *s, struct group *g)
{
    window_forget(&g->window, s->options.drop);
    backoffs_forget(&s->alarms, &g->backoffs, s->options.drop);
    aways_forget(&s->aways, &g->aways);
}

static void let_go(struct scheduler *s, struct task *t)
{
    if (t->payload)
        s->options.drop(t->payload);
    if (t->order)
        s->options.drop_order(t->order);
}

void scheduler_free(struct scheduler *s)
{
    if (!s)
        return;
    struct task *t;
    for (size_t cursor = 0; (t = scheduler_next_task(s, &cursor)) != NULL;)
        let_go(s, t);
    tasks_release(&s->tasks);
    struct group *g, *next_group;
    HASH_ITER (hh, s->groups.by_name, g, next_group) {
        forget_queued(s, g);
        ring_leave(&g->node);
        g->ticket = NULL;
        g->in_looks = false;
        groups_remove(&s->groups, g);
    }
    struct hold *h, *next_hold;
    HASH_ITER (hh, s->groups.holds, h, next_hold) {
        holds_remove(&s->groups, h);
    }
    gates_release(&s->gates);
    alarms_release(&s->alarms);
    pile_release(&s->aways.pile);
    for (size_t i = 0; i < s->partition_count; i++)
        free(s->partitions[i]);
    free(s->partitions);
    free(s);
}

struct bytes scheduler_group_name(const struct task *t)
{
    return t->group->name;
}

/* ---- partitions ---- */

static struct partition *partition_of(struct scheduler *s, int32_t partition)
{
    MUST(partition >= 0);
    size_t need = (size_t)partition + 1;
    if (need > s->partition_count) {
        struct partition **more = realloc(s->partitions, need * sizeof(struct partition *));
        if (!more)
            log_fatal("out_of_memory", "what=partitions");
        s->partitions = more;
    }
    for (; s->partition_count < need; s->partition_count++) {
        struct partition *p = calloc(1, sizeof *p);
        if (!p)
            log_fatal("out_of_memory", "what=partition");
        p->assignment = -1;
        p->number = (int32_t)s->partition_count;
        LIST_INIT(&p->groups);
        s->partitions[s->partition_count] = p;
    }
    return s->partitions[partition];
}

int32_t scheduler_partitions(const struct scheduler *s)
{
    return (int32_t)s->partition_count;
}

int64_t scheduler_assignment(const struct scheduler *s, int32_t partition)
{
    bool known = partition >= 0 && (size_t)partition < s->partition_count;
    return known ? s->partitions[partition]->assignment : -1;
}

bool scheduler_owns(const struct scheduler *s, int32_t partition)
{
    return scheduler_assignment(s, partition) >= 0;
}

bool scheduler_is_open(const struct scheduler *s, int32_t partition)
{
    return scheduler_owns(s, partition) && s->partitions[partition]->open;
}

/* Its groups have only what runs and what is under way. */
static void close_partition(struct scheduler *s, struct partition *p)
{
    p->assignment = -1;
    p->open = false;
    struct group *next;
    for (struct group *g = LIST_FIRST(&p->groups); g; g = next) {
        next = LIST_NEXT(g, of_partition);
        forget_queued(s, g);
        g->doubt = false;
        g->stale = g->looking;
        group_settle(s, g);
    }
}

static void settle_all_of(struct scheduler *s, struct partition *p)
{
    struct group *next;
    for (struct group *g = LIST_FIRST(&p->groups); g; g = next) {
        next = LIST_NEXT(g, of_partition);
        group_settle(s, g);
    }
}

void scheduler_assigned(struct scheduler *s, int32_t partition, int64_t assignment)
{
    struct partition *p = partition_of(s, partition);
    close_partition(s, p);
    p->assignment = assignment;
}

void scheduler_revoked(struct scheduler *s, int32_t partition)
{
    close_partition(s, partition_of(s, partition));
}

static struct group *group_of(struct scheduler *s, struct bytes name, int32_t partition)
{
    struct partition *p = partition_of(s, partition);
    struct group *g = groups_find(&s->groups, name);
    if (g) {
        groups_move(g, p);
        return g;
    }
    g = groups_add(&s->groups, name, p);
    group_take_limits(g, s->limits);
    if (g->node.creator->groups == 1)
        g->node.creator->served_at = s->ring.turns_done;
    return g;
}

static struct gate *engine_of(struct scheduler *s, struct bytes name)
{
    struct gate *engine = gates_engine(&s->gates, name);
    engine->refs++;
    return engine;
}

/* What the ledger says of one unfinished run. */
static void learn(struct scheduler *s, struct group *g, const struct run *r)
{
    if (tasks_find(&s->tasks, &r->id))
        return; /* ours, and we know better */
    if (r->state == RUN_RUNNING)
        aways_add(&s->aways, &g->aways, g, r);
    if (r->state != RUN_QUEUED)
        return; /* a delayed one has no place yet */
    struct waiting w = {.id = r->id,
        .seq = r->seq,
        .attempt = r->attempt,
        .tries = r->tries,
        .queued_at = r->queued_at,
        .engine = engine_of(s, r->engine)};
    if (r->retry_at != NO_TIME && r->retry_at > s->now)
        backoffs_add(&s->alarms, &g->backoffs, g, &w, r->retry_at);
    else if (!window_insert(&g->window, s->options.window, &w, false, s->options.drop))
        waiting_release(&w, s->options.drop);
}

void scheduler_unfinished(struct scheduler *s, int32_t partition, int64_t assignment, const struct run *runs,
    size_t count, bool last)
{
    if (scheduler_assignment(s, partition) != assignment)
        return;
    for (size_t i = 0; i < count; i++) {
        struct group *g = group_of(s, runs[i].group, partition);
        learn(s, g, &runs[i]);
        group_settle(s, g);
    }
    if (!last)
        return;
    struct partition *p = partition_of(s, partition);
    p->open = true;
    settle_all_of(s, p);
}

/* ---- starts ---- */

static struct task *task_new(struct scheduler *s, struct group *g, const struct waiting *w)
{
    struct task t = {.id = w->id,
        .attempt = w->attempt + 1,
        .tries = w->tries + 1,
        .seq = w->seq,
        .partition = g->partition->number,
        .group = g,
        .payload = w->payload,
        .queued_at = w->queued_at};
    MUST(!g->starting);
    g->tasks++;
    g->starting = true;
    s->slots_used++;
    w->engine->running++;
    return tasks_add(&s->tasks, &t, w->engine);
}

/* Takes it out; the slot and the place are free. Not settled. */
static struct group *task_gone(struct scheduler *s, struct task *t)
{
    struct group *g = t->group;
    struct gate *engine = task_engine(t);
    MUST(g->tasks > 0 && s->slots_used > 0 && engine->running > 0);
    g->tasks--;
    g->starting = g->starting && t->started;
    s->slots_used--;
    let_go(s, t);
    tasks_remove(&s->tasks, t);
    engine->running--;
    engine->refs--;
    gate_give_tickets(s, engine);
    return g;
}

static bool has_slot(const struct scheduler *s)
{
    return !s->draining && s->slots_used < s->options.slots;
}

bool scheduler_can_start(const struct scheduler *s)
{
    return has_slot(s) && s->ring.count > 0;
}

struct task *scheduler_next_start(struct scheduler *s)
{
    struct group *g = has_slot(s) ? ring_take_open(s) : NULL;
    if (!g)
        return NULL;
    struct waiting w = window_pop(&g->window);
    if (g->ticket)
        g->ticket->tickets--; /* it becomes a task of its engine */
    g->ticket = NULL;
    struct task *t = task_new(s, g, &w);
    group_settle(s, g);
    return t;
}

const struct limit_count *scheduler_shared(const struct scheduler *s, const struct task *t, size_t *count)
{
    (void)s;
    *count = t->group->shared_count;
    return t->group->shared;
}

bool scheduler_holds_on_failure(const struct scheduler *s, const struct task *t)
{
    (void)s;
    return t->group->hold_on_failure;
}

static void start_answered(struct task *t)
{
    MUST(!t->started && t->group->starting);
    t->started = true;
    t->group->starting = false;
}

void scheduler_start_won(struct scheduler *s, struct task *t)
{
    MUST(tasks_find(&s->tasks, &t->id) == t);
    start_answered(t);
    group_settle(s, t->group);
}

void scheduler_start_lost(struct scheduler *s, struct task *t)
{
    struct group *g = task_gone(s, t);
    group_doubt(g);
    group_settle(s, g);
}

void scheduler_start_blocked(struct scheduler *s, struct task *t, struct bytes selector)
{
    struct waiting w = {.id = t->id,
        .seq = t->seq,
        .attempt = t->attempt - 1,
        .tries = t->tries - 1,
        .queued_at = t->queued_at,
        .engine = task_engine(t),
        .payload = t->payload};
    MUST(!t->started);
    w.engine->refs++;
    t->payload = NULL;
    struct group *g = task_gone(s, t);
    bool ours = g->partition->assignment >= 0;
    if (!ours || !window_insert(&g->window, s->options.window, &w, true, s->options.drop))
        waiting_release(&w, s->options.drop);
    struct gate *gate = gates_close(&s->gates, selector);
    group_settle_first(s, g);
    gates_tidy(&s->gates, gate);
}

void scheduler_ended(struct scheduler *s, struct task *t, bool closed)
{
    struct uuid id = t->id;
    struct group *g = task_gone(s, t);
    if (closed)
        group_pass_over(g, &id);
    if (!closed || !g->partition->open)
        group_doubt(g); /* while the pages come, one may have told it as running */
    group_settle(s, g);
}

/* ---- intake ---- */

struct task *scheduler_record(struct scheduler *s, int32_t partition, const struct uuid *id, int64_t seq,
    struct bytes group, struct bytes engine)
{
    struct group *g = group_of(s, group, partition);
    struct waiting w = {.id = *id, .seq = seq, .engine = engine_of(s, engine)};
    bool at_once = has_slot(s) && s->ring.count == 0 && group_is_idle(g) && g->partition->open && !g->held &&
                   g->shared_count == 0 && !gate_is_full(w.engine) && !tasks_find(&s->tasks, id);
    g->unanswered++;
    if (at_once)
        return task_new(s, g, &w);
    waiting_release(&w, s->options.drop);
    return NULL;
}

/* What the intake tells happened before a look that is still unanswered: they are done one after another. So that look will show it, and
 * no other is needed: a group whose records never cease must start some day. */
static bool will_be_seen(const struct group *g)
{
    return g->looking && !g->stale;
}

/* False: it is not kept. */
static bool append(struct scheduler *s, struct group *g, struct waiting *w, struct bytes engine)
{
    if (g->doubt || g->looking)
        return false; /* the look that is due will find it */
    w->engine = engine_of(s, engine);
    if (window_insert(&g->window, s->options.window, w, false, s->options.drop))
        return true;
    w->engine->refs--;
    return false;
}

void scheduler_inserted(struct scheduler *s, int32_t partition, int64_t assignment, const struct uuid *id,
    int64_t seq, struct bytes group, struct bytes engine, int64_t now, struct task *task, bool duplicate,
    void *payload)
{
    struct group *g = groups_find(&s->groups, group);
    MUST(g && g->unanswered > 0);
    g->unanswered--;
    bool ours = scheduler_assignment(s, partition) == assignment;
    if (task && duplicate) {
        task_gone(s, task);
    } else if (task) {
        start_answered(task);
        task->queued_at = now;
        task->payload = payload;
        payload = NULL;
    } else if (!duplicate && ours) {
        struct waiting w = {.id = *id, .seq = seq, .queued_at = now, .payload = payload};
        payload = append(s, g, &w, engine) ? NULL : payload;
    }
    if ((duplicate && !BUG(DUPLICATE_IGNORED) && !will_be_seen(g)) || !ours)
        group_doubt(g);
    if (payload)
        s->options.drop(payload);
    group_settle(s, g);
}

/* ---- looks ---- */

bool scheduler_next_look(struct scheduler *s, struct bytes *group, size_t *limit)
{
    struct group *g = TAILQ_FIRST(&s->looks);
    if (!g)
        return false;
    g->doubt = false;
    g->looking = true;
    /* Those that take up places are the least ones: they must not hide what waits. */
    g->look_limit = s->options.window + g->tasks + g->aways.count + g->backoffs.count + 1;
    *group = g->name;
    *limit = g->look_limit;
    group_settle(s, g);
    return true;
}

void scheduler_looked(struct scheduler *s, struct bytes group, const struct run *runs, size_t count)
{
    struct group *g = groups_find(&s->groups, group);
    if (!g || !g->looking)
        return;
    if (g->stale) {
        group_doubt(g);
    } else {
        struct window before = g->window;
        g->window = (struct window){.complete = true};
        forget_queued(s, g);
        for (size_t i = 0; i < count; i++)
            if (!group_is_passed_over(g, &runs[i].id))
                learn(s, g, &runs[i]);
        if (count >= g->look_limit)
            g->window.complete = false;
        window_hand_on(&before, &g->window);
        window_forget(&before, s->options.drop);
    }
    group_end_look(g);
    group_settle(s, g);
}

void scheduler_look(struct scheduler *s, struct bytes group, int32_t partition)
{
    struct group *g = groups_find(&s->groups, group);
    if (!g && scheduler_owns(s, partition))
        g = group_of(s, group, partition);
    if (!g)
        return;
    if (partition < 0 || !will_be_seen(g))
        group_doubt(g);
    group_settle(s, g);
}

bool scheduler_next_elsewhere(struct scheduler *s, size_t *cursor, struct elsewhere *out)
{
    const struct away *a = pile_next(&s->aways.pile, cursor);
    if (!a)
        return false;
    *out = (struct elsewhere){a->id, a->attempt, bytes_of(a->instance), a->group->name};
    return true;
}

size_t scheduler_elsewhere_count(const struct scheduler *s)
{
    return s->aways.pile.count;
}

/* ---- tasks, cancel, drain ---- */

struct task *scheduler_find(struct scheduler *s, const struct uuid *id)
{
    return tasks_find(&s->tasks, id);
}

struct task *scheduler_next_task(struct scheduler *s, size_t *cursor)
{
    struct task_slot *slot = pile_next(&s->tasks.all, cursor);
    return slot ? &slot->task : NULL;
}

size_t scheduler_task_count(const struct scheduler *s)
{
    return s->tasks.all.count;
}

bool scheduler_withdraw(struct scheduler *s, struct bytes group, const struct uuid *id)
{
    if (tasks_find(&s->tasks, id))
        return false;
    struct group *g = groups_find(&s->groups, group);
    if (!g)
        return true;
    if (!window_remove(&g->window, id, s->options.drop))
        backoffs_remove(&s->alarms, &g->backoffs, id, s->options.drop);
    group_pass_over(g, id);
    group_settle(s, g);
    return true;
}

void scheduler_drain(struct scheduler *s)
{
    s->draining = true;
}

struct scheduler_figures scheduler_figures(const struct scheduler *s)
{
    struct scheduler_figures f = {.groups = HASH_COUNT(s->groups.by_name),
        .tasks = s->tasks.all.count,
        .ready = s->ring.count,
        .looks = s->look_count,
        .elsewhere = s->aways.pile.count,
        .held = s->groups.held,
        .gated = s->gates.waiting};
    for (const struct group *g = s->groups.by_name; g; g = g->hh.next)
        f.windowed += g->window.count;
    return f;
}
