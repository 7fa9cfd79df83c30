/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_reference: what a walk must come to, said another way than executor/walk.c does: not step by step, but as recursive functions of
 * which leaves ended, how and when.
 *
 * A node is decided once its verdict is known and none of its leaves runs. Its verdict follows from its children that are decided:
 *   sequence  the first that is not a success; success if all are
 *   all       the failure that was decided first; success if all are
 *   race      success if one is; else, if all failed, whether one may be tried again
 *   fallback  the first that is not "failed, may be tried again"; else the last
 */
#ifndef MILLRACE_TESTS_UNIT_WALK_REFERENCE_H
#define MILLRACE_TESTS_UNIT_WALK_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#define REFERENCE_NODES 8

/* Nothing yet; succeeded; failed; failed, may be tried again; its end did not count, for it was told to stop. */
enum result { OPEN, GOOD, BAD, AGAIN, VOID };

enum reference_kind { A_LEAF, A_SEQUENCE, AN_ALL, A_RACE, A_FALLBACK };

struct reference {
    size_t count;
    enum reference_kind kind[REFERENCE_NODES];
    size_t parent[REFERENCE_NODES];     /* of nodes but the first */
    unsigned after[REFERENCE_NODES];    /* bits: nodes that must have succeeded before */
    enum result ended[REFERENCE_NODES]; /* leaves */
    bool runs[REFERENCE_NODES];         /* leaves */
    int when[REFERENCE_NODES];          /* leaves that ended: 1, 2, ... */
};

static inline bool is_child(const struct reference *r, size_t c, size_t p)
{
    return c > 0 && r->parent[c] == p;
}

static inline bool is_quiet(const struct reference *r, size_t n)
{
    bool quiet = !r->runs[n];
    for (size_t c = n + 1; c < r->count; c++)
        quiet = quiet && (!is_child(r, c, n) || is_quiet(r, c));
    return quiet;
}

/* When the last of its leaves ended. */
static inline int last_end(const struct reference *r, size_t n)
{
    int last = r->when[n];
    for (size_t c = n + 1; c < r->count; c++)
        if (is_child(r, c, n) && last_end(r, c) > last)
            last = last_end(r, c);
    return last;
}

static inline enum result verdict_of(const struct reference *r, size_t n);

static inline enum result decided_as(const struct reference *r, size_t n)
{
    enum result v = verdict_of(r, n);
    return v == VOID || !is_quiet(r, n) ? OPEN : v;
}

/* The child that a failed or succeeded node has its verdict from; 0: none. */
static inline size_t decider_of(const struct reference *r, size_t n)
{
    size_t first = 0, found = 0, again = 0;
    bool open = false;
    for (size_t c = n + 1; c < r->count; c++) {
        if (!is_child(r, c, n))
            continue;
        enum result d = decided_as(r, c);
        bool earlier = !found || last_end(r, c) < last_end(r, found);
        first = first ? first : c;
        open = open || d == OPEN;
        switch (r->kind[n]) {
        case A_SEQUENCE:
            if (d != GOOD)
                return d == OPEN ? 0 : c;
            found = c;
            break;
        case A_FALLBACK:
            if (d != AGAIN)
                return d == OPEN ? 0 : c;
            found = c;
            break;
        case AN_ALL:
            if ((d == BAD || d == AGAIN) && earlier)
                found = c;
            break;
        case A_RACE:
            if (d == GOOD && earlier)
                found = c;
            again = d == AGAIN && !again ? c : again;
            break;
        case A_LEAF:
            break;
        }
    }
    if (found || open)
        return found;
    return again ? again : first;
}

static inline enum result verdict_of(const struct reference *r, size_t n)
{
    if (r->kind[n] == A_LEAF)
        return r->ended[n];
    size_t decider = decider_of(r, n);
    return decider ? decided_as(r, decider) : OPEN;
}

/* Has the child's turn come, as far as its siblings go? */
static inline bool is_its_turn(const struct reference *r, size_t c)
{
    size_t p = r->parent[c];
    for (size_t s = p + 1; s < r->count; s++) {
        if (!is_child(r, s, p))
            continue;
        if (r->kind[p] == AN_ALL && (r->after[c] & (1U << s)) && decided_as(r, s) != GOOD)
            return false;
        if (r->kind[p] == A_SEQUENCE && s < c && decided_as(r, s) != GOOD)
            return false;
        if (r->kind[p] == A_FALLBACK && s < c && decided_as(r, s) != AGAIN)
            return false;
    }
    return true;
}

/* Should the leaf run now? */
static inline bool is_wanted(const struct reference *r, size_t leaf)
{
    if (r->ended[leaf] != OPEN)
        return false;
    for (size_t c = leaf; c > 0; c = r->parent[c])
        if (verdict_of(r, r->parent[c]) != OPEN || !is_its_turn(r, c))
            return false;
    return true;
}

/* Is it below a race that another has won? */
static inline bool has_lost(const struct reference *r, size_t leaf)
{
    for (size_t c = leaf; c > 0; c = r->parent[c])
        if (r->kind[r->parent[c]] == A_RACE && verdict_of(r, r->parent[c]) == GOOD &&
            decider_of(r, r->parent[c]) != c)
            return true;
    return false;
}

#endif
