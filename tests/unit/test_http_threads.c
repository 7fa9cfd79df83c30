/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: answers from other threads, workers that block, clients that leave while their request waits, limits of
 * connections and time, and closing the server in each of these moments.
 */
/* LIBS: http */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/http_private.h"
#include "core/log.h"
#include "http_client.h"

enum { DESK_MAX = 1024 };

/* Where handlers leave requests for others to answer. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct http_request *items[DESK_MAX];
    size_t count;
    bool gate_open; /* workers in `block` go on */
    int blocked;    /* workers in `block` */
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void desk_put(struct http_request *r)
{
    pthread_mutex_lock(&desk.lock);
    assert_true(desk.count < DESK_MAX);
    desk.items[desk.count++] = r;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
}

static void wait_changed(void)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += CLIENT_LIMIT_S;
    if (pthread_cond_timedwait(&desk.changed, &desk.lock, &limit) != 0)
        fail_msg("nothing happened within %d s: %zu requests wait, %d workers", CLIENT_LIMIT_S, desk.count,
            desk.blocked);
}

static void desk_wait(size_t count)
{
    pthread_mutex_lock(&desk.lock);
    while (desk.count < count)
        wait_changed();
    pthread_mutex_unlock(&desk.lock);
}

/* The last one put, or NULL. */
static struct http_request *desk_take(void)
{
    pthread_mutex_lock(&desk.lock);
    struct http_request *r = desk.count > 0 ? desk.items[--desk.count] : NULL;
    pthread_mutex_unlock(&desk.lock);
    return r;
}

static void answer_id(struct http_request *r)
{
    http_answer(r, 200, "text/plain", http_param(r, "id"), NULL, 0);
}

static void at_once(void *self, struct http_request *r)
{
    (void)self;
    answer_id(r);
}

static void later(void *self, struct http_request *r)
{
    (void)self;
    desk_put(r);
}

static void block(void *self, struct http_request *r)
{
    (void)self;
    pthread_mutex_lock(&desk.lock);
    desk.blocked++;
    pthread_cond_broadcast(&desk.changed);
    while (!desk.gate_open)
        pthread_cond_wait(&desk.changed, &desk.lock);
    desk.blocked--;
    pthread_mutex_unlock(&desk.lock);
    answer_id(r);
}

static const struct http_route routes[] = {
    {"GET", "/now/{id}", HTTP_INLINE, at_once, 0, "", ""},
    {"GET", "/worker/{id}", HTTP_WORKER, at_once, 0, "", ""},
    {"GET", "/later/{id}", HTTP_INLINE, later, 0, "", ""},
    {"POST", "/later/{id}", HTTP_INLINE, later, 65536, "", ""},
    {"GET", "/worker-later/{id}", HTTP_WORKER, later, 0, "", ""},
    {"GET", "/block/{id}", HTTP_WORKER, block, 0, "", ""},
    {.method = NULL},
};
static const struct http_table tables[] = {{routes, NULL}};

static struct http_server *open_server(int connections, int idle_s)
{
    const struct http_options options = {.address = "127.0.0.1",
        .workers = 3,
        .max_connections = connections,
        .idle_timeout_s = idle_s,
        .program = "test"};
    struct error e;
    struct http_server *s = http_open(&options, tables, 1, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static int set_up(void **state)
{
    (void)state;
    log_init("test", LOG_ERROR);
    desk.count = 0;
    desk.blocked = 0;
    desk.gate_open = false;
    return 0;
}

static int say_get(int port, const char *path, int id)
{
    char request[128];
    int fd = client_open(port);
    snprintf(request, sizeof(request), "GET /%s/%d HTTP/1.1\r\nHost: x\r\n\r\n", path, id);
    client_say(fd, request);
    return fd;
}

static void expect_id(int fd, int id)
{
    struct reply r;
    char expected[32];
    reply_read(fd, &r, false);
    assert_int_equal(r.status, 200);
    snprintf(expected, sizeof(expected), "%d", id);
    assert_string_equal(r.body.data, expected);
    buf_release(&r.body);
}

static void *answer_all(void *arg)
{
    for (struct http_request *r; (r = desk_take()) != NULL;)
        answer_id(r);
    return arg;
}

static void two_hundred_deferred_requests_get_their_own_answers(void **state)
{
    enum { COUNT = 200, THREADS = 4 };
    struct http_server *s = open_server(COUNT, 60);
    static int fds[COUNT];
    pthread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        fds[i] = say_get(http_port(s), i % 2 ? "later" : "worker-later", i);
    desk_wait(COUNT);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, answer_all, NULL), 0);
        for (size_t i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < COUNT; i++) { /* and once more on the same connections */
            char request[128];
            expect_id(fds[i], round == 0 ? i : round * 1000 + i);
            snprintf(request, sizeof(request), "GET /later/%d HTTP/1.1\r\nHost: x\r\n\r\n",
                (round + 1) * 1000 + i);
            if (round < 4)
                client_say(fds[i], request);
        }
        if (round < 4)
            desk_wait(COUNT);
    }
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    http_close(s);
}

/* Answers whatever comes, at once: often before the handler that put it there has returned. */
static void *answer_eagerly(void *arg)
{
    const int *total = arg;
    for (int i = 0; i < *total; i++) {
        desk_wait(1);
        answer_id(desk_take());
    }
    return NULL;
}

static void an_answer_may_overtake_the_handlers_return(void **state)
{
    struct http_server *s = open_server(10, 60);
    int total = 3000;
    pthread_t thread;

    (void)state;
    int fd = client_open(http_port(s));
    assert_int_equal(pthread_create(&thread, NULL, answer_eagerly, &total), 0);
    for (int i = 0; i < total; i++) {
        char request[128];
        snprintf(request, sizeof(request), "GET /later/%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
        client_say(fd, request);
        expect_id(fd, i);
    }
    pthread_join(thread, NULL);
    close(fd);
    http_close(s);
}

static void blocked_workers_do_not_hold_up_others(void **state)
{
    struct http_server *s = open_server(50, 60);
    int fds[10];

    (void)state;
    for (int i = 0; i < 10; i++)
        fds[i] = say_get(http_port(s), "block", i);
    pthread_mutex_lock(&desk.lock);
    while (desk.blocked < 3) /* all workers; seven more stand in the queue */
        wait_changed();
    pthread_mutex_unlock(&desk.lock);
    for (int i = 0; i < 100; i++) {
        int fd = say_get(http_port(s), "now", i);
        expect_id(fd, i);
        close(fd);
    }
    pthread_mutex_lock(&desk.lock);
    desk.gate_open = true;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
    for (int i = 0; i < 10; i++) {
        expect_id(fds[i], i);
        close(fds[i]);
    }
    http_close(s);
}

static void what_a_request_holds_lives_until_its_answer(void **state)
{
    struct http_server *s = open_server(10, 60);
    struct reply reply;

    (void)state;
    int fd = client_open(http_port(s));
    client_say(
        fd, "POST /later/7?a=b%20c HTTP/1.1\r\nHost: x\r\nX-Test: header\r\nContent-Length: 4\r\n\r\nbody");
    desk_wait(1);
    close(fd); /* the client is gone: the server may notice whenever it likes */
    struct http_request *r = desk_take();
    assert_true(bytes_equal_text(http_param(r, "id"), "7"));
    assert_true(bytes_equal_text(http_query(r, "a"), "b c"));
    assert_true(bytes_equal_text(http_header(r, "x-TEST"), "header"));
    assert_true(bytes_equal_text(http_body(r), "body"));
    assert_true(bytes_equal_text(http_path(r), "/later/7"));
    assert_non_null(arena_alloc(http_arena(r), 100000));
    http_problem(r, 409, "conflict", BYTES("nobody hears this"), NULL);
    fd = say_get(http_port(s), "now", 1);
    reply_read(fd, &reply, false);
    assert_int_equal(reply.status, 200);
    buf_release(&reply.body);
    close(fd);
    http_close(s);
}

static void clients_that_leave_while_they_wait_harm_nobody(void **state)
{
    enum { COUNT = 60 };
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct http_server *s = open_server(COUNT + 1, 60);

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            int fd = say_get(http_port(s), i % 2 ? "later" : "worker-later", i);
            if (i % 3 == 0)
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            desk_wait((size_t)i + 1);
            close(fd);
        }
        answer_all(NULL);
        /* Their places are free again: all of them can be taken anew. */
        int fds[COUNT];
        for (int i = 0; i < COUNT; i++)
            fds[i] = say_get(http_port(s), "now", i);
        for (int i = 0; i < COUNT; i++) {
            expect_id(fds[i], i);
            close(fds[i]);
        }
    }
    http_close(s);
}

static void over_the_limit_connections_wait_for_a_place(void **state)
{
    struct http_server *s = open_server(5, 60);
    int fds[6];
    char c;

    (void)state;
    for (int i = 0; i < 5; i++) {
        fds[i] = say_get(http_port(s), "now", i);
        expect_id(fds[i], i);
    }
    fds[5] = say_get(http_port(s), "now", 5);
    struct timeval soon = {.tv_usec = 300000};
    setsockopt(fds[5], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    assert_int_equal(recv(fds[5], &c, 1, MSG_PEEK), -1); /* no answer, and not closed */
    struct timeval limit = {.tv_sec = CLIENT_LIMIT_S};
    setsockopt(fds[5], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    close(fds[0]);
    expect_id(fds[5], 5);
    for (int i = 1; i < 6; i++)
        close(fds[i]);
    http_close(s);
}

static void idle_connections_are_closed_but_waiting_ones_are_not(void **state)
{
    struct http_server *s = open_server(10, 1);

    (void)state;
    int waiting = say_get(http_port(s), "later", 1);
    int silent = client_open(http_port(s));
    int half = client_open(http_port(s));
    client_say(half, "GET /now/1 HTT");
    int kept = say_get(http_port(s), "now", 2);
    expect_id(kept, 2);
    assert_true(client_is_closed(silent));
    assert_true(client_is_closed(kept));
    while (!client_is_closed(half)) /* MHD says 408 to it first */
        ;
    desk_wait(1);
    answer_all(NULL);
    expect_id(waiting, 1);
    close(waiting);
    close(silent);
    close(half);
    close(kept);
    http_close(s);
}

/* ---- closing ---- */

static void *answer_after_a_while(void *arg)
{
    const struct timespec while_ = {.tv_nsec = 300000000};
    nanosleep(&while_, NULL); /* the time that an answer takes, not a wait for something */
    return answer_all(arg);
}

static void closing_waits_for_answers_that_come(void **state)
{
    struct http_server *s = open_server(50, 60);
    pthread_t thread;
    int fds[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        fds[i] = say_get(http_port(s), i % 2 ? "later" : "worker-later", i);
    desk_wait(20);
    assert_int_equal(pthread_create(&thread, NULL, answer_after_a_while, NULL), 0);
    int64_t began = clock_boot_ms();
    http_close(s);
    assert_in_range(clock_boot_ms() - began, 100, 4000);
    pthread_join(thread, NULL);
    for (int i = 0; i < 20; i++) {
        struct reply r;
        char value[256];
        reply_read(fds[i], &r, false);
        assert_int_equal(r.status, 200);
        assert_string_equal(reply_header(&r, "Connection", value), "close");
        assert_true(client_is_closed(fds[i]));
        buf_release(&r.body);
        close(fds[i]);
    }
}

static void closing_gives_503_to_what_is_not_answered(void **state)
{
    struct http_server *s = open_server(50, 60);
    int fds[20];

    (void)state;
    for (int i = 0; i < 20; i++)
        fds[i] = say_get(http_port(s), i % 2 ? "later" : "worker-later", i);
    int half = client_open(http_port(s));
    client_say(half, "POST /later/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    desk_wait(20);
    int64_t began = clock_boot_ms();
    http_close(s);
    assert_in_range(clock_boot_ms() - began, 4500, 8000);
    for (int i = 0; i < 20; i++) {
        struct reply r;
        reply_read(fds[i], &r, false);
        assert_int_equal(r.status, 503);
        assert_non_null(strstr(r.body.data, "\"code\":\"shutting_down\""));
        buf_release(&r.body);
        close(fds[i]);
    }
    assert_true(client_is_closed(half));
    close(half);
    /* Their owners answer now, long after the server is gone; what they hold is still theirs. */
    for (struct http_request *r; (r = desk_take()) != NULL;) {
        assert_true(http_param(r, "id").len > 0);
        http_answer_json(r, 200, json_string("too late"));
    }
}

static void *open_the_gate(void *arg)
{
    const struct timespec while_ = {.tv_sec = 6};
    nanosleep(&while_, NULL); /* longer than the server's patience */
    pthread_mutex_lock(&desk.lock);
    desk.gate_open = true;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
    return arg;
}

static void closing_waits_for_handlers_that_run_and_calls_no_more(void **state)
{
    struct http_server *s = open_server(50, 60);
    pthread_t thread;
    int fds[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        fds[i] = say_get(http_port(s), "block", i);
    /* Three are with the workers, five in their queue. (One that the server has not read yet would just be closed.) */
    int64_t began = clock_boot_ms();
    while (atomic_load(&s->busy) < 8 && clock_boot_ms() - began < CLIENT_LIMIT_S * 1000)
        sched_yield();
    assert_int_equal(atomic_load(&s->busy), 8);
    pthread_mutex_lock(&desk.lock);
    while (desk.blocked < 3)
        wait_changed();
    pthread_mutex_unlock(&desk.lock);
    assert_int_equal(pthread_create(&thread, NULL, open_the_gate, NULL), 0);
    http_close(s);
    assert_int_equal(desk.blocked, 0); /* no handler runs any more */
    pthread_join(thread, NULL);
    for (int i = 0; i < 8; i++) {
        struct reply r;
        reply_read(fds[i], &r, false);
        assert_int_equal(r.status, 503);
        buf_release(&r.body);
        close(fds[i]);
    }
}

struct load {
    int port;
    atomic_bool stop;
    atomic_int answers;
};

/* A client that goes on for as long as somebody listens. */
static void *make_load(void *arg)
{
    struct load *load = arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->port)};
    struct timeval limit = {.tv_sec = CLIENT_LIMIT_S};
    static const char request[] = "GET /worker/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[4096];

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while (!atomic_load(&load->stop)) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        bool open = fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
        while (
            open && client_send(fd, request, sizeof(request) - 1) && recv(fd, answer, sizeof(answer), 0) > 0)
            atomic_fetch_add(&load->answers, 1);
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

static void closing_under_load_ends_soon(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct http_server *s = open_server(50, 60);
        struct load load = {.port = http_port(s)};
        pthread_t threads[4];
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, make_load, &load), 0);
        int64_t began = clock_boot_ms();
        while (atomic_load(&load.answers) < 200 && clock_boot_ms() - began < CLIENT_LIMIT_S * 1000)
            sched_yield();
        assert_true(atomic_load(&load.answers) >= 200);
        began = clock_boot_ms();
        http_close(s);
        assert_in_range(clock_boot_ms() - began, 0, 4000);
        atomic_store(&load.stop, true);
        for (size_t i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    http_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(two_hundred_deferred_requests_get_their_own_answers, set_up),
        cmocka_unit_test_setup(an_answer_may_overtake_the_handlers_return, set_up),
        cmocka_unit_test_setup(blocked_workers_do_not_hold_up_others, set_up),
        cmocka_unit_test_setup(what_a_request_holds_lives_until_its_answer, set_up),
        cmocka_unit_test_setup(clients_that_leave_while_they_wait_harm_nobody, set_up),
        cmocka_unit_test_setup(over_the_limit_connections_wait_for_a_place, set_up),
        cmocka_unit_test_setup(idle_connections_are_closed_but_waiting_ones_are_not, set_up),
        cmocka_unit_test_setup(closing_waits_for_answers_that_come, set_up),
        cmocka_unit_test_setup(closing_gives_503_to_what_is_not_answered, set_up),
        cmocka_unit_test_setup(closing_waits_for_handlers_that_run_and_calls_no_more, set_up),
        cmocka_unit_test_setup(closing_under_load_ends_soon, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
