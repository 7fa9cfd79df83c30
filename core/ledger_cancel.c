/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_cancel: cancels: what ingest writes and the executor looks up. The rules stand in ledger.h. */
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_private.h"

#define DAY_MS (24 * 3600 * (int64_t)1000)
#define CANCEL_KEEP_MS (30 * DAY_MS)

#define CANCEL_PREFIX "job:"

struct cancel_reader {
    const struct uuid *ids;
    struct ledger_cancel *out;
    size_t count;
    struct arena *arena;
};

static bool cancel_row(void *self, const bson_t *doc)
{
    struct cancel_reader *r = self;
    bson_iter_t it;
    struct uuid id;
    struct ledger_cancel c = {.found = true};
    if (!bson_iter_init_find(&it, doc, "job_id") || !uuid_parse(ledger_text_of(&it), &id))
        return true;
    if (bson_iter_init_find(&it, doc, "by"))
        c.by = arena_copy(r->arena, ledger_text_of(&it));
    if (bson_iter_init_find(&it, doc, "reason"))
        c.reason = arena_copy(r->arena, ledger_text_of(&it));
    if (bson_iter_init_find(&it, doc, "at") && BSON_ITER_HOLDS_DATE_TIME(&it))
        c.at = bson_iter_date_time(&it);
    for (size_t i = 0; i < r->count; i++)
        if (memcmp(&r->ids[i], &id, sizeof id) == 0)
            r->out[i] = c;
    return true;
}

bool ledger_cancels(const struct ledger *l, const struct uuid *ids, size_t count, struct ledger_cancel *out,
    struct arena *a, struct error *e)
{
    char text[sizeof CANCEL_PREFIX + UUID_TEXT_LEN] = CANCEL_PREFIX;
    bson_t filter = BSON_INITIALIZER;
    struct id_list in;
    memset(out, 0, count * sizeof *out);
    id_list_begin(&in, &filter);
    for (size_t i = 0; i < count; i++) {
        uuid_format(&ids[i], text + strlen(CANCEL_PREFIX));
        id_list_add_text(&in, bytes_of(text));
    }
    id_list_end(&in, &filter);
    struct cancel_reader self = {ids, out, count, a};
    struct store_reader reader = {cancel_row, NULL, &self};
    bool ok = store_find(l->store, "cancels", &filter, NULL, &reader, 0, e);
    bson_destroy(&filter);
    return ok;
}

static bool cancel_insert(struct store *store, const struct uuid *id, struct bytes by, struct bytes reason,
    int64_t now, int64_t patience_ms, struct error *e)
{
    char key[sizeof CANCEL_PREFIX + UUID_TEXT_LEN] = CANCEL_PREFIX;
    uuid_format(id, key + strlen(CANCEL_PREFIX));
    bson_t doc = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&doc, "_id", key);
    BSON_APPEND_UTF8(&doc, "kind", "cancel");
    BSON_APPEND_UTF8(&doc, "job_id", key + strlen(CANCEL_PREFIX));
    bson_add_text(&doc, "by", by);
    bson_add_text(&doc, "reason", reason);
    BSON_APPEND_DATE_TIME(&doc, "at", now);
    BSON_APPEND_DATE_TIME(&doc, "expire_at", now + CANCEL_KEEP_MS);
    const bson_t *docs[1] = {&doc};
    bool duplicate = false;
    bool ok = store_insert(store, "cancels", docs, 1, &duplicate, patience_ms, e);
    bson_destroy(&doc);
    return ok;
}

static void brief_run(const bson_t *doc, struct arena *a, struct run *run)
{
    bson_iter_t it;
    *run = (struct run){.state = RUN_ENDED, .queued_at = INT64_MIN, .started_at = INT64_MIN};
    if (bson_iter_init_find(&it, doc, "state"))
        for (int s = 0; s < RUN_STATES; s++)
            if (bytes_equal_text(ledger_text_of(&it), run_state_name((enum run_state)s)))
                run->state = (enum run_state)s;
    if (bson_iter_init_find(&it, doc, "attempt"))
        run->attempt = bson_iter_as_int64(&it);
    if (bson_iter_init_find(&it, doc, "instance"))
        run->instance = arena_copy(a, ledger_text_of(&it));
    if (bson_iter_init_find(&it, doc, "group"))
        run->group = arena_copy(a, ledger_text_of(&it));
}

bool ledger_cancel(struct store *store, const struct uuid *id, struct bytes by, struct bytes reason,
    int64_t now, struct arena *a, struct run *run, bool *found, int64_t patience_ms, struct error *e)
{
    if (!cancel_insert(store, id, by, reason, now, patience_ms, e))
        return false;
    bson_t filter = BSON_INITIALIZER, doc;
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    BSON_APPEND_UTF8(&filter, "_id", text);
    bson_t *opts = BCON_NEW("projection", "{", "payload", BCON_INT32(0), "}");
    bool ok = store_find_one(store, "runs", &filter, opts, &doc, found, patience_ms, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    if (!ok || !*found)
        return ok;
    brief_run(&doc, a, run);
    run->id = *id;
    bson_destroy(&doc);
    return true;
}
