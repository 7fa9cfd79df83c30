/* SPDX-License-Identifier: Apache-2.0 */
/* store_rows: see the header. */
#include "core/store_rows.h"

struct reading {
    store_rows_read *read;
    struct arena *arena;
    void *items;
    size_t size, count, room;
};

static bool add_row(void *self, const bson_t *doc)
{
    struct reading *r = self;
    r->items = arena_grow(r->arena, r->items, r->count, &r->room, r->size);
    if (r->read(doc, r->arena, (char *)r->items + r->count * r->size))
        r->count++;
    return true;
}

static void start_again(void *self)
{
    struct reading *r = self;
    r->items = NULL;
    r->count = r->room = 0;
    arena_reset(r->arena);
}

bool store_rows(struct store *s, const char *collection, store_rows_read *read, size_t size,
    int64_t patience_ms, struct arena *a, void **items, size_t *count, struct error *e)
{
    struct reading reading = {.read = read, .arena = a, .size = size};
    const struct store_reader reader = {add_row, start_again, &reading};
    bson_t all = BSON_INITIALIZER;
    bool ok = store_find(s, collection, &all, NULL, &reader, patience_ms, e);
    bson_destroy(&all);
    *items = reading.items;
    *count = reading.count;
    return ok;
}
