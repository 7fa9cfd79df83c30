/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger: runs, from the intake to the start and back to the queue (their ends: ledger_finish.c). The rules stand in ledger.h; here is
 * how each becomes few statements: one bulk insert for an intake, one updateMany per attempt number for starts and requeues (a batch
 * nearly always has one), and a read-back only when fewer documents changed than were asked for.
 */
#include "core/ledger.h"

#include <string.h>

#include "core/ledger_private.h"

const char *run_state_name(enum run_state s)
{
    static const char *const names[RUN_STATES] = {"queued", "delayed", "running", "ended"};
    return names[s];
}

static enum run_state state_of(const char *name)
{
    for (int s = 0; s < RUN_STATES; s++)
        if (strcmp(name, run_state_name((enum run_state)s)) == 0)
            return (enum run_state)s;
    return RUN_ENDED;
}

/* ---- reading runs ---- */

struct run_reader {
    struct arena *arena;
    struct runs *out;
    size_t cap;
};

void ledger_run_read(const bson_t *doc, struct arena *a, struct run *r)
{
    r->queued_at = r->started_at = INT64_MIN;
    bson_iter_t it;
    if (!bson_iter_init(&it, doc))
        return;
    while (bson_iter_next(&it)) {
        const char *key = bson_iter_key(&it);
        if (strcmp(key, "_id") == 0)
            (void)uuid_parse(ledger_text_of(&it), &r->id);
        else if (strcmp(key, "partition") == 0)
            r->partition = (int32_t)bson_iter_as_int64(&it);
        else if (strcmp(key, "seq") == 0)
            r->seq = bson_iter_as_int64(&it);
        else if (strcmp(key, "group") == 0)
            r->group = arena_copy(a, ledger_text_of(&it));
        else if (strcmp(key, "state") == 0 && BSON_ITER_HOLDS_UTF8(&it))
            r->state = state_of(bson_iter_utf8(&it, NULL));
        else if (strcmp(key, "attempt") == 0)
            r->attempt = bson_iter_as_int64(&it);
        else if (strcmp(key, "tries") == 0)
            r->tries = bson_iter_as_int64(&it);
        else if (strcmp(key, "lost") == 0)
            r->lost = bson_iter_as_int64(&it);
        else if (strcmp(key, "instance") == 0)
            r->instance = arena_copy(a, ledger_text_of(&it));
        else if (strcmp(key, "payload") == 0)
            r->payload = arena_copy(a, ledger_binary_of(&it));
        else if (strcmp(key, "queued_at") == 0 && BSON_ITER_HOLDS_DATE_TIME(&it))
            r->queued_at = bson_iter_date_time(&it);
        else if (strcmp(key, "started_at") == 0 && BSON_ITER_HOLDS_DATE_TIME(&it))
            r->started_at = bson_iter_date_time(&it);
    }
}

static bool run_row(void *self, const bson_t *doc)
{
    struct run_reader *reader = self;
    struct runs *out = reader->out;
    if (out->count == reader->cap) {
        size_t cap = reader->cap ? reader->cap * 2 : 64;
        struct run *more = arena_array(reader->arena, cap, sizeof *more);
        if (out->count)
            memcpy(more, out->items, out->count * sizeof *more);
        out->items = more;
        reader->cap = cap;
    }
    ledger_run_read(doc, reader->arena, &out->items[out->count++]);
    return true;
}

static void run_reset(void *self)
{
    ((struct run_reader *)self)->out->count = 0;
}

static bool runs_find(struct store *store, const bson_t *filter, const bson_t *opts, struct arena *a,
    struct runs *out, int64_t patience_ms, struct error *e)
{
    *out = (struct runs){NULL, 0};
    struct run_reader self = {a, out, 0};
    struct store_reader reader = {run_row, run_reset, &self};
    return store_find(store, "runs", filter, opts, &reader, patience_ms, e);
}

/* Sort by the given key, limit, and no payload (it is large and not needed to decide). */
static bson_t *order_opts(const char *key, size_t limit)
{
    return BCON_NEW("sort", "{", key, BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)limit), "projection",
        "{", "payload", BCON_INT32(0), "}");
}

bool ledger_page(const struct ledger *l, int32_t partition, int64_t after, size_t limit, struct arena *a,
    struct runs *out, struct error *e)
{
    bson_t *filter = BCON_NEW("pool", BCON_UTF8(l->pool), "partition", BCON_INT32(partition), "final",
        BCON_BOOL(false), "seq", "{", "$gt", BCON_INT64(after), "}");
    bson_t *opts = order_opts("seq", limit);
    bool ok = runs_find(l->store, filter, opts, a, out, 0, e);
    bson_destroy(filter);
    bson_destroy(opts);
    return ok;
}

bool ledger_look(const struct ledger *l, struct bytes group, size_t limit, struct arena *a, struct runs *out,
    struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "pool", l->pool);
    bson_add_text(&filter, "group", group);
    BSON_APPEND_BOOL(&filter, "final", false);
    bson_t *opts = order_opts("seq", limit);
    bool ok = runs_find(l->store, &filter, opts, a, out, 0, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    return ok;
}

bool ledger_find(const struct ledger *l, const struct uuid *ids, size_t count, struct arena *a,
    struct runs *out, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    ledger_append_ids(&filter, ids, count, sizeof *ids);
    bool ok = runs_find(l->store, &filter, NULL, a, out, 0, e);
    bson_destroy(&filter);
    return ok;
}

bool ledger_running_of(const struct ledger *l, const char *instance, int64_t patience_ms, struct arena *a,
    struct runs *out, struct error *e)
{
    bson_t *filter =
        BCON_NEW("instance", BCON_UTF8(instance), "state", BCON_UTF8("running"), "final", BCON_BOOL(false));
    bson_t *opts = order_opts("seq", 100000);
    bool ok = runs_find(l->store, filter, opts, a, out, patience_ms, e);
    bson_destroy(filter);
    bson_destroy(opts);
    return ok;
}

/* ---- intake ---- */

static void intake_document(
    const struct ledger *l, const struct ledger_intake *i, int64_t now, const char *outcome, bson_t *doc)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&i->id, text);
    bool running = i->state == RUN_RUNNING, ended = i->state == RUN_ENDED;
    BSON_APPEND_UTF8(doc, "_id", text);
    BSON_APPEND_UTF8(doc, "pool", l->pool);
    BSON_APPEND_INT32(doc, "partition", i->partition);
    BSON_APPEND_INT64(doc, "seq", i->seq);
    bson_add_text(doc, "group", i->group);
    BSON_APPEND_UTF8(doc, "state", run_state_name(i->state));
    BSON_APPEND_BOOL(doc, "final", ended);
    BSON_APPEND_INT64(doc, "attempt", running ? 1 : 0);
    BSON_APPEND_INT64(doc, "tries", running ? 1 : 0);
    BSON_APPEND_INT64(doc, "lost", 0);
    BSON_APPEND_DATE_TIME(doc, "queued_at", now);
    if (running) {
        BSON_APPEND_UTF8(doc, "instance", l->instance);
        BSON_APPEND_DATE_TIME(doc, "started_at", now);
    }
    if (ended) {
        BSON_APPEND_UTF8(doc, "out", outcome);
        BSON_APPEND_DATE_TIME(doc, "ended_at", now);
        BSON_APPEND_DATE_TIME(doc, "expire_at", now + l->keep_ms);
    } else {
        ledger_append_binary(doc, "payload", i->payload);
    }
}

struct duplicate_reader {
    struct ledger_intake *items;
    size_t count;
    const char *outcome;
    struct arena *arena;
};

static bool duplicate_row(void *self, const bson_t *doc)
{
    struct duplicate_reader *r = self;
    bson_iter_t it;
    struct uuid id;
    if (!bson_iter_init_find(&it, doc, "_id") || !uuid_parse(ledger_text_of(&it), &id))
        return true;
    struct bytes group = bson_iter_init_find(&it, doc, "group") ? ledger_text_of(&it) : BYTES_NONE;
    struct bytes out = bson_iter_init_find(&it, doc, "out") ? ledger_text_of(&it) : BYTES_NONE;
    for (size_t i = 0; i < r->count; i++) {
        struct ledger_intake *item = &r->items[i];
        if (!item->duplicate || memcmp(&item->id, &id, sizeof id) != 0)
            continue;
        if (!bytes_equal(group, item->group))
            item->other_group = arena_copy(r->arena, group);
        /* Our own insert whose answer was lost: the outcome's id is ours alone. */
        if (item->state == RUN_ENDED && bytes_equal_text(out, r->outcome))
            item->duplicate = false;
    }
    return true;
}

static bool read_duplicates(const struct ledger *l, struct ledger_intake *items, size_t count,
    const char *outcome, struct arena *a, struct error *e)
{
    struct uuid *ids = arena_array(a, count, sizeof *ids);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (items[i].duplicate)
            ids[n++] = items[i].id;
    if (n == 0)
        return true;
    bson_t filter = BSON_INITIALIZER;
    ledger_append_ids(&filter, ids, n, sizeof *ids);
    bson_t *opts = BCON_NEW("projection", "{", "group", BCON_INT32(1), "out", BCON_INT32(1), "}");
    struct duplicate_reader self = {items, count, outcome, a};
    struct store_reader reader = {duplicate_row, NULL, &self};
    bool ok = store_find(l->store, "runs", &filter, opts, &reader, 0, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    return ok;
}

static bool write_refusals(const struct ledger *l, const struct ledger_intake *items, size_t count,
    int64_t now, char *outcome, struct error *e)
{
    bson_t doc, array;
    uint32_t n = 0;
    outcome[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (items[i].state != RUN_ENDED)
            continue;
        if (n == 0)
            outcome_begin(l, now, outcome, &doc, &array);
        struct outcome_item o = {&items[i].id, items[i].group, items[i].event, 0, "none"};
        outcome_append(&array, n++, &o);
    }
    return n == 0 || outcome_write(l, &doc, &array, e);
}

bool ledger_intake(const struct ledger *l, struct ledger_intake *items, size_t count, int64_t now,
    char *outcome, struct arena *a, struct error *e)
{
    if (!write_refusals(l, items, count, now, outcome, e))
        return false;
    bson_t **docs = arena_array(a, count, sizeof *docs);
    bool *duplicate = arena_array(a, count, sizeof *duplicate);
    for (size_t i = 0; i < count; i++) {
        docs[i] = bson_new(); /* a bson_t needs an alignment that the arena does not give */
        intake_document(l, &items[i], now, outcome, docs[i]);
    }
    bool ok = store_insert(l->store, "runs", (const bson_t *const *)docs, count, duplicate, 0, e);
    for (size_t i = 0; i < count; i++)
        bson_destroy(docs[i]);
    if (!ok)
        return false;
    struct uuid *ids = arena_array(a, count, sizeof *ids);
    struct ledger_cancel *cancels = arena_array(a, count, sizeof *cancels);
    for (size_t i = 0; i < count; i++) {
        items[i].duplicate = duplicate[i];
        items[i].other_group = BYTES_NONE;
        ids[i] = items[i].id;
    }
    if (!read_duplicates(l, items, count, outcome, a, e) || !ledger_cancels(l, ids, count, cancels, a, e))
        return false;
    for (size_t i = 0; i < count; i++)
        items[i].cancel = cancels[i];
    return true;
}

/* ---- start ---- */

struct start_reader {
    const struct ledger *ledger;
    struct ledger_start *items;
    size_t count;
    struct arena *arena;
    bool decide; /* also set won */
};

static struct ledger_start *start_of(struct start_reader *r, const struct uuid *id)
{
    for (size_t i = 0; i < r->count; i++)
        if (memcmp(&r->items[i].id, id, sizeof *id) == 0)
            return &r->items[i];
    return NULL;
}

static bool start_row(void *self, const bson_t *doc)
{
    struct start_reader *r = self;
    struct run run = {0};
    ledger_run_read(doc, r->arena, &run);
    struct ledger_start *item = start_of(r, &run.id);
    if (!item)
        return true;
    if (r->decide)
        item->won = run.state == RUN_RUNNING && run.attempt == item->attempt + 1 &&
                    bytes_equal_text(run.instance, r->ledger->instance);
    if (item->want_payload)
        item->payload = run.payload;
    return true;
}

/* One compare-and-set statement for all items with this attempt number; *all: every one of them changed. */
static bool start_write(const struct ledger *l, const struct ledger_start *items, size_t count,
    int64_t attempt, int64_t now, bool *all, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    struct id_list in;
    int64_t modified = 0;
    id_list_begin(&in, &filter);
    for (size_t i = 0; i < count; i++)
        if (items[i].attempt == attempt)
            id_list_add(&in, &items[i].id);
    id_list_end(&in, &filter);
    BSON_APPEND_UTF8(&filter, "state", "queued");
    BSON_APPEND_INT64(&filter, "attempt", attempt);
    bson_t *update =
        BCON_NEW("$set", "{", "state", BCON_UTF8("running"), "instance", BCON_UTF8(l->instance), "started_at",
            BCON_DATE_TIME(now), "}", "$inc", "{", "attempt", BCON_INT64(1), "tries", BCON_INT64(1), "}");
    bool ok = store_update_many(l->store, "runs", &filter, update, NULL, &modified, 0, e);
    *all = ok && modified == in.count;
    bson_destroy(&filter);
    bson_destroy(update);
    return ok;
}

bool ledger_start(const struct ledger *l, struct ledger_start *items, size_t count, int64_t now,
    struct arena *a, struct error *e)
{
    bool all_won = true, any_payload = false;
    for (size_t i = 0; i < count; i++) {
        bool seen = false, all = true;
        for (size_t k = 0; k < i && !seen; k++)
            seen = items[k].attempt == items[i].attempt;
        if (!seen && !start_write(l, items, count, items[i].attempt, now, &all, e))
            return false;
        all_won = all_won && all;
        any_payload = any_payload || items[i].want_payload;
    }
    struct uuid *ids = arena_array(a, count, sizeof *ids);
    struct ledger_cancel *cancels = arena_array(a, count, sizeof *cancels);
    for (size_t i = 0; i < count; i++) {
        ids[i] = items[i].id;
        items[i].won = all_won;
    }
    if (!all_won || any_payload) {
        struct start_reader self = {l, items, count, a, !all_won};
        struct store_reader reader = {start_row, NULL, &self};
        bson_t filter = BSON_INITIALIZER;
        ledger_append_ids(&filter, ids, count, sizeof *ids);
        bson_t *opts = any_payload ? NULL : BCON_NEW("projection", "{", "payload", BCON_INT32(0), "}");
        bool ok = store_find(l->store, "runs", &filter, opts, &reader, 0, e);
        bson_destroy(&filter);
        bson_destroy(opts);
        if (!ok)
            return false;
    }
    if (!ledger_cancels(l, ids, count, cancels, a, e))
        return false;
    for (size_t i = 0; i < count; i++)
        items[i].cancel = cancels[i];
    return true;
}

/* ---- back to the queue ---- */

static bool same_requeue(const struct ledger_requeue *a, const struct ledger_requeue *b)
{
    return a->attempt == b->attempt && a->lost == b->lost && bytes_equal(a->instance, b->instance);
}

static bool requeue_write(const struct ledger *l, const struct ledger_requeue *items, size_t count,
    const struct ledger_requeue *like, bool *all, struct error *e)
{
    bson_t filter = BSON_INITIALIZER;
    struct id_list in;
    int64_t modified = 0;
    id_list_begin(&in, &filter);
    for (size_t i = 0; i < count; i++)
        if (same_requeue(&items[i], like))
            id_list_add(&in, &items[i].id);
    id_list_end(&in, &filter);
    BSON_APPEND_UTF8(&filter, "state", "running");
    BSON_APPEND_INT64(&filter, "attempt", like->attempt);
    bson_add_text(&filter, "instance", like->instance);
    /* The attempt is over, but not charged: tries goes back. */
    bson_t *update = BCON_NEW("$set", "{", "state", BCON_UTF8("queued"), "}", "$unset", "{", "instance",
        BCON_INT32(1), "started_at", BCON_INT32(1), "}", "$inc", "{", "tries", BCON_INT64(-1), "lost",
        BCON_INT64(like->lost ? 1 : 0), "}");
    bool ok = store_update_many(l->store, "runs", &filter, update, NULL, &modified, 0, e);
    *all = ok && modified == in.count;
    bson_destroy(&filter);
    bson_destroy(update);
    return ok;
}

bool ledger_requeue(const struct ledger *l, struct ledger_requeue *items, size_t count, struct error *e)
{
    bool all_done = true;
    for (size_t i = 0; i < count; i++) {
        bool seen = false, all = true;
        for (size_t k = 0; k < i && !seen; k++)
            seen = same_requeue(&items[k], &items[i]);
        if (!seen && !requeue_write(l, items, count, &items[i], &all, e))
            return false;
        all_done = all_done && all;
    }
    for (size_t i = 0; i < count; i++)
        items[i].done = all_done;
    if (all_done)
        return true;
    struct arena a;
    struct runs found;
    arena_init(&a);
    struct uuid *ids = arena_array(&a, count, sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = items[i].id;
    bool ok = ledger_find(l, ids, count, &a, &found, e);
    for (size_t i = 0; ok && i < count; i++)
        for (size_t k = 0; k < found.count; k++)
            if (memcmp(&found.items[k].id, &items[i].id, sizeof(struct uuid)) == 0)
                items[i].done =
                    found.items[k].state == RUN_QUEUED && found.items[k].attempt == items[i].attempt;
    arena_release(&a);
    return ok;
}
