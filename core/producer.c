/* SPDX-License-Identifier: Apache-2.0 */
/*
 * producer: see bus.h. Idempotent, acks=all, no time limit, no linger: a record leaves when it is sent, and
 * whatever has gathered while a request is under way goes with the next one.
 *
 * Two threads touch it beside librdkafka's own: the owner (polls, runs the callbacks) and the watcher, which
 * asleep costs nothing and asks for metadata while brokers are said to be away, so that producer_is_away
 * tells the truth again as soon as one answers. Any thread may send.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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
    FLUSH_MS = 10000,
    FULL_WAIT_MS = 1000,  /* the local queue is full: wait so long for a delivery report, then look again */
    PROBE_MS = 1000,      /* how long one question for metadata may take */
    PROBE_PAUSE_MS = 200, /* between two of them */
    SAY_AWAY_EVERY_MS = 60000
};

struct known_topic {
    char *full;
    const char *name;         /* full without the prefix */
    rd_kafka_topic_t *handle; /* keeps librdkafka's knowledge of it fresh */
    int32_t partitions;
};

struct producer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue; /* delivery reports and errors */
    char *brokers, *prefix;
    int fd;
    atomic_size_t pending;
    atomic_bool away;
    _Atomic pthread_t owner; /* whose poll runs the callbacks */

    pthread_mutex_t lock;   /* for all below */
    pthread_cond_t changed; /* watcher: wake up; senders: a report came */
    struct known_topic *topics;
    size_t topic_count;
    bool doubt; /* a broker was lost: find out whether all are away */
    bool closing;
    pthread_t watcher;
};

/* What a record in flight carries to its delivery report; none when nobody asked for it. */
struct in_flight {
    bus_delivered *done;
    void *self;
};

/* ---- callbacks ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct producer *p = opaque;
    struct in_flight *f = m->_private;
    struct error failure;

    (void)rk;
    atomic_fetch_sub(&p->pending, 1);
    error_clear(&failure);
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        atomic_store(&p->away, false);
    else
        error_set(&failure, m->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? "too_large" : "not_delivered",
            "kafka did not take the record for %s: %s", rd_kafka_topic_name(m->rkt),
            rd_kafka_err2str(m->err));
    if (f != NULL) {
        f->done(f->self, m->err == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : &failure);
        free(f);
    } else if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_error(
            "not_delivered", "topic=%s code=%s", rd_kafka_topic_name(m->rkt), rd_kafka_err2name(m->err));
    }
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct producer *p = opaque;
    rd_kafka_resp_err_t err = (rd_kafka_resp_err_t)code;

    bus_check_fatal(rk);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        atomic_store(&p->away, true);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || err == RD_KAFKA_RESP_ERR__TRANSPORT ||
        err == RD_KAFKA_RESP_ERR__RESOLVE) {
        pthread_mutex_lock(&p->lock);
        p->doubt = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
    }
    log_debug("kafka_error", "code=%s text=%s", rd_kafka_err2name(err), log_quote(bytes_of(reason)));
}

/* ---- the watcher ---- */

static void wait_locked(struct producer *p, int64_t ms)
{
    const struct timespec until = clock_after(CLOCK_MONOTONIC, ms);
    pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

static void *watch(void *arg)
{
    struct producer *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->closing) {
        if (!p->doubt) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        const struct rd_kafka_metadata *md = NULL;
        rd_kafka_resp_err_t err = rd_kafka_metadata(p->rk, 0, NULL, &md, PROBE_MS);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            rd_kafka_metadata_destroy(md);
        atomic_store(&p->away, err != RD_KAFKA_RESP_ERR_NO_ERROR);
        pthread_mutex_lock(&p->lock);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
            p->doubt = false;
        else if (!p->closing)
            wait_locked(p, PROBE_PAUSE_MS);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- open and close ---- */

static const struct bus_property properties[] = {
    {"enable.idempotence", "true"},    /* acks=all, order and no repeats while this process lives */
    {"delivery.timeout.ms", "0"},      /* an outage is waited out; a record dropped by age is a loss */
    {"linger.ms", "0"},                /* nothing waits for a batch to fill */
    {"partitioner", "murmur2_random"}, /* as Java's, so that both agree where a group lives */
    {"queue.buffering.max.kbytes", "65536"},
    {"statistics.interval.ms", "0"},
    {NULL, NULL},
};

/* Before 2.3 librdkafka can lose count of an idempotent producer's sequence numbers when a broker dies with several
 * requests under way (its issue 4438): a fatal error of a healthy process. With one at a time it can't. */
enum { COUNTS_RIGHT_SINCE = 0x020300ff };

static bool one_request_at_a_time(rd_kafka_conf_t *conf)
{
    char why[128];
    return rd_kafka_version() >= COUNTS_RIGHT_SINCE ||
           rd_kafka_conf_set(conf, "max.in.flight", "1", why, sizeof(why)) == RD_KAFKA_CONF_OK;
}

static bool start_watcher(struct producer *p)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    return pthread_create(&p->watcher, NULL, watch, p) == 0;
}

struct producer *producer_open(const struct bus_settings *s, const char *client_id, struct error *e)
{
    static const uint64_t one = 1;
    struct producer *p = bus_alloc(1, sizeof(*p));
    rd_kafka_conf_t *conf = bus_conf(s, client_id, properties, e);

    if (conf == NULL) {
        free(p);
        return NULL;
    }
    MUST(one_request_at_a_time(conf));
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    p->rk = bus_handle(RD_KAFKA_PRODUCER, conf, e);
    if (p->rk == NULL) {
        free(p);
        return NULL;
    }
    p->brokers = bus_copy(s->brokers);
    p->prefix = bus_copy(s->topic_prefix);
    atomic_store(&p->owner, pthread_self());
    p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->fd < 0 || !start_watcher(p))
        log_fatal("no_resources", "what=eventfd_or_thread errno=%d", errno);
    p->queue = rd_kafka_queue_get_main(p->rk);
    rd_kafka_queue_io_event_enable(p->queue, p->fd, &one, sizeof(one));
    return p;
}

void producer_drop(struct producer *p)
{
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(p->rk, FULL_WAIT_MS);
}

void producer_close(struct producer *p)
{
    if (p == NULL)
        return;
    rd_kafka_flush(p->rk, FLUSH_MS);
    if (producer_pending(p) > 0)
        producer_drop(p); /* the callbacks hear of it */
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->watcher, NULL);
    for (size_t i = 0; i < p->topic_count; i++) {
        rd_kafka_topic_destroy(p->topics[i].handle);
        free(p->topics[i].full);
    }
    free(p->topics);
    rd_kafka_queue_destroy(p->queue);
    rd_kafka_destroy(p->rk);
    close(p->fd);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p->brokers);
    free(p->prefix);
    free(p);
}

/* ---- sending ---- */

static rd_kafka_headers_t *make_headers(const struct bus_message *m)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(m->header_count);

    for (size_t i = 0; i < m->header_count; i++) {
        const struct bus_header *h = &m->headers[i];
        rd_kafka_header_add(headers, h->name.data, (ssize_t)h->name.len, h->value.data,
            h->value.data ? (ssize_t)h->value.len : 0);
    }
    return headers;
}

/* librdkafka's vector wants pointers to non-const memory; with RD_KAFKA_MSG_F_COPY it only reads. */
static void *unconst(const void *p)
{
    union {
        const void *from;
        void *to;
    } u = {p};
    return u.to;
}

static rd_kafka_resp_err_t produce(
    struct producer *p, const char *topic, const struct bus_message *m, struct in_flight *f)
{
    rd_kafka_headers_t *headers = m->header_count > 0 ? make_headers(m) : NULL;
    rd_kafka_vu_t vus[7];
    size_t count = 0;

    vus[count].vtype = RD_KAFKA_VTYPE_TOPIC;
    vus[count++].u.cstr = topic;
    vus[count].vtype = RD_KAFKA_VTYPE_PARTITION;
    vus[count++].u.i32 = m->partition < 0 ? RD_KAFKA_PARTITION_UA : m->partition;
    vus[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    vus[count++].u.i = RD_KAFKA_MSG_F_COPY;
    vus[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
    vus[count++].u.ptr = f;
    vus[count].vtype = RD_KAFKA_VTYPE_VALUE;
    vus[count].u.mem.ptr = unconst(m->value.data);
    vus[count++].u.mem.size = m->value.len;
    if (m->key.data != NULL) {
        vus[count].vtype = RD_KAFKA_VTYPE_KEY;
        vus[count].u.mem.ptr = unconst(m->key.data);
        vus[count++].u.mem.size = m->key.len;
    }
    if (headers != NULL) {
        vus[count].vtype = RD_KAFKA_VTYPE_HEADERS;
        vus[count++].u.headers = headers; /* librdkafka's, if it succeeds */
    }
    rd_kafka_error_t *failed = rd_kafka_produceva(p->rk, vus, count);
    if (failed == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(failed);
    rd_kafka_error_destroy(failed);
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    return code;
}

/* The owner makes room by serving reports; others wait until it has. */
static void wait_for_room(struct producer *p)
{
    if (pthread_equal(pthread_self(), atomic_load(&p->owner))) {
        producer_poll(p, FULL_WAIT_MS);
        return;
    }
    pthread_mutex_lock(&p->lock);
    wait_locked(p, FULL_WAIT_MS / 10);
    pthread_mutex_unlock(&p->lock);
}

bool producer_send(
    struct producer *p, const struct bus_message *m, bus_delivered *done, void *self, struct error *e)
{
    char name[256];
    struct in_flight *f = NULL;
    rd_kafka_resp_err_t code;

    if (snprintf(name, sizeof(name), "%s%s", p->prefix, m->topic) >= (int)sizeof(name))
        return error_set(e, "unknown_topic", "a topic's name is too long: %s", m->topic);
    if (done != NULL) {
        f = bus_alloc(1, sizeof(*f));
        *f = (struct in_flight){done, self};
    }
    atomic_fetch_add(&p->pending, 1);
    while ((code = produce(p, name, m, f)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        wait_for_room(p);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    atomic_fetch_sub(&p->pending, 1);
    free(f);
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        bus_check_fatal(p->rk);
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return error_set(e, "too_large", "a record of %zu bytes for %s", m->value.len, m->topic);
    if (code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return error_set(e, "unknown_topic", "%s: %s", m->topic, rd_kafka_err2str(code));
    return error_set(e, "not_delivered", "%s: %s", m->topic, rd_kafka_err2str(code));
}

int producer_poll(struct producer *p, int timeout_ms)
{
    uint64_t drained;

    atomic_store(&p->owner, pthread_self());
    if (read(p->fd, &drained, sizeof(drained)) < 0)
        drained = 0; /* nothing was signalled */
    int served = rd_kafka_poll(p->rk, timeout_ms);
    if (served > 0) { /* senders may wait for room */
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
    }
    return served;
}

int producer_fd(struct producer *p)
{
    return p->fd;
}

size_t producer_pending(struct producer *p)
{
    return atomic_load(&p->pending);
}

bool producer_is_away(struct producer *p)
{
    return atomic_load(&p->away);
}

/* ---- topics ---- */

int32_t producer_partition_of(struct producer *p, const char *topic, struct bytes key)
{
    int32_t partitions = 0;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->topic_count; i++) {
        if (strcmp(p->topics[i].name, topic) == 0)
            partitions = p->topics[i].partitions;
    }
    pthread_mutex_unlock(&p->lock);
    if (partitions == 0 || key.data == NULL)
        return -1;
    return rd_kafka_msg_partitioner_murmur2(NULL, key.data, key.len, partitions, NULL, NULL);
}

static void learn_topic(struct producer *p, const char *name, int32_t partitions)
{
    struct known_topic t = {.full = bus_full_name(p->prefix, name), .partitions = partitions};

    t.name = t.full + strlen(p->prefix);
    t.handle = rd_kafka_topic_new(p->rk, t.full, NULL);
    if (t.handle == NULL)
        log_fatal("kafka_topic", "topic=%s error=%s", t.full, rd_kafka_err2name(rd_kafka_last_error()));
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->topic_count; i++) {
        if (strcmp(p->topics[i].name, name) == 0) { /* warmed before */
            p->topics[i].partitions = partitions;
            pthread_mutex_unlock(&p->lock);
            rd_kafka_topic_destroy(t.handle);
            free(t.full);
            return;
        }
    }
    struct known_topic *grown = realloc(p->topics, (p->topic_count + 1) * sizeof(*grown));
    if (grown == NULL)
        log_fatal("out_of_memory", "what=topics");
    p->topics = grown;
    p->topics[p->topic_count++] = t;
    pthread_mutex_unlock(&p->lock);
}

/* When it was last said, boot ms; 0: never. */
struct said {
    int64_t away_ms, missing_ms;
};

/* Asks for all topics, so that asking creates none; then for ours by handle, so that the first send finds
 * them. */
static bool warm_once(struct producer *p, const char *const *topics, size_t count, struct said *said)
{
    const struct rd_kafka_metadata *md = NULL;
    bool complete = true;
    rd_kafka_resp_err_t err = rd_kafka_metadata(p->rk, 1, NULL, &md, PROBE_MS);

    rd_kafka_poll(p->rk, 0);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        char detail[512];
        snprintf(detail, sizeof(detail),
            "text=\"waiting for kafka, which does not answer; it is asked again and again\" servers=%.300s "
            "setting=kafka.brokers error=%s",
            p->brokers, rd_kafka_err2name(err));
        bus_say_every(&said->away_ms, SAY_AWAY_EVERY_MS, "waiting", detail);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        char *full = bus_full_name(p->prefix, topics[i]);
        int32_t partitions = bus_ready_partitions(md, full);
        if (partitions > 0) {
            learn_topic(p, topics[i], partitions);
        } else {
            char detail[512];
            snprintf(
                detail, sizeof(detail), "text=\"topic %s is missing: run millrace topics create\"", full);
            bus_say_waiting(&said->missing_ms, "waiting", detail);
            complete = false;
        }
        free(full);
    }
    rd_kafka_metadata_destroy(md);
    return complete;
}

static bool warm_handles(struct producer *p, const volatile int *stop)
{
    for (size_t i = 0; i < p->topic_count; i++) {
        const struct rd_kafka_metadata *md = NULL;
        while (
            rd_kafka_metadata(p->rk, 0, p->topics[i].handle, &md, PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (stop != NULL && *stop)
                return false;
        }
        rd_kafka_metadata_destroy(md);
    }
    return true;
}

bool producer_warm(struct producer *p, const char *const *topics, size_t count, const volatile int *stop)
{
    struct said said = {0, 0};

    while (stop == NULL || !*stop) {
        if (warm_once(p, topics, count, &said))
            return warm_handles(p, stop);
        bus_pause_ms(PROBE_PAUSE_MS); /* asks again; a start-up wait, on no job's path */
    }
    return false;
}
