/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus: Kafka, through librdkafka. A producer, a consumer in a group, a follower of a whole topic, the table of topics.
 *
 * What is promised: a record that was sent is delivered or its callback says why not; records of one key arrive in the
 * order they were sent, once, per producer instance (idempotent, acks=all, no time limit). A producer or consumer that
 * meets a fatal error ends the process (log_fatal): nothing was committed, a restart recovers.
 *
 * Threads: each object is used by one thread (its callbacks run inside its own poll calls), except producer_send and
 * producer_is_away, which any thread may call.
 */
#ifndef MILLRACE_CORE_BUS_H
#define MILLRACE_CORE_BUS_H

#include "core/bytes.h"
#include "core/config.h"
#include "core/error.h"

struct bus_settings {
    const char *brokers;        /* kafka.brokers, "127.0.0.1:9092" */
    const char *topic_prefix;   /* before all topic names */
    int64_t session_timeout_ms; /* kafka.session_timeout */
    struct config_pairs kafka;  /* kafka.*: passed to librdkafka as they are, last word */
};
/* Rows for a program's settings table; `base` is the offset of its struct bus_settings. */
#define BUS_SETTINGS(type, member)                                                                           \
    {"kafka.brokers", SETTING_TEXT, offsetof(type, member.brokers), "127.0.0.1:9092", 0, 0,                  \
        "Kafka's addresses, host:port, with commas between"},                                                \
        {"topic_prefix", SETTING_TEXT, offsetof(type, member.topic_prefix), "", 0, 64,                       \
            "goes before all topic names"},                                                                  \
        {"kafka.session_timeout", SETTING_MS, offsetof(type, member.session_timeout_ms), "10s", 1000,        \
            300000, "after this long without a heartbeat a consumer's partitions go to others"},             \
    {                                                                                                        \
        "kafka.", SETTING_PASS, offsetof(type, member.kafka), "", 0, 0,                                      \
            "any other setting of librdkafka, e.g. kafka.security.protocol"                                  \
    }

/* ---- topics: one table ---- */
struct bus_topic {
    const char *name; /* without prefix */
    int64_t retention_ms;
    int64_t max_message_bytes;
    const char *help;
};
extern const struct bus_topic bus_topics[]; /* ends with name NULL */
/* Creates what is missing and checks the rest (partition count, retention, LogAppendTime); waits until leaders exist.
 * `pools`: comma-separated; "default" is jobs.planned, any other name is jobs.planned.<pool>. For each topic one line to
 * `report` (created, or exists, or what differs). Idempotent. */
bool bus_topics_create(const struct bus_settings *s, const char *pools, int partitions, int replication,
    int64_t timeout_ms, struct buf *report, struct error *e);
/* jobs.planned, or jobs.planned.<pool>, without prefix. */
void bus_planned_topic(const char *pool, struct buf *out);

/* ---- records in ---- */
struct bus_header {
    struct bytes name, value;
};
struct bus_record {
    const char *topic; /* without prefix */
    int32_t partition;
    int64_t offset;
    int64_t timestamp;       /* the broker's, UTC ms */
    struct bytes key, value; /* value.data NULL: a null value */
    const struct bus_header *headers;
    size_t header_count;
    void *message; /* private to consumer.c */
};
struct bytes bus_record_header(
    const struct bus_record *r, const char *name); /* BYTES_NONE if absent; the last wins */

/* ---- producer ---- */
struct producer;
struct producer *producer_open(const struct bus_settings *s, const char *client_id, struct error *e);
/* Flushes for up to 10 s, then closes. */
void producer_close(struct producer *p);
/* Gives up on all records that wait (callbacks get a failure): for an end while Kafka is away. Then close. */
void producer_drop(struct producer *p);

struct bus_message {
    const char *topic; /* without prefix */
    int32_t partition; /* -1: by key */
    struct bytes key, value;
    const struct bus_header *headers;
    size_t header_count;
};
/* Called in producer_poll's thread. failure NULL: acknowledged. Failures are final for that record (too large, topic
 * gone, purged at close): outages are waited out and not reported. */
typedef void bus_delivered(void *self, const struct error *failure);
/* Copies key, value and headers. When the local queue is full it polls until there is room. `done` may be NULL. False
 * (and no callback): the record can't be sent at all; e says why (code too_large, unknown_topic). */
bool producer_send(
    struct producer *p, const struct bus_message *m, bus_delivered *done, void *self, struct error *e);
/* Serves delivery reports; returns how many. timeout_ms -1: until one arrives. */
int producer_poll(struct producer *p, int timeout_ms);
/* An eventfd-like descriptor, readable when producer_poll has work (for epoll loops). Drained by producer_poll. */
int producer_fd(struct producer *p);
/* Records sent and not yet reported. */
size_t producer_pending(struct producer *p);
/* True when all brokers are known to be down now (ingest refuses early). */
bool producer_is_away(struct producer *p);
/* Where the key belongs (murmur2, as Java's default partitioner), or -1 while the topic's partition count is unknown. */
int32_t producer_partition_of(struct producer *p, const char *topic, struct bytes key);
/* Fetches the metadata of topics so that the first send does not wait; blocks until known, logging that it waits. False
 * when `*stop` becomes true. */
bool producer_warm(struct producer *p, const char *const *topics, size_t count, const volatile int *stop);

/* ---- consumer ---- */
struct consumer;

/* For readers that keep state by partition (the executor). All run inside consumer_poll/consumer_close. */
struct consumer_events {
    /* `assignment` rises by one with every assignment of any partition of this consumer: tag what you keep. `offset`: the
     * committed offset (or the earliest, when none is committed), fetched before this call; reading starts exactly there. */
    void (*assigned)(void *self, const char *topic, int32_t partition, int64_t assignment, int64_t offset);
    /* `lost`: the group has already given it away; don't commit. */
    void (*revoked)(void *self, const char *topic, int32_t partition, bool lost);
};
struct consumer_options {
    const char *group;         /* consumer group id, without prefix (the prefix is put before it) */
    const char *const *topics; /* without prefix */
    size_t topic_count;
    bool
        by_partition; /* records are read with consumer_next_of only: not reading a partition is its backpressure */
    const struct consumer_events *events; /* NULL: none */
    void *self;
    const volatile int *stop; /* may be NULL; ends the wait for committed offsets at assignment */
};
struct consumer *consumer_open(
    const struct bus_settings *s, const char *client_id, const struct consumer_options *o, struct error *e);
/* Leaves the group: `revoked` is called for all partitions by the next polls. Nothing comes any more; what was taken may still be released.
 * True: it has left or does; false: not yet, it has just joined. Never waits. */
bool consumer_leave(struct consumer *c);
/* Leaves the group (revoked is called for all partitions), closes. */
void consumer_close(struct consumer *c);
/* Next record of any partition, waiting up to timeout_ms; serves rebalances. True: *out is filled, borrowed until
 * consumer_release. With by_partition: serves rebalances and errors only, always false. */
bool consumer_poll(struct consumer *c, int timeout_ms, struct bus_record *out);
/* by_partition: next prefetched record of that partition, never waits. */
bool consumer_next_of(struct consumer *c, int32_t partition, struct bus_record *out);
/* Readable when consumer_poll or consumer_next_of may have something new; cleared by consumer_poll. It is signalled when a
 * queue stops being empty: records that you left in a partition's queue are not told again. */
int consumer_fd(struct consumer *c);
/* Frees a record's memory. */
void consumer_release(struct consumer *c, struct bus_record *r);
/* Commits `offset` (the next one to read) of a partition with metadata text (may be ""), asynchronously: it goes out with
 * the next consumer_poll or consumer_commit_wait, one request for all partitions, one request at a time; failures are
 * logged and repeated. Ignored when the partition is not assigned any more. */
void consumer_commit(
    struct consumer *c, const char *topic, int32_t partition, int64_t offset, const char *metadata);
/* Sends what is to be committed unless a commit is under way, or has just failed. True: all are answered. Never waits; consumer_fd tells when to
 * look again. */
bool consumer_commit_soon(struct consumer *c);
/* Waits until all commits are answered, up to timeout_ms. */
bool consumer_commit_wait(struct consumer *c, int timeout_ms);
/* The metadata text of the committed offset as it was at assignment ("" if none); arena-free, valid until revoked. */
const char *consumer_committed_metadata(struct consumer *c, const char *topic, int32_t partition);
/* Age-free lag: sum over assigned partitions of (high watermark - position). */
int64_t consumer_lag(struct consumer *c);
/* Has the group given this reader's partitions to others (or nobody) because it was not heard of? Known before consumer_poll
 * tells `revoked`; nothing can be committed then, and only polling leads on. */
bool consumer_is_lost(const struct consumer *c);
/* The group's name for this reader, as of its last assignment (also of an empty one); "" before. Cheap; valid until the next
 * consumer_poll. With it others can say that this reader has left, see core/bus_leave.h. */
const char *consumer_member_id(const struct consumer *c);

/* Follows all partitions of a topic from its end, without a group (jobs.control). Same reading calls. Waits until Kafka has
 * told the ends, and says so; NULL also when *stop is set meanwhile. */
struct consumer *follower_open(const struct bus_settings *s, const char *client_id, const char *topic,
    const volatile int *stop, struct error *e);

#endif
