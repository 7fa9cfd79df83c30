/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_http: the text of a request line's target, which anybody may send: parsing, decoding and routing. What
 * is accepted must hold what handlers rely on: UTF-8, no NUL, parameters that are not empty.
 */
/* LIBS: http */
#include <string.h>

#include "core/http_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(void *self, struct http_request *r)
{
    (void)self;
    (void)r;
}

static const struct http_route routes[] = {
    {"GET", "/v1/jobs", HTTP_INLINE, nothing, 0, "", ""},
    {"POST", "/v1/jobs", HTTP_INLINE, nothing, 0, "", ""},
    {"POST", "/v1/jobs/cancel", HTTP_INLINE, nothing, 0, "", ""},
    {"GET", "/v1/jobs/{id}", HTTP_INLINE, nothing, 0, "", ""},
    {"GET", "/v1/jobs/{id}/results/{n}", HTTP_INLINE, nothing, 0, "", ""},
    {"GET", "/", HTTP_INLINE, nothing, 0, "", ""},
    {.method = NULL},
};

static void check_text(struct bytes text)
{
    MUST(bytes_is_utf8(text));
    MUST(text.len == 0 || !memchr(text.data, '\0', text.len));
}

static void check_target(const struct http_router *router, struct arena *a, const struct http_target *t)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS", ""};

    MUST(t->path.len > 0 && t->path.data[0] == '/');
    MUST(t->segment_count > 0 && t->segment_count <= HTTP_SEGMENTS_MAX + 1);
    for (size_t i = 0; i < t->segment_count && i < HTTP_SEGMENTS_MAX; i++)
        check_text(t->segments[i]);
    for (size_t i = 0; i < t->query_count; i++) {
        check_text(t->query[i].name);
        check_text(t->query[i].value);
        MUST(t->query[i].value.data);
    }
    for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
        const struct http_pattern *p;
        enum http_match match = http_router_find(router, bytes_of(methods[m]), t, &p);
        MUST((match == HTTP_MATCH) == (p != NULL));
        for (size_t i = 0; p && i < p->count; i++)
            MUST(p->params & 1U << i ? t->segments[i].len > 0 : bytes_equal(p->segments[i], t->segments[i]));
    }
    struct bytes allow = http_router_allow(router, a, t);
    MUST(allow.len >= strlen("OPTIONS"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct http_table tables[] = {{routes, NULL}};
    struct bytes input = {(const char *)data, size};
    struct http_router router;
    struct http_target target;
    struct arena arena;
    struct bytes decoded;
    struct error e;

    arena_init(&arena);
    http_router_init(&router, tables, 1);
    for (int plus = 0; plus < 2; plus++) {
        if (http_decode(&arena, input, plus == 1, &decoded)) {
            check_text(decoded);
            MUST(decoded.len <= input.len);
        }
    }
    error_clear(&e);
    if (http_target_parse(&arena, input, &target, &e))
        check_target(&router, &arena, &target);
    else
        MUST(error_is(&e, "bad_path") || error_is(&e, "bad_query"));
    http_router_release(&router);
    arena_release(&arena);
    return 0;
}
