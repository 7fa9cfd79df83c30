/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_route: from the text of a request line to a route and its parameters. Nothing here knows sockets or
 * threads: all of it is a function of its arguments, tested by tests/unit/test_http_route.c and fuzzed by
 * tests/fuzz/fuzz_http.c.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/http_private.h"
#include "core/log.h"

static bool is_plain(struct bytes text, bool plus)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%' || c == '\0' || (plus && c == '+'))
            return false;
    }
    return true;
}

bool http_decode(struct arena *a, struct bytes text, bool plus, struct bytes *out)
{
    if (is_plain(text, plus)) {
        *out = text;
        return bytes_is_utf8(text);
    }
    char *decoded = arena_alloc(a, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            if (text.len - i < 3)
                return false;
            int high = bytes_hex_value(text.data[i + 1]);
            int low = bytes_hex_value(text.data[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return false;
        decoded[len++] = c;
    }
    *out = (struct bytes){decoded, len};
    return bytes_is_utf8(*out);
}

/* The part of text before the separator; text becomes what is behind it, or none at the end. */
static struct bytes cut_at(struct bytes *text, char separator)
{
    struct bytes whole = *text;
    const char *end = whole.len > 0 ? memchr(whole.data, separator, whole.len) : NULL;

    if (!end) {
        *text = BYTES_NONE;
        return whole;
    }
    size_t len = (size_t)(end - whole.data);
    *text = bytes_slice(whole, len + 1, whole.len);
    return bytes_slice(whole, 0, len);
}

static bool parse_path(struct arena *a, struct http_target *out, struct error *e)
{
    if (out->path.len == 0 || out->path.data[0] != '/')
        return error_set(e, "bad_path", "a path begins with /");
    struct bytes rest = bytes_slice(out->path, 1, out->path.len);
    while (rest.data) {
        struct bytes decoded;
        if (!http_decode(a, cut_at(&rest, '/'), false, &decoded))
            return error_set(e, "bad_path",
                "the path is not percent-encoded UTF-8: each %% needs two hex digits, and %%00 is not "
                "allowed");
        if (out->segment_count < HTTP_SEGMENTS_MAX)
            out->segments[out->segment_count] = decoded;
        if (out->segment_count <= HTTP_SEGMENTS_MAX)
            out->segment_count++;
    }
    return true;
}

static bool parse_query(struct arena *a, struct bytes query, struct http_target *out, struct error *e)
{
    size_t most = 1;

    for (size_t i = 0; i < query.len; i++)
        most += query.data[i] == '&';
    out->query = arena_array(a, most, sizeof(*out->query));
    while (query.data) {
        struct bytes value = cut_at(&query, '&');
        if (value.len == 0)
            continue;
        struct bytes name = cut_at(&value, '=');
        struct http_field *field = &out->query[out->query_count++];
        if (!value.data)
            value = BYTES("");
        if (!http_decode(a, name, true, &field->name) || !http_decode(a, value, true, &field->value))
            return error_set(e, "bad_query",
                "the query is not percent-encoded UTF-8: each %% needs two hex digits, and %%00 is not "
                "allowed");
    }
    return true;
}

/* "http://host:1/a?b" -> "/a?b": what a proxy is sent; HTTP/1.1 servers must take it too. */
static struct bytes without_authority(struct bytes uri)
{
    size_t skip = bytes_starts_with(uri, "http://") ? 7 : bytes_starts_with(uri, "https://") ? 8 : 0;
    if (skip == 0)
        return uri;
    for (size_t i = skip; i < uri.len; i++) {
        if (uri.data[i] == '/')
            return bytes_slice(uri, i, uri.len);
    }
    return BYTES("/");
}

bool http_target_parse(struct arena *a, struct bytes uri, struct http_target *out, struct error *e)
{
    memset(out, 0, sizeof(*out));
    uri = without_authority(uri);
    out->path = cut_at(&uri, '?');
    if (!parse_path(a, out, e))
        return false;
    return !uri.data || uri.len == 0 || parse_query(a, uri, out, e);
}

static void pattern_init(struct http_pattern *p, const struct http_route *route, void *self)
{
    struct bytes rest = bytes_of(route->path);

    p->route = route;
    p->self = self;
    MUST(rest.len > 0 && rest.data[0] == '/');
    rest = bytes_slice(rest, 1, rest.len);
    while (rest.data) {
        struct bytes segment = cut_at(&rest, '/');
        MUST(p->count < HTTP_SEGMENTS_MAX);
        if (segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}') {
            p->params |= 1U << p->count;
            segment = bytes_slice(segment, 1, segment.len - 2);
        }
        p->segments[p->count++] = segment;
    }
}

void http_router_init(struct http_router *r, const struct http_table *tables, size_t count)
{
    size_t total = 0, at = 0;

    for (size_t t = 0; t < count; t++) {
        for (const struct http_route *route = tables[t].routes; route->method; route++)
            total++;
    }
    r->patterns = calloc(total + 1, sizeof(*r->patterns));
    if (!r->patterns)
        log_fatal("out_of_memory", "routes=%zu", total);
    r->count = total;
    for (size_t t = 0; t < count; t++) {
        for (const struct http_route *route = tables[t].routes; route->method; route++)
            pattern_init(&r->patterns[at++], route, tables[t].self);
    }
}

void http_router_release(struct http_router *r)
{
    free(r->patterns);
    r->patterns = NULL;
    r->count = 0;
}

static bool pattern_matches(const struct http_pattern *p, const struct http_target *t)
{
    if (p->count != t->segment_count)
        return false;
    for (size_t i = 0; i < p->count; i++) {
        bool fits =
            p->params & 1U << i ? t->segments[i].len > 0 : bytes_equal(p->segments[i], t->segments[i]);
        if (!fits)
            return false;
    }
    return true;
}

/* Both match: the one that is literal where they first differ. */
static bool is_closer(const struct http_pattern *a, const struct http_pattern *b)
{
    unsigned differ = a->params ^ b->params;
    unsigned first = differ & (~differ + 1U);
    return differ != 0 && (b->params & first) != 0;
}

enum http_match http_router_find(const struct http_router *r, struct bytes method,
    const struct http_target *t, const struct http_pattern **out)
{
    enum http_match match = HTTP_MATCH_NO_PATH;
    struct bytes wanted = bytes_equal_text(method, "HEAD") ? BYTES("GET") : method;

    *out = NULL;
    for (size_t i = 0; i < r->count; i++) {
        const struct http_pattern *p = &r->patterns[i];
        if (!pattern_matches(p, t))
            continue;
        if (match == HTTP_MATCH_NO_PATH)
            match = HTTP_MATCH_NO_METHOD;
        if (bytes_equal_text(wanted, p->route->method) && (!*out || is_closer(p, *out))) {
            *out = p;
            match = HTTP_MATCH;
        }
    }
    return match;
}

struct bytes http_router_allow(const struct http_router *r, struct arena *a, const struct http_target *t)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    struct bytes allow = BYTES("OPTIONS");

    for (size_t m = sizeof(methods) / sizeof(methods[0]); m-- > 0;) {
        bool found = false;
        for (size_t i = 0; i < r->count && !found; i++)
            found =
                strcmp(r->patterns[i].route->method, methods[m]) == 0 && pattern_matches(&r->patterns[i], t);
        if (found)
            allow = arena_printf(a, "%s%s, %.*s", methods[m], m == 0 ? ", HEAD" : "", BYTES_ARG(allow));
    }
    return allow;
}

static void add_size(struct buf *out, int64_t size)
{
    if (size == 0)
        buf_add_text(out, "none");
    else if (size % (1024 * 1024) == 0)
        buf_printf(out, "%" PRId64 " MiB", size / (1024 * 1024));
    else if (size % 1024 == 0)
        buf_printf(out, "%" PRId64 " KiB", size / 1024);
    else
        buf_printf(out, "%" PRId64 " bytes", size);
}

void http_markdown(const struct http_route *routes, struct buf *out)
{
    buf_add_text(out, "| method | path | what it does | answers | body |\n|---|---|---|---|---|\n");
    for (; routes->method; routes++) {
        buf_printf(out, "| `%s` | `%s` | ", routes->method, routes->path);
        for (const char *c = routes->help; *c; c++) {
            if (*c == '|')
                buf_add_char(out, '\\');
            buf_add_char(out, *c);
        }
        buf_printf(out, " | %s | ", routes->answers);
        add_size(out, routes->max_body_bytes);
        buf_add_text(out, " |\n");
    }
}
