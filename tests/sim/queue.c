/* SPDX-License-Identifier: Apache-2.0 */
/* queue: a binary heap of happenings by time; those of one time come in the order in which they were pushed. */
#include <stdlib.h>

#include "tests/sim/sim.h"

void queue_clear(struct queue *q)
{
    q->count = 0;
    q->pushed = 0;
}

void queue_release(struct queue *q)
{
    free(q->heap);
    *q = (struct queue){0};
}

static bool before(const struct happening *a, const struct happening *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void queue_push(struct queue *q, const struct happening *h)
{
    if (q->count == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 1024;
        q->heap = realloc(q->heap, q->cap * sizeof *q->heap);
        MUST(q->heap);
    }
    struct happening added = *h;
    added.order = q->pushed++;
    size_t at = q->count++;
    for (; at > 0 && before(&added, &q->heap[(at - 1) / 2]); at = (at - 1) / 2)
        q->heap[at] = q->heap[(at - 1) / 2];
    q->heap[at] = added;
}

bool queue_pop(struct queue *q, struct happening *out)
{
    if (q->count == 0)
        return false;
    *out = q->heap[0];
    struct happening last = q->heap[--q->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= q->count)
            break;
        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (!before(&q->heap[child], &last))
            break;
        q->heap[at] = q->heap[child];
        at = child;
    }
    q->heap[at] = last;
    return true;
}
