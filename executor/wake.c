/* SPDX-License-Identifier: Apache-2.0 */
/* wake: jobs whose time has come: delayed ones that are due, queued ones whose queue timeout is over. */
#include "executor/rules_private.h"

#define WAKE_BATCH RULES_SIZE(LEDGER_WAKE_MAX, 2)
#define WAKE_PAGES 5
#define DUE_AGAIN_MS 10000

/* ---- who was told to be due ---- */

void wake_forget(struct rules *r)
{
    for (size_t i = 0; i < TOLD_GENERATIONS; i++) {
        HASH_CLEAR(hh, r->told[i].table);
        arena_release(&r->told[i].memory);
    }
}

/* Two generations: an entry lasts DUE_AGAIN_MS at least and twice that at most, and goes with all of its time. */
static void forget_old(struct rules *r, int64_t now_boot)
{
    struct told old = r->told[1];
    if (now_boot < r->told_since_boot + DUE_AGAIN_MS)
        return;
    HASH_CLEAR(hh, old.table);
    arena_reset(&old.memory);
    r->told[1] = r->told[0];
    r->told[0] = old;
    r->told_since_boot = now_boot;
}

/* True: it was not told to be due a moment ago. */
static bool is_news(struct rules *r, const struct uuid *id)
{
    struct told_due *t = NULL;
    for (size_t i = 0; i < TOLD_GENERATIONS && !t; i++)
        HASH_FIND(hh, r->told[i].table, id, sizeof *id, t);
    if (t)
        return false;
    t = arena_alloc(&r->told[0].memory, sizeof *t);
    t->id = *id;
    HASH_ADD(hh, r->told[0].table, id, sizeof t->id, t);
    return true;
}

/* ---- waking ---- */

static void wake(struct rules *r, const struct run *run)
{
    if (!scheduler_owns(r->scheduler, run->partition))
        return;
    if (run->state == RUN_DELAYED) {
        if (is_news(r, &run->id))
            r->world->due(r->self, run);
    } else if (run->state == RUN_QUEUED && !scheduler_find(r->scheduler, &run->id)) {
        /* It keeps its place until that is acknowledged: another executor, with another clock, may start it all the same, and the next of
         * the group must not run beside it. (A cancelled one may be passed over at once: whoever starts it sees the cancel.) */
        finish_queued(r, run, PHASE_TIMED_OUT, "queue_timeout", NULL);
    }
}

static bool ask_wake(struct rules *r, struct op *op)
{
    struct ask *ask = &op->ask;
    int32_t all = scheduler_partitions(r->scheduler);
    ask->partitions = arena_array(&op->memory, (size_t)all, sizeof *ask->partitions);
    ask->count = 0;
    for (int32_t p = 0; p < all; p++)
        if (scheduler_is_open(r->scheduler, p))
            ask->partitions[ask->count++] = p;
    ask->kind = ASK_WAKE;
    ask->limit = WAKE_BATCH;
    return ask->count > 0;
}

/* Those that were told a moment ago come again until they are moved: so an answer is followed by a further one, up to a bound. */
bool wake_step(struct rules *r, struct op *op)
{
    const struct runs *runs = &op->ask.runs;
    if (op->at == 0) {
        op->ask.after = 0;
        return op->at++, ask_wake(r, op);
    }
    forget_old(r, rules_now(r).boot_ms);
    for (size_t i = 0; i < runs->count; i++)
        wake(r, &runs->items[i]);
    if (runs->count == 0 || op->at++ == WAKE_PAGES)
        return false;
    int64_t last = runs->items[runs->count - 1].wake_at;
    op->ask.after = last > op->ask.after
                        ? last
                        : last + 1; /* one millisecond with more than a page: the rest comes next time */
    arena_reset(&op->memory);
    return ask_wake(r, op);
}
