/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/*
 * Descriptors run out in the executor: tasks wait for processes that run, as they do at the largest number of processes; none fails.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "tests/unit/engines_world.h"

/* From now on there are descriptors up to this number only; returns the limit that was. */
static struct rlimit limit_descriptors(int most)
{
    struct rlimit old, scarce;
    MUST(getrlimit(RLIMIT_NOFILE, &old) == 0);
    scarce = (struct rlimit){(rlim_t)most, old.rlim_max};
    MUST(setrlimit(RLIMIT_NOFILE, &scarce) == 0);
    return old;
}

static int next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0);
    (void)close(fd);
    return fd;
}

static void tasks_wait_for_descriptors(void **state)
{
    enum { USERS = 5 };
    static const char *const users[USERS] = {"ann", "bob", "cyd", "dan", "eve"};
    struct probe b[USERS];
    struct world w;
    (void)state;
    world_prepare(&w);
    world_open(&w, "auto");
    /* One process has 3 pipes, of each one end; while it is started there are 6. */
    struct rlimit old = limit_descriptors(next_descriptor() + 9);
    for (int i = 0; i < USERS; i++) {
        probe_init(&b[i]);
        struct engine_task t = task_of(&b[i], "shell", "echo $MILLRACE_USER; sleep 0.2");
        t.user = bytes_of(users[i]);
        engines_run(w.p, &t);
    }
    size_t most = engines_process_count(w.p);
    for (int i = 0; i < USERS; i++) {
        AWAIT(&w, b[i].ended);
    }
    MUST(setrlimit(RLIMIT_NOFILE, &old) == 0);
    for (int i = 0; i < USERS; i++) {
        assert_string_equal(b[i].message, "");
        assert_int_equal(b[i].end, TASK_SUCCEEDED);
        assert_true(contains(&b[i].out, users[i]));
        probe_release(&b[i]);
    }
    assert_in_range(most, 1, USERS - 1); /* they were scarce indeed */
    world_close(&w);
}

static void without_any_process_to_wait_for_the_task_fails(void **state)
{
    struct probe b, c;
    struct world w;
    (void)state;
    world_prepare(&w);
    world_open(&w, "auto");
    struct rlimit old = limit_descriptors(next_descriptor() + 2);
    run_code(&w, &b, "shell", "echo never");
    AWAIT(&w, b.ended);
    MUST(setrlimit(RLIMIT_NOFILE, &old) == 0);
    assert_int_equal(b.end, TASK_FAILED);
    assert_string_equal(b.code, "engine_unavailable");
    assert_non_null(strstr(b.message, "Too many open files"));
    run_code(&w, &c, "shell", "echo again");
    AWAIT(&w, c.ended);
    assert_int_equal(c.end, TASK_SUCCEEDED);
    probe_release(&b);
    probe_release(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_wait_for_descriptors),
        cmocka_unit_test(without_any_process_to_wait_for_the_task_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
