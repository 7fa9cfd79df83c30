/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: bus */
/*
 * bus: against librdkafka's mock cluster, which is fit for this much: the partitioner, a round trip, what an assignment
 * tells, and that a commit is found again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/log.h"

enum { PARTITIONS = 12, LIMIT_MS = 30000 };

static rd_kafka_t *mock_handle;
static rd_kafka_mock_cluster_t *mock;
static struct bus_settings settings;
/* An empty fetch of the mock sleeps for all of its wait. */
static struct config_pair pairs[] = {{"fetch.wait.max.ms", "10"}};
static const char *const topics[] = {"jobs.submitted"};

static struct producer *open_producer(void)
{
    struct error e;

    error_clear(&e);
    struct producer *p = producer_open(&settings, "test", &e);
    assert_non_null(p);
    assert_true(producer_warm(p, topics, 1, NULL));
    return p;
}

static void count_delivery(void *self, const struct error *failure)
{
    assert_null(failure);
    (*(int *)self)++;
}

static void send_record(struct producer *p, struct bytes key, struct bytes value, int *delivered)
{
    static const struct bus_header headers[] = {{{"job", 3}, {"j1", 2}}, {{"job", 3}, {"j2", 2}}};
    struct error e;

    error_clear(&e);
    const struct bus_message m = {.topic = topics[0],
        .partition = -1,
        .key = key,
        .value = value,
        .headers = headers,
        .header_count = 2};
    if (!producer_send(p, &m, count_delivery, delivered, &e))
        fail_msg("%s", e.text);
}

static void flush(struct producer *p)
{
    int64_t until = clock_boot_ms() + LIMIT_MS;

    while (producer_pending(p) > 0 && clock_boot_ms() < until)
        producer_poll(p, 100);
    assert_int_equal(producer_pending(p), 0);
}

/* ---- partitions ---- */

/* Java: org.apache.kafka.common.utils.Utils.murmur2, from its own unit test. */
static const struct {
    const char *key;
    int32_t murmur2;
} java[] = {
    {"21", -973932308},
    {"foobar", -790332482},
    {"a-little-bit-long-string", -985981536},
    {"a-little-bit-longer-string", -1486304829},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
    {"abc", 479470107},
};

static void agrees_with_java_where_a_key_belongs(void **state)
{
    struct producer *p = open_producer();

    (void)state;
    for (size_t i = 0; i < sizeof(java) / sizeof(java[0]); i++)
        assert_int_equal(producer_partition_of(p, topics[0], bytes_of(java[i].key)),
            (java[i].murmur2 & 0x7fffffff) % PARTITIONS);
    assert_int_equal(producer_partition_of(p, topics[0], BYTES_NONE), -1);
    assert_int_equal(producer_partition_of(p, "unknown", BYTES("a")), -1);
    producer_close(p);
}

/* ---- round trip ---- */

struct seen {
    int assigned, revoked;
    int64_t last_assignment, offset_of_home;
    int32_t home;
};

static void on_assigned(void *self, const char *topic, int32_t partition, int64_t assignment, int64_t offset)
{
    struct seen *s = self;

    assert_string_equal(topic, topics[0]);
    assert_true(assignment > s->last_assignment);
    s->last_assignment = assignment;
    s->assigned++;
    if (partition == s->home)
        s->offset_of_home = offset;
}

static void on_revoked(void *self, const char *topic, int32_t partition, bool lost)
{
    struct seen *s = self;

    (void)partition;
    assert_string_equal(topic, topics[0]);
    assert_false(lost);
    s->revoked++;
}

static struct consumer *open_consumer(struct seen *seen, const char *group, bool by_partition)
{
    static const struct consumer_events events = {on_assigned, on_revoked};
    const struct consumer_options o = {.group = group,
        .topics = topics,
        .topic_count = 1,
        .by_partition = by_partition,
        .events = &events,
        .self = seen};
    struct error e;

    error_clear(&e);
    struct consumer *c = consumer_open(&settings, "test", &o, &e);
    assert_non_null(c);
    return c;
}

static struct bus_record next(struct consumer *c)
{
    struct bus_record r;
    int64_t until = clock_boot_ms() + LIMIT_MS;

    while (!consumer_poll(c, 100, &r)) {
        if (clock_boot_ms() > until)
            fail_msg("no record came");
    }
    return r;
}

static void records_come_back_as_they_were_sent(void **state)
{
    struct producer *p = open_producer();
    struct seen seen = {.home = producer_partition_of(p, topics[0], BYTES("ide/ann"))};
    struct consumer *c = open_consumer(&seen, "round-trip", false);
    int delivered = 0;

    (void)state;
    send_record(p, BYTES("ide/ann"), BYTES("one"), &delivered);
    send_record(p, BYTES("ide/ann"), (struct bytes){"", 0}, &delivered);
    send_record(p, BYTES("ide/ann"), BYTES_NONE, &delivered);
    flush(p);
    assert_int_equal(delivered, 3);

    struct bus_record r = next(c);
    assert_int_equal(seen.assigned, PARTITIONS);
    assert_int_equal(seen.offset_of_home, 0);
    assert_int_equal(r.partition, seen.home);
    assert_int_equal(r.offset, 0);
    assert_string_equal(r.topic, topics[0]);
    assert_true(bytes_equal_text(r.key, "ide/ann"));
    assert_true(bytes_equal_text(r.value, "one"));
    assert_int_equal(r.header_count, 2);
    assert_true(bytes_equal_text(bus_record_header(&r, "job"), "j2"));
    assert_null(bus_record_header(&r, "none").data);
    consumer_release(c, &r);
    r = next(c);
    assert_non_null(r.value.data);
    assert_int_equal(r.value.len, 0);
    consumer_release(c, &r);
    r = next(c);
    assert_null(r.value.data);
    consumer_release(c, &r);

    assert_string_equal(consumer_committed_metadata(c, topics[0], seen.home), "");
    consumer_commit(c, topics[0], seen.home, 2, "run");
    consumer_commit(c, topics[0], 99, 7, "not assigned: ignored");
    assert_true(consumer_commit_wait(c, LIMIT_MS));
    consumer_close(c);
    assert_int_equal(seen.revoked, PARTITIONS);

    /* The next one of the group goes on where the commit says. */
    struct seen again = {.home = seen.home};
    c = open_consumer(&again, "round-trip", false);
    r = next(c);
    assert_int_equal(again.offset_of_home, 2);
    assert_int_equal(r.offset, 2);
    assert_string_equal(consumer_committed_metadata(c, topics[0], seen.home), "run");
    consumer_release(c, &r);
    consumer_close(c);
    producer_close(p);
}

static void partitions_can_be_read_one_by_one(void **state)
{
    struct producer *p = open_producer();
    struct seen seen = {.home = producer_partition_of(p, topics[0], BYTES("ide/bob"))};
    struct consumer *c = open_consumer(&seen, "by-partition", true);
    int64_t until = clock_boot_ms() + LIMIT_MS;
    int delivered = 0;
    struct bus_record r;

    (void)state;
    send_record(p, BYTES("ide/bob"), BYTES("mine"), &delivered);
    flush(p);
    bool found = false;
    while (!found && clock_boot_ms() < until) {
        assert_false(consumer_poll(c, 20, &r));
        while (!found && consumer_next_of(c, seen.home, &r)) {
            found = bytes_equal_text(r.value, "mine");
            consumer_release(c, &r);
        }
    }
    assert_true(found);
    consumer_close(c);
    producer_close(p);
}

/* ---- refusals ---- */

static void a_record_that_is_too_large_is_refused_at_once(void **state)
{
    struct producer *p = open_producer();
    const size_t size = 13 * 1024 * 1024;
    char *huge = calloc(1, size);
    struct error e;

    (void)state;
    assert_non_null(huge);
    error_clear(&e);
    const struct bus_message m = {.topic = topics[0], .partition = -1, .value = {huge, size}};
    assert_false(producer_send(p, &m, NULL, NULL, &e));
    assert_string_equal(e.code, "too_large");
    assert_int_equal(producer_pending(p), 0);
    free(huge);
    producer_close(p);
}

static void count_failure(void *self, const struct error *failure)
{
    assert_non_null(failure);
    assert_string_equal(failure->code, "not_delivered");
    (*(int *)self)++;
}

static void what_is_dropped_is_told(void **state)
{
    static struct config_pair away[] = {{"reconnect.backoff.max.ms", "100"}};
    const struct bus_settings nobody = {
        .brokers = "127.0.0.1:1", .topic_prefix = "", .session_timeout_ms = 2000, .kafka = {away, 1}};
    int64_t until = clock_boot_ms() + LIMIT_MS;
    int failed = 0;
    struct error e;

    (void)state;
    error_clear(&e);
    struct producer *p = producer_open(&nobody, "test", &e);
    assert_non_null(p);
    const struct bus_message m = {.topic = topics[0], .partition = -1, .value = {"x", 1}};
    assert_true(producer_send(p, &m, count_failure, &failed, &e));
    while (!producer_is_away(p) && clock_boot_ms() < until)
        producer_poll(p, 100);
    assert_true(producer_is_away(p));
    assert_int_equal(producer_pending(p), 1);
    producer_drop(p);
    assert_int_equal(failed, 1);
    assert_int_equal(producer_pending(p), 0);
    producer_close(p);
}

static void a_setting_that_kafka_does_not_know_is_refused(void **state)
{
    static struct config_pair wrong[] = {{"no.such.thing", "1"}};
    struct bus_settings bad = settings;
    struct error e;

    (void)state;
    bad.kafka = (struct config_pairs){wrong, 1};
    error_clear(&e);
    assert_null(producer_open(&bad, "test", &e));
    assert_string_equal(e.code, "bad_setting");
    assert_non_null(strstr(e.text, "kafka.no.such.thing=1"));
}

/* ---- the mock ---- */

static int set_up(void **state)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    (void)state;
    log_init("test", LOG_ERROR);
    mock_handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (mock_handle == NULL)
        return -1;
    mock = rd_kafka_mock_cluster_new(mock_handle, 1);
    if (mock == NULL ||
        rd_kafka_mock_topic_create(mock, topics[0], PARTITIONS, 1) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    settings = (struct bus_settings){.brokers = rd_kafka_mock_cluster_bootstraps(mock),
        .topic_prefix = "",
        .session_timeout_ms = 4000, /* the mock answers the first join after 3 s */
        .kafka = {pairs, 1}};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(mock_handle);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_java_where_a_key_belongs),
        cmocka_unit_test(records_come_back_as_they_were_sent),
        cmocka_unit_test(partitions_can_be_read_one_by_one),
        cmocka_unit_test(a_record_that_is_too_large_is_refused_at_once),
        cmocka_unit_test(what_is_dropped_is_told),
        cmocka_unit_test(a_setting_that_kafka_does_not_know_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
