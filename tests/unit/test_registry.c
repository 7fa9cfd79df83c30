/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * registry: against a small HTTP server of the test's own, and against none; also the codec's Confluent framing.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/codec.h"
#include "core/job.h"
#include "core/registry.h"

/* ---- the server: one thread, one request a connection ---- */

struct server {
    int listener;
    int port;
    pthread_t thread;
    pthread_mutex_t lock;
    const char *status, *answer; /* for every request */
    char request[65536];         /* the last one */
    int requests;
};

static void read_request(int fd, char *into, size_t size)
{
    size_t len = 0;
    size_t need = SIZE_MAX;
    into[0] = '\0';
    while (len < need && len + 1 < size) {
        ssize_t n = recv(fd, into + len, size - 1 - len, 0);
        if (n <= 0)
            return;
        len += (size_t)n;
        into[len] = '\0';
        const char *body = strstr(into, "\r\n\r\n");
        const char *length = strstr(into, "Content-Length: ");
        if (body)
            need = (size_t)(body - into) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        static char request[sizeof s->request]; /* there is one server at a time */
        static char answer[65536];
        read_request(fd, request, sizeof request);
        pthread_mutex_lock(&s->lock);
        memcpy(s->request, request, sizeof request);
        s->requests++;
        int len = snprintf(answer, sizeof answer,
            "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", s->status, strlen(s->answer),
            s->answer);
        pthread_mutex_unlock(&s->lock);
        send(fd, answer, (size_t)len, MSG_NOSIGNAL);
        close(fd);
    }
}

/* port 0: any. */
static void server_start(struct server *s, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t len = sizeof address;
    int yes = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->listener, 10), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
    s->port = ntohs(address.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static void server_answers(struct server *s, const char *status, const char *answer)
{
    pthread_mutex_lock(&s->lock);
    s->status = status;
    s->answer = answer;
    pthread_mutex_unlock(&s->lock);
}

/* ---- fixture ---- */

struct fixture {
    struct server server;
    struct registry *registry;
    struct arena arena;
    struct buf framed;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char url[64];
    server_start(&f->server, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/base/", f->server.port);
    f->registry = registry_new(url, "test.");
    arena_init(&f->arena);
    buf_init(&f->framed);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    registry_free(f->registry);
    server_stop(&f->server);
    arena_release(&f->arena);
    buf_release(&f->framed);
    free(f);
    return 0;
}

/* ---- tests ---- */

static void the_text_of_an_id_is_asked_for_once(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct bytes text;
    server_answers(&f->server, "200 OK", "{\"schema\":\"\\\"int\\\"\"}");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(registry_schema(f->registry, 77, &text, &e), REGISTRY_OK);
        assert_true(bytes_equal_text(text, "\"int\""));
    }
    assert_int_equal(f->server.requests, 1);
    assert_non_null(strstr(f->server.request, "GET /base/schemas/ids/77 "));
}

static void a_schema_is_registered_once_under_its_topic(void **state)
{
    struct fixture *f = *state;
    struct error e;
    uint32_t id = 0;
    server_answers(&f->server, "200 OK", "{\"id\":4294967295}");
    for (int i = 0; i < 3; i++)
        assert_int_equal(registry_id(f->registry, "jobs.events", BYTES("\"int\""), &id, &e), REGISTRY_OK);
    assert_int_equal(id, UINT32_MAX);
    assert_int_equal(f->server.requests, 1);
    assert_non_null(strstr(f->server.request, "POST /base/subjects/test.jobs.events-value/versions "));
    assert_non_null(strstr(f->server.request, "{\"schema\":\"\\\"int\\\"\"}"));
    assert_non_null(strstr(f->server.request, "application/vnd.schemaregistry.v1+json"));
}

static void each_answer_is_a_no_or_an_absence(void **state)
{
    static const struct {
        const char *status, *answer;
        enum registry_verdict verdict;
        const char *text;
    } rows[] = {
        {"404 Not Found", "{\"error_code\":40403,\"message\":\"Schema not found\"}", REGISTRY_NONE,
            "Schema not found"},
        {"409 Conflict", "{\"message\":\"incompatible\"}", REGISTRY_NONE, "incompatible"},
        {"422 Unprocessable", "oops", REGISTRY_NONE, "422"},
        {"200 OK", "{\"schema\":\"x\",\"schemaType\":\"PROTOBUF\"}", REGISTRY_NONE, "Avro"},
        {"200 OK", "{\"schema\":\"x\",\"references\":[{}]}", REGISTRY_NONE, "references"},
        {"200 OK", "{}", REGISTRY_NONE, "Avro"},
        {"200 OK", "<html>", REGISTRY_AWAY, "200"},
        {"401 Unauthorized", "{\"message\":\"who are you\"}", REGISTRY_AWAY, "who are you"},
        {"500 Broken", "", REGISTRY_AWAY, "500"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *fresh = NULL;
        setup(&fresh);
        struct fixture *f = fresh;
        struct error e = {.text = ""};
        struct bytes text;
        server_answers(&f->server, rows[i].status, rows[i].answer);
        if (registry_schema(f->registry, 1, &text, &e) != rows[i].verdict || !strstr(e.text, rows[i].text))
            fail_msg("%s %s: %s", rows[i].status, rows[i].answer, e.text);
        teardown(&fresh);
    }
    (void)state;
}

static void a_registry_that_is_away_is_asked_again_after_a_pause_and_not_before(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct bytes text;
    server_stop(&f->server);
    assert_int_equal(registry_schema(f->registry, 5, &text, &e), REGISTRY_AWAY);
    assert_string_equal(e.code, "registry_away");

    server_start(&f->server, f->server.port);
    server_answers(&f->server, "200 OK", "{\"schema\":\"\\\"int\\\"\"}");
    enum registry_verdict verdict = REGISTRY_AWAY;
    int64_t limit = clock_boot_ms() + 20000;
    long calls = 0;
    while (verdict == REGISTRY_AWAY && clock_boot_ms() < limit) {
        verdict = registry_schema(f->registry, 5, &text, &e);
        calls++;
    }
    assert_int_equal(verdict, REGISTRY_OK);
    assert_true(calls > 100); /* the others did not wait */
    assert_int_equal(f->server.requests, 1);
}

static void records_carry_the_id_and_are_read_by_it(void **state)
{
    struct fixture *f = *state;
    struct error e = {.text = ""};
    struct job_log log;
    struct job_log back;
    struct codec *writer = codec_new(f->registry);
    struct codec *reader = codec_new(f->registry);
    shape_clear(&shape_log, &log);
    log.text = BYTES("hello");

    server_answers(&f->server, "200 OK", "{\"id\":258}");
    assert_true(codec_encode(writer, &shape_log, &log, &f->framed, &e));
    assert_memory_equal(f->framed.data, "\0\0\0\1\2", 5);
    assert_non_null(strstr(f->server.request, "/subjects/test.jobs.logs-value/versions"));

    server_answers(&f->server, "404 Not Found", "{}");
    assert_int_equal(
        codec_decode(reader, &shape_log, buf_bytes(&f->framed), false, &f->arena, &back, &e), CODEC_BAD);
    assert_string_equal(e.code, "unknown_schema");

    struct buf schema;
    buf_init(&schema);
    shape_schema(&shape_log, &schema);
    json_t *object = json_pack("{s:s%}", "schema", schema.data, schema.len);
    char *answer = json_dumps(object, 0);
    server_answers(&f->server, "200 OK", answer);
    if (codec_decode(reader, &shape_log, buf_bytes(&f->framed), false, &f->arena, &back, &e) != CODEC_OK)
        fail_msg("%s", e.text);
    assert_true(bytes_equal_text(back.text, "hello"));

    /* What both know needs the registry no more; what they don't know waits for it. */
    server_stop(&f->server);
    buf_clear(&f->framed);
    assert_true(codec_encode(writer, &shape_log, &log, &f->framed, &e));
    assert_int_equal(
        codec_decode(reader, &shape_log, buf_bytes(&f->framed), false, &f->arena, &back, &e), CODEC_OK);
    f->framed.data[4] = 9;
    assert_int_equal(
        codec_decode(reader, &shape_log, buf_bytes(&f->framed), false, &f->arena, &back, &e), CODEC_RETRY);
    struct control control;
    shape_clear(&shape_control, &control);
    size_t before = f->framed.len;
    assert_false(codec_encode(writer, &shape_control, &control, &f->framed, &e));
    assert_string_equal(e.code, "registry_away");
    assert_int_equal(f->framed.len, before);

    server_start(&f->server, f->server.port);
    server_answers(&f->server, "200 OK", "{}");
    free(answer);
    json_decref(object);
    buf_release(&schema);
    codec_free(writer);
    codec_free(reader);
}

static void a_text_that_is_no_record_schema_is_an_unknown_schema(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job_log log;
    struct codec *reader = codec_new(f->registry);
    static const char *const answers[] = {"{\"schema\":\"\\\"int\\\"\"}", "{\"schema\":\"{{{\"}"};
    for (size_t i = 0; i < 2; i++) {
        char value[] = {0, 0, 0, 1, (char)i, 2};
        server_answers(&f->server, "200 OK", answers[i]);
        assert_int_equal(
            codec_decode(reader, &shape_log, (struct bytes){value, sizeof value}, false, &f->arena, &log, &e),
            CODEC_BAD);
        assert_string_equal(e.code, "unknown_schema");
    }
    codec_free(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_text_of_an_id_is_asked_for_once),
        TEST(a_schema_is_registered_once_under_its_topic),
        cmocka_unit_test(each_answer_is_a_no_or_an_absence),
        TEST(a_registry_that_is_away_is_asked_again_after_a_pause_and_not_before),
        TEST(records_carry_the_id_and_are_read_by_it),
        TEST(a_text_that_is_no_record_schema_is_an_unknown_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
