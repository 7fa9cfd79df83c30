/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_holders: who uses up a max_running that several groups share: one document per selector, changed by compare-and-set. */
#include "core/ledger.h"
#include "core/ledger_private.h"

struct item_reader {
    struct arena *arena;
    struct holders *holders;
};

static void read_item(void *self, const bson_t *doc)
{
    struct item_reader *r = self;
    struct holder *h = &r->holders->items[r->holders->count];
    if (!ledger_uuid(doc, "job", &h->id))
        return;
    h->attempt = ledger_int(doc, "attempt");
    h->instance = arena_copy(r->arena, ledger_text(doc, "instance"));
    r->holders->count++;
}

struct holders_reader {
    struct arena *arena;
    struct holders *out;
    size_t count;
};

static bool holders_row(void *self, const bson_t *doc)
{
    struct holders_reader *r = self;
    struct bytes selector = ledger_text(doc, "_id");
    size_t items = ledger_array(doc, "items", NULL, NULL);
    for (size_t i = 0; i < r->count; i++) {
        struct holders *h = &r->out[i];
        if (!bytes_equal(h->selector, selector))
            continue;
        h->rev = ledger_int(doc, "rev");
        h->items = arena_array(r->arena, items, sizeof *h->items);
        h->count = 0;
        struct item_reader reader = {r->arena, h};
        ledger_array(doc, "items", read_item, &reader);
    }
    return true;
}

bool ledger_holders(const struct ledger *l, const struct bytes *selectors, size_t count, struct arena *a,
    struct holders *out, struct error *e)
{
    if (count == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct holders){.selector = arena_copy(a, selectors[i])};
    struct holders_reader self = {a, out, count};
    const struct store_reader reader = {holders_row, NULL, &self};
    return ledger_find_texts(l->store, "holders", selectors, count, &reader, e);
}

static void append_items(bson_t *doc, const struct holders *h)
{
    bson_t array, item;
    BSON_APPEND_ARRAY_BEGIN(doc, "items", &array);
    for (size_t i = 0; i < h->count; i++) {
        char key_space[16];
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, key_space, sizeof key_space);
        bson_append_document_begin(&array, key, -1, &item);
        ledger_append_id(&item, "job", &h->items[i].id);
        BSON_APPEND_INT64(&item, "attempt", h->items[i].attempt);
        bson_add_text(&item, "instance", h->items[i].instance);
        bson_append_document_end(&array, &item);
    }
    bson_append_array_end(doc, &array);
}

/* A document whose rev somebody else wrote, or took away, counts as without one. */
static void append_rev(bson_t *filter, int64_t rev)
{
    bson_t none, least;
    if (rev > 0) {
        BSON_APPEND_INT64(filter, "rev", rev);
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(filter, "rev", &none);
    BSON_APPEND_DOCUMENT_BEGIN(&none, "$not", &least);
    BSON_APPEND_INT64(&least, "$gte", 1);
    bson_append_document_end(&none, &least);
    bson_append_document_end(filter, &none);
}

static bool first_write(const struct ledger *l, const struct holders *h, bool *written, struct error *e)
{
    bson_t doc = BSON_INITIALIZER;
    const bson_t *docs[1] = {&doc};
    bool duplicate = false;
    bson_add_text(&doc, "_id", h->selector);
    BSON_APPEND_INT64(&doc, "rev", 1);
    append_items(&doc, h);
    bool ok = store_insert(l->store, "holders", docs, 1, &duplicate, 0, e);
    bson_destroy(&doc);
    *written = ok && !duplicate;
    return ok;
}

bool ledger_holders_write(const struct ledger *l, const struct holders *h, bool *written, struct error *e)
{
    *written = false;
    if (h->rev <= 0 && (!first_write(l, h, written, e) || *written))
        return *written;
    bson_t filter = BSON_INITIALIZER, update = BSON_INITIALIZER, set;
    int64_t matched = 0;
    bson_add_text(&filter, "_id", h->selector);
    append_rev(&filter, h->rev);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "$set", &set);
    BSON_APPEND_INT64(&set, "rev", h->rev > 0 ? h->rev + 1 : 1);
    append_items(&set, h);
    bson_append_document_end(&update, &set);
    bool ok = store_update_many(l->store, "holders", &filter, &update, &matched, NULL, 0, e);
    bson_destroy(&filter);
    bson_destroy(&update);
    *written = ok && matched == 1;
    return ok;
}
