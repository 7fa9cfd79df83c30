/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request: see request.h.
 */
#include "ingest/request.h"

#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "ingest/stub.h"

bool request_bad_query(struct http_request *r, const char *name, struct bytes value, const char *expected)
{
    struct arena *a = http_arena(r);
    struct bytes cut = bytes_cut(value, 80);
    struct field_problems problems = {.count = 1};
    struct bytes detail = arena_printf(a, "%s; got '%.*s'", expected, BYTES_ARG(cut));
    problems.items[0] = (struct field_problem){bytes_of(name), "bad_value", detail};
    http_problem(r, 400, "bad_query", arena_printf(a, "%s: %.*s", name, BYTES_ARG(detail)), &problems);
    return false;
}

bool request_query_only(struct http_request *r, const char *const *names)
{
    struct bytes name, value;
    for (size_t i = 0; http_query_at(r, i, &name, &value); i++) {
        bool known = false;
        struct buf list;
        buf_init(&list);
        for (const char *const *n = names; *n; n++) {
            known = known || bytes_equal_text(name, *n);
            buf_printf(&list, "%s%s", n == names ? "" : ", ", *n);
        }
        if (*names == NULL)
            buf_printf(&list, "none here");
        struct bytes expected = arena_copy(http_arena(r), buf_bytes(&list));
        buf_release(&list);
        if (known)
            continue;
        struct bytes cut = bytes_cut(name, 80);
        struct field_problems problems = {.count = 1};
        problems.items[0] = (struct field_problem){
            cut, "unknown_field", arena_printf(http_arena(r), "known: %.*s", BYTES_ARG(expected))};
        http_problem(r, 400, "bad_query",
            arena_printf(http_arena(r), "there is no query parameter '%.*s'; known: %.*s", BYTES_ARG(cut),
                BYTES_ARG(expected)),
            &problems);
        return false;
    }
    return true;
}

bool request_number(
    struct http_request *r, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out)
{
    struct bytes value = http_query(r, name);
    *out = otherwise;
    if (!value.data)
        return true;
    if (bytes_parse_int64(value, out) && *out >= min && *out <= max)
        return true;
    const char *expected = arena_text(http_arena(r),
        arena_printf(http_arena(r), "a whole number from %lld to %lld", (long long)min, (long long)max));
    return request_bad_query(r, name, value, expected);
}

bool request_flag(struct http_request *r, const char *name, bool *out)
{
    struct bytes value = http_query(r, name);
    *out = bytes_equal_text(value, "true") || bytes_equal_text(value, "1");
    if (!value.data || *out || bytes_equal_text(value, "false") || bytes_equal_text(value, "0"))
        return true;
    return request_bad_query(r, name, value, "true or false");
}

bool request_job_id(struct http_request *r, struct uuid *id, char text[UUID_TEXT_LEN + 1])
{
    struct bytes given = http_param(r, "id");
    if (!uuid_parse(given, id)) {
        http_problem(r, 404, "not_found", BYTES("there is no such job: a job id is a UUID"), NULL);
        return false;
    }
    uuid_format(id, text);
    return true;
}

struct bytes request_media_type(struct arena *a, struct bytes header)
{
    const char *semicolon = header.data ? memchr(header.data, ';', header.len) : NULL;
    struct bytes type =
        bytes_trim(semicolon ? bytes_slice(header, 0, (size_t)(semicolon - header.data)) : header);
    char *text = arena_text(a, type);
    for (char *c = text; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return (struct bytes){text, type.len};
}

bool request_is_json(struct bytes media_type)
{
    return media_type.len == 0 || bytes_equal_text(media_type, "application/json") ||
           bytes_equal_text(media_type, "text/json");
}

bool request_other_media_type(struct http_request *r, struct bytes media_type, const char *wanted)
{
    struct bytes hint = bytes_equal_text(media_type, "application/x-www-form-urlencoded")
                            ? BYTES(" (curl sends this with -d; add: -H 'content-type: application/json')")
                            : BYTES("");
    http_problem(r, 415, "unsupported_media_type",
        arena_printf(http_arena(r), "send the header content-type: %s; not '%.*s'%.*s", wanted,
            BYTES_ARG(bytes_slice(media_type, 0, 80)), BYTES_ARG(hint)),
        NULL);
    return false;
}

bool request_not_found(struct http_request *r, const char *what, struct bytes id)
{
    http_problem(
        r, 404, "not_found", arena_printf(http_arena(r), "there is no %s %.*s", what, BYTES_ARG(id)), NULL);
    return false;
}

bool request_store_failed(struct http_request *r, const struct error *e)
{
    log_warn("read_failed", "code=%s reason=%s", e->code, log_quote(bytes_of(e->text)));
    if (error_is(e, "store_away"))
        http_unavailable(
            r, "store_away", BYTES("the document store does not answer; try again"), REQUEST_RETRY_AFTER_S);
    else
        http_problem(
            r, 500, "internal", BYTES("the document store refused the request; see ingest's log"), NULL);
    return false;
}

bool request_find_job(struct http_request *r, struct store *s, int64_t patience_ms, const char *id,
    const bson_t *opts, bson_t *doc)
{
    struct error e;
    bool found = false;
    error_clear(&e);
    bson_t filter = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&filter, "_id", id);
    bool ok = store_find_one(s, "jobs", &filter, opts, doc, &found, patience_ms, &e);
    bson_destroy(&filter);
    if (!ok)
        return request_store_failed(r, &e);
    if (found && !stub_claim(doc).data)
        return true;
    /* Of one with a claim nobody was told yet, and perhaps nobody will be (admit.h). */
    if (found)
        bson_destroy(doc);
    return request_not_found(r, "job", bytes_of(id));
}

/* ---- documents ---- */

static bool doc_find(const bson_t *doc, const char *path, bson_iter_t *at)
{
    bson_iter_t it;
    return bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, path, at);
}

struct bytes doc_text(const bson_t *doc, const char *path)
{
    bson_iter_t it;
    uint32_t len = 0;
    if (!doc_find(doc, path, &it) || !BSON_ITER_HOLDS_UTF8(&it))
        return BYTES_NONE;
    const char *text = bson_iter_utf8(&it, &len);
    return (struct bytes){text, len};
}

struct bytes doc_binary(const bson_t *doc, const char *path)
{
    bson_iter_t it;
    uint32_t len = 0;
    const uint8_t *data = NULL;
    if (!doc_find(doc, path, &it) || !BSON_ITER_HOLDS_BINARY(&it))
        return BYTES_NONE;
    bson_iter_binary(&it, NULL, &len, &data);
    return (struct bytes){(const char *)data, len};
}

int64_t doc_number(const bson_t *doc, const char *path, int64_t otherwise)
{
    bson_iter_t it;
    if (!doc_find(doc, path, &it))
        return otherwise;
    if (BSON_ITER_HOLDS_DATE_TIME(&it))
        return bson_iter_date_time(&it);
    return BSON_ITER_HOLDS_NUMBER(&it) ? bson_iter_as_int64(&it) : otherwise;
}

bool doc_flag(const bson_t *doc, const char *path)
{
    bson_iter_t it;
    return doc_find(doc, path, &it) && BSON_ITER_HOLDS_BOOL(&it) && bson_iter_bool(&it);
}
