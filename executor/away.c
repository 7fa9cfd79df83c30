/* SPDX-License-Identifier: Apache-2.0 */
/* away: see the header. */
#include "executor/away.h"

#include <stdlib.h>
#include <string.h>

#include "executor/group.h"

static void take_out(struct all_aways *all, struct away *a)
{
    LIST_REMOVE(a, link);
    a->group->aways.count--;
    pile_remove(&all->pile, a->place);
    HASH_DEL(all->by_id, a);
    free(a);
}

void aways_add(struct all_aways *all, struct aways *of, struct group *g, const struct run *r)
{
    struct away *a;
    HASH_FIND(hh, all->by_id, &r->id, sizeof r->id, a);
    if (a)
        take_out(all, a);
    a = calloc(1, sizeof *a);
    if (!a)
        log_fatal("out_of_memory", "what=away");
    a->id = r->id;
    a->attempt = r->attempt;
    a->group = g;
    size_t len = r->instance.len < sizeof a->instance ? r->instance.len : sizeof a->instance - 1;
    if (len)
        memcpy(a->instance, r->instance.data, len);
    LIST_INSERT_HEAD(&of->list, a, link);
    of->count++;
    pile_add(&all->pile, a, &a->place);
    HASH_ADD(hh, all->by_id, id, sizeof a->id, a);
}

void aways_forget(struct all_aways *all, struct aways *of)
{
    struct away *next;
    for (struct away *a = LIST_FIRST(&of->list); a; a = next) {
        next = LIST_NEXT(a, link);
        take_out(all, a);
    }
}
