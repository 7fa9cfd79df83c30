/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs: see logs.h.
 */
#include "ingest/logs.h"

#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "ingest/ingest.h"
#include "ingest/log_piece.h"
#include "ingest/request.h"

#define LIMIT_DEFAULT (1024 * 1024)
#define LIMIT_MOST (16 * 1024 * 1024)
#define CHUNK_MOST (64 * 1024) /* bytes of one document of job_logs */
#define WAIT_MS 2000
#define WAIT_STEP_MS 20

/* ---- reading ---- */

struct wanted {
    const char *id;
    int64_t attempt, offset, limit;
    struct bytes node; /* BYTES_NONE: all */
    bool nodes;
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
    return log_piece_add(self, doc_number(doc, "offset", 0), doc_text(doc, "node"), doc_text(doc, "text"));
}

static void chunk_reset(void *self)
{
    log_piece_restart(self);
}

static bool read_chunks(struct ingest *in, const struct wanted *w, struct log_piece *p, struct error *e)
{
    struct store_reader reader = {chunk_row, chunk_reset, p};
    bson_t *filter = BCON_NEW("job_id", BCON_UTF8(w->id), "attempt", BCON_INT64(w->attempt), "offset", "{",
        "$gte", BCON_INT64(w->offset - CHUNK_MOST), "}");
    bson_t *opts = BCON_NEW("sort", "{", "offset", BCON_INT32(1), "}", "projection", "{", "offset",
        BCON_INT32(1), "node", BCON_INT32(1), "text", BCON_INT32(1), "}");
    log_piece_restart(p);
    bool ok =
        store_find(in->world->store, "job_logs", filter, opts, &reader, in->settings->store_patience_ms, e);
    bson_destroy(filter);
    bson_destroy(opts);
    return ok;
}

/* Of a log whose length nobody recorded: it was read to where nothing more lies. */
static bool is_complete(const struct wanted *w, const struct log_piece *p)
{
    if (!w->final)
        return false;
    return w->log_bytes < 0 ? !p->full : p->next >= w->log_bytes;
}

static bool is_enough(const struct wanted *w, const struct log_piece *p)
{
    return !w->final || is_complete(w, p) || p->full;
}

/* Whoever saw the final state gets the whole log. */
static bool read_patiently(struct ingest *in, const struct wanted *w, struct log_piece *p, struct error *e)
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

static void answer(struct http_request *r, const struct wanted *w, const struct log_piece *p)
{
    struct bytes accept = request_media_type(http_arena(r), http_header(r, "Accept")),
                 text = buf_bytes(&p->text);
    bool complete = is_complete(w, p);
    if (bytes_starts_with(accept, "text/plain")) {
        struct http_header_out headers[] = {
            {"X-Next-Offset", arena_printf(http_arena(r), "%lld", (long long)p->next)},
            {"X-Complete", complete ? BYTES("true") : BYTES("false")},
        };
        http_answer(r, 200, "text/plain; charset=utf-8", text, headers, 2);
        return;
    }
    json_t *body = json_object();
    json_object_set_new(body, "job_id", json_string(w->id));
    json_object_set_new(body, "attempt", json_integer(w->attempt));
    json_object_set_new(body, "offset", json_integer(p->offset));
    json_object_set_new(body, "next_offset", json_integer(p->next));
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

/* The plan's node of that id. False: it has none, or is not planned yet. */
static bool find_node(const bson_t *doc, struct bytes id, size_t *count, bson_t *found)
{
    bson_iter_t it, nodes, list;
    bool ok = false;
    *count = 0;
    if (!bson_iter_init(&it, doc) || !bson_iter_find_descendant(&it, "plan.nodes", &nodes) ||
        !BSON_ITER_HOLDS_ARRAY(&nodes) || !bson_iter_recurse(&nodes, &list))
        return false;
    for (bson_t node; bson_iter_next(&list) && BSON_ITER_HOLDS_DOCUMENT(&list); ++*count) {
        const uint8_t *data;
        uint32_t len;
        bson_iter_document(&list, &len, &data);
        if (!ok && bson_init_static(&node, data, len) && bytes_equal(doc_text(&node, "id"), id))
            ok = bson_init_static(found, data, len); /* a bson_t points into itself: no copy */
    }
    return ok;
}

/* Only leaves have lines. The log of a plan of one node is all its own: its lines don't name it. False: answered. */
static bool choose_node(struct http_request *r, struct wanted *w, const bson_t *doc)
{
    bson_t node;
    size_t count;
    if (!w->node.data)
        return true;
    if (!find_node(doc, w->node, &count, &node))
        return count == 0 || request_not_found(r, "node", w->node);
    if (!bytes_equal_text(doc_text(&node, "kind"), "exec")) {
        http_problem(r, 404, "not_found",
            arena_printf(
                http_arena(r), "node %.*s has no log of its own: ask for those below it", BYTES_ARG(w->node)),
            NULL);
        return false;
    }
    if (count == 1)
        w->node = BYTES_NONE;
    return true;
}

static bson_t *fields_of(const struct wanted *w)
{
    static const char *const always[] = {
        "final", "attempt", "log", "attempts.n", "attempts.log", "rev", "stub.claim"};
    static const char *const of_nodes[] = {"plan.nodes.id", "plan.nodes.kind"};
    bson_t fields, *opts = bson_new();
    bson_append_document_begin(opts, "projection", -1, &fields);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        bson_append_int32(&fields, always[i], -1, 1);
    for (size_t i = 0; w->node.data && i < sizeof of_nodes / sizeof *of_nodes; i++)
        bson_append_int32(&fields, of_nodes[i], -1, 1);
    bson_append_document_end(opts, &fields);
    return opts;
}

/* What the document says of the attempt. False: answered. */
static bool want(struct ingest *in, struct http_request *r, struct wanted *w)
{
    bson_t doc;
    bson_t *opts = fields_of(w);
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
    ok = choose_node(r, w, &doc);
    bson_destroy(&doc);
    if (!ok)
        return false;
    if (attempt < 0)
        return no_attempt(r, w, latest);
    if (attempt < latest)
        w->final = true; /* an attempt that is over */
    w->attempt = attempt;
    return true;
}

void logs_get(void *ingest, struct http_request *r)
{
    static const char *const known[] = {"offset", "limit", "attempt", "node", "nodes", NULL};
    struct ingest *in = ingest;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    struct wanted w = {.id = text, .node = http_query(r, "node")};
    struct log_piece piece;
    struct error e;
    int64_t began = clock_boot_us();
    error_clear(&e);
    if (!request_query_only(r, known) || !request_job_id(r, &id, text) ||
        !request_number(r, "offset", 0, INT64_MAX / 2, 0, &w.offset) ||
        !request_number(r, "limit", 4, LIMIT_MOST, LIMIT_DEFAULT, &w.limit) ||
        !request_number(r, "attempt", 1, INT32_MAX, 0, &w.attempt) || !request_flag(r, "nodes", &w.nodes) ||
        !want(in, r, &w))
        return;
    log_piece_init(&piece, w.offset, w.limit, w.node, w.nodes);
    if (read_patiently(in, &w, &piece, &e))
        answer(r, &w, &piece);
    else
        request_store_failed(r, &e);
    log_piece_release(&piece);
    meters_read_us(clock_boot_us() - began);
}
