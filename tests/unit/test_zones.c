/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* zones: offsets around changes, hours that come twice and hours that are left out, rules after the last change, files that are none.
 * (All zones against Python's: tests/flow/test_variables.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "converter/zone_rule.h"
#include "core/clock.h"

static struct zones *zones;

static int64_t at(const char *text)
{
    int64_t ms;

    if (!clock_parse(bytes_of(text), &ms))
        fail_msg("no time: %s", text);
    return ms / 1000;
}

static const struct zone *zone(const char *name)
{
    const struct zone *z = zones_find(zones, bytes_of(name));

    if (z == NULL)
        fail_msg("there is no %s", name);
    return z;
}

static const struct {
    const char *zone, *time;
    int32_t offset;
} offsets[] = {
    {"UTC", "2024-01-01T00:00:00Z", 0},
    {"Europe/Berlin", "2024-03-31T00:59:59Z", 3600},
    {"Europe/Berlin", "2024-03-31T01:00:00Z", 7200},
    {"Europe/Berlin", "2024-10-27T00:59:59Z", 7200},
    {"Europe/Berlin", "2024-10-27T01:00:00Z", 3600},
    {"Europe/Berlin", "2200-07-01T00:00:00Z", 7200},
    {"Europe/Berlin", "1880-01-01T00:00:00Z", 3208},
    {"America/New_York", "2024-03-10T07:00:00Z", -4 * 3600},
    {"America/New_York", "2024-03-10T06:59:59Z", -5 * 3600},
    {"Australia/Sydney", "2150-01-01T00:00:00Z", 11 * 3600},
    {"Australia/Sydney", "2150-07-01T00:00:00Z", 10 * 3600},
    {"Australia/Lord_Howe", "2024-01-01T00:00:00Z", 11 * 3600},
    {"Australia/Lord_Howe", "2024-07-01T00:00:00Z", 37800},
    {"Asia/Kathmandu", "2024-01-01T00:00:00Z", 20700},
    {"Pacific/Apia", "2011-12-30T09:59:59Z", -10 * 3600},
    {"Pacific/Apia", "2011-12-30T10:00:00Z", 14 * 3600},
    {"Asia/Shanghai", "2300-01-01T00:00:00Z", 8 * 3600},
};

static void offsets_change_when_they_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        int32_t got = zone_offset(zone(offsets[i].zone), at(offsets[i].time));
        if (got != offsets[i].offset)
            fail_msg(
                "%s at %s: expected %d, got %d", offsets[i].zone, offsets[i].time, offsets[i].offset, got);
    }
}

static const struct {
    const char *zone, *local; /* as if it were UTC */
    int32_t preferred;
    const char *utc;
} locals[] = {
    {"Europe/Berlin", "2024-03-31T01:59:59Z", ZONE_NO_OFFSET, "2024-03-31T00:59:59Z"},
    {"Europe/Berlin", "2024-03-31T02:30:00Z", ZONE_NO_OFFSET, "2024-03-31T01:30:00Z"}, /* left out: 03:30 */
    {"Europe/Berlin", "2024-03-31T03:00:00Z", ZONE_NO_OFFSET, "2024-03-31T01:00:00Z"},
    {"Europe/Berlin", "2024-10-27T02:30:00Z", ZONE_NO_OFFSET, "2024-10-27T00:30:00Z"}, /* twice: the first */
    {"Europe/Berlin", "2024-10-27T02:30:00Z", 7200, "2024-10-27T00:30:00Z"},
    {"Europe/Berlin", "2024-10-27T02:30:00Z", 3600, "2024-10-27T01:30:00Z"},
    {"Europe/Berlin", "2024-10-27T03:00:00Z", 7200, "2024-10-27T02:00:00Z"},
    {"Europe/Berlin", "2100-03-28T02:30:00Z", ZONE_NO_OFFSET, "2100-03-28T01:30:00Z"},
    {"Australia/Lord_Howe", "2024-10-06T02:15:00Z", ZONE_NO_OFFSET,
        "2024-10-05T15:45:00Z"}, /* half an hour left out */
    {"Pacific/Apia", "2011-12-30T12:00:00Z", ZONE_NO_OFFSET, "2011-12-30T22:00:00Z"}, /* a day left out */
    {"America/Sao_Paulo", "2018-11-04T00:00:00Z", ZONE_NO_OFFSET,
        "2018-11-04T03:00:00Z"}, /* midnight left out */
};

static void times_of_clocks_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
        char text[CLOCK_TEXT_SIZE];
        int64_t got = zone_utc(zone(locals[i].zone), at(locals[i].local), locals[i].preferred);
        if (got != at(locals[i].utc))
            fail_msg("%s in %s: expected %s, got %s", locals[i].local, locals[i].zone, locals[i].utc,
                clock_text(got * 1000, text));
    }
}

static void only_zones_have_names(void **state)
{
    static const char *const names[] = {"", "Europe", "europe/berlin", "Europe/Berlin ", "../etc/passwd",
        "posix/Europe/Berlin", "tzdata.zi", "zone.tab", "Mars/Olympus", "/Europe/Berlin"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_null(zones_find(zones, bytes_of(names[i])));
    assert_ptr_equal(zones_find(NULL, BYTES("UTC")), zone_of_utc);
    assert_null(zones_find(NULL, BYTES("Europe/Berlin")));
    assert_string_equal(zone_name(zone("Europe/Berlin")), "Europe/Berlin");
}

static const struct {
    const char *text;
    bool good;
    const char *time;
    int32_t offset;
} rules[] = {
    {"CET-1CEST,M3.5.0,M10.5.0/3", true, "2024-07-01T00:00:00Z", 7200},
    {"<+0330>-3:30", true, "2024-07-01T00:00:00Z", 12600},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true, "2024-03-31T00:59:59Z", -7200},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true, "2024-03-31T01:00:00Z", -3600},
    {"AEST-10AEDT,M10.1.0,M4.1.0/3", true, "2024-01-01T00:00:00Z", 39600},
    {"EST5EDT4,0/0,J365/25", true, "2024-12-31T23:59:59Z", -14400},
    {"XXX0YYY,J60,J61", true, "2024-03-01T12:00:00Z", 3600},
    {"XXX0YYY,59,60", true, "2024-02-29T12:00:00Z", 3600},
    {"", false, NULL, 0},
    {"CET", false, NULL, 0},
    {"-1", false, NULL, 0},
    {"CET-25", false, NULL, 0},
    {"CET-1CEST", false, NULL, 0},
    {"CET-1CEST,M3.5.0", false, NULL, 0},
    {"CET-1CEST,M13.5.0,M10.5.0", false, NULL, 0},
    {"CET-1CEST,M3.6.0,M10.5.0", false, NULL, 0},
    {"CET-1CEST,M3.5.7,M10.5.0", false, NULL, 0},
    {"CET-1CEST,J0,J5", false, NULL, 0},
    {"CET-1CEST,366,5", false, NULL, 0},
    {"CET-1CEST,M3.5.0/168,M10.5.0", false, NULL, 0},
    {"CET-1CEST,M3.5.0,M10.5.0x", false, NULL, 0},
    {"<CET-1", false, NULL, 0},
};

static void rules_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct zone z = {.name = "x"};
        bool good = zone_rule_read(bytes_of(rules[i].text), &z);
        if (good != rules[i].good)
            fail_msg("'%s': %s", rules[i].text, good ? "taken" : "not taken");
        if (good && zone_rule_offset(&z, at(rules[i].time)) != rules[i].offset)
            fail_msg(
                "'%s' at %s: got %d", rules[i].text, rules[i].time, zone_rule_offset(&z, at(rules[i].time)));
    }
}

static void a_cut_file_is_none(void **state)
{
    static char file[65536];
    struct zone z;
    FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "r");

    (void)state;
    assert_non_null(f);
    size_t len = fread(file, 1, sizeof(file), f);
    fclose(f);
    assert_true(zone_read((struct bytes){file, len}, "x", &z));
    for (size_t cut = 0; cut + 1 < len; cut++) {
        /* Cut within the rule it may still be one, a shorter one. */
        bool read = zone_read((struct bytes){file, cut}, "x", &z);
        assert_true(!read || memchr(file + cut, '\0', len - cut) == NULL);
    }
}

static void a_folder_without_zones_is_refused(void **state)
{
    struct error e;

    (void)state;
    error_clear(&e);
    assert_null(zones_open("/nowhere", &e));
    assert_true(error_is(&e, "bad_setting"));
    assert_non_null(strstr(e.text, "/nowhere"));
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
        cmocka_unit_test(offsets_change_when_they_do),
        cmocka_unit_test(times_of_clocks_are_found),
        cmocka_unit_test(only_zones_have_names),
        cmocka_unit_test(rules_are_read),
        cmocka_unit_test(a_cut_file_is_none),
        cmocka_unit_test(a_folder_without_zones_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
