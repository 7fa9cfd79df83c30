/* SPDX-License-Identifier: Apache-2.0 */
/* backoff: see the header. */
#include "executor/backoff.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "executor/group.h"

void alarms_release(struct alarms *as)
{
    free(as->items);
    *as = (struct alarms){0};
}

int64_t alarms_next(const struct alarms *as)
{
    return as->count ? as->items[0]->retry_at : INT64_MAX;
}

static void put(struct alarms *as, size_t i, struct backing_off *b)
{
    as->items[i] = b;
    b->place = i;
}

/* Moves the one at i to where it belongs. */
static void sift(struct alarms *as, size_t i)
{
    struct backing_off *b = as->items[i];
    while (i > 0 && as->items[(i - 1) / 2]->retry_at > b->retry_at) {
        put(as, i, as->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (size_t child = 2 * i + 1; child < as->count; child = 2 * i + 1) {
        if (child + 1 < as->count && as->items[child + 1]->retry_at < as->items[child]->retry_at)
            child++;
        if (as->items[child]->retry_at >= b->retry_at)
            break;
        put(as, i, as->items[child]);
        i = child;
    }
    put(as, i, b);
}

void backoffs_add(
    struct alarms *as, struct backoffs *of, struct group *g, const struct waiting *job, int64_t retry_at)
{
    struct backing_off *b = calloc(1, sizeof *b);
    if (as->count == as->cap) {
        as->cap = as->cap ? as->cap * 2 : 16;
        struct backing_off **more = realloc(as->items, as->cap * sizeof(struct backing_off *));
        if (!more)
            log_fatal("out_of_memory", "what=alarms");
        as->items = more;
    }
    if (!b)
        log_fatal("out_of_memory", "what=backoff");
    b->job = *job;
    b->retry_at = retry_at;
    b->group = g;
    LIST_INSERT_HEAD(&of->list, b, link);
    of->count++;
    put(as, as->count++, b);
    sift(as, b->place);
}

static struct waiting take_out(struct alarms *as, struct backoffs *of, struct backing_off *b)
{
    struct waiting job = b->job;
    size_t i = b->place;
    LIST_REMOVE(b, link);
    of->count--;
    as->count--;
    if (i < as->count) {
        put(as, i, as->items[as->count]);
        sift(as, i);
    }
    free(b);
    return job;
}

struct group *alarms_take_due(struct alarms *as, int64_t now, struct waiting *out)
{
    if (as->count == 0 || as->items[0]->retry_at > now)
        return NULL;
    struct group *g = as->items[0]->group;
    *out = take_out(as, &g->backoffs, as->items[0]);
    return g;
}

bool backoffs_remove(struct alarms *as, struct backoffs *of, const struct uuid *id, drop_payload drop)
{
    struct backing_off *b;
    LIST_FOREACH (b, &of->list, link) {
        if (memcmp(&b->job.id, id, sizeof *id) != 0)
            continue;
        struct waiting job = take_out(as, of, b);
        waiting_release(&job, drop);
        return true;
    }
    return false;
}

void backoffs_forget(struct alarms *as, struct backoffs *of, drop_payload drop)
{
    struct backing_off *next;
    for (struct backing_off *b = LIST_FIRST(&of->list); b; b = next) {
        next = LIST_NEXT(b, link);
        struct waiting job = take_out(as, of, b);
        waiting_release(&job, drop);
    }
}
