/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: RFC 3339 both ways, against the C library's own calendar over many days, and clocks that move
 * forward.
 */
/* LIBS: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/clock.h"

static void texts_are_read_as_rfc_3339_has_them(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2026-01-02T03:04:05.678Z", 1767323045678},
        {"2026-01-02T05:04:05.678+02:00", 1767323045678},
        {"2026-01-01T21:34:05.678-05:30", 1767323045678},
        {"2026-01-02t03:04:05.678z", 1767323045678},
        {"2026-01-02 03:04:05.678Z", 1767323045678},
        {"2026-01-02T03:04:05.6Z", 1767323045600},
        {"2026-01-02T03:04:05.678999999Z", 1767323045678},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"0000-01-01T00:00:00Z", -62167219200000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 0;
        if (!clock_parse(bytes_of(cases[i].text), &ms) || ms != cases[i].ms)
            fail_msg("%s: %lld, expected %lld", cases[i].text, (long long)ms, (long long)cases[i].ms);
    }
}

static void everything_else_is_refused(void **state)
{
    static const char *const cases[] = {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04Z",
        "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z", "2026-01-32T03:04:05Z", "2026-01-00T03:04:05Z",
        "2026-02-29T03:04:05Z", "1900-02-29T03:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+2:00", "2026-01-02T03:04:05+02",
        "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05+02:60", "2026-01-02T03:04:05ZZ",
        "2026-01-02T03:04:05Z ", " 2026-01-02T03:04:05Z", "2026-1-2T03:04:05Z", "-026-01-02T03:04:05Z",
        "2026-01-02X03:04:05Z", "2026-01-02T03:04:05,5Z"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ms = 7;
        if (clock_parse(bytes_of(cases[i]), &ms) || ms != 7)
            fail_msg("\"%s\" was taken", cases[i]);
    }
    int64_t ms;
    assert_false(clock_parse(BYTES_NONE, &ms));
}

static void texts_agree_with_the_c_library_over_400_years(void **state)
{
    char ours[CLOCK_TEXT_SIZE];
    char theirs[CLOCK_TEXT_SIZE];

    (void)state;
    for (int64_t day = -80000; day < 80000; day += 13) {
        int64_t ms = day * 86400000 + 45296123;
        time_t seconds = (time_t)(day * 86400 + 45296);
        struct tm parts;
        int64_t back;
        assert_non_null(gmtime_r(&seconds, &parts));
        strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.123Z", &parts);
        assert_string_equal(clock_text(ms, ours), theirs);
        assert_true(clock_parse(bytes_of(ours), &back));
        assert_true(back == ms);
    }
    assert_string_equal(clock_text(-1, ours), "1969-12-31T23:59:59.999Z");
    assert_string_equal(clock_text(INT64_MAX, ours), "9999-12-31T23:59:59.999Z");
    assert_string_equal(clock_text(INT64_MIN, ours), "0000-01-01T00:00:00.000Z");
}

static void a_moment_from_now_is_a_time_that_calls_take(void **state)
{
    static const int64_t waits[] = {0, 1, 999, 1000, 1999, 86400001};

    (void)state;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct timespec before, then, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        then = clock_after(CLOCK_MONOTONIC, waits[i]);
        clock_gettime(CLOCK_MONOTONIC, &after);
        int64_t ns = (int64_t)then.tv_sec * 1000000000 + then.tv_nsec - waits[i] * 1000000;
        assert_true(then.tv_nsec >= 0 && then.tv_nsec < 1000000000);
        assert_true(ns >= (int64_t)before.tv_sec * 1000000000 + before.tv_nsec);
        assert_true(ns <= (int64_t)after.tv_sec * 1000000000 + after.tv_nsec);
    }
}

static void a_duration_that_is_too_long_for_any_date_is_a_hundred_years(void **state)
{
    (void)state;
    assert_true(clock_later(1000, 500) == 1500);
    assert_true(clock_later(1000, 0) == 1000);
    assert_true(clock_later(1000, INT64_MAX) == 1000 + CLOCK_LONGEST_MS);
    assert_true(clock_later(1767323045678, CLOCK_LONGEST_MS + 1) < 253402300799999);
}

static void clocks_agree_with_the_system_and_do_not_go_back(void **state)
{
    (void)state;
    int64_t boot = clock_boot_us();
    for (int i = 0; i < 1000; i++) {
        int64_t next = clock_boot_us();
        assert_true(next >= boot);
        boot = next;
    }
    int64_t ms = clock_boot_ms();
    assert_in_range(ms - boot / 1000, 0, 1000);
    int64_t seconds = (int64_t)time(NULL);
    assert_in_range(clock_utc_ms() / 1000 - seconds + 1, 0, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_as_rfc_3339_has_them),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(texts_agree_with_the_c_library_over_400_years),
        cmocka_unit_test(a_moment_from_now_is_a_time_that_calls_take),
        cmocka_unit_test(a_duration_that_is_too_long_for_any_date_is_a_hundred_years),
        cmocka_unit_test(clocks_agree_with_the_system_and_do_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
