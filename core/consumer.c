/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer: see bus.h. One slot per assigned partition holds what belongs to that very assignment: its
 * number, where reading stands, what is to be committed, and (by_partition) its queue. A record or a commit
 * without a slot belongs to an assignment that is over, and is dropped.
 *
 * At assignment the committed offsets are read first and handed to librdkafka explicitly, so that our view of
 * where reading starts is the true one. Commits are gathered: one request carries all partitions, and the
 * next goes out when it is answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/bus_client.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    ASK_MS = 2000,          /* one question for committed offsets or watermarks */
    ASK_PAUSE_MS = 100,     /* between two of them */
    COMMIT_EVERY_MS = 50,   /* least time between two commits; costs repeats after a crash, no latency */
    COMMIT_AGAIN_MS = 1000, /* after a commit that failed */
    REJOIN_MS = 10000,      /* how long commits stand back at most while the group finds its new assignment */
    CLOSE_COMMIT_MS = 1500, /* how long close waits for commits */
    REVOKE_COMMIT_MS = 1000 /* how long a partition that goes away waits for its last commit */
};

static const uint64_t one = 1;

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
        rejoining_until; /* boot ms; a commit that meets a rebalance may cost the assignment (librdkafka before 2.10) */
    bool leaving;
    int64_t said_ms;
};

/* A record handed out: librdkafka's message and our view of its headers. */
struct held {
    rd_kafka_message_t *message;
    struct bus_header headers[];
};

/* ---- slots ---- */

static const char *own_topic(const struct consumer *c, const char *full)
{
    size_t prefix = strlen(c->prefix);

    for (size_t i = 0; i < c->topic_count; i++) {
        if (strncmp(full, c->prefix, prefix) == 0 && strcmp(c->topics[i], full + prefix) == 0)
            return c->topics[i];
    }
    return NULL;
}

static struct slot *find_slot(struct consumer *c, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < c->slot_count; i++) {
        if (c->slots[i].partition == partition && strcmp(c->slots[i].topic, topic) == 0)
            return &c->slots[i];
    }
    return NULL;
}

static void release_slot(struct slot *s)
{
    free(s->committed_metadata);
    free(s->commit_metadata);
    if (s->queue != NULL)
        rd_kafka_queue_destroy(s->queue);
}

static void remove_slot(struct consumer *c, struct slot *s)
{
    c->dirty_count -= s->dirty ? 1 : 0;
    release_slot(s);
    *s = c->slots[--c->slot_count];
}

static struct slot *add_slot(struct consumer *c, const char *topic, int32_t partition)
{
    struct slot *old = find_slot(c, topic, partition);

    if (old != NULL)
        remove_slot(c, old);
    struct slot *grown = realloc(c->slots, (c->slot_count + 1) * sizeof(*grown));
    if (grown == NULL)
        log_fatal("out_of_memory", "what=partitions");
    c->slots = grown;
    struct slot *s = &c->slots[c->slot_count++];
    *s = (struct slot){.topic = topic, .partition = partition, .assignment = ++c->assignments};
    return s;
}

/* ---- commits ---- */

static void on_committed(
    rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    struct consumer *c = opaque;

    (void)rk;
    c->commit_in_flight = false;
    c->failed = false;
    for (int i = 0; offsets != NULL && i < offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *o = &offsets->elems[i];
        rd_kafka_resp_err_t code = err != RD_KAFKA_RESP_ERR_NO_ERROR ? err : o->err;
        const char *topic = own_topic(c, o->topic);
        struct slot *s = topic ? find_slot(c, topic, o->partition) : NULL;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || s == NULL)
            continue;
        log_warn("commit_failed", "topic=%s partition=%d offset=%lld code=%s", topic, (int)o->partition,
            (long long)o->offset, rd_kafka_err2name(code));
        c->failed = true;
        /* Between the group's answers to join and sync it takes no commits; that is over in a moment. */
        c->commit_not_before =
            clock_boot_ms() +
            (code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ? COMMIT_EVERY_MS : COMMIT_AGAIN_MS);
        if (!s->dirty && s->commit_metadata != NULL) { /* nothing newer: this one again */
            s->dirty = true;
            c->dirty_count++;
        }
    }
}

static void send_commits(struct consumer *c)
{
    if (c->dirty_count == 0 || c->commit_in_flight)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->dirty_count);
    for (size_t i = 0; i < c->slot_count; i++) {
        struct slot *s = &c->slots[i];
        if (!s->dirty)
            continue;
        char *full = bus_full_name(c->prefix, s->topic);
        rd_kafka_topic_partition_t *o = rd_kafka_topic_partition_list_add(list, full, s->partition);
        free(full);
        o->offset = s->commit_offset;
        o->metadata = bus_copy(s->commit_metadata); /* freed with the list */
        o->metadata_size = strlen(s->commit_metadata);
        s->dirty = false;
    }
    c->dirty_count = 0;
    c->commit_in_flight = true;
    c->commit_not_before = clock_boot_ms() + COMMIT_EVERY_MS;
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(c->rk, list, c->commits, on_committed, c);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        on_committed(c->rk, err, list, c);
    rd_kafka_topic_partition_list_destroy(list);
}

static void serve_commits(struct consumer *c)
{
    rd_kafka_queue_poll_callback(c->commits, 0);
    if (c->dirty_count == 0)
        return;
    int64_t now = clock_boot_ms();
    if (now >= c->commit_not_before && now >= c->rejoining_until)
        send_commits(c);
}

void consumer_commit(
    struct consumer *c, const char *topic, int32_t partition, int64_t offset, const char *metadata)
{
    struct slot *s = find_slot(c, topic, partition);

    if (s == NULL)
        return;
    if (!s->dirty)
        c->dirty_count++;
    s->dirty = true;
    s->commit_offset = offset;
    if (s->commit_metadata == NULL || strcmp(s->commit_metadata, metadata) != 0) {
        free(s->commit_metadata);
        s->commit_metadata = bus_copy(metadata);
    }
}

bool consumer_commit_wait(struct consumer *c, int timeout_ms)
{
    int64_t until = clock_boot_ms() + timeout_ms;

    c->commit_not_before = 0; /* now; only what fails in here waits before it is repeated */
    for (;;) {
        int64_t now = clock_boot_ms();
        if (now >= c->commit_not_before || !c->failed)
            send_commits(c);
        if (!c->commit_in_flight && c->dirty_count == 0)
            return true;
        int64_t left = until - now;
        if (left <= 0)
            return false;
        if (!c->commit_in_flight && left > COMMIT_EVERY_MS)
            left = COMMIT_EVERY_MS; /* the last one failed and is repeated soon */
        rd_kafka_queue_poll_callback(c->commits, (int)left);
    }
}

/* ---- assignment ---- */

static bool asked_to_stop(const struct consumer *c)
{
    return c->stop != NULL && *c->stop;
}

static void pause_ms(int64_t ms)
{
    const struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* The earliest record for partitions without a committed offset. */
static rd_kafka_resp_err_t fill_earliest(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        int64_t low = 0;
        int64_t high = 0;
        if (p->offset >= 0)
            continue;
        rd_kafka_resp_err_t err =
            rd_kafka_query_watermark_offsets(c->rk, p->topic, p->partition, &low, &high, ASK_MS);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return err;
        p->offset = low;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t fill_committed(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t err = rd_kafka_committed(c->rk, list, ASK_MS);

    for (int i = 0; err == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        err = list->elems[i].err;
    return err != RD_KAFKA_RESP_ERR_NO_ERROR ? err : fill_earliest(c, list);
}

/* Asks until it is answered; gives up when the group has taken the partitions back meanwhile, or at shutdown.
 */
static bool learn_offsets(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    for (;;) {
        rd_kafka_resp_err_t err = fill_committed(c, list);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (rd_kafka_assignment_lost(c->rk) || asked_to_stop(c) || c->leaving)
            return false;
        char detail[256];
        snprintf(detail, sizeof(detail), "text=\"waiting for committed offsets\" group=%s error=%s", c->group,
            rd_kafka_err2name(err));
        bus_say_waiting(&c->said_ms, "waiting", detail);
        pause_ms(ASK_PAUSE_MS);
    }
}

static bool is_eager(struct consumer *c)
{
    return strcmp(rd_kafka_rebalance_protocol(c->rk), "EAGER") == 0;
}

static void check(rd_kafka_error_t *error, const char *what)
{
    if (error == NULL)
        return;
    log_warn("rebalance", "what=%s error=%s", what, log_quote(bytes_of(rd_kafka_error_string(error))));
    rd_kafka_error_destroy(error);
}

static void assign(struct consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    if (is_eager(c))
        rd_kafka_assign(c->rk, list);
    else
        check(rd_kafka_incremental_assign(c->rk, list), "assign");
}

static rd_kafka_queue_t *separate_queue(struct consumer *c, const rd_kafka_topic_partition_t *p)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(c->rk, p->topic, p->partition);

    MUST(queue != NULL);
    rd_kafka_queue_forward(queue, NULL);
    rd_kafka_queue_io_event_enable(queue, c->fd, &one, sizeof(one));
    return queue;
}

static void on_assigned(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    bool known = learn_offsets(c, list);

    if (c->assigns_awaited > 0 && --c->assigns_awaited == 0)
        c->rejoining_until = 0;
    for (int i = 0; known && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        const char *topic = own_topic(c, p->topic);
        MUST(topic != NULL);
        struct slot *s = add_slot(c, topic, p->partition);
        s->position = p->offset;
        char *metadata = bus_alloc(p->metadata_size + 1, 1);
        if (p->metadata_size > 0)
            memcpy(metadata, p->metadata, p->metadata_size);
        s->committed_metadata = metadata;
        if (c->by_partition)
            s->queue = separate_queue(c, p);
    }
    assign(c,
        list); /* also when not known: the group waits for the answer; records without a slot are dropped */
    for (int i = 0; known && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        const char *topic = own_topic(c, p->topic);
        const struct slot *s = find_slot(c, topic, p->partition);
        log_info("assigned", "topic=%s partition=%d offset=%lld assignment=%lld", topic, (int)p->partition,
            (long long)p->offset, (long long)s->assignment);
        if (c->events != NULL && c->events->assigned != NULL)
            c->events->assigned(c->self, topic, p->partition, s->assignment, p->offset);
    }
}

static void on_revoked(struct consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    bool lost = rd_kafka_assignment_lost(c->rk);

    for (int i = 0; i < list->cnt; i++) {
        const char *topic = own_topic(c, list->elems[i].topic);
        if (topic == NULL || find_slot(c, topic, list->elems[i].partition) == NULL)
            continue;
        log_info("revoked", "topic=%s partition=%d lost=%d", topic, (int)list->elems[i].partition, lost);
        if (c->events != NULL && c->events->revoked != NULL)
            c->events->revoked(c->self, topic, list->elems[i].partition, lost);
    }
    if (!lost && !consumer_commit_wait(c, REVOKE_COMMIT_MS))
        log_warn("commit_unanswered", "group=%s", c->group); /* repeats follow; all effects are idempotent */
    for (int i = 0; i < list->cnt; i++) {
        const char *topic = own_topic(c, list->elems[i].topic);
        struct slot *s = topic ? find_slot(c, topic, list->elems[i].partition) : NULL;
        if (s != NULL)
            remove_slot(c, s);
    }
    /* After a cooperative revoke comes the assignment of this round, then the group joins once more and assigns again. */
    c->assigns_awaited = 2;
    c->rejoining_until = clock_boot_ms() + REJOIN_MS;
    if (is_eager(c))
        rd_kafka_assign(c->rk, NULL);
    else
        check(rd_kafka_incremental_unassign(c->rk, list), "unassign");
}

static void lose_all(struct consumer *c)
{
    for (size_t i = 0; i < c->slot_count; i++) {
        if (c->events != NULL && c->events->revoked != NULL)
            c->events->revoked(c->self, c->slots[i].topic, c->slots[i].partition, true);
        release_slot(&c->slots[i]);
    }
    c->slot_count = 0;
    c->dirty_count = 0;
}

static void on_rebalance(
    rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct consumer *c = opaque;

    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        on_assigned(c, list);
    } else if (err == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        on_revoked(c, list);
    } else {
        log_warn("rebalance", "what=failed error=%s", rd_kafka_err2name(err));
        lose_all(c);
        rd_kafka_assign(rk, NULL);
    }
}

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
        int64_t beat = s->session_timeout_ms / 3 < 3000 ? s->session_timeout_ms / 3 : 3000;
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
    for (size_t i = 0; i < c->slot_count; i++)
        release_slot(&c->slots[i]);
    free(c->slots);
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
    if (o->static_id != NULL) {
        char why[128];
        rd_kafka_conf_set(conf, "group.instance.id", o->static_id, why, sizeof(why));
    }
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
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
    while (!asked_to_stop(c)) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        err = ends_of(c, list);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            for (int k = 0; k < list->cnt; k++)
                add_slot(c, c->topics[0], list->elems[k].partition)->position = list->elems[k].offset;
            err = rd_kafka_assign(c->rk, list);
        }
        rd_kafka_topic_partition_list_destroy(list);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return c;
        char detail[256];
        snprintf(detail, sizeof(detail), "text=\"waiting for the ends of a topic\" topic=%s error=%s", topic,
            rd_kafka_err2name(err));
        bus_say_waiting(&c->said_ms, "waiting", detail);
        pause_ms(ASK_PAUSE_MS);
    }
    error_set(e, "kafka", "can't follow %s: %s", topic, rd_kafka_err2str(err));
    free_consumer(c);
    return NULL;
}

void consumer_close(struct consumer *c)
{
    if (c == NULL)
        return;
    c->leaving = true;
    if (!consumer_commit_wait(c, CLOSE_COMMIT_MS))
        log_warn("commit_unanswered", "group=%s", c->group);
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
    const char *topic = own_topic(c, rd_kafka_topic_name(m->rkt));
    struct slot *s = topic ? find_slot(c, topic, m->partition) : NULL;

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
    serve_commits(c);
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
            serve_commits(c);
    }
}

bool consumer_next_of(struct consumer *c, int32_t partition, struct bus_record *out)
{
    for (size_t i = 0; i < c->slot_count; i++) {
        if (c->slots[i].partition != partition)
            continue;
        rd_kafka_message_t *m = rd_kafka_consume_queue(c->slots[i].queue, 0);
        return m != NULL && take_message(c, m, out);
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
    const struct slot *s = find_slot(c, topic, partition);
    return s != NULL && s->committed_metadata != NULL ? s->committed_metadata : "";
}

bool consumer_is_lost(const struct consumer *c)
{
    return rd_kafka_assignment_lost(c->rk) != 0;
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
