/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nasty: is a function's time linear in its input? It is run over pieces of text repeated up to a size, and over ten times that size; the
 * processor time may grow ten times, and five times more for luck. Pieces are such as make a scanner look ahead or back.
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

/* False: the time grew more than it may. */
static inline bool nasty_is_linear(const char *piece, size_t small, nasty_call call, void *context)
{
    size_t len = strlen(piece);
    size_t large = 10 * small;
    char *text = malloc(large + len);

    if (text == NULL)
        abort();
    for (size_t at = 0; at < large; at++)
        text[at] = piece[at % len];
    double quick = nasty_seconds((struct bytes){text, small}, call, context);
    for (int i = 0; i < 2; i++) {
        double again = nasty_seconds((struct bytes){text, small}, call, context);
        quick = again < quick ? again : quick;
    }
    double slow = nasty_seconds((struct bytes){text, large}, call, context);
    free(text);
    bool linear = slow <= 50 * quick + 0.05;
    if (!linear)
        printf("'%.40s': %zu bytes %.4f s, %zu bytes %.4f s\n", piece, small, quick, large, slow);
    return linear;
}

#endif
