/* SPDX-License-Identifier: Apache-2.0 */
/* pile: see the header. */
#include "executor/pile.h"

#include <stdlib.h>

#include "core/error.h"
#include "core/log.h"

void pile_release(struct pile *p)
{
    free(p->items);
    *p = (struct pile){0};
}

void pile_add(struct pile *p, void *thing, size_t *place)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        struct pile_item *more = realloc(p->items, cap * sizeof *more);
        if (!more)
            log_fatal("out_of_memory", "what=pile");
        p->items = more;
        p->cap = cap;
    }
    *place = p->count;
    p->items[p->count++] = (struct pile_item){thing, place};
}

void pile_remove(struct pile *p, size_t place)
{
    MUST(place < p->count);
    p->items[place] = p->items[--p->count];
    *p->items[place].place = place;
}

void *pile_next(const struct pile *p, size_t *cursor)
{
    return *cursor < p->count ? p->items[(*cursor)++].thing : NULL;
}
