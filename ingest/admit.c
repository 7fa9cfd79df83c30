/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit: see admit.h.
 */
#include "ingest/admit.h"

#include <string.h>

#include "core/shape_bson.h"
#include "ingest/request.h"

enum { ROUNDS_MOST = 3 };

void admit_token(struct admit_batch *b, int64_t now)
{
    struct uuid random;
    uuid_v7(&random, now);
    uuid_format(&random, b->token);
}

/* ---- who is let in ---- */

static struct admit_count *count_of(struct admit_count *counts, size_t count, struct bytes selector)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(counts[i].selector, selector))
            return &counts[i];
    return NULL;
}

void admit_decide(struct admit_item *items, size_t item_count, struct admit_count *counts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        counts[i].own = 0;
    for (size_t i = 0; i < item_count; i++)
        for (size_t n = 0; items[i].verdict == ADMIT_OPEN && n < items[i].count; n++)
            count_of(counts, count, items[i].limits[n].selector)->own++;
    /* From here on `own` are those behind the item: they don't stand in its way. */
    for (size_t i = 0; i < item_count; i++) {
        struct admit_item *item = &items[i];
        if (item->verdict != ADMIT_OPEN)
            continue;
        item->verdict = ADMIT_YES;
        for (size_t n = 0; n < item->count; n++) {
            struct admit_count *c = count_of(counts, count, item->limits[n].selector);
            c->own--;
            if (item->verdict == ADMIT_YES && c->waiting - c->own > c->max) {
                item->verdict = ADMIT_FULL;
                item->full = &item->limits[n];
            }
        }
    }
}

/* ---- counting ---- */

static void waiting_filter(struct bytes selector, bson_t *filter)
{
    static const char *const waiting[] = {"accepted", "converted", "planned", "queued"};
    bson_t in, states;
    const char *slash = memchr(selector.data, '/', selector.len);
    size_t creator = slash ? (size_t)(slash - selector.data) : 0;
    struct bytes user = bytes_slice(selector, creator + 1, selector.len);
    if (slash)
        bson_add_text(filter, "creator", bytes_slice(selector, 0, creator));
    else /* of `*`: all of them; the index begins with it, and is not used without */
        BCON_APPEND(filter, "creator", "{", "$gte", BCON_UTF8(""), "}");
    if (slash && !bytes_equal_text(user, "*"))
        bson_add_text(filter, "user", user);
    BSON_APPEND_BOOL(filter, "final", false);
    BSON_APPEND_DOCUMENT_BEGIN(filter, "state", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &states);
    for (uint32_t i = 0; i < sizeof waiting / sizeof *waiting; i++) {
        char index[16];
        const char *key;
        bson_uint32_to_string(i, &key, index, sizeof index);
        BSON_APPEND_UTF8(&states, key, waiting[i]);
    }
    bson_append_array_end(&in, &states);
    bson_append_document_end(filter, &in);
}

bool admit_waiting(struct store *s, struct bytes selector, int64_t most, int64_t patience_ms,
    int64_t *waiting, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    waiting_filter(selector, &filter);
    bool ok = store_count(s, "jobs", &filter, most, waiting, patience_ms, e);
    bson_destroy(&filter);
    return ok;
}

/* One count for each selector that an open item names. */
static bool count_waiting(struct admit_batch *b, struct admit_count *counts, size_t *count, struct error *e)
{
    *count = 0;
    for (size_t i = 0; i < b->count; i++)
        for (size_t n = 0; b->items[i].verdict == ADMIT_OPEN && n < b->items[i].count; n++) {
            const struct limit_count *l = &b->items[i].limits[n];
            if (!count_of(counts, *count, l->selector))
                counts[(*count)++] = (struct admit_count){.selector = l->selector, .max = l->max};
        }
    for (size_t i = 0; i < *count; i++) {
        /* More than that changes nothing: then none of ours is let in. */
        int64_t most = counts[i].max + (int64_t)b->count + 1;
        if (!admit_waiting(b->store, counts[i].selector, most, b->patience_ms, &counts[i].waiting, e))
            return false;
    }
    return true;
}

/* ---- the stubs ---- */

/* The ids of those with this verdict; ADMIT_OPEN: of all. Returns how many. */
static size_t append_ids(const struct admit_batch *b, enum admit_verdict verdict, bson_t *filter)
{
    bson_t in, list;
    char index[16];
    const char *key;
    uint32_t n = 0;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < b->count; i++) {
        if (verdict != ADMIT_OPEN && (b->items[i].verdict != verdict || b->items[i].gone))
            continue;
        bson_uint32_to_string(n++, &key, index, sizeof index);
        BSON_APPEND_UTF8(&list, key, b->items[i].id);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
    return n;
}

struct claims {
    struct admit_batch *batch;
    struct bytes *claim; /* by item; data NULL: no document */
};

static bool claims_row(void *self, const bson_t *doc)
{
    struct claims *c = self;
    struct bytes id = doc_text(doc, "_id"), claim = doc_text(doc, "stub.claim");
    for (size_t i = 0; i < c->batch->count; i++)
        if (bytes_equal_text(id, c->batch->items[i].id))
            c->claim[i] = claim.data ? arena_copy(c->batch->arena, claim) : BYTES("");
    return true;
}

static bool read_claims(struct admit_batch *b, struct claims *c, struct error *e)
{
    struct store_reader reader = {claims_row, NULL, c};
    bson_t filter = BSON_INITIALIZER;
    *c = (struct claims){b, arena_array(b->arena, b->count, sizeof *c->claim)};
    append_ids(b, ADMIT_OPEN, &filter);
    bson_t *opts = BCON_NEW("projection", "{", "stub.claim", BCON_INT32(1), "}");
    bool ok = store_find(b->store, "jobs", &filter, opts, &reader, b->patience_ms, e);
    bson_destroy(opts);
    bson_destroy(&filter);
    return ok;
}

/* Not all of the refused were deleted by the try that was answered: an earlier try did, or somebody else had taken one. All that are
 * ours still are judged again. */
static bool look_again(struct admit_batch *b, struct error *e)
{
    struct claims c;
    if (!read_claims(b, &c, e))
        return false;
    for (size_t i = 0; i < b->count; i++) {
        struct admit_item *item = &b->items[i];
        bool ours = bytes_equal_text(c.claim[i], b->token);
        item->gone = item->verdict == ADMIT_FULL && !c.claim[i].data;
        if (item->verdict != ADMIT_LOST && !item->gone)
            item->verdict = ours ? ADMIT_OPEN : ADMIT_LOST;
    }
    return true;
}

/* *settled: all of the refused are gone. */
static bool delete_refused(struct admit_batch *b, bool *settled, struct error *e)
{
    int64_t deleted = 0;
    bson_t filter = BSON_INITIALIZER;
    int64_t refused = (int64_t)append_ids(b, ADMIT_FULL, &filter);
    BSON_APPEND_INT64(&filter, "rev", 0);
    BSON_APPEND_UTF8(&filter, "stub.claim", b->token);
    bool ok = refused == 0 || store_delete(b->store, "jobs", &filter, &deleted, b->patience_ms, e);
    bson_destroy(&filter);
    *settled = ok && deleted == refused;
    return ok && (*settled || look_again(b, e));
}

static bool let_in(struct admit_batch *b, struct error *e)
{
    int64_t matched = 0;
    struct claims c;
    bson_t filter = BSON_INITIALIZER;
    int64_t wanted = (int64_t)append_ids(b, ADMIT_YES, &filter);
    BSON_APPEND_UTF8(&filter, "stub.claim", b->token);
    bson_t *update = BCON_NEW("$unset", "{", "stub.claim", BCON_UTF8(""), "}", "$set", "{", "stub.next_at",
        BCON_DATE_TIME(b->next_at), "}");
    bool ok = wanted == 0 ||
              store_update_many(b->store, "jobs", &filter, update, &matched, NULL, b->patience_ms, e);
    bson_destroy(update);
    bson_destroy(&filter);
    if (!ok || matched == wanted)
        return ok;
    if (!read_claims(b, &c, e))
        return false;
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].verdict == ADMIT_YES && (!c.claim[i].data || c.claim[i].len > 0))
            b->items[i].verdict = ADMIT_LOST;
    return true;
}

bool admit_judge(struct admit_batch *b, struct error *e)
{
    size_t most = 0, count = 0;
    bool settled = false;
    for (size_t i = 0; i < b->count; i++)
        most += b->items[i].count;
    struct admit_count *counts = arena_array(b->arena, most, sizeof *counts);
    for (int round = 0; round < ROUNDS_MOST && !settled; round++) {
        if (!count_waiting(b, counts, &count, e))
            return false;
        admit_decide(b->items, b->count, counts, count);
        if (!delete_refused(b, &settled, e))
            return false;
    }
    for (size_t i = 0; !settled && i < b->count; i++)
        if (b->items[i].verdict == ADMIT_OPEN)
            b->items[i].verdict = ADMIT_LOST;
    return let_in(b, e);
}

bool admit_forget(
    struct store *s, const char *id, struct bytes claim, int64_t patience_ms, bool *gone, struct error *e)
{
    int64_t deleted = 0;
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "_id", id);
    BSON_APPEND_INT64(&filter, "rev", 0);
    bson_add_text(&filter, "stub.claim", claim);
    bool ok = store_delete(s, "jobs", &filter, &deleted, patience_ms, e);
    bson_destroy(&filter);
    *gone = deleted == 1;
    return ok;
}
