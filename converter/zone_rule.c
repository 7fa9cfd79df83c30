/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone_rule: see zone_rule.h.
 */
#include "converter/zone_rule.h"

#include "core/clock.h"

enum { HOUR = 3600, DAY = 86400 };

/* ---- reading ---- */

static char peek(struct bytes text)
{
    return text.len > 0 ? text.data[0] : '\0';
}

static bool take(struct bytes *text, char wanted)
{
    if (peek(*text) != wanted)
        return false;
    *text = bytes_slice(*text, 1, text->len);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool take_number(struct bytes *text, int least, int most, int *out)
{
    bool any = false;

    *out = 0;
    while (is_digit(peek(*text)) && *out <= most) {
        *out = *out * 10 + (peek(*text) - '0');
        *text = bytes_slice(*text, 1, text->len);
        any = true;
    }
    return any && *out >= least && *out <= most;
}

/* CET, or <+03>: the name itself is of no use here. */
static bool take_name(struct bytes *text)
{
    size_t before = text->len;

    if (take(text, '<')) {
        while (text->len > 0 && peek(*text) != '>')
            *text = bytes_slice(*text, 1, text->len);
        return take(text, '>');
    }
    while ((peek(*text) >= 'A' && peek(*text) <= 'Z') || (peek(*text) >= 'a' && peek(*text) <= 'z'))
        *text = bytes_slice(*text, 1, text->len);
    return text->len < before;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct bytes *text, int most_hours, int32_t *out)
{
    bool negative = take(text, '-');
    int hours, minutes = 0, seconds = 0;

    if (!negative)
        take(text, '+');
    if (!take_number(text, 0, most_hours, &hours))
        return false;
    if (take(text, ':') && !take_number(text, 0, 59, &minutes))
        return false;
    if (take(text, ':') && !take_number(text, 0, 59, &seconds))
        return false;
    *out = hours * HOUR + minutes * 60 + seconds;
    *out = negative ? -*out : *out;
    return true;
}

/* ",M3.5.0/2" */
static bool take_day(struct bytes *text, struct zone_rule_day *d)
{
    *d = (struct zone_rule_day){.kind = 'D', .time = 2 * HOUR};
    if (!take(text, ','))
        return false;
    if (take(text, 'M')) {
        d->kind = 'M';
        if (!take_number(text, 1, 12, &d->month) || !take(text, '.') || !take_number(text, 1, 5, &d->week) ||
            !take(text, '.') || !take_number(text, 0, 6, &d->day))
            return false;
    } else {
        if (take(text, 'J'))
            d->kind = 'J';
        if (!take_number(text, d->kind == 'J' ? 1 : 0, 365, &d->day))
            return false;
    }
    return !take(text, '/') || take_time(text, 167, &d->time);
}

bool zone_rule_read(struct bytes text, struct zone *z)
{
    /* POSIX counts west of Greenwich. */
    if (!take_name(&text) || !take_time(&text, 24, &z->standard))
        return false;
    z->standard = -z->standard;
    z->has_rule = true;
    if (text.len == 0)
        return true;
    z->has_dst = true;
    if (!take_name(&text))
        return false;
    z->dst = z->standard + HOUR;
    if (peek(text) != ',') {
        if (!take_time(&text, 24, &z->dst))
            return false;
        z->dst = -z->dst;
    }
    return take_day(&text, &z->to_dst) && take_day(&text, &z->to_standard) && text.len == 0;
}

/* ---- using it ---- */

/* Days since 1970-01-01 of the rule's day in a year. */
static int64_t day_in(const struct zone_rule_day *d, int year)
{
    int64_t new_year = clock_days(year, 1, 1);

    if (d->kind == 'D')
        return new_year + d->day;
    if (d->kind == 'J')
        return new_year + d->day - 1 + (d->day >= 60 && clock_days_in_month(year, 2) == 29 ? 1 : 0);
    int64_t first = clock_days(year, d->month, 1);
    int weekday = (int)(((first + 4) % 7 + 7) % 7); /* 0 Sunday */
    int day = 1 + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
    if (day > clock_days_in_month(year, d->month))
        day -= 7;
    return first + day - 1;
}

int32_t zone_rule_offset(const struct zone *z, int64_t at)
{
    int year, month, day;

    if (!z->has_dst)
        return z->standard;
    int64_t local = at + z->standard;
    clock_date((local >= 0 ? local : local - (DAY - 1)) / DAY, &year, &month, &day);
    int64_t begin = day_in(&z->to_dst, year) * DAY + z->to_dst.time - z->standard;
    int64_t end = day_in(&z->to_standard, year) * DAY + z->to_standard.time - z->dst;
    bool is_dst = begin < end ? at >= begin && at < end : at >= begin || at < end;
    return is_dst ? z->dst : z->standard;
}
