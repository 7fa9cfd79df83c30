/* SPDX-License-Identifier: Apache-2.0 */
/* tasks: see the header. */
#include "executor/tasks.h"

#include <stdlib.h>

#include "core/error.h"

void tasks_release(struct tasks *ts)
{
    struct task_slot *slot = ts->by_id, *next;
    HASH_CLEAR(hh, ts->by_id); /* frees the table, not the items */
    for (; slot; slot = next) {
        next = slot->hh.next;
        free(slot);
    }
    pile_release(&ts->all);
}

struct task *tasks_add(struct tasks *ts, const struct task *t, struct gate *engine)
{
    struct task_slot *slot = calloc(1, sizeof *slot);
    if (!slot)
        log_fatal("out_of_memory", "what=task");
    slot->task = *t;
    slot->engine = engine;
    HASH_ADD(hh, ts->by_id, task.id, sizeof slot->task.id, slot);
    pile_add(&ts->all, slot, &slot->place);
    return &slot->task;
}

struct task *tasks_find(const struct tasks *ts, const struct uuid *id)
{
    struct task_slot *slot;
    HASH_FIND(hh, ts->by_id, id, sizeof *id, slot);
    return slot ? &slot->task : NULL;
}

struct gate *task_engine(const struct task *t)
{
    return ((const struct task_slot *)t)->engine;
}

void tasks_remove(struct tasks *ts, struct task *t)
{
    struct task_slot *slot = (struct task_slot *)t;
    /* There may be two for a moment: a record with this id in another group's name is being inserted (it will be a duplicate) while the
     * job itself starts. The later one is found: the job's own. */
    MUST(tasks_find(ts, &t->id));
    HASH_DEL(ts->by_id, slot);
    pile_remove(&ts->all, slot->place);
    free(slot);
}
