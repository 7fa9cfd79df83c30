/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: see job.h.
 */
#include "ingest/job.h"

#include "core/clock.h"
#include "core/shape_bson.h"
#include "ingest/answer.h"
#include "ingest/ingest.h"
#include "ingest/plan_view.h"
#include "ingest/request.h"
#include "ingest/waiting.h"

json_t *job_json(const bson_t *doc)
{
    static const char *const own[] = {"rev", "fold", "stub", "_id"};
    json_t *body = json_object(), *rest = bson_to_json(doc);
    json_object_set(body, "job_id", json_object_get(rest, "_id"));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        json_object_del(rest, own[i]);
    json_object_update(body, rest);
    json_decref(rest);
    return body;
}

/* A cancel that was answered and is not told by the end yet: {"by", "reason", "at"}, or NULL. */
static bool read_cancel(struct ingest *in, const char *id, struct arena *a, json_t **out, struct error *e)
{
    struct order cancel;
    bool found = false;
    bool ok = orders_find(
        in->world->store, ORDER_CANCEL, bytes_of(id), &cancel, &found, a, in->settings->store_patience_ms, e);
    *out = ok && found ? answer_order(&cancel) : NULL;
    return ok;
}

/* The document of the job of the path. Takes opts. False: answered. */
static bool find_told(
    struct ingest *in, struct http_request *r, bson_t *opts, char text[UUID_TEXT_LEN + 1], bson_t *doc)
{
    static const char *const known[] = {NULL};
    struct uuid id;
    bool found = request_query_only(r, known) && request_job_id(r, &id, text) &&
                 request_find_job(r, in->world->store, in->settings->store_patience_ms, text, opts, doc);
    bson_destroy(opts);
    return found;
}

static void answer_job(struct ingest *in, struct http_request *r, const char *id, const bson_t *doc)
{
    struct error e;
    json_t *waiting = NULL, *cancel = NULL;
    bool open = !doc_flag(doc, "final"), waits = open && !bytes_equal_text(doc_text(doc, "state"), "running");
    error_clear(&e);
    if ((open && !read_cancel(in, id, http_arena(r), &cancel, &e)) ||
        (waits && !waiting_for(in, doc, id, http_arena(r), &waiting, &e))) {
        json_decref(cancel);
        request_store_failed(r, &e);
        return;
    }
    json_t *body = job_json(doc);
    if (cancel)
        json_object_set_new(body, "cancel", cancel);
    if (waiting)
        json_object_set_new(body, "waiting_for", waiting);
    http_answer_json(r, 200, body);
}

void job_get(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    char id[UUID_TEXT_LEN + 1];
    bson_t doc;
    int64_t began = clock_boot_us();
    bson_t *opts = BCON_NEW("projection", "{", "stub.submission", BCON_INT32(0), "fold", BCON_INT32(0), "}");
    if (find_told(in, r, opts, id, &doc)) {
        answer_job(in, r, id, &doc);
        bson_destroy(&doc);
    }
    meters_read_us(clock_boot_us() - began);
}

void job_plan(void *ingest, struct http_request *r)
{
    char id[UUID_TEXT_LEN + 1];
    bson_t doc;
    bson_t *opts = BCON_NEW("projection", "{", "rev", BCON_INT32(1), "state", BCON_INT32(1), "final",
        BCON_INT32(1), "attempt", BCON_INT32(1), "attempts", BCON_INT32(1), "times", BCON_INT32(1), "plan",
        BCON_INT32(1), "error", BCON_INT32(1), "reason", BCON_INT32(1), "cached_from", BCON_INT32(1),
        "stub.claim", BCON_INT32(1), "}");
    if (!find_told(ingest, r, opts, id, &doc))
        return;
    json_t *json = bson_to_json(&doc);
    http_answer_json(r, 200, plan_view(json));
    json_decref(json);
    bson_destroy(&doc);
}
