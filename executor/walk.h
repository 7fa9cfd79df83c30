/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk: a plan's tree on its way from the leaves to the root, as a pure machine: no I/O, no clock. It says which leaves may start, takes
 * the end of each, and says which others are to be stopped, which nodes are decided, and when the whole is.
 *
 *   sequence  one child after the other; the first failure is its own
 *   all       children at once, each once those of its `after` succeeded; the first failure is its own, the others are stopped
 *   race      children at once; the first success is its own, the others are stopped, their failures don't count. When all failed: it failed
 *             with the first child (in the plan's order) that may be tried again, else with the first
 *   fallback  the next child when one failed in a way that may be tried again; it failed with the last one that was tried
 *
 * The end of a node is known (`closing`, `verdict`) before it is decided (`state`): that waits until nothing below it runs any more, so
 * whatever comes after a node never meets what it left. A leaf that was told to stop and succeeds all the same has succeeded; one that
 * fails is cancelled.
 *
 * A leaf with retry > 1 that failed retryably is tried again after a pause (RETRYING), by itself; its parent does not hear of it.
 *
 * Takeover: what must survive this process is told by walk_to_record, before walk_ended acts on it; walk_open takes that back. An attempt
 * that failed after any failure was recorded (`failures`) is followed by a record that the root failed: failures and retries up to that
 * attempt are forgotten then, so the next attempt begins them anew and keeps only what succeeded.
 * Where two children of a race succeeded before it was decided, a takeover may choose the other one.
 *
 * Nodes are known by their index: depth first, the root is 0, so leaves in ascending order are in the plan's order.
 */
#ifndef MILLRACE_EXECUTOR_WALK_H
#define MILLRACE_EXECUTOR_WALK_H

#include "core/job.h"

#define WALK_NONE SIZE_MAX
#define WALK_DEPTH_MAX 64

enum walk_kind { WALK_EXEC, WALK_SEQUENCE, WALK_ALL, WALK_RACE, WALK_FALLBACK, WALK_KINDS };

enum walk_state {
    WALK_WAITING,
    WALK_RUNNING,  /* inner nodes: since their first leaf started */
    WALK_RETRYING, /* leaves: try `try` failed, the next one is due at next_at */
    WALK_SUCCEEDED,
    WALK_FAILED,
    WALK_CANCELLED, /* it ran, and what became of it is not needed */
    WALK_SKIPPED,   /* it never ran and is not needed */
    WALK_STATES
};
extern const char *const walk_state_names[WALK_STATES + 1]; /* as in events; NULL-terminated */
bool walk_state_is_final(enum walk_state s);

struct walk_node {
    const struct job_node *node;
    enum walk_kind kind;
    enum walk_state state;
    size_t parent, place; /* place: among the parent's children */
    size_t *children, child_count;
    size_t *dependents, dependent_count; /* siblings that wait for it (`after`) */
    size_t waits;                        /* how many it still waits for */
    size_t live;                         /* leaves that run, here and below */

    bool closing;            /* its end is known, or it was told to stop */
    enum walk_state verdict; /* closing inner nodes: succeeded, failed, cancelled */
    size_t done, failed;     /* children that succeeded, failed */
    size_t chosen;           /* the child that decided it */
    bool retryable;          /* failed: it may be tried again */

    int64_t try;     /* leaves: tries that were begun, 1, 2, ... */
    int64_t next_at; /* RETRYING: in the caller's clock */
    bool queued;     /* it may start */
    const struct walk_past *past;
};

/* What an earlier attempt recorded of a node. Inner nodes but the root don't count. */
struct walk_past {
    size_t at;
    enum walk_state state; /* WALK_SUCCEEDED, WALK_FAILED, WALK_RETRYING */
    bool retryable;        /* WALK_FAILED */
    int64_t attempt, try, next_at;
};

struct walk {
    struct walk_node *nodes;
    size_t count, leaf_count;
    bool failures; /* a failure or a retry is on record in this attempt, or was taken over */

    /* The news of the latest call: nodes whose state is another one, children before parents but for `running`; leaves that are to be
     * stopped. What walk_open took from the past is no news. */
    size_t *changed, changed_count;
    size_t *stops, stop_count;

    /* private */
    size_t *ready, ready_from, ready_count; /* a ring */
    size_t *turns, turn_count;              /* a stack: nodes whose turn has come */
    size_t napping;                         /* RETRYING and not queued */
    int64_t nap_until;                      /* none of them is due before */
    size_t *by_id;
};

/* Reads the plan. False: it is not one that can run; e names the node. */
bool walk_plan(const struct job *j, struct arena *a, struct walk *out, struct error *e);
/* WALK_NONE: there is no such node. */
size_t walk_find(const struct walk *w, struct bytes id);

/* Begins. `past` is borrowed for the walk's life; the latest record of each node. */
void walk_open(struct walk *w, const struct walk_past *past, size_t count);
/* The next leaf that starts, which is RUNNING from now on; WALK_NONE: none may. Retries are due by `now`. */
size_t walk_start(struct walk *w, int64_t now);

enum walk_end { WALK_END_SUCCEEDED, WALK_END_FAILED, WALK_END_RETRYABLE, WALK_END_CANCELLED };
/* As what a running leaf's end must be recorded before walk_ended: WALK_SUCCEEDED, WALK_FAILED or WALK_RETRYING; WALK_WAITING: it need
 * not be. */
enum walk_state walk_to_record(const struct walk *w, size_t leaf, enum walk_end end);
/* `next_at`: when it is tried again, if walk_to_record says WALK_RETRYING. */
void walk_ended(struct walk *w, size_t leaf, enum walk_end end, int64_t next_at);
/* Nothing more starts; what runs is to be stopped. */
void walk_stop(struct walk *w);

/* When to ask for retries again: none is due before; INT64_MAX: none waits. */
int64_t walk_next_at(const struct walk *w);
/* The root is decided and nothing runs. */
bool walk_is_over(const struct walk *w);
/* The leaf whose error is that of the failed walk. */
size_t walk_culprit(const struct walk *w);
/* Do results of this leaf count for the job? Not those of a race's losers, nor of children that a fallback gave up. */
bool walk_counts(const struct walk *w, size_t leaf);

/* ---- leaves ---- */
/* The code of an exec node: its own, or its statement's text. */
struct bytes walk_code(const struct job *j, const struct job_node *n);
/* The line of the user's text on which that code begins. */
int64_t walk_first_line(const struct job *j, const struct job_node *n);

/* The statement of a leaf that a line of the user's text belongs to: the last that begins by it. NO_INT: the leaf has no statements. */
int64_t walk_statement_at(const struct job *j, const struct job_node *n, int64_t line);
/* The same of a byte of the leaf's code. `offset` NO_INT: not known; then that of a leaf with one statement, else NO_INT. */
int64_t walk_statement_of_byte(const struct job *j, const struct job_node *n, int64_t offset);

#endif
