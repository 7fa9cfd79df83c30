/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage_send: what a batch caused goes out, and its delivery reports come back. Kafka's final no to a record (too large) makes its
 * source a dead letter; any other final no ends the process.
 */
#include "core/clock.h"
#include "core/log.h"
#include "core/stage_batch.h"

enum {
    WAIT_MS = 250,    /* between two looks at the stop flag; a report wakes it at once */
    GIVE_UP_MS = 2000 /* after SIGTERM: how long delivery reports are waited for */
};

static void on_delivered(void *self, const struct error *failure)
{
    struct item *item = self;

    item->loop->in_flight--;
    if (failure == NULL || item->loop->given_up)
        return;
    if (!error_is(failure, "too_large"))
        log_fatal("not_delivered", "topic=%s partition=%d offset=%lld reason=%s", item->raw.topic,
            (int)item->raw.partition, (long long)item->raw.offset, log_quote(bytes_of(failure->text)));
    batch_bury(item->loop, item, failure);
}

/* A record without a source must go out as it is. */
static void on_delivered_anonymous(void *self, const struct error *failure)
{
    struct loop *l = self;

    l->in_flight--;
    if (failure != NULL && !l->given_up)
        log_fatal("not_delivered", "reason=%s", log_quote(bytes_of(failure->text)));
}

static void on_dead_delivered(void *self, const struct error *failure)
{
    struct item *item = self;

    item->loop->in_flight--;
    if (failure != NULL && !item->loop->given_up)
        log_fatal("dead_not_delivered", "topic=%s partition=%d offset=%lld reason=%s", item->raw.topic,
            (int)item->raw.partition, (long long)item->raw.offset, log_quote(bytes_of(failure->text)));
    item->dead_sent = true;
}

void batch_send(struct loop *l, size_t first)
{
    struct error e;

    for (size_t i = first; i < l->outbox.record_count; i++) {
        const struct outbox_record *r = &l->outbox.records[i];
        struct item *item = r->source == OUTBOX_NO_SOURCE ? NULL : &l->items[r->source];
        error_clear(&e);
        l->in_flight++;
        bool sent = producer_send(l->world->producer, &r->message,
            item != NULL ? on_delivered : on_delivered_anonymous, item != NULL ? (void *)item : (void *)l,
            &e);
        if (sent)
            continue;
        if (item != NULL)
            on_delivered(item, &e);
        else
            on_delivered_anonymous(l, &e);
    }
}

bool batch_wait(struct loop *l)
{
    while (l->in_flight > 0) {
        producer_poll(l->world->producer, WAIT_MS);
        if (l->in_flight > 0 && batch_stopping(l) && clock_boot_ms() - l->stop_seen > GIVE_UP_MS)
            return false;
    }
    return true;
}

/* Only a too large refusal could add to the dead ones, and it is small. */
bool batch_send_dead(struct loop *l, int64_t now)
{
    struct error e;
    size_t first = l->outbox.record_count;

    for (size_t i = 0; i < l->count; i++) {
        struct item *item = &l->items[i];
        if (!item->dead || item->dead_sent)
            continue;
        if (l->stage->forwards_dead && !item->forwarded) {
            l->outbox.source = OUTBOX_NO_SOURCE;
            item->forwarded =
                outbox_send_refused(&l->outbox, &item->raw, item->decoded ? item->value : NULL, &item->why);
        }
        error_clear(&e);
        l->in_flight++;
        if (!dead_letter(
                l->world->producer, l->stage->name, &item->raw, &item->why, now, on_dead_delivered, item, &e))
            on_dead_delivered(item, &e);
    }
    if (l->outbox.failed.code[0] != '\0')
        log_warn("refusal_not_sent", "reason=%s", log_quote(bytes_of(l->outbox.failed.text)));
    batch_send(l, first);
    return batch_wait(l);
}
