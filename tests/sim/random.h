/* SPDX-License-Identifier: Apache-2.0 */
/* random: the one source of chance of a seed (splitmix64). */
#ifndef MILLRACE_SIM_RANDOM_H
#define MILLRACE_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* from .. to, both included. */
static inline int64_t random_in(struct random *r, int64_t from, int64_t to)
{
    return to <= from ? from : from + (int64_t)(random_next(r) % (uint64_t)(to - from + 1));
}

static inline bool random_hits(struct random *r, int64_t per_mille)
{
    return per_mille > 0 && random_in(r, 0, 999) < per_mille;
}

#endif
