/* SPDX-License-Identifier: Apache-2.0 */
/* defaults_load: a snapshot from the collection `defaults`. What a snapshot says stands in core/defaults.c. */
#include "core/defaults.h"
#include "core/shape_bson.h"
#include "core/store_rows.h"

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

static bool read_row(const bson_t *doc, struct arena *a, void *item)
{
    return default_from_bson(doc, a, item);
}

struct defaults *defaults_load(struct store *s, int64_t patience_ms, struct error *e)
{
    struct arena memory;
    void *items;
    size_t count;
    arena_init(&memory);
    bool ok = store_rows(
        s, "defaults", read_row, sizeof(struct job_default), patience_ms, &memory, &items, &count, e);
    struct defaults *d = ok ? defaults_of(items, count) : NULL;
    arena_release(&memory);
    return d;
}
