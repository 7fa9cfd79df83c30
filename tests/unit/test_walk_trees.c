/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: job_run */
/*
 * test_walk_trees: all trees of up to six nodes, all orders in which their leaves can end, each with every end that it can have, against
 * a reference (walk_reference.h). And a takeover at every point comes to the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "executor/walk.h"
#include "tests/unit/walk_reference.h"

#define NODES_MAX 6
#define AFTER_NODES_MAX 6 /* trees up to this size are tried with every `after` */
#define RETRY_NODES_MAX 5 /* and with leaves that may be tried twice */

/* ---- a tree as a plan ---- */

struct plan {
    struct reference tree;
    struct job job;
    struct job_node nodes[NODES_MAX];
    struct bytes ids[NODES_MAX], children[NODES_MAX][NODES_MAX], after[NODES_MAX][NODES_MAX];
};

static size_t states, takeovers, plans;

static void make_plan(struct plan *p, int64_t retry)
{
    static const char *const kinds[] = {"exec", "sequence", "all", "race", "fallback"};
    static const char *const ids[NODES_MAX] = {"n0", "n1", "n2", "n3", "n4", "n5"};
    shape_clear(&shape_planned, &p->job);
    memset(p->nodes, 0, sizeof p->nodes);
    p->job.nodes.items = p->nodes;
    p->job.nodes.count = p->tree.count;
    for (size_t i = 0; i < p->tree.count; i++) {
        struct job_node *n = &p->nodes[i];
        p->ids[i] = n->id = bytes_of(ids[i]);
        n->kind = bytes_of(kinds[p->tree.kind[i]]);
        n->retry = retry;
        n->children.items = p->children[i];
        n->after.items = p->after[i];
        if (i > 0) {
            struct strings *list = &p->nodes[p->tree.parent[i]].children;
            list->items[list->count++] = n->id;
        }
        for (size_t s = 0; s < p->tree.count; s++)
            if (p->tree.after[i] & (1U << s))
                n->after.items[n->after.count++] = bytes_of(ids[s]);
    }
}

/* ---- a walk that can be put back ---- */

struct snapshot {
    struct walk walk;
    struct walk_node nodes[NODES_MAX];
    size_t ready[NODES_MAX];
    struct reference tree;
};

struct world {
    struct plan *plan;
    struct walk walk;
    struct reference tree; /* with what happened so far */
    int now;
    struct walk_past past[NODES_MAX];
    bool on_record[NODES_MAX];
};

static void save(const struct world *w, struct snapshot *s)
{
    s->walk = w->walk;
    s->tree = w->tree;
    memcpy(s->nodes, w->walk.nodes, w->walk.count * sizeof *s->nodes);
    memcpy(s->ready, w->walk.ready, w->walk.count * sizeof *s->ready);
}

static void put_back(struct world *w, const struct snapshot *s)
{
    w->walk = s->walk;
    w->tree = s->tree;
    memcpy(w->walk.nodes, s->nodes, w->walk.count * sizeof *s->nodes);
    memcpy(w->walk.ready, s->ready, w->walk.count * sizeof *s->ready);
}

static void start_all(struct walk *w, struct reference *tree)
{
    size_t at;
    while ((at = walk_start(w, 0)) != WALK_NONE)
        if (tree)
            tree->runs[at] = true;
}

/* ---- checks ---- */

#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what))                                                                                         \
            complain(w, #what, __LINE__);                                                                    \
    } while (0)

static void complain(const struct world *w, const char *what, int line)
{
    static const char letters[] = "LSARF", results[] = ".+-~!";
    for (size_t i = 0; i < w->tree.count; i++)
        print_error("n%zu %c of n%zu after %x: %c at %d%s, %s\n", i, letters[w->tree.kind[i]],
            w->tree.parent[i], w->tree.after[i], results[w->tree.ended[i]], w->tree.when[i],
            w->tree.runs[i] ? " runs" : "", walk_state_names[w->walk.nodes[i].state]);
    fail_msg("line %d: %s", line, what);
}

static bool same_verdict(const struct walk_node *n, enum result expected)
{
    if (n->kind == WALK_EXEC)
        return true;
    if (expected == OPEN)
        return !n->closing;
    return n->closing && n->verdict == (expected == GOOD ? WALK_SUCCEEDED : WALK_FAILED) &&
           (expected == GOOD || n->retryable == (expected == AGAIN));
}

static bool is_below_a_verdict(const struct world *w, size_t at)
{
    for (; at > 0; at = w->tree.parent[at])
        if (verdict_of(&w->tree, w->tree.parent[at]) != OPEN)
            return true;
    return false;
}

static void check_leaf(const struct world *w, size_t at)
{
    const struct walk_node *n = &w->walk.nodes[at];
    bool wanted = is_wanted(&w->tree, at), runs = n->state == WALK_RUNNING;
    CHECK(runs == w->tree.runs[at]);
    CHECK(!wanted || (runs && !n->closing));
    CHECK(wanted || !runs || n->closing);
    CHECK(!walk_is_over(&w->walk) || walk_state_is_final(n->state));
}

static void check(const struct world *w)
{
    states++;
    for (size_t i = 0; i < w->tree.count; i++) {
        if (w->tree.kind[i] == A_LEAF)
            check_leaf(w, i);
        else if (!is_below_a_verdict(w, i))
            CHECK(same_verdict(&w->walk.nodes[i], verdict_of(&w->tree, i)));
    }
    enum result root = decided_as(&w->tree, 0);
    CHECK(walk_is_over(&w->walk) == (root != OPEN));
    if (root == BAD || root == AGAIN) {
        size_t culprit = 0;
        while (w->tree.kind[culprit] != A_LEAF)
            culprit = decider_of(&w->tree, culprit);
        CHECK(walk_culprit(&w->walk) == culprit);
    }
    for (size_t i = 0; i < w->tree.count && root == GOOD; i++)
        CHECK(w->tree.kind[i] != A_LEAF || !has_lost(&w->tree, i) || !walk_counts(&w->walk, i));
}

/* ---- one end ---- */

/* What the whole comes to, whatever becomes of those that still run; OPEN: that is not known. */
static enum result coming(const struct world *w)
{
    struct reference quiet = w->tree;
    memset(quiet.runs, 0, sizeof quiet.runs);
    return verdict_of(&quiet, 0);
}

static void end_leaf(struct world *w, size_t at, enum walk_end end)
{
    static const enum result results[] = {GOOD, BAD, AGAIN, VOID};
    struct walk_node *n = &w->walk.nodes[at];
    bool stopped = n->closing;
    enum walk_state record = walk_to_record(&w->walk, at, end);
    walk_ended(&w->walk, at, end, 0);
    w->tree.runs[at] = false;
    if (record == WALK_RETRYING) {
        CHECK(n->state == WALK_RETRYING && n->try < n->node->retry);
        return;
    }
    w->tree.when[at] = ++w->now;
    w->tree.ended[at] = stopped && end != WALK_END_SUCCEEDED ? VOID : results[end];
    bool over = walk_is_over(&w->walk), known = coming(w) != OPEN;
    if (end == WALK_END_SUCCEEDED)
        CHECK(record == WALK_SUCCEEDED || has_lost(&w->tree, at) ||
              (over && w->walk.nodes[0].state == WALK_SUCCEEDED));
    else
        CHECK(record == WALK_FAILED ? !stopped : stopped || known);
}

static void remember(struct world *w, size_t at, enum walk_state record, enum walk_end end)
{
    if (record == WALK_WAITING)
        return;
    w->on_record[at] = true;
    w->past[at] = (struct walk_past){.at = at,
        .state = record,
        .retryable = end == WALK_END_RETRYABLE,
        .attempt = 1,
        .try = w->walk.nodes[at].try};
}

/* ---- takeover ---- */

/* Whatever still runs comes to the same end: in the order of nodes. */
static void run_to_the_end(struct walk *w, enum walk_end end)
{
    for (size_t i = 0; !walk_is_over(w); i = (i + 1) % w->count) {
        struct walk_node *n = &w->nodes[i];
        if (n->kind != WALK_EXEC || n->state != WALK_RUNNING)
            continue;
        walk_ended(w, i, n->closing ? WALK_END_CANCELLED : end, 0);
        start_all(w, NULL);
        i = w->count - 1;
    }
}

/* Of itself the end of one that was stopped may stop others. */
static void end_what_was_stopped(struct walk *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->nodes[i].kind == WALK_EXEC && w->nodes[i].state == WALK_RUNNING && w->nodes[i].closing) {
            walk_ended(w, i, WALK_END_CANCELLED, 0);
            start_all(w, NULL);
            i = 0; /* the root is done with, or no leaf */
        }
}

static void open_again(const struct world *w, struct arena *a, struct walk *out, struct walk_past *past)
{
    struct error e;
    size_t count = 0;
    for (size_t i = 0; i < w->tree.count; i++)
        if (w->on_record[i])
            past[count++] = w->past[i];
    assert_true(walk_plan(&w->plan->job, a, out, &e));
    walk_open(out, past, count);
    start_all(out, NULL);
}

static void check_takeover(struct world *w, struct arena *a)
{
    struct walk again;
    struct walk_past past[NODES_MAX];
    struct snapshot before;
    const struct walk *live = &w->walk;
    if (walk_is_over(live) || coming(w) == BAD || coming(w) == AGAIN)
        return; /* a failure of the whole is not on record: what failed begins again */
    takeovers++;
    arena_reset(a);
    open_again(w, a, &again, past);
    save(w, &before);
    end_what_was_stopped(&w->walk);
    CHECK(again.nodes[0].state == live->nodes[0].state);
    CHECK(!again.failures || live->failures);
    for (size_t i = 0; i < w->tree.count; i++) {
        bool runs = live->nodes[i].state == WALK_RUNNING, is_leaf = live->nodes[i].kind == WALK_EXEC;
        CHECK(!is_leaf || (again.nodes[i].state == WALK_RUNNING) == runs);
        CHECK(
            !is_leaf || !runs || again.nodes[i].try == live->nodes[i].try || live->nodes[i].node->retry == 1);
    }
    enum walk_end end = (enum walk_end)(takeovers % 3);
    run_to_the_end(&w->walk, end);
    run_to_the_end(&again, end);
    CHECK(again.nodes[0].state == live->nodes[0].state);
    CHECK(again.nodes[0].state != WALK_FAILED || walk_culprit(&again) == walk_culprit(live));
    put_back(w, &before);
}

/* ---- all orders ---- */

static void go_on(struct world *w, struct arena *a)
{
    check(w);
    check_takeover(w, a);
    struct snapshot before;
    bool dying = false;
    save(w, &before);
    for (size_t i = 0; i < w->tree.count; i++) {
        struct walk_node *n = &w->walk.nodes[i];
        if (n->kind != WALK_EXEC || n->state != WALK_RUNNING || (n->closing && dying))
            continue; /* in which order those die that were told to, is all one */
        dying = dying || n->closing;
        int now = w->now;
        bool on_record = w->on_record[i];
        struct walk_past past = w->past[i];
        for (int end = WALK_END_SUCCEEDED; end <= WALK_END_CANCELLED; end++) {
            if ((end == WALK_END_CANCELLED) != n->closing && end != WALK_END_SUCCEEDED)
                continue;
            remember(w, i, walk_to_record(&w->walk, i, (enum walk_end)end), (enum walk_end)end);
            end_leaf(w, i, (enum walk_end)end);
            start_all(&w->walk, &w->tree);
            go_on(w, a);
            put_back(w, &before);
            w->now = now;
            w->on_record[i] = on_record;
            w->past[i] = past;
        }
    }
}

static void walk_it(struct plan *p, int64_t retry)
{
    struct arena own, a;
    struct error e;
    struct world w = {.plan = p, .tree = p->tree};
    plans++;
    arena_init(&own);
    arena_init(&a);
    make_plan(p, retry);
    assert_true(walk_plan(&p->job, &own, &w.walk, &e));
    walk_open(&w.walk, NULL, 0);
    start_all(&w.walk, &w.tree);
    go_on(&w, &a);
    arena_release(&own);
    arena_release(&a);
}

/* ---- all trees ---- */

/* `from`: the node whose `after` is chosen next; earlier siblings only. */
static void all_afters(struct plan *p, size_t from)
{
    struct reference *t = &p->tree;
    if (t->count > AFTER_NODES_MAX || from == t->count) {
        walk_it(p, 1);
        if (t->count <= RETRY_NODES_MAX)
            walk_it(p, 2);
        return;
    }
    unsigned siblings = 0;
    for (size_t s = 1; s < from; s++)
        if (t->parent[s] == t->parent[from] && t->kind[t->parent[from]] == AN_ALL)
            siblings |= 1U << s;
    for (unsigned some = siblings;; some = (some - 1) & siblings) {
        t->after[from] = some;
        all_afters(p, from + 1);
        if (some == 0)
            return;
    }
}

static void all_kinds(struct plan *p, size_t from)
{
    struct reference *t = &p->tree;
    bool is_inner = false;
    if (from == t->count) {
        all_afters(p, 1);
        return;
    }
    for (size_t c = from + 1; c < t->count; c++)
        is_inner = is_inner || t->parent[c] == from;
    for (int k = is_inner ? A_SEQUENCE : A_LEAF; k <= (is_inner ? A_FALLBACK : A_LEAF); k++) {
        t->kind[from] = (enum reference_kind)k;
        all_kinds(p, from + 1);
    }
}

/* Depth first: the parent of the next node is the latest one or one above it. */
static void all_shapes(struct plan *p, size_t from)
{
    struct reference *t = &p->tree;
    if (from == t->count) {
        all_kinds(p, 0);
        return;
    }
    for (size_t parent = from - 1;; parent = t->parent[parent]) {
        t->parent[from] = parent;
        all_shapes(p, from + 1);
        if (parent == 0)
            return;
    }
}

static void all_small_trees_go_as_the_reference_says(void **state)
{
    (void)state;
    for (size_t count = 1; count <= NODES_MAX; count++) {
        struct plan p = {.tree.count = count};
        states = takeovers = plans = 0;
        all_shapes(&p, 1);
        print_message("  %zu nodes: %zu plans, %zu states, %zu takeovers\n", count, plans, states, takeovers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_small_trees_go_as_the_reference_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
