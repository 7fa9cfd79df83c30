/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: scheduler */
/* test_scheduler_places: what takes up a group's places, looks and what happens meanwhile, holds; as transcripts. */
#include "scheduler_world.h"

/* ---- places ---- */

static struct limits *running_at_once(const char *selector, int64_t max)
{
    struct limit l;
    shape_clear(&shape_limit, &l);
    l.selector = bytes_of(selector);
    l.max_running = max;
    return limits_of(&l, 1);
}

static void a_group_with_two_places_runs_two_jobs_and_one_start_is_unanswered_at_a_time(void **state)
{
    (void)state;
    struct scheduler *s = opened(8, 8);
    struct limits *two = running_at_once("a/x", 2);
    scheduler_limits(s, two);
    struct task *first = take(s, "a/x", 1);
    for (int n = 2; n <= 4; n++)
        assert_null(take(s, "a/x", n));
    struct task *second = next_start(s);
    assert_int_equal(n_of(&second->id), 2);
    ended(s, first);
    assert_null(next_start(s)); /* the second's start is unanswered */
    won(s, second);
    starts(s, 3);
    assert_null(next_start(s)); /* both places are taken */
    ended(s, second);
    starts(s, 4);
    scheduler_free(s);
    limits_free(two);
}

static void fewer_places_leave_what_runs_and_more_take_effect_at_once(void **state)
{
    (void)state;
    struct scheduler *s = opened(8, 8);
    struct limits *one = limits_none(), *three = running_at_once("a/x", 3);
    scheduler_limits(s, three);
    struct task *tasks[4] = {NULL, take(s, "a/x", 1)};
    for (int n = 2; n <= 5; n++)
        take(s, "a/x", n);
    tasks[2] = starts(s, 2);
    scheduler_limits(s, one);
    check(s);
    assert_null(next_start(s));
    ended(s, tasks[1]);
    assert_null(next_start(s)); /* the second still takes the only place */
    scheduler_limits(s, three);
    check(s);
    tasks[3] = starts(s, 3);
    starts(s, 4);
    assert_null(next_start(s));
    scheduler_free(s);
    limits_free(one);
    limits_free(three);
}

/* A group with these runs in the ledger. */
static struct scheduler *found(struct run *runs, size_t count, const struct limits *l)
{
    struct scheduler *s = scheduler_with(8, 4);
    if (l)
        scheduler_limits(s, l);
    scheduler_time(s, 1000);
    scheduler_assigned(s, P, A);
    scheduler_unfinished(s, P, A, runs, count, true);
    check(s);
    return s;
}

static void a_job_that_backs_off_keeps_the_line_and_starts_again_in_its_place(void **state)
{
    (void)state;
    struct run runs[] = {retry_of(1, "a/x", 5000), run_of(2, "a/x", RUN_QUEUED)};
    struct scheduler *s = found(runs, 2, NULL);
    assert_null(next_start(s));
    assert_true(scheduler_next_time(s) == 5000);
    scheduler_time(s, 4999);
    assert_null(next_start(s));
    scheduler_time(s, 5000);
    check(s);
    assert_true(scheduler_next_time(s) == INT64_MAX);
    struct task *t = starts(s, 1);
    assert_int_equal(t->attempt, 2);
    assert_int_equal(t->tries, 2);
    ended(s, t);
    starts(s, 2);
    scheduler_free(s);
}

static void with_two_places_the_next_job_goes_on_beside_one_that_backs_off(void **state)
{
    (void)state;
    struct limits *two = running_at_once("a/x", 2);
    struct run runs[] = {retry_of(1, "a/x", 5000), run_of(2, "a/x", RUN_QUEUED), run_of(3, "a/x", RUN_QUEUED),
        run_of(4, "a/x", RUN_QUEUED)};
    struct scheduler *s = found(runs, 4, two);
    struct task *t = starts(s, 2);
    assert_null(next_start(s)); /* both places are taken */
    scheduler_time(s, 6000);
    check(s);
    ended(s, t);
    starts(s, 1); /* before the third, which has never started */
    starts(s, 3);
    assert_null(next_start(s));
    scheduler_free(s);
    limits_free(two);
}

static void the_clock_may_step_backwards(void **state)
{
    (void)state;
    struct run runs[] = {retry_of(1, "a/x", 5000), retry_of(2, "b/y", 7000)};
    struct scheduler *s = found(runs, 2, NULL);
    scheduler_time(s, 6000);
    check(s);
    scheduler_time(s, 100);
    check(s);
    struct task *t = starts(s, 1); /* it was over once */
    assert_null(next_start(s));
    scheduler_ended(s, t, false);
    asks(s, "a/x");
    runs[0].retry_at = 6500;
    looked(s, "a/x", runs, 1);
    assert_true(scheduler_next_time(s) == 6500);
    scheduler_time(s, 7000);
    check(s);
    starts(s, 1);
    starts(s, 2);
    scheduler_free(s);
}

static void a_withdrawn_job_that_backs_off_frees_its_place(void **state)
{
    (void)state;
    struct run runs[] = {retry_of(1, "a/x", 5000), run_of(2, "a/x", RUN_QUEUED)};
    struct scheduler *s = found(runs, 2, NULL);
    struct uuid one = id_of(1);
    assert_true(scheduler_withdraw(s, BYTES("a/x"), &one));
    check(s);
    assert_true(scheduler_next_time(s) == INT64_MAX);
    starts(s, 2);
    scheduler_free(s);
}

static void a_lost_job_starts_again_before_those_that_never_started(void **state)
{
    (void)state;
    struct run runs[] = {run_of(1, "a/x", RUN_RUNNING), run_of(2, "a/x", RUN_QUEUED)};
    struct scheduler *s = found(runs, 2, NULL);
    assert_null(next_start(s));
    assert_int_equal(scheduler_elsewhere_count(s), 1);
    scheduler_look(s, BYTES("a/x"), -1);
    asks(s, "a/x");
    runs[0] = retry_of(1, "a/x", NO_TIME);
    looked(s, "a/x", runs, 2);
    assert_int_equal(scheduler_elsewhere_count(s), 0);
    starts(s, 1);
    scheduler_free(s);
}

static void jobs_that_take_places_do_not_hide_those_that_wait(void **state)
{
    (void)state;
    struct limits *many = running_at_once("a/x", 9);
    struct run runs[9];
    for (int n = 1; n <= 8; n++)
        runs[n - 1] = n % 2 ? run_of(n, "a/x", RUN_RUNNING) : retry_of(n, "a/x", 5000);
    runs[8] = run_of(9, "a/x", RUN_QUEUED);
    struct scheduler *s = found(runs, 8, many);
    scheduler_look(s, BYTES("a/x"), -1);
    assert_int_equal(asks(s, "a/x"), 4 + 8 + 1);
    looked(s, "a/x", runs, 9);
    starts(s, 9);
    scheduler_free(s);
    limits_free(many);
}

static void a_look_that_shows_only_taken_places_is_followed_by_a_wider_one(void **state)
{
    (void)state;
    struct limits *many = running_at_once("a/x", 9);
    struct scheduler *s = found(NULL, 0, many);
    struct run runs[6];
    for (int n = 1; n <= 5; n++)
        runs[n - 1] = run_of(n, "a/x", RUN_RUNNING);
    runs[5] = run_of(6, "a/x", RUN_QUEUED);
    scheduler_look(s, BYTES("a/x"), P);
    assert_int_equal(asks(s, "a/x"), 5);
    looked(s, "a/x", runs, 5);
    assert_int_equal(asks(s, "a/x"), 10);
    looked(s, "a/x", runs, 6);
    starts(s, 6);
    scheduler_free(s);
    limits_free(many);
}

static void a_retry_that_comes_back_to_a_full_window_pushes_out_the_last(void **state)
{
    (void)state;
    struct run runs[] = {retry_of(1, "a/x", 5000), run_of(2, "a/x", RUN_QUEUED), run_of(3, "a/x", RUN_QUEUED),
        run_of(4, "a/x", RUN_QUEUED), run_of(5, "a/x", RUN_QUEUED)};
    struct scheduler *s = found(runs, 5, NULL);
    assert_int_equal(scheduler_figures(s).windowed, 4);
    scheduler_time(s, 5000);
    check(s);
    assert_int_equal(scheduler_figures(s).windowed, 4);
    for (int n = 1; n <= 4; n++)
        ended(s, starts(s, n));
    assert_int_equal(asks(s, "a/x"), 5); /* the fifth was forgotten, not lost */
    looked(s, "a/x", &runs[4], 1);
    starts(s, 5);
    scheduler_free(s);
}

/* ---- looks ---- */

static void a_group_whose_records_never_cease_starts_after_one_look(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct uuid one = id_of(1), two = id_of(2);
    assert_non_null(take(s, "b/y", 9));
    assert_null(scheduler_record(s, P, &one, 1, BYTES("a/x"), SHELL));
    scheduler_inserted(s, P, A, &one, 1, BYTES("a/x"), SHELL, 0, NULL, true, NULL);
    asks(s, "a/x");
    /* told before the look is done */
    assert_null(scheduler_record(s, P, &two, 2, BYTES("a/x"), SHELL));
    scheduler_inserted(s, P, A, &two, 2, BYTES("a/x"), SHELL, 0, NULL, false, malloc(1));
    assert_null(scheduler_record(s, P, &one, 1, BYTES("a/x"), SHELL));
    scheduler_inserted(s, P, A, &one, 1, BYTES("a/x"), SHELL, 0, NULL, true, NULL);
    scheduler_look(s, BYTES("a/x"), P);
    check(s);
    assert_int_equal(dropped, 1);
    struct run runs[] = {run_of(1, "a/x", RUN_QUEUED), run_of(2, "a/x", RUN_QUEUED)};
    looked(s, "a/x", runs, 2);
    assert_false(looks(s));
    assert_int_equal(scheduler_figures(s).ready, 1);
    assert_int_equal(scheduler_figures(s).windowed, 2);
    scheduler_free(s);
}

static void a_look_keeps_the_payloads_of_jobs_that_still_wait(void **state)
{
    (void)state;
    struct scheduler *s = opened(0, 8);
    for (int n = 1; n <= 3; n++)
        take_for(s, "a/x", "shell", n, malloc(1));
    scheduler_look(s, BYTES("a/x"), -1);
    asks(s, "a/x");
    struct run runs[] = {run_of(1, "a/x", RUN_QUEUED), run_of(3, "a/x", RUN_QUEUED)};
    looked(s, "a/x", runs, 2);
    assert_int_equal(dropped, 1);
    scheduler_free(s);
    assert_int_equal(dropped, 3);
}

static void a_job_withdrawn_during_a_look_does_not_come_back_with_it(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct task *t = take(s, "a/x", 1);
    take(s, "a/x", 2);
    scheduler_look(s, BYTES("a/x"), -1);
    asks(s, "a/x");
    struct uuid two = id_of(2);
    assert_true(scheduler_withdraw(s, BYTES("a/x"), &two));
    struct run runs[] = {run_of(1, "a/x", RUN_RUNNING), run_of(2, "a/x", RUN_QUEUED)};
    looked(s, "a/x", runs, 2);
    ended(s, t);
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

static void a_group_that_was_not_in_memory_is_looked_at_when_its_partition_is_ours(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    scheduler_look(s, BYTES("a/x"), -1);
    assert_false(looks(s));
    scheduler_look(s, BYTES("a/x"), P + 7);
    assert_false(looks(s));
    scheduler_look(s, BYTES("a/x"), P);
    asks(s, "a/x");
    struct run due = run_of(4, "a/x", RUN_QUEUED);
    looked(s, "a/x", &due, 1);
    starts(s, 4);
    scheduler_free(s);
}

static void a_look_of_an_older_assignment_is_done_again(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    scheduler_look(s, BYTES("a/x"), P);
    asks(s, "a/x");
    scheduler_revoked(s, P);
    scheduler_assigned(s, P, A + 1);
    struct run queued = run_of(2, "a/x", RUN_QUEUED), old = run_of(1, "a/x", RUN_QUEUED);
    scheduler_unfinished(s, P, A + 1, &queued, 1, false);
    looked(s, "a/x", &old, 1);
    assert_false(looks(s)); /* not before the last page */
    scheduler_unfinished(s, P, A + 1, NULL, 0, true);
    check(s);
    assert_null(next_start(s));
    asks(s, "a/x");
    looked(s, "a/x", &queued, 1);
    starts(s, 2);
    scheduler_free(s);
}

static void delayed_runs_have_no_place_yet(void **state)
{
    (void)state;
    struct run runs[] = {run_of(1, "a/x", RUN_DELAYED), run_of(2, "b/y", RUN_QUEUED)};
    struct scheduler *s = found(runs, 2, NULL);
    assert_int_equal(scheduler_figures(s).groups, 1);
    starts(s, 2);
    assert_non_null(take(s, "a/x", 3));
    scheduler_free(s);
}

static void nothing_starts_when_a_task_ends_while_the_pages_come(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *t = take(s, "a/x", 1);
    scheduler_assigned(s, P, A + 1);
    struct run runs[] = {run_of(2, "a/x", RUN_QUEUED), run_of(1, "a/x", RUN_RUNNING)};
    scheduler_unfinished(s, P, A + 1, runs, 1, false);
    ended(s, t);
    assert_null(next_start(s));
    scheduler_unfinished(s, P, A + 1, &runs[1], 1, true); /* read before its end */
    check(s);
    assert_null(next_start(s));
    asks(s, "a/x");
    looked(s, "a/x", runs, 1);
    starts(s, 2);
    scheduler_free(s);
}

/* ---- holds ---- */

static void a_held_group_starts_nothing_until_it_is_released_and_looked_at(void **state)
{
    (void)state;
    struct bytes names[] = {BYTES("a/x"), BYTES("c/z")};
    struct scheduler *s = opened(4, 8);
    scheduler_holds(s, names, 2);
    assert_true(scheduler_is_held(s, names[0]));
    assert_null(take(s, "a/x", 1)); /* not even at once */
    assert_null(next_start(s));
    assert_int_equal(scheduler_figures(s).held, 1);
    scheduler_holds(s, &names[1], 1);
    check(s);
    assert_int_equal(scheduler_figures(s).held, 0);
    assert_null(next_start(s));
    asks(s, "a/x");
    struct run queued = run_of(1, "a/x", RUN_QUEUED);
    looked(s, "a/x", &queued, 1);
    starts(s, 1);
    scheduler_free(s);
}

static void a_hold_takes_a_ready_group_out_of_the_ring_and_leaves_what_runs(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct task *t = take(s, "b/y", 1);
    take(s, "a/x", 2);
    take(s, "b/y", 3);
    scheduler_hold(s, BYTES("a/x"));
    scheduler_hold(s, BYTES("a/x"));
    check(s);
    scheduler_hold(s, BYTES("b/y"));
    check(s);
    ended(s, t);
    assert_null(next_start(s));
    assert_int_equal(scheduler_figures(s).held, 2);
    scheduler_free(s);
}

static void whether_a_failure_holds_the_group_comes_from_its_limits(void **state)
{
    (void)state;
    struct limit l;
    shape_clear(&shape_limit, &l);
    l.selector = BYTES("a/*");
    l.on_failure = BYTES("hold");
    struct limits *limits = limits_of(&l, 1);
    struct scheduler *s = opened(4, 8);
    struct task *a = take(s, "a/x", 1), *b = take(s, "b/y", 2);
    assert_false(scheduler_holds_on_failure(s, a));
    scheduler_limits(s, limits);
    assert_true(scheduler_holds_on_failure(s, a));
    assert_false(scheduler_holds_on_failure(s, b));
    scheduler_free(s);
    limits_free(limits);
}

/* ---- walks ---- */

static void all_tasks_and_all_jobs_elsewhere_are_walked_once(void **state)
{
    (void)state;
    enum { MANY = 50 };
    struct scheduler *s = scheduler_with(MANY, 4);
    struct run runs[MANY];
    char names[MANY][8];
    for (int n = 0; n < MANY; n++) {
        (void)snprintf(names[n], sizeof names[n], "a/%d", n);
        runs[n] = run_of(n, names[n], RUN_RUNNING);
    }
    scheduler_assigned(s, P, A);
    scheduler_unfinished(s, P, A, runs, MANY, true);
    for (int n = 0; n < MANY; n++)
        take(s, "b/y", MANY + n);
    for (int n = 0; n < MANY; n++) {
        (void)snprintf(names[n], sizeof names[n], "c/%d", n);
        take(s, names[n], 2 * MANY + n);
    }
    size_t elsewhere = 0, tasks = 0, sum = 0;
    struct elsewhere e;
    for (size_t cursor = 0; scheduler_next_elsewhere(s, &cursor, &e); elsewhere++)
        sum += (size_t)n_of(&e.id);
    assert_int_equal(elsewhere, MANY);
    assert_int_equal(sum, MANY * (MANY - 1) / 2);
    for (size_t cursor = 0; scheduler_next_task(s, &cursor) != NULL;)
        tasks++;
    assert_int_equal(tasks, MANY);
    assert_int_equal(scheduler_task_count(s), MANY);
    scheduler_revoked(s, P);
    check(s);
    assert_int_equal(scheduler_elsewhere_count(s), 0);
    assert_int_equal(scheduler_task_count(s), MANY);
    scheduler_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_with_two_places_runs_two_jobs_and_one_start_is_unanswered_at_a_time),
        cmocka_unit_test(fewer_places_leave_what_runs_and_more_take_effect_at_once),
        cmocka_unit_test(a_job_that_backs_off_keeps_the_line_and_starts_again_in_its_place),
        cmocka_unit_test(with_two_places_the_next_job_goes_on_beside_one_that_backs_off),
        cmocka_unit_test(the_clock_may_step_backwards),
        cmocka_unit_test(a_withdrawn_job_that_backs_off_frees_its_place),
        cmocka_unit_test(a_lost_job_starts_again_before_those_that_never_started),
        cmocka_unit_test(jobs_that_take_places_do_not_hide_those_that_wait),
        cmocka_unit_test(a_look_that_shows_only_taken_places_is_followed_by_a_wider_one),
        cmocka_unit_test(a_retry_that_comes_back_to_a_full_window_pushes_out_the_last),
        cmocka_unit_test(a_group_whose_records_never_cease_starts_after_one_look),
        cmocka_unit_test(a_look_keeps_the_payloads_of_jobs_that_still_wait),
        cmocka_unit_test(a_job_withdrawn_during_a_look_does_not_come_back_with_it),
        cmocka_unit_test(a_group_that_was_not_in_memory_is_looked_at_when_its_partition_is_ours),
        cmocka_unit_test(a_look_of_an_older_assignment_is_done_again),
        cmocka_unit_test(delayed_runs_have_no_place_yet),
        cmocka_unit_test(nothing_starts_when_a_task_ends_while_the_pages_come),
        cmocka_unit_test(a_held_group_starts_nothing_until_it_is_released_and_looked_at),
        cmocka_unit_test(a_hold_takes_a_ready_group_out_of_the_ring_and_leaves_what_runs),
        cmocka_unit_test(whether_a_failure_holds_the_group_comes_from_its_limits),
        cmocka_unit_test(all_tasks_and_all_jobs_elsewhere_are_walked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
