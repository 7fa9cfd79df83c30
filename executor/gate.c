/* SPDX-License-Identifier: Apache-2.0 */
/* gate: see the header. Who stands before which gate is decided in executor/settle.c. */
#include "executor/gate.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

#define SWEEP_LEAST 64 /* engines that are known before the unused are swept out */

void gates_init(struct gates *gs)
{
    *gs = (struct gates){.engines = NULL};
}

static struct gate *gate_new(struct bytes name)
{
    struct gate *g = calloc(1, sizeof *g + name.len + 1); /* the name lies behind the struct */
    if (!g)
        log_fatal("out_of_memory", "what=gate");
    char *copy = (char *)(g + 1);
    if (name.len)
        memcpy(copy, name.data, name.len);
    g->name = (struct bytes){copy, name.len};
    g->limit = SIZE_MAX;
    ring_init(&g->ring);
    return g;
}

static void gate_free(struct gate *g)
{
    MUST(g->ring.count == 0);
    free(g);
}

static void free_all(struct gate *first)
{
    struct gate *next;
    for (struct gate *g = first; g; g = next) {
        next = g->hh.next;
        gate_free(g);
    }
}

void gates_release(struct gates *gs)
{
    struct gate *engines = gs->engines, *shared = gs->shared;
    HASH_CLEAR(hh, gs->engines); /* frees the tables, not the items */
    HASH_CLEAR(hh, gs->shared);
    free_all(engines);
    free_all(shared);
    pile_release(&gs->closed);
}

/* Engine names come from users: those that are not in use any more must not pile up. */
static void sweep(struct gates *gs)
{
    if (HASH_COUNT(gs->engines) < SWEEP_LEAST + 2 * gs->engines_at_sweep)
        return;
    struct gate *next, *first = gs->engines;
    HASH_CLEAR(hh, gs->engines); /* frees the table, not the items */
    for (struct gate *g = first; g; g = next) {
        next = g->hh.next;
        if (g->limited || g->refs || g->running || g->tickets || g->ring.count)
            HASH_ADD_KEYPTR(hh, gs->engines, g->name.data, g->name.len, g);
        else
            gate_free(g);
    }
    gs->engines_at_sweep = HASH_COUNT(gs->engines);
}

struct gate *gates_engine(struct gates *gs, struct bytes name)
{
    struct gate *g;
    HASH_FIND(hh, gs->engines, name.data, name.len, g);
    if (g)
        return g;
    sweep(gs);
    g = gate_new(name);
    HASH_ADD_KEYPTR(hh, gs->engines, g->name.data, g->name.len, g);
    return g;
}

bool gate_is_full(const struct gate *engine)
{
    return engine->running + engine->tickets >= engine->limit;
}

struct gate *gates_shared(const struct gates *gs, struct bytes selector)
{
    struct gate *g;
    HASH_FIND(hh, gs->shared, selector.data, selector.len, g);
    return g;
}

struct gate *gates_close(struct gates *gs, struct bytes selector)
{
    struct gate *g = gates_shared(gs, selector);
    if (g)
        return g;
    g = gate_new(selector);
    g->shared = true;
    HASH_ADD_KEYPTR(hh, gs->shared, g->name.data, g->name.len, g);
    pile_add(&gs->closed, g, &g->place);
    return g;
}

void gates_tidy(struct gates *gs, struct gate *g)
{
    if (!g->shared || g->ring.count)
        return;
    pile_remove(&gs->closed, g->place);
    HASH_DEL(gs->shared, g);
    gate_free(g);
}
