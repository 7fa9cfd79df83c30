/* SPDX-License-Identifier: Apache-2.0 */
/* group: windows, lines, the ring and the looks. The rules stand in scheduler.h, the fields in group.h. */
#include "executor/group.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"

/* ---- groups ---- */

void groups_init(struct groups *gs, size_t window, void (*drop)(void *payload))
{
    memset(gs, 0, sizeof *gs);
    TAILQ_INIT(&gs->ring);
    TAILQ_INIT(&gs->looks);
    gs->window = window;
    gs->drop = drop;
}

static void leave_lists(struct groups *gs, struct group *g)
{
    if (g->in_ring) {
        TAILQ_REMOVE(&gs->ring, g, ring);
        gs->ready--;
    }
    if (g->in_looks) {
        TAILQ_REMOVE(&gs->looks, g, looks);
        gs->look_count--;
    }
    g->in_ring = g->in_looks = false;
}

static void group_free(struct groups *gs, struct group *g)
{
    leave_lists(gs, g);
    group_forget_window(gs, g);
    HASH_DEL(gs->by_name, g);
    free(g->waiting);
    free(g);
}

void groups_release(struct groups *gs)
{
    struct group *g, *next;
    HASH_ITER (hh, gs->by_name, g, next) {
        group_free(gs, g);
    }
    free(gs->walk);
}

struct group *groups_find(const struct groups *gs, struct bytes name)
{
    struct group *g;
    HASH_FIND(hh, gs->by_name, name.data, name.len, g);
    return g;
}

struct group *groups_get(struct groups *gs, struct bytes name, int32_t partition)
{
    struct group *g = groups_find(gs, name);
    if (g) {
        g->partition = partition;
        return g;
    }
    g = calloc(1, sizeof *g + name.len + 1); /* the name lies behind the struct */
    if (!g)
        log_fatal("out_of_memory", "what=group");
    char *copy = (char *)(g + 1);
    memcpy(copy, name.data, name.len);
    g->name = (struct bytes){copy, name.len};
    g->partition = partition;
    g->complete = true;
    HASH_ADD_KEYPTR(hh, gs->by_name, g->name.data, g->name.len, g);
    return g;
}

struct group *groups_next(struct groups *gs, size_t *cursor)
{
    if (*cursor == 0) {
        size_t n = HASH_COUNT(gs->by_name), i = 0;
        struct group *g, *next, **more = realloc(gs->walk, (n ? n : 1) * sizeof(struct group *));
        if (!more)
            log_fatal("out_of_memory", "what=groups");
        gs->walk = more;
        HASH_ITER (hh, gs->by_name, g, next) {
            more[i++] = g;
        }
        gs->walk_count = n;
    }
    return *cursor < gs->walk_count ? gs->walk[(*cursor)++] : NULL;
}

void groups_disown(struct groups *gs, int32_t partition)
{
    struct group *g, *next;
    HASH_ITER (hh, gs->by_name, g, next) {
        if (g->partition != partition)
            continue;
        g->disowned = true;
        g->elsewhere = g->doubt = false;
        group_forget_window(gs, g);
        group_settle(gs, g);
    }
}

size_t groups_ready(const struct groups *gs)
{
    return gs->ready;
}

struct group *groups_pop_ready(struct groups *gs)
{
    struct group *g = TAILQ_FIRST(&gs->ring);
    if (!g)
        return NULL;
    TAILQ_REMOVE(&gs->ring, g, ring);
    g->in_ring = false;
    gs->ready--;
    return g;
}

struct group *groups_pop_look(struct groups *gs)
{
    struct group *g = TAILQ_FIRST(&gs->looks);
    if (!g)
        return NULL;
    TAILQ_REMOVE(&gs->looks, g, looks);
    g->in_looks = g->doubt = false;
    gs->look_count--;
    return g;
}

struct scheduler_figures groups_figures(const struct groups *gs)
{
    struct scheduler_figures f = {
        .groups = HASH_COUNT(gs->by_name), .ready = gs->ready, .looks = gs->look_count};
    for (const struct group *g = gs->by_name; g; g = g->hh.next) {
        f.elsewhere += g->elsewhere ? 1 : 0;
        f.windowed += g->count;
    }
    return f;
}

/* ---- the window ---- */

static void window_room(struct group *g)
{
    if (g->head + g->count < g->cap)
        return;
    if (g->head > 0) {
        memmove(g->waiting, g->waiting + g->head, g->count * sizeof *g->waiting);
        g->head = 0;
        return;
    }
    size_t cap = g->cap ? g->cap * 2 : 4;
    struct waiting *more = realloc(g->waiting, cap * sizeof *more);
    if (!more)
        log_fatal("out_of_memory", "what=window");
    g->waiting = more;
    g->cap = cap;
}

static bool window_add(struct groups *gs, struct group *g, const struct waiting *w)
{
    if (!g->complete)
        return false; /* it lies behind others that are only in the ledger */
    if (g->count >= gs->window) {
        g->complete = false;
        return false;
    }
    window_room(g);
    g->waiting[g->head + g->count++] = *w;
    return true;
}

void group_learn(struct groups *gs, struct group *g, const struct run *r)
{
    if (g->task && memcmp(&g->task->id, &r->id, sizeof r->id) == 0)
        return; /* ours, and we know better */
    if (r->state == RUN_RUNNING) {
        g->elsewhere = true;
        g->elsewhere_id = r->id;
        g->elsewhere_attempt = r->attempt;
        size_t n = r->instance.len < sizeof g->elsewhere_instance ? r->instance.len
                                                                  : sizeof g->elsewhere_instance - 1;
        memcpy(g->elsewhere_instance, r->instance.data ? r->instance.data : "", n);
        g->elsewhere_instance[n] = '\0';
    } else if (r->state == RUN_QUEUED) {
        struct waiting w = {r->id, r->seq, r->attempt, r->queued_at, NULL};
        (void)window_add(gs, g, &w);
    }
}

void *group_append(
    struct groups *gs, struct group *g, const struct uuid *id, int64_t seq, int64_t queued_at, void *payload)
{
    if (g->doubt || g->disowned)
        return payload; /* the look that is due will find it */
    struct waiting w = {*id, seq, 0, queued_at, payload};
    return window_add(gs, g, &w) ? NULL : payload;
}

void group_remove(struct groups *gs, struct group *g, const struct uuid *id)
{
    for (size_t i = g->head; i < g->head + g->count; i++) {
        if (memcmp(&g->waiting[i].id, id, sizeof *id) != 0)
            continue;
        if (g->waiting[i].payload)
            gs->drop(g->waiting[i].payload);
        memmove(&g->waiting[i], &g->waiting[i + 1], (g->head + g->count - i - 1) * sizeof *g->waiting);
        g->count--;
        return;
    }
}

void group_forget_window(struct groups *gs, struct group *g)
{
    for (size_t i = g->head; i < g->head + g->count; i++)
        if (g->waiting[i].payload)
            gs->drop(g->waiting[i].payload);
    g->head = g->count = 0;
    g->complete = true;
    g->elsewhere = false;
}

struct waiting group_pop(struct group *g)
{
    MUST(g->count > 0);
    struct waiting w = g->waiting[g->head++];
    if (--g->count == 0)
        g->head = 0;
    return w;
}

/* ---- the line ---- */

bool group_is_idle(const struct group *g)
{
    return !g->task && g->count == 0 && g->complete && g->unanswered == 0 && !g->elsewhere && !g->doubt &&
           !g->looking && !g->disowned;
}

void group_doubt(struct group *g)
{
    if (!g->disowned)
        g->doubt = true;
}

void group_take_line(struct group *g, struct task *t)
{
    MUST(!g->task);
    g->task = t;
}

void group_free_line(struct group *g)
{
    g->task = NULL;
    g->moved = true;
}

static void enter_ring(struct groups *gs, struct group *g)
{
    if (g->in_ring)
        return;
    TAILQ_INSERT_TAIL(&gs->ring, g, ring);
    g->in_ring = true;
    gs->ready++;
}

static void enter_looks(struct groups *gs, struct group *g)
{
    if (g->in_looks)
        return;
    TAILQ_INSERT_TAIL(&gs->looks, g, looks);
    g->in_looks = true;
    gs->look_count++;
}

void group_settle(struct groups *gs, struct group *g)
{
    bool held =
        g->task || g->count || g->elsewhere || g->unanswered || g->doubt || g->looking || !g->complete;
    if (!held) {
        group_free(gs, g);
        return;
    }
    bool line_is_free = !g->task && !g->elsewhere && !g->looking && !g->disowned;
    if (line_is_free && !g->doubt && g->count == 0 && !g->complete)
        g->doubt = true; /* the window is used up, the ledger has more */
    if (g->doubt && !g->looking)
        enter_looks(gs, g);
    bool ready = line_is_free && !g->doubt && g->count > 0;
    if (ready)
        enter_ring(gs, g);
    else if (g->in_ring) {
        TAILQ_REMOVE(&gs->ring, g, ring);
        g->in_ring = false;
        gs->ready--;
    }
}

/* ---- tasks ---- */

struct task_slot {
    struct task task;
    UT_hash_handle hh;
};

void tasks_init(struct tasks *ts)
{
    ts->by_id = NULL;
}

void tasks_release(struct tasks *ts)
{
    struct task_slot *t = ts->by_id, *next;
    HASH_CLEAR(hh, ts->by_id); /* frees the table, not the items */
    for (; t; t = next) {
        next = t->hh.next;
        free(t);
    }
}

struct task *tasks_add(struct tasks *ts, const struct uuid *id, struct group *g, int64_t attempt, int64_t seq)
{
    struct task_slot *t = calloc(1, sizeof *t);
    if (!t)
        log_fatal("out_of_memory", "what=task");
    t->task = (struct task){.id = *id, .attempt = attempt, .seq = seq, .group = g};
    HASH_ADD(hh, ts->by_id, task.id, sizeof t->task.id, t);
    return &t->task;
}

struct task *tasks_find(const struct tasks *ts, const struct uuid *id)
{
    struct task_slot *t;
    HASH_FIND(hh, ts->by_id, id, sizeof *id, t);
    return t ? &t->task : NULL;
}

void tasks_remove(struct tasks *ts, struct task *t)
{
    struct task_slot *slot;
    HASH_FIND(hh, ts->by_id, &t->id, sizeof t->id, slot);
    MUST(slot && &slot->task == t);
    HASH_DEL(ts->by_id, slot);
    free(slot);
}

struct task *tasks_next(struct tasks *ts, size_t *cursor)
{
    size_t i = 0;
    for (struct task_slot *t = ts->by_id; t; t = t->hh.next)
        if (i++ == *cursor) {
            (*cursor)++;
            return &t->task;
        }
    return NULL;
}

size_t tasks_count(const struct tasks *ts)
{
    return HASH_COUNT(ts->by_id);
}
