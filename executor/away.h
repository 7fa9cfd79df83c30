/* SPDX-License-Identifier: Apache-2.0 */
/*
 * away: jobs that run elsewhere: under another executor's name, or under ours without a task (a start whose answer was lost). They take
 * up places of their groups. Those of a group hang in a list of the group; all of them are found by id, and walked.
 */
#ifndef MILLRACE_EXECUTOR_AWAY_H
#define MILLRACE_EXECUTOR_AWAY_H

#include <sys/queue.h>

#include "core/run.h"
#include "executor/pile.h"
#include "executor/table.h"

struct group;
struct away {
    struct uuid id;
    int64_t attempt;
    struct group *group;
    size_t place;
    LIST_ENTRY(away) link;
    UT_hash_handle hh;
    char instance[LEDGER_INSTANCE_MAX];
};
LIST_HEAD(away_list, away);
struct aways { /* of a group */
    struct away_list list;
    size_t count;
};
struct all_aways {
    struct away *by_id;
    struct pile pile;
};

/* As the ledger tells it; a job that is known already is told anew. */
void aways_add(struct all_aways *all, struct aways *of, struct group *g, const struct run *r);
void aways_forget(struct all_aways *all, struct aways *of);

#endif
