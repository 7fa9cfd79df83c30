/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer: see bus.h. Opening, reading, closing; what happens to partitions and offsets is in consumer_group.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/consumer_group.h"
#include "core/log.h"

enum {
    CLOSE_COMMIT_MS = 1500, /* how long close waits for commits */
    CLOSE_JOIN_MS = 3000,   /* and for the first assignment, see may_close */
    HEARTBEAT_MS =
        500 /* only by a heartbeat's answer a member learns that the group finds a new assignment */
};

static const uint64_t one = 1;

/* A record handed out: librdkafka's message and our view of its headers. */
struct held {
    rd_kafka_message_t *message;
    struct bus_header headers[];
};

/* ---- open and close ---- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)opaque;
    bus_check_fatal(rk);
    log_debug("kafka_error", "code=%s text=%s", rd_kafka_err2name((rd_kafka_resp_err_t)code),
        log_quote(bytes_of(reason)));
}

static rd_kafka_conf_t *consumer_conf(
    const struct bus_settings *s, const char *client_id, const char *group, struct error *e)
{
    char session[32];
    char heartbeat[32];
    const char *protocol = bus_user_property(s, "group.protocol");
    bool classic = protocol == NULL || strcmp(protocol, "classic") == 0;
    struct bus_property own[] = {
        {"group.id", group},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "earliest"},
        {"queued.min.messages", "10000"},
        {"queued.max.messages.kbytes", "4096"}, /* memory: what may lie here unread */
        {"fetch.message.max.bytes", "1048576"},
        {"fetch.error.backoff.ms", "100"},
        {"statistics.interval.ms", "0"},
        {NULL, NULL}, /* the classic protocol's: */
        {NULL, NULL},
        {NULL, NULL},
        {NULL, NULL},
    };
    const size_t first = sizeof(own) / sizeof(own[0]) - 4;

    if (classic) { /* the newer protocol refuses these: the broker decides */
        int64_t beat = s->session_timeout_ms / 3 < HEARTBEAT_MS ? s->session_timeout_ms / 3 : HEARTBEAT_MS;
        snprintf(session, sizeof(session), "%lld", (long long)s->session_timeout_ms);
        snprintf(heartbeat, sizeof(heartbeat), "%lld", (long long)beat);
        own[first] = (struct bus_property){"partition.assignment.strategy", "cooperative-sticky"};
        own[first + 1] = (struct bus_property){"session.timeout.ms", session};
        own[first + 2] = (struct bus_property){"heartbeat.interval.ms", heartbeat};
    }
    rd_kafka_conf_t *conf = bus_conf(s, client_id, own, e);
    if (conf !=
        NULL) { /* since 2.2; its default is a whole second without fetching after the queue was full */
        char why[128];
        rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "5", why, sizeof(why));
        rd_kafka_conf_set_error_cb(conf, on_error);
    }
    return conf;
}

static void free_consumer(struct consumer *c)
{
    slots_release(c);
    consumer_end_asking(c);
    if (c->revoking != NULL)
        rd_kafka_topic_partition_list_destroy(c->revoking);
    if (c->pending != NULL)
        rd_kafka_topic_partition_list_destroy(c->pending);
    for (size_t i = 0; i < c->topic_count; i++)
        free(c->topics[i]);
    free(c->topics);
    if (c->commits != NULL)
        rd_kafka_queue_destroy(c->commits);
    if (c->queue != NULL)
        rd_kafka_queue_destroy(c->queue);
    if (c->rk != NULL)
        rd_kafka_destroy(c->rk);
    if (c->fd >= 0)
        close(c->fd);
    free(c->prefix);
    free(c->group);
    free(c->member);
    free(c);
}

/* Everything but the subscription. */
static struct consumer *new_consumer(
    const struct bus_settings *s, const char *client_id, const struct consumer_options *o, struct error *e)
{
    struct consumer *c = bus_alloc(1, sizeof(*c));

    c->prefix = bus_copy(s->topic_prefix);
    c->group = bus_full_name(c->prefix, o->group);
    c->topics = bus_alloc(o->topic_count, sizeof(*c->topics));
    for (; c->topic_count < o->topic_count; c->topic_count++)
        c->topics[c->topic_count] = bus_copy(o->topics[c->topic_count]);
    c->by_partition = o->by_partition;
    c->events = o->events;
    c->self = o->self;
    c->stop = o->stop;
    c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->fd < 0)
        log_fatal("no_resources", "what=eventfd errno=%d", errno);
    rd_kafka_conf_t *conf = consumer_conf(s, client_id, c->group, e);
    if (conf == NULL)
        goto failed;
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_rebalance_cb(conf, consumer_rebalance);
    c->rk = bus_handle(RD_KAFKA_CONSUMER, conf, e);
    if (c->rk == NULL)
        goto failed;
    rd_kafka_poll_set_consumer(c->rk);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
    c->commits = rd_kafka_queue_new(c->rk);
    rd_kafka_queue_io_event_enable(c->queue, c->fd, &one, sizeof(one));
    rd_kafka_queue_io_event_enable(c->commits, c->fd, &one, sizeof(one));
    return c;

failed:
    free_consumer(c);
    return NULL;
}

struct consumer *consumer_open(
    const struct bus_settings *s, const char *client_id, const struct consumer_options *o, struct error *e)
{
    struct consumer *c = new_consumer(s, client_id, o, e);

    if (c == NULL)
        return NULL;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->topic_count);
    for (size_t i = 0; i < c->topic_count; i++) {
        char *full = bus_full_name(c->prefix, c->topics[i]);
        rd_kafka_topic_partition_list_add(list, full, RD_KAFKA_PARTITION_UA);
        free(full);
    }
    rd_kafka_resp_err_t err = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        error_set(e, "kafka", "subscribe: %s", rd_kafka_err2str(err));
        free_consumer(c);
        return NULL;
    }
    c->in_group = true;
    return c;
}

/* The end of every partition, as explicit offsets: what is written after this call is read. */
static rd_kafka_resp_err_t ends_of(struct consumer *c, rd_kafka_topic_partition_list_t *out)
{
    char *full = bus_full_name(c->prefix, c->topics[0]);
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(c->rk, full, NULL);
    rd_kafka_resp_err_t err = rd_kafka_metadata(c->rk, 0, handle, &md, ASK_MS);

    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = md->topic_cnt == 1 ? md->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    for (int i = 0; err == RD_KAFKA_RESP_ERR_NO_ERROR && i < md->topics[0].partition_cnt; i++) {
        int32_t partition = md->topics[0].partitions[i].id;
        int64_t low = 0;
        int64_t high = 0;
        err = rd_kafka_query_watermark_offsets(c->rk, full, partition, &low, &high, ASK_MS);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_topic_partition_list_add(out, full, partition)->offset = high;
    }
    if (md != NULL)
        rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(handle);
    free(full);
    return err;
}

struct consumer *follower_open(const struct bus_settings *s, const char *client_id, const char *topic,
    const volatile int *stop, struct error *e)
{
    struct consumer_options o = {
        .group = client_id, .topics = &topic, .topic_count = 1, .stop = stop}; /* it never commits */
    struct consumer *c = new_consumer(s, client_id, &o, e);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (c == NULL)
        return NULL;
    while (!consumer_asked_to_stop(c)) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        err = ends_of(c, list);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            for (int k = 0; k < list->cnt; k++)
                slot_add(c, c->topics[0], list->elems[k].partition)->position = list->elems[k].offset;
            err = rd_kafka_assign(c->rk, list);
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return c;
        char detail[256];
        snprintf(detail, sizeof(detail), "text=\"waiting for the ends of a topic\" topic=%s error=%s", topic,
            rd_kafka_err2name(err));
        bus_say_waiting(&c->said_ms, "waiting", detail);
        bus_pause_ms(ASK_PAUSE_MS);
    }
    error_set(e, "kafka", "can't follow %s: %s", topic, rd_kafka_err2str(err));
    free_consumer(c);
    return NULL;
}

/* Before 2.3 librdkafka aborts when a cooperative reader that has joined is closed before its first assignment (its issue
 * 4312). So that is waited for. Where none comes (Kafka is away, the group waits for somebody), the reader is left as it is:
 * its owner ends, and the kernel clears up; the group learns it from the session. */
static bool may_close(struct consumer *c)
{
    int64_t until = clock_boot_ms() + CLOSE_JOIN_MS;

    if (!c->in_group || rd_kafka_version() >= 0x02030000)
        return true;
    while (c->member == NULL && clock_boot_ms() < until) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, ASK_PAUSE_MS);
        if (m != NULL)
            rd_kafka_message_destroy(m);
        consumer_serve_assignment(c);
    }
    return c->member != NULL;
}

bool consumer_leave(struct consumer *c)
{
    /* One without an assignment is left to the close: see may_close. */
    if (c->leaving || c->member == NULL)
        return c->leaving;
    c->leaving = true;
    rd_kafka_resp_err_t err = rd_kafka_unsubscribe(c->rk);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_warn("not_left", "group=%s error=%s", c->group, rd_kafka_err2name(err));
    return true;
}

void consumer_close(struct consumer *c)
{
    if (c == NULL)
        return;
    c->leaving = c->closing = true;
    if (!consumer_commit_wait(c, CLOSE_COMMIT_MS))
        log_warn("commit_unanswered", "group=%s", c->group);
    consumer_serve_assignment(c);
    if (!may_close(c)) {
        static struct consumer *left_open; /* so that they stay reachable: they are no leak */
        log_info("not_closed", "group=%s reason=\"it never had an assignment\"", c->group);
        c->left_open = left_open;
        left_open = c;
        return;
    }
    rd_kafka_consumer_close(c->rk);
    free_consumer(c);
}

/* ---- reading ---- */

/* First record after an assignment: did retention take what lay before it? */
static void check_gap(const struct consumer *c, const struct slot *s, int64_t offset)
{
    if (offset > s->position)
        log_error("records_lost", "group=%s topic=%s partition=%d expected=%lld found=%lld", c->group,
            s->topic, (int)s->partition, (long long)s->position, (long long)offset);
}

static bool fill_record(struct consumer *c, rd_kafka_message_t *m, struct bus_record *out)
{
    rd_kafka_headers_t *headers = NULL;
    const char *topic = consumer_topic(c, rd_kafka_topic_name(m->rkt));
    struct slot *s = topic ? slot_find(c, topic, m->partition) : NULL;

    if (s == NULL) { /* an assignment that is over */
        rd_kafka_message_destroy(m);
        return false;
    }
    if (!s->read_any)
        check_gap(c, s, m->offset);
    s->read_any = true;
    s->position = m->offset + 1;
    size_t count = rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR
                       ? rd_kafka_header_cnt(headers)
                       : 0;
    struct held *held = bus_alloc(1, sizeof(*held) + count * sizeof(held->headers[0]));
    held->message = m;
    for (size_t i = 0; i < count; i++) {
        const char *name = NULL;
        const void *value = NULL;
        size_t size = 0;
        rd_kafka_header_get_all(headers, i, &name, &value, &size);
        held->headers[i] = (struct bus_header){bytes_of(name), {value, size}};
    }
    *out = (struct bus_record){
        .topic = topic,
        .partition = m->partition,
        .offset = m->offset,
        .timestamp = rd_kafka_message_timestamp(m, NULL),
        .key = {m->key, m->key_len},
        .value = {m->payload, m->len},
        .headers = held->headers,
        .header_count = count,
        .message = held,
    };
    return true;
}

/* Takes m. True: *out is a record. */
static bool take_message(struct consumer *c, rd_kafka_message_t *m, struct bus_record *out)
{
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return fill_record(c, m, out);
    bus_check_fatal(c->rk);
    if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        char detail[512];
        snprintf(detail, sizeof(detail), "group=%s topic=%s code=%s text=%s", c->group,
            m->rkt ? rd_kafka_topic_name(m->rkt) : "-", rd_kafka_err2name(m->err),
            log_quote(bytes_of(rd_kafka_message_errstr(m))));
        bus_say_waiting(&c->said_ms, "kafka_trouble", detail);
    }
    rd_kafka_message_destroy(m);
    return false;
}

bool consumer_poll(struct consumer *c, int timeout_ms, struct bus_record *out)
{
    uint64_t drained;
    int64_t until = timeout_ms > 0 ? clock_boot_ms() + timeout_ms : 0;

    if (read(c->fd, &drained, sizeof(drained)) < 0)
        drained = 0; /* nothing was signalled */
    consumer_serve_assignment(c);
    consumer_serve_commits(c);
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, timeout_ms);
        if (m != NULL && take_message(c, m, out)) {
            MUST(!c->by_partition);
            return true;
        }
        if (m == NULL && timeout_ms <= 0)
            return false;
        if (timeout_ms > 0) { /* not a record: an error or an old one; the rest of the time is still ours */
            int64_t left = until - clock_boot_ms();
            if (left <= 0)
                return false;
            timeout_ms = (int)left;
        }
        if (m == NULL) /* a rebalance was served, or the time is over */
            consumer_serve_commits(c);
    }
}

bool consumer_next_of(struct consumer *c, int32_t partition, struct bus_record *out)
{
    for (size_t i = 0; i < c->slot_count; i++) {
        if (c->slots[i].partition != partition)
            continue;
        /* What is no record (an error, one of an assignment that is over) must not hide the records behind it: nobody would
         * be told of those again. */
        rd_kafka_message_t *m;
        while ((m = rd_kafka_consume_queue(c->slots[i].queue, 0)) != NULL)
            if (take_message(c, m, out))
                return true;
        return false;
    }
    return false;
}

int consumer_fd(struct consumer *c)
{
    return c->fd;
}

void consumer_release(struct consumer *c, struct bus_record *r)
{
    struct held *held = r->message;

    (void)c;
    if (held == NULL)
        return;
    rd_kafka_message_destroy(held->message);
    free(held);
    r->message = NULL;
}

struct bytes bus_record_header(const struct bus_record *r, const char *name)
{
    struct bytes value = BYTES_NONE;

    for (size_t i = 0; i < r->header_count; i++) {
        if (bytes_equal_text(r->headers[i].name, name))
            value = r->headers[i].value;
    }
    return value;
}

const char *consumer_committed_metadata(struct consumer *c, const char *topic, int32_t partition)
{
    const struct slot *s = slot_find(c, topic, partition);
    return s != NULL && s->committed_metadata != NULL ? s->committed_metadata : "";
}

bool consumer_is_lost(const struct consumer *c)
{
    return rd_kafka_assignment_lost(c->rk) != 0;
}

const char *consumer_member_id(const struct consumer *c)
{
    return c->member != NULL ? c->member : "";
}

int64_t consumer_lag(struct consumer *c)
{
    int64_t lag = 0;

    for (size_t i = 0; i < c->slot_count; i++) {
        const struct slot *s = &c->slots[i];
        int64_t low = 0;
        int64_t high = 0;
        char *full = bus_full_name(c->prefix, s->topic);
        rd_kafka_resp_err_t err = rd_kafka_get_watermark_offsets(c->rk, full, s->partition, &low, &high);
        free(full);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR && high > s->position)
            lag += high - s->position;
    }
    return lag;
}
