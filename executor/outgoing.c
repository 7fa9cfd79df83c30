/* SPDX-License-Identifier: Apache-2.0 */
/* outgoing: a queue before the producer's own, whose limits (64 MiB, 100000 records) make producer_send wait. */
#include "executor/outgoing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/log.h"

#define PRODUCER_BYTES (48 * 1024 * 1024) /* at the producer at once */
#define PRODUCER_RECORDS 50000
#define FULL_BYTES (16 * 1024 * 1024) /* in all: then the sources rest */
#define FULL_RECORDS 20000

struct parcel {
    struct outgoing *outgoing;
    STAILQ_ENTRY(parcel) entry;
    bus_delivered *done;
    void *self;
    const char *topic;
    size_t size;
    struct bytes key, value;
    struct bus_header headers[OUTGOING_HEADERS];
    size_t header_count;
    char *data; /* of all texts; the producer's copy counts once it has one */
};

struct outgoing {
    struct producer *producer;
    STAILQ_HEAD(, parcel) waiting;
    size_t waiting_bytes, waiting_count;
    size_t sent_bytes, sent_count; /* at the producer */
};

struct outgoing *outgoing_new(struct producer *p)
{
    struct outgoing *o = calloc(1, sizeof *o);
    if (!o)
        log_fatal("out_of_memory", "what=outgoing");
    o->producer = p;
    STAILQ_INIT(&o->waiting);
    return o;
}

void outgoing_free(struct outgoing *o)
{
    if (!o)
        return;
    while (!STAILQ_EMPTY(&o->waiting)) {
        struct parcel *p = STAILQ_FIRST(&o->waiting);
        STAILQ_REMOVE_HEAD(&o->waiting, entry);
        free(p->data);
        free(p);
    }
    free(o);
}

static struct bytes put(char **to, struct bytes b)
{
    if (!b.data)
        return b;
    struct bytes copy = {*to, b.len};
    if (b.len)
        memcpy(*to, b.data, b.len);
    *to += b.len;
    return copy;
}

void outgoing_send(struct outgoing *o, const struct bus_message *m, bus_delivered *done, void *self)
{
    size_t size = m->key.len + m->value.len;
    MUST(m->header_count <= OUTGOING_HEADERS);
    for (size_t i = 0; i < m->header_count; i++)
        size += m->headers[i].name.len + 1 + m->headers[i].value.len;
    struct parcel *p = malloc(sizeof *p);
    char *to = malloc(size + 1);
    if (!p || !to)
        log_fatal("out_of_memory", "what=outgoing");
    *p = (struct parcel){.outgoing = o,
        .done = done,
        .self = self,
        .topic = m->topic,
        .size = size,
        .header_count = m->header_count,
        .data = to};
    p->key = put(&to, m->key);
    p->value = put(&to, m->value);
    for (size_t i = 0; i < m->header_count; i++) {
        p->headers[i].name = put(&to, m->headers[i].name);
        *to++ = '\0'; /* librdkafka takes header names as C strings */
        p->headers[i].value = put(&to, m->headers[i].value);
    }
    STAILQ_INSERT_TAIL(&o->waiting, p, entry);
    o->waiting_bytes += size;
    o->waiting_count++;
}

static void tell(const struct parcel *p, const struct error *failure)
{
    if (p->done)
        p->done(p->self, failure);
    else if (failure)
        log_error("not_delivered", "topic=%s code=%s error=%s", p->topic, failure->code,
            log_quote(bytes_of(failure->text)));
}

static void on_delivered(void *self, const struct error *failure)
{
    struct parcel *p = self;
    p->outgoing->sent_bytes -= p->size;
    p->outgoing->sent_count--;
    tell(p, failure);
    free(p);
}

static bool has_room(const struct outgoing *o, size_t size)
{
    return o->sent_count == 0 || (o->sent_count < PRODUCER_RECORDS && o->sent_bytes + size <= PRODUCER_BYTES);
}

void outgoing_serve(struct outgoing *o)
{
    struct parcel *p;
    while ((p = STAILQ_FIRST(&o->waiting)) && has_room(o, p->size)) {
        struct error e;
        struct bus_message m = {p->topic, -1, p->key, p->value, p->headers, p->header_count};
        STAILQ_REMOVE_HEAD(&o->waiting, entry);
        o->waiting_bytes -= p->size;
        o->waiting_count--;
        o->sent_bytes += p->size;
        o->sent_count++;
        bool sent = producer_send(o->producer, &m, on_delivered, p, &e);
        free(p->data);
        if (!sent)
            on_delivered(p, &e);
    }
}

size_t outgoing_pending(const struct outgoing *o)
{
    return o->waiting_count + o->sent_count;
}

bool outgoing_is_full(const struct outgoing *o)
{
    return o->waiting_bytes + o->sent_bytes > FULL_BYTES || outgoing_pending(o) > FULL_RECORDS;
}
