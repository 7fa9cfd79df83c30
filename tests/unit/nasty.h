/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nasty: is a function's work linear in its input? Pieces of text are repeated up to a size, and up to ten times that size: ten runs over
 * the short text do as much work as one over the long one, where the work is linear, and a tenth of it where it is quadratic. The two are
 * measured one after the other in processor time, and only their ratio counts. One good ratio is enough: a machine that is busy, or a cache
 * that is cold, can spoil a round, but makes no quadratic work linear. Pieces are such as make a scanner look ahead or back.
 */
#ifndef MILLRACE_TESTS_NASTY_H
#define MILLRACE_TESTS_NASTY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/bytes.h"

typedef void (*nasty_call)(struct bytes text, void *context);

static inline double nasty_seconds(struct bytes text, nasty_call call, void *context)
{
    struct timespec from, to;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    call(text, context);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

enum { NASTY_TIMES = 10, NASTY_RATIO_MOST = 5, NASTY_ROUNDS = 20 };

/* How many times the work of as many short texts the long one takes: 1 where it is linear, NASTY_TIMES where it is quadratic. */
static inline double nasty_ratio(const char *text, size_t small, nasty_call call, void *context)
{
    double many = 0;

    for (int i = 0; i < NASTY_TIMES; i++)
        many += nasty_seconds((struct bytes){text, small}, call, context);
    return nasty_seconds((struct bytes){text, NASTY_TIMES * small}, call, context) / many;
}

/* False: the work grew more than it may, in every round. */
static inline bool nasty_is_linear(const char *piece, size_t small, nasty_call call, void *context)
{
    size_t len = strlen(piece), large = NASTY_TIMES * small;
    char *text = malloc(large);
    double ratio = NASTY_TIMES;

    if (text == NULL)
        abort();
    for (size_t at = 0; at < large; at++)
        text[at] = piece[at % len];
    for (int round = 0; round < NASTY_ROUNDS && ratio > NASTY_RATIO_MOST; round++)
        ratio = nasty_ratio(text, small, call, context);
    free(text);
    if (ratio > NASTY_RATIO_MOST)
        printf("'%.40s': %zu bytes take %.1f times the work of %d times %zu bytes\n", piece, large, ratio,
            NASTY_TIMES, small);
    return ratio <= NASTY_RATIO_MOST;
}

#endif
