/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding: what a check of code has found, and where. The rule and the message are for the user: the message says what stands there, why
 * it is refused and what to do instead. Lines and columns count from 1; a column is in characters of UTF-8 text.
 */
#ifndef MILLRACE_CONVERTER_FINDING_H
#define MILLRACE_CONVERTER_FINDING_H

#include "core/arena.h"

#define FINDINGS_MAX 20

struct finding {
    size_t offset, length; /* bytes of the code */
    int64_t line, column;
    struct bytes rule; /* its name, borrowed from the table or from the caller's list */
    struct bytes message;
};

struct findings {
    struct finding items[FINDINGS_MAX]; /* in the order they were found */
    size_t count;
    bool more; /* there were more than fit */
};

/* The message is "SHOWN: why", where SHOWN is the code at this place, cut to a readable length. */
void finding_add(struct findings *f, struct arena *a, struct bytes code, size_t offset, size_t length,
    struct bytes rule, const char *why);
/* Where an offset lies. Time linear in the offset. */
void finding_place(struct bytes code, size_t offset, int64_t *line, int64_t *column);

#endif
