/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtins: see builtins.h.
 */
#include "converter/builtins.h"

#include <string.h>

const char *const builtin_unit_names[BUILTIN_UNITS] = {
    [UNIT_TEXT] = "text",
    [UNIT_HOUR] = "hour",
    [UNIT_DAY] = "day",
    [UNIT_MONTH] = "month",
    [UNIT_QUARTER] = "quarter",
    [UNIT_HALF_YEAR] = "half-year",
    [UNIT_YEAR] = "year",
};
static const int months_of[BUILTIN_UNITS] = {
    [UNIT_MONTH] = 1, [UNIT_QUARTER] = 3, [UNIT_HALF_YEAR] = 6, [UNIT_YEAR] = 12};

#define DATE(name, unit, from, shift, edge, settable, meaning, example, example_std)                         \
    {                                                                                                        \
        {name, sizeof(name) - 1}, unit, from, shift, edge, FORM_DAY, settable, meaning, example, example_std \
    }
#define MONTH(name, from, shift, edge, meaning, example, example_std)                                        \
    {                                                                                                        \
        {name, sizeof(name) - 1}, UNIT_MONTH, from, shift, edge, FORM_MONTH, false, meaning, example,        \
            example_std                                                                                      \
    }
#define HOUR(name, meaning)                                                                                  \
    {                                                                                                        \
        {name, sizeof(name) - 1}, UNIT_HOUR, FROM_HOUR, 0, EDGE_BEGIN, FORM_HOUR, true, meaning,             \
            "2024051609", "2024-05-16 09"                                                                    \
    }
#define NAME(name, from, meaning, example)                                                                   \
    {                                                                                                        \
        {name, sizeof(name) - 1}, UNIT_TEXT, from, 0, EDGE_BEGIN, FORM_TEXT, false, meaning, example, NULL   \
    }

const struct builtin builtins[] = {
    DATE("run_date", UNIT_DAY, FROM_RUN_DATE, 0, EDGE_BEGIN, true, "the day before the job was submitted",
        "20240515", "2024-05-15"),
    DATE("run_today", UNIT_DAY, FROM_RUN_TODAY, 0, EDGE_BEGIN, false, "the day after run_date", "20240516",
        "2024-05-16"),
    DATE("run_month_begin", UNIT_MONTH, FROM_RUN_DATE, 0, EDGE_BEGIN, false, "first day of run_date's month",
        "20240501", "2024-05-01"),
    DATE("run_month_end", UNIT_MONTH, FROM_RUN_DATE, 0, EDGE_END, false, "last day of run_date's month",
        "20240531", "2024-05-31"),
    DATE("run_month_now_begin", UNIT_MONTH, FROM_RUN_TODAY, -1, EDGE_BEGIN, false,
        "first day of the month before run_today's", "20240401", "2024-04-01"),
    DATE("run_month_now_end", UNIT_MONTH, FROM_RUN_TODAY, -1, EDGE_END, false,
        "last day of the month before run_today's", "20240430", "2024-04-30"),
    DATE("run_quarter_begin", UNIT_QUARTER, FROM_RUN_DATE, 0, EDGE_BEGIN, false,
        "first day of run_date's quarter", "20240401", "2024-04-01"),
    DATE("run_quarter_end", UNIT_QUARTER, FROM_RUN_DATE, 0, EDGE_END, false, "last day of run_date's quarter",
        "20240630", "2024-06-30"),
    DATE("run_half_year_begin", UNIT_HALF_YEAR, FROM_RUN_DATE, 0, EDGE_BEGIN, false,
        "first day of run_date's half-year", "20240101", "2024-01-01"),
    DATE("run_half_year_end", UNIT_HALF_YEAR, FROM_RUN_DATE, 0, EDGE_END, false,
        "last day of run_date's half-year", "20240630", "2024-06-30"),
    DATE("run_year_begin", UNIT_YEAR, FROM_RUN_DATE, 0, EDGE_BEGIN, false, "first day of run_date's year",
        "20240101", "2024-01-01"),
    DATE("run_year_end", UNIT_YEAR, FROM_RUN_DATE, 0, EDGE_END, false, "last day of run_date's year",
        "20241231", "2024-12-31"),
    MONTH("run_mon", FROM_RUN_DATE, 0, EDGE_BEGIN, "run_date's month", "202405", "2024-05"),
    MONTH("run_mon_start", FROM_RUN_DATE, 0, EDGE_BEGIN, "the same as run_mon", "202405", "2024-05"),
    MONTH("run_mon_end", FROM_RUN_DATE, 0, EDGE_DECEMBER, "December of run_mon's year", "202412", "2024-12"),
    MONTH("run_mon_now", FROM_RUN_TODAY, 0, EDGE_BEGIN, "run_today's month", "202405", "2024-05"),
    MONTH(
        "run_current_mon_now", FROM_RUN_TODAY, 0, EDGE_BEGIN, "the same as run_mon_now", "202405", "2024-05"),
    MONTH("run_last_mon_now", FROM_RUN_TODAY, -1, EDGE_BEGIN, "the month before run_today's", "202404",
        "2024-04"),
    HOUR("run_today_h", "run_today and the hour of the submission"),
    HOUR("run_today_hour", "the same as run_today_h, set on its own"),
    NAME("user", FROM_USER, "whom the job runs for", "ann"),
    NAME("execute_user", FROM_USER, "the same as user", "ann"),
    NAME("submit_user", FROM_SUBMITTER, "who submitted the job", "ops"),
};
const size_t builtin_count = sizeof(builtins) / sizeof(builtins[0]);

const struct builtin *builtin_find(struct bytes name, bool *std)
{
    static const char suffix[] = "_std";
    const size_t suffix_len = sizeof(suffix) - 1;

    *std = name.len > suffix_len && memcmp(name.data + name.len - suffix_len, suffix, suffix_len) == 0;
    if (*std)
        name.len -= suffix_len;
    for (size_t i = 0; i < builtin_count; i++)
        if (bytes_equal(name, builtins[i].name))
            return *std && builtins[i].form == FORM_TEXT ? NULL : &builtins[i];
    return NULL;
}

/* ---- values ---- */

static bool base_date(const struct builtin *b, const struct builtin_world *w, struct date *out)
{
    *out = w->run_date;
    return b->from == FROM_RUN_DATE || date_add_days(w->run_date, 1, out);
}

/* Hours pass on the time line, not on the clock: an hour after 01 may be 03, and what a clock leaves out is not there. */
static bool hour_value(
    const struct builtin *b, const struct builtin_world *w, int64_t steps, struct moment *out)
{
    struct moment m = {.hour = w->now.hour};
    enum { STEPS_MOST = 10000 * 366 * 24 };

    if (steps < -STEPS_MOST || steps > STEPS_MOST || !base_date(b, w, &m.date))
        return false;
    for (size_t i = 0; i < sizeof(w->hours) / sizeof(w->hours[0]); i++)
        if (w->hour_set[i] == b)
            m = w->hours[i];
    int64_t utc = zone_utc(w->zone, moment_seconds(&m), ZONE_NO_OFFSET) + steps * 3600;
    return moment_of_seconds(utc + zone_offset(w->zone, utc), out);
}

static bool date_value(
    const struct builtin *b, const struct builtin_world *w, int64_t steps, struct date *out)
{
    int months = months_of[b->unit];
    struct date d;

    if (steps < INT32_MIN || steps > INT32_MAX || !base_date(b, w, &d))
        return false;
    if (b->unit == UNIT_DAY)
        return date_add_days(d, steps, out);
    if (!date_add_months(date_period_begin(d, months), (b->shift + steps) * months, &d))
        return false;
    if (b->edge == EDGE_DECEMBER)
        d.month = 12;
    *out = b->edge == EDGE_END ? date_period_end(d, months) : d;
    return true;
}

bool builtin_value(
    const struct builtin *b, bool std, const struct builtin_world *w, int64_t steps, struct buf *out)
{
    struct moment m = {.hour = 0};

    switch (b->form) {
    case FORM_TEXT:
        buf_add_bytes(out, b->from == FROM_USER ? w->user : w->submitter);
        return true;
    case FORM_HOUR:
        if (!hour_value(b, w, steps, &m))
            return false;
        date_add(out, m.date, std ? '-' : '\0');
        buf_add_text(out, std ? " " : "");
        digits_add(out, m.hour, 2);
        return true;
    case FORM_DAY:
        if (!date_value(b, w, steps, &m.date))
            return false;
        date_add(out, m.date, std ? '-' : '\0');
        return true;
    case FORM_MONTH:
        if (!date_value(b, w, steps, &m.date))
            return false;
        digits_add(out, m.date.year, 4);
        buf_add_text(out, std ? "-" : "");
        digits_add(out, m.date.month, 2);
        return true;
    }
    return false;
}
