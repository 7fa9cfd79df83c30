/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: scheduler */
/* test_scheduler: order in a group, fairness between groups, looks, takeovers, revokes; as transcripts of messages and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler_world.h"

static void an_idle_groups_job_starts_at_once_and_the_next_waits(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *first = take(s, "a/x", 1);
    assert_non_null(first);
    assert_true(first->started);
    assert_null(take(s, "a/x", 2));
    assert_null(next_start(s));
    ended(s, first);
    struct task *second = next_start(s);
    assert_non_null(second);
    assert_int_equal(n_of(&second->id), 2);
    assert_int_equal(second->attempt, 1);
    won(s, second);
    ended(s, second);
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

static void groups_get_slots_in_turn(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct task *t = take(s, "a/x", 1);
    take(s, "a/x", 2);
    take(s, "a/x", 3);
    take(s, "b/y", 4);
    take(s, "b/y", 5);
    static const int expected[] = {4, 2, 5, 3};
    for (size_t i = 0; i < 4; i++) {
        ended(s, t);
        t = next_start(s);
        assert_non_null(t);
        assert_int_equal(n_of(&t->id), expected[i]);
        won(s, t);
    }
    ended(s, t);
    scheduler_free(s);
}

static void a_new_record_never_passes_groups_that_wait_for_a_slot(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct task *t = take(s, "a/x", 1);
    assert_null(take(s, "b/y", 2));
    ended(s, t);
    assert_null(take(s, "c/z", 3)); /* b/y stands in the ring */
    t = next_start(s);
    assert_int_equal(n_of(&t->id), 2);
    scheduler_free(s);
}

static void a_duplicate_start_frees_the_slot_and_the_group_is_looked_at(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct uuid id = id_of(1);
    struct bytes group;
    size_t limit;
    struct task *t = scheduler_record(s, P, &id, 1, BYTES("a/x"), SHELL);
    assert_non_null(t);
    scheduler_inserted(s, P, A, &id, 1, BYTES("a/x"), SHELL, 0, t, true, NULL);
    assert_null(next_start(s));
    assert_true(scheduler_next_look(s, &group, &limit));
    assert_true(bytes_equal_text(group, "a/x"));
    struct run runs[] = {run_of(1, "a/x", RUN_RUNNING), run_of(2, "a/x", RUN_QUEUED)};
    scheduler_looked(s, BYTES("a/x"), runs, 2);
    assert_null(next_start(s)); /* it runs elsewhere */
    struct elsewhere e;
    size_t cursor = 0;
    assert_true(scheduler_next_elsewhere(s, &cursor, &e));
    assert_int_equal(n_of(&e.id), 1);
    assert_true(bytes_equal_text(e.instance, "other"));
    scheduler_look(s, BYTES("a/x"), -1);
    assert_true(scheduler_next_look(s, &group, &limit));
    scheduler_looked(s, BYTES("a/x"), &runs[1], 1);
    t = next_start(s);
    assert_non_null(t);
    assert_int_equal(n_of(&t->id), 2);
    scheduler_free(s);
}

static void a_duplicate_behind_a_running_job_starts_nothing_twice(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *t = take(s, "a/x", 1);
    struct uuid id = id_of(1);
    struct bytes group;
    size_t limit;
    assert_null(scheduler_record(s, P, &id, 1, BYTES("a/x"), SHELL));
    scheduler_inserted(s, P, A, &id, 1, BYTES("a/x"), SHELL, 0, NULL, true, NULL);
    assert_true(scheduler_next_look(s, &group, &limit));
    struct run mine = run_of(1, "a/x", RUN_RUNNING);
    scheduler_looked(s, BYTES("a/x"), &mine, 1);
    size_t cursor = 0;
    struct elsewhere e;
    assert_false(scheduler_next_elsewhere(s, &cursor, &e));
    ended(s, t);
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

static void a_look_does_not_bring_back_what_ended_meanwhile(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *t = take(s, "a/x", 1);
    scheduler_look(s, BYTES("a/x"), -1);
    asks(s, "a/x");
    ended(s, t);
    struct run old = run_of(1, "a/x", RUN_RUNNING); /* as it was before the end */
    looked(s, "a/x", &old, 1);
    assert_int_equal(scheduler_elsewhere_count(s), 0);
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

static void a_job_that_went_back_to_the_queue_during_a_look_is_looked_at_again(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *t = take(s, "a/x", 1);
    scheduler_look(s, BYTES("a/x"), -1);
    asks(s, "a/x");
    scheduler_ended(s, t, false);
    check(s);
    struct run runs[] = {run_of(1, "a/x", RUN_RUNNING), run_of(2, "a/x", RUN_QUEUED)};
    looked(s, "a/x", runs, 2);
    assert_null(next_start(s));
    asks(s, "a/x");
    runs[0] = run_of(1, "a/x", RUN_QUEUED);
    looked(s, "a/x", runs, 2);
    starts(s, 1);
    scheduler_free(s);
}

static void more_jobs_than_the_window_are_looked_up_in_order(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 2);
    struct task *t = take(s, "a/x", 1);
    for (int n = 2; n <= 6; n++)
        assert_null(take(s, "a/x", n));
    assert_int_equal(scheduler_figures(s).windowed, 2);
    for (int n = 2; n <= 6; n++) {
        struct bytes group;
        size_t limit;
        ended(s, t);
        if (scheduler_next_look(s, &group, &limit)) {
            struct run runs[3];
            size_t count = 0;
            for (int k = n; k <= 6 && count < limit; k++)
                runs[count++] = run_of(k, "a/x", RUN_QUEUED);
            scheduler_looked(s, group, runs, count);
        }
        t = next_start(s);
        assert_non_null(t);
        assert_int_equal(n_of(&t->id), n);
        won(s, t);
    }
    ended(s, t);
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

static void a_lost_start_is_looked_at_before_the_next(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct task *t = take(s, "a/x", 1);
    take(s, "a/x", 2);
    take(s, "a/x", 3);
    ended(s, t);
    t = next_start(s);
    assert_int_equal(n_of(&t->id), 2);
    scheduler_start_lost(s, t);
    assert_null(next_start(s));
    struct bytes group;
    size_t limit;
    assert_true(scheduler_next_look(s, &group, &limit));
    struct run left = run_of(3, "a/x", RUN_QUEUED);
    scheduler_looked(s, BYTES("a/x"), &left, 1);
    t = next_start(s);
    assert_int_equal(n_of(&t->id), 3);
    scheduler_free(s);
}

static void nothing_starts_before_all_unfinished_runs_are_known(void **state)
{
    (void)state;
    struct scheduler *s = scheduler_with(4, 8);
    scheduler_assigned(s, P, A);
    assert_false(scheduler_is_open(s, P));
    struct run queued = run_of(2, "a/x", RUN_QUEUED), running = run_of(1, "b/y", RUN_RUNNING);
    scheduler_unfinished(s, P, A, &queued, 1, false);
    assert_null(next_start(s));
    scheduler_unfinished(s, P, A, &running, 1, true);
    assert_true(scheduler_is_open(s, P));
    struct task *t = next_start(s);
    assert_int_equal(n_of(&t->id), 2);
    assert_null(next_start(s));
    scheduler_free(s);
}

static void pages_of_an_older_assignment_are_ignored(void **state)
{
    (void)state;
    struct scheduler *s = scheduler_with(4, 8);
    scheduler_assigned(s, P, A);
    scheduler_revoked(s, P);
    scheduler_assigned(s, P, A + 1);
    struct run queued = run_of(2, "a/x", RUN_QUEUED);
    scheduler_unfinished(s, P, A, &queued, 1, true);
    assert_false(scheduler_is_open(s, P));
    assert_null(next_start(s));
    scheduler_free(s);
}

static void a_revoked_partitions_running_job_ends_normally_and_nothing_follows(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *t = take(s, "a/x", 1);
    take(s, "a/x", 2);
    scheduler_revoked(s, P);
    assert_int_equal(scheduler_figures(s).windowed, 0);
    ended(s, t);
    assert_null(next_start(s));
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

static void a_partition_that_comes_back_keeps_its_running_job_as_a_task(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *t = take(s, "a/x", 1);
    take(s, "a/x", 2);
    scheduler_revoked(s, P);
    scheduler_assigned(s, P, A + 1);
    struct run runs[] = {run_of(1, "a/x", RUN_RUNNING), run_of(2, "a/x", RUN_QUEUED)};
    scheduler_unfinished(s, P, A + 1, runs, 2, true);
    assert_null(next_start(s));
    ended(s, t);
    t = next_start(s);
    assert_non_null(t);
    assert_int_equal(n_of(&t->id), 2);
    scheduler_free(s);
}

static void an_answer_for_an_older_assignment_is_not_kept(void **state)
{
    (void)state;
    struct scheduler *s = opened(0, 8);
    struct uuid id = id_of(1);
    assert_null(scheduler_record(s, P, &id, 1, BYTES("a/x"), SHELL));
    scheduler_revoked(s, P);
    scheduler_assigned(s, P, A + 1);
    scheduler_unfinished(s, P, A + 1, NULL, 0, true);
    scheduler_inserted(s, P, A, &id, 1, BYTES("a/x"), SHELL, 0, NULL, false, malloc(1));
    assert_int_equal(dropped, 1);
    assert_int_equal(scheduler_figures(s).windowed, 0);
    scheduler_free(s);
}

static void a_withdrawn_job_does_not_start(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct task *t = take(s, "a/x", 1);
    take(s, "a/x", 2);
    take(s, "a/x", 3);
    struct uuid one = id_of(1), two = id_of(2);
    assert_false(scheduler_withdraw(s, BYTES("a/x"), &one));
    assert_true(scheduler_withdraw(s, BYTES("a/x"), &two));
    ended(s, t);
    t = next_start(s);
    assert_int_equal(n_of(&t->id), 3);
    scheduler_free(s);
}

static void draining_starts_nothing(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    struct task *t = take(s, "a/x", 1);
    take(s, "a/x", 2);
    scheduler_drain(s);
    ended(s, t);
    assert_null(next_start(s));
    assert_null(take(s, "b/y", 3));
    scheduler_free(s);
}

static void payloads_are_handed_on_or_dropped(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 1);
    struct task *t = take(s, "a/x", 1);
    for (int n = 2; n <= 3; n++) {
        struct uuid id = id_of(n);
        assert_null(scheduler_record(s, P, &id, n, BYTES("a/x"), SHELL));
        scheduler_inserted(s, P, A, &id, n, BYTES("a/x"), SHELL, 0, NULL, false, malloc(1));
    }
    assert_int_equal(dropped, 1); /* the third lies beyond the window */
    ended(s, t);
    t = next_start(s);
    assert_non_null(t->payload);
    scheduler_free(s);
    assert_int_equal(dropped, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_groups_job_starts_at_once_and_the_next_waits),
        cmocka_unit_test(groups_get_slots_in_turn),
        cmocka_unit_test(a_new_record_never_passes_groups_that_wait_for_a_slot),
        cmocka_unit_test(a_duplicate_start_frees_the_slot_and_the_group_is_looked_at),
        cmocka_unit_test(a_duplicate_behind_a_running_job_starts_nothing_twice),
        cmocka_unit_test(a_look_does_not_bring_back_what_ended_meanwhile),
        cmocka_unit_test(a_job_that_went_back_to_the_queue_during_a_look_is_looked_at_again),
        cmocka_unit_test(more_jobs_than_the_window_are_looked_up_in_order),
        cmocka_unit_test(a_lost_start_is_looked_at_before_the_next),
        cmocka_unit_test(nothing_starts_before_all_unfinished_runs_are_known),
        cmocka_unit_test(pages_of_an_older_assignment_are_ignored),
        cmocka_unit_test(a_revoked_partitions_running_job_ends_normally_and_nothing_follows),
        cmocka_unit_test(a_partition_that_comes_back_keeps_its_running_job_as_a_task),
        cmocka_unit_test(an_answer_for_an_older_assignment_is_not_kept),
        cmocka_unit_test(a_withdrawn_job_does_not_start),
        cmocka_unit_test(draining_starts_nothing),
        cmocka_unit_test(payloads_are_handed_on_or_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
