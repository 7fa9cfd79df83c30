/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dates: see dates.h. The calendar itself is core/clock's.
 */
#include "converter/dates.h"

#include "core/clock.h"

enum { YEAR_MIN = 1, YEAR_MAX = 9999, DAY_SECONDS = 86400 };

/* No sum that begins in our years and stays there moves further. */
#define DAYS_MOST (10000 * (int64_t)366)

static bool take_digits(struct bytes *text, size_t count, int *out)
{
    *out = 0;
    if (text->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        char c = text->data[i];
        if (c < '0' || c > '9')
            return false;
        *out = *out * 10 + (c - '0');
    }
    *text = bytes_slice(*text, count, text->len);
    return true;
}

static bool take_char(struct bytes *text, char wanted)
{
    if (text->len == 0 || text->data[0] != wanted)
        return false;
    *text = bytes_slice(*text, 1, text->len);
    return true;
}

static bool take_date(struct bytes *text, struct date *out)
{
    if (!take_digits(text, 4, &out->year))
        return false;
    bool dashes = take_char(text, '-');
    if (!take_digits(text, 2, &out->month) || (dashes && !take_char(text, '-')) ||
        !take_digits(text, 2, &out->day))
        return false;
    return out->year >= YEAR_MIN && out->month >= 1 && out->month <= 12 && out->day >= 1 &&
           out->day <= clock_days_in_month(out->year, out->month);
}

bool date_parse(struct bytes text, struct date *out)
{
    return take_date(&text, out) && text.len == 0;
}

bool moment_parse_hour(struct bytes text, struct moment *out)
{
    *out = (struct moment){.hour = 0};
    if (!take_date(&text, &out->date))
        return false;
    take_char(&text, ' ');
    return take_digits(&text, 2, &out->hour) && out->hour < 24 && text.len == 0;
}

static int64_t days_of(struct date d)
{
    return clock_days(d.year, d.month, d.day);
}

static bool date_of_days(int64_t days, struct date *out)
{
    struct date d;

    if (days < -DAYS_MOST || days > DAYS_MOST)
        return false;
    clock_date(days, &d.year, &d.month, &d.day);
    *out = d;
    return d.year >= YEAR_MIN && d.year <= YEAR_MAX;
}

bool date_add_days(struct date d, int64_t days, struct date *out)
{
    return days >= -DAYS_MOST && days <= DAYS_MOST && date_of_days(days_of(d) + days, out);
}

bool date_add_months(struct date d, int64_t months, struct date *out)
{
    if (months < -DAYS_MOST || months > DAYS_MOST)
        return false;
    int64_t month = d.year * (int64_t)12 + d.month - 1 + months;
    if (month < YEAR_MIN * 12 || month >= (YEAR_MAX + 1) * 12)
        return false;
    out->year = (int)(month / 12);
    out->month = (int)(month % 12) + 1;
    int last = clock_days_in_month(out->year, out->month);
    out->day = d.day < last ? d.day : last;
    return true;
}

struct date date_period_begin(struct date d, int months)
{
    return (struct date){d.year, (d.month - 1) / months * months + 1, 1};
}

struct date date_period_end(struct date d, int months)
{
    int month = (d.month - 1) / months * months + months;

    return (struct date){d.year, month, clock_days_in_month(d.year, month)};
}

int date_weekday(struct date d)
{
    return (int)(((days_of(d) + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

int date_day_of_year(struct date d)
{
    return (int)(days_of(d) - clock_days(d.year, 1, 1)) + 1;
}

int64_t moment_seconds(const struct moment *m)
{
    return ((days_of(m->date) * 24 + m->hour) * 60 + m->minute) * 60 + m->second;
}

bool moment_of_seconds(int64_t seconds, struct moment *out)
{
    int64_t days = (seconds >= 0 ? seconds : seconds - (DAY_SECONDS - 1)) / DAY_SECONDS;
    int64_t rest = seconds - days * DAY_SECONDS;

    out->hour = (int)(rest / 3600);
    out->minute = (int)(rest / 60 % 60);
    out->second = (int)(rest % 60);
    return date_of_days(days, &out->date);
}

void digits_add(struct buf *out, int number, int width)
{
    char text[16];
    size_t at = sizeof(text);

    for (; number > 0 || width > 0; number /= 10, width--)
        text[--at] = (char)('0' + number % 10);
    buf_add(out, text + at, sizeof(text) - at);
}

void date_add(struct buf *out, struct date d, char dash)
{
    digits_add(out, d.year, 4);
    if (dash != '\0')
        buf_add_char(out, dash);
    digits_add(out, d.month, 2);
    if (dash != '\0')
        buf_add_char(out, dash);
    digits_add(out, d.day, 2);
}
