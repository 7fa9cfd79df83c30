/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_orders: what people ordered, in `cancels`: cancels of jobs, holds of groups, drains of instances. (Written by core/orders.h.) */
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_private.h"

#define JOB_PREFIX "job:"
#define HOLD_PREFIX "hold:"

static void add_prefixed(struct id_list *in, const char *prefix, struct bytes name, struct buf *space)
{
    buf_clear(space);
    buf_add_text(space, prefix);
    buf_add_bytes(space, name);
    id_list_add_text(in, buf_bytes(space));
}

struct order_reader {
    const struct uuid *ids;
    const struct bytes *groups;
    size_t count;
    struct order_seen *cancels, *holds;
    struct arena *arena;
};

static bool order_row(void *self, const bson_t *doc)
{
    struct order_reader *r = self;
    struct uuid id;
    struct bytes kind = ledger_text(doc, "kind"), group = ledger_text(doc, "group");
    bool cancel = bytes_equal_text(kind, "cancel") && ledger_uuid(doc, "job_id", &id);
    bool hold = bytes_equal_text(kind, "hold") && group.data;
    const struct order_seen order = {true, arena_copy(r->arena, ledger_text(doc, "by")),
        arena_copy(r->arena, ledger_text(doc, "reason")), ledger_time(doc, "at")};
    for (size_t i = 0; i < r->count; i++) {
        if (cancel && memcmp(&r->ids[i], &id, sizeof id) == 0)
            r->cancels[i] = order;
        if (hold && r->groups && bytes_equal(r->groups[i], group))
            r->holds[i] = order;
    }
    return true;
}

bool ledger_orders(const struct ledger *l, const struct uuid *ids, const struct bytes *groups, size_t count,
    struct order_seen *cancels, struct order_seen *holds, struct arena *a, struct error *e)
{
    if (count == 0)
        return true;
    bson_t filter = BSON_INITIALIZER;
    struct id_list in;
    struct buf space;
    buf_init(&space);
    id_list_begin(&in, &filter);
    for (size_t i = 0; i < count; i++) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(&ids[i], text);
        add_prefixed(&in, JOB_PREFIX, bytes_of(text), &space);
        cancels[i] = (struct order_seen){.at = NO_TIME};
        if (!groups)
            continue;
        holds[i] = (struct order_seen){.at = NO_TIME};
        if (i == 0 || !bytes_equal(groups[i], groups[i - 1]))
            add_prefixed(&in, HOLD_PREFIX, groups[i], &space);
    }
    id_list_end(&in, &filter);
    struct order_reader self = {ids, groups, count, cancels, holds, a};
    struct store_reader reader = {order_row, NULL, &self};
    bool ok = store_find(l->store, "cancels", &filter, NULL, &reader, 0, e);
    buf_release(&space);
    bson_destroy(&filter);
    return ok;
}

/* ---- cancels by time ---- */

struct cancel_reader {
    struct arena *arena;
    struct uuid *ids;
    size_t count, room;
};

static bool cancel_row(void *self, const bson_t *doc)
{
    struct cancel_reader *r = self;
    struct uuid id;
    if (!ledger_uuid(doc, "job_id", &id))
        return true;
    r->ids = arena_grow(r->arena, r->ids, r->count, &r->room, sizeof *r->ids);
    r->ids[r->count++] = id;
    return true;
}

static void cancel_reset(void *self)
{
    struct cancel_reader *r = self;
    r->count = 0;
}

bool ledger_cancels(const struct ledger *l, int64_t from, int64_t until, struct arena *a, struct uuid **ids,
    size_t *count, struct error *e)
{
    struct cancel_reader self = {.arena = a};
    struct store_reader reader = {cancel_row, cancel_reset, &self};
    bson_t *filter = BCON_NEW("kind", BCON_UTF8("cancel"), "at", "{", "$gte", BCON_DATE_TIME(from), "$lt",
        BCON_DATE_TIME(until), "}");
    bson_t *opts = BCON_NEW("projection", "{", "job_id", BCON_INT32(1), "}");
    bool ok = store_find(l->store, "cancels", filter, opts, &reader, 0, e);
    bson_destroy(opts);
    bson_destroy(filter);
    *ids = self.ids;
    *count = self.count;
    return ok;
}

/* ---- all holds ---- */

struct hold_reader {
    const char *instance;
    struct arena *arena;
    struct bytes *groups;
    size_t count, room;
    bool drain;
};

static bool hold_row(void *self, const bson_t *doc)
{
    struct hold_reader *r = self;
    struct bytes kind = ledger_text(doc, "kind"), group = ledger_text(doc, "group");
    if (bytes_equal_text(kind, "drain"))
        r->drain = r->drain || bytes_equal_text(ledger_text(doc, "instance"), r->instance);
    if (!bytes_equal_text(kind, "hold") || !group.data)
        return true;
    r->groups = arena_grow(r->arena, r->groups, r->count, &r->room, sizeof *r->groups);
    r->groups[r->count++] = arena_copy(r->arena, group);
    return true;
}

static void hold_reset(void *self)
{
    struct hold_reader *r = self;
    r->count = 0;
    r->drain = false;
}

bool ledger_holds(const struct ledger *l, struct arena *a, struct bytes **groups, size_t *count, bool *drain,
    struct error *e)
{
    struct hold_reader self = {.instance = l->instance, .arena = a};
    struct store_reader reader = {hold_row, hold_reset, &self};
    bson_t *filter = BCON_NEW("kind", "{", "$in", "[", BCON_UTF8("hold"), BCON_UTF8("drain"), "]", "}");
    bool ok = store_find(l->store, "cancels", filter, NULL, &reader, 0, e);
    bson_destroy(filter);
    *groups = self.groups;
    *count = self.count;
    *drain = self.drain;
    return ok;
}

bool ledger_hold(const struct ledger *l, const struct bytes *groups, const struct bytes *reasons,
    size_t count, int64_t now, struct error *e)
{
    struct arena a;
    struct buf id;
    arena_init(&a);
    buf_init(&id);
    bson_t **docs = arena_array(&a, count, sizeof *docs);
    for (size_t i = 0; i < count; i++) {
        docs[i] = bson_new();
        buf_clear(&id);
        buf_add_text(&id, HOLD_PREFIX);
        buf_add_bytes(&id, groups[i]);
        bson_add_text(docs[i], "_id", buf_bytes(&id));
        BSON_APPEND_UTF8(docs[i], "kind", "hold");
        bson_add_text(docs[i], "group", groups[i]);
        BSON_APPEND_UTF8(docs[i], "by", l->instance);
        bson_add_text(docs[i], "reason", reasons[i]);
        BSON_APPEND_DATE_TIME(docs[i], "at", now);
    }
    bool ok = store_insert(l->store, "cancels", (const bson_t *const *)docs, count, NULL, 0, e);
    for (size_t i = 0; i < count; i++)
        bson_destroy(docs[i]);
    buf_release(&id);
    arena_release(&a);
    return ok;
}
