/* SPDX-License-Identifier: Apache-2.0 */
/*
 * results: see results.h. A page is written as text while it is read: no tree of all rows is made.
 */
#include "ingest/results.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/result.h"
#include "core/shape_bson.h"
#include "ingest/ingest.h"
#include "ingest/request.h"

enum { LIMIT_DEFAULT = 1000, LIMIT_MOST = 100000, PAGE_BYTES = 16 * 1024 * 1024 };

static const char *const none[] = {NULL};

/* ---- the list ---- */

static bson_t *list_opts(void)
{
    return BCON_NEW("projection", "{", "state", BCON_INT32(1), "final", BCON_INT32(1), "results",
        BCON_INT32(1), "rev", BCON_INT32(1), "stub.claim", BCON_INT32(1), "}");
}

void results_list(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    bson_t doc;
    int64_t began = clock_boot_us();
    if (!request_query_only(r, none) || !request_job_id(r, &id, text))
        return;
    bson_t *opts = list_opts();
    if (request_find_job(r, in->world->store, in->settings->store_patience_ms, text, opts, &doc)) {
        json_t *all = bson_to_json(&doc), *body = json_object();
        json_t *results = json_object_get(all, "results");
        json_object_set_new(body, "job_id", json_string(text));
        json_object_set(body, "state", json_object_get(all, "state"));
        json_object_set(body, "final", json_object_get(all, "final"));
        json_object_set_new(body, "results", json_is_array(results) ? json_incref(results) : json_array());
        json_decref(all);
        http_answer_json(r, 200, body);
        bson_destroy(&doc);
    }
    bson_destroy(opts);
    meters_read_us(clock_boot_us() - began);
}

/* ---- CSV ---- */

void results_csv_text(struct buf *out, struct bytes text)
{
    bool quote = text.len == 0;
    for (size_t i = 0; i < text.len && !quote; i++)
        quote = strchr("\",\r\n", text.data[i]) != NULL;
    if (!quote) {
        buf_add_bytes(out, text);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"')
            buf_add_char(out, '"');
        buf_add_char(out, text.data[i]);
    }
    buf_add_char(out, '"');
}

void results_csv_row(struct buf *out, const json_t *values)
{
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        if (i > 0)
            buf_add_char(out, ',');
        if (json_is_string(value)) {
            results_csv_text(out, (struct bytes){json_string_value(value), json_string_length(value)});
        } else if (!json_is_null(value)) {
            char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            MUST(text != NULL);
            buf_add_text(out, text);
            free(text);
        }
    }
    buf_add_text(out, "\r\n");
}

/* ---- a page ---- */

enum page_format { PAGE_JSON, PAGE_CSV };

struct page {
    struct buf text;
    enum page_format format;
    int64_t rows;
};

static bool page_row(void *self, const json_t *values)
{
    struct page *p = self;
    if (p->format == PAGE_CSV) {
        results_csv_row(&p->text, values);
    } else {
        char *row = json_dumps(values, JSON_COMPACT);
        MUST(row != NULL);
        if (p->rows > 0)
            buf_add_char(&p->text, ',');
        buf_add_text(&p->text, row);
        free(row);
    }
    p->rows++;
    return p->text.len < PAGE_BYTES;
}

static void add_json(struct buf *out, json_t *value /* taken */)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    MUST(text != NULL);
    buf_add_text(out, text);
    free(text);
    json_decref(value);
}

static void page_begin(struct page *p, const struct result_column *columns, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, p->format == PAGE_CSV
                                        ? shape_text_json(columns[i].name)
                                        : json_pack("{s:o, s:o}", "name", shape_text_json(columns[i].name),
                                              "type", shape_text_json(columns[i].type)));
    if (p->format == PAGE_CSV) {
        results_csv_row(&p->text, list);
        json_decref(list);
    } else {
        buf_add_text(&p->text, "{\"columns\":");
        add_json(&p->text, list);
        buf_add_text(&p->text, ",\"rows\":[");
    }
}

static void page_answer(struct http_request *r, struct page *p, int64_t offset, int64_t total)
{
    int64_t next = offset + p->rows;
    if (p->format == PAGE_CSV) {
        struct http_header_out headers[] = {
            {"X-Total", arena_printf(http_arena(r), "%lld", (long long)total)},
            {"X-Next-Offset", arena_printf(http_arena(r), "%lld", (long long)next)},
        };
        http_answer(r, 200, "text/csv; charset=utf-8; header=present", buf_bytes(&p->text), headers,
            next < total ? 2 : 1);
        return;
    }
    buf_printf(
        &p->text, "],\"offset\":%lld,\"total\":%lld,\"next_offset\":", (long long)offset, (long long)total);
    if (next < total)
        buf_printf(&p->text, "%lld}", (long long)next);
    else
        buf_add_text(&p->text, "null}");
    http_answer(r, 200, "application/json", buf_bytes(&p->text), NULL, 0);
}

static void answer_failed(struct http_request *r, const struct error *e)
{
    log_warn("result_not_read", "code=%s reason=%s", e->code, log_quote(bytes_of(e->text)));
    if (error_is(e, "result_missing"))
        http_problem(r, 410, e->code, BYTES("the result's file is not in the store (any more)"), NULL);
    else
        http_problem(r, 500, e->code, BYTES("the result's file can't be read; see ingest's log"), NULL);
}

static void answer_page(struct ingest *in, struct http_request *r, struct bytes path, enum page_format format,
    int64_t offset, int64_t limit)
{
    struct error e;
    error_clear(&e);
    struct result_reader *reader = result_open(in->settings->results_dir, path, &e);
    if (!reader) {
        answer_failed(r, &e);
        return;
    }
    struct page page = {.format = format};
    const struct result_column *columns;
    size_t count = result_columns(reader, &columns);
    buf_init(&page.text);
    page_begin(&page, columns, count);
    if (result_read(reader, offset, limit, page_row, &page, &e))
        page_answer(r, &page, offset, result_rows(reader));
    else
        answer_failed(r, &e);
    buf_release(&page.text);
    result_close(reader);
}

/* Result n of the document. False: answered. */
static bool find_result(
    struct ingest *in, struct http_request *r, const char *id, int64_t n, struct bytes *path)
{
    bson_t doc, one;
    bson_iter_t it, list;
    bool found = false, table = false;
    bson_t *opts = list_opts();
    bool ok = request_find_job(r, in->world->store, in->settings->store_patience_ms, id, opts, &doc);
    bson_destroy(opts);
    if (!ok)
        return false;
    if (bson_iter_init_find(&it, &doc, "results") && BSON_ITER_HOLDS_ARRAY(&it) &&
        bson_iter_recurse(&it, &list)) {
        while (!found && bson_iter_next(&list)) {
            const uint8_t *data;
            uint32_t len;
            if (!BSON_ITER_HOLDS_DOCUMENT(&list))
                continue;
            bson_iter_document(&list, &len, &data);
            if (!bson_init_static(&one, data, len) || doc_number(&one, "n", -1) != n)
                continue;
            found = true;
            table = bytes_equal_text(doc_text(&one, "format"), "avro");
            *path = arena_copy(http_arena(r), doc_text(&one, "path"));
        }
    }
    bson_destroy(&doc);
    if (!found)
        return request_not_found(r, "result", arena_printf(http_arena(r), "%lld of this job", (long long)n));
    if (!table)
        http_problem(r, 422, "unsupported", BYTES("this result is no table: only tables have pages"), NULL);
    return table;
}

void results_get(void *ingest, struct http_request *r)
{
    static const char *const known[] = {"offset", "limit", "format", NULL};
    struct ingest *in = ingest;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    int64_t n, offset, limit, began = clock_boot_us();
    struct bytes path = BYTES_NONE, format = http_query(r, "format");
    if (!request_query_only(r, known) || !request_job_id(r, &id, text) ||
        !request_number(r, "offset", 0, INT64_MAX / 2, 0, &offset) ||
        !request_number(r, "limit", 1, LIMIT_MOST, LIMIT_DEFAULT, &limit))
        return;
    if (!bytes_parse_int64(http_param(r, "n"), &n) || n < 0) {
        request_not_found(r, "result", BYTES("of this number: it is a whole number from 0"));
        return;
    }
    bool csv = bytes_equal_text(format, "csv");
    if (format.data && !csv && !bytes_equal_text(format, "json")) {
        request_bad_query(r, "format", format, "json or csv");
        return;
    }
    if (!format.data)
        csv = bytes_equal_text(request_media_type(http_arena(r), http_header(r, "Accept")), "text/csv");
    if (find_result(in, r, text, n, &path))
        answer_page(in, r, path, csv ? PAGE_CSV : PAGE_JSON, offset, limit);
    meters_read_us(clock_boot_us() - began);
}
