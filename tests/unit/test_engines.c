/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/*
 * Real engine processes under a real guard: what a run says and leaves behind, in PID namespaces and without. Each test
 * runs twice, with isolation auto and none. What becomes of results: test_engines_results.c.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/engines_world.h"

static const char *isolation; /* of the group that runs */

static void world_start(struct world *w)
{
    world_prepare(w);
    world_open(w, isolation);
}

static void a_noop_task_succeeds(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_start(&w);
    run_code(&w, &b, "noop", "");
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_int_equal(engines_process_count(w.p), 1);
    probe_release(&b);
    world_close(&w);
}

static void an_unknown_engine_ends_the_task(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_start(&w);
    run_code(&w, &b, "cobol", "");
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_FAILED);
    assert_string_equal(b.code, "engine_unavailable");
    probe_release(&b);
    world_close(&w);
}

static void shell_streams_logs_and_exit_codes(void **state)
{
    static const struct {
        const char *code;
        enum task_end end;
        const char *error, *message, *out, *err;
        int64_t exit_code;
    } rows[] = {
        {"echo hi; echo there >&2", TASK_SUCCEEDED, "", "", "hi\n", "there\n", 0},
        {"exit 3", TASK_FAILED, "exit_code", "exit status 3", "", "", 3},
        {"kill -9 $$", TASK_FAILED, "killed", "killed by signal 9 (SIGKILL)", "", "", NO_INT},
        {"printf 'a\\000b\\377c'", TASK_SUCCEEDED, "", "",
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c\n",
            "", 0},
        {"cat; echo done", TASK_SUCCEEDED, "", "", "done\n", "", 0},
        {"ls -A; pwd | grep -c run-", TASK_SUCCEEDED, "", "", "1\n", "", 0},
        {"env | grep -c MILLRACE_VAR_; echo $MILLRACE_VAR_day $MILLRACE_JOB_ID", TASK_SUCCEEDED, "", "",
            "1\nmonday 0190f000-0000-7000-8000-000000000001\n", "", 0},
        {"ls /proc/self/fd | wc -l", TASK_SUCCEEDED, "", "", "4\n", "", 0},
        {"grep NoNewPrivs /proc/self/status", TASK_SUCCEEDED, "", "", "NoNewPrivs:\t1\n", "", 0},
        {"no_such_command_x", TASK_FAILED, "exit_code", "exit status 127", "", NULL, 127},
    };
    struct pair variables[] = {{BYTES("day"), BYTES("monday")}, {BYTES("bad name"), BYTES("x")}};
    struct world w;
    (void)state;
    world_start(&w);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct probe b;
        probe_init(&b);
        struct engine_task t = task_of(&b, "shell", rows[i].code);
        t.variables = (struct pairs){variables, 2};
        engines_run(w.p, &t);
        AWAIT(&w, b.ended);
        buf_add_char(&b.out, '\0');
        buf_add_char(&b.err, '\0');
        assert_int_equal(b.end, rows[i].end);
        assert_string_equal(b.code, rows[i].error);
        assert_string_equal(b.message, rows[i].message);
        assert_string_equal(b.out.data, rows[i].out);
        if (rows[i].err != NULL) {
            assert_string_equal(b.err.data, rows[i].err);
        }
        assert_int_equal(b.exit_code, rows[i].exit_code);
        probe_release(&b);
    }
    assert_int_equal(engines_process_count(w.p), 1); /* one warm process did it all */
    world_close(&w);
}

static void long_code_comes_from_a_file(void **state)
{
    struct world w;
    struct probe b;
    struct buf code;
    (void)state;
    world_start(&w);
    buf_init(&code);
    for (int i = 0; i < 20000; i++) {
        buf_add_text(&code, "# a comment of some length\n");
    }
    buf_add_text(&code, "echo end");
    buf_add_char(&code, '\0');
    run_code(&w, &b, "shell", code.data);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_true(contains(&b.out, "end\n"));
    buf_release(&code);
    probe_release(&b);
    world_close(&w);
}

static void a_job_leaves_no_process_behind(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_start(&w);
    run_code(&w, &b, "shell",
        "sleep 1000 & (setsid sleep 1000 &) ; setsid bash -c 'trap \"\" TERM; sleep 1000' & echo x");
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_int_equal(count_marked(w.instance), 1); /* the engine itself, warm */
    probe_release(&b);
    world_close(&w);
    assert_int_equal(count_marked(w.instance), 0);
}

static void big_output_streams_in_small_pieces(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_start(&w);
    probe_init(&b);
    b.keep_log = false;
    struct engine_task t =
        task_of(&b, "shell", "yes 0123456789 | head -c 22000000; head -c 5000000 /dev/zero");
    engines_run(w.p, &t);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_true(b.log_bytes >= 22000000 + 3 * 5000000); /* a NUL byte becomes three bytes of U+FFFD */
    assert_true(b.largest_text <= 512 * 1024);
    probe_release(&b);
    world_close(&w);
}

static const char stubborn[] =
    "trap '' TERM\n"
    "(setsid bash -c 'trap \"\" TERM; (trap \"\" TERM; while :; do sleep 1000; done) & disown; "
    "while :; do sleep 1000; done' &)\n"
    "echo up\nwhile :; do sleep 1000; done";

static void cancel_kills_what_ignores_sigterm_after_the_grace(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_start(&w);
    run_code(&w, &b, "shell", stubborn);
    AWAIT(&w, contains(&b.out, "up") && count_marked(w.instance) >= 6);
    int64_t at = clock_boot_ms();
    engines_cancel(w.p, b.run);
    engines_cancel(w.p, b.run);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_CANCELLED);
    assert_string_equal(b.code, "cancelled");
    assert_true(b.ended_at - at >= 400);
    assert_int_equal(count_marked(w.instance), 0);
    probe_release(&b);
    world_close(&w);
}

static void cancel_reaches_a_grandchild_that_left_the_session(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_prepare(&w);
    MUST(take_lock(&w, &w.lock_fd));
    struct engines_settings s = world_settings(&w, isolation);
    s.grace_ms = 20000;
    world_open_with(&w, &s);
    /* the script itself ends at once by SIGTERM; the far one says that it got it, if it does */
    run_code(&w, &b, "shell",
        "(setsid bash -c 'trap \"echo far got it; exit\" TERM; echo far up; while :; do sleep 0.05; done' "
        "&)\n"
        "while :; do sleep 1000; done");
    AWAIT(&w, contains(&b.out, "far up"));
    engines_cancel(w.p, b.run);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_CANCELLED);
    assert_true(contains(&b.out, "far got it"));
    assert_int_equal(engines_process_count(w.p), 1); /* nobody had to be killed: the engine stays warm */
    probe_release(&b);
    world_close(&w);
}

static void a_timeout_ends_as_timed_out(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_start(&w);
    probe_init(&b);
    struct engine_task t = task_of(&b, "shell", "sleep 1000");
    t.timeout_ms = 200;
    engines_run(w.p, &t);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_TIMED_OUT);
    assert_string_equal(b.code, "run_timeout");
    probe_release(&b);
    world_close(&w);
}

static void cancel_of_a_waiting_task_ends_it_at_once(void **state)
{
    struct world w;
    struct probe a;
    struct probe b;
    (void)state;
    world_prepare(&w);
    MUST(take_lock(&w, &w.lock_fd));
    struct engines_settings s = world_settings(&w, isolation);
    s.max_processes = 1;
    world_open_with(&w, &s);
    run_code(&w, &a, "shell", "echo up; sleep 1000");
    AWAIT(&w, contains(&a.out, "up"));
    run_code(&w, &b, "shell", "echo never");
    engines_cancel(w.p, b.run);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_CANCELLED);
    assert_false(a.ended);
    assert_int_equal(b.log_bytes, 0);
    probe_release(&a);
    probe_release(&b);
    world_close(&w);
}

/* None of them knows yet how many runs a process takes. */
static void tasks_of_one_user_that_come_at_once_run_at_once(void **state)
{
    struct world w;
    struct probe b[3];
    (void)state;
    world_start(&w);
    for (int i = 0; i < 3; i++) {
        run_code(&w, &b[i], "shell", "echo up; sleep 1000");
    }
    for (int i = 0; i < 3; i++) {
        AWAIT(&w, contains(&b[i].out, "up"));
    }
    for (int i = 0; i < 3; i++) {
        engines_cancel(w.p, b[i].run);
        AWAIT(&w, b[i].ended);
        probe_release(&b[i]);
    }
    world_close(&w);
}

static void idle_processes_make_room_for_other_users(void **state)
{
    static const char *const users[] = {"ann", "bob", "cyd", "dan", "eve", "flo"};
    struct probe b[6];
    struct world w;
    (void)state;
    world_prepare(&w);
    MUST(take_lock(&w, &w.lock_fd));
    struct engines_settings s = world_settings(&w, isolation);
    s.max_processes = 2;
    world_open_with(&w, &s);
    for (int i = 0; i < 6; i++) {
        probe_init(&b[i]);
        struct engine_task t = task_of(&b[i], "shell", "echo $MILLRACE_USER");
        t.user = bytes_of(users[i]);
        engines_run(w.p, &t);
    }
    for (int i = 0; i < 6; i++) {
        AWAIT(&w, b[i].ended);
        assert_int_equal(b[i].end, TASK_SUCCEEDED);
        assert_true(contains(&b[i].out, users[i]));
        probe_release(&b[i]);
    }
    assert_true(engines_process_count(w.p) <= 2);
    world_close(&w);
}

static void fresh_tasks_get_a_process_of_their_own(void **state)
{
    struct world w;
    struct probe b[2];
    (void)state;
    world_start(&w);
    for (int i = 0; i < 2; i++) {
        probe_init(&b[i]);
        struct engine_task t =
            task_of(&b[i], "shell", "echo $HOME; echo mine > $HOME/mark; ls $HOME | wc -l");
        t.fresh = true;
        engines_run(w.p, &t);
        AWAIT(&w, b[i].ended);
    }
    assert_false(b[0].out.len == b[1].out.len && memcmp(b[0].out.data, b[1].out.data, b[0].out.len) == 0);
    AWAIT(&w, engines_process_count(w.p) == 0);
    probe_release(&b[0]);
    probe_release(&b[1]);
    world_close(&w);
}

static void an_idle_process_ends(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_prepare(&w);
    MUST(take_lock(&w, &w.lock_fd));
    struct engines_settings s = world_settings(&w, isolation);
    s.idle_ms = 50;
    world_open_with(&w, &s);
    run_code(&w, &b, "noop", "");
    AWAIT(&w, b.ended);
    AWAIT(&w, engines_process_count(w.p) == 0);
    probe_release(&b);
    world_close(&w);
}

static void kill_all_ends_every_task_as_lost(void **state)
{
    struct world w;
    struct probe b[3];
    struct probe late;
    (void)state;
    world_start(&w);
    for (int i = 0; i < 3; i++) {
        run_code(&w, &b[i], "shell", stubborn);
    }
    for (int i = 0; i < 3;
         i++) { /* one that still waits ends at once, before the process that was meant for it is dead */
        AWAIT(&w, contains(&b[i].out, "up"));
    }
    engines_kill_all(w.p);
    for (int i = 0; i < 3; i++) {
        AWAIT(&w, b[i].ended);
        assert_int_equal(b[i].end, TASK_FAILED);
        assert_string_equal(b[i].code, "lost");
    }
    assert_int_equal(count_marked(w.instance), 0);
    run_code(&w, &late, "noop", "");
    AWAIT(&w, late.ended);
    assert_string_equal(late.code, "lost");
    for (int i = 0; i < 3; i++) {
        probe_release(&b[i]);
    }
    probe_release(&late);
    world_close(&w);
}

static void thousands_of_noops_per_second(void **state)
{
    enum { COUNT = 2000 };
    struct world w;
    static struct probe b[COUNT];
    struct probe first;
    (void)state;
    world_start(&w);
    run_code(&w, &first, "noop", "");
    AWAIT(&w, first.ended);
    int64_t from = clock_boot_us();
    for (int i = 0; i < COUNT; i++) {
        run_code(&w, &b[i], "noop", "");
        AWAIT(&w, b[i].ended);
    }
    int64_t one_by_one = clock_boot_us() - from;
    from = clock_boot_us();
    for (int i = 0; i < COUNT; i++) {
        run_code(&w, &b[i], "noop", "");
    }
    for (int i = 0; i < COUNT; i++) {
        AWAIT(&w, b[i].ended);
        assert_int_equal(b[i].end, TASK_SUCCEEDED);
        probe_release(&b[i]);
    }
    print_message("noop: %.0f us round trip, %.0f tasks/s at once\n", (double)one_by_one / COUNT,
        COUNT * 1e6 / (double)(clock_boot_us() - from));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_noop_task_succeeds),
        cmocka_unit_test(an_unknown_engine_ends_the_task),
        cmocka_unit_test(shell_streams_logs_and_exit_codes),
        cmocka_unit_test(long_code_comes_from_a_file),
        cmocka_unit_test(a_job_leaves_no_process_behind),
        cmocka_unit_test(big_output_streams_in_small_pieces),
        cmocka_unit_test(cancel_kills_what_ignores_sigterm_after_the_grace),
        cmocka_unit_test(cancel_reaches_a_grandchild_that_left_the_session),
        cmocka_unit_test(a_timeout_ends_as_timed_out),
        cmocka_unit_test(cancel_of_a_waiting_task_ends_it_at_once),
        cmocka_unit_test(tasks_of_one_user_that_come_at_once_run_at_once),
        cmocka_unit_test(idle_processes_make_room_for_other_users),
        cmocka_unit_test(fresh_tasks_get_a_process_of_their_own),
        cmocka_unit_test(an_idle_process_ends),
        cmocka_unit_test(kill_all_ends_every_task_as_lost),
        cmocka_unit_test(thousands_of_noops_per_second),
    };
    isolation = "auto";
    int failed = cmocka_run_group_tests_name("isolation auto", tests, NULL, NULL);
    isolation = "none";
    failed += cmocka_run_group_tests_name("isolation none", tests, NULL, NULL);
    return failed;
}
