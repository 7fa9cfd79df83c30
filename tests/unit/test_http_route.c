/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_route: paths, queries, decoding and the choice of a route, without a server.
 */
/* LIBS: http */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/http_private.h"

static void nothing(void *self, struct http_request *r)
{
    (void)self;
    (void)r;
}

static const struct http_route routes[] = {
    {"GET", "/v1/jobs", HTTP_INLINE, nothing, 0, "lists jobs", "200"},
    {"POST", "/v1/jobs", HTTP_WORKER, nothing, 1048576, "submits a | b", "202, 400"},
    {"GET", "/v1/jobs/{id}", HTTP_INLINE, nothing, 0, "one job", "200, 404"},
    {"POST", "/v1/jobs/{id}/cancel", HTTP_INLINE, nothing, 1024, "cancels it", "202"},
    {"GET", "/v1/jobs/{id}/results/{n}", HTTP_INLINE, nothing, 0, "a result", "200"},
    {.method = NULL},
};
static const struct http_route more[] = {
    {"POST", "/v1/jobs/cancel", HTTP_INLINE, nothing, 100, "cancels many", "202"},
    {"GET", "/v1/jobs/latest", HTTP_INLINE, nothing, 0, "the latest", "200"},
    {"GET", "/v1/jobs/{id}/{what}/1", HTTP_INLINE, nothing, 0, "odd", "200"},
    {"GET", "/", HTTP_INLINE, nothing, 0, "root", "200"},
    {"PUT", "/v1/limits/{selector}", HTTP_INLINE, nothing, 0, "sets", "204"},
    {"DELETE", "/v1/limits/{selector}", HTTP_INLINE, nothing, 0, "removes", "204"},
    {.method = NULL},
};

static struct http_router router;
static struct arena arena;

static int set_up(void **state)
{
    const struct http_table tables[] = {{routes, NULL}, {more, NULL}};
    (void)state;
    http_router_init(&router, tables, 2);
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_router_release(&router);
    arena_release(&arena);
    return 0;
}

static struct http_target parsed(const char *uri)
{
    struct http_target t;
    struct error e;
    if (!http_target_parse(&arena, bytes_of(uri), &t, &e))
        fail_msg("%s: %s", uri, e.text);
    return t;
}

static void the_closest_route_is_found(void **state)
{
    static const struct {
        const char *method, *uri;
        enum http_match match;
        const char *path; /* of the route */
    } cases[] = {
        {"GET", "/", HTTP_MATCH, "/"},
        {"GET", "/v1/jobs", HTTP_MATCH, "/v1/jobs"},
        {"HEAD", "/v1/jobs", HTTP_MATCH, "/v1/jobs"},
        {"POST", "/v1/jobs", HTTP_MATCH, "/v1/jobs"},
        {"GET", "/v1/jobs?state=failed", HTTP_MATCH, "/v1/jobs"},
        {"GET", "/v1/%6Aobs", HTTP_MATCH, "/v1/jobs"},
        {"GET", "http://host:1/v1/jobs", HTTP_MATCH, "/v1/jobs"},
        {"GET", "/v1/jobs/a", HTTP_MATCH, "/v1/jobs/{id}"},
        {"GET", "/v1/jobs/latest", HTTP_MATCH, "/v1/jobs/latest"},
        {"GET", "/v1/jobs/cancel", HTTP_MATCH, "/v1/jobs/{id}"},
        {"POST", "/v1/jobs/cancel", HTTP_MATCH, "/v1/jobs/cancel"},
        {"POST", "/v1/jobs/cancel/cancel", HTTP_MATCH, "/v1/jobs/{id}/cancel"},
        {"GET", "/v1/jobs/a/results/1", HTTP_MATCH, "/v1/jobs/{id}/results/{n}"},
        {"GET", "/v1/jobs/a/other/1", HTTP_MATCH, "/v1/jobs/{id}/{what}/1"},
        {"GET", "/v1/jobs/a%2Fb", HTTP_MATCH, "/v1/jobs/{id}"},
        {"DELETE", "/v1/jobs", HTTP_MATCH_NO_METHOD, NULL},
        {"get", "/v1/jobs", HTTP_MATCH_NO_METHOD, NULL},
        {"POST", "/v1/jobs/a", HTTP_MATCH_NO_METHOD, NULL},
        {"HEAD", "/v1/limits/a", HTTP_MATCH_NO_METHOD, NULL},
        {"GET", "/v1/jobs/", HTTP_MATCH_NO_PATH, NULL},
        {"GET", "//v1/jobs", HTTP_MATCH_NO_PATH, NULL},
        {"GET", "/v1//jobs", HTTP_MATCH_NO_PATH, NULL},
        {"GET", "/v1/jobs/a/results/", HTTP_MATCH_NO_PATH, NULL},
        {"GET", "/V1/jobs", HTTP_MATCH_NO_PATH, NULL},
        {"GET", "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", HTTP_MATCH_NO_PATH, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_target t = parsed(cases[i].uri);
        const struct http_pattern *p;
        enum http_match match = http_router_find(&router, bytes_of(cases[i].method), &t, &p);
        if (match != cases[i].match || (p != NULL) != (match == HTTP_MATCH))
            fail_msg("%s %s: match=%d", cases[i].method, cases[i].uri, match);
        if (p)
            assert_string_equal(p->route->path, cases[i].path);
    }
}

static void allow_names_every_method_of_the_path(void **state)
{
    static const struct {
        const char *uri, *allow;
    } cases[] = {
        {"/v1/jobs", "GET, HEAD, POST, OPTIONS"},
        {"/v1/jobs/cancel", "GET, HEAD, POST, OPTIONS"},
        {"/v1/jobs/a", "GET, HEAD, OPTIONS"},
        {"/v1/limits/a", "PUT, DELETE, OPTIONS"},
        {"/none", "OPTIONS"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_target t = parsed(cases[i].uri);
        struct bytes allow = http_router_allow(&router, &arena, &t);
        assert_string_equal(arena_text(&arena, allow), cases[i].allow);
    }
}

static void texts_are_decoded_or_refused(void **state)
{
    static const struct {
        const char *in;
        bool plus, ok;
        const char *out;
    } cases[] = {
        {"", false, true, ""},
        {"plain", false, true, "plain"},
        {"a+b", false, true, "a+b"},
        {"a+b%2B", true, true, "a b+"},
        {"%2f%2F", false, true, "//"},
        {"%E2%98%83", false, true, "\xE2\x98\x83"},
        {"\xE2\x98\x83", false, true, "\xE2\x98\x83"},
        {"%0a%0D%7f", false, true, "\n\r\x7f"},
        {"%25%32%35", false, true, "%25"},
        {"%", false, false, NULL},
        {"%2", false, false, NULL},
        {"a%", false, false, NULL},
        {"%g0", false, false, NULL},
        {"%0g", false, false, NULL},
        {"%%30", false, false, NULL},
        {"% 20", false, false, NULL},
        {"%00", false, false, NULL},
        {"%C0%AF", false, false, NULL},
        {"%ED%A0%80", false, false, NULL},
        {"%FF", false, false, NULL},
        {"\xFF", false, false, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes out;
        bool ok = http_decode(&arena, bytes_of(cases[i].in), cases[i].plus, &out);
        if (ok != cases[i].ok || (ok && !bytes_equal_text(out, cases[i].out)))
            fail_msg("\"%s\": ok=%d \"%.*s\"", cases[i].in, ok, BYTES_ARG(out));
    }
    struct bytes out;
    assert_false(http_decode(&arena, BYTES("a\0b"), false, &out));
    assert_true(http_decode(&arena, BYTES_NONE, false, &out));
}

static void queries_keep_order_repeats_and_empty_values(void **state)
{
    (void)state;
    struct http_target t = parsed("/v1/jobs?b=1&a=x%26y&b=2&flag&empty=&&=v&q=a=b?c");
    static const char *const expected[][2] = {
        {"b", "1"}, {"a", "x&y"}, {"b", "2"}, {"flag", ""}, {"empty", ""}, {"", "v"}, {"q", "a=b?c"}};
    assert_int_equal(t.query_count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < t.query_count; i++) {
        assert_true(bytes_equal_text(t.query[i].name, expected[i][0]));
        assert_true(bytes_equal_text(t.query[i].value, expected[i][1]));
        assert_non_null(t.query[i].value.data);
    }
    assert_int_equal(parsed("/v1/jobs?").query_count, 0);
    assert_int_equal(parsed("/v1/jobs?&&").query_count, 0);
}

static void bad_targets_are_refused_with_a_code(void **state)
{
    static const struct {
        const char *uri, *code;
    } cases[] = {
        {"", "bad_path"},
        {"*", "bad_path"},
        {"v1/jobs", "bad_path"},
        {"?a", "bad_path"},
        {"/%00", "bad_path"},
        {"/a/%2", "bad_path"},
        {"/%FF?a", "bad_path"},
        {"/?a=%", "bad_query"},
        {"/?%00=1", "bad_query"},
        {"/?a=%C3", "bad_query"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_target t;
        struct error e;
        error_clear(&e);
        if (http_target_parse(&arena, bytes_of(cases[i].uri), &t, &e) || !error_is(&e, cases[i].code))
            fail_msg("%s: \"%s\"", cases[i].uri, e.code);
        assert_true(e.text[0] != '\0');
    }
}

static void the_page_is_a_table(void **state)
{
    struct buf page;

    (void)state;
    buf_init(&page);
    http_markdown(routes, &page);
    buf_add_char(&page, '\0');
    assert_non_null(strstr(page.data, "| `POST` | `/v1/jobs` | submits a \\| b | 202, 400 | 1 MiB |\n"));
    assert_non_null(strstr(page.data, "| `GET` | `/v1/jobs/{id}` | one job | 200, 404 | none |\n"));
    assert_non_null(strstr(page.data, "| `POST` | `/v1/jobs/{id}/cancel` | cancels it | 202 | 1 KiB |\n"));
    assert_memory_equal(page.data, "| method | path |", 17);
    buf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_closest_route_is_found),
        cmocka_unit_test(allow_names_every_method_of_the_path),
        cmocka_unit_test(texts_are_decoded_or_refused),
        cmocka_unit_test(queries_keep_order_repeats_and_empty_values),
        cmocka_unit_test(bad_targets_are_refused_with_a_code),
        cmocka_unit_test(the_page_is_a_table),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
