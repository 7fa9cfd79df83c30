/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: bus */
/*
 * bus_leave: the bytes against those of the protocol guide, typed again by hand; answers that are cut, garbage or never come;
 * and librdkafka's mock cluster as a second opinion. That a group goes on is shown by tests/flow/test_takeover.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/bus_leave.h"
#include "core/clock.h"

/* For static tables. */
#define TYPED(literal)                                                                                       \
    {                                                                                                        \
        "" literal, sizeof(literal) - 1                                                                      \
    }

enum { SOON_MS = 300, BOUND_MS = 1000, LIMIT_MS = 10000 };

/* ---- requests ---- */

static const char find_coordinator[] =
    "\x00\x00\x00\x25"                                                 /* size: 37 */
    "\x00\x0a\x00\x01"                                                 /* api_key 10, api_version 1 */
    "\x00\x00\x00\x07"                                                 /* correlation_id */
    "\x00\x0e\x6d\x69\x6c\x6c\x72\x61\x63\x65\x2d\x6c\x65\x61\x76\x65" /* client_id "millrace-leave" */
    "\x00\x0a\x74\x2e\x65\x78\x65\x63\x75\x74\x6f\x72"                 /* key "t.executor" */
    "\x00";                                                            /* key_type: a group */
static const char leave_group[] =
    "\x00\x00\x00\x29"                                                 /* size: 41 */
    "\x00\x0d\x00\x01"                                                 /* api_key 13, api_version 1 */
    "\x00\x00\x00\x08"                                                 /* correlation_id */
    "\x00\x0e\x6d\x69\x6c\x6c\x72\x61\x63\x65\x2d\x6c\x65\x61\x76\x65" /* client_id */
    "\x00\x0a\x74\x2e\x65\x78\x65\x63\x75\x74\x6f\x72"                 /* group_id */
    "\x00\x03\x61\x2d\x31";                                            /* member_id "a-1" */

static void requests_are_those_of_the_protocol_guide(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    bus_leave_ask_coordinator(&b, 7, "t.executor");
    assert_int_equal(b.len, sizeof(find_coordinator) - 1);
    assert_memory_equal(b.data, find_coordinator, b.len);
    bus_leave_say(&b, 8, "t.executor", "a-1");
    assert_int_equal(b.len, sizeof(leave_group) - 1);
    assert_memory_equal(b.data, leave_group, b.len);
    buf_release(&b);
}

/* ---- answers ---- */

#define COORDINATOR                                                                                          \
    "\x00\x00\x00\x07\x00\x00\x00\x05"             /* correlation_id, throttle_time_ms */                    \
    "\x00\x00\xff\xff\x00\x00\x00\x01"             /* error_code, error_message null, node_id */             \
    "\x00\x09\x31\x32\x37\x2e\x30\x2e\x30\x2e\x31" /* host "127.0.0.1" */                                    \
    "\x00\x00\x23\x84"                             /* port 9092 */

static void a_coordinator_is_read(void **state)
{
    struct bus_coordinator c;
    struct error e;

    (void)state;
    assert_true(bus_leave_read_coordinator(BYTES(COORDINATOR), 7, &c, &e));
    assert_int_equal(c.error_code, 0);
    assert_string_equal(c.host, "127.0.0.1");
    assert_int_equal(c.port, 9092);
    assert_true(
        bus_leave_read_coordinator(BYTES("\x00\x00\x00\x07\x00\x00\x00\x00\x00\x0f\x00\x03\x6e\x6f\x2e"
                                         "\xff\xff\xff\xff\x00\x00\xff\xff\xff\xff"),
            7, &c, &e));
    assert_int_equal(c.error_code, 15);
}

static void an_answer_to_leave_group_is_read(void **state)
{
    struct error e;
    int code = -1;

    (void)state;
    assert_true(bus_leave_read_said(BYTES("\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00"), 8, &code, &e));
    assert_int_equal(code, 0);
    assert_true(bus_leave_read_said(BYTES("\x00\x00\x00\x08\x00\x00\x00\x00\x00\x19"), 8, &code, &e));
    assert_int_equal(code, 25);
    assert_true(bus_leave_read_said(BYTES("\x00\x00\x00\x08\x00\x00\x00\x00\xff\xff"), 8, &code, &e));
    assert_int_equal(code, -1);
}

static void every_cut_answer_is_refused(void **state)
{
    static const struct bytes coordinator = {COORDINATOR, sizeof(COORDINATOR) - 1};
    static const struct bytes said = {"\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00", 10};
    struct bus_coordinator c;
    struct error e;
    int code;

    (void)state;
    for (size_t len = 0; len < coordinator.len; len++) {
        error_clear(&e);
        assert_false(bus_leave_read_coordinator(bytes_slice(coordinator, 0, len), 7, &c, &e));
        assert_true(error_is(&e, "bad_answer"));
    }
    for (size_t len = 0; len < said.len; len++) {
        error_clear(&e);
        assert_false(bus_leave_read_said(bytes_slice(said, 0, len), 7, &code, &e));
        assert_true(error_is(&e, "bad_answer"));
    }
}

static const struct {
    const char *what;
    struct bytes answer;
} no_coordinator[] = {
    {"another request's",
        TYPED(
            "\x00\x00\x00\x08\x00\x00\x00\x05\x00\x00\xff\xff\x00\x00\x00\x01\x00\x01\x61\x00\x00\x23\x84")},
    {"a length below -1",
        TYPED(
            "\x00\x00\x00\x07\x00\x00\x00\x05\x00\x00\xff\xfe\x00\x00\x00\x01\x00\x01\x61\x00\x00\x23\x84")},
    {"a length beyond the end",
        TYPED(
            "\x00\x00\x00\x07\x00\x00\x00\x05\x00\x00\xff\xff\x00\x00\x00\x01\x7f\xff\x61\x00\x00\x23\x84")},
    {"no host",
        TYPED("\x00\x00\x00\x07\x00\x00\x00\x05\x00\x00\xff\xff\x00\x00\x00\x01\x00\x00\x00\x00\x23\x84")},
    {"a host with a NUL",
        TYPED(
            "\x00\x00\x00\x07\x00\x00\x00\x05\x00\x00\xff\xff\x00\x00\x00\x01\x00\x01\x00\x00\x00\x23\x84")},
    {"port 0",
        TYPED(
            "\x00\x00\x00\x07\x00\x00\x00\x05\x00\x00\xff\xff\x00\x00\x00\x01\x00\x01\x61\x00\x00\x00\x00")},
    {"port 65536",
        TYPED(
            "\x00\x00\x00\x07\x00\x00\x00\x05\x00\x00\xff\xff\x00\x00\x00\x01\x00\x01\x61\x00\x01\x00\x00")},
    {"text", TYPED("HTTP/1.1 400 Bad Request")},
};

static void answers_that_name_no_coordinator_are_refused(void **state)
{
    struct bus_coordinator c;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof(no_coordinator) / sizeof(no_coordinator[0]); i++) {
        error_clear(&e);
        if (bus_leave_read_coordinator(no_coordinator[i].answer, 7, &c, &e) || !error_is(&e, "bad_answer"))
            fail_msg("%s", no_coordinator[i].what);
    }
}

/* ---- a peer that is no good ---- */

struct peer {
    int fd;
    struct bytes says; /* none: it never answers */
    pthread_t thread;
    char address[32];
};

static void *serve(void *self)
{
    struct peer *p = self;
    int fd;

    while ((fd = accept(p->fd, NULL, NULL)) >= 0) {
        char request[512];
        if (p->says.data != NULL && recv(fd, request, sizeof(request), 0) > 0)
            (void)!write(fd, p->says.data, p->says.len);
        while (recv(fd, request, sizeof(request), 0) > 0)
            ;
        close(fd);
    }
    return NULL;
}

static void peer_open(struct peer *p, struct bytes says)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);

    *p = (struct peer){.fd = socket(AF_INET, SOCK_STREAM, 0), .says = says};
    assert_int_equal(bind(p->fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(p->fd, 8), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &size), 0);
    snprintf(p->address, sizeof(p->address), "127.0.0.1:%d", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void peer_close(struct peer *p)
{
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->fd);
}

static const struct {
    const char *what;
    struct bytes says;
    const char *code;
} peers[] = {
    {"it never answers", {NULL, 0}, "kafka_away"},
    {"it answers in text", TYPED("HTTP/1.1 400 Bad Request\r\n\r\n"), "bad_answer"},
    {"it answers with a negative size", TYPED("\xff\xff\xff\xff"), "bad_answer"},
    {"it stops in the middle", TYPED("\x00\x00\x00\x20\x00\x00"), "kafka_away"},
    {"it answers with too little", TYPED("\x00\x00\x00\x02\x00\x00"), "bad_answer"},
    {"it answers to somebody else", TYPED("\x00\x00\x00\x0a\x7f\x00\x00\x08\x00\x00\x00\x00\x00\x00"),
        "bad_answer"},
};

static void a_peer_that_is_no_broker_costs_only_the_time_given(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
        struct peer p;
        struct error e;
        peer_open(&p, peers[i].says);
        const struct bus_settings s = {.brokers = p.address, .topic_prefix = "t."};
        int64_t began = clock_boot_ms();
        error_clear(&e);
        if (bus_leave(&s, "executor", "a-1", SOON_MS, &e) || !error_is(&e, peers[i].code))
            fail_msg("%s: %s %s", peers[i].what, e.code, e.text);
        int64_t took = clock_boot_ms() - began;
        printf("%s: %lld ms (bound %d)\n", peers[i].what, (long long)took, BOUND_MS);
        assert_true(took <= 5 * BOUND_MS);
        peer_close(&p);
    }
}

static void without_a_broker_it_gives_up(void **state)
{
    struct peer p;
    struct error e;

    (void)state;
    peer_open(&p, BYTES_NONE);
    peer_close(&p); /* so nobody listens there now */
    const struct bus_settings s = {.brokers = p.address, .topic_prefix = ""};
    assert_false(bus_leave(&s, "executor", "a-1", SOON_MS, &e));
    assert_true(error_is(&e, "kafka_away"));
    const struct bus_settings none = {.brokers = " , ", .topic_prefix = ""};
    assert_false(bus_leave(&none, "executor", "a-1", SOON_MS, &e));
    assert_true(error_is(&e, "kafka_away"));
}

static void it_is_not_possible_with_other_protocols(void **state)
{
    static struct config_pair pairs[][1] = {{{"security.protocol", "SASL_SSL"}},
        {{"security.protocol", "ssl"}}, {{"group.protocol", "consumer"}}};
    static struct config_pair plain[] = {{"security.protocol", "PLAINTEXT"}, {"group.protocol", "classic"}};
    struct bus_settings s = {.brokers = "127.0.0.1:1", .topic_prefix = ""};
    struct error e;

    (void)state;
    assert_true(bus_leave_possible(&s, &e));
    s.kafka = (struct config_pairs){plain, 2};
    assert_true(bus_leave_possible(&s, &e));
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        s.kafka = (struct config_pairs){pairs[i], 1};
        error_clear(&e);
        assert_false(bus_leave(&s, "executor", "a-1", LIMIT_MS, &e));
        assert_true(error_is(&e, "not_possible"));
    }
}

/* ---- a broker ---- */

/* The mock reads both requests with librdkafka's own parser. The first address does not answer, the second does. */
static void the_mock_cluster_takes_it(void **state)
{
    char why[256];
    char addresses[512];
    struct error e;
    struct peer p;
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));

    (void)state;
    assert_non_null(handle);
    rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(handle, 3);
    assert_non_null(mock);
    peer_open(&p, BYTES_NONE);
    peer_close(&p);
    snprintf(addresses, sizeof(addresses), "%s, %s", p.address, rd_kafka_mock_cluster_bootstraps(mock));
    const struct bus_settings s = {.brokers = addresses, .topic_prefix = "t."};
    assert_int_equal(rd_kafka_mock_coordinator_set(mock, "group", "t.executor", 2), 0);
    /* It knows no such group: nothing to leave. */
    if (!bus_leave(&s, "executor", "a-1", LIMIT_MS, &e))
        fail_msg("%s: %s", e.code, e.text);
    assert_string_equal(e.code, "");
    /* A refusal that passes, and one that stays. */
    rd_kafka_mock_push_request_errors(mock, 13, 1, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    assert_true(bus_leave(&s, "executor", "a-1", LIMIT_MS, &e));
    rd_kafka_mock_push_request_errors(mock, 13, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    assert_false(bus_leave(&s, "executor", "a-1", LIMIT_MS, &e));
    assert_true(error_is(&e, "refused"));
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_those_of_the_protocol_guide),
        cmocka_unit_test(a_coordinator_is_read),
        cmocka_unit_test(an_answer_to_leave_group_is_read),
        cmocka_unit_test(every_cut_answer_is_refused),
        cmocka_unit_test(answers_that_name_no_coordinator_are_refused),
        cmocka_unit_test(a_peer_that_is_no_broker_costs_only_the_time_given),
        cmocka_unit_test(without_a_broker_it_gives_up),
        cmocka_unit_test(it_is_not_possible_with_other_protocols),
        cmocka_unit_test(the_mock_cluster_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
