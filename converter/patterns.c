/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patterns: see patterns.h. Days, months and years are steps on the calendar, hours and less on the time line: in a zone that puts its
 * clocks forward at night, a day after noon is noon, 24 hours after noon is 13:00.
 */
#include "converter/patterns.h"

#include <string.h>

const struct pattern_letter pattern_letters[] = {
    {'y', 4, "year; yy: its last two digits"},
    {'u', 4, "the same as y"},
    {'M', 4, "month; MM: two digits, MMM: Jan, MMMM: January"},
    {'L', 4, "the same as M"},
    {'d', 2, "day of the month"},
    {'D', 3, "day of the year"},
    {'Q', 3, "quarter; QQQ: Q2"},
    {'q', 3, "the same as Q"},
    {'E', 4, "weekday; E to EEE: Mon, EEEE: Monday"},
    {'a', 1, "AM or PM"},
    {'H', 2, "hour, 0 to 23"},
    {'h', 2, "hour, 1 to 12"},
    {'m', 2, "minute"},
    {'s', 2, "second"},
    {'S', 9, "fraction of the second"},
    {'X', 3, "offset from UTC: +02, +0200, +02:00; Z for none"},
    {'x', 3, "the same, with +00 for none"},
    {'\0', 0, NULL},
};
const struct pattern_letter pattern_units[] = {
    {'y', 1, "years"},
    {'M', 1, "months"},
    {'d', 1, "days"},
    {'H', 1, "hours"},
    {'m', 1, "minutes"},
    {'s', 1, "seconds"},
    {'\0', 0, NULL},
};

struct instant {
    const struct zone *zone;
    struct moment local;
    int64_t utc;
};

/* ---- steps ---- */

static bool settle(struct instant *i, int32_t preferred)
{
    i->utc = zone_utc(i->zone, moment_seconds(&i->local), preferred);
    return moment_of_seconds(i->utc + zone_offset(i->zone, i->utc), &i->local);
}

static bool step(struct instant *i, int64_t count, char unit)
{
    int32_t offset = zone_offset(i->zone, i->utc);

    switch (unit) {
    case 'y':
        return date_add_months(i->local.date, count * 12, &i->local.date) && settle(i, offset);
    case 'M':
        return date_add_months(i->local.date, count, &i->local.date) && settle(i, offset);
    case 'd':
        return date_add_days(i->local.date, count, &i->local.date) && settle(i, offset);
    case 'H':
        i->utc += count * 3600;
        break;
    case 'm':
        i->utc += count * 60;
        break;
    default:
        i->utc += count;
        break;
    }
    return moment_of_seconds(i->utc + zone_offset(i->zone, i->utc), &i->local);
}

static const struct pattern_letter *find(const struct pattern_letter *table, char letter)
{
    for (; table->letter != '\0'; table++)
        if (table->letter == letter)
            return table;
    return NULL;
}

/* "-1d", blanks around its pieces. NULL: done; else what is wrong. */
static const char *take_step(struct bytes text, struct instant *i)
{
    int64_t count;

    text = bytes_trim(text);
    if (text.len == 0)
        return NULL;
    char unit = text.data[text.len - 1];
    if (find(pattern_units, unit) == NULL)
        return "after % comes a number and one of y M d H m s";
    text = bytes_trim(bytes_slice(text, 0, text.len - 1));
    if (text.len > 1 && text.data[0] == '+' && text.data[1] != '-')
        text = bytes_slice(text, 1, text.len);
    if (!bytes_parse_int64(text, &count))
        return "after % comes a whole number and one of y M d H m s";
    if (count < INT32_MIN || count > INT32_MAX || !step(i, count, unit))
        return "this leads out of the years 1 to 9999";
    return NULL;
}

/* ---- the form ---- */

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The quoted text at `at`: '' is a quote. Returns what follows it, or 0: it does not end. */
static size_t take_quoted(struct bytes form, size_t at, struct buf *out)
{
    if (at + 1 < form.len && form.data[at + 1] == '\'') {
        buf_add_char(out, '\'');
        return at + 2;
    }
    for (at++; at < form.len; at++) {
        if (form.data[at] != '\'') {
            buf_add_char(out, form.data[at]);
            continue;
        }
        if (at + 1 >= form.len || form.data[at + 1] != '\'')
            return at + 1;
        buf_add_char(out, form.data[at++]);
    }
    return 0;
}

static void add_offset(int32_t offset, int count, bool z_for_none, struct buf *out)
{
    int minutes = (offset < 0 ? -offset : offset) / 60;

    if (offset == 0 && z_for_none) {
        buf_add_char(out, 'Z');
        return;
    }
    buf_printf(out, "%c%02d", offset < 0 ? '-' : '+', minutes / 60);
    if (count == 1 && minutes % 60 == 0)
        return;
    buf_printf(out, "%s%02d", count == 3 ? ":" : "", minutes % 60);
}

static void add_field(const struct instant *i, char letter, int count, struct buf *out)
{
    static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
        "August", "September", "October", "November", "December"};
    static const char *const days[] = {
        "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    const struct moment *m = &i->local;
    const char *day = days[date_weekday(m->date)], *month = months[m->date.month - 1];
    int quarter = (m->date.month + 2) / 3;

    switch (letter) {
    case 'y':
    case 'u':
        digits_add(out, count == 2 ? m->date.year % 100 : m->date.year, count);
        break;
    case 'M':
    case 'L':
        if (count <= 2)
            digits_add(out, m->date.month, count);
        else
            buf_printf(out, "%.*s", count == 3 ? 3 : 20, month);
        break;
    case 'd':
        digits_add(out, m->date.day, count);
        break;
    case 'D':
        digits_add(out, date_day_of_year(m->date), count);
        break;
    case 'Q':
    case 'q':
        if (count == 3)
            buf_printf(out, "Q%d", quarter);
        else
            digits_add(out, quarter, count);
        break;
    case 'E':
        buf_printf(out, "%.*s", count == 4 ? 20 : 3, day);
        break;
    case 'a':
        buf_add_text(out, m->hour < 12 ? "AM" : "PM");
        break;
    case 'H':
        digits_add(out, m->hour, count);
        break;
    case 'h':
        digits_add(out, (m->hour + 11) % 12 + 1, count);
        break;
    case 'm':
        digits_add(out, m->minute, count);
        break;
    case 's':
        digits_add(out, m->second, count);
        break;
    case 'S':
        for (int digit = 0, scale = 100; digit < count; digit++, scale /= 10)
            buf_add_char(out, (char)('0' + (scale ? m->ms / scale % 10 : 0)));
        break;
    default:
        add_offset(zone_offset(i->zone, i->utc), count, letter == 'X', out);
        break;
    }
}

/* False: it is no form; *why as in pattern_end. */
static bool format(struct bytes form, const struct instant *i, struct buf *out, const char **why)
{
    bool any = false;

    *why = "";
    for (size_t at = 0; at < form.len;) {
        char c = form.data[at];
        size_t end = at + 1;
        if (c == '\'') {
            at = take_quoted(form, at, out);
            if (at == 0)
                return false;
            continue;
        }
        if (!is_letter(c)) {
            if (strchr("[]{}#", c) != NULL || c == '\n')
                return false;
            buf_add_char(out, c);
            at++;
            continue;
        }
        const struct pattern_letter *letter = find(pattern_letters, c);
        while (end < form.len && form.data[end] == c)
            end++;
        if (letter == NULL || end - at > (size_t)letter->most) {
            *why = any ? "it has letters without a meaning; text stands in single quotes" : "";
            return false;
        }
        add_field(i, c, (int)(end - at), out);
        any = any || strchr("aSxX", c) == NULL; /* these alone are no date: &{x} is something else */
        at = end;
    }
    return any;
}

enum pattern_end pattern_format(
    struct bytes inner, const struct moment *base, const struct zone *zone, struct buf *out, const char **why)
{
    struct instant i = {.zone = zone, .local = *base};
    size_t before = out->len;

    *why = "";
    inner = bytes_trim(inner);
    const char *percent = inner.len > 0 ? memchr(inner.data, '%', inner.len) : NULL;
    size_t len = percent != NULL ? (size_t)(percent - inner.data) : inner.len;
    struct bytes form = bytes_slice(inner, 0, len), steps = bytes_slice(inner, len, inner.len);
    bool ok = settle(&i, ZONE_NO_OFFSET) && format(form, &i, out, why);
    out->len = before;
    if (!ok)
        return PATTERN_OTHER;
    while (steps.len > 0) {
        steps = bytes_slice(steps, 1, steps.len);
        const char *next = steps.len > 0 ? memchr(steps.data, '%', steps.len) : NULL;
        len = next != NULL ? (size_t)(next - steps.data) : steps.len;
        *why = take_step(bytes_slice(steps, 0, len), &i);
        if (*why != NULL)
            return PATTERN_WRONG;
        steps = bytes_slice(steps, len, steps.len);
    }
    return format(form, &i, out, why) ? PATTERN_DONE : PATTERN_OTHER;
}
