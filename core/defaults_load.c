/* SPDX-License-Identifier: Apache-2.0 */
/* defaults_load: a snapshot from the collection `defaults`. What a snapshot says stands in core/defaults.c. */
#include <stdlib.h>

#include "core/defaults.h"
#include "core/shape_bson.h"
#include "core/store.h"

bool default_from_bson(const bson_t *doc, struct arena *a, struct job_default *out)
{
    struct default_selector selector;
    bson_iter_t it;
    uint32_t len = 0;
    shape_from_bson(&shape_default, doc, a, out);
    if (!bson_iter_init_find(&it, doc, "_id") || !BSON_ITER_HOLDS_UTF8(&it))
        return false;
    const char *text = bson_iter_utf8(&it, &len);
    out->selector = arena_copy(a, (struct bytes){text, len});
    default_tame(out, a);
    return default_selector_parse(out->selector, &selector);
}

struct found {
    struct arena memory;
    struct job_default *items;
    size_t count, room;
};

static bool document(void *self, const bson_t *doc)
{
    struct found *f = self;
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 16;
        f->items = realloc(f->items, f->room * sizeof *f->items);
        MUST(f->items);
    }
    if (default_from_bson(doc, &f->memory, &f->items[f->count]))
        f->count++;
    return true;
}

static void start_again(void *self)
{
    struct found *f = self;
    f->count = 0;
    arena_reset(&f->memory);
}

struct defaults *defaults_load(struct store *s, int64_t patience_ms, struct error *e)
{
    struct found f = {.items = NULL};
    struct store_reader reader = {document, start_again, &f};
    bson_t filter = BSON_INITIALIZER;
    arena_init(&f.memory);
    bool ok = store_find(s, "defaults", &filter, NULL, &reader, patience_ms, e);
    bson_destroy(&filter);
    struct defaults *d = ok ? defaults_of(f.items, f.count) : NULL;
    arena_release(&f.memory);
    free(f.items);
    return d;
}
