/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * A job's own retry rules: which patterns are taken, and which ends of a try they fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/retry.h"
#include "tests/unit/arena_world.h"

static const char *const good[] = {
    "deadlock",
    "^connection_(failed|reset)$",
    "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "a{240}",
    "(ab{2,}c){3}",
    "[]{9999}{(]x",
    "[^]a]b",
    "[[:alpha:]{500}{500}]+c",
    "\\{x\\}",
    "a|b|",
    "(a|b|cd{2})+",
    "(\\w\\.)+( of .*)?$",
    "\xc3\xa4+",
    "((((((((a))))))))",
    "(error|warning): .* (in|at) line [0-9]+( of .*)?$",
};

static const char *const bad[] = {
    "",
    "(",
    "a)b(",
    "[a",
    "a{2,1}",
    "(a)\\1",
    "((a{1,255}){1,255}){1,255}",
    "(((a{100}){100}))",
    "(a{50}b{50}){50}",
    "a++++++++++++++++++++++++++++++++++++",
    "(((((((a+)+)+)+)+)+){50})",
    "a{99999}",
    "a{99999999999999999999999999}",
    "(((((((((a)))))))))",
    "(a+b)*",
    "(x(a*b)?)*",
    "(a{2,}){2,}",
    "a*+",
    "a???+",
    "(|a)*",
    "(a|)*",
    "(a||b)+",
    "()+",
    "(^a$)*",
    "(a\\b)*",
    "(a{1,2})*",
    "(a{0})*",
    "a????????{255}",
};

static void patterns_are_taken_unless_wrong_or_dear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const char *problem = retry_pattern_problem(bytes_of(good[i]), &arena);
        if (problem)
            fail_msg("%s: %s", good[i], problem);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *problem = retry_pattern_problem(bytes_of(bad[i]), &arena);
        if (!problem || !*problem)
            fail_msg("%s: should be refused", bad[i]);
    }
    assert_non_null(retry_pattern_problem(BYTES("a\0b"), &arena));
    char longest[RETRY_PATTERN_MAX + 1];
    memset(longest, 'a', sizeof longest);
    assert_null(retry_pattern_problem((struct bytes){longest, RETRY_PATTERN_MAX}, &arena));
    assert_non_null(retry_pattern_problem((struct bytes){longest, RETRY_PATTERN_MAX + 1}, &arena));
}

static const struct {
    const char *pattern, *code, *message;
    bool fits;
} searches[] = {
    {"deadlock", "sql_error", "ERROR: deadlock detected", true},
    {"deadlock", "sql_error", "ERROR: Deadlock detected", false},
    {"^connection_", "connection_failed", "x", true}, {"^connection_", "sql_error", "no connection_", false},
    {"^$", "sql_error", "", false}, {"a.c", "sql_error", "abc", true},
    {"(", "sql_error", "(", false}, /* can't be used: fits nothing */
};

static void a_pattern_is_searched_for_in_code_and_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++) {
        struct bytes pattern = bytes_of(searches[i].pattern);
        struct job_retry rules = {.errors = {&pattern, 1}};
        struct job_error error = {
            .code = bytes_of(searches[i].code), .message = bytes_of(searches[i].message)};
        if (retry_rule_fits(&rules, NO_INT, &error, &arena) != searches[i].fits)
            fail_msg("%s in %s, %s", searches[i].pattern, searches[i].code, searches[i].message);
    }
}

static void an_exit_code_fits_only_where_there_was_one(void **state)
{
    (void)state;
    int64_t codes[] = {75, 0};
    struct job_retry rules = {.exit_codes = {codes, 2}}, none = {0};
    assert_true(retry_rule_fits(&rules, 75, NULL, &arena));
    assert_true(retry_rule_fits(&rules, 0, NULL, &arena));
    assert_false(retry_rule_fits(&rules, 1, NULL, &arena));
    assert_false(retry_rule_fits(&rules, NO_INT, NULL, &arena));
    assert_false(retry_rule_fits(&none, 75, NULL, &arena));
}

static void one_rule_that_fits_is_enough(void **state)
{
    (void)state;
    int64_t codes[] = {1};
    struct bytes patterns[] = {BYTES("never"), BYTES("busy")};
    struct job_retry rules = {.exit_codes = {codes, 1}, .errors = {patterns, 2}};
    struct job_error busy = {.code = BYTES("exit_code"), .message = BYTES("disk busy")};
    struct job_error other = {.code = BYTES("exit_code"), .message = BYTES("disk gone")};
    assert_true(retry_rule_fits(&rules, 2, &busy, &arena));
    assert_true(retry_rule_fits(&rules, 1, &other, &arena));
    assert_false(retry_rule_fits(&rules, 2, &other, &arena));
}

/* The end of a long message is not looked at, so that a search takes a bounded time. */
static void only_the_beginning_of_a_message_is_looked_at(void **state)
{
    (void)state;
    static char message[RETRY_MESSAGE_BYTES + 10];
    struct bytes pattern = BYTES("z");
    struct job_retry rules = {.errors = {&pattern, 1}};
    struct job_error error = {.code = BYTES("x"), .message = {message, sizeof message}};
    memset(message, 'a', sizeof message);
    message[RETRY_MESSAGE_BYTES - 1] = 'z';
    assert_true(retry_rule_fits(&rules, NO_INT, &error, &arena));
    message[RETRY_MESSAGE_BYTES - 1] = 'a';
    message[RETRY_MESSAGE_BYTES] = 'z';
    assert_false(retry_rule_fits(&rules, NO_INT, &error, &arena));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            patterns_are_taken_unless_wrong_or_dear, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            a_pattern_is_searched_for_in_code_and_message, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            an_exit_code_fits_only_where_there_was_one, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(one_rule_that_fits_is_enough, arena_set_up, arena_tear_down),
        cmocka_unit_test_setup_teardown(
            only_the_beginning_of_a_message_is_looked_at, arena_set_up, arena_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
