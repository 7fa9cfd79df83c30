/* SPDX-License-Identifier: Apache-2.0 */
/* scheduler: the messages. What a group is and how its line moves is in executor/group.c; the rules stand in
 * scheduler.h. */
#include "executor/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "executor/group.h"

struct partition {
    int64_t assignment; /* -1: not ours */
    bool open;          /* its unfinished runs are known */
};

struct scheduler {
    struct scheduler_options options;
    struct groups groups;
    struct tasks tasks;
    struct partition *partitions;
    size_t partition_count;
    size_t slots_used;
    bool draining;
};

struct scheduler *scheduler_new(const struct scheduler_options *o)
{
    struct scheduler *s = calloc(1, sizeof *s);
    if (!s)
        log_fatal("out_of_memory", "what=scheduler");
    s->options = *o;
    groups_init(&s->groups, o->window, o->drop);
    tasks_init(&s->tasks);
    return s;
}

void scheduler_free(struct scheduler *s)
{
    if (!s)
        return;
    struct task *t;
    size_t cursor = 0;
    while ((t = tasks_next(&s->tasks, &cursor)) != NULL) {
        if (t->payload)
            s->options.drop(t->payload);
        if (t->cancel)
            s->options.drop_cancel(t->cancel);
    }
    tasks_release(&s->tasks);
    groups_release(&s->groups);
    free(s->partitions);
    free(s);
}

/* ---- partitions ---- */

static struct partition *partition_of(struct scheduler *s, int32_t partition)
{
    MUST(partition >= 0);
    size_t need = (size_t)partition + 1;
    if (need > s->partition_count) {
        struct partition *more = realloc(s->partitions, need * sizeof *more);
        if (!more)
            log_fatal("out_of_memory", "what=partitions");
        for (size_t i = s->partition_count; i < need; i++)
            more[i] = (struct partition){.assignment = -1};
        s->partitions = more;
        s->partition_count = need;
    }
    return &s->partitions[partition];
}

int32_t scheduler_partitions(const struct scheduler *s)
{
    return (int32_t)s->partition_count;
}

int64_t scheduler_assignment(const struct scheduler *s, int32_t partition)
{
    bool known = partition >= 0 && (size_t)partition < s->partition_count;
    return known ? s->partitions[partition].assignment : -1;
}

bool scheduler_owns(const struct scheduler *s, int32_t partition)
{
    return scheduler_assignment(s, partition) >= 0;
}

bool scheduler_is_open(const struct scheduler *s, int32_t partition)
{
    return scheduler_owns(s, partition) && s->partitions[partition].open;
}

void scheduler_assigned(struct scheduler *s, int32_t partition, int64_t assignment)
{
    struct partition *p = partition_of(s, partition);
    p->assignment = assignment;
    p->open = false;
}

void scheduler_unfinished(struct scheduler *s, int32_t partition, int64_t assignment, const struct run *runs,
    size_t count, bool last)
{
    if (scheduler_assignment(s, partition) != assignment)
        return;
    for (size_t i = 0; i < count; i++) {
        struct group *g = groups_get(&s->groups, runs[i].group, partition);
        g->disowned = false;
        group_learn(&s->groups, g, &runs[i]);
    }
    if (!last)
        return;
    partition_of(s, partition)->open = true;
    struct group *g;
    size_t cursor = 0;
    while ((g = groups_next(&s->groups, &cursor)) != NULL)
        if (g->partition == partition)
            group_settle(&s->groups, g);
}

void scheduler_revoked(struct scheduler *s, int32_t partition)
{
    struct partition *p = partition_of(s, partition);
    p->assignment = -1;
    p->open = false;
    groups_disown(&s->groups, partition);
}

/* ---- intake ---- */

struct task *scheduler_record(
    struct scheduler *s, int32_t partition, const struct uuid *id, int64_t seq, struct bytes group)
{
    struct group *g = groups_get(&s->groups, group, partition);
    g->disowned = false;
    bool at_once = !s->draining && s->slots_used < s->options.slots && groups_ready(&s->groups) == 0 &&
                   group_is_idle(g) && !tasks_find(&s->tasks, id);
    g->unanswered++;
    if (!at_once)
        return NULL;
    s->slots_used++;
    struct task *t = tasks_add(&s->tasks, id, g, 1, seq);
    group_take_line(g, t);
    return t;
}

static void task_gone(struct scheduler *s, struct task *t)
{
    struct group *g = t->group;
    MUST(g->task == t && s->slots_used > 0);
    group_free_line(g);
    s->slots_used--;
    if (t->payload)
        s->options.drop(t->payload);
    if (t->cancel)
        s->options.drop_cancel(t->cancel);
    tasks_remove(&s->tasks, t);
}

void scheduler_inserted(struct scheduler *s, int32_t partition, int64_t assignment, const struct uuid *id,
    int64_t seq, struct bytes group, int64_t now, struct task *task, bool duplicate, void *payload)
{
    struct group *g = groups_find(&s->groups, group);
    MUST(g && g->unanswered > 0);
    g->unanswered--;
    bool ours = scheduler_assignment(s, partition) == assignment;
    if (task && !duplicate) {
        task->started = true;
        task->queued_at = now;
        task->payload = payload;
        payload = NULL;
    } else if (task) {
        task_gone(s, task);
        group_doubt(g);
    } else if (duplicate) {
        group_doubt(g);
    } else if (ours) {
        payload = group_append(&s->groups, g, id, seq, now, payload);
    }
    if (payload)
        s->options.drop(payload);
    group_settle(&s->groups, g);
}

/* ---- starts and ends ---- */

struct task *scheduler_next_start(struct scheduler *s)
{
    if (s->draining || s->slots_used >= s->options.slots)
        return NULL;
    struct group *g = groups_pop_ready(&s->groups);
    if (!g)
        return NULL;
    struct waiting w = group_pop(g);
    s->slots_used++;
    struct task *t = tasks_add(&s->tasks, &w.id, g, w.attempt + 1, w.seq);
    t->payload = w.payload;
    t->queued_at = w.queued_at;
    group_take_line(g, t);
    return t;
}

void scheduler_start_won(struct scheduler *s, struct task *t)
{
    MUST(tasks_find(&s->tasks, &t->id) == t);
    t->started = true;
}

void scheduler_start_lost(struct scheduler *s, struct task *t)
{
    struct group *g = t->group;
    task_gone(s, t);
    group_doubt(g);
    group_settle(&s->groups, g);
}

void scheduler_ended(struct scheduler *s, struct task *t, bool closed)
{
    struct group *g = t->group;
    task_gone(s, t);
    if (!closed)
        group_doubt(g);
    group_settle(&s->groups, g);
}

/* ---- looks ---- */

bool scheduler_next_look(struct scheduler *s, struct bytes *group, size_t *limit)
{
    struct group *g = groups_pop_look(&s->groups);
    if (!g)
        return false;
    g->looking = true;
    g->moved = false;
    *group = g->name;
    *limit = s->options.window + 1;
    return true;
}

void scheduler_looked(struct scheduler *s, struct bytes group, const struct run *runs, size_t count)
{
    struct group *g = groups_find(&s->groups, group);
    if (!g || !g->looking)
        return;
    g->looking = false;
    if (g->moved && !g->disowned) {
        group_doubt(g); /* its task ended since the look was asked for: what was seen is old */
    } else if (!g->disowned) {
        group_forget_window(&s->groups, g);
        size_t known = count > s->options.window ? s->options.window : count;
        for (size_t i = 0; i < known; i++)
            group_learn(&s->groups, g, &runs[i]);
        if (count > known)
            g->complete = false;
    }
    group_settle(&s->groups, g);
}

void scheduler_look(struct scheduler *s, struct bytes group)
{
    struct group *g = groups_find(&s->groups, group);
    if (!g)
        return;
    group_doubt(g);
    group_settle(&s->groups, g);
}

bool scheduler_next_elsewhere(struct scheduler *s, size_t *cursor, struct elsewhere *out)
{
    struct group *g;
    while ((g = groups_next(&s->groups, cursor)) != NULL) {
        if (!g->elsewhere || g->disowned)
            continue;
        *out = (struct elsewhere){
            g->elsewhere_id, g->elsewhere_attempt, bytes_of(g->elsewhere_instance), g->name};
        return true;
    }
    return false;
}

/* ---- cancel, drain ---- */

struct task *scheduler_find(struct scheduler *s, const struct uuid *id)
{
    return tasks_find(&s->tasks, id);
}

bool scheduler_withdraw(struct scheduler *s, struct bytes group, const struct uuid *id)
{
    if (tasks_find(&s->tasks, id))
        return false;
    struct group *g = groups_find(&s->groups, group);
    if (g) {
        group_remove(&s->groups, g, id);
        group_settle(&s->groups, g);
    }
    return true;
}

void scheduler_drain(struct scheduler *s)
{
    s->draining = true;
}

struct scheduler_figures scheduler_figures(const struct scheduler *s)
{
    struct scheduler_figures f = groups_figures(&s->groups);
    f.tasks = tasks_count(&s->tasks);
    return f;
}
