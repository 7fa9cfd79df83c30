/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler_check: what must be true between two messages. Above all: a group with queued jobs stands somewhere, and whatever it waits
 * for can come. For tests and the simulator; it walks everything.
 */
#include <string.h>

#include "executor/settle.h"

static bool is_at_engine_gate(const struct group *g)
{
    return g->gate && !g->gate->shared;
}

static const char *wrong_place(const struct scheduler *s, const struct group *g)
{
    enum standing standing = group_standing(g);
    bool ready = standing == STANDING_READY;
    if (ready != (g->node.ring != NULL))
        return "a group stands in a ring exactly when it is ready";
    if (g->in_looks != (standing == STANDING_DOUBT) || (g->in_looks && !g->doubt))
        return "a group is in the looks exactly when it is in doubt";
    if (g->node.ring && g->node.ring != (g->gate ? &g->gate->ring : &s->ring))
        return "a group stands in the ring or at its gate";
    if (g->ticket && (!ready || g->gate || g->ticket != window_first(&g->window)->engine))
        return "a ticket belongs to a group in the ring, for its next job";
    if (is_at_engine_gate(g) && g->gate != window_first(&g->window)->engine)
        return "a group waits at the gate of its next job";
    if (standing == STANDING_FULL && group_taken(g) == 0)
        return "a full group has something that ends";
    if (g->starting && g->tasks == 0)
        return "a start has a task";
    if (group_is_idle(g))
        return "an idle group is freed";
    if (g->stale && !g->looking)
        return "only a look can be stale";
    if (g->passed.count && !g->looking)
        return "what is passed over is forgotten with the look";
    return NULL;
}

static const char *wrong_content(const struct scheduler *s, const struct group *g)
{
    size_t backing = 0, away = 0;
    const struct backing_off *b;
    const struct away *a;
    if (g->window.count > s->options.window || g->window.cap > s->options.window)
        return "a window is no larger than it may be";
    for (size_t i = 1; i < g->window.count; i++)
        if (window_at(&g->window, i - 1)->seq >= window_at(&g->window, i)->seq)
            return "a window is in order";
    LIST_FOREACH (b, &g->backoffs.list, link) {
        backing++;
        if (b->group != g || s->alarms.items[b->place] != b)
            return "what backs off has an alarm";
    }
    LIST_FOREACH (a, &g->aways.list, link) {
        away++;
        if (a->group != g || s->aways.pile.items[a->place].thing != a)
            return "what runs elsewhere is listed";
    }
    if (backing != g->backoffs.count || away != g->aways.count)
        return "places are counted";
    if (g->partition->assignment < 0 && (g->window.count || backing || away || g->doubt))
        return "of a partition that is not ours only what runs is kept";
    return NULL;
}

static const char *wrong_gate(const struct gate *e, const struct scheduler *s)
{
    size_t tickets = 0, running = 0;
    for (const struct group *g = s->groups.by_name; g; g = g->hh.next)
        tickets += g->ticket == e;
    for (const struct task_slot *t = s->tasks.by_id; t; t = t->hh.next)
        running += t->engine == e;
    if (tickets != e->tickets || running != e->running)
        return "an engine's tasks and tickets are counted";
    if (running + tickets > e->limit)
        return "an engine has no more tasks than it may";
    if (e->ring.count && !gate_is_full(e))
        return "nobody waits at an open gate";
    return NULL;
}

static const char *wrong_alarms(const struct alarms *as)
{
    for (size_t i = 1; i < as->count; i++)
        if (as->items[(i - 1) / 2]->retry_at > as->items[i]->retry_at)
            return "alarms are a heap";
    return NULL;
}

const char *scheduler_wrong(const struct scheduler *s)
{
    size_t tasks = 0, ready = 0, gated = 0, looks = 0, held = 0;
    const char *wrong = wrong_alarms(&s->alarms);
    for (const struct group *g = s->groups.by_name; g && !wrong; g = g->hh.next) {
        wrong = wrong_place(s, g);
        if (!wrong)
            wrong = wrong_content(s, g);
        tasks += g->tasks;
        ready += g->node.ring && !g->gate;
        gated += g->gate != NULL;
        looks += g->in_looks;
        held += g->held;
    }
    for (const struct gate *e = s->gates.engines; e && !wrong; e = e->hh.next)
        wrong = wrong_gate(e, s);
    for (const struct gate *e = s->gates.shared; e && !wrong; e = e->hh.next)
        wrong = e->ring.count ? NULL : "a closed shared gate has somebody waiting";
    if (wrong)
        return wrong;
    if (tasks != s->tasks.all.count || tasks != s->slots_used || tasks != HASH_COUNT(s->tasks.by_id))
        return "tasks are counted";
    if (ready != s->ring.count || gated != s->gates.waiting || looks != s->look_count ||
        held != s->groups.held)
        return "groups are counted";
    return NULL;
}
