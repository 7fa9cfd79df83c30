/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_outcome: outcomes: the events of a batch of ends, kept until they are delivered. */
#include "core/ledger.h"
#include "core/ledger_run.h"

#define FROM_NOTHING "none" /* a refusal, whose run may not be in the ledger yet */

static const char *from_name(enum run_state from)
{
    return from == RUN_STATES ? FROM_NOTHING : run_state_name(from);
}

bool ledger_outcome(const struct ledger *l, const char *outcome, const struct outcome_line *lines,
    size_t count, int64_t now, struct error *e)
{
    bson_t doc = BSON_INITIALIZER, array, item;
    BSON_APPEND_UTF8(&doc, "_id", outcome);
    BSON_APPEND_UTF8(&doc, "pool", l->pool);
    BSON_APPEND_UTF8(&doc, "instance", l->instance);
    BSON_APPEND_DATE_TIME(&doc, "at", now);
    BSON_APPEND_BOOL(&doc, "unsent", true);
    BSON_APPEND_ARRAY_BEGIN(&doc, "items", &array);
    for (size_t i = 0; i < count; i++) {
        char key_space[16];
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, key_space, sizeof key_space);
        bson_append_document_begin(&array, key, -1, &item);
        ledger_append_id(&item, "job", &lines[i].id);
        bson_add_text(&item, "group", lines[i].group);
        BSON_APPEND_INT64(&item, "attempt", lines[i].attempt);
        BSON_APPEND_UTF8(&item, "from", from_name(lines[i].from));
        ledger_append_binary(&item, "event", lines[i].event);
        bson_append_document_end(&array, &item);
    }
    bson_append_array_end(&doc, &array);
    const bson_t *docs[1] = {&doc};
    bool duplicate; /* our own, whose answer was lost: the id is random */
    bool ok = store_insert(l->store, "outcomes", docs, 1, &duplicate, 0, e);
    bson_destroy(&doc);
    return ok;
}

bool ledger_settle(
    const struct ledger *l, const struct bytes *outcomes, size_t count, int64_t now, struct error *e)
{
    if (count == 0)
        return true;
    bson_t filter = BSON_INITIALIZER;
    ledger_append_texts(&filter, outcomes, count);
    bson_t *update = BCON_NEW("$unset", "{", "unsent", BCON_INT32(1), "}", "$set", "{", "expire_at",
        BCON_DATE_TIME(now + l->keep_ms), "}");
    bool ok = store_update_many(l->store, "outcomes", &filter, update, NULL, NULL, 0, e);
    bson_destroy(&filter);
    bson_destroy(update);
    return ok;
}

/* ---- unsent ones ---- */

struct unsent_reader {
    struct arena *arena;
    struct unsent *items;
    size_t count, limit, bytes;
};

struct line_reader {
    struct arena *arena;
    struct unsent *unsent;
};

static void read_line(void *self, const bson_t *item)
{
    struct line_reader *r = self;
    struct outcome_line *line = &r->unsent->lines[r->unsent->count];
    if (!ledger_uuid(item, "job", &line->id))
        return;
    line->group = arena_copy(r->arena, ledger_text(item, "group"));
    line->event = arena_copy(r->arena, ledger_binary(item, "event"));
    line->attempt = ledger_int(item, "attempt");
    line->from = ledger_state_of(ledger_text(item, "from"));
    r->unsent->count++;
}

static bool unsent_row(void *self, const bson_t *doc)
{
    struct unsent_reader *r = self;
    if (r->count == r->limit)
        return false;
    struct unsent *u = &r->items[r->count++];
    size_t lines = ledger_array(doc, "items", NULL, NULL);
    *u = (struct unsent){
        arena_copy(r->arena, ledger_text(doc, "_id")), arena_array(r->arena, lines, sizeof *u->lines), 0};
    struct line_reader reader = {r->arena, u};
    ledger_array(doc, "items", read_line, &reader);
    r->bytes += doc->len;
    return r->bytes < LEDGER_ANSWER_BYTES_MAX;
}

static void unsent_reset(void *self)
{
    struct unsent_reader *r = self;
    r->count = 0;
    r->bytes = 0;
}

bool ledger_unsent(const struct ledger *l, int64_t older_than, size_t limit, struct arena *a,
    struct unsent **out, size_t *count, struct error *e)
{
    struct unsent_reader self = {a, arena_array(a, limit, sizeof *self.items), 0, limit, 0};
    bson_t *filter = BCON_NEW("pool", BCON_UTF8(l->pool), "unsent", BCON_BOOL(true), "at", "{", "$lt",
        BCON_DATE_TIME(older_than), "}");
    bson_t *opts = BCON_NEW("sort", "{", "at", BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)limit));
    struct store_reader reader = {unsent_row, unsent_reset, &self};
    bool ok = store_find(l->store, "outcomes", filter, opts, &reader, 0, e);
    bson_destroy(filter);
    bson_destroy(opts);
    *out = self.items;
    *count = self.count;
    return ok;
}
