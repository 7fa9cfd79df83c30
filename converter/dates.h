/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dates: days and times of day as people write them, without a zone; years 1 to 9999. What would leave them is told by false.
 */
#ifndef MILLRACE_CONVERTER_DATES_H
#define MILLRACE_CONVERTER_DATES_H

#include "core/bytes.h"

struct date {
    int year, month, day;
};

/* A time of day on a date, as a clock on the wall shows it. */
struct moment {
    struct date date;
    int hour, minute, second, ms;
};

/* yyyyMMdd or yyyy-MM-dd, of a day that exists. */
bool date_parse(struct bytes text, struct date *out);
/* yyyyMMddHH or "yyyy-MM-dd HH"; minute, second and ms become 0. */
bool moment_parse_hour(struct bytes text, struct moment *out);

bool date_add_days(struct date d, int64_t days, struct date *out);
/* A day that the month does not have becomes its last: January 31 and one month is February 28 or 29. */
bool date_add_months(struct date d, int64_t months, struct date *out);
/* First and last day of the month (1), quarter (3), half-year (6) or year (12) that d lies in. */
struct date date_period_begin(struct date d, int months);
struct date date_period_end(struct date d, int months);
int date_weekday(struct date d);     /* 0 Monday to 6 Sunday */
int date_day_of_year(struct date d); /* from 1 */

/* Appends a number that is not negative, with zeros before it up to the width. */
void digits_add(struct buf *out, int number, int width);
/* "2024-05-15", the dash between the pieces; dash 0: "20240515". */
void date_add(struct buf *out, struct date d, char dash);

/* Seconds since 1970-01-01 00:00 on the same wall clock, and back. False: a year outside. */
int64_t moment_seconds(const struct moment *m);
bool moment_of_seconds(int64_t seconds, struct moment *out); /* leaves ms */

#endif
