/* SPDX-License-Identifier: Apache-2.0 */
/* group: see the header. */
#include "executor/group.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "executor/bugs.h"

/* ---- all groups ---- */

struct group *groups_find(const struct groups *gs, struct bytes name)
{
    struct group *g;
    HASH_FIND(hh, gs->by_name, name.data, name.len, g);
    return g;
}

static struct creator *creator_of(struct groups *gs, struct bytes name)
{
    struct creator *c;
    HASH_FIND(hh, gs->creators, name.data, name.len, c);
    if (!c) {
        c = calloc(1, sizeof *c + name.len);
        if (!c)
            log_fatal("out_of_memory", "what=creator");
        if (name.len)
            memcpy(c->name, name.data, name.len);
        c->name_len = name.len;
        c->weight = 1;
        HASH_ADD_KEYPTR(hh, gs->creators, c->name, c->name_len, c);
    }
    c->groups++;
    return c;
}

static void creator_leave(struct groups *gs, struct creator *c)
{
    if (--c->groups > 0)
        return;
    HASH_DEL(gs->creators, c);
    free(c);
}

struct group *groups_add(struct groups *gs, struct bytes name, struct partition *p)
{
    struct group *g = calloc(1, sizeof *g + name.len + 1); /* the name lies behind the struct */
    if (!g)
        log_fatal("out_of_memory", "what=group");
    char *copy = (char *)(g + 1);
    if (name.len)
        memcpy(copy, name.data, name.len);
    g->name = (struct bytes){copy, name.len};
    const char *slash = memchr(copy, '/', name.len);
    g->node.group = g;
    g->node.creator = creator_of(gs, bytes_slice(g->name, 0, slash ? (size_t)(slash - copy) : name.len));
    g->window.complete = true;
    g->partition = p;
    LIST_INSERT_HEAD(&p->groups, g, of_partition);
    HASH_ADD_KEYPTR(hh, gs->by_name, g->name.data, g->name.len, g);
    groups_mark_held(gs, g, holds_find(gs, name) != NULL);
    return g;
}

void groups_move(struct group *g, struct partition *p)
{
    if (g->partition == p)
        return;
    LIST_REMOVE(g, of_partition);
    g->partition = p;
    LIST_INSERT_HEAD(&p->groups, g, of_partition);
}

void groups_remove(struct groups *gs, struct group *g)
{
    MUST(!g->node.ring && !g->ticket && !g->in_looks && !g->window.items);
    groups_mark_held(gs, g, false);
    creator_leave(gs, g->node.creator);
    LIST_REMOVE(g, of_partition);
    HASH_DEL(gs->by_name, g);
    free(g->passed.ids);
    free(g);
}

/* ---- holds ---- */

void groups_mark_held(struct groups *gs, struct group *g, bool held)
{
    if (held == g->held)
        return;
    g->held = held;
    if (held)
        gs->held++;
    else
        gs->held--;
}

struct hold *holds_find(const struct groups *gs, struct bytes name)
{
    struct hold *h;
    HASH_FIND(hh, gs->holds, name.data, name.len, h);
    return h;
}

struct hold *holds_add(struct groups *gs, struct bytes name)
{
    struct hold *h = calloc(1, sizeof *h + name.len);
    if (!h)
        log_fatal("out_of_memory", "what=hold");
    if (name.len)
        memcpy(h->name, name.data, name.len);
    h->name_len = name.len;
    HASH_ADD_KEYPTR(hh, gs->holds, h->name, h->name_len, h);
    return h;
}

void holds_remove(struct groups *gs, struct hold *h)
{
    HASH_DEL(gs->holds, h);
    free(h);
}

/* ---- one ---- */

void group_take_limits(struct group *g, const struct limits *l)
{
    struct limits_effective e = {.weight = 1, .max_running = 1};
    if (l)
        limits_find_group(l, g->name, &e);
    g->node.creator->weight = e.weight;
    g->max_running = (size_t)e.max_running;
    memcpy(g->shared, e.shared, sizeof g->shared);
    g->shared_count = (uint8_t)e.shared_count;
    g->hold_on_failure = e.hold_on_failure;
    g->passes = 0;
}

size_t group_taken(const struct group *g)
{
    return g->tasks + g->aways.count + (BUG(HEAD_SKIPPED) ? 0 : g->backoffs.count);
}

bool group_is_idle(const struct group *g)
{
    return g->window.count == 0 && g->window.complete && g->tasks == 0 && g->aways.count == 0 &&
           g->backoffs.count == 0 && g->unanswered == 0 && !g->doubt && !g->looking;
}

void group_doubt(struct group *g)
{
    if (g->partition->assignment >= 0)
        g->doubt = true;
}

void group_pass_over(struct group *g, const struct uuid *id)
{
    struct passed_over *p = &g->passed;
    if (!g->looking)
        return;
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 4;
        struct uuid *more = realloc(p->ids, cap * sizeof *more);
        if (!more)
            log_fatal("out_of_memory", "what=passed_over");
        p->ids = more;
        p->cap = cap;
    }
    p->ids[p->count++] = *id;
}

bool group_is_passed_over(const struct group *g, const struct uuid *id)
{
    for (size_t i = 0; i < g->passed.count; i++)
        if (memcmp(&g->passed.ids[i], id, sizeof *id) == 0)
            return true;
    return false;
}

void group_end_look(struct group *g)
{
    free(g->passed.ids);
    g->passed = (struct passed_over){0};
    g->looking = g->stale = false;
}
