/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain: the end of the process, asked for by SIGTERM or by an operator. No more starts and no more intake; running jobs have drain_ms;
 * then everything is killed. A job goes back to the queue only when every process of it is dead (rules_over says so), its try not charged,
 * its attempt number used up; one with on_lost: fail fails. The lease is renewed to the end.
 */
#include "executor/rules_private.h"

void rules_drain(struct rules *r, bool at_once)
{
    if (r->dead)
        return;
    int64_t now = rules_now(r).boot_ms;
    if (!r->draining) {
        r->draining = true;
        r->drain_until = now + r->options.drain_ms;
        scheduler_drain(r->scheduler);
    }
    if (at_once && !r->killing)
        r->drain_until = now;
}

static void give_back_the_living(struct rules *r)
{
    size_t cursor = 0;
    struct task *t;
    while ((t = scheduler_next_task(r->scheduler, &cursor)) != NULL)
        if (t->run && !finish_has(r, &t->id))
            finish_give_back(r, t, "drained");
}

void drain_turn(struct rules *r)
{
    if (!r->draining || r->killing || rules_now(r).boot_ms < r->drain_until)
        return;
    r->killing = true;
    if (BUG(DRAIN_BEFORE_DEATH))
        give_back_the_living(r);
    r->world->kill_all(r->self);
}

bool rules_is_draining(const struct rules *r)
{
    return r->draining;
}

bool rules_is_drained(const struct rules *r)
{
    if (!r->draining || scheduler_task_count(r->scheduler) > 0 || !TAILQ_EMPTY(&r->ends) ||
        !TAILQ_EMPTY(&r->publications) || r->settles.count > 0 || r->drops.count > 0)
        return false;
    for (int kind = 0; kind < OP_KINDS; kind++)
        if (kind != OP_RENEW && kind != OP_MINE && r->under_way[kind] > 0)
            return false;
    return true;
}
