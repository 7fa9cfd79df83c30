/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: outgoing */
/* test_outgoing: what waits for room at the producer, in order. The producer is a made up one that keeps what it gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "executor/outgoing.h"

enum { RECORDS_MOST = 60000, MEGABYTE = 1024 * 1024, NAME_SIZE = 16 };

struct producer {
    struct {
        char key[NAME_SIZE], header[NAME_SIZE], value_of_header[NAME_SIZE];
        size_t size;
        bus_delivered *done;
        void *self;
    } * got;
    size_t count, answered;
    bool refuses;
};

static void put_text(char *to, struct bytes from)
{
    assert_true(from.len < NAME_SIZE);
    memset(to, 0, NAME_SIZE);
    if (from.len)
        memcpy(to, from.data, from.len);
}

bool producer_send(
    struct producer *p, const struct bus_message *m, bus_delivered *done, void *self, struct error *e)
{
    if (p->refuses)
        return error_set(e, "too_large", "the record is too large");
    assert_true(p->count < RECORDS_MOST);
    put_text(p->got[p->count].key, m->key);
    if (m->header_count) {
        assert_int_equal(m->headers[0].name.data[m->headers[0].name.len], '\0');
        put_text(p->got[p->count].header, m->headers[0].name);
        put_text(p->got[p->count].value_of_header, m->headers[0].value);
    }
    p->got[p->count].size = m->value.len;
    p->got[p->count].done = done;
    p->got[p->count++].self = self;
    return true;
}

/* The oldest that is not answered yet. */
static void deliver(struct producer *p, const struct error *failure)
{
    assert_true(p->answered < p->count);
    p->got[p->answered].done(p->got[p->answered].self, failure);
    p->answered++;
}

struct world {
    struct producer producer;
    struct outgoing *outgoing;
    char *text; /* of values */
    size_t told, failed;
};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->producer.got = calloc(RECORDS_MOST, sizeof *w->producer.got);
    w->text = calloc(1, 64 * MEGABYTE);
    assert_true(w->producer.got && w->text);
    w->outgoing = outgoing_new(&w->producer);
}

static void world_release(struct world *w)
{
    outgoing_free(w->outgoing);
    free(w->producer.got);
    free(w->text);
}

static void on_told(void *self, const struct error *failure)
{
    struct world *w = self;
    w->told++;
    w->failed += failure != NULL;
}

static void send_sized(struct world *w, const char *key, size_t size)
{
    struct bus_message m = {"t", -1, bytes_of(key), {w->text, size}, NULL, 0};
    outgoing_send(w->outgoing, &m, on_told, w);
}

static void texts_are_copied_and_the_order_stays(void **state)
{
    (void)state;
    struct world w;
    char key[2] = "a", name[] = "job", value[] = "17";
    world_init(&w);
    for (; *key <= 'e'; (*key)++) {
        struct bus_header header = {bytes_of(name), bytes_of(value)};
        struct bus_message m = {"t", -1, bytes_of(key), BYTES("v"), &header, 1};
        outgoing_send(w.outgoing, &m, on_told, &w);
    }
    memset(name, 'x', sizeof name - 1);
    memset(value, 'x', sizeof value - 1);
    assert_int_equal(w.producer.count, 0); /* never from inside the send */
    outgoing_serve(w.outgoing);
    assert_int_equal(w.producer.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(w.producer.got[i].key[0], 'a' + (int)i);
        assert_string_equal(w.producer.got[i].header, "job");
        assert_string_equal(w.producer.got[i].value_of_header, "17");
    }
    while (w.producer.answered < w.producer.count)
        deliver(&w.producer, NULL);
    world_release(&w);
}

static void what_is_pending_counts_until_its_report(void **state)
{
    (void)state;
    struct world w;
    struct error e;
    world_init(&w);
    send_sized(&w, "a", 1);
    send_sized(&w, "b", 1);
    assert_int_equal(outgoing_pending(w.outgoing), 2);
    outgoing_serve(w.outgoing);
    assert_int_equal(outgoing_pending(w.outgoing), 2);
    deliver(&w.producer, NULL);
    assert_int_equal(outgoing_pending(w.outgoing), 1);
    error_set(&e, "purged", "the producer was closed");
    deliver(&w.producer, &e);
    assert_int_equal(outgoing_pending(w.outgoing), 0);
    assert_int_equal(w.told, 2);
    assert_int_equal(w.failed, 1);
    world_release(&w);
}

static void what_the_producer_refuses_is_told_and_gone(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.producer.refuses = true;
    send_sized(&w, "a", 1);
    assert_int_equal(w.told, 0);
    outgoing_serve(w.outgoing);
    assert_int_equal(w.failed, 1);
    assert_int_equal(outgoing_pending(w.outgoing), 0);
    world_release(&w);
}

static void bytes_at_the_producer_are_bounded(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (int i = 0; i < 5; i++)
        send_sized(&w, "a", 15 * MEGABYTE);
    outgoing_serve(w.outgoing);
    assert_int_equal(w.producer.count, 3);
    outgoing_serve(w.outgoing);
    assert_int_equal(w.producer.count, 3);
    deliver(&w.producer, NULL);
    outgoing_serve(w.outgoing);
    assert_int_equal(w.producer.count, 4);
    /* One that is larger than all room goes when it is alone. */
    send_sized(&w, "b", 60 * MEGABYTE);
    while (w.producer.answered < w.producer.count) {
        deliver(&w.producer, NULL);
        outgoing_serve(w.outgoing);
    }
    assert_int_equal(w.producer.count, 6);
    assert_int_equal(w.producer.got[5].size, 60 * MEGABYTE);
    assert_int_equal(outgoing_pending(w.outgoing), 0);
    world_release(&w);
}

static void records_at_the_producer_are_bounded(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (int i = 0; i < 55000; i++)
        send_sized(&w, "a", 1);
    outgoing_serve(w.outgoing);
    assert_int_equal(w.producer.count, 50000);
    deliver(&w.producer, NULL);
    outgoing_serve(w.outgoing);
    assert_int_equal(w.producer.count, 50001);
    assert_int_equal(outgoing_pending(w.outgoing), 54999);
    while (w.producer.answered < w.producer.count) {
        deliver(&w.producer, NULL);
        outgoing_serve(w.outgoing);
    }
    assert_int_equal(w.told, 55000);
    world_release(&w);
}

static void it_is_full_by_bytes_or_records_and_not_any_more_when_they_are_reported(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    assert_false(outgoing_is_full(w.outgoing));
    send_sized(&w, "a", 17 * MEGABYTE);
    assert_true(outgoing_is_full(w.outgoing));
    outgoing_serve(w.outgoing);
    assert_true(outgoing_is_full(w.outgoing));
    deliver(&w.producer, NULL);
    assert_false(outgoing_is_full(w.outgoing));
    for (int i = 0; i < 20001; i++)
        send_sized(&w, "a", 1);
    assert_true(outgoing_is_full(w.outgoing));
    outgoing_serve(w.outgoing);
    deliver(&w.producer, NULL);
    assert_false(outgoing_is_full(w.outgoing));
    while (w.producer.answered < w.producer.count)
        deliver(&w.producer, NULL);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_copied_and_the_order_stays),
        cmocka_unit_test(what_is_pending_counts_until_its_report),
        cmocka_unit_test(what_the_producer_refuses_is_told_and_gone),
        cmocka_unit_test(bytes_at_the_producer_are_bounded),
        cmocka_unit_test(records_at_the_producer_are_bounded),
        cmocka_unit_test(it_is_full_by_bytes_or_records_and_not_any_more_when_they_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
