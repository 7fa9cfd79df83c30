/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiting: see waiting.h.
 */
#include "ingest/waiting.h"

#include "core/clock.h"
#include "core/shape_bson.h"
#include "ingest/answer.h"
#include "ingest/ingest.h"
#include "ingest/request.h"

enum { POSITION_MOST = 1000 };
#define LEASE_FRESH_MS 60000 /* renewed every few seconds; by two clocks */

const struct waiting_job *waiting_behind(const struct waiting_job *ahead, size_t count, int64_t max_running)
{
    const struct waiting_job *running = NULL, *head = NULL;
    int64_t run = 0;
    for (size_t i = 0; i < count; i++) {
        const struct waiting_job **first = ahead[i].running ? &running : &head;
        run += ahead[i].running;
        if (!*first)
            *first = &ahead[i];
    }
    return run >= max_running ? running : head;
}

/* ---- reading ---- */

struct look {
    struct ingest *in;
    struct arena *arena;
    struct error *e;
    struct waiting_job ahead[POSITION_MOST];
    size_t count;
};

static bool find_one(struct look *l, const char *collection, const bson_t *filter, const bson_t *opts,
    bson_t *doc, bool *found)
{
    return store_find_one(
        l->in->world->store, collection, filter, opts, doc, found, l->in->settings->store_patience_ms, l->e);
}

static bool ahead_row(void *self, const bson_t *doc)
{
    struct look *l = self;
    l->ahead[l->count++] = (struct waiting_job){
        arena_copy(l->arena, doc_text(doc, "_id")), bytes_equal_text(doc_text(doc, "state"), "running")};
    return l->count < POSITION_MOST;
}

static void ahead_reset(void *self)
{
    ((struct look *)self)->count = 0;
}

/* Delayed ones stand in nobody's way: they get a new place when they are due. */
static bool read_ahead(struct look *l, const bson_t *run)
{
    struct store_reader reader = {ahead_row, ahead_reset, l};
    bson_t filter = BSON_INITIALIZER;
    bson_add_text(&filter, "pool", doc_text(run, "pool"));
    bson_add_text(&filter, "group", doc_text(run, "group"));
    BSON_APPEND_BOOL(&filter, "final", false);
    bson_t *rest = BCON_NEW("state", "{", "$in", "[", "queued", "running", "]", "}", "seq", "{", "$lt",
        BCON_INT64(doc_number(run, "seq", 0)), "}");
    bson_concat(&filter, rest);
    bson_t *opts = BCON_NEW("sort", "{", "seq", BCON_INT32(1), "}", "limit", BCON_INT64(POSITION_MOST),
        "projection", "{", "state", BCON_INT32(1), "}");
    bool ok = store_find(
        l->in->world->store, "runs", &filter, opts, &reader, l->in->settings->store_patience_ms, l->e);
    bson_destroy(opts);
    bson_destroy(rest);
    bson_destroy(&filter);
    return ok;
}

/* Are all places of this shared limit taken? */
static bool is_full(struct look *l, const struct limit_count *limit, bool *full)
{
    bson_t filter = BSON_INITIALIZER, doc;
    bson_iter_t it, items;
    bool found = false;
    int64_t taken = 0;
    bson_add_text(&filter, "_id", limit->selector);
    bool ok = find_one(l, "holders", &filter, NULL, &doc, &found);
    bson_destroy(&filter);
    if (ok && found) {
        if (bson_iter_init_find(&it, &doc, "items") && BSON_ITER_HOLDS_ARRAY(&it) &&
            bson_iter_recurse(&it, &items))
            while (bson_iter_next(&items))
                taken++;
        bson_destroy(&doc);
    }
    *full = taken >= limit->max;
    return ok;
}

/* ---- the reasons ---- */

static bool why_held(struct look *l, struct bytes group, json_t **out)
{
    struct order hold;
    bool found = false;
    if (!orders_find(l->in->world->store, ORDER_HOLD, group, &hold, &found, l->arena,
            l->in->settings->store_patience_ms, l->e))
        return false;
    if (found) {
        *out = json_pack("{s:s}", "kind", "held");
        answer_add(*out, answer_order(&hold));
    }
    return true;
}

/* No lease of an executor of this pool was renewed lately. */
static bool why_no_executor(struct look *l, struct bytes pool, json_t **out)
{
    bson_t filter = BSON_INITIALIZER, doc;
    bool found = false;
    bson_add_text(&filter, "pool", pool);
    bson_t *rest = BCON_NEW("over", "{", "$exists", BCON_BOOL(false), "}", "at", "{", "$gte",
        BCON_DATE_TIME(clock_utc_ms() - LEASE_FRESH_MS), "}");
    bson_concat(&filter, rest);
    bool ok = find_one(l, "instances", &filter, NULL, &doc, &found);
    bson_destroy(rest);
    bson_destroy(&filter);
    if (ok && found)
        bson_destroy(&doc);
    else if (ok)
        *out = json_pack("{s:s, s:o}", "kind", "no_executor", "pool", answer_text(pool));
    return ok;
}

static bool why_limited(struct look *l, const struct limits_effective *limits, json_t **out)
{
    for (size_t i = 0; i < limits->shared_count && !*out; i++) {
        const struct limit_count *limit = &limits->shared[i];
        bool full = false;
        if (!is_full(l, limit, &full))
            return false;
        if (full)
            *out = json_pack("{s:s, s:o, s:I}", "kind", "limit", "selector", answer_text(limit->selector),
                "max_running", (json_int_t)limit->max);
    }
    return true;
}

static bool why_queued(struct look *l, const bson_t *run, json_t **out)
{
    struct bytes group = arena_copy(l->arena, doc_text(run, "group"));
    struct limits_effective limits = {.max_running = 1};
    int64_t retry_at = doc_number(run, "retry_at", NO_INT);
    if (!read_ahead(l, run) || !why_held(l, group, out) ||
        (!*out && !why_no_executor(l, doc_text(run, "pool"), out)))
        return false;
    (void)book_find(l->in->book, group, l->arena, &limits);
    const struct waiting_job *behind = waiting_behind(l->ahead, l->count, limits.max_running);
    if (*out) {
        /* it would not start even if nobody stood before it */
    } else if (behind) {
        *out = json_pack("{s:s, s:o, s:s}", "kind", "job", "job_id", answer_text(behind->id), "state",
            behind->running ? "running" : "queued");
    } else if (retry_at != NO_INT && retry_at > clock_utc_ms()) {
        *out = json_pack("{s:s, s:o}", "kind", "retry", "at", answer_time(retry_at));
    } else if (!why_limited(l, &limits, out)) {
        return false;
    } else if (!*out) {
        *out = json_pack("{s:s}", "kind", "slot");
    }
    json_object_set_new(*out, "position", json_integer((json_int_t)l->count));
    return true;
}

bool waiting_for(
    struct ingest *in, const bson_t *doc, const char *id, struct arena *a, json_t **out, struct error *e)
{
    bson_t run;
    bool found = false;
    struct look *l = arena_alloc(a, sizeof *l);
    l->in = in;
    l->arena = a;
    l->e = e;
    *out = NULL;
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "_id", id);
    bson_t *opts = BCON_NEW("projection", "{", "payload", BCON_INT32(0), "nodes", BCON_INT32(0), "}");
    bool ok = find_one(l, "runs", &filter, opts, &run, &found);
    bson_destroy(&filter);
    bson_destroy(opts);
    if (!ok)
        return false;
    if (!found) {
        struct bytes pool = doc_text(doc, "plan.pool"); /* once it is planned */
        if (pool.data && !why_no_executor(l, pool, out))
            return false;
        if (!*out)
            *out = json_pack("{s:s}", "kind", "pipeline");
        return true;
    }
    struct bytes state = doc_text(&run, "state");
    if (bytes_equal_text(state, "delayed"))
        *out = json_pack("{s:s, s:o}", "kind", "not_before", "at",
            answer_time(doc_number(&run, "wake_at", doc_number(doc, "not_before", NO_INT))));
    else if (bytes_equal_text(state, "queued"))
        ok = why_queued(l, &run, out);
    bson_destroy(&run);
    if (!ok) {
        json_decref(*out);
        *out = NULL;
    }
    return ok;
}
