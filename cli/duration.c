/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duration: see duration.h.
 */
#include "cli/duration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

enum { FRACTION_DIGITS = 3, FRACTION = 1000 };

/* The largest first. Lengths of at least `ms` are rounded to `step` by duration_about. */
static const struct unit {
    const char *name;
    int64_t ms, step;
} units[] = {
    {"d", 86400000, 3600000},
    {"h", 3600000, 60000},
    {"m", 60000, 1000},
    {"s", 1000, 100},
    {"ms", 1, 1},
};
enum { UNITS = sizeof units / sizeof *units, SECONDS = 3 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "12" or "1.5" at *text: the number of thousandths; goes on behind it. */
static bool take_number(const char **text, int64_t *out)
{
    int64_t n = 0;
    const char *at = *text;
    int digits = 0;
    if (!is_digit(*at))
        return false;
    for (; is_digit(*at); at++)
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
            return false;
    if (*at == '.') {
        for (at++; is_digit(*at) && digits < FRACTION_DIGITS; at++, digits++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n))
                return false;
        if (digits == 0)
            return false;
    }
    for (; digits < FRACTION_DIGITS; digits++)
        if (__builtin_mul_overflow(n, 10, &n))
            return false;
    *text = at;
    *out = n;
    return true;
}

/* A unit from units[first] on; its index, or UNITS. */
static size_t take_unit(const char **text, size_t first)
{
    size_t len = strspn(*text, "dhms");
    for (size_t u = first; u < UNITS; u++)
        if (strlen(units[u].name) == len && strncmp(*text, units[u].name, len) == 0) {
            *text += len;
            return u;
        }
    return UNITS;
}

bool duration_parse(const char *text, int64_t *ms)
{
    int64_t sum = 0, n;
    size_t next = 0;
    if (is_digit(text[0]) && text[strspn(text, "0123456789")] == '\0')
        return bytes_parse_int64(bytes_of(text), ms);
    do {
        size_t u = take_number(&text, &n) ? take_unit(&text, next) : UNITS;
        if (u == UNITS || __builtin_mul_overflow(n, units[u].ms, &n) || n % FRACTION != 0 ||
            __builtin_add_overflow(sum, n / FRACTION, &sum))
            return false;
        next = u + 1;
    } while (*text);
    *ms = sum;
    return true;
}

const char *duration_text(int64_t ms, char out[DURATION_TEXT_SIZE])
{
    int len = 0;
    out[0] = '\0';
    if (ms < units[SECONDS].ms) {
        (void)snprintf(out, DURATION_TEXT_SIZE, ms == 0 ? "0s" : "%" PRId64 "ms", ms);
        return out;
    }
    for (size_t u = 0; u < SECONDS; u++) {
        if (ms >= units[u].ms)
            len += snprintf(out + len, (size_t)(DURATION_TEXT_SIZE - len), "%" PRId64 "%s", ms / units[u].ms,
                units[u].name);
        ms %= units[u].ms;
    }
    if (ms == 0)
        return out;
    len += snprintf(out + len, (size_t)(DURATION_TEXT_SIZE - len), "%" PRId64, ms / 1000);
    if (ms % 1000) {
        len += snprintf(out + len, (size_t)(DURATION_TEXT_SIZE - len), ".%03" PRId64, ms % 1000);
        while (out[len - 1] == '0')
            out[--len] = '\0';
    }
    (void)snprintf(out + len, (size_t)(DURATION_TEXT_SIZE - len), "s");
    return out;
}

const char *duration_about(int64_t ms, char out[DURATION_TEXT_SIZE])
{
    for (size_t u = 0; u < UNITS; u++)
        if (ms >= units[u].ms)
            return duration_text(ms - ms % units[u].step, out);
    return duration_text(ms, out);
}
