/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zones: the time zones of the system (the files of zoneinfo, RFC 9636), all read at once when the program starts: asking for one
 * opens no file. The C library can't do it: it knows one zone per process. New rules of a country count from the next start.
 */
#ifndef MILLRACE_CONVERTER_ZONES_H
#define MILLRACE_CONVERTER_ZONES_H

#include "core/bytes.h"
#include "core/error.h"

struct zone;
struct zones;

extern const struct zone *const zone_of_utc; /* without any files */

/* All zones below `dir`. NULL (e): there are none. */
struct zones *zones_open(const char *dir, struct error *e);
void zones_close(struct zones *z); /* NULL is fine */
/* By name, such as Europe/Berlin; NULL: there is none. UTC is always there; z may be NULL then. */
const struct zone *zones_find(const struct zones *z, struct bytes name);
/* For tests: every zone once. NULL past the last. */
const struct zone *zones_at(const struct zones *z, size_t index);

const char *zone_name(const struct zone *z);
/* Seconds to add to UTC at this time (UTC seconds) for the wall clock's. */
int32_t zone_offset(const struct zone *z, int64_t utc);
/* The UTC time of a wall clock's: of one that comes twice, that with the offset `preferred` if it is one of the two, else the first;
 * one that is left out (clocks are put forward) is as much later as was left out. */
int64_t zone_utc(const struct zone *z, int64_t local, int32_t preferred);
#define ZONE_NO_OFFSET INT32_MIN

/* One zone from the bytes of its file, which must outlive it; false: they are none. For zones_open and the fuzzer. */
struct zone_rule_day {
    char kind; /* 'M' month, week, weekday; 'J' day 1 to 365, February 29 never counts; 'D' day 0 to 365 */
    int month, week, day;
    int32_t time; /* seconds after midnight, wall clock before the change */
};
struct zone {
    const char *name;
    const unsigned char *times, *kinds, *types; /* in the file: when it changes, to which type, the types */
    size_t time_count, type_count;
    bool has_rule, has_dst; /* after the last change */
    int32_t standard, dst;  /* offsets */
    struct zone_rule_day to_dst, to_standard;
};
bool zone_read(struct bytes file, const char *name, struct zone *out);

#endif
