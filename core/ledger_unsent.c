/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_unsent: outcomes whose events may not have been sent: which of their runs they really closed, and whether the rest can still
 * be closed by them. The rules stand in ledger.h.
 */
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_private.h"

struct unsent_reader {
    struct arena *arena;
    struct ledger_unsent *items;
    /* beside each item list: how each would have been closed */
    int64_t **attempts;
    bool **started;
    size_t count, limit;
};

static void unsent_item(struct unsent_reader *r, size_t at, const bson_t *doc)
{
    struct ledger_unsent *u = &r->items[at];
    struct ledger_unsent_item *item = &u->items[u->count];
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "job") || !uuid_parse(ledger_text_of(&it), &item->id))
        return;
    if (bson_iter_init_find(&it, doc, "group"))
        item->group = arena_copy(r->arena, ledger_text_of(&it));
    if (bson_iter_init_find(&it, doc, "event"))
        item->event = arena_copy(r->arena, ledger_binary_of(&it));
    if (bson_iter_init_find(&it, doc, "attempt"))
        r->attempts[at][u->count] = bson_iter_as_int64(&it);
    if (bson_iter_init_find(&it, doc, "from"))
        r->started[at][u->count] = !bytes_equal_text(ledger_text_of(&it), "none");
    u->count++;
}

static bool unsent_row(void *self, const bson_t *doc)
{
    struct unsent_reader *r = self;
    bson_iter_t it, items;
    if (r->count == r->limit || !bson_iter_init_find(&it, doc, "_id"))
        return false;
    size_t at = r->count++;
    struct ledger_unsent *u = &r->items[at];
    *u = (struct ledger_unsent){.outcome = arena_text(r->arena, ledger_text_of(&it))};
    if (!bson_iter_init_find(&it, doc, "items") || !bson_iter_recurse(&it, &items))
        return true;
    size_t n = 0;
    for (bson_iter_t counting = items; bson_iter_next(&counting);)
        n++;
    u->items = arena_array(r->arena, n, sizeof *u->items);
    r->attempts[at] = arena_array(r->arena, n, sizeof **r->attempts);
    r->started[at] = arena_array(r->arena, n, sizeof **r->started);
    while (bson_iter_next(&items)) {
        uint32_t len;
        const uint8_t *data;
        bson_t item;
        if (!BSON_ITER_HOLDS_DOCUMENT(&items))
            continue;
        bson_iter_document(&items, &len, &data);
        if (bson_init_static(&item, data, len))
            unsent_item(r, at, &item);
    }
    return true;
}

static void unsent_reset(void *self)
{
    ((struct unsent_reader *)self)->count = 0;
}

struct fate {
    struct arena *arena;
    struct ledger_unsent *unsent;
    const int64_t *attempts;
    bool *closed, *settled;
};

static bool fate_row(void *self, const bson_t *doc)
{
    struct fate *f = self;
    struct run run = {0};
    bson_iter_t it;
    ledger_run_read(doc, f->arena, &run);
    struct bytes out = bson_iter_init_find(&it, doc, "out") ? ledger_text_of(&it) : BYTES_NONE;
    for (size_t i = 0; i < f->unsent->count; i++) {
        if (memcmp(&f->unsent->items[i].id, &run.id, sizeof run.id) != 0)
            continue;
        f->closed[i] = bytes_equal_text(out, f->unsent->outcome);
        f->settled[i] = run.state == RUN_ENDED || run.attempt > f->attempts[i];
    }
    return true;
}

/* Keeps only the items that this outcome closed; decides whether the rest can still be closed by it. */
static bool unsent_decide(const struct ledger *l, struct unsent_reader *r, size_t at, struct error *e)
{
    struct ledger_unsent *u = &r->items[at];
    bool *closed = arena_array(r->arena, u->count, sizeof *closed);
    bool *settled = arena_array(r->arena, u->count, sizeof *settled);
    for (size_t i = 0; i < u->count; i++)
        settled[i] = r->started[at][i]; /* gone: only one that was in the ledger cannot come back */
    bson_t filter = BSON_INITIALIZER;
    if (u->count)
        ledger_append_ids(&filter, &u->items[0].id, u->count, sizeof u->items[0]);
    bson_t *opts = BCON_NEW("projection", "{", "payload", BCON_INT32(0), "}");
    struct fate self = {r->arena, u, r->attempts[at], closed, settled};
    struct store_reader reader = {fate_row, NULL, &self};
    bool ok = u->count == 0 || store_find(l->store, "runs", &filter, opts, &reader, 0, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    if (!ok)
        return false;
    size_t kept = 0;
    u->settled = true;
    for (size_t i = 0; i < u->count; i++) {
        u->settled = u->settled && settled[i];
        if (closed[i])
            u->items[kept++] = u->items[i];
    }
    u->count = kept;
    return true;
}

bool ledger_unsent(const struct ledger *l, int64_t older_than, size_t limit, struct arena *a,
    struct ledger_unsent **out, size_t *count, struct error *e)
{
    struct unsent_reader self = {a, arena_array(a, limit, sizeof(struct ledger_unsent)),
        arena_array(a, limit, sizeof(int64_t *)), arena_array(a, limit, sizeof(bool *)), 0, limit};
    bson_t *filter = BCON_NEW("pool", BCON_UTF8(l->pool), "unsent", BCON_BOOL(true), "at", "{", "$lt",
        BCON_DATE_TIME(older_than), "}");
    bson_t *opts = BCON_NEW("sort", "{", "at", BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)limit));
    struct store_reader reader = {unsent_row, unsent_reset, &self};
    bool ok = store_find(l->store, "outcomes", filter, opts, &reader, 0, e);
    bson_destroy(filter);
    bson_destroy(opts);
    for (size_t i = 0; ok && i < self.count; i++)
        ok = unsent_decide(l, &self, i, e);
    *out = self.items;
    *count = self.count;
    return ok;
}
