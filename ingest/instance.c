/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance: see instance.h.
 */
#include "ingest/instance.h"

#include "core/clock.h"
#include "core/shape_bson.h"
#include "ingest/answer.h"
#include "ingest/bell.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/wish.h"

enum { MOST = 10000 };
#define LEASE_MS 40000            /* of a document that does not say it */
#define SHOWN_MS INT64_C(7200000) /* one that is not heard of is listed for so long; more than any lease */

struct list {
    struct arena *arena;
    int64_t now;
    json_t *items;
    const struct order_rows *drains;
    json_t *running; /* by instance */
};

static const struct order *drain_of(const struct order_rows *drains, struct bytes instance)
{
    for (size_t i = 0; i < drains->count; i++)
        if (bytes_equal(drains->items[i].of, instance))
            return &drains->items[i].order;
    return NULL;
}

/* How long (ms) it was not heard of, by our clock; -1: nobody knows. */
static int64_t silent_ms(const bson_t *doc, int64_t now)
{
    int64_t renewed = doc_number(doc, "at", NO_INT);
    if (renewed == NO_INT)
        return -1;
    return now > renewed ? now - renewed : 0;
}

bool instance_is_dead(const bson_t *doc, int64_t now)
{
    return doc_flag(doc, "over") || silent_ms(doc, now) > doc_number(doc, "lease_ms", LEASE_MS);
}

static bool instance_row(void *self, const bson_t *doc)
{
    struct list *l = self;
    struct bytes id = doc_text(doc, "_id");
    int64_t renewed = doc_number(doc, "at", NO_INT);
    const json_t *running = json_object_getn(l->running, id.data, id.len);
    json_t *item = json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:s, s:b, s:I, s:o}", "instance",
        answer_text(id), "host", answer_text(doc_text(doc, "host")), "pid",
        (json_int_t)doc_number(doc, "pid", 0), "pool", answer_text(doc_text(doc, "pool")), "started_at",
        answer_time(doc_number(doc, "started_at", NO_INT)), "renewed_at", answer_time(renewed), "renewed_ms",
        renewed == NO_INT ? json_null() : json_integer(silent_ms(doc, l->now)), "state",
        instance_is_dead(doc, l->now) ? "dead" : "live", "over", doc_flag(doc, "over"), "running",
        (json_int_t)json_integer_value(running), "drain", answer_order(drain_of(l->drains, id)));
    json_array_append_new(l->items, item);
    return true;
}

static void instance_reset(void *self)
{
    json_array_clear(((struct list *)self)->items);
}

static bool running_row(void *self, const bson_t *doc)
{
    struct list *l = self;
    struct bytes id = doc_text(doc, "_id");
    if (id.data)
        json_object_setn_new(l->running, id.data, id.len, json_integer(doc_number(doc, "running", 0)));
    return true;
}

static bool read_running(struct ingest *in, struct list *l, struct error *e)
{
    struct store_reader reader = {running_row, NULL, l};
    bson_t *pipeline = BCON_NEW("pipeline", "[", "{", "$match", "{", "final", BCON_BOOL(false), "instance",
        "{", "$gte", BCON_UTF8(""), "}", "state", BCON_UTF8("running"), "}", "}", "{", "$group", "{", "_id",
        "$instance", "running", "{", "$sum", BCON_INT64(1), "}", "}", "}", "]");
    bool ok =
        store_aggregate(in->world->store, "runs", pipeline, &reader, in->settings->store_patience_ms, e);
    bson_destroy(pipeline);
    return ok;
}

/* The dead may be many: what is not shown is not read, so that they keep no living one out. */
static bool read_instances(struct ingest *in, struct list *l, bool all, struct error *e)
{
    struct store_reader reader = {instance_row, instance_reset, l};
    bson_t filter = BSON_INITIALIZER;
    bson_t *opts = all ? BCON_NEW("sort", "{", "at", BCON_INT32(-1), "_id", BCON_INT32(1), "}")
                       : BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    BSON_APPEND_INT64(opts, "limit", MOST);
    if (!all)
        BCON_APPEND(&filter, "over", "{", "$exists", BCON_BOOL(false), "}", "at", "{", "$gte",
            BCON_DATE_TIME(l->now - SHOWN_MS), "}");
    bool ok =
        store_find(in->world->store, "instances", &filter, opts, &reader, in->settings->store_patience_ms, e);
    bson_destroy(opts);
    bson_destroy(&filter);
    return ok;
}

void instances_get(void *ingest, struct http_request *r)
{
    static const char *const known[] = {"all", NULL};
    struct ingest *in = ingest;
    struct order_rows drains;
    struct error e;
    bool all;
    struct list l = {.arena = http_arena(r), .now = clock_utc_ms(), .drains = &drains};
    error_clear(&e);
    if (!request_query_only(r, known) || !request_flag(r, "all", &all))
        return;
    l.items = json_array();
    l.running = json_object();
    bool ok = orders_list(in->world->store, ORDER_DRAIN, BYTES(""), MOST, l.arena, &drains,
                  in->settings->store_patience_ms, &e) &&
              read_running(in, &l, &e) && read_instances(in, &l, all, &e);
    json_decref(l.running);
    if (ok) {
        http_answer_json(r, 200, json_pack("{s:o}", "instances", l.items));
        return;
    }
    json_decref(l.items);
    request_store_failed(r, &e);
}

/* Is there such an instance that lives? False: answered. */
static bool find_live(struct ingest *in, struct http_request *r, struct bytes id)
{
    struct error e;
    bool found = false;
    bson_t filter = BSON_INITIALIZER, doc;
    error_clear(&e);
    bson_add_text(&filter, "_id", id);
    bool ok = store_find_one(
        in->world->store, "instances", &filter, NULL, &doc, &found, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    if (!ok)
        return request_store_failed(r, &e);
    if (!found)
        return request_not_found(r, "instance", bytes_cut(id, 80));
    bool over = doc_flag(&doc, "over"), dead = instance_is_dead(&doc, clock_utc_ms());
    bson_destroy(&doc);
    if (dead)
        http_problem(r, 409, "conflict",
            over ? BYTES("the lease of this instance is over: it does not run")
                 : BYTES("this instance has not renewed its lease for as long as the lease lasts: it does "
                         "not run"),
            NULL);
    return !dead;
}

void instance_drain(void *ingest, struct http_request *r)
{
    static const char *const known[] = {NULL};
    struct ingest *in = ingest;
    struct bytes id = http_param(r, "id");
    struct order order, standing;
    struct error e;
    bool stood;
    error_clear(&e);
    if (!request_query_only(r, known) || !wish_read(r, &order) || !find_live(in, r, id))
        return;
    if (!orders_place(in->world->store, ORDER_DRAIN, id, &order, &standing, &stood, http_arena(r),
            in->settings->store_patience_ms, &e)) {
        request_store_failed(r, &e);
        return;
    }
    bell_ring(in, CONTROL_DRAIN, BYTES_NONE, BYTES_NONE, id, &standing, http_arena(r));
    http_answer_json(
        r, 202, json_pack("{s:o, s:o}", "instance", answer_text(id), "drain", answer_order(&standing)));
}
