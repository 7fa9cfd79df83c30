/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: bus */
/*
 * A reader and its group when Kafka does not play along.
 *
 * It may be closed at any moment, also between joining its group and its first assignment. librdkafka before 2.3 aborts there
 * (its issue 4312), and a process that is stopped while its group finds an assignment would die instead of ending well. And an
 * assignment whose offsets are not told keeps nobody's loop from turning.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/bus.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    PARTITIONS = 4,
    OFFSET_FETCH = 9, /* the request for committed offsets */
    SYNC_GROUP = 14,  /* the request that brings the assignment */
    REFUSALS = 50,
    JOINED_MS = 5000, /* the mock answers the first join after 3 s */
    BOUND_MS = 10000
};

static rd_kafka_t *handle;
static rd_kafka_mock_cluster_t *mock;
static const char *const topics[] = {"jobs.submitted"};
static struct config_pair pairs[] = {{"fetch.wait.max.ms", "10"}};

struct seen {
    int assigned;
};

static void on_assigned(void *self, const char *topic, int32_t partition, int64_t assignment, int64_t offset)
{
    struct seen *s = self;

    (void)topic;
    (void)partition;
    (void)assignment;
    assert_int_equal(offset, 0);
    s->assigned++;
}

static struct consumer *open_reader(const char *group, struct seen *seen)
{
    static const struct consumer_events events = {.assigned = on_assigned};
    const struct bus_settings s = {.brokers = rd_kafka_mock_cluster_bootstraps(mock),
        .topic_prefix = "",
        .session_timeout_ms = 6000,
        .kafka = {pairs, 1}};
    const struct consumer_options o = {.group = group,
        .topics = topics,
        .topic_count = 1,
        .events = seen != NULL ? &events : NULL,
        .self = seen};
    struct error e;

    error_clear(&e);
    struct consumer *c = consumer_open(&s, "test", &o, &e);
    assert_non_null(c);
    return c;
}

static void poll_for(struct consumer *c, int64_t ms)
{
    int64_t until = clock_boot_ms() + ms;
    struct bus_record none;

    while (clock_boot_ms() < until)
        assert_false(consumer_poll(c, 50, &none));
}

static void close_in_time(struct consumer *c)
{
    int64_t began = clock_boot_ms();

    consumer_close(c);
    int64_t took = clock_boot_ms() - began;
    printf("closed after %lld ms (bound %d)\n", (long long)took, BOUND_MS);
    assert_true(took <= 5 * BOUND_MS);
}

/* It has joined, but every answer that would bring its assignment is a refusal. */
static void a_reader_that_waits_for_its_assignment_can_be_closed(void **state)
{
    struct consumer *c = open_reader("waits", NULL);

    (void)state;
    for (int i = 0; i < REFUSALS; i++)
        rd_kafka_mock_push_request_errors(mock, SYNC_GROUP, 1, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    poll_for(c, JOINED_MS);
    assert_string_equal(consumer_member_id(c), "");
    close_in_time(c);
    rd_kafka_mock_clear_request_errors(mock, SYNC_GROUP);
}

static void a_reader_that_was_just_opened_can_be_closed(void **state)
{
    (void)state;
    close_in_time(open_reader("opened", NULL));
}

static void a_reader_with_an_assignment_has_a_member_id_and_can_be_closed(void **state)
{
    struct consumer *c = open_reader("assigned", NULL);
    int64_t until = clock_boot_ms() + 5L * BOUND_MS;

    (void)state;
    while (consumer_member_id(c)[0] == '\0' && clock_boot_ms() < until)
        poll_for(c, 50);
    assert_string_not_equal(consumer_member_id(c), "");
    close_in_time(c);
}

/* It is in the group, and polls come back, though nobody tells where to read on. */
static void polls_return_while_the_committed_offsets_are_not_told(void **state)
{
    struct seen seen = {0};
    struct consumer *c = open_reader("untold", &seen);
    int64_t until = clock_boot_ms() + 5L * BOUND_MS;

    (void)state;
    for (int i = 0; i < 1000; i++)
        rd_kafka_mock_push_request_errors(mock, OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
    while (consumer_member_id(c)[0] == '\0' && clock_boot_ms() < until)
        poll_for(c, 50);
    assert_string_not_equal(consumer_member_id(c), "");
    for (int i = 0; i < 3; i++)
        poll_for(c, 50);
    assert_int_equal(seen.assigned, 0);
    rd_kafka_mock_clear_request_errors(mock, OFFSET_FETCH);
    while (seen.assigned < PARTITIONS && clock_boot_ms() < until)
        poll_for(c, 50);
    assert_int_equal(seen.assigned, PARTITIONS);
    close_in_time(c);
}

static void a_reader_that_knows_no_offsets_can_be_closed(void **state)
{
    struct seen seen = {0};
    struct consumer *c = open_reader("never-told", &seen);
    int64_t until = clock_boot_ms() + 5L * BOUND_MS;

    (void)state;
    for (int i = 0; i < 1000; i++)
        rd_kafka_mock_push_request_errors(mock, OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
    while (consumer_member_id(c)[0] == '\0' && clock_boot_ms() < until)
        poll_for(c, 50);
    close_in_time(c);
    assert_int_equal(seen.assigned, 0);
    rd_kafka_mock_clear_request_errors(mock, OFFSET_FETCH);
}

static int set_up(void **state)
{
    char why[256];

    (void)state;
    log_init("test", LOG_ERROR);
    handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof(why));
    mock = handle != NULL ? rd_kafka_mock_cluster_new(handle, 1) : NULL;
    return mock == NULL ||
           rd_kafka_mock_topic_create(mock, topics[0], PARTITIONS, 1) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int tear_down(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(handle);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_with_an_assignment_has_a_member_id_and_can_be_closed),
        cmocka_unit_test(a_reader_that_was_just_opened_can_be_closed),
        cmocka_unit_test(polls_return_while_the_committed_offsets_are_not_told),
        cmocka_unit_test(a_reader_that_knows_no_offsets_can_be_closed),
        cmocka_unit_test(a_reader_that_waits_for_its_assignment_can_be_closed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
