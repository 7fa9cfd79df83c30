/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_trees: plans from one line of text, for the tests of executor/walk.h: `all(a b<a race:r(c*3 d))`. A leaf is its id; an inner node
 * is its kind, with its id after a colon (else the kind is its id); `<x,y` waits for siblings, `*3` may be tried three times.
 */
#ifndef MILLRACE_TESTS_UNIT_WALK_TREES_H
#define MILLRACE_TESTS_UNIT_WALK_TREES_H

#include <string.h>

#include "executor/walk.h"

#define TREE_NODES_MAX 32

struct tree {
    struct job job;
    struct job_node nodes[TREE_NODES_MAX];
    struct arena arena;
    const char *at;
};

static inline struct bytes tree_word(struct tree *t)
{
    size_t n = strcspn(t->at, " :<,*()");
    struct bytes word = {t->at, n};
    t->at += n;
    return word;
}

static inline void tree_add(struct tree *t, struct strings *list, struct bytes text)
{
    struct bytes *more = arena_array(&t->arena, list->count + 1, sizeof *more);
    if (list->count)
        memcpy(more, list->items, list->count * sizeof *more);
    more[list->count++] = text;
    list->items = more;
}

static inline struct bytes tree_node(struct tree *t)
{
    struct job_node *n = &t->nodes[t->job.nodes.count++];
    n->id = n->kind = tree_word(t);
    n->retry = 1;
    n->statement = NO_INT;
    if (*t->at == ':') {
        t->at++;
        n->id = tree_word(t);
    }
    if (*t->at == '(') {
        t->at++;
        while (*t->at != ')') {
            tree_add(t, &n->children, tree_node(t));
            t->at += *t->at == ' ';
        }
        t->at++;
    } else {
        n->kind = BYTES("exec");
    }
    if (*t->at == '*') { /* one digit */
        n->retry = t->at[1] - '0';
        t->at += 2;
    }
    for (char sign = '<'; *t->at == sign; sign = ',') {
        t->at++;
        tree_add(t, &n->after, tree_word(t));
    }
    return n->id;
}

static inline void tree_read(struct tree *t, const char *text)
{
    memset(t, 0, sizeof *t);
    arena_init(&t->arena);
    shape_clear(&shape_planned, &t->job);
    t->job.nodes.items = t->nodes;
    t->at = text;
    (void)tree_node(t);
}

#endif
