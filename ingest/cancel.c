/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: see cancel.h.
 */
#include "ingest/cancel.h"

#include "core/clock.h"
#include "core/ledger.h"
#include "core/log.h"
#include "ingest/ingest.h"
#include "ingest/request.h"

#define TEXT_MOST 1024

struct wish {
    struct bytes by, reason;
};
#define TEXT(name_)                                                                                          \
    {                                                                                                        \
        .name = #name_, .type = FIELD_TEXT, .flags = FIELD_OPTIONAL, .offset = offsetof(struct wish, name_)  \
    }
static const struct field wish_fields[] = {TEXT(by), TEXT(reason)};
static const struct shape wish_shape = {.name = "CancelRequest",
    .size = sizeof(struct wish),
    .fields = wish_fields,
    .count = 2,
    .help = "Who cancels and why."};

static bool read_wish(struct http_request *r, struct wish *out)
{
    struct arena *a = http_arena(r);
    struct bytes body = http_body(r), type = request_media_type(a, http_header(r, "Content-Type"));
    struct field_problems problems = {.count = 0};
    json_error_t e;
    *out = (struct wish){BYTES(""), BYTES("")};
    if (bytes_trim(body).len == 0)
        return true;
    if (!request_is_json(type)) {
        http_problem(r, 415, "unsupported_media_type", BYTES("send application/json, or no body"), NULL);
        return false;
    }
    json_t *object = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!object) {
        http_problem(r, 400, json_error_code(&e) == json_error_invalid_utf8 ? "bad_utf8" : "bad_json",
            arena_printf(a, "line %d, column %d: %s", e.line, e.column, e.text), NULL);
        return false;
    }
    bool ok = shape_from_json(&wish_shape, object, SHAPE_STRICT, a, out, &problems);
    json_decref(object);
    if (ok && out->by.len <= TEXT_MOST && out->reason.len <= TEXT_MOST)
        return true;
    http_problem(r, 400, "invalid",
        BYTES("{\"reason\": text, \"by\": text}, both optional, at most 1024 bytes each"), &problems);
    return false;
}

/* What is known of the job before the cancel. False: answered. */
static bool look(struct ingest *in, struct http_request *r, const char *id, bool *final, struct bytes *state)
{
    struct error e;
    bson_t doc;
    bool found = false;
    error_clear(&e);
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "_id", id);
    bson_t *opts = BCON_NEW("projection", "{", "state", BCON_INT32(1), "final", BCON_INT32(1), "}");
    bool ok = store_find_one(
        in->world->store, "jobs", &filter, opts, &doc, &found, in->settings->store_patience_ms, &e);
    *final = false;
    *state = BYTES_NONE;
    if (ok && found) {
        *final = doc_flag(&doc, "final");
        *state = arena_copy(http_arena(r), doc_text(&doc, "state"));
        bson_destroy(&doc);
    } else if (ok) {
        /* By Kafka, and the collector has not seen it yet; or never heard of. */
        ok = store_find_one(
            in->world->store, "runs", &filter, opts, &doc, &found, in->settings->store_patience_ms, &e);
        if (ok && found) {
            *state = BYTES("accepted");
            bson_destroy(&doc);
        }
    }
    bson_destroy(&filter);
    bson_destroy(opts);
    if (!ok)
        return request_store_failed(r, &e);
    return found || request_not_found(r, "job", bytes_of(id));
}

/* A doorbell: without it the executor finds the cancel when it starts the job, or within seconds while it runs. */
static void ring(
    struct ingest *in, struct http_request *r, const char *id, const struct wish *wish, int64_t now)
{
    struct error e;
    struct bus_header header = {BYTES("job"), bytes_of(id)};
    struct control c = {.kind = CONTROL_CANCEL,
        .job_id = bytes_of(id),
        .group = BYTES_NONE,
        .instance = BYTES_NONE,
        .by = wish->by,
        .reason = wish->reason,
        .at = now};
    struct bus_message m = {
        .topic = "jobs.control", .partition = -1, .key = bytes_of(id), .headers = &header, .header_count = 1};
    error_clear(&e);
    m.value = pen_encode(&in->pen, &shape_control, &c, http_arena(r), &e);
    if (!m.value.data || !producer_send(in->world->producer, &m, NULL, NULL, &e))
        log_warn("doorbell_not_rung", "job=%s code=%s reason=%s", id, e.code, log_quote(bytes_of(e.text)));
}

static const char *was_of(bool found, enum run_state s)
{
    if (!found)
        return "pending";
    switch (s) {
    case RUN_QUEUED:
    case RUN_DELAYED:
        return "queued";
    case RUN_RUNNING:
        return "running";
    case RUN_ENDED:
    case RUN_STATES:
        break;
    }
    return "final";
}

static void answer(struct http_request *r, const char *id, const char *was, struct bytes state)
{
    bool final = was[0] == 'f';
    http_answer_json(r, final ? 200 : 202,
        json_pack("{s:s, s:s, s:s%}", "job_id", id, "was", was, "state", state.data, state.len));
}

void cancel_post(void *ingest, struct http_request *r)
{
    static const char *const known[] = {NULL};
    struct ingest *in = ingest;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    struct wish wish;
    struct bytes state;
    bool final, found = false;
    struct run run = {0};
    struct error e;
    int64_t now = clock_utc_ms();
    error_clear(&e);
    if (!request_query_only(r, known) || !request_job_id(r, &id, text) || !read_wish(r, &wish) ||
        !look(in, r, text, &final, &state))
        return;
    if (final) {
        answer(r, text, "final", state);
        return;
    }
    if (!ledger_cancel(in->world->store, &id, wish.by, wish.reason, now, http_arena(r), &run, &found,
            in->settings->store_patience_ms, &e)) {
        request_store_failed(r, &e);
        return;
    }
    meters_cancel();
    const char *was = was_of(found, run.state);
    if (was[0] != 'f')
        ring(in, r, text, &wish, now);
    answer(r, text, was, state);
}
