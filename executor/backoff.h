/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff: jobs that wait for their next attempt after a failed one. They take up places of their groups. Those of a group hang in a list
 * of the group; all of them lie in one binary heap, by the end of the wait.
 */
#ifndef MILLRACE_EXECUTOR_BACKOFF_H
#define MILLRACE_EXECUTOR_BACKOFF_H

#include "executor/window.h"

struct group;
struct backing_off {
    struct waiting job;
    int64_t retry_at; /* UTC ms */
    struct group *group;
    size_t place; /* in the heap */
    LIST_ENTRY(backing_off) link;
};
LIST_HEAD(backoff_list, backing_off);
struct backoffs { /* of a group */
    struct backoff_list list;
    size_t count;
};
struct alarms { /* of all groups */
    struct backing_off **items;
    size_t count, cap;
};

void alarms_release(struct alarms *as);
int64_t alarms_next(const struct alarms *as); /* INT64_MAX: none */

void backoffs_add(
    struct alarms *as, struct backoffs *b, struct group *g, const struct waiting *job, int64_t retry_at);
/* The group of a job whose wait is over by `now`, whose set then lacks it; NULL: none. */
struct group *alarms_take_due(struct alarms *as, int64_t now, struct waiting *out);
bool backoffs_remove(struct alarms *as, struct backoffs *b, const struct uuid *id, drop_payload drop);
void backoffs_forget(struct alarms *as, struct backoffs *b, drop_payload drop);

#endif
