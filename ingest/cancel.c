/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: see cancel.h.
 */
#include "ingest/cancel.h"

#include "ingest/bell.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/wish.h"

const char *const cancel_was_names[WAS_KINDS] = {"pending", "queued", "running", "final", "unknown"};

enum cancel_was cancel_was(struct bytes ledger_state)
{
    if (!ledger_state.data)
        return WAS_PENDING;
    if (bytes_equal_text(ledger_state, "queued") || bytes_equal_text(ledger_state, "delayed"))
        return WAS_QUEUED;
    return bytes_equal_text(ledger_state, "running") ? WAS_RUNNING : WAS_FINAL;
}

/* What is known of the job before the cancel. False: answered. */
static bool look(struct ingest *in, struct http_request *r, const struct uuid *id, const char *text,
    bool *final, struct bytes *state)
{
    struct error e;
    bson_t doc;
    bool found = false;
    struct order_job job = {.id = *id};
    error_clear(&e);
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "_id", text);
    bson_t *opts = BCON_NEW("projection", "{", "state", BCON_INT32(1), "final", BCON_INT32(1), "}");
    bool ok = store_find_one(
        in->world->store, "jobs", &filter, opts, &doc, &found, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    bson_destroy(opts);
    *final = false;
    *state = BYTES_NONE;
    if (ok && found) {
        *final = doc_flag(&doc, "final");
        *state = arena_copy(http_arena(r), doc_text(&doc, "state"));
        bson_destroy(&doc);
    } else if (ok) {
        /* By Kafka, and the collector has not seen it yet; or never heard of. */
        ok = orders_look(in->world->store, &job, 1, http_arena(r), in->settings->store_patience_ms, &e);
        found = ok && job.state.data;
        *state = BYTES("accepted");
    }
    if (!ok)
        return request_store_failed(r, &e);
    return found || request_not_found(r, "job", bytes_of(text));
}

static void answer(struct http_request *r, const char *id, enum cancel_was was, struct bytes state)
{
    http_answer_json(r, was == WAS_FINAL ? 200 : 202,
        json_pack(
            "{s:s, s:s, s:s%}", "job_id", id, "was", cancel_was_names[was], "state", state.data, state.len));
}

void cancel_post(void *ingest, struct http_request *r)
{
    static const char *const known[] = {NULL};
    struct ingest *in = ingest;
    struct order_job job;
    char text[UUID_TEXT_LEN + 1];
    struct order order;
    struct bytes state;
    bool final;
    struct error e;
    error_clear(&e);
    if (!request_query_only(r, known) || !request_job_id(r, &job.id, text) || !wish_read(r, &order) ||
        !look(in, r, &job.id, text, &final, &state))
        return;
    if (final) {
        answer(r, text, WAS_FINAL, state);
        return;
    }
    if (!orders_cancel(
            in->world->store, &order, &job, 1, http_arena(r), in->settings->store_patience_ms, &e)) {
        request_store_failed(r, &e);
        return;
    }
    meters_cancels(1);
    enum cancel_was was = cancel_was(job.state);
    if (was != WAS_FINAL)
        bell_ring(in, CONTROL_CANCEL, bytes_of(text), BYTES_NONE, BYTES_NONE, &order, http_arena(r));
    answer(r, text, was, state);
}
