/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* variables: ${name} in code is replaced; everything else stays as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converter/variables.h"

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        "" literal, sizeof(literal) - 1                                                                      \
    } /* BYTES for static tables */

static struct pair values[] = {
    {TEXT("day"), TEXT("2026-01-02")},
    {TEXT("a"), TEXT("${day}")},
    {TEXT("empty"), TEXT("")},
    {TEXT("x.y-z_1"), TEXT("v")},
};
static const struct pairs variables = {values, sizeof(values) / sizeof(values[0])};

static const struct {
    const char *name, *code, *wanted;
    enum variables_end end;
    size_t warnings;
} cases[] = {
    {"code without variables stays", "select 1", "select 1", VARIABLES_NONE, 0},
    {"empty code stays", "", "", VARIABLES_NONE, 0},
    {"a name is replaced", "where d = '${day}'", "where d = '2026-01-02'", VARIABLES_REPLACED, 0},
    {"a name is replaced everywhere", "${day}${day}", "2026-01-022026-01-02", VARIABLES_REPLACED, 0},
    {"a value is not looked at again", "${a}", "${day}", VARIABLES_REPLACED, 0},
    {"an empty value leaves nothing", "[${empty}]", "[]", VARIABLES_REPLACED, 0},
    {"names hold dots, dashes, digits", "${x.y-z_1}", "v", VARIABLES_REPLACED, 0},
    {"an unknown name stays with a warning", "echo ${HOME}", "echo ${HOME}", VARIABLES_NONE, 1},
    {"an unknown name warns once", "${u} ${u} ${v}", "${u} ${u} ${v}", VARIABLES_NONE, 2},
    {"known and unknown names mix", "${u}${day}", "${u}2026-01-02", VARIABLES_REPLACED, 1},
    {"other uses of ${ stay without a warning", "${1} ${} ${a:-b} ${ a}", "${1} ${} ${a:-b} ${ a}",
        VARIABLES_NONE, 0},
    {"an open end stays", "x ${day", "x ${day", VARIABLES_NONE, 0},
    {"a lone dollar at the end stays", "cost $", "cost $", VARIABLES_NONE, 0},
    {"dollars before a name stay", "$$${day}", "$$2026-01-02", VARIABLES_REPLACED, 0},
    {"a name within braces of another is found", "${${day}}", "${2026-01-02}", VARIABLES_REPLACED, 0},
};

static void replaces_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a;
        struct bytes out;
        struct strings warnings;
        arena_init(&a);
        enum variables_end end =
            variables_replace(bytes_of(cases[i].code), &variables, 1000, &a, &out, &warnings);
        if (end != cases[i].end || !bytes_equal_text(out, cases[i].wanted) ||
            warnings.count != cases[i].warnings)
            fail_msg("%s: got '%.*s', end %d, %zu warnings", cases[i].name, BYTES_ARG(out), (int)end,
                warnings.count);
        arena_release(&a);
    }
}

static void refuses_to_grow_beyond_the_limit(void **state)
{
    struct arena a;
    struct bytes out;
    struct strings warnings;

    (void)state;
    arena_init(&a);
    assert_int_equal(
        variables_replace(BYTES("${day}"), &variables, 10, &a, &out, &warnings), VARIABLES_REPLACED);
    assert_int_equal(
        variables_replace(BYTES("${day}"), &variables, 9, &a, &out, &warnings), VARIABLES_TOO_LARGE);
    assert_int_equal(
        variables_replace(BYTES("${day}+"), &variables, 10, &a, &out, &warnings), VARIABLES_TOO_LARGE);
    arena_release(&a);
}

static void warns_a_limited_number_of_times(void **state)
{
    struct arena a;
    struct buf code;
    struct bytes out;
    struct strings warnings;

    (void)state;
    arena_init(&a);
    buf_init(&code);
    for (int i = 0; i < 100; i++)
        buf_printf(&code, "${unknown%d} ", i);
    variables_replace(buf_bytes(&code), &variables, 10000, &a, &out, &warnings);
    assert_int_equal(warnings.count, VARIABLE_WARNINGS_MAX);
    assert_true(bytes_starts_with(warnings.items[0], "${unknown0} stays"));
    buf_release(&code);
    arena_release(&a);
}

static void knows_valid_names(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } names[] = {{"a", true}, {"_", true}, {"A9.-_", true}, {"", false}, {"9a", false}, {"a b", false},
        {"a$", false}, {"\xc3\xa4", false}};
    char longest[VARIABLE_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(variable_name_is_valid(bytes_of(names[i].name)), names[i].valid);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_false(variable_name_is_valid(bytes_of(longest)));
    longest[VARIABLE_NAME_MAX] = '\0';
    assert_true(variable_name_is_valid(bytes_of(longest)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_names),
        cmocka_unit_test(refuses_to_grow_beyond_the_limit),
        cmocka_unit_test(warns_a_limited_number_of_times),
        cmocka_unit_test(knows_valid_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
