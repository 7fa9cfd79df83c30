/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_lease: instances and cancels, and the small BSON helpers of the ledger. The rules stand in ledger.h. */
#include <string.h>

#include "core/ledger.h"
#include "core/ledger_private.h"

#define DAY_MS (24 * 3600 * (int64_t)1000)
#define CANCEL_KEEP_MS (30 * DAY_MS)

/* ---- helpers ---- */

struct bytes ledger_text_of(const bson_iter_t *it)
{
    uint32_t len = 0;
    if (!BSON_ITER_HOLDS_UTF8(it))
        return BYTES_NONE;
    const char *text = bson_iter_utf8(it, &len);
    return (struct bytes){text, len};
}

struct bytes ledger_binary_of(const bson_iter_t *it)
{
    uint32_t len = 0;
    const uint8_t *data = NULL;
    if (!BSON_ITER_HOLDS_BINARY(it))
        return BYTES_NONE;
    bson_iter_binary(it, NULL, &len, &data);
    return (struct bytes){(const char *)data, len};
}

void ledger_append_binary(bson_t *doc, const char *key, struct bytes data)
{
    bson_append_binary(
        doc, key, -1, BSON_SUBTYPE_BINARY, (const uint8_t *)(data.data ? data.data : ""), (uint32_t)data.len);
}

void ledger_append_item(bson_t *array, uint32_t index, struct bytes text)
{
    char key_space[16];
    const char *key;
    bson_uint32_to_string(index, &key, key_space, sizeof key_space);
    bson_add_text(array, key, text);
}

void ledger_append_id(bson_t *array, uint32_t index, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    ledger_append_item(array, index, (struct bytes){text, UUID_TEXT_LEN});
}

void ledger_append_ids(bson_t *filter, const struct uuid *ids, size_t count, size_t stride)
{
    bson_t in, array;
    bson_append_document_begin(filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < count; i++)
        ledger_append_id(
            &array, (uint32_t)i, (const struct uuid *)(const void *)((const char *)ids + i * stride));
    bson_append_array_end(&in, &array);
    bson_append_document_end(filter, &in);
}

/* ---- cancels ---- */

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
    bson_t filter = BSON_INITIALIZER, in, array;
    memset(out, 0, count * sizeof *out);
    bson_append_document_begin(&filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < count; i++) {
        uuid_format(&ids[i], text + strlen(CANCEL_PREFIX));
        ledger_append_item(&array, (uint32_t)i, bytes_of(text));
    }
    bson_append_array_end(&in, &array);
    bson_append_document_end(&filter, &in);
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

/* ---- leases ---- */

bool ledger_enlist(const struct ledger *l, const char *host, int64_t pid, int64_t now, struct error *e)
{
    bson_t *doc = BCON_NEW("_id", BCON_UTF8(l->instance), "pool", BCON_UTF8(l->pool), "host", BCON_UTF8(host),
        "pid", BCON_INT64(pid), "counter", BCON_INT64(1), "started_at", BCON_DATE_TIME(now), "at",
        BCON_DATE_TIME(now));
    const bson_t *docs[1] = {doc};
    bool duplicate = false; /* our own insert whose answer was lost: instance names are never reused */
    bool ok = store_insert(l->store, "instances", docs, 1, &duplicate, 0, e);
    bson_destroy(doc);
    return ok;
}

enum renewal ledger_renew(
    const struct ledger *l, int64_t counter, int64_t now, int64_t patience_ms, struct error *e)
{
    int64_t matched = 0;
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(l->instance), "over", "{", "$exists", BCON_BOOL(false), "}");
    bson_t *update = BCON_NEW("$set", "{", "counter", BCON_INT64(counter), "at", BCON_DATE_TIME(now), "}");
    bool ok = store_update_many(l->store, "instances", filter, update, &matched, NULL, patience_ms, e);
    bson_destroy(filter);
    bson_destroy(update);
    if (!ok)
        return RENEW_UNANSWERED;
    return matched == 1 ? RENEWED : RENEW_OVER;
}

struct lease_reader {
    struct ledger_lease *out;
    size_t count;
};

static bool lease_row(void *self, const bson_t *doc)
{
    struct lease_reader *r = self;
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "_id"))
        return true;
    struct bytes id = ledger_text_of(&it);
    for (size_t i = 0; i < r->count; i++) {
        if (!bytes_equal(r->out[i].instance, id))
            continue;
        r->out[i].exists = true;
        r->out[i].over = bson_iter_init_find(&it, doc, "over");
        r->out[i].counter = bson_iter_init_find(&it, doc, "counter") ? bson_iter_as_int64(&it) : 0;
    }
    return true;
}

bool ledger_leases(const struct ledger *l, const struct bytes *instances, size_t count, struct arena *a,
    struct ledger_lease *out, struct error *e)
{
    bson_t filter = BSON_INITIALIZER, in, array;
    bson_append_document_begin(&filter, "_id", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &array);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct ledger_lease){.instance = arena_copy(a, instances[i])};
        ledger_append_item(&array, (uint32_t)i, instances[i]);
    }
    bson_append_array_end(&in, &array);
    bson_append_document_end(&filter, &in);
    struct lease_reader self = {out, count};
    struct store_reader reader = {lease_row, NULL, &self};
    bool ok = store_find(l->store, "instances", &filter, NULL, &reader, 0, e);
    bson_destroy(&filter);
    return ok;
}

bool ledger_end_lease(
    const struct ledger *l, struct bytes instance, int64_t counter, int64_t now, bool *ended, struct error *e)
{
    int64_t matched = 0;
    bson_t filter = BSON_INITIALIZER;
    bson_add_text(&filter, "_id", instance);
    if (counter >= 0)
        BSON_APPEND_INT64(&filter, "counter", counter);
    bson_t *update = BCON_NEW("$set", "{", "over", BCON_BOOL(true), "over_at", BCON_DATE_TIME(now),
        "expire_at", BCON_DATE_TIME(now + l->keep_ms), "}");
    bool ok = store_update_many(l->store, "instances", &filter, update, &matched, NULL, 0, e);
    bson_destroy(&filter);
    bson_destroy(update);
    if (!ok)
        return false;
    *ended = matched == 1;
    if (*ended)
        return true;
    struct arena a;
    struct ledger_lease lease;
    arena_init(&a);
    ok = ledger_leases(l, &instance, 1, &a, &lease, e);
    *ended = ok && (lease.over || !lease.exists);
    arena_release(&a);
    return ok;
}
