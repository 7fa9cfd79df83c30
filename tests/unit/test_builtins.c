/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* builtins: the examples of the table are true; every built-in variable around the ends of months, quarters and years. (Against
 * Python's calendar, at thousands of times: tests/flow/test_variables.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "converter/builtins.h"

static void value_of(const char *name, const struct builtin_world *w, int64_t steps, struct buf *out)
{
    bool std;
    const struct builtin *b = builtin_find(bytes_of(name), &std);

    if (b == NULL)
        fail_msg("there is no %s", name);
    buf_clear(out);
    if (!builtin_value(b, std, w, steps, out))
        buf_add_text(out, "none");
    buf_add_char(out, '\0');
}

static struct builtin_world world_of(int year, int month, int day)
{
    return (struct builtin_world){.zone = zone_of_utc,
        .now = {{year, month, day}, 9, 30, 0, 0},
        .run_date = {year, month, day},
        .user = BYTES("ann"),
        .submitter = BYTES("ops")};
}

static void every_row_is_as_its_example_says(void **state)
{
    struct builtin_world w = world_of(2024, 5, 15);
    struct buf value, name;

    (void)state;
    buf_init(&value);
    buf_init(&name);
    assert_int_equal(builtin_count, 23); /* 20 with _std, and 3 names */
    for (size_t i = 0; i < builtin_count; i++) {
        const struct builtin *b = &builtins[i];
        bool std;
        assert_ptr_equal(builtin_find(b->name, &std), b);
        assert_false(std);
        value_of(b->name.data, &w, 0, &value);
        assert_string_equal(value.data, b->example);
        buf_clear(&name);
        buf_printf(&name, "%s_std", b->name.data);
        const struct builtin *found = builtin_find(buf_bytes(&name), &std);
        assert_ptr_equal(found, b->example_std != NULL ? b : NULL);
        if (found == NULL)
            continue;
        value_of(name.data, &w, 0, &value);
        assert_string_equal(value.data, b->example_std);
    }
    buf_release(&value);
    buf_release(&name);
}

static void other_names_are_none(void **state)
{
    static const char *const names[] = {
        "", "_std", "run", "run_date_", "run_date_std_std", "Run_date", "user_std", "std", "run_today_hours"};
    bool std;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_null(builtin_find(bytes_of(names[i]), &std));
}

static const struct boundary_case {
    const char *name;
    int year, month, day; /* run_date */
    int64_t steps;
    const char *wanted;
} boundaries[] = {
    {"run_date", 2024, 2, 29, 0, "20240229"},
    {"run_date", 2024, 2, 28, 1, "20240229"},
    {"run_date", 2023, 2, 28, 1, "20230301"},
    {"run_date", 2024, 3, 1, -1, "20240229"},
    {"run_date_std", 2024, 12, 31, 1, "2025-01-01"},
    {"run_date_std", 2025, 1, 1, -1, "2024-12-31"},
    {"run_date", 2000, 3, 1, -1, "20000229"},
    {"run_date", 2100, 3, 1, -1, "21000228"},
    {"run_date", 2024, 1, 1, 366, "20250101"},
    {"run_date", 1, 1, 1, 0, "00010101"},
    {"run_date", 1, 1, 1, -1, "none"},
    {"run_date", 9999, 12, 31, 1, "none"},
    {"run_date", 2024, 1, 1, INT64_MAX, "none"},
    {"run_date", 2024, 1, 1, INT64_MIN + 1, "none"},
    {"run_today", 2024, 2, 28, 0, "20240229"},
    {"run_today", 2023, 2, 28, 0, "20230301"},
    {"run_today", 2023, 12, 31, 0, "20240101"},
    {"run_today_std", 2023, 12, 31, -1, "2023-12-31"},
    {"run_today", 9999, 12, 31, 0, "none"},
    {"run_month_begin", 2024, 1, 31, 1, "20240201"},
    {"run_month_begin", 2024, 1, 1, -1, "20231201"},
    {"run_month_end", 2024, 1, 31, 1, "20240229"},
    {"run_month_end", 2023, 1, 31, 1, "20230228"},
    {"run_month_end", 2024, 2, 29, 12, "20250228"},
    {"run_month_end_std", 2024, 12, 1, 0, "2024-12-31"},
    {"run_month_now_begin", 2024, 1, 30, 0, "20231201"},
    {"run_month_now_begin", 2024, 1, 31, 0, "20240101"},
    {"run_month_now_end", 2024, 2, 28, 0, "20240131"},
    {"run_month_now_end", 2024, 2, 29, 0, "20240229"},
    {"run_month_now_end", 2023, 12, 31, 0, "20231231"},
    {"run_month_now_end", 2024, 2, 29, 1, "20240331"},
    {"run_quarter_begin", 2024, 3, 31, 0, "20240101"},
    {"run_quarter_begin", 2024, 4, 1, 0, "20240401"},
    {"run_quarter_begin", 2024, 1, 1, -1, "20231001"},
    {"run_quarter_end", 2024, 3, 31, 0, "20240331"},
    {"run_quarter_end", 2024, 4, 1, 0, "20240630"},
    {"run_quarter_end", 2024, 12, 31, 1, "20250331"},
    {"run_quarter_end_std", 2024, 9, 30, 1, "2024-12-31"},
    {"run_half_year_begin", 2024, 6, 30, 0, "20240101"},
    {"run_half_year_begin", 2024, 7, 1, 0, "20240701"},
    {"run_half_year_begin", 2024, 7, 1, 1, "20250101"},
    {"run_half_year_end", 2024, 6, 30, 0, "20240630"},
    {"run_half_year_end", 2024, 7, 1, 0, "20241231"},
    {"run_half_year_end", 2024, 7, 1, -1, "20240630"},
    {"run_year_begin", 2024, 12, 31, 0, "20240101"},
    {"run_year_begin", 2024, 2, 29, 1, "20250101"},
    {"run_year_end", 2024, 1, 1, 0, "20241231"},
    {"run_year_end_std", 2024, 1, 1, -24, "2000-12-31"},
    {"run_year_end", 9999, 1, 1, 1, "none"},
    {"run_mon", 2024, 12, 31, 1, "202501"},
    {"run_mon_std", 2024, 1, 1, -1, "2023-12"},
    {"run_mon_start", 2024, 1, 31, 0, "202401"},
    {"run_mon_end", 2024, 1, 31, 0, "202412"},
    {"run_mon_end", 2024, 1, 31, -1, "202312"},
    {"run_mon_end", 2024, 11, 30, 1, "202412"},
    {"run_mon_end_std", 2024, 12, 1, 1, "2025-12"},
    {"run_mon_now", 2024, 1, 31, 0, "202402"},
    {"run_current_mon_now_std", 2023, 12, 31, 0, "2024-01"},
    {"run_last_mon_now", 2024, 1, 30, 0, "202312"},
    {"run_last_mon_now", 2024, 1, 31, 0, "202401"},
    {"run_last_mon_now_std", 2023, 12, 31, 0, "2023-12"},
    {"run_last_mon_now", 1, 1, 1, 0, "none"},
    {"run_today_h", 2023, 12, 31, 0, "2024010109"},
    {"run_today_h", 2023, 12, 30, 15, "2024010100"},
    {"run_today_hour_std", 2024, 2, 28, -10, "2024-02-28 23"},
    {"run_today_h", 9999, 12, 30, 15, "none"},
    {"run_today_h", 2024, 1, 1, INT64_MIN + 1, "none"},
};

static void dates_are_right_at_every_boundary(void **state)
{
    struct buf value;

    (void)state;
    buf_init(&value);
    for (size_t i = 0; i < sizeof(boundaries) / sizeof(boundaries[0]); i++) {
        const struct boundary_case *c = &boundaries[i];
        struct builtin_world w = world_of(c->year, c->month, c->day);
        value_of(c->name, &w, c->steps, &value);
        if (strcmp(value.data, c->wanted) != 0)
            fail_msg("%s%+lld at %04d-%02d-%02d: expected %s, got %s", c->name, (long long)c->steps, c->year,
                c->month, c->day, c->wanted, value.data);
    }
    buf_release(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_as_its_example_says),
        cmocka_unit_test(other_names_are_none),
        cmocka_unit_test(dates_are_right_at_every_boundary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
