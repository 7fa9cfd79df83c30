/* SPDX-License-Identifier: Apache-2.0 */
/* store_by_id: the order of an unordered bulk, see store_private.h. */
#include <stdlib.h>
#include <string.h>

#include "core/store_private.h"

struct keyed {
    const uint8_t *id;
    uint32_t len;
    size_t index;
};

/* Ours are text or binary; any order serves that is the same for all. */
static struct keyed keyed_of(const bson_t *doc, size_t index)
{
    struct keyed k = {.index = index};
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "_id"))
        return k;
    if (BSON_ITER_HOLDS_UTF8(&it))
        k.id = (const uint8_t *)bson_iter_utf8(&it, &k.len);
    else if (BSON_ITER_HOLDS_BINARY(&it))
        bson_iter_binary(&it, NULL, &k.len, &k.id);
    return k;
}

static int compare(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    uint32_t least = a->len < b->len ? a->len : b->len;
    int order = least ? memcmp(a->id, b->id, least) : 0;
    if (order == 0 && a->len != b->len)
        order = a->len < b->len ? -1 : 1;
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

size_t *store_by_id(const bson_t *const *docs, size_t count)
{
    struct keyed *items = calloc(count + 1, sizeof *items);
    size_t *order = calloc(count + 1, sizeof *order);
    MUST(items && order);
    for (size_t i = 0; i < count; i++)
        items[i] = keyed_of(docs[i], i);
    qsort(items, count, sizeof *items, compare);
    for (size_t i = 0; i < count; i++)
        order[i] = items[i].index;
    free(items);
    return order;
}
