/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_place: how many tasks of an engine's default target, or of one of its targets, run at once (the setting engine.slots). The scheduler starts no more
 * jobs than that; but it looks at a job's first node only, and here are the nodes of races, of all at once, and of later parts. A task that
 * has no place waits in its engine's line; it holds nothing that another task could wait for.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/strategy.h"
#include "executor/engine_pool.h"

static struct engine_place *find(const struct engines *p, struct bytes name)
{
    struct engine_place *found = NULL;
    HASH_FIND(hh, p->places, name.data, name.len, found);
    return found;
}

void engines_slots(struct engines *p, struct bytes name, size_t limit)
{
    struct engine_place *place = find(p, name);
    if (place == NULL) {
        place = calloc(1, sizeof(*place) + name.len + 1);
        MUST(place != NULL);
        memcpy(place->name, name.data, name.len);
        place->name_len = name.len;
        TAILQ_INIT(&place->waiting);
        HASH_ADD_KEYPTR(hh, p->places, place->name, place->name_len, place);
    }
    place->limit = limit;
}

static struct engine_place *place_of(const struct engines *p, const struct engine_task *t)
{
    struct arena a;
    arena_init(&a);
    struct engine_place *found = find(p, strategy_target_text(t->engine, t->target, &a));
    arena_release(&a);
    return found;
}

static void enter_lane(struct engines *p, struct engine_task_state *t)
{
    t->placed = t->place_of != NULL;
    if (t->placed) {
        t->place_of->used++;
    }
    TAILQ_INSERT_TAIL(&t->lane->waiting, t, link);
    t->lane->waiting_count++;
    pool_dispatch(p, t->lane);
}

void place_enter(
    struct engines *p, struct engine_task_state *t, struct lane *lane, const struct engine_task *task)
{
    t->lane = lane;
    t->place_of = place_of(p, task);
    if (t->place_of != NULL && t->place_of->used >= t->place_of->limit) {
        TAILQ_INSERT_TAIL(&t->place_of->waiting, t, link);
        lane->held_count++;
        return;
    }
    enter_lane(p, t);
}

void place_leave_line(struct engine_task_state *t)
{
    if (t->place_of != NULL && !t->placed) {
        TAILQ_REMOVE(&t->place_of->waiting, t, link);
        t->lane->held_count--;
    } else {
        TAILQ_REMOVE(&t->lane->waiting, t, link);
        t->lane->waiting_count--;
    }
    t->lane = NULL;
}

void place_give_back(struct engines *p, struct engine_task_state *t)
{
    struct engine_place *place = t->place_of;
    if (!t->placed) {
        return;
    }
    t->placed = false;
    place->used--;
    struct engine_task_state *next = TAILQ_FIRST(&place->waiting);
    if (next != NULL && place->used < place->limit) {
        TAILQ_REMOVE(&place->waiting, next, link);
        next->lane->held_count--;
        enter_lane(p, next);
    }
}

void places_free(struct engines *p)
{
    struct engine_place *next;
    struct engine_place *first = p->places;
    HASH_CLEAR(
        hh, p->places); /* frees the table, not the items; clang-tidy does not follow HASH_DEL in a loop */
    for (struct engine_place *place = first; place != NULL; place = next) {
        next = place->hh.next;
        free(place);
    }
}
