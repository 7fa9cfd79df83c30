/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: the logical tree: what is to run, before it is said how. A job has units (its parts; a job without parts is one), a unit has
 * statements, places where it may run, and units that it waits for. tree_make reads it from the job, the passes (passes.h) change it,
 * and nodes.h makes the nodes of it.
 *
 * Everything lies in the arena or is borrowed from the job. The units are in an order in which each comes behind all that it waits for;
 * where the job's own order does so, it is that one.
 */
#ifndef MILLRACE_PLANNER_TREE_H
#define MILLRACE_PLANNER_TREE_H

#include "core/engine_list.h"
#include "planner/plan.h"

struct units {
    struct unit **items;
    size_t count;
};

struct unit {
    struct bytes name; /* id of its part, "a+b" where several are one session; none: the job has no parts */
    struct bytes code_type;
    struct bytes code;                      /* where its statements stand */
    bool own_code;                          /* that is its part's, not the job's */
    const struct job_statement *statements; /* they lie in the code */
    size_t count;
    struct bytes strategy;          /* race, all or fallback; counts where there are several places */
    struct strategy_target *places; /* at least one; no target: the engine's default */
    size_t place_count;
    bool asked; /* the job itself says the target */
    struct units after;
    bool gone; /* a pass took it out, until tree_settle */
    struct units
        instead;   /* of one that is gone: whom those wait for that waited for it; before it in the order */
    size_t number; /* its place in the order */
    size_t mark;   /* for whoever walks over the units */
    struct bytes node; /* id of its topmost node, once that is made */
};

struct tree {
    const struct plan_rules *rules;
    struct job *job;
    struct arena *arena;
    bool apart; /* conf `session: statement`: each statement is a node */
    struct units units;
};

/* False: the job is refused. */
bool tree_make(struct tree *t);
/* Takes out the units that are gone. */
void tree_settle(struct tree *t);
struct bytes unit_statement_text(const struct unit *u, const struct job_statement *s);

/* BYTES_NONE: there is no such key. */
struct bytes plan_pair_value(const struct pairs *pairs, const char *key);
/* The beginning of a text that somebody wrote, for messages. */
struct bytes plan_shown(struct bytes text);

#endif
