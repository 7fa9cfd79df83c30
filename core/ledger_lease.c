/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_lease: instances: the proof of life of executors. The rules stand in ledger.h.
 *
 * Every document expires, also that of an executor which died while nobody waited for a job of it: nobody writes `over` there. A document that is
 * gone means the same as one that is over. So it goes only long after the last renewal: clocks that differ by less than
 * UNSEEN_MS do not end the lease of a living one.
 */
#include "core/ledger.h"
#include "core/ledger_private.h"

#define UNSEEN_MS ((int64_t)24 * 3600 * 1000)

static int64_t expires(const struct ledger *l, int64_t now)
{
    return now + l->keep_ms + UNSEEN_MS;
}

bool ledger_enlist(
    const struct ledger *l, const char *host, int64_t pid, int64_t lease_ms, int64_t now, struct error *e)
{
    bson_t *doc = BCON_NEW("_id", BCON_UTF8(l->instance), "pool", BCON_UTF8(l->pool), "host", BCON_UTF8(host),
        "pid", BCON_INT64(pid), "counter", BCON_INT64(1), "lease_ms", BCON_INT64(lease_ms), "started_at",
        BCON_DATE_TIME(now), "at", BCON_DATE_TIME(now), "expire_at", BCON_DATE_TIME(expires(l, now)));
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
    /* $max: a repeat may come after the next renewal, and a counter that falls and rises again would not prove that one lives. */
    bson_t *update = BCON_NEW("$max", "{", "counter", BCON_INT64(counter), "}", "$set", "{", "at",
        BCON_DATE_TIME(now), "expire_at", BCON_DATE_TIME(expires(l, now)), "}");
    bool ok = store_update_many(l->store, "instances", filter, update, &matched, NULL, patience_ms, e);
    bson_destroy(filter);
    bson_destroy(update);
    if (!ok)
        return RENEW_UNANSWERED;
    return matched == 1 ? RENEWED : RENEW_OVER;
}

struct lease_reader {
    struct lease_seen *out;
    size_t count;
};

static bool lease_row(void *self, const bson_t *doc)
{
    struct lease_reader *r = self;
    struct bytes id = ledger_text(doc, "_id");
    for (size_t i = 0; i < r->count; i++) {
        if (!bytes_equal(r->out[i].instance, id))
            continue;
        r->out[i].exists = true;
        r->out[i].over = bson_has_field(doc, "over");
        r->out[i].counter = ledger_int(doc, "counter");
    }
    return true;
}

bool ledger_leases(const struct ledger *l, const struct bytes *instances, size_t count, struct arena *a,
    struct lease_seen *out, struct error *e)
{
    if (count == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct lease_seen){.instance = arena_copy(a, instances[i])};
    struct lease_reader self = {out, count};
    const struct store_reader reader = {lease_row, NULL, &self};
    return ledger_find_texts(l->store, "instances", instances, count, &reader, e);
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
    struct lease_seen lease;
    arena_init(&a);
    ok = ledger_leases(l, &instance, 1, &a, &lease, e);
    *ended = ok && (lease.over || !lease.exists);
    arena_release(&a);
    return ok;
}
