/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_finish: outcomes and the ends that they close. The rules stand in ledger.h: one document for a batch of ends, then one
 * statement per attempt number, and a read-back only when fewer runs changed than were asked for.
 */
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_private.h"

/* ---- outcomes ---- */

void outcome_append(bson_t *items, uint32_t index, const struct outcome_item *o)
{
    char text[UUID_TEXT_LEN + 1];
    char key_space[16];
    const char *key;
    bson_uint32_to_string(index, &key, key_space, sizeof key_space);
    bson_t item;
    bson_append_document_begin(items, key, -1, &item);
    uuid_format(o->id, text);
    BSON_APPEND_UTF8(&item, "job", text);
    bson_add_text(&item, "group", o->group);
    BSON_APPEND_INT64(&item, "attempt", o->attempt);
    BSON_APPEND_UTF8(&item, "from", o->from);
    ledger_append_binary(&item, "event", o->event);
    bson_append_document_end(items, &item);
}

void outcome_begin(const struct ledger *l, int64_t now, char *outcome, bson_t *doc, bson_t *items)
{
    struct uuid id;
    uuid_v7(&id, now);
    uuid_format(&id, outcome);
    bson_init(doc);
    BSON_APPEND_UTF8(doc, "_id", outcome);
    BSON_APPEND_UTF8(doc, "pool", l->pool);
    BSON_APPEND_UTF8(doc, "instance", l->instance);
    BSON_APPEND_DATE_TIME(doc, "at", now);
    BSON_APPEND_BOOL(doc, "unsent", true);
    bson_append_array_begin(doc, "items", -1, items);
}

bool outcome_write(const struct ledger *l, bson_t *doc, bson_t *items, struct error *e)
{
    bson_append_array_end(doc, items);
    const bson_t *docs[1] = {doc};
    bool ok = store_insert(l->store, "outcomes", docs, 1, NULL, 0, e);
    bson_destroy(doc);
    return ok;
}

/* ---- finish ---- */

/* Marks those that name this outcome as the one that closed them. */
struct closing {
    const char *outcome;
    struct ledger_finish *items;
    size_t count;
};

static bool closed_row(void *self, const bson_t *doc)
{
    struct closing *c = self;
    bson_iter_t it;
    struct uuid id;
    if (!bson_iter_init_find(&it, doc, "out") || !bytes_equal_text(ledger_text_of(&it), c->outcome) ||
        !bson_iter_init_find(&it, doc, "_id") || !uuid_parse(ledger_text_of(&it), &id))
        return true;
    for (size_t i = 0; i < c->count; i++)
        if (memcmp(&c->items[i].id, &id, sizeof id) == 0)
            c->items[i].closed = true;
    return true;
}

static bool read_closed(
    const struct ledger *l, const char *outcome, struct ledger_finish *items, size_t count, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    ledger_append_ids(&filter, &items[0].id, count, sizeof items[0]);
    bson_t *opts = BCON_NEW("projection", "{", "out", BCON_INT32(1), "}");
    struct closing self = {outcome, items, count};
    struct store_reader reader = {closed_row, NULL, &self};
    bool ok = store_find(l->store, "runs", &filter, opts, &reader, 0, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    return ok;
}

static bool same_guard(const struct ledger_finish *a, const struct ledger_finish *b)
{
    return a->attempt == b->attempt && a->from == b->from &&
           (a->from != RUN_RUNNING || bytes_equal(a->instance, b->instance));
}

static bool finish_write(const struct ledger *l, const struct ledger_finish *items, size_t count,
    const struct ledger_finish *like, int64_t now, const char *outcome, bool *all, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    struct id_list in;
    int64_t modified = 0;
    id_list_begin(&in, &filter);
    for (size_t i = 0; i < count; i++)
        if (same_guard(&items[i], like))
            id_list_add(&in, &items[i].id);
    id_list_end(&in, &filter);
    BSON_APPEND_UTF8(&filter, "state", run_state_name(like->from));
    BSON_APPEND_INT64(&filter, "attempt", like->attempt);
    if (like->from == RUN_RUNNING)
        bson_add_text(&filter, "instance", like->instance);
    bson_t *update = BCON_NEW("$set", "{", "state", BCON_UTF8("ended"), "final", BCON_BOOL(true), "out",
        BCON_UTF8(outcome), "ended_at", BCON_DATE_TIME(now), "expire_at", BCON_DATE_TIME(now + l->keep_ms),
        "}", "$unset", "{", "payload", BCON_INT32(1), "}");
    bool ok = store_update_many(l->store, "runs", &filter, update, NULL, &modified, 0, e);
    *all = ok && modified == in.count;
    bson_destroy(&filter);
    bson_destroy(update);
    return ok;
}

bool ledger_finish(const struct ledger *l, struct ledger_finish *items, size_t count, int64_t now,
    char *outcome, struct error *e)
{
    bson_t doc, array;
    outcome_begin(l, now, outcome, &doc, &array);
    for (size_t i = 0; i < count; i++) {
        struct outcome_item o = {
            &items[i].id, items[i].group, items[i].event, items[i].attempt, run_state_name(items[i].from)};
        outcome_append(&array, (uint32_t)i, &o);
    }
    if (!outcome_write(l, &doc, &array, e))
        return false;
    bool all_closed = true;
    for (size_t i = 0; i < count; i++) {
        bool seen = false, all = true;
        for (size_t k = 0; k < i && !seen; k++)
            seen = same_guard(&items[k], &items[i]);
        if (!seen && !finish_write(l, items, count, &items[i], now, outcome, &all, e))
            return false;
        all_closed = all_closed && all;
    }
    for (size_t i = 0; i < count; i++)
        items[i].closed = all_closed;
    return all_closed || read_closed(l, outcome, items, count, e);
}

bool ledger_settle(const struct ledger *l, const char (*outcomes)[UUID_TEXT_LEN + 1], size_t count,
    int64_t now, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    struct id_list in;
    id_list_begin(&in, &filter);
    for (size_t i = 0; i < count; i++)
        id_list_add_text(&in, bytes_of(outcomes[i]));
    id_list_end(&in, &filter);
    bson_t *update = BCON_NEW("$unset", "{", "unsent", BCON_INT32(1), "}", "$set", "{", "expire_at",
        BCON_DATE_TIME(now + l->keep_ms), "}");
    bool ok = store_update_many(l->store, "outcomes", &filter, update, NULL, NULL, 0, e);
    bson_destroy(&filter);
    bson_destroy(update);
    return ok;
}
