/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: see job.h.
 */
#include "ingest/job.h"

#include "core/clock.h"
#include "core/shape_bson.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/stub.h"

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

static json_t *text_json(struct bytes b)
{
    return json_stringn(b.data ? b.data : "", b.len);
}

/* The least run of the group that has not ended, if it is another job's. */
static bool find_ahead(struct ingest *in, const bson_t *run, const char *id, json_t **out, struct error *e)
{
    bson_t ahead;
    bool found = false;
    bson_t filter = BSON_INITIALIZER;
    bson_add_text(&filter, "pool", doc_text(run, "pool"));
    bson_add_text(&filter, "group", doc_text(run, "group"));
    BSON_APPEND_BOOL(&filter, "final", false);
    bson_t *opts = BCON_NEW("sort", "{", "seq", BCON_INT32(1), "}", "limit", BCON_INT64(1), "projection", "{",
        "payload", BCON_INT32(0), "}");
    bool ok = store_find_one(
        in->world->store, "runs", &filter, opts, &ahead, &found, in->settings->store_patience_ms, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    if (!ok || !found)
        return ok;
    if (!bytes_equal_text(doc_text(&ahead, "_id"), id))
        *out = json_pack("{s:s, s:o, s:o}", "reason", "job_ahead", "job_id",
            text_json(doc_text(&ahead, "_id")), "state", text_json(doc_text(&ahead, "state")));
    bson_destroy(&ahead);
    return true;
}

static bool waiting_for(struct ingest *in, const bson_t *doc, const char *id, json_t **out, struct error *e)
{
    bson_t run;
    bool found = false;
    char until[CLOCK_TEXT_SIZE];
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "_id", id);
    bson_t *opts = BCON_NEW("projection", "{", "payload", BCON_INT32(0), "}");
    bool ok = store_find_one(
        in->world->store, "runs", &filter, opts, &run, &found, in->settings->store_patience_ms, e);
    bson_destroy(&filter);
    bson_destroy(opts);
    if (!ok)
        return false;
    if (!found) {
        *out = json_pack("{s:s}", "reason", "pipeline");
        return true;
    }
    struct bytes state = doc_text(&run, "state");
    int64_t not_before = doc_number(doc, "not_before", NO_INT);
    if (bytes_equal_text(state, "delayed")) {
        *out = json_pack("{s:s}", "reason", "not_before");
        if (not_before != NO_INT)
            json_object_set_new(*out, "until", json_string(clock_text(not_before, until)));
    } else if (bytes_equal_text(state, "queued")) {
        ok = find_ahead(in, &run, id, out, e);
        if (ok && !*out)
            *out = json_pack("{s:s}", "reason", "slot");
    }
    bson_destroy(&run);
    return ok;
}

void job_get(void *ingest, struct http_request *r)
{
    static const char *const known[] = {NULL};
    struct ingest *in = ingest;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    struct error e;
    bson_t doc;
    int64_t began = clock_boot_us();
    json_t *waiting = NULL;
    error_clear(&e);
    if (!request_query_only(r, known) || !request_job_id(r, &id, text))
        return;
    bson_t *opts = BCON_NEW("projection", "{", "stub.submission", BCON_INT32(0), "fold", BCON_INT32(0), "}");
    if (request_find_job(r, in->world->store, in->settings->store_patience_ms, text, opts, &doc)) {
        /* Nobody was told of it yet, and perhaps nobody will be (admit.h). */
        if (stub_claim(&doc).data) {
            (void)request_not_found(r, "job", bytes_of(text));
            bson_destroy(&doc);
            bson_destroy(opts);
            return;
        }
        bool waits = !doc_flag(&doc, "final") && !bytes_equal_text(doc_text(&doc, "state"), "running");
        if (waits && !waiting_for(in, &doc, text, &waiting, &e)) {
            request_store_failed(r, &e);
        } else {
            json_t *body = job_json(&doc);
            if (waiting)
                json_object_set_new(body, "waiting_for", waiting);
            http_answer_json(r, 200, body);
        }
        bson_destroy(&doc);
    }
    bson_destroy(opts);
    meters_read_us(clock_boot_us() - began);
}
