/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decimal: see decimal.h. 128 bits hold 38 digits; two of them are left free, so that a step of long division (ten times a remainder)
 * and a carry fit always.
 */
#include "converter/decimal.h"

#include <string.h>

static decimal_int power(int n)
{
    decimal_int p = 1;

    while (n-- > 0)
        p *= 10;
    return p;
}

/* 10^DECIMAL_DIGITS */
#define LIMIT ((decimal_int)1000000000000000000 * 1000000000000000000)

static decimal_int magnitude(decimal_int n)
{
    return n < 0 ? -n : n;
}

static bool fits(decimal_int n)
{
    return magnitude(n) < LIMIT;
}

static void strip_zeros(struct decimal *d)
{
    while (d->places > 0 && d->digits % 10 == 0) {
        d->digits /= 10;
        d->places--;
    }
}

bool decimal_parse(struct bytes text, struct decimal *out)
{
    size_t at = 0;
    bool negative = false, point = false, any = false;
    struct decimal d = {0, 0};

    if (text.len > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        negative = text.data[at++] == '-';
    for (; at < text.len; at++) {
        char c = text.data[at];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        d.digits = d.digits * 10 + (c - '0');
        d.places += point ? 1 : 0;
        any = true;
        if (!fits(d.digits) || d.places > DECIMAL_DIGITS)
            return false;
    }
    d.digits = negative ? -d.digits : d.digits;
    strip_zeros(&d);
    *out = d;
    return any;
}

/* The same number with more places; false: too long. */
static bool widen(struct decimal *d, int places)
{
    decimal_int wide;

    if (d->digits != 0 && (places - d->places > DECIMAL_DIGITS ||
                              __builtin_mul_overflow(d->digits, power(places - d->places), &wide)))
        return false;
    d->digits = d->digits == 0 ? 0 : wide;
    d->places = places;
    return true;
}

static enum decimal_end add(struct decimal a, struct decimal b, struct decimal *out)
{
    int places = a.places > b.places ? a.places : b.places;

    if (!widen(&a, places) || !widen(&b, places) || __builtin_add_overflow(a.digits, b.digits, &a.digits))
        return DECIMAL_TOO_LONG;
    *out = a;
    return DECIMAL_OK;
}

static enum decimal_end multiply(struct decimal a, struct decimal b, struct decimal *out)
{
    out->places = a.places + b.places;
    return __builtin_mul_overflow(a.digits, b.digits, &out->digits) ? DECIMAL_TOO_LONG : DECIMAL_OK;
}

/* Digit by digit, until nothing remains or the places or the digits are used up. */
static enum decimal_end divide(struct decimal a, struct decimal b, struct decimal *out)
{
    bool negative = (a.digits < 0) != (b.digits < 0);
    decimal_int by = magnitude(b.digits);

    if (by == 0)
        return DECIMAL_BY_ZERO;
    decimal_int quotient = magnitude(a.digits) / by, rest = magnitude(a.digits) % by;
    int places = a.places - b.places;
    while (places < 0 || (rest != 0 && places < DECIMAL_PLACES)) {
        decimal_int next = quotient * 10 + rest * 10 / by;
        if (!fits(next)) {
            if (places < 0)
                return DECIMAL_TOO_LONG;
            break;
        }
        quotient = next;
        rest = rest * 10 % by;
        places++;
    }
    if (rest * 2 >= by)
        quotient++;
    *out = (struct decimal){negative ? -quotient : quotient, places};
    return DECIMAL_OK;
}

enum decimal_end decimal_calculate(struct decimal a, char op, struct decimal b, struct decimal *out)
{
    struct decimal result = {0, 0};
    enum decimal_end end;

    if (op == '/') {
        end = divide(a, b, &result);
    } else if (op == '*') {
        end = multiply(a, b, &result);
    } else {
        b.digits = op == '-' ? -b.digits : b.digits;
        end = add(a, b, &result);
    }
    if (end != DECIMAL_OK)
        return end;
    strip_zeros(&result);
    if (!fits(result.digits) || result.places > DECIMAL_DIGITS)
        return DECIMAL_TOO_LONG;
    *out = result;
    return DECIMAL_OK;
}

struct bytes decimal_text(struct decimal d, char *out)
{
    char *at = out + DECIMAL_TEXT_SIZE;
    decimal_int rest = magnitude(d.digits);
    int places = d.places;

    for (int i = 0; rest != 0 || i <= places; i++) {
        if (i == places && places > 0)
            *--at = '.';
        *--at = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    if (d.digits < 0)
        *--at = '-';
    size_t len = (size_t)(out + DECIMAL_TEXT_SIZE - at);
    memmove(out, at, len);
    return (struct bytes){out, len};
}
