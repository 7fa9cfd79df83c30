/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: scheduler */
/*
 * test_scheduler_fair: turns of creators and groups, and engine gates, as transcripts; and what it all costs: memory with a million queued
 * jobs, steps for the next start. Shared gates: test_scheduler_shared.c.
 */
#include "scheduler_world.h"

#include <malloc.h>

static struct limits *weighing(const char *selector, int64_t weight)
{
    struct limit l = limit_of(selector);
    l.weight = weight;
    return limits_of(&l, 1);
}

/* Runs `count` jobs to their ends, one after another; "AABA": the creators of those that started. */
static const char *starters(struct scheduler *s, size_t count)
{
    static char text[128];
    size_t n = 0;
    for (; n < count; n++) {
        struct task *t = next_start(s);
        if (!t)
            break;
        text[n] = scheduler_group_name(t).data[0];
        won(s, t);
        ended(s, t);
    }
    text[n] = '\0';
    return text;
}

/* ---- turns ---- */

static void creators_take_turns_however_many_groups_they_have(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    struct task *t = take(s, "z/z", 1);
    for (int n = 0; n < 12; n++) {
        char name[] = {'A', '/', (char)('a' + n / 2), '\0'};
        take(s, name, 2 + n);
    }
    for (int n = 0; n < 3; n++)
        take(s, "B/x", 20 + n);
    ended(s, t);
    assert_string_equal(starters(s, 8), "ABABABAA");
    scheduler_free(s);
}

static void a_creator_starts_as_many_in_its_turn_as_its_weight(void **state)
{
    (void)state;
    struct limits *three = weighing("A/*", 3);
    struct scheduler *s = opened(1, 16);
    scheduler_limits(s, three);
    struct task *t = take(s, "z/z", 1);
    for (int n = 0; n < 9; n++) {
        char name[] = {'A', '/', (char)('a' + n % 3), '\0'};
        take(s, name, 2 + n);
    }
    for (int n = 0; n < 6; n++)
        take(s, n % 2 ? "B/x" : "B/y", 20 + n);
    ended(s, t);
    assert_string_equal(starters(s, 15), "AAABAAABAAABBBB");
    scheduler_free(s);
    limits_free(three);
}

static void turns_that_were_not_used_are_not_saved_up(void **state)
{
    (void)state;
    struct limits *five = weighing("A/*", 5);
    struct scheduler *s = opened(1, 16);
    scheduler_limits(s, five);
    struct task *t = take(s, "z/z", 1);
    take(s, "A/a", 2);
    for (int n = 0; n < 8; n++)
        take(s, n % 2 ? "B/x" : "B/y", 10 + n);
    ended(s, t);
    assert_string_equal(starters(s, 4), "ABBB"); /* A has nothing after its first: its turn is over */
    for (int n = 0; n < 8; n++) {
        char name[] = {'A', '/', (char)('a' + n), '\0'};
        take(s, name, 30 + n);
    }
    assert_string_equal(starters(s, 7), "BAAAAAB"); /* five, not nine */
    scheduler_free(s);
    limits_free(five);
}

static void a_new_weight_counts_from_the_next_turn_on(void **state)
{
    (void)state;
    struct limits *two = weighing("*", 2);
    struct scheduler *s = opened(1, 16);
    struct task *t = take(s, "z/z", 1);
    for (int n = 0; n < 8; n++)
        take(s, n % 2 ? "A/a" : "A/b", 2 + n);
    for (int n = 0; n < 8; n++)
        take(s, n % 2 ? "B/a" : "B/b", 20 + n);
    ended(s, t);
    assert_string_equal(starters(s, 4), "ABAB");
    scheduler_limits(s, two);
    check(s);
    assert_string_equal(starters(s, 8), "AABBAABB");
    scheduler_free(s);
    limits_free(two);
}

/* ---- engine gates ---- */

static void an_engine_has_only_so_many_tasks_and_others_go_past(void **state)
{
    (void)state;
    struct scheduler *s = opened(8, 8);
    scheduler_engine_slots(s, BYTES("pg@w"), 1);
    struct task *t = take_for(s, "a/x", "pg@w", 1, NULL);
    assert_non_null(t);
    assert_null(take_for(s, "b/y", "pg@w", 2, NULL)); /* not at once either */
    assert_null(take_for(s, "c/z", "pg@w", 3, NULL));
    assert_null(take_for(s, "b/y", "shell", 4, NULL)); /* behind its group's head */
    assert_null(next_start(s));
    assert_int_equal(scheduler_figures(s).gated, 2);
    assert_false(scheduler_can_start(s));
    assert_non_null(take_for(s, "d/w", "shell", 5, NULL));
    ended(s, t);
    assert_int_equal(scheduler_figures(s).gated, 1);
    t = starts(s, 2);
    assert_null(next_start(s));
    ended(s, t);
    starts(s, 3); /* the place at the gate was given away first */
    starts(s, 4);
    assert_null(next_start(s));
    scheduler_free(s);
}

static void newcomers_do_not_overtake_those_at_the_gate(void **state)
{
    (void)state;
    struct scheduler *s = opened(2, 8);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    struct task *pg = take_for(s, "a/x", "pg", 1, NULL), *shell = take(s, "b/y", 2);
    take_for(s, "c/z", "pg", 3, NULL);
    ended(s, pg);
    ended(s, shell);
    assert_null(take_for(s, "d/w", "pg", 4, NULL)); /* the place behind the gate is the third's */
    struct task *third = starts(s, 3);
    assert_null(next_start(s));
    ended(s, third);
    starts(s, 4);
    scheduler_free(s);
}

static void a_ticket_that_is_not_used_goes_to_the_next(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    struct task *t = take_for(s, "a/x", "pg", 1, NULL);
    for (int n = 2; n <= 5; n++) {
        char name[] = {(char)('a' + n), '/', 'x', '\0'};
        take_for(s, name, "pg", n, NULL);
    }
    ended(s, t); /* the second's */
    scheduler_hold(s, BYTES("c/x"));
    check(s);
    struct uuid three = id_of(3);
    scheduler_withdraw(s, BYTES("d/x"), &three);
    check(s);
    scheduler_look(s, BYTES("e/x"), -1);
    check(s);
    starts(s, 5);
    scheduler_free(s);
}

static void at_a_gate_creators_take_turns_too(void **state)
{
    (void)state;
    struct limits *two = weighing("A/*", 2);
    struct scheduler *s = opened(4, 8);
    scheduler_limits(s, two);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    struct task *t = take_for(s, "z/z", "pg", 1, NULL);
    for (int n = 0; n < 6; n++) {
        char name[] = {'A', '/', (char)('a' + n), '\0'};
        take_for(s, name, "pg", 2 + n, NULL);
    }
    for (int n = 0; n < 3; n++) {
        char name[] = {'B', '/', (char)('a' + n), '\0'};
        take_for(s, name, "pg", 20 + n, NULL);
    }
    ended(s, t);
    assert_string_equal(starters(s, 9), "AABAABAAB");
    scheduler_free(s);
    limits_free(two);
}

/* Always two run, the older one ends first; how many of so many starts are pg's. */
static size_t starts_of_pg(struct scheduler *s, struct task *running[2], size_t count)
{
    size_t of_pg = 0;
    for (size_t i = 0; i < count; i++) {
        ended(s, running[i % 2]);
        struct task *t = next_start(s);
        assert_non_null(t);
        won(s, t);
        of_pg += bytes_equal_text(task_engine(t)->name, "pg");
        running[i % 2] = t;
    }
    return of_pg;
}

static void a_freed_engine_slot_does_not_lie_idle_for_a_whole_round(void **state)
{
    (void)state;
    struct scheduler *s = opened(2, 8);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    struct task *running[2] = {take_for(s, "y/y", "pg", 1, NULL), take(s, "z/z", 2)};
    int n = 3;
    for (int creator = 'A'; creator <= 'Z'; creator++)
        for (int k = 0; k < 4; k++, n++) {
            char name[] = {(char)creator, '/', 'x', '\0'};
            take_for(s, name, creator < 'F' ? "pg" : "shell", n, NULL);
        }
    /* 26 creators, five of them use pg: fair are 15 of 78 starts; 3 if each waited a round with its ticket. */
    assert_in_range(starts_of_pg(s, running, 78), 8, 18);
    scheduler_free(s);
}

static void who_waited_at_a_gate_gets_no_more_than_its_turns(void **state)
{
    (void)state;
    struct scheduler *s = opened(2, 64);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    struct task *running[2] = {take_for(s, "y/y", "pg", 1, NULL), take(s, "z/z", 2)};
    int n = 3;
    for (int creator = 'A'; creator <= 'D'; creator++)
        for (int k = 0; k < 40; k++, n++) {
            char name[] = {(char)creator, '/', (char)('a' + k % 20), '\0'};
            take_for(s, name, creator == 'A' ? "pg" : "shell", n, NULL);
        }
    assert_in_range(starts_of_pg(s, running, 80), 15, 22); /* a quarter, not half of all slots */
    scheduler_free(s);
}

static void a_head_of_another_engine_moves_its_group_to_another_gate(void **state)
{
    (void)state;
    struct scheduler *s = opened(4, 8);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    scheduler_engine_slots(s, BYTES("my"), 1);
    struct task *pg = take_for(s, "a/x", "pg", 1, NULL), *my = take_for(s, "b/x", "my", 2, NULL);
    take_for(s, "c/x", "pg", 3, NULL);
    take_for(s, "c/x", "my", 4, NULL);
    struct uuid three = id_of(3);
    scheduler_withdraw(s, BYTES("c/x"), &three);
    check(s);
    ended(s, pg);
    assert_null(next_start(s));
    ended(s, my);
    starts(s, 4);
    scheduler_free(s);
}

static void engines_that_nobody_uses_are_forgotten(void **state)
{
    (void)state;
    struct scheduler *s = opened(1, 8);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    for (int n = 0; n < 1000; n++) {
        char engine[16];
        (void)snprintf(engine, sizeof engine, "e%d", n);
        struct task *t = take_for(s, "a/x", engine, n, NULL);
        assert_non_null(t);
        ended(s, t);
    }
    assert_in_range(HASH_COUNT(s->gates.engines), 1, 100);
    assert_non_null(take_for(s, "a/x", "pg", 1000, NULL));
    assert_null(take_for(s, "b/x", "pg", 1001, NULL));
    scheduler_free(s);
}

/* ---- cost ---- */

static void name_group(char out[24], int n)
{
    (void)snprintf(out, 24, "creator%d/user%d", n % 97, n);
}

/* So many groups with so many queued jobs each, as a takeover finds them. */
static struct scheduler *loaded(int groups, int jobs, size_t window)
{
    struct scheduler *s = scheduler_with(4, window);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    scheduler_assigned(s, P, A);
    for (int k = 0; k < jobs; k++)
        for (int n = 0; n < groups; n++) {
            char name[24];
            name_group(name, n);
            struct run r = run_of(k * groups + n, name, RUN_QUEUED);
            r.engine = n % 2 ? SHELL : BYTES("pg");
            scheduler_unfinished(s, P, A, &r, 1, false);
        }
    scheduler_unfinished(s, P, A, NULL, 0, true);
    return s;
}

static void a_million_queued_jobs_in_ten_thousand_groups_need_less_than_64_mb(void **state)
{
    (void)state;
    enum { GROUPS = 10000, JOBS = 100, WINDOW = 32 };
    struct mallinfo2 before = mallinfo2();
    struct scheduler *s = loaded(GROUPS, JOBS, WINDOW);
    struct mallinfo2 after = mallinfo2();
    size_t bytes = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_int_equal(scheduler_figures(s).windowed, GROUPS * WINDOW);
    assert_int_equal(scheduler_figures(s).ready, GROUPS);
    print_message("%zu bytes, %zu a group\n", bytes, bytes / GROUPS);
#ifndef __SANITIZE_ADDRESS__ /* which counts for itself */
    assert_in_range(bytes, (size_t)GROUPS * WINDOW * sizeof(struct waiting), (size_t)48 << 20);
#endif
    scheduler_revoked(s, P);
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

/* Steps in search of so many starts; half of the jobs use an engine that has one slot of the four. */
static size_t steps_of(int groups, int jobs, int count)
{
    struct scheduler *s = loaded(groups, jobs, 32);
    enum { SLOTS = 4 };
    struct task *running[SLOTS];
    for (int n = 0; n < SLOTS; n++)
        won(s, running[n] = next_start(s));
    size_t before = s->steps;
    for (int n = 0; n < count; n++) {
        struct task *t = running[n % SLOTS];
        scheduler_ended(s, t, true);
        running[n % SLOTS] = t = scheduler_next_start(s);
        assert_non_null(t);
        scheduler_start_won(s, t);
    }
    check(s);
    size_t steps = s->steps - before;
    scheduler_free(s);
    return steps;
}

static void the_next_start_costs_the_same_with_many_groups_and_jobs(void **state)
{
    (void)state;
    enum { STARTS = 200 };
    size_t few = steps_of(400, 2, STARTS), groups = steps_of(20000, 2, STARTS),
           jobs = steps_of(400, 40, STARTS);
    print_message(
        "steps for %d starts: %zu, %zu with more groups, %zu with more jobs\n", STARTS, few, groups, jobs);
    assert_in_range(few, STARTS, 3 * STARTS);
    assert_in_range(groups, STARTS, 3 * STARTS);
    assert_in_range(jobs, STARTS, 3 * STARTS);
}

/* All groups stand before one gate: each is moved there once, then only as many as get through. */
static void groups_at_a_closed_gate_cost_nothing(void **state)
{
    (void)state;
    enum { GROUPS = 2000 };
    struct scheduler *s = opened(4, 8);
    scheduler_engine_slots(s, BYTES("pg"), 1);
    struct task *t = take_for(s, "a/a", "pg", 1, NULL);
    for (int n = 0; n < GROUPS; n++) {
        char name[24];
        struct uuid id = id_of(2 + n);
        name_group(name, n);
        (void)scheduler_record(s, P, &id, 2 + n, bytes_of(name), BYTES("pg"));
        scheduler_inserted(s, P, A, &id, 2 + n, bytes_of(name), BYTES("pg"), 0, NULL, false, NULL);
    }
    check(s);
    size_t before = s->steps;
    for (int n = 0; n < GROUPS; n++) {
        assert_null(scheduler_next_start(s));
        scheduler_ended(s, t, true);
        t = scheduler_next_start(s);
        assert_non_null(t);
        scheduler_start_won(s, t);
    }
    assert_in_range(s->steps - before, GROUPS, 3 * GROUPS);
    ended(s, t);
    assert_int_equal(scheduler_figures(s).groups, 0);
    scheduler_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creators_take_turns_however_many_groups_they_have),
        cmocka_unit_test(a_creator_starts_as_many_in_its_turn_as_its_weight),
        cmocka_unit_test(turns_that_were_not_used_are_not_saved_up),
        cmocka_unit_test(a_new_weight_counts_from_the_next_turn_on),
        cmocka_unit_test(an_engine_has_only_so_many_tasks_and_others_go_past),
        cmocka_unit_test(newcomers_do_not_overtake_those_at_the_gate),
        cmocka_unit_test(a_ticket_that_is_not_used_goes_to_the_next),
        cmocka_unit_test(at_a_gate_creators_take_turns_too),
        cmocka_unit_test(a_freed_engine_slot_does_not_lie_idle_for_a_whole_round),
        cmocka_unit_test(who_waited_at_a_gate_gets_no_more_than_its_turns),
        cmocka_unit_test(a_head_of_another_engine_moves_its_group_to_another_gate),
        cmocka_unit_test(engines_that_nobody_uses_are_forgotten),
        cmocka_unit_test(a_million_queued_jobs_in_ten_thousand_groups_need_less_than_64_mb),
        cmocka_unit_test(the_next_start_costs_the_same_with_many_groups_and_jobs),
        cmocka_unit_test(groups_at_a_closed_gate_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
