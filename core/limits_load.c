/* SPDX-License-Identifier: Apache-2.0 */
/* limits_load: a snapshot from the collection `limits`. What a snapshot says stands in core/limits.c. */
#include "core/limits.h"
#include "core/shape_bson.h"
#include "core/store_rows.h"

bool limit_from_bson(const bson_t *doc, struct arena *a, struct limit *out)
{
    bson_iter_t it;
    uint32_t len = 0;
    shape_from_bson(&shape_limit, doc, a, out);
    if (!bson_iter_init_find(&it, doc, "_id") || !BSON_ITER_HOLDS_UTF8(&it))
        return false;
    const char *text = bson_iter_utf8(&it, &len);
    out->selector = arena_copy(a, (struct bytes){text, len});
    limit_tame(out);
    return limits_selector_is_valid(out->selector);
}

static bool read_row(const bson_t *doc, struct arena *a, void *item)
{
    return limit_from_bson(doc, a, item);
}

struct limits *limits_load(struct store *s, int64_t patience_ms, struct error *e)
{
    struct arena memory;
    void *items;
    size_t count;
    arena_init(&memory);
    bool ok =
        store_rows(s, "limits", read_row, sizeof(struct limit), patience_ms, &memory, &items, &count, e);
    struct limits *l = ok ? limits_of(items, count) : NULL;
    arena_release(&memory);
    return l;
}
