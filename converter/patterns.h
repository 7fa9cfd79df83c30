/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patterns: &{yyyy-MM-dd%-1d} in code: a date and time written in a form of the user's, some steps away from the base (run_date, at the
 * time of day of the submission). Letters as Java's DateTimeFormatter has them; steps are %, a number and a unit: y M d H m s.
 */
#ifndef MILLRACE_CONVERTER_PATTERNS_H
#define MILLRACE_CONVERTER_PATTERNS_H

#include "converter/dates.h"
#include "converter/zones.h"

#define PATTERN_LEN_MAX 200 /* between the braces */

enum pattern_end {
    PATTERN_DONE,
    PATTERN_OTHER, /* no pattern: something else that is written so; `why` tells, or is empty where nobody would take it for one */
    PATTERN_WRONG  /* a pattern whose steps are wrong; `why` tells */
};

struct pattern_letter {
    char letter;
    int most; /* of the same in a row */
    const char *meaning;
};
extern const struct pattern_letter pattern_letters[]; /* ends with letter 0 */
extern const struct pattern_letter pattern_units[];

/* Appends what the text between the braces becomes. */
enum pattern_end pattern_format(struct bytes inner, const struct moment *base, const struct zone *zone,
    struct buf *out, const char **why);

#endif
