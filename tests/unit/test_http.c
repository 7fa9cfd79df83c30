/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: what a client sees, over real sockets: routes and their parameters, refusals, keep-alive, headers,
 * bad bytes. test_http_body.c has the limits of bodies,
 * test_http_threads.c the answers from other threads and the closing.
 */
/* LIBS: http */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/http.h"
#include "core/log.h"
#include "http_client.h"

enum { LIMIT = 1024 * 1024 };

static struct http_server *server;
static int port;
static int posts; /* handler calls; the server's thread writes, tests read after an answer */

static json_t *text_or_null(struct bytes text)
{
    return text.data ? json_stringn(text.data, text.len) : json_null();
}

/* What arrived, as the handler sees it. */
static void echo(void *self, struct http_request *r)
{
    struct bytes name, value;
    json_t *query = json_array();

    for (size_t i = 0; http_query_at(r, i, &name, &value); i++)
        json_array_append_new(query, json_pack("[o, o]", text_or_null(name), text_or_null(value)));
    http_answer_json(r, 200,
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "self", self, "method", text_or_null(http_method(r)),
            "path", text_or_null(http_path(r)), "id", text_or_null(http_param(r, "id")), "q",
            text_or_null(http_query(r, "q")), "header", text_or_null(http_header(r, "x-test")), "query",
            query));
}

static void post(void *self, struct http_request *r)
{
    (void)self;
    posts++;
    struct bytes body = http_body(r);
    http_answer_json(
        r, 202, json_pack("{s:I, s:I}", "bytes", (json_int_t)body.len, "hash", (json_int_t)bytes_hash(body)));
}

static void created(void *self, struct http_request *r)
{
    const struct http_header_out headers[] = {
        {"Location", BYTES("/v1/jobs/1")}, {"X-Split", BYTES("a\r\nX-Injected: yes")}};
    (void)self;
    http_answer_json_with(r, 201, json_pack("{s:s}", "id", "1"), headers, 2);
}

static void invalid(void *self, struct http_request *r)
{
    struct field_problems problems = {.count = 2};
    (void)self;
    problems.items[0] = (struct field_problem){BYTES("parts[2].code"), "missing", BYTES("must be given")};
    problems.items[1] = (struct field_problem){BYTES("name\xFF"), "bad_utf8", BYTES("at byte 4")};
    http_problem(r, 400, "bad_input", BYTES("2 fields are \xC3wrong"), &problems);
}

static void not_json(void *self, struct http_request *r)
{
    (void)self;
    http_answer_json(r, 200, json_string("\xFF")); /* NULL */
}

static void away(void *self, struct http_request *r)
{
    (void)self;
    http_unavailable(r, "kafka_away", BYTES("Kafka does not answer"), 7);
}

static void large(void *self, struct http_request *r)
{
    struct buf body;
    (void)self;
    buf_init(&body);
    buf_reserve(&body, 3000000);
    memset(body.data, 'z', 3000000);
    body.len = 3000000;
    http_answer(r, 200, "application/octet-stream", buf_bytes(&body), NULL, 0);
    buf_release(&body);
}

static const struct http_route routes[] = {
    {"GET", "/echo", HTTP_INLINE, echo, 0, "", ""},
    {"GET", "/echo/{id}/x", HTTP_INLINE, echo, 0, "", ""},
    {"POST", "/post", HTTP_INLINE, post, LIMIT, "", ""},
    {"POST", "/post/nothing", HTTP_WORKER, post, 0, "", ""},
    {"POST", "/created", HTTP_INLINE, created, 100, "", ""},
    {"GET", "/invalid", HTTP_INLINE, invalid, 0, "", ""},
    {"GET", "/notjson", HTTP_INLINE, not_json, 0, "", ""},
    {"GET", "/away", HTTP_INLINE, away, 0, "", ""},
    {"GET", "/large", HTTP_WORKER, large, 0, "", ""},
    {.method = NULL},
};

static bool not_ready(void *self, struct error *e)
{
    return error_set(e, "starting", "waits for %s", (const char *)self);
}

static char table_self[] = "table";
static char health_self[] = "Kafka";
static struct http_health health = {.ready = not_ready, .self = health_self, .program = "test"};
static const struct http_table tables[] = {{routes, table_self}, {http_health_routes, &health}};

static int open_server(void **state)
{
    const struct http_options options = {.address = "127.0.0.1",
        .workers = 2,
        .max_connections = 100,
        .idle_timeout_s = 30,
        .program = "test"};
    struct error e;

    (void)state;
    log_init("test", LOG_ERROR);
    server = http_open(&options, tables, 2, &e);
    if (!server) {
        print_error("%s\n", e.text);
        return 1;
    }
    port = http_port(server);
    return 0;
}

static int close_server(void **state)
{
    (void)state;
    http_close(server);
    return 0;
}

static void expect_status(const char *request, int status, const char *in_body)
{
    struct reply r;
    ask(port, request, &r);
    if (r.status != status || (in_body && !strstr(r.body.data, in_body)))
        fail_msg("%s\nstatus %d: %s%s", request, r.status, r.head, r.status ? r.body.data : "");
    buf_release(&r.body);
}

static void handlers_see_method_path_parameters_query_and_headers(void **state)
{
    struct reply r;

    (void)state;
    ask(port, "GET /echo/a%2Fb%20%C3%A4/x?q=1+2&q=3&z HTTP/1.1\r\nHost: x\r\nX-TEST: v\r\n\r\n", &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.data,
        "{\"self\":\"table\",\"method\":\"GET\",\"path\":\"/echo/a%2Fb%20%C3%A4/x\",\"id\":\"a/b "
        "\xC3\xA4\",\"q\":\"1 2\","
        "\"header\":\"v\",\"query\":[[\"q\",\"1 2\"],[\"q\",\"3\"],[\"z\",\"\"]]}");
    buf_release(&r.body);
    expect_status(
        "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", 200, "\"id\":null,\"q\":null,\"header\":null,\"query\":[]");
}

static void unknown_paths_and_methods_are_told(void **state)
{
    struct reply r;
    char value[256];

    (void)state;
    expect_status("GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, "\"code\":\"not_found\"");
    ask(port, "DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 405);
    assert_string_equal(reply_header(&r, "Allow", value), "GET, HEAD, OPTIONS");
    assert_string_equal(reply_header(&r, "Content-Type", value), "application/problem+json");
    assert_non_null(strstr(r.body.data, "\"code\":\"method_not_allowed\""));
    buf_release(&r.body);
    ask(port, "OPTIONS /post HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 204);
    assert_string_equal(reply_header(&r, "Allow", value), "POST, OPTIONS");
    buf_release(&r.body);
    ask(port, "HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 200);
    assert_true(atoi(reply_header(&r, "Content-Length", value)) > 50);
    buf_release(&r.body);
}

static void bad_paths_and_queries_are_refused(void **state)
{
    static const char *const paths[] = {"/echo/%00/x", "/echo/%/x", "/echo/%zz/x", "/echo/%C3/x",
        "/echo/%C0%AF/x", "/echo/\xE4/x", "*", "/%"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char request[256];
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        expect_status(request, 400, "\"code\":\"bad_path\"");
    }
    expect_status("GET /echo?a=%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "\"code\":\"bad_query\"");
}

static void every_answer_has_a_request_id(void **state)
{
    static const struct {
        const char *sent, *expected; /* NULL: a new one */
    } cases[] = {{"abc-1.2:3@x_Y", "abc-1.2:3@x_Y"}, {"", NULL}, {"two words", NULL}, {"quote\"", NULL},
        {"0123456789012345678901234567890123456789012345678901234567890123",
            "0123456789012345678901234567890123456789012345678901234567890123"},
        {"01234567890123456789012345678901234567890123456789012345678901234", NULL}};
    char seen[8][256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reply r;
        char request[256];
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n\r\n",
            i % 2 ? "/no" : "/echo", cases[i].sent);
        ask(port, request, &r);
        assert_non_null(reply_header(&r, "X-Request-Id", seen[i]));
        if (cases[i].expected)
            assert_string_equal(seen[i], cases[i].expected);
        for (size_t k = 0; !cases[i].expected && k < i; k++)
            assert_string_not_equal(seen[i], seen[k]);
        assert_true(strlen(seen[i]) >= 10);
        buf_release(&r.body);
    }
}

static void problems_are_json_whatever_they_quote(void **state)
{
    struct reply r;
    char value[256];

    (void)state;
    ask(port, "GET /invalid HTTP/1.1\r\nHost: x\r\nX-Request-Id: me\r\n\r\n", &r);
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_header(&r, "Content-Type", value), "application/problem+json");
    assert_string_equal(r.body.data,
        "{\"type\":\"urn:millrace:problem:bad_input\",\"title\":\"Bad "
        "input\",\"status\":400,\"code\":\"bad_input\","
        "\"detail\":\"2 fields are "
        "\xEF\xBF\xBDwrong\",\"request_id\":\"me\",\"errors\":[{\"field\":\"parts[2].code\","
        "\"code\":\"missing\",\"detail\":\"must be "
        "given\"},{\"field\":\"name\xEF\xBF\xBD\",\"code\":\"bad_utf8\","
        "\"detail\":\"at byte 4\"}]}");
    buf_release(&r.body);
    ask(port, "GET /away HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_header(&r, "Retry-After", value), "7");
    assert_non_null(strstr(r.body.data, "\"code\":\"kafka_away\""));
    buf_release(&r.body);
}

static void a_header_with_a_line_break_is_left_out(void **state)
{
    struct reply r;
    char value[256];

    (void)state;
    ask(port, "POST /created HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", &r);
    assert_int_equal(r.status, 201);
    assert_string_equal(reply_header(&r, "Location", value), "/v1/jobs/1");
    assert_null(reply_header(&r, "X-Split", value));
    assert_null(reply_header(&r, "X-Injected", value));
    buf_release(&r.body);
}

static void an_answer_that_is_no_json_becomes_500(void **state)
{
    (void)state;
    expect_status("GET /notjson HTTP/1.1\r\nHost: x\r\n\r\n", 500, "\"code\":\"internal\"");
}

/* ---- connections ---- */

static void one_connection_serves_many_requests(void **state)
{
    struct reply r;
    int fd = client_open(port);

    (void)state;
    for (int i = 0; i < 300; i++) {
        client_say(fd, i % 3 == 0   ? "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"
                       : i % 3 == 1 ? "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                                    : "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n");
        reply_read(fd, &r, false);
        assert_int_equal(r.status, i % 3 == 0 ? 200 : i % 3 == 1 ? 202 : 404);
        buf_release(&r.body);
    }
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct reply r;
    char request[128], expected[32];
    int fd = client_open(port);

    (void)state;
    for (int i = 0; i < 50; i++) {
        snprintf(request, sizeof(request), "GET /echo/%d/x HTTP/1.1\r\nHost: x\r\n\r\n", i);
        client_say(fd, request);
    }
    for (int i = 0; i < 50; i++) {
        reply_read(fd, &r, false);
        assert_int_equal(r.status, 200);
        snprintf(expected, sizeof(expected), "\"id\":\"%d\"", i);
        assert_non_null(strstr(r.body.data, expected));
        buf_release(&r.body);
    }
    close(fd);
}

static void old_clients_and_those_who_ask_get_the_connection_closed(void **state)
{
    static const char *const requests[] = {
        "GET /echo HTTP/1.0\r\n\r\n", "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct reply r;
        int fd = client_open(port);
        client_say(fd, requests[i]);
        reply_read(fd, &r, false);
        assert_int_equal(r.status, 200);
        assert_true(client_is_closed(fd));
        buf_release(&r.body);
        close(fd);
    }
}

static void large_answers_arrive_whole(void **state)
{
    struct reply r;

    (void)state;
    ask(port, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 3000000);
    for (size_t i = 0; i < r.body.len; i += 997)
        assert_int_equal(r.body.data[i], 'z');
    buf_release(&r.body);
}

static void a_client_may_send_byte_by_byte(void **state)
{
    static const char request[] = "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world";
    struct reply r;
    int fd = client_open(port);

    (void)state;
    for (size_t i = 0; i < sizeof(request) - 1; i++)
        assert_true(client_send(fd, request + i, 1));
    reply_read(fd, &r, false);
    assert_int_equal(r.status, 202);
    assert_non_null(strstr(r.body.data, "\"bytes\":11"));
    buf_release(&r.body);
    close(fd);
}

static void clients_that_break_off_harm_nobody(void **state)
{
    static const char *const parts[] = {"", "G", "GET /echo", "GET /echo HTTP/1.1\r\nHos",
        "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
        "POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
        "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET\r\n\r\n", "GET /echo\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n"};
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            int fd = client_open(port);
            client_say(fd, parts[i]);
            if (round == 1)
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            close(fd);
        }
    }
    expect_status("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", 200, NULL);
}

static void long_lines_and_headers_are_refused(void **state)
{
    char *request = malloc(100000);
    struct reply r;

    (void)state;
    assert_non_null(request);
    snprintf(request, 100000, "GET /%090000d HTTP/1.1\r\nHost: x\r\n\r\n", 0);
    int fd = client_open(port);
    client_send(fd, request, strlen(request)); /* it may be cut off while sending */
    reply_read(fd, &r, false);
    assert_true(r.status == 414 || r.status == 431 || r.status == 0);
    buf_release(&r.body);
    close(fd);
    free(request);
    expect_status("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", 200, NULL);
}

static void two_hundred_connections_at_once(void **state)
{
    enum { COUNT = 200 };
    int fds[COUNT];
    char request[128], expected[32];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT;
             i++) { /* the server takes 100; the others wait in the backlog until some close */
            fds[i] = client_open(port);
            snprintf(request, sizeof(request),
                "GET /echo/%d/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", i);
            client_say(fds[i], request);
        }
        for (int i = COUNT; i-- > 0;) {
            struct reply r;
            reply_read(fds[i], &r, false);
            assert_int_equal(r.status, 200);
            snprintf(expected, sizeof(expected), "\"id\":\"%d\"", i);
            assert_non_null(strstr(r.body.data, expected));
            buf_release(&r.body);
            close(fds[i]);
        }
    }
}

static void every_program_has_its_health_routes(void **state)
{
    (void)state;
    expect_status("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200, "{\"status\":\"ok\"}");
    expect_status("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 503, "\"detail\":\"waits for Kafka\"");
    expect_status("GET /version HTTP/1.1\r\nHost: x\r\n\r\n", 200,
        "{\"program\":\"test\",\"version\":\"" MILLRACE_VERSION "\"}");
    expect_status(
        "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 200, "millrace_http_requests_total{class=\"2xx\"} ");
}

static void a_taken_port_is_told_clearly(void **state)
{
    struct http_options options = {.address = "127.0.0.1",
        .port = port,
        .workers = 2,
        .max_connections = 10,
        .idle_timeout_s = 5,
        .program = "test"};
    struct error e;

    (void)state;
    assert_null(http_open(&options, tables, 2, &e));
    assert_string_equal(e.code, "port_busy");
    assert_non_null(strstr(e.text, "is taken"));
    options.address = "not.an.address.invalid";
    assert_null(http_open(&options, tables, 2, &e));
    assert_string_equal(e.code, "bad_address");
    options.address = "127.0.0.1";
    options.port = 0;
    options.workers = 0;
    assert_null(http_open(&options, tables, 2, &e)); /* has worker routes */
    assert_string_equal(e.code, "no_threads");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_see_method_path_parameters_query_and_headers),
        cmocka_unit_test(unknown_paths_and_methods_are_told),
        cmocka_unit_test(bad_paths_and_queries_are_refused),
        cmocka_unit_test(every_answer_has_a_request_id),
        cmocka_unit_test(problems_are_json_whatever_they_quote),
        cmocka_unit_test(a_header_with_a_line_break_is_left_out),
        cmocka_unit_test(an_answer_that_is_no_json_becomes_500),
        cmocka_unit_test(one_connection_serves_many_requests),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(old_clients_and_those_who_ask_get_the_connection_closed),
        cmocka_unit_test(large_answers_arrive_whole),
        cmocka_unit_test(a_client_may_send_byte_by_byte),
        cmocka_unit_test(clients_that_break_off_harm_nobody),
        cmocka_unit_test(long_lines_and_headers_are_refused),
        cmocka_unit_test(two_hundred_connections_at_once),
        cmocka_unit_test(every_program_has_its_health_routes),
        cmocka_unit_test(a_taken_port_is_told_clearly),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
