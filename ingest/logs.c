/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: see logs.h.
 */
#include "ingest/logs.h"

#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "ingest/ingest.h"
#include "ingest/request.h"

#define LIMIT_DEFAULT (1024 * 1024)
#define LIMIT_MOST (16 * 1024 * 1024)
#define CHUNK_MOST (64 * 1024) /* bytes of one document of job_logs */
#define WAIT_MS 2000
#define WAIT_STEP_MS 20

/* ---- a piece ---- */

bool logs_add(struct logs_piece *p, int64_t chunk_offset, struct bytes text)
{
    int64_t next = p->offset + (int64_t)p->text.len, skip = next - chunk_offset;
    if (skip < 0 || (int64_t)p->text.len >= p->limit)
        return false;
    if (skip >= (int64_t)text.len)
        return true;
    text = bytes_slice(text, (size_t)skip, text.len);
    buf_add_bytes(&p->text, bytes_slice(text, 0, (size_t)(p->limit - (int64_t)p->text.len)));
    return (int64_t)p->text.len < p->limit;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

void logs_trim(struct logs_piece *p)
{
    size_t skip = 0, end = p->text.len;
    while (skip < end && skip < 3 && continues(p->text.data[skip]))
        skip++;
    buf_consume(&p->text, skip);
    p->offset += (int64_t)skip;
    end = p->text.len;
    /* A character that was cut: at most its first three bytes are there. */
    size_t start = end;
    while (start > 0 && end - start < 3 && continues(p->text.data[start - 1]))
        start--;
    if (start > 0 && !bytes_is_utf8((struct bytes){p->text.data + start - 1, end - start + 1}))
        p->text.len = start - 1;
}

/* ---- reading ---- */

struct wanted {
    const char *id;
    int64_t attempt, offset, limit;
    /* of the document */
    bool final;
    int64_t log_bytes; /* of the whole log; -1: not known (yet), 0: there is none */
};

int64_t logs_attempt(int64_t wanted, int64_t latest, bool final)
{
    int64_t most = final ? latest : latest + 1;
    return wanted == 0 ? latest : wanted <= most ? wanted : -1;
}

static bool chunk_row(void *self, const bson_t *doc)
{
    return logs_add(self, doc_number(doc, "offset", 0), doc_text(doc, "text"));
}

static void chunk_reset(void *self)
{
    struct logs_piece *p = self;
    buf_clear(&p->text);
}

static bool read_chunks(struct ingest *in, const struct wanted *w, struct logs_piece *p, struct error *e)
{
    struct store_reader reader = {chunk_row, chunk_reset, p};
    bson_t *filter = BCON_NEW("job_id", BCON_UTF8(w->id), "attempt", BCON_INT64(w->attempt), "offset", "{",
        "$gt", BCON_INT64(w->offset - CHUNK_MOST), "}");
    bson_t *opts = BCON_NEW("sort", "{", "offset", BCON_INT32(1), "}", "projection", "{", "offset",
        BCON_INT32(1), "text", BCON_INT32(1), "}");
    p->offset = w->offset;
    p->limit = w->limit;
    buf_clear(&p->text);
    bool ok =
        store_find(in->world->store, "job_logs", filter, opts, &reader, in->settings->store_patience_ms, e);
    bson_destroy(filter);
    bson_destroy(opts);
    if (ok)
        logs_trim(p);
    return ok;
}

static bool is_full(const struct wanted *w, const struct logs_piece *p)
{
    return (int64_t)p->text.len > w->limit - 4;
}

/* Of a log whose length nobody recorded: it was read to where nothing more lies. */
static bool is_complete(const struct wanted *w, const struct logs_piece *p)
{
    if (!w->final)
        return false;
    return w->log_bytes < 0 ? !is_full(w, p) : p->offset + (int64_t)p->text.len >= w->log_bytes;
}

static bool is_enough(const struct wanted *w, const struct logs_piece *p)
{
    return !w->final || is_complete(w, p) || is_full(w, p);
}

/* Whoever saw the final state gets the whole log. */
static bool read_patiently(struct ingest *in, const struct wanted *w, struct logs_piece *p, struct error *e)
{
    const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000L};
    int64_t until = clock_boot_ms() + WAIT_MS;
    bool ok = read_chunks(in, w, p, e);
    while (ok && !is_enough(w, p) && clock_boot_ms() < until && !*in->world->stop) {
        (void)nanosleep(&step, NULL);
        ok = read_chunks(in, w, p, e);
    }
    return ok;
}

/* ---- answers ---- */

static void answer(struct http_request *r, const struct wanted *w, const struct logs_piece *p)
{
    struct bytes accept = request_media_type(http_arena(r), http_header(r, "Accept")),
                 text = buf_bytes(&p->text);
    int64_t next = p->offset + (int64_t)p->text.len;
    bool complete = is_complete(w, p);
    if (bytes_starts_with(accept, "text/plain")) {
        struct http_header_out headers[] = {
            {"X-Next-Offset", arena_printf(http_arena(r), "%lld", (long long)next)},
            {"X-Complete", complete ? BYTES("true") : BYTES("false")},
        };
        http_answer(r, 200, "text/plain; charset=utf-8", text, headers, 2);
        return;
    }
    json_t *body = json_object();
    json_object_set_new(body, "job_id", json_string(w->id));
    json_object_set_new(body, "attempt", json_integer(w->attempt));
    json_object_set_new(body, "offset", json_integer(p->offset));
    json_object_set_new(body, "next_offset", json_integer(next));
    json_object_set_new(body, "text", shape_text_json(text));
    json_object_set_new(body, "complete", json_boolean(complete));
    http_answer_json(r, 200, body);
}

/* The length of the log of an attempt that was followed by another stands with it; that of the last one at the top. */
static int64_t length_of(const bson_t *doc, int64_t attempt)
{
    bson_iter_t it, items, item;
    if (!bson_iter_init_find(&it, doc, "attempts") || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &items))
        return -1;
    while (bson_iter_next(&items)) {
        bson_t entry;
        uint32_t len;
        const uint8_t *data;
        if (!BSON_ITER_HOLDS_DOCUMENT(&items) || !bson_iter_recurse(&items, &item))
            continue;
        bson_iter_document(&items, &len, &data);
        if (bson_init_static(&entry, data, len) && doc_number(&entry, "n", 0) == attempt)
            return doc_number(&entry, "log.bytes", -1);
    }
    return -1;
}

static bool no_attempt(struct http_request *r, const struct wanted *w, int64_t latest)
{
    struct arena *a = http_arena(r);
    struct bytes there = latest == 0   ? BYTES("nothing of it ran")
                         : latest == 1 ? BYTES("its only attempt is 1")
                                       : arena_printf(a, "its attempts are 1 to %lld", (long long)latest);
    http_problem(r, 404, "not_found",
        arena_printf(a, "job %s has no attempt %lld: %.*s%s", w->id, (long long)w->attempt, BYTES_ARG(there),
            w->final ? "" : " so far"),
        NULL);
    return false;
}

/* What the document says of the attempt. False: answered. */
static bool want(struct ingest *in, struct http_request *r, struct wanted *w)
{
    bson_t doc;
    bson_t *opts = BCON_NEW("projection", "{", "final", BCON_INT32(1), "attempt", BCON_INT32(1), "log",
        BCON_INT32(1), "attempts.n", BCON_INT32(1), "attempts.log", BCON_INT32(1), "rev", BCON_INT32(1),
        "stub.claim", BCON_INT32(1), "}");
    bool ok = request_find_job(r, in->world->store, in->settings->store_patience_ms, w->id, opts, &doc);
    bson_destroy(opts);
    if (!ok)
        return false;
    int64_t latest = doc_number(&doc, "attempt", 0),
            attempt = logs_attempt(w->attempt, latest, doc_flag(&doc, "final"));
    w->final = doc_flag(&doc, "final");
    w->log_bytes = doc_number(&doc, "log.bytes", 0);
    if (attempt < latest || (w->final && !bson_has_field(&doc, "log")))
        w->log_bytes = length_of(&doc, attempt);
    bson_destroy(&doc);
    if (attempt < 0)
        return no_attempt(r, w, latest);
    if (attempt < latest)
        w->final = true; /* an attempt that is over */
    w->attempt = attempt;
    return true;
}

void logs_get(void *ingest, struct http_request *r)
{
    static const char *const known[] = {"offset", "limit", "attempt", NULL};
    struct ingest *in = ingest;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    struct wanted w = {.id = text};
    struct logs_piece piece = {.offset = 0};
    struct error e;
    int64_t began = clock_boot_us();
    error_clear(&e);
    if (!request_query_only(r, known) || !request_job_id(r, &id, text) ||
        !request_number(r, "offset", 0, INT64_MAX / 2, 0, &w.offset) ||
        !request_number(r, "limit", 4, LIMIT_MOST, LIMIT_DEFAULT, &w.limit) ||
        !request_number(r, "attempt", 1, INT32_MAX, 0, &w.attempt) || !want(in, r, &w))
        return;
    buf_init(&piece.text);
    if (read_patiently(in, &w, &piece, &e))
        answer(r, &w, &piece);
    else
        request_store_failed(r, &e);
    buf_release(&piece.text);
    meters_read_us(clock_boot_us() - began);
}
