/* SPDX-License-Identifier: Apache-2.0 */
/* documents: see documents.h. */
#include "collector/documents.h"

#include <stdint.h>
#include <string.h>

#include "collector/shrink.h"

#define COLLECTION "jobs"

/* ---- the table ---- */

static struct job_doc **slot_of(const struct documents *d, struct bytes id)
{
    size_t i = bytes_hash(id) & (d->slot_count - 1);
    while (d->slots[i] && !bytes_equal(d->slots[i]->id, id))
        i = (i + 1) & (d->slot_count - 1);
    return &d->slots[i];
}

static void table_init(struct documents *d, size_t ids, struct arena *a)
{
    size_t slot_count = 16;
    while (slot_count < ids * 2)
        slot_count *= 2;
    *d = (struct documents){.arena = a, .slot_count = slot_count};
    d->slots = arena_array(a, slot_count, sizeof *d->slots);
}

struct job_doc *documents_of(struct documents *d, struct bytes id)
{
    MUST(d->slot_count > 0);
    struct job_doc **slot = slot_of(d, id);
    if (*slot)
        return *slot;
    d->used++;
    MUST(d->used * 2 <= d->slot_count);
    *slot = arena_alloc(d->arena, sizeof **slot);
    **slot = (struct job_doc){.id = id};
    return *slot;
}

/* ---- reading ---- */

/* A bson_t needs a greater alignment than the arena gives. */
static bson_t *bson_space(struct arena *a)
{
    const uintptr_t align = _Alignof(bson_t);
    char *space = arena_alloc(a, sizeof(bson_t) + align);
    return (bson_t *)(void *)(space + (align - (uintptr_t)space % align) % align);
}

static bool document_row(void *self, const bson_t *doc)
{
    struct documents *d = self;
    struct bytes copy = arena_copy(d->arena, (struct bytes){(const char *)bson_get_data(doc), doc->len});
    bson_t *kept = bson_space(d->arena);
    struct job_doc read;
    MUST(bson_init_static(kept, (const uint8_t *)copy.data, copy.len));
    job_doc_read(kept, d->arena, &read);
    *documents_of(d, read.id) = read;
    return true;
}

/* Nobody needs the submission here, and it may be large. */
static bson_t *load_opts(void)
{
    return BCON_NEW("projection", "{", "stub.submission", BCON_INT32(0), "}");
}

bool documents_load(struct documents *d, struct store *store, const struct bytes *ids, size_t count,
    struct arena *a, struct error *e)
{
    bson_t filter = BSON_INITIALIZER, in, array;
    char space[16];
    const char *key;
    table_init(d, count, a);
    if (count == 0)
        return true;
    bson_append_document_begin(&filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &array);
    uint32_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (*slot_of(d, ids[i]))
            continue;
        documents_of(d, ids[i]);
        bson_uint32_to_string(asked++, &key, space, sizeof space);
        bson_append_utf8(&array, key, -1, ids[i].data, (int)ids[i].len);
    }
    bson_append_array_end(&in, &array);
    bson_append_document_end(&filter, &in);
    bson_t *opts = load_opts();
    struct store_reader reader = {document_row, NULL, d};
    bool ok = store_find(store, COLLECTION, &filter, opts, &reader, 0, e);
    bson_destroy(opts);
    bson_destroy(&filter);
    return ok;
}

/* ---- writing ---- */

static void write_one(struct job_doc *doc, int64_t keep_ms, struct arena *a, struct outbox *out)
{
    bson_t after = BSON_INITIALIZER, guard = BSON_INITIALIZER;
    shrink_write(doc, keep_ms, SHRINK_BYTES_MAX, a, &after);
    if (doc->stored) {
        bson_append_utf8(&guard, "_id", -1, doc->id.data, (int)doc->id.len);
        bson_append_int64(&guard, "rev", -1, doc->rev);
        outbox_replace(out, COLLECTION, &guard, &after, false);
    } else {
        outbox_create(out, COLLECTION, &after);
    }
    bson_destroy(&guard);
    bson_destroy(&after);
}

size_t documents_write(const struct documents *d, int64_t keep_ms, struct outbox *out)
{
    size_t count = 0;
    for (size_t i = 0; i < d->slot_count; i++) {
        if (!d->slots[i] || !d->slots[i]->changed)
            continue;
        write_one(d->slots[i], keep_ms, d->arena, out);
        count++;
    }
    return count;
}

void documents_forget(struct documents *d)
{
    *d = (struct documents){0};
}
