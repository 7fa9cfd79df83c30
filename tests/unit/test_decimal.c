/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* decimal: numbers are read, calculated exactly and written plainly. (Against Python's: tests/flow/test_variables.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "converter/decimal.h"

#define NINES "999999999999999999999999999999999999" /* 36 */

static const struct {
    const char *text, *wanted; /* NULL: no number */
} numbers[] = {
    {"0", "0"},
    {"-0", "0"},
    {"+7", "7"},
    {"007", "7"},
    {"1.50", "1.5"},
    {"-1.50", "-1.5"},
    {".5", "0.5"},
    {"5.", "5"},
    {"0.001", "0.001"},
    {"-.001", "-0.001"},
    {"100", "100"},
    {NINES, NINES},
    {"-" NINES, "-" NINES},
    {".000000000000000000000000000000000001", "0.000000000000000000000000000000000001"},
    {"", NULL},
    {"-", NULL},
    {".", NULL},
    {"+-1", NULL},
    {"1e5", NULL},
    {"1,5", NULL},
    {" 1", NULL},
    {"1 ", NULL},
    {"1.2.3", NULL},
    {"0x10", NULL},
    {"NaN", NULL},
    {"1" NINES, NULL},
    {"0.0" NINES, NULL},
    {"\xd9\xa1", NULL},
};

static void numbers_are_read_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[DECIMAL_TEXT_SIZE];
        struct decimal d;
        bool is_one = decimal_parse(bytes_of(numbers[i].text), &d);
        if (is_one != (numbers[i].wanted != NULL))
            fail_msg("'%s': %s", numbers[i].text, is_one ? "taken" : "not taken");
        if (is_one && !bytes_equal_text(decimal_text(d, text), numbers[i].wanted))
            fail_msg("'%s': got %.*s", numbers[i].text, BYTES_ARG(decimal_text(d, text)));
    }
}

static const struct {
    const char *left;
    char op;
    const char *right, *wanted;
    enum decimal_end end;
} sums[] = {
    {"0.1", '+', "0.2", "0.3", DECIMAL_OK},
    {"1.10", '-', "1.1", "0", DECIMAL_OK},
    {"-1", '-', "-1.5", "0.5", DECIMAL_OK},
    {"9.99", '+', "0.01", "10", DECIMAL_OK},
    {"1.5", '*', "-1.5", "-2.25", DECIMAL_OK},
    {"0", '*', "-5", "0", DECIMAL_OK},
    {"100000000000000000", '*', "1000000000000000000", "100000000000000000000000000000000000", DECIMAL_OK},
    {"1", '/', "3", "0.333333333333333333", DECIMAL_OK},
    {"-2", '/', "3", "-0.666666666666666667", DECIMAL_OK},
    {"1", '/', "8", "0.125", DECIMAL_OK},
    {"1", '/', "0.001", "1000", DECIMAL_OK},
    {"0", '/', "7", "0", DECIMAL_OK},
    {"1", '/', "2000000000000000000", "0.000000000000000001",
        DECIMAL_OK}, /* half of the last place: away from zero */
    {"-1", '/', "2000000000000000000", "-0.000000000000000001", DECIMAL_OK},
    {"1", '/', "3000000000000000000", "0", DECIMAL_OK},
    {"100000000000000000000", '/', "3", "33333333333333333333.3333333333333333", DECIMAL_OK}, /* 36 digits */
    {"0.0000000000000000000001", '/', "3", "0", DECIMAL_OK},
    {"0.0000000000000000000002", '/', "3", "0.0000000000000000000001",
        DECIMAL_OK}, /* 22 places, as the left has */
    {NINES, '/', "1", NINES, DECIMAL_OK},
    {NINES, '+', "0", NINES, DECIMAL_OK},
    {NINES, '+', "1", NULL, DECIMAL_TOO_LONG},
    {NINES, '+', "0.1", NULL, DECIMAL_TOO_LONG},
    {"-" NINES, '-', "1", NULL, DECIMAL_TOO_LONG},
    {NINES, '*', NINES, NULL, DECIMAL_TOO_LONG},
    {NINES, '*', "10", NULL, DECIMAL_TOO_LONG},
    {NINES, '/', "0.1", NULL, DECIMAL_TOO_LONG},
    {NINES, '/', ".000000000000000000000000000000000001", NULL, DECIMAL_TOO_LONG},
    {"0.000000000000000000001", '*', "0.000000000000000000001", NULL, DECIMAL_TOO_LONG},
    {"1", '/', "0", NULL, DECIMAL_BY_ZERO},
    {"0", '/', "0.00", NULL, DECIMAL_BY_ZERO},
};

static void sums_are_exact_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        char text[DECIMAL_TEXT_SIZE];
        struct decimal left = {0, 0}, right = {0, 0}, result = {0, 0};
        assert_true(
            decimal_parse(bytes_of(sums[i].left), &left) && decimal_parse(bytes_of(sums[i].right), &right));
        enum decimal_end end = decimal_calculate(left, sums[i].op, right, &result);
        if (end != sums[i].end)
            fail_msg("%s %c %s: end %d", sums[i].left, sums[i].op, sums[i].right, (int)end);
        if (end == DECIMAL_OK && !bytes_equal_text(decimal_text(result, text), sums[i].wanted))
            fail_msg("%s %c %s: got %.*s", sums[i].left, sums[i].op, sums[i].right,
                BYTES_ARG(decimal_text(result, text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_and_written),
        cmocka_unit_test(sums_are_exact_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
