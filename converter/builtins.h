/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtins: the variables that every job has, as one table: a new one is a row. Rows with a date stand twice in the code's eyes: as
 * they are (20240515), and with _std after the name (2024-05-15). What a sum does is the row's unit: `${run_date-7}` goes back seven
 * days, `${run_quarter_end+1}` is the end of the next quarter.
 */
#ifndef MILLRACE_CONVERTER_BUILTINS_H
#define MILLRACE_CONVERTER_BUILTINS_H

#include "converter/dates.h"
#include "converter/zones.h"

enum builtin_unit {
    UNIT_TEXT, /* no date: nothing can be added but text */
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_MONTH,
    UNIT_QUARTER,
    UNIT_HALF_YEAR,
    UNIT_YEAR,
    BUILTIN_UNITS
};
extern const char *const builtin_unit_names[BUILTIN_UNITS];

enum builtin_from { FROM_RUN_DATE, FROM_RUN_TODAY, FROM_HOUR, FROM_USER, FROM_SUBMITTER };
enum builtin_edge { EDGE_BEGIN, EDGE_END, EDGE_DECEMBER }; /* which day of the unit; which month */
enum builtin_form { FORM_TEXT, FORM_HOUR, FORM_DAY, FORM_MONTH };

struct builtin {
    struct bytes name;
    enum builtin_unit unit;
    enum builtin_from from;
    int shift; /* units, before any sum of the code's */
    enum builtin_edge edge;
    enum builtin_form form;
    bool may_be_set; /* by the job, or in its code */
    const char *meaning;
    const char *example, *example_std; /* for a job of user ann, submitted by ops at 09:30 on 2024-05-16 */
};
extern const struct builtin builtins[];
extern const size_t builtin_count;

/* With *std: the name without its _std. NULL: no built-in variable. */
const struct builtin *builtin_find(struct bytes name, bool *std);

/* What values come from. */
struct builtin_world {
    const struct zone *zone;
    struct moment now;                 /* when the job was submitted, in the zone */
    struct date run_date;              /* the day before, or as given */
    const struct builtin *hour_set[2]; /* rows with FROM_HOUR that were given a value, ... */
    struct moment hours[2];            /* ... and it */
    struct bytes user, submitter;
};

/* Appends the value, `steps` units on, to out. False: it would lie outside the years 1 to 9999. */
bool builtin_value(
    const struct builtin *b, bool std, const struct builtin_world *w, int64_t steps, struct buf *out);

#endif
