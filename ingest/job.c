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
        if (waits && !waiting_for(in, &doc, text, http_arena(r), &waiting, &e)) {
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
