/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer_group: what consumer.c (open, read, close) and consumer_group.c (partitions come and go, commits) share. Private to
 * the library bus.
 *
 * One slot per assigned partition holds what belongs to that very assignment: its number, where reading stands, what is to be
 * committed, and (by_partition) its queue. A record or a commit without a slot belongs to an assignment that is over, and is
 * dropped.
 */
#ifndef MILLRACE_CORE_CONSUMER_GROUP_H
#define MILLRACE_CORE_CONSUMER_GROUP_H

#include "core/bus_client.h"

enum {
    ASK_MS = 2000,     /* one question for committed offsets or watermarks */
    ASK_PAUSE_MS = 100 /* between two of them */
};

struct slot {
    const char *topic; /* without prefix; the consumer's own copy */
    int32_t partition;
    int64_t assignment;
    int64_t position; /* next record to read */
    bool read_any;
    char *committed_metadata;
    rd_kafka_queue_t *queue; /* by_partition */
    /* commits */
    bool dirty;
    int64_t commit_offset;
    char *commit_metadata;
};

struct consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue, *commits;
    char *prefix, *group;
    char **topics;
    size_t topic_count;
    bool by_partition;
    const struct consumer_events *events;
    void *self;
    const volatile int *stop;
    int fd;
    struct slot *slots;
    size_t slot_count;
    int64_t assignments;
    size_t dirty_count;
    bool commit_in_flight;
    int assigns_awaited;       /* until rejoining is over */
    bool failed;               /* the last commit did, in part */
    int64_t commit_not_before; /* boot ms */
    int64_t
        rejoining_until; /* boot ms: commits stand back; one that meets a rebalance may cost the assignment */
    bool leaving;        /* takes no partitions any more */
    bool closing;
    struct asking *asking; /* by_partition: the question for offsets that is out, or NULL */
    bool asking_stale;     /* its answer is not wanted any more */
    rd_kafka_topic_partition_list_t *revoking; /* told to the owner, and not yet given back; else NULL */
    int64_t revoke_until;                      /* boot ms */
    rd_kafka_topic_partition_list_t *pending;  /* assigned, but its offsets are not known yet; else NULL */
    int64_t ask_again;                         /* boot ms: for them */
    bool in_group;                             /* not a follower */
    char *member;                              /* our id in the group, NULL before the first assignment */
    struct consumer *left_open;                /* the next one that could not be closed */
    int64_t said_ms;
};

bool consumer_asked_to_stop(const struct consumer *c);
/* The consumer's own copy of a topic's name, by the full name; NULL: not one of ours. */
const char *consumer_topic(const struct consumer *c, const char *full);
struct slot *slot_find(struct consumer *c, const char *topic, int32_t partition);
struct slot *slot_add(struct consumer *c, const char *topic, int32_t partition);
void slots_release(struct consumer *c);

/* librdkafka's rebalance callback; the opaque is the consumer. */
void consumer_rebalance(
    rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque);
/* Takes an assignment whose offsets were not told when it came (asks for up to ASK_MS, and not at every call; by_partition: a thread
 * asks), and gives back what was revoked once its commits are answered. */
void consumer_serve_assignment(struct consumer *c);
/* Waits for a question that is out: up to twice ASK_MS. */
void consumer_end_asking(struct consumer *c);
/* Takes answers to commits, sends what is due. */
void consumer_serve_commits(struct consumer *c);

#endif
