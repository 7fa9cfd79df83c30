/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consumer_group: partitions come and go, and commits.
 *
 * At assignment the committed offsets are read first and handed to librdkafka explicitly, so that our view of where reading
 * starts is the true one. Commits are gathered: one request carries all partitions, and the next goes out when it is
 * answered.
 *
 * A reader by partition belongs to a loop that must turn: questions are asked by a thread, and a revoke ends when its commits are answered.
 */
#include "core/consumer_group.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

enum {
    COMMIT_EVERY_MS = 50,   /* least time between two commits; costs repeats after a crash, no latency */
    COMMIT_AGAIN_MS = 1000, /* after a commit that failed */
    REJOIN_MS = 10000,      /* how long commits stand back at most while the group finds its new assignment */
    REVOKE_COMMIT_MS = 1000, /* how long a partition that goes away waits for its last commit */
    PAUSE_NS = ASK_PAUSE_MS * 1000000
};

/* ---- slots ---- */

const char *consumer_topic(const struct consumer *c, const char *full)
{
    size_t prefix = strlen(c->prefix);

    for (size_t i = 0; i < c->topic_count; i++) {
        if (strncmp(full, c->prefix, prefix) == 0 && strcmp(c->topics[i], full + prefix) == 0)
            return c->topics[i];
    }
    return NULL;
}

struct slot *slot_find(struct consumer *c, const char *topic, int32_t partition)
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

void slots_release(struct consumer *c)
{
    for (size_t i = 0; i < c->slot_count; i++)
        release_slot(&c->slots[i]);
    free(c->slots);
}

static void remove_slot(struct consumer *c, struct slot *s)
{
    struct slot *last = &c->slots[--c->slot_count];

    c->dirty_count -= s->dirty ? 1 : 0;
    release_slot(s);
    *s = *last;
    *last = (struct slot){.topic = ""};
}

struct slot *slot_add(struct consumer *c, const char *topic, int32_t partition)
{
    struct slot *old = slot_find(c, topic, partition);

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
        const char *topic = consumer_topic(c, o->topic);
        struct slot *s = topic ? slot_find(c, topic, o->partition) : NULL;
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

void consumer_serve_commits(struct consumer *c)
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
    struct slot *s = slot_find(c, topic, partition);

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

bool consumer_commit_soon(struct consumer *c)
{
    rd_kafka_queue_poll_callback(c->commits, 0);
    if (clock_boot_ms() >= c->commit_not_before)
        send_commits(c);
    return !c->commit_in_flight && c->dirty_count == 0;
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

bool consumer_asked_to_stop(const struct consumer *c)
{
    return c->stop != NULL && *c->stop;
}

static rd_kafka_resp_err_t first_error(rd_kafka_resp_err_t err, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; err == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        err = list->elems[i].err;
    return err;
}

/* The earliest record for partitions without a committed offset: one question for all of them. */
static rd_kafka_resp_err_t fill_earliest(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *without = rd_kafka_topic_partition_list_new(list->cnt);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        if (p->offset < 0)
            rd_kafka_topic_partition_list_add(without, p->topic, p->partition)->offset =
                RD_KAFKA_OFFSET_BEGINNING;
    }
    if (without->cnt > 0)
        err = first_error(rd_kafka_offsets_for_times(rk, without, ASK_MS), without);
    for (int i = 0; err == RD_KAFKA_RESP_ERR_NO_ERROR && i < without->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &without->elems[i];
        if (p->offset < 0)
            err = RD_KAFKA_RESP_ERR__NO_OFFSET;
        else
            rd_kafka_topic_partition_list_find(list, p->topic, p->partition)->offset = p->offset;
    }
    rd_kafka_topic_partition_list_destroy(without);
    return err;
}

static rd_kafka_resp_err_t fill_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t err = first_error(rd_kafka_committed(rk, list, ASK_MS), list);

    return err != RD_KAFKA_RESP_ERR_NO_ERROR ? err : fill_earliest(rk, list);
}

/* One question that is out: its thread touches nothing else of the consumer. */
struct asking {
    pthread_t thread;
    rd_kafka_t *rk;
    int fd;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t err;
    atomic_bool answered;
};

static void *asking_main(void *self)
{
    static const uint64_t one = 1;
    struct asking *a = self;

    a->err = fill_committed(a->rk, a->list);
    atomic_store(&a->answered, true);
    if (write(a->fd, &one, sizeof(one)) < 0)
        return NULL; /* the counter is full: it is readable */
    return NULL;
}

static void begin_asking(struct consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    struct asking *a = bus_alloc(1, sizeof(*a));

    a->rk = c->rk;
    a->fd = c->fd;
    a->list = rd_kafka_topic_partition_list_copy(list);
    if (pthread_create(&a->thread, NULL, asking_main, a) != 0)
        log_fatal("no_thread", "what=offsets");
    c->asking = a;
}

void consumer_end_asking(struct consumer *c)
{
    struct asking *a = c->asking;

    if (a == NULL)
        return;
    pthread_join(a->thread, NULL);
    rd_kafka_topic_partition_list_destroy(a->list);
    free(a);
    c->asking = NULL;
}

/* The partitions of `list` may have changed since the question: then it is asked anew. */
static bool is_about(const struct asking *a, const rd_kafka_topic_partition_list_t *list)
{
    bool same = a->list->cnt == list->cnt;

    for (int i = 0; same && i < list->cnt; i++)
        same = rd_kafka_topic_partition_list_find(a->list, list->elems[i].topic, list->elems[i].partition) !=
               NULL;
    return same;
}

static bool said_unknown(struct consumer *c, rd_kafka_resp_err_t err);

/* Begins to ask, or takes the answer: never waits. */
static bool learn_aside(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    if (c->asking != NULL && atomic_load(&c->asking->answered)) {
        struct asking *a = c->asking;
        rd_kafka_resp_err_t err = a->err;
        bool ours = !c->asking_stale && is_about(a, list);
        if (ours && err == RD_KAFKA_RESP_ERR_NO_ERROR)
            for (int i = 0; i < list->cnt; i++) {
                rd_kafka_topic_partition_t *p = &list->elems[i];
                rd_kafka_topic_partition_t *from =
                    rd_kafka_topic_partition_list_find(a->list, p->topic, p->partition);
                p->offset = from->offset;
                free(p->metadata); /* librdkafka's own way: it frees it with the list */
                p->metadata = from->metadata;
                p->metadata_size = from->metadata_size;
                from->metadata = NULL;
                from->metadata_size = 0;
            }
        consumer_end_asking(c);
        if (ours && err == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (ours)
            return said_unknown(c, err);
    }
    if (c->asking == NULL && clock_boot_ms() >= c->ask_again) {
        c->asking_stale = false;
        begin_asking(c, list);
    }
    return false;
}

/* Asks once. */
static bool learn_offsets(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    if (c->by_partition) /* its owner's loop has other things to do */
        return learn_aside(c, list);
    rd_kafka_resp_err_t err = fill_committed(c->rk, list);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR || said_unknown(c, err);
}

static bool said_unknown(struct consumer *c, rd_kafka_resp_err_t err)
{
    char detail[256];
    snprintf(detail, sizeof(detail), "text=\"waiting for committed offsets\" group=%s error=%s", c->group,
        rd_kafka_err2name(err));
    bus_say_waiting(&c->said_ms, "waiting", detail);
    c->ask_again = clock_boot_ms() + ASK_PAUSE_MS;
    return false;
}

/* None is told while the reader is being closed: then everything is given back at once, as an eager one does. */
static bool is_eager(struct consumer *c)
{
    const char *protocol = rd_kafka_rebalance_protocol(c->rk);
    return protocol == NULL || strcmp(protocol, "EAGER") == 0;
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
    static const uint64_t one = 1;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(c->rk, p->topic, p->partition);

    MUST(queue != NULL);
    rd_kafka_queue_forward(queue, NULL);
    rd_kafka_queue_io_event_enable(queue, c->fd, &one, sizeof(one));
    return queue;
}

/* A member that was given up gets a new id when it joins again. */
static void note_member(struct consumer *c)
{
    char *id = rd_kafka_memberid(c->rk);

    if (id == NULL)
        return;
    free(c->member);
    c->member = bus_copy(id);
    rd_kafka_mem_free(c->rk, id);
}

static void take_assignment(struct consumer *c, rd_kafka_topic_partition_list_t *list, bool known)
{
    if (c->assigns_awaited > 0 && --c->assigns_awaited == 0)
        c->rejoining_until = 0;
    for (int i = 0; known && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &list->elems[i];
        const char *topic = consumer_topic(c, p->topic);
        MUST(topic != NULL);
        struct slot *s = slot_add(c, topic, p->partition);
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
        const char *topic = consumer_topic(c, p->topic);
        const struct slot *s = slot_find(c, topic, p->partition);
        log_info("assigned", "topic=%s partition=%d offset=%lld assignment=%lld", topic, (int)p->partition,
            (long long)p->offset, (long long)s->assignment);
        if (c->events != NULL && c->events->assigned != NULL)
            c->events->assigned(c->self, topic, p->partition, s->assignment, p->offset);
    }
}

static void take_pending(struct consumer *c, bool known)
{
    rd_kafka_topic_partition_list_t *list = c->pending;

    if (list == NULL)
        return;
    c->pending = NULL;
    c->asking_stale = true; /* what is asked for may be committed anew by others */
    take_assignment(c, list, known);
    rd_kafka_topic_partition_list_destroy(list);
}

/* The group has taken the partitions back meanwhile, or we end: it only waits for our answer. */
static bool is_over(const struct consumer *c)
{
    return rd_kafka_assignment_lost(c->rk) || consumer_asked_to_stop(c) || c->leaving;
}

/* While the offsets are not told the assignment is kept for the next polls: an outage must not hold up its owner's loop, which has
 * other things to do. */
static void on_assigned(struct consumer *c, rd_kafka_topic_partition_list_t *list)
{
    note_member(c);
    bool known = !c->leaving && learn_offsets(c, list);
    if (known || is_over(c))
        take_assignment(c, list, known);
    else
        c->pending = rd_kafka_topic_partition_list_copy(list);
}

static void finish_revoke(struct consumer *c);

void consumer_serve_assignment(struct consumer *c)
{
    bool given_up = c->closing || rd_kafka_assignment_lost(c->rk) || clock_boot_ms() >= c->revoke_until;
    if (c->revoking != NULL && (given_up || consumer_commit_soon(c)))
        finish_revoke(c);
    if (c->pending == NULL)
        return;
    if (is_over(c))
        take_pending(c, false);
    else if ((c->by_partition || clock_boot_ms() >= c->ask_again) && learn_offsets(c, c->pending))
        take_pending(c, true);
}

static void on_revoked(struct consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    bool lost = rd_kafka_assignment_lost(c->rk);

    for (int i = 0; i < list->cnt; i++) {
        const char *topic = consumer_topic(c, list->elems[i].topic);
        if (topic == NULL || slot_find(c, topic, list->elems[i].partition) == NULL)
            continue;
        log_info("revoked", "topic=%s partition=%d lost=%d", topic, (int)list->elems[i].partition, lost);
        if (c->events != NULL && c->events->revoked != NULL)
            c->events->revoked(c->self, topic, list->elems[i].partition, lost);
    }
    c->revoking = rd_kafka_topic_partition_list_copy(list);
    c->revoke_until = clock_boot_ms() + REVOKE_COMMIT_MS;
    /* The group waits for our answer, so the last commits may be answered first. A loop that has other things to do does not stand
     * still for that; while the reader is closed nobody calls us again. */
    if (!lost && c->by_partition && !c->closing) {
        (void)consumer_commit_soon(c);
        return;
    }
    if (!lost)
        (void)consumer_commit_wait(c, REVOKE_COMMIT_MS);
    finish_revoke(c);
}

static void finish_revoke(struct consumer *c)
{
    rd_kafka_topic_partition_list_t *list = c->revoking;

    if (list == NULL)
        return;
    c->revoking = NULL;
    if (!rd_kafka_assignment_lost(c->rk) && (c->commit_in_flight || c->dirty_count > 0))
        log_warn("commit_unanswered", "group=%s", c->group); /* repeats follow; all effects are idempotent */
    for (int i = 0; i < list->cnt; i++) {
        const char *topic = consumer_topic(c, list->elems[i].topic);
        struct slot *s = topic ? slot_find(c, topic, list->elems[i].partition) : NULL;
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
    rd_kafka_topic_partition_list_destroy(list);
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

void consumer_rebalance(
    rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct consumer *c = opaque;

    finish_revoke(c);
    take_pending(c, false); /* what comes now builds on it */
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
