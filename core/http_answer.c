/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_answer: answers, and what a handler may ask of its request. An answer is made in the thread that gives
 * it; only sending is left to the server's thread.
 */
#include <ctype.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http_private.h"
#include "core/log.h"

/* ---- questions ---- */

struct bytes http_method(const struct http_request *r)
{
    return r->method;
}

struct bytes http_path(const struct http_request *r)
{
    return r->target.path;
}

struct bytes http_request_id(const struct http_request *r)
{
    return bytes_of(r->id);
}

struct bytes http_param(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++) {
        if (bytes_equal_text(r->params[i].name, name))
            return r->params[i].value;
    }
    return BYTES_NONE;
}

struct bytes http_query(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->target.query_count; i++) {
        if (bytes_equal_text(r->target.query[i].name, name))
            return r->target.query[i].value;
    }
    return BYTES_NONE;
}

bool http_query_at(const struct http_request *r, size_t index, struct bytes *name, struct bytes *value)
{
    if (index >= r->target.query_count)
        return false;
    *name = r->target.query[index].name;
    *value = r->target.query[index].value;
    return true;
}

static bool same_header(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (tolower((unsigned char)a.data[i]) != tolower((unsigned char)b.data[i]))
            return false;
    }
    return true;
}

struct bytes http_header(const struct http_request *r, const char *name)
{
    struct bytes wanted = bytes_of(name);

    for (size_t i = 0; i < r->header_count; i++) {
        if (same_header(r->headers[i].name, wanted))
            return r->headers[i].value;
    }
    return BYTES_NONE;
}

struct bytes http_body(const struct http_request *r)
{
    return buf_bytes(&r->body);
}

struct arena *http_arena(struct http_request *r)
{
    return &r->arena;
}

/* ---- answers ---- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    /* MHD refuses values with line breaks: such a header is left out rather than split the answer. */
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        log_warn("header_left_out", "name=%s value=%s", name, log_quote(bytes_of(value)));
}

/* Takes `response`. */
static void finish(struct http_request *r, int status, struct MHD_Response *response,
    const char *content_type, const struct http_header_out *headers, size_t header_count)
{
    if (!response)
        log_fatal("out_of_memory", "answer=%d", status);
    if (content_type)
        add_header(response, "Content-Type", content_type);
    for (size_t i = 0; i < header_count; i++)
        add_header(response, headers[i].name, arena_text(&r->arena, headers[i].value));
    add_header(response, "X-Request-Id", r->id);
    http_request_finish(r, (unsigned)status, response);
}

void http_answer(struct http_request *r, int status, const char *content_type, struct bytes body,
    const struct http_header_out *headers, size_t header_count)
{
    union { /* MHD takes void * also for what it copies */
        const char *in;
        void *out;
    } data = {.in = body.data ? body.data : ""};

    finish(r, status, MHD_create_response_from_buffer(body.len, data.out, MHD_RESPMEM_MUST_COPY),
        content_type, headers, header_count);
}

static void answer_json(struct http_request *r, int status, const char *content_type, json_t *body,
    const struct http_header_out *headers, size_t header_count)
{
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    json_decref(body);
    if (!text) { /* json_pack gives NULL for text that is not UTF-8: a bug, but one that a client could trigger */
        log_error(
            "answer_not_made", "status=%d request=%s path=%s", status, r->id, log_quote(r->target.path));
        body =
            http_problem_json(500, "internal", BYTES("the answer could not be made"), bytes_of(r->id), NULL);
        text = json_dumps(body, JSON_COMPACT);
        MUST(text);
        json_decref(body);
        status = 500;
        content_type = "application/problem+json";
    }
    finish(r, status, MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE),
        content_type, headers, header_count);
}

void http_answer_json_with(struct http_request *r, int status, json_t *body,
    const struct http_header_out *headers, size_t header_count)
{
    answer_json(r, status, "application/json", body, headers, header_count);
}

void http_answer_json(struct http_request *r, int status, json_t *body)
{
    answer_json(r, status, "application/json", body, NULL, 0);
}

/* "not_found" -> "Not found" */
static json_t *title_of(const char *code)
{
    char title[ERROR_CODE_MAX];

    snprintf(title, sizeof(title), "%s", code);
    for (char *c = title; *c; c++) {
        if (*c == '_')
            *c = ' ';
    }
    title[0] = (char)toupper((unsigned char)title[0]);
    return shape_text_json(bytes_of(title));
}

json_t *http_problem_json(int status, const char *code, struct bytes detail, struct bytes request_id,
    const struct field_problems *problems)
{
    json_t *body = json_object();
    char type[ERROR_CODE_MAX + 32];

    snprintf(type, sizeof(type), "urn:millrace:problem:%s", code);
    json_object_set_new(body, "type", shape_text_json(bytes_of(type)));
    json_object_set_new(body, "title", title_of(code));
    json_object_set_new(body, "status", json_integer(status));
    json_object_set_new(body, "code", shape_text_json(bytes_of(code)));
    /* May quote what a client sent: any bytes. */
    json_object_set_new(body, "detail", shape_text_json(detail));
    json_object_set_new(body, "request_id", shape_text_json(request_id));
    if (problems && problems->count > 0)
        json_object_set_new(body, "errors", field_problems_json(problems));
    return body;
}

static void answer_problem(struct http_request *r, int status, const char *code, struct bytes detail,
    const struct field_problems *problems, const struct http_header_out *headers, size_t header_count)
{
    answer_json(r, status, "application/problem+json",
        http_problem_json(status, code, detail, bytes_of(r->id), problems), headers, header_count);
}

void http_problem(struct http_request *r, int status, const char *code, struct bytes detail,
    const struct field_problems *problems)
{
    struct http_header_out allow = {"Allow", r->allow};
    answer_problem(r, status, code, detail, problems, &allow, status == 405 && r->allow.data ? 1 : 0);
}

void http_unavailable(struct http_request *r, const char *code, struct bytes detail, int retry_after_s)
{
    struct http_header_out header = {"Retry-After", arena_printf(&r->arena, "%d", retry_after_s)};
    answer_problem(r, 503, code, detail, NULL, &header, 1);
}
