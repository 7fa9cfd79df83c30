/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: scheduler */
/*
 * test_scheduler_shared: gates that several groups share (max_running of a creator or of all), as transcripts.
 */
#include "scheduler_world.h"

static struct limits *sharing(int64_t of_a, int64_t of_all)
{
    struct limit items[] = {limit_of("A/*"), limit_of("*")};
    items[0].max_running = of_a;
    items[1].max_running = of_all;
    return limits_of(items, 2);
}

static void blocked(struct scheduler *s, const char *selector, int n)
{
    struct task *t = next_start(s);
    assert_non_null(t);
    assert_int_equal(n_of(&t->id), n);
    scheduler_start_blocked(s, t, bytes_of(selector));
    check(s);
}

static void opens(struct scheduler *s, const char *selector, size_t room)
{
    scheduler_gate_open(s, bytes_of(selector), room);
    check(s);
}

static void under_a_shared_limit_nothing_starts_at_once_and_its_limits_are_told(void **state)
{
    (void)state;
    struct limits *l = sharing(2, 9);
    struct scheduler *s = opened(4, 8);
    scheduler_limits(s, l);
    assert_null(take(s, "A/x", 1));
    struct task *t = next_start(s);
    size_t count;
    const struct limit_count *shared = scheduler_shared(s, t, &count);
    assert_int_equal(count, 2);
    assert_true(bytes_equal_text(shared[0].selector, "A/*") && shared[0].max == 2);
    assert_true(bytes_equal_text(shared[1].selector, "*") && shared[1].max == 9);
    scheduler_free(s);
    limits_free(l);
}

static void a_blocked_start_keeps_its_payload_and_waits_until_its_gate_opens(void **state)
{
    (void)state;
    struct limits *l = sharing(1, NO_INT);
    struct scheduler *s = opened(4, 8);
    struct bytes selector;
    scheduler_limits(s, l);
    take_for(s, "A/x", "shell", 1, malloc(1));
    take(s, "A/x", 2);
    blocked(s, "A/*", 1);
    assert_int_equal(dropped, 0);
    assert_null(next_start(s));
    take(s, "A/y", 3);
    assert_null(next_start(s)); /* the gate is closed for all */
    assert_int_equal(scheduler_figures(s).gated, 2);
    assert_non_null(take(s, "B/x", 4));
    size_t cursor = 0;
    assert_true(scheduler_next_gate(s, &cursor, &selector));
    assert_true(bytes_equal_text(selector, "A/*"));
    assert_false(scheduler_next_gate(s, &cursor, &selector));
    opens(s, "A/*", 0);
    assert_null(next_start(s));
    opens(s, "A/*", 1);
    struct task *t = starts(s, 1);
    assert_non_null(t->payload);
    assert_int_equal(t->attempt, 1);
    assert_int_equal(t->tries, 1);
    assert_null(next_start(s));
    opens(s, "A/*", 7);
    ended(s, t);
    starts(s, 3);
    starts(s, 2);
    cursor = 0;
    assert_false(scheduler_next_gate(s, &cursor, &selector)); /* nobody waits: it is open */
    scheduler_free(s);
    limits_free(l);
}

static void a_blocked_start_comes_before_what_only_the_ledger_knows(void **state)
{
    (void)state;
    struct limits *l = sharing(1, NO_INT);
    struct scheduler *s = opened(4, 1);
    scheduler_limits(s, l);
    take_for(s, "A/x", "shell", 1, malloc(1));
    take(s, "A/x", 2); /* beyond the window */
    blocked(s, "A/*", 1);
    assert_int_equal(dropped, 0);
    assert_false(looks(s));
    opens(s, "A/*", 1);
    assert_non_null(starts(s, 1)->payload);
    scheduler_free(s);
    limits_free(l);
}

static void a_group_passes_two_gates_one_after_the_other(void **state)
{
    (void)state;
    struct limits *l = sharing(1, 1);
    struct scheduler *s = opened(4, 8);
    scheduler_limits(s, l);
    take(s, "A/x", 1);
    take(s, "A/y", 2);
    take(s, "B/x", 3);
    blocked(s, "A/*", 1);
    blocked(s, "*", 3);
    assert_null(next_start(s));
    opens(s, "A/*", 1); /* the first, which now stands before the other */
    assert_null(next_start(s));
    opens(s, "*", 1);
    starts(s, 3);
    opens(s, "*", 1);
    starts(s, 1); /* it need not wait at its first gate again */
    scheduler_free(s);
    limits_free(l);
}

static void whoever_is_blocked_again_keeps_its_turn(void **state)
{
    (void)state;
    struct limits *l = sharing(1, NO_INT);
    struct scheduler *s = opened(4, 8);
    scheduler_limits(s, l);
    take(s, "A/x", 1);
    take(s, "A/y", 2);
    blocked(s, "A/*", 1);
    assert_null(next_start(s));
    opens(s, "A/*", 1);
    blocked(s, "A/*", 1); /* another executor was faster */
    opens(s, "A/*", 1);
    starts(s, 1);
    scheduler_free(s);
    limits_free(l);
}

static void a_gate_goes_with_its_limit(void **state)
{
    (void)state;
    struct limits *l = sharing(1, NO_INT), *none = limits_none();
    struct scheduler *s = opened(4, 8);
    struct bytes selector;
    size_t cursor = 0;
    scheduler_limits(s, l);
    take(s, "A/x", 1);
    blocked(s, "A/*", 1);
    scheduler_limits(s, none);
    check(s);
    assert_false(scheduler_next_gate(s, &cursor, &selector));
    starts(s, 1);
    scheduler_free(s);
    limits_free(l);
    limits_free(none);
}

static void a_blocked_start_of_a_partition_that_is_gone_is_forgotten(void **state)
{
    (void)state;
    struct limits *l = sharing(1, NO_INT);
    struct scheduler *s = opened(4, 8);
    struct bytes selector;
    size_t cursor = 0;
    scheduler_limits(s, l);
    take_for(s, "A/x", "shell", 1, malloc(1));
    struct task *t = next_start(s);
    scheduler_revoked(s, P);
    check(s);
    scheduler_start_blocked(s, t, BYTES("A/*"));
    check(s);
    assert_int_equal(dropped, 1);
    assert_int_equal(scheduler_figures(s).groups, 0);
    assert_false(scheduler_next_gate(s, &cursor, &selector));
    scheduler_free(s);
    limits_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_a_shared_limit_nothing_starts_at_once_and_its_limits_are_told),
        cmocka_unit_test(a_blocked_start_keeps_its_payload_and_waits_until_its_gate_opens),
        cmocka_unit_test(a_blocked_start_comes_before_what_only_the_ledger_knows),
        cmocka_unit_test(a_group_passes_two_gates_one_after_the_other),
        cmocka_unit_test(whoever_is_blocked_again_keeps_its_turn),
        cmocka_unit_test(a_gate_goes_with_its_limit),
        cmocka_unit_test(a_blocked_start_of_a_partition_that_is_gone_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
