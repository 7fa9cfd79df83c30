/* SPDX-License-Identifier: Apache-2.0 */
/*
 * told: see told.h. Lists are short, so that hostile code with very many names costs no more than its length.
 */
#include "converter/told.h"

void told_use(struct told *t, struct bytes name, struct bytes value, struct arena *a)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->used_count; i++) {
        if (bytes_equal(t->used[i].key, name))
            return;
    }
    if (t->used_count == TOLD_NAMES_MAX)
        t->more = true;
    else
        t->used[t->used_count++] = (struct pair){arena_copy(a, name), arena_copy(a, value)};
}

void told_leave(struct told *t, struct bytes name, struct arena *a)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->left_count; i++) {
        if (bytes_equal(t->left[i], name))
            return;
    }
    if (t->left_count == TOLD_NAMES_MAX)
        t->more = true;
    else
        t->left[t->left_count++] = arena_copy(a, name);
}
