/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store promises without a server: patience that ends in time, waits that a stop ends at once, bad settings that
 * are named. And the table of indexes: its JSON is right, its names are unique. (With servers: tests/flow.)
 */
/* LIBS: store */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/store.h"
#include "core/store_private.h"

/* A port of this machine: where nobody listens, or where connections are taken and never answered. */
struct port {
    int fd;
    char uri[64];
};

static void port_open(struct port *p, bool silent_server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&address, &len), 0);
    if (silent_server)
        assert_int_equal(listen(p->fd, 64), 0);
    snprintf(p->uri, sizeof p->uri, "mongodb://127.0.0.1:%d", ntohs(address.sin_port));
}

static struct store *open_at(const char *uri)
{
    struct error e;
    const struct store_settings settings = {.uri = uri, .database = "test"};
    error_clear(&e);
    struct store *s = store_open(&settings, "test_store", &e);
    assert_non_null(s);
    return s;
}

static void patience_ends_in_time(bool silent_server)
{
    struct port port;
    struct error e;
    port_open(&port, silent_server);
    struct store *s = open_at(port.uri);
    int64_t began = clock_boot_ms();
    error_clear(&e);
    assert_false(store_ping(s, 300, &e));
    assert_string_equal(e.code, "store_away");
    assert_true(clock_boot_ms() - began < 10000);
    store_close(s);
    close(port.fd);
}

static void a_refused_connection_ends_as_store_away(void **state)
{
    (void)state;
    patience_ends_in_time(false);
}

static void a_silent_server_ends_as_store_away(void **state)
{
    (void)state;
    patience_ends_in_time(true);
}

static struct store *to_stop;
static void on_alarm(int number)
{
    (void)number;
    store_stop(to_stop); // NOLINT(bugprone-signal-handler): async-signal-safe by contract
}

/* From a signal handler, as in the programs; a call that would wait for ever comes back. */
static void a_stop_ends_a_patient_call(void **state)
{
    (void)state;
    struct port port;
    struct error e;
    bson_t doc = BSON_INITIALIZER;
    const bson_t *docs[1] = {&doc};
    port_open(&port, false);
    to_stop = open_at(port.uri);
    signal(SIGALRM, on_alarm);
    alarm(1);
    int64_t began = clock_boot_ms();
    error_clear(&e);
    assert_false(store_insert(to_stop, "t", docs, 1, NULL, 0, &e));
    assert_string_equal(e.code, "stopping");
    assert_true(clock_boot_ms() - began < 10000);
    /* Later calls don't even try. */
    began = clock_boot_ms();
    assert_false(store_insert(to_stop, "t", docs, 1, NULL, 0, &e));
    assert_string_equal(e.code, "stopping");
    assert_true(clock_boot_ms() - began < 500);
    store_close(to_stop);
    bson_destroy(&doc);
    close(port.fd);
}

static void a_bad_uri_is_named(void **state)
{
    (void)state;
    struct error e;
    const struct store_settings settings = {.uri = "mongo:/nonsense", .database = "test"};
    error_clear(&e);
    assert_null(store_open(&settings, "test_store", &e));
    assert_string_equal(e.code, "bad_setting");
    assert_non_null(strstr(e.text, "mongo.uri"));
}

static void nothing_to_write_asks_no_server(void **state)
{
    (void)state;
    struct port port;
    struct error e;
    int64_t matched = 7;
    port_open(&port, false);
    struct store *s = open_at(port.uri);
    assert_true(store_insert(s, "t", NULL, 0, NULL, 0, &e));
    assert_true(store_write(s, "t", NULL, 0, &matched, 0, &e));
    assert_int_equal(matched, 0);
    store_close(s);
    close(port.fd);
}

static void assert_json(const char *text)
{
    bson_error_t why;
    bson_t *doc = bson_new_from_json((const uint8_t *)text, -1, &why);
    if (!doc)
        fail_msg("%s: %s", text, why.message);
    bson_destroy(doc);
}

static void the_table_of_indexes_is_right(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct store_index *row = store_indexes; row->collection; row++, count++) {
        assert_json(row->keys);
        if (row->options)
            assert_json(row->options);
        assert_true(row->help && row->help[0]);
        for (const struct store_index *other = store_indexes; other < row; other++)
            assert_false(
                strcmp(row->collection, other->collection) == 0 && strcmp(row->name, other->name) == 0);
        /* One command makes the indexes of a collection: its rows must stand together. */
        for (const struct store_index *other = row + 1; other->collection; other++)
            if (strcmp(other->collection, row->collection) == 0)
                assert_string_equal((other - 1)->collection, row->collection);
    }
    assert_true(count > 10);
}

/* Two writers of the same documents lock them in the same order, whatever the order in which they have them. */
static void bulks_go_by_id(void **state)
{
    (void)state;
    static const char *const ids[] = {"b/1", "a/2", "b", "c", "a/2", "", "b/0"};
    static const size_t sorted[] = {5, 1, 4, 2, 6, 0, 3};
    enum { COUNT = sizeof ids / sizeof *ids };
    const bson_t *docs[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        docs[i] = BCON_NEW("n", BCON_INT32(1), "_id", BCON_UTF8(ids[i]));
    size_t *order = store_by_id(docs, COUNT);
    assert_memory_equal(order, sorted, sizeof sorted);
    free(order);
    for (size_t i = 0; i < COUNT; i++)
        bson_destroy((bson_t *)(uintptr_t)docs[i]);
}

static void binary_ids_and_none_have_an_order_too(void **state)
{
    (void)state;
    bson_t docs[3] = {BSON_INITIALIZER, BSON_INITIALIZER, BSON_INITIALIZER};
    const bson_t *list[3] = {&docs[0], &docs[1], &docs[2]};
    static const uint8_t high[2] = {9, 9}, low[2] = {1, 2};
    bson_append_binary(&docs[0], "_id", -1, BSON_SUBTYPE_BINARY, high, sizeof high);
    bson_append_binary(&docs[1], "_id", -1, BSON_SUBTYPE_BINARY, low, sizeof low);
    size_t *order = store_by_id(list, 3);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 0);
    free(order);
    for (size_t i = 0; i < 3; i++)
        bson_destroy(&docs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulks_go_by_id),
        cmocka_unit_test(binary_ids_and_none_have_an_order_too),
        cmocka_unit_test(a_refused_connection_ends_as_store_away),
        cmocka_unit_test(a_silent_server_ends_as_store_away),
        cmocka_unit_test(a_stop_ends_a_patient_call),
        cmocka_unit_test(a_bad_uri_is_named),
        cmocka_unit_test(nothing_to_write_asks_no_server),
        cmocka_unit_test(the_table_of_indexes_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
