/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/*
 * What is left when the executor, its guard or an engine is killed, or the lease runs out: nothing, and the lock is free
 * exactly then. The executor is a forked child of the test, so that it can be killed. Runs with isolation auto and none.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/prctl.h>

#include "executor/leftovers.h"
#include "tests/unit/engines_world.h"

static const char *isolation; /* of the group that runs */

/* Starts far and near processes that ignore SIGTERM: six in all, with the engine itself. */
static const char stubborn[] =
    "trap '' TERM\n"
    "(setsid bash -c 'trap \"\" TERM; (trap \"\" TERM; sleep 1000) & sleep 1000' &)\n"
    "sleep 1000 &\n"
    "echo up\nwait";

struct executor {
    struct world w;
    pid_t pid;
    int said; /* read end: guard's pid once the job is up */
    pid_t guard;
};

/* A child's whole life: an executor with one stubborn job. Ends with 7 when the guard is gone, as log_fatal would. */
static _Noreturn void executor_main(struct world *w, int say, int64_t lease_ms)
{
    struct probe b;
    bool told = false;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    world_open(w, isolation);
    if (lease_ms > 0) {
        engines_lease(w->p, clock_boot_ms() + lease_ms);
    }
    run_code(w, &b, "shell", stubborn);
    while (!w->guard_lost) {
        world_turn(w, told ? 1000 : 20);
        if (!told && contains(&b.out, "up") && count_marked(w->instance) >= 6) {
            told = true;
            MUST(write(say, "u", 1) == 1);
        }
    }
    _exit(7);
}

/* The guard is the executor's only child. */
static pid_t child_of(pid_t parent)
{
    struct process_list l = {0};
    pid_t found = 0;
    MUST(process_list_read(&l));
    for (size_t i = 0; i < l.count; i++) {
        found = l.items[i].parent == parent ? l.items[i].pid : found;
    }
    process_list_release(&l);
    return found;
}

static void executor_start(struct executor *x, int64_t lease_ms)
{
    int ends[2];
    world_prepare(&x->w);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    x->pid = fork();
    if (x->pid == 0) {
        executor_main(&x->w, ends[1], lease_ms);
    }
    (void)close(ends[1]);
    x->said = ends[0];
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    char c;
    assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
    assert_int_equal(read(ends[0], &c, 1), 1);
    x->guard = child_of(x->pid);
    assert_true(x->guard > 0);
    assert_true(count_marked(x->w.instance) >= 6); /* engine, script, three sleeps, the far bash */
}

static int executor_status(const struct executor *x)
{
    int status = -1;
    AWAIT_OUTSIDE(waitpid(x->pid, &status, WNOHANG) == x->pid);
    return status;
}

static bool lock_is_free(const struct world *w)
{
    int fd;
    bool taken = take_lock(w, &fd);
    if (taken) {
        (void)close(fd);
    }
    return taken;
}

static void executor_clean(struct executor *x)
{
    (void)close(x->said);
    folder_remove(x->w.folder);
}

static void a_killed_executor_leaves_nothing_and_frees_the_lock(void **state)
{
    struct executor x;
    (void)state;
    executor_start(&x, 0);
    assert_false(lock_is_free(&x.w));
    assert_int_equal(kill(x.pid, SIGKILL), 0);
    (void)executor_status(&x);
    AWAIT_OUTSIDE(lock_is_free(&x.w));
    assert_int_equal(count_marked(x.w.instance), 0); /* dead before the lock was free */
    executor_clean(&x);
}

static void a_killed_guard_takes_the_tree_with_it_or_leftovers_do(void **state)
{
    struct executor x;
    (void)state;
    executor_start(&x, 0);
    assert_int_equal(kill(x.guard, SIGKILL), 0);
    assert_int_equal(WEXITSTATUS(executor_status(&x)), 7); /* the executor notices and ends */
    AWAIT_OUTSIDE(lock_is_free(&x.w));
    size_t killed;
    if (strcmp(isolation, "none") == 0) {
        assert_true(leftovers_kill(x.w.instance, &killed));
        assert_int_equal(count_marked(x.w.instance), 0);
    } else {
        AWAIT_OUTSIDE(count_marked(x.w.instance) == 0);
        assert_true(leftovers_kill(x.w.instance, &killed));
        assert_int_equal(killed, 0);
    }
    leftovers_clean(x.w.work_dir, x.w.instance);
    char path[400];
    (void)snprintf(path, sizeof(path), "%s/%s", x.w.work_dir, x.w.instance);
    assert_int_equal(access(path, F_OK), -1);
    executor_clean(&x);
}

static void the_end_of_the_lease_kills_also_when_the_executor_is_frozen(void **state)
{
    struct executor x;
    (void)state;
    executor_start(&x, 3000);
    assert_int_equal(kill(x.pid, SIGSTOP), 0);
    AWAIT_OUTSIDE(count_marked(x.w.instance) == 0);
    assert_false(lock_is_free(&x.w)); /* the frozen executor has it still */
    assert_int_equal(kill(x.pid, SIGCONT), 0);
    assert_int_equal(WEXITSTATUS(executor_status(&x)), 7);
    AWAIT_OUTSIDE(lock_is_free(&x.w));
    executor_clean(&x);
}

static void engines_do_not_inherit_the_lock(void **state)
{
    struct executor x;
    struct process_list l = {0};
    char lock[300];
    (void)state;
    executor_start(&x, 0);
    assert_non_null(realpath(x.w.lock_path, lock));
    MUST(process_list_read(&l));
    process_list_mark(&l, x.pid);
    size_t holders = 0;
    for (size_t i = 0; i < l.count; i++) {
        for (int fd = 0; fd < 64 && l.items[i].marked; fd++) {
            char path[64];
            char target[300];
            (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)l.items[i].pid, fd);
            ssize_t len = readlink(path, target, sizeof(target) - 1);
            target[len > 0 ? len : 0] = '\0';
            if (strcmp(target, lock) == 0) {
                holders++;
                assert_int_equal(l.items[i].pid, x.guard);
            }
        }
    }
    assert_int_equal(holders, 1);
    process_list_release(&l);
    assert_int_equal(kill(x.pid, SIGKILL), 0);
    (void)executor_status(&x);
    AWAIT_OUTSIDE(lock_is_free(&x.w));
    executor_clean(&x);
}

/* The engine process itself: the parent of the script. */
static pid_t engine_of(void)
{
    struct process_list l = {0};
    pid_t found = 0;
    MUST(process_list_read(&l));
    process_list_mark(&l, getpid());
    for (size_t i = 0; i < l.count; i++) {
        char path[64];
        char target[600] = "";
        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)l.items[i].pid);
        if (l.items[i].marked && readlink(path, target, sizeof(target) - 1) > 0 &&
            strstr(target, "millrace-engine-shell") != NULL) {
            found = l.items[i].pid;
        }
    }
    process_list_release(&l);
    return found;
}

static void a_killed_engine_fails_its_run_and_nothing_stays(void **state)
{
    struct world w;
    struct probe b;
    struct probe again;
    (void)state;
    world_prepare(&w);
    world_open(&w, isolation);
    run_code(&w, &b, "shell", stubborn);
    AWAIT(&w, contains(&b.out, "up") && count_marked(w.instance) >= 6);
    assert_int_equal(kill(engine_of(), SIGKILL), 0);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_FAILED);
    assert_string_equal(b.code, "engine_died");
    assert_non_null(strstr(b.message, "killed by signal 9 (SIGKILL)"));
    assert_int_equal(count_marked(w.instance), 0);
    run_code(&w, &again, "shell", "echo next");
    AWAIT(&w, again.ended);
    assert_int_equal(again.end, TASK_SUCCEEDED);
    probe_release(&b);
    probe_release(&again);
    world_close(&w);
}

static void a_killed_keeper_fails_its_run_and_nothing_stays(void **state)
{
    struct world w;
    struct probe b;
    struct process_list l = {0};
    pid_t keeper = 0;
    (void)state;
    world_prepare(&w);
    world_open(&w, isolation);
    run_code(&w, &b, "shell", stubborn);
    AWAIT(&w, contains(&b.out, "up") && count_marked(w.instance) >= 6);
    pid_t engine = engine_of();
    MUST(process_list_read(&l));
    for (size_t i = 0; i < l.count; i++) {
        keeper = l.items[i].pid == engine ? l.items[i].parent : keeper;
    }
    process_list_release(&l);
    assert_int_equal(kill(keeper, SIGKILL), 0);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_FAILED);
    assert_string_equal(b.code, "engine_died");
    assert_int_equal(count_marked(w.instance), 0);
    probe_release(&b);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_executor_leaves_nothing_and_frees_the_lock),
        cmocka_unit_test(a_killed_guard_takes_the_tree_with_it_or_leftovers_do),
        cmocka_unit_test(the_end_of_the_lease_kills_also_when_the_executor_is_frozen),
        cmocka_unit_test(engines_do_not_inherit_the_lock),
        cmocka_unit_test(a_killed_engine_fails_its_run_and_nothing_stays),
        cmocka_unit_test(a_killed_keeper_fails_its_run_and_nothing_stays),
    };
    isolation = "auto";
    int failed = cmocka_run_group_tests_name("isolation auto", tests, NULL, NULL);
    isolation = "none";
    failed += cmocka_run_group_tests_name("isolation none", tests, NULL, NULL);
    return failed;
}
