/* SPDX-License-Identifier: Apache-2.0 */
/* window: see the header. */
#include "executor/window.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

#define CAP_LEAST 4

void waiting_release(struct waiting *w, drop_payload drop)
{
    MUST(w->engine->refs > 0);
    w->engine->refs--;
    if (w->payload)
        drop(w->payload);
    w->payload = NULL;
}

const struct waiting *window_at(const struct window *w, size_t i)
{
    return &w->items[w->head + i];
}

const struct waiting *window_first(const struct window *w)
{
    return w->count ? window_at(w, 0) : NULL;
}

static void let_go_when_empty(struct window *w)
{
    if (w->count)
        return;
    free(w->items);
    w->items = NULL;
    w->head = w->cap = 0;
}

/* Room for one more at the end. */
static void make_room(struct window *w, size_t limit)
{
    if (w->head + w->count < w->cap)
        return;
    if (w->head > 0) {
        memmove(w->items, w->items + w->head, w->count * sizeof *w->items);
        w->head = 0;
        return;
    }
    size_t cap = w->cap ? (size_t)w->cap * 2 : CAP_LEAST;
    cap = cap > limit ? limit : cap;
    MUST(cap > w->count);
    struct waiting *more = realloc(w->items, cap * sizeof *more);
    if (!more)
        log_fatal("out_of_memory", "what=window");
    w->items = more;
    w->cap = (uint32_t)cap;
}

bool window_insert(struct window *w, size_t limit, const struct waiting *item, bool sure, drop_payload drop)
{
    uint32_t at = w->count;
    while (at > 0 && window_at(w, at - 1)->seq > item->seq)
        at--;
    if (at > 0 && memcmp(&window_at(w, at - 1)->id, &item->id, sizeof item->id) == 0)
        return false;
    if (at == w->count && !w->complete && !sure)
        return false;
    if (w->count >= limit) {
        w->complete = false;
        if (at == w->count)
            return false;
        waiting_release(&w->items[w->head + w->count - 1], drop);
        w->count--;
    }
    if (at == 0 && w->head > 0) {
        w->head--;
    } else {
        make_room(w, limit);
        struct waiting *place = w->items + w->head + at;
        memmove(place + 1, place, (w->count - at) * sizeof *place);
    }
    w->items[w->head + at] = *item;
    w->count++;
    return true;
}

struct waiting window_pop(struct window *w)
{
    MUST(w->count > 0);
    struct waiting first = w->items[w->head++];
    w->count--;
    let_go_when_empty(w);
    return first;
}

bool window_remove(struct window *w, const struct uuid *id, drop_payload drop)
{
    for (uint32_t i = 0; i < w->count; i++) {
        struct waiting *item = &w->items[w->head + i];
        if (memcmp(&item->id, id, sizeof *id) != 0)
            continue;
        waiting_release(item, drop);
        memmove(item, item + 1, (w->count - i - 1) * sizeof *item);
        w->count--;
        let_go_when_empty(w);
        return true;
    }
    return false;
}

void window_forget(struct window *w, drop_payload drop)
{
    for (uint32_t i = 0; i < w->count; i++)
        waiting_release(&w->items[w->head + i], drop);
    w->count = 0;
    let_go_when_empty(w);
    w->complete = true;
}

void window_hand_on(struct window *from, struct window *to)
{
    for (uint32_t i = 0, k = 0; i < from->count && k < to->count;) {
        struct waiting *a = &from->items[from->head + i], *b = &to->items[to->head + k];
        if (a->seq < b->seq) {
            i++;
        } else if (a->seq > b->seq) {
            k++;
        } else {
            if (!b->payload && memcmp(&a->id, &b->id, sizeof a->id) == 0) {
                b->payload = a->payload;
                a->payload = NULL;
            }
            i++;
            k++;
        }
    }
}
