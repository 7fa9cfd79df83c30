/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached_private: what the two halves of the cache share: cached.c looks (and has the life of it all), cached_keep.c keeps. Each half has at
 * most one batch with the clerk; what comes meanwhile waits for the next. While the clerk has a batch, the loop may read its lists and must
 * not change them.
 */
#ifndef MILLRACE_EXECUTOR_CACHED_PRIVATE_H
#define MILLRACE_EXECUTOR_CACHED_PRIVATE_H

#include <bson/bson.h>
#include <sys/queue.h>

#include "executor/cached.h"
#include "executor/clerk.h"

#define CACHED_COLLECTION "cached"
#define CACHED_BATCH 64 /* documents of 256 KiB: the store's answer stays below 16 MiB */

struct cached_look;
TAILQ_HEAD(look_list, cached_look);

struct keep {
    bson_t *filter, *doc;
    STAILQ_ENTRY(keep) entry;
};
STAILQ_HEAD(keep_list, keep);

struct look_batch {
    struct request request;
    struct cached *c;
    struct look_list looks;
    bool busy, ok;
};

struct keep_batch {
    struct request request;
    struct cached *c;
    struct keep_list keeps;
    size_t count;
    bool busy, ok;
};

struct cached {
    struct executor *x;
    struct clerk *clerk;    /* NULL: stopped */
    struct look_list open;  /* not asked yet */
    struct keep_list keeps; /* the same */
    size_t keep_count;
    struct look_batch look;
    struct keep_batch keep;
};

/* Forgets what was not handed to the clerk. Returns how much that was. */
size_t cached_keep_drop(struct cached *c);
void cached_keep_init(struct cached *c);

#endif
