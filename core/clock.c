/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: see clock.h. The calendar is computed here (proleptic Gregorian, days since 1970-01-01), not by the
 * C library: no locale, no time zone files, the same on every machine.
 */
#define _GNU_SOURCE /* CLOCK_BOOTTIME */
#include "core/clock.h"

#include <stdio.h>
#include <time.h>

#include "core/error.h"

#define MS_PER_DAY INT64_C(86400000)
#define UTC_MIN INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define UTC_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

int64_t clock_utc_ms(void)
{
    struct timespec t;
    MUST(clock_gettime(CLOCK_REALTIME, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_boot_us(void)
{
    struct timespec t;
    MUST(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_boot_ms(void)
{
    return clock_boot_us() / 1000;
}

struct timespec clock_after(clockid_t clock, int64_t ms)
{
    struct timespec t;
    MUST(clock_gettime(clock, &t) == 0);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

/* Years are counted from March here, so that the leap day is the last of a year. */
int64_t clock_days(int64_t year, int64_t month, int64_t day)
{
    if (month <= 2)
        year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void clock_date(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

char *clock_text(int64_t utc_ms, char *out)
{
    if (utc_ms < UTC_MIN)
        utc_ms = UTC_MIN;
    if (utc_ms > UTC_MAX)
        utc_ms = UTC_MAX;
    int64_t days = (utc_ms >= 0 ? utc_ms : utc_ms - (MS_PER_DAY - 1)) / MS_PER_DAY;
    unsigned ms = (unsigned)(utc_ms - days * MS_PER_DAY);
    int year, month, day;

    clock_date(days, &year, &month, &day);
    /* The remainders change nothing; they tell an optimizing gcc that the text fits. */
    snprintf(out, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000,
        (unsigned)month % 100, (unsigned)day % 100, ms / 3600000 % 24, ms / 60000 % 60, ms / 1000 % 60,
        ms % 1000);
    return out;
}

/* Takes `digits` digits and, if not 0, the character `after` (either case of a letter) off the front of text.
 */
static bool take_number(struct bytes *text, size_t digits, char after, int *out)
{
    int value = 0;
    size_t len = digits + (after ? 1 : 0);

    if (text->len < len)
        return false;
    for (size_t i = 0; i < digits; i++) {
        char c = text->data[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    if (after && text->data[digits] != after)
        return false;
    *text = bytes_slice(*text, len, text->len);
    *out = value;
    return true;
}

/* ".5", ".123456789": digits past the millisecond are cut. */
static bool take_fraction(struct bytes *text, int *ms)
{
    size_t digits = 0;
    int scale = 100;

    *ms = 0;
    if (text->len == 0 || text->data[0] != '.')
        return true;
    *text = bytes_slice(*text, 1, text->len);
    while (digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9') {
        *ms += (text->data[digits] - '0') * scale;
        scale /= 10;
        digits++;
    }
    *text = bytes_slice(*text, digits, text->len);
    return digits > 0;
}

static bool take_zone(struct bytes *text, int *minutes)
{
    int hours, rest;

    if (text->len == 0)
        return false;
    char sign = text->data[0];
    *text = bytes_slice(*text, 1, text->len);
    *minutes = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    if (sign != '+' && sign != '-')
        return false;
    if (!take_number(text, 2, ':', &hours) || !take_number(text, 2, '\0', &rest) || hours > 23 || rest > 59)
        return false;
    *minutes = (hours * 60 + rest) * (sign == '-' ? -1 : 1);
    return true;
}

int clock_days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool clock_parse(struct bytes text, int64_t *utc_ms)
{
    int year, month, day, hour, minute, second, ms, zone;

    if (!take_number(&text, 4, '-', &year) || !take_number(&text, 2, '-', &month) ||
        !take_number(&text, 2, 0, &day))
        return false;
    if (text.len == 0 || (text.data[0] != 'T' && text.data[0] != 't' && text.data[0] != ' '))
        return false;
    text = bytes_slice(text, 1, text.len);
    if (!take_number(&text, 2, ':', &hour) || !take_number(&text, 2, ':', &minute) ||
        !take_number(&text, 2, 0, &second))
        return false;
    if (!take_fraction(&text, &ms) || !take_zone(&text, &zone) || text.len != 0)
        return false;
    /* 60 is a leap second; UTC milliseconds have none, so it is the first second of the next minute. */
    if (month < 1 || month > 12 || day < 1 || day > clock_days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    int64_t seconds = ((clock_days(year, month, day) * 24 + hour) * 60 + minute - zone) * 60 + second;
    *utc_ms = seconds * 1000 + ms;
    return true;
}
