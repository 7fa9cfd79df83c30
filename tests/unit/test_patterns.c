/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* patterns: every letter, every step, across changes of the clock; what is no pattern, and what is a wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "converter/patterns.h"

static struct zones *zones;

static const struct pattern_case {
    const char *inner, *wanted;
    enum pattern_end end;
} cases[] = {
    /* base: 2024-02-29 15:04:05.678 in Berlin, a Thursday */
    {"yyyyMMdd", "20240229", PATTERN_DONE},
    {"yyyy-MM-dd HH:mm:ss", "2024-02-29 15:04:05", PATTERN_DONE},
    {"yy y uuuu", "24 2024 2024", PATTERN_DONE},
    {"M MM MMM MMMM L", "2 02 Feb February 2", PATTERN_DONE},
    {"d dd D DDD", "29 29 60 060", PATTERN_DONE},
    {"Q QQ QQQ q", "1 01 Q1 1", PATTERN_DONE},
    {"E EE EEE EEEE", "Thu Thu Thu Thursday", PATTERN_DONE},
    {"H HH h hh a", "15 15 3 03 PM", PATTERN_DONE},
    {"m mm s ss", "4 04 5 05", PATTERN_DONE},
    {"s.S ss.SSS SSSSSSSSS", "5.6 05.678 678000000", PATTERN_DONE},
    {"d X XX XXX x xxx", "29 +01 +0100 +01:00 +01 +01:00", PATTERN_DONE},
    {"yyyy-MM-dd'T'HH:mm", "2024-02-29T15:04", PATTERN_DONE},
    {"yyyy 'o''clock' '' '%'", "2024 o'clock ' '%'", PATTERN_OTHER}, /* % begins a step, whatever is quoted */
    {"h 'o''clock' ''", "3 o'clock '", PATTERN_DONE},
    {"  yyyy  ", "2024", PATTERN_DONE},
    {"yyyy-MM-01", "2024-02-01", PATTERN_DONE},
    {"yyyy年", "2024年", PATTERN_DONE},
    {"yyyyMMdd%", "20240229", PATTERN_DONE},

    {"yyyyMMdd%-1d", "20240228", PATTERN_DONE},
    {"yyyyMMdd%1d", "20240301", PATTERN_DONE},
    {"yyyyMMdd%+1d", "20240301", PATTERN_DONE},
    {"yyyyMMdd% - 1d", NULL, PATTERN_WRONG},
    {"yyyyMMdd % -1 d ", "20240228 ", PATTERN_DONE},
    {"yyyyMMdd%1y", "20250228", PATTERN_DONE},
    {"yyyyMMdd%4y", "20280229", PATTERN_DONE},
    {"yyyyMMdd%-1M", "20240129", PATTERN_DONE},
    {"yyyyMMdd%1M%1M", "20240429", PATTERN_DONE},
    {"yyyyMMdd%12M", "20250228", PATTERN_DONE},
    {"yyyyMMdd%1y%-1y", "20240228", PATTERN_DONE}, /* one step after the other */
    {"yyyyMMdd HH%9H", "20240301 00", PATTERN_DONE},
    {"HH:mm%-5m", "14:59", PATTERN_DONE},
    {"HH:mm:ss%-6s", "15:03:59", PATTERN_DONE},
    {"MM-dd HH xxx%32d", "04-01 15 +02:00", PATTERN_DONE},  /* a day later the clock shows the same hour */
    {"MM-dd HH xxx%768H", "04-01 16 +02:00", PATTERN_DONE}, /* 24 hours later not */
    {"MM-dd HH:mm%31d%-12H%-34m", "03-31 01:30", PATTERN_DONE}, /* past what is left out */
    {"MM-dd HH:mm%-12H%-34m%31d", "03-31 03:30", PATTERN_DONE}, /* the same by way of 02:30 */
    /* An hour that comes twice: with the offset that it was come to with, where that is one of the two. */
    {"MM-dd HH:mm xxx%-13H%-4m%241d", "10-27 02:00 +01:00", PATTERN_DONE},
    {"MM-dd HH:mm xxx%-13H%-4m%200d%41d", "10-27 02:00 +02:00", PATTERN_DONE},
    {"MM-dd HH:mm xxx%-13H%-4m%200d%41d%1H", "10-27 02:00 +01:00", PATTERN_DONE},
    {"MM-dd HH:mm xxx%-13H%-4m%200d%41d%1H%1d%-1d", "10-27 02:00 +01:00", PATTERN_DONE},

    {"yyyy%1", NULL, PATTERN_WRONG},
    {"yyyy%d", NULL, PATTERN_WRONG},
    {"yyyy%1w", NULL, PATTERN_WRONG},
    {"yyyy%1.5d", NULL, PATTERN_WRONG},
    {"yyyy%--1d", NULL, PATTERN_WRONG},
    {"yyyy%+-1d", NULL, PATTERN_WRONG},
    {"yyyy%1dd", NULL, PATTERN_WRONG},
    {"yyyy%7976y", NULL, PATTERN_WRONG},
    {"yyyy%-2024y", NULL, PATTERN_WRONG},
    {"yyyy%-2023y%-2M", NULL, PATTERN_WRONG},
    {"yyyy%3000000000s", NULL, PATTERN_WRONG},
    {"yyyy%2147483647d", NULL, PATTERN_WRONG},
    {"yyyy%99999999999999999999d", NULL, PATTERN_WRONG},
    {"yyyy%2147483647H", NULL, PATTERN_WRONG},

    {"", NULL, PATTERN_OTHER},
    {"x", NULL, PATTERN_OTHER},
    {"a: 1", NULL, PATTERN_OTHER},
    {"name", NULL, PATTERN_OTHER},
    {"01", NULL, PATTERN_OTHER},
    {"yyyyT", NULL, PATTERN_OTHER},
    {"yyyyy", NULL, PATTERN_OTHER},
    {"ddd", NULL, PATTERN_OTHER},
    {"yyyy'", NULL, PATTERN_OTHER},
    {"yyyy[MM]", NULL, PATTERN_OTHER},
    {"yyyy\nMM", NULL, PATTERN_OTHER},
    {"yyyy#", NULL, PATTERN_OTHER},
    {"%1d", NULL, PATTERN_OTHER},
};

static void every_case(void **state)
{
    const struct moment base = {{2024, 2, 29}, 15, 4, 5, 678};
    const struct zone *berlin = zones_find(zones, BYTES("Europe/Berlin"));
    struct buf out;

    (void)state;
    assert_non_null(berlin);
    buf_init(&out);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = "";
        buf_clear(&out);
        enum pattern_end end = pattern_format(bytes_of(cases[i].inner), &base, berlin, &out, &why);
        if (end != cases[i].end ||
            (end == PATTERN_DONE && !bytes_equal_text(buf_bytes(&out), cases[i].wanted)))
            fail_msg("'%s': end %d, got '%.*s'", cases[i].inner, (int)end, BYTES_ARG(buf_bytes(&out)));
        assert_true(end != PATTERN_WRONG || why[0] != '\0');
    }
    buf_release(&out);
}

static void every_letter_and_unit_of_the_tables_works(void **state)
{
    const struct moment base = {{2024, 2, 29}, 15, 4, 5, 678};
    const char *why;
    struct buf text, out;

    (void)state;
    buf_init(&text);
    buf_init(&out);
    for (const struct pattern_letter *l = pattern_letters; l->letter != '\0'; l++) {
        for (int count = 1; count <= l->most + 1; count++) {
            buf_clear(&text);
            buf_add_text(&text, l->letter == 'd' ? "y" : "d.");
            for (int i = 0; i < count; i++)
                buf_add_char(&text, l->letter);
            enum pattern_end end = pattern_format(buf_bytes(&text), &base, zone_of_utc, &out, &why);
            assert_int_equal(end, count <= l->most ? PATTERN_DONE : PATTERN_OTHER);
        }
    }
    for (const struct pattern_letter *unit = pattern_units; unit->letter != '\0'; unit++) {
        buf_clear(&text);
        buf_printf(&text, "yyyyMMddHHmmss%%1%c%%-1%c", unit->letter, unit->letter);
        buf_clear(&out);
        assert_int_equal(pattern_format(buf_bytes(&text), &base, zone_of_utc, &out, &why), PATTERN_DONE);
        assert_true(
            bytes_equal_text(buf_bytes(&out), unit->letter == 'y' ? "20240228150405" : "20240229150405"));
    }
    buf_release(&text);
    buf_release(&out);
}

static int set_up(void **state)
{
    struct error e;

    (void)state;
    zones = zones_open("/usr/share/zoneinfo", &e);
    return zones != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    zones_close(zones);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case),
        cmocka_unit_test(every_letter_and_unit_of_the_tables_works),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
