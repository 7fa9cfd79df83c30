/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decimal: numbers of variables, exactly: up to DECIMAL_DIGITS digits, a point anywhere among them. Sums, differences and products
 * are exact or an error, never rounded. A quotient that does not end is rounded half away from zero: to DECIMAL_PLACES places after
 * the point, more where the dividend has so many more than the divisor, fewer where all digits are used up before.
 */
#ifndef MILLRACE_CONVERTER_DECIMAL_H
#define MILLRACE_CONVERTER_DECIMAL_H

#include "core/bytes.h"

#define DECIMAL_DIGITS 36
#define DECIMAL_PLACES 18
#define DECIMAL_TEXT_SIZE 80

__extension__ typedef __int128 decimal_int;

struct decimal {
    decimal_int digits; /* the number times 10^places; below 10^DECIMAL_DIGITS either way */
    int places;         /* 0 to DECIMAL_DIGITS; as few as the number needs */
};

enum decimal_end {
    DECIMAL_OK,
    DECIMAL_TOO_LONG, /* the result needs more digits than there are */
    DECIMAL_BY_ZERO
};

/* Sign, digits, point, digits; one of the two runs of digits may be missing; no exponent, no blanks. False: it is no such number,
 * or a longer one. */
bool decimal_parse(struct bytes text, struct decimal *out);
/* op: one of + - * / */
enum decimal_end decimal_calculate(struct decimal a, char op, struct decimal b, struct decimal *out);
/* Without an exponent and without needless zeros, into out (DECIMAL_TEXT_SIZE bytes). */
struct bytes decimal_text(struct decimal d, char *out);

#endif
