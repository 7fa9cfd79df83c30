/* SPDX-License-Identifier: Apache-2.0 */
/* ahead: payloads that come with a read for others, before their jobs start (scheduler.h). */
#include "executor/scheduler_private.h"

size_t scheduler_ahead(const struct task *t, struct uuid *ids, size_t max)
{
    const struct window *w = &t->group->window;
    size_t n = 0;
    for (size_t i = 0; i < w->count && n < max; i++)
        if (!window_at(w, i)->payload)
            ids[n++] = window_at(w, i)->id;
    return n;
}

void scheduler_payload(struct scheduler *s, const struct task *t, const struct uuid *id, void *payload)
{
    struct waiting *w = window_find(&t->group->window, id);
    if (w && !w->payload)
        w->payload = payload;
    else
        s->options.drop(payload);
}
