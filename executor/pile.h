/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pile: things without an order, in an array without holes, so that they can be counted, walked and taken out in O(1). Each thing has a
 * size_t that the pile keeps up to date: where it lies. Walking goes by that number: what comes or goes meanwhile may be missed or be
 * met twice, nothing worse.
 */
#ifndef MILLRACE_EXECUTOR_PILE_H
#define MILLRACE_EXECUTOR_PILE_H

#include <stddef.h>

struct pile_item {
    void *thing;
    size_t *place;
};
struct pile {
    struct pile_item *items;
    size_t count, cap;
};

void pile_release(struct pile *p); /* not the things */
void pile_add(struct pile *p, void *thing, size_t *place);
void pile_remove(struct pile *p, size_t place);
/* The next from *cursor on, or NULL. */
void *pile_next(const struct pile *p, size_t *cursor);

#endif
