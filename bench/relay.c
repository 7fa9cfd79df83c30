/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay: the floor of the bench. Copies every record of one topic to the next one, key and value, and does
 * nothing else: what a stage would cost that had no work. Three of these and four topics are the way of a job
 * with nothing between.
 *
 *     relay BROKERS FROM TO
 *
 * Plain librdkafka with the settings that the stages use (idempotent, acks=all, linger 0), on purpose without
 * our own library: the floor must not move when the library does. It takes whatever is there, up to a batch,
 * sends it, waits for all delivery reports, commits: the same order of things as in a stage. Says "ready" on
 * stdout once it reads; ends by SIGTERM.
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MOST = 1000, PARTITIONS_MOST = 256 };

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static _Noreturn void fail(const char *what, const char *why)
{
    fprintf(stderr, "relay: %s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        fail(name, why);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    size_t *open = opaque;
    (void)rk;
    if (m->err)
        fail("delivery", rd_kafka_err2str(m->err));
    (*open)--;
}

static rd_kafka_t *producer_new(const char *brokers, size_t *open)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "0");
    set(conf, "socket.nagle.disable", "true");
    set(conf, "partitioner", "murmur2_random");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, open);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk)
        fail("producer", why);
    return rk;
}

static rd_kafka_t *consumer_new(const char *brokers, const char *group)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "group.id", group);
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "socket.nagle.disable", "true");
    set(conf, "partition.assignment.strategy", "cooperative-sticky");
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!rk)
        fail("consumer", why);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

static void subscribe(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (err)
        fail("subscribe", rd_kafka_err2str(err));
}

static bool is_assigned(rd_kafka_t *consumer)
{
    rd_kafka_topic_partition_list_t *parts = NULL;
    bool assigned = rd_kafka_assignment(consumer, &parts) == RD_KAFKA_RESP_ERR_NO_ERROR && parts->cnt > 0;
    if (parts)
        rd_kafka_topic_partition_list_destroy(parts);
    return assigned;
}

static void send_on(rd_kafka_t *producer, const char *to, const rd_kafka_message_t *m)
{
    rd_kafka_vu_t args[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = to},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {m->key, m->key_len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {m->payload, m->len}},
    };
    rd_kafka_error_t *e = rd_kafka_produceva(producer, args, sizeof args / sizeof *args);
    if (e)
        fail("produce", rd_kafka_error_string(e));
}

struct reach {
    int64_t next[PARTITIONS_MOST]; /* offset to commit, 0: nothing of this partition in the batch */
};

static void commit(rd_kafka_t *consumer, const char *from, const struct reach *reach)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(PARTITIONS_MOST);
    for (int p = 0; p < PARTITIONS_MOST; p++)
        if (reach->next[p] > 0)
            rd_kafka_topic_partition_list_add(offsets, from, p)->offset = reach->next[p];
    (void)rd_kafka_commit(consumer, offsets, 1); /* asynchronous */
    rd_kafka_topic_partition_list_destroy(offsets);
}

/* Takes what is there, up to a batch; waits only for the first record. */
static size_t relay_batch(
    rd_kafka_t *consumer, rd_kafka_t *producer, const char *to, struct reach *reach, size_t *open)
{
    size_t count = 0;
    rd_kafka_message_t *m;
    while (count < BATCH_MOST && (m = rd_kafka_consumer_poll(consumer, count ? 0 : 100)) != NULL) {
        if (!m->err && m->partition < PARTITIONS_MOST) {
            (*open)++;
            send_on(producer, to, m);
            reach->next[m->partition] = m->offset + 1;
            count++;
        }
        rd_kafka_message_destroy(m);
    }
    return count;
}

int main(int argc, char **argv)
{
    size_t open = 0;
    bool told = false;
    if (argc != 4) {
        fprintf(stderr, "usage: relay BROKERS FROM TO\n");
        return 2;
    }
    const char *brokers = argv[1], *from = argv[2], *to = argv[3];
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    rd_kafka_t *producer = producer_new(brokers, &open);
    rd_kafka_t *consumer = consumer_new(brokers, from);
    subscribe(consumer, from);
    while (!stop) {
        struct reach reach = {{0}};
        size_t count = relay_batch(consumer, producer, to, &reach, &open);
        while (open > 0 && !stop)
            rd_kafka_poll(producer, 100);
        if (count > 0 && !stop)
            commit(consumer, from, &reach);
        if (!told && is_assigned(consumer)) {
            told = true;
            printf("ready\n");
            fflush(stdout);
        }
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    return 0;
}
