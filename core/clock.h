/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: the only place that reads time. Pure code takes times as arguments instead.
 * UTC milliseconds are for people and documents; boot milliseconds (CLOCK_BOOTTIME, counts suspended time) are
 * for leases, timeouts and durations, and are never compared across machines.
 */
#ifndef MILLRACE_CORE_CLOCK_H
#define MILLRACE_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "core/bytes.h"

int64_t clock_utc_ms(void);
int64_t clock_boot_ms(void);
int64_t clock_boot_us(void);
/* ms from now, as the clock tells it: for calls that wait until a time. */
struct timespec clock_after(clockid_t clock, int64_t ms);

/* `at` and a duration that somebody asked for. Longer ones than a hundred years, which a record from elsewhere may hold, are that long. */
#define CLOCK_LONGEST_MS (INT64_C(100) * 366 * 24 * 3600 * 1000)
static inline int64_t clock_later(int64_t at, int64_t ms)
{
    return at + (ms < CLOCK_LONGEST_MS ? ms : CLOCK_LONGEST_MS);
}

#define CLOCK_TEXT_SIZE 32
/* "2026-01-02T03:04:05.678Z" into out (CLOCK_TEXT_SIZE bytes); returns out. */
char *clock_text(int64_t utc_ms, char *out);
/* RFC 3339 with zone ("...Z" or "+02:00"), fraction optional, to UTC ms. */
bool clock_parse(struct bytes text, int64_t *utc_ms);

/* The calendar (proleptic Gregorian): days since 1970-01-01 of a date that exists, and back. */
int64_t clock_days(int64_t year, int64_t month, int64_t day);
void clock_date(int64_t days, int *year, int *month, int *day);
int clock_days_in_month(int year, int month); /* month 1 to 12 */

#endif
