/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: plan */
/*
 * plan, of random jobs: graphs of up to six parts, empty ones among them, strategies, sessions, targets. Whatever the job, its plan is a
 * tree that can be walked, everything runs exactly once on each of its places, and nothing comes before what it waits for.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_case.h"
#include "planner/plan_world.h"

enum { JOBS = 10000, PARTS = 6, STATEMENTS = 40, NODES = 400 };

/* ---- random jobs ---- */

struct random {
    uint64_t seed;
};

static size_t below(struct random *r, size_t limit)
{
    r->seed = r->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (size_t)(r->seed >> 33) % limit;
}

static const char *const strategies[] = {NULL, NULL, NULL, "single", "single lake", "race lake,w1",
    "all lake,w1,free@x", "fallback warehouse,w1,w2", "race equal,w1"};
static const char *const targets[] = {NULL, NULL, "lake", "warehouse"};
static const char *const engines[] = {NULL, NULL, "postgres", "shell"};
static const char ids[PARTS][2] = {"a", "b", "c", "d", "e", "f"};

static void give_part(
    struct random *r, struct job *j, size_t i, size_t count, const size_t *rank, struct arena *a)
{
    struct job_part *p = &j->parts.items[i];

    *p = (struct job_part){.id = bytes_of(ids[i]),
        .engine = bytes_of(engines[below(r, 4)]),
        .target = bytes_of(targets[below(r, 4)]),
        .strategy = plan_case_strategy(strategies[below(r, 9)], a),
        .after = {arena_array(a, count + 1, sizeof(struct bytes)), 0}};
    for (size_t k = 0; k < count; k++) /* of the same rank neither waits: no circle */
        if (rank[k] < rank[i] && below(r, 3) == 0)
            p->after.items[p->after.count++] = bytes_of(ids[k]);
}

static size_t random_statements(struct random *r)
{
    size_t kind = below(r, 6);

    return kind == 0 ? 0 : kind < 4 ? 1 : below(r, 4) + 1;
}

static void make_job(struct random *r, struct job *j, struct arena *a)
{
    size_t parts = below(r, PARTS + 1), rank[PARTS], counts[PARTS], statements = 0, at = 0;
    const struct pair apart = {BYTES("session"), BYTES("statement")};

    for (size_t i = 0; i < parts; i++) {
        rank[i] = below(r, 3) ? i : below(r, 2 * PARTS);
        statements += counts[i] = random_statements(r);
    }
    plan_case_job(j, a, parts ? statements : random_statements(r));
    j->target = bytes_of(targets[below(r, 4)]);
    j->strategy = plan_case_strategy(strategies[below(r, 9)], a);
    j->retry.node_attempts = below(r, 4) ? NO_INT : 3;
    j->job_id = arena_printf(a, "%zu", below(r, 1000));
    if (below(r, 3) == 0) {
        j->conf = (struct pairs){arena_array(a, 1, sizeof(apart)), 1};
        j->conf.items[0] = apart;
    }
    j->parts.items = arena_array(a, PARTS, sizeof(*j->parts.items));
    j->parts.count = parts;
    for (size_t i = 0; i < parts; i++) {
        give_part(r, j, i, parts, rank, a);
        bool own_code = below(r, 3) == 0 && counts[i] > 0;
        if (own_code)
            j->parts.items[i].code = bytes_slice(j->code, at * 4, counts[i] * 4);
        for (size_t k = 0; k < counts[i]; k++, at++) {
            j->statements.items[at].part = j->parts.items[i].id;
            j->statements.items[at].offset = (int64_t)(own_code ? k : at) * 4;
            if (below(r, 8) == 0)
                j->statements.items[at].text = below(r, 3) == 0 ? BYTES(" ") : BYTES("changed");
        }
    }
}

/* ---- what must hold ---- */

struct checked {
    const struct job *job;
    const char *wrong;
    size_t seen; /* nodes walked so far */
};

static const char *check_kind(const struct job_node *n)
{
    static const char *const inner[] = {"sequence", "all", "race", "fallback"};
    bool leaf = bytes_equal_text(n->kind, "exec"), known = leaf;

    for (size_t i = 0; i < 4; i++)
        known = known || bytes_equal_text(n->kind, inner[i]);
    if (!known)
        return "a kind that there is not";
    if (leaf != (n->children.count == 0))
        return "a leaf with children, or an inner node without";
    if (!leaf && n->children.count < 2)
        return "an inner node with one child";
    if (leaf != (n->statement != NO_INT) || leaf != (n->engine.len > 0) || leaf != (n->retry > 0))
        return "a leaf that does not say how it runs, or an inner node that does";
    if (bytes_equal_text(n->engine, "postgres") &&
        (bytes_equal_text(n->target, "warehouse") || bytes_equal_text(n->target, "equal")))
        return "a group as a target";
    return NULL;
}

/* Children of a node may name each other in `after`, those before them only. */
static const char *check_after(struct checked *c, const struct job_node *parent, size_t child)
{
    const struct job_node *n = plan_case_node(c->job, parent->children.items[child]);

    if (n->after.count > 0 && !bytes_equal_text(parent->kind, "all"))
        return "after, below what is no all";
    for (size_t i = 0; i < n->after.count; i++) {
        size_t k = 0;
        while (k < child && !bytes_equal(parent->children.items[k], n->after.items[i]))
            k++;
        if (k == child)
            return "after, of what is no sibling before it";
    }
    return NULL;
}

static void walk(struct checked *c, const struct job_node *n)
{
    char id[24];
    size_t number = c->seen++;

    snprintf(id, sizeof(id), "n%zu", number + 1);
    if (number >= c->job->nodes.count || n != &c->job->nodes.items[number] || !bytes_equal_text(n->id, id))
        c->wrong = "not a tree, or not numbered depth first";
    const char *wrong = c->wrong ? c->wrong : check_kind(n);
    for (size_t i = 0; i < n->children.count && !wrong; i++) {
        const struct job_node *child = plan_case_node(c->job, n->children.items[i]);
        if (!child)
            wrong = "a child that there is not";
        else if (!(wrong = check_after(c, n, i)))
            walk(c, child);
        wrong = wrong ? wrong : c->wrong;
    }
    c->wrong = wrong;
}

static bool is_below(const struct job *j, const struct job_node *at, size_t n)
{
    if (&j->nodes.items[n] == at)
        return true;
    for (size_t i = 0; i < at->children.count; i++)
        if (is_below(j, plan_case_node(j, at->children.items[i]), n))
            return true;
    return false;
}

static bool comes_after(const struct job *j, const struct job_node *child, const struct job_node *other)
{
    for (size_t i = 0; i < child->after.count; i++) {
        const struct job_node *before = plan_case_node(j, child->after.items[i]);
        if (before == other || comes_after(j, before, other))
            return true;
    }
    return false;
}

/* Must a be over before b starts? That is told where their ways part. */
static bool is_before(const struct job *j, const struct job_node *at, size_t a, size_t b)
{
    size_t of_a = SIZE_MAX, of_b = SIZE_MAX;

    for (size_t i = 0; i < at->children.count; i++) {
        const struct job_node *child = plan_case_node(j, at->children.items[i]);
        of_a = is_below(j, child, a) ? i : of_a;
        of_b = is_below(j, child, b) ? i : of_b;
    }
    if (of_a == SIZE_MAX || of_b == SIZE_MAX)
        return false;
    const struct job_node *child_a = plan_case_node(j, at->children.items[of_a]);
    const struct job_node *child_b = plan_case_node(j, at->children.items[of_b]);
    if (of_a == of_b)
        return is_before(j, child_a, a, b);
    if (bytes_equal_text(at->kind, "sequence"))
        return of_a < of_b;
    return comes_after(j, child_b, child_a);
}

/* Is the part among those of the node: "a+b"? */
static bool is_of_part(const struct job_node *n, struct bytes id)
{
    for (size_t i = 0; i < n->part.len; i += 2)
        if (bytes_equal(bytes_slice(n->part, i, 1), id))
            return true;
    return false;
}

static bool is_leaf_of(const struct job *j, size_t n, struct bytes part)
{
    return j->nodes.items[n].children.count == 0 && is_of_part(&j->nodes.items[n], part);
}

static const struct job_part *part_of(const struct job *j, struct bytes id)
{
    const struct job_part *p = job_part_find(j, id);

    assert_non_null(p);
    return p;
}

/* Does the part say so, or one that it is after? */
static bool is_wanted_before(const struct job *j, struct bytes first, const struct job_part *p)
{
    for (size_t i = 0; i < p->after.count; i++)
        if (bytes_equal(p->after.items[i], first) ||
            is_wanted_before(j, first, part_of(j, p->after.items[i])))
            return true;
    return false;
}

/* Of parts in two nodes: all leaves of one come before all of the other exactly where the job wants it so. A node of several parts wants
 * what its first does. */
static const char *check_pair(const struct job *j, size_t a, size_t b)
{
    const struct job_node *first = &j->nodes.items[a], *second = &j->nodes.items[b];
    struct bytes last_of_first = bytes_slice(first->part, first->part.len - 1, 1);
    struct bytes first_of_second = bytes_slice(second->part, 0, 1);
    bool wanted = is_wanted_before(j, last_of_first, part_of(j, first_of_second));

    if (wanted == is_before(j, &j->nodes.items[0], a, b))
        return NULL;
    return wanted ? "a part before one that it is after" : "a part that waits for nothing";
}

static const char *check_order(const struct job *j)
{
    const char *wrong = NULL;

    for (size_t a = 0; a < j->nodes.count; a++) {
        const struct job_node *first = &j->nodes.items[a];
        for (size_t b = 0; b < j->nodes.count && !wrong; b++) {
            const struct job_node *second = &j->nodes.items[b];
            bool two = first->part.len > 0 && second->part.len > 0 && !bytes_equal(first->part, second->part);
            if (two && first->children.count == 0 && second->children.count == 0)
                wrong = check_pair(j, a, b);
        }
    }
    return wrong;
}

static bool is_blank(const struct job *j, const struct job_statement *s)
{
    return bytes_trim(job_statement_text(j, s)).len == 0;
}

static bool has_anything(const struct job *j)
{
    for (size_t i = 0; i < j->statements.count; i++)
        if (!is_blank(j, &j->statements.items[i]))
            return true;
    return false;
}

/* The part has something to run: white space counts only where the whole job has nothing else. */
static bool has_code(const struct job *j, struct bytes part)
{
    bool white_counts = !has_anything(j);

    for (size_t i = 0; i < j->statements.count; i++)
        if (bytes_equal(j->statements.items[i].part, part) &&
            (white_counts || !is_blank(j, &j->statements.items[i])))
            return true;
    return false;
}

static bool has_leaf(const struct job *j, struct bytes part)
{
    for (size_t n = 0; n < j->nodes.count; n++)
        if (is_leaf_of(j, n, part))
            return true;
    return false;
}

static const char *check_all_runs(const struct job *j)
{
    for (size_t i = 0; i < j->parts.count; i++)
        if (has_code(j, j->parts.items[i].id) != has_leaf(j, j->parts.items[i].id))
            return "a part that does not run, or an empty one that does";
    return NULL;
}

static const char *check_plan(const struct job *j)
{
    struct checked c = {.job = j};

    if (j->nodes.count == 0 || j->nodes.count > NODES)
        return "no nodes, or more than there can be";
    walk(&c, &j->nodes.items[0]);
    if (!c.wrong && c.seen != j->nodes.count)
        c.wrong = "a node that cannot be reached";
    if (!c.wrong)
        c.wrong = check_order(j);
    return c.wrong ? c.wrong : check_all_runs(j);
}

static void every_plan_is_a_tree_in_the_parts_order(void **state)
{
    const struct plan_rules rules = {.derived_max_bytes = 1 << 20, .engines = world.engines};
    struct random r = {.seed = 20261126};
    size_t kinds[5] = {0}, merged = 0, refused = 0;
    static const char *const names[] = {"exec", "sequence", "all", "race", "fallback"};
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < JOBS; i++) {
        struct job j;
        make_job(&r, &j, &a);
        bool planned = plan_job(&rules, &j, &a);
        if (planned != (j.statements.count > 0))
            fail_msg("job %zu: %s", i, plan_case_text(&j, &a));
        const char *wrong = planned ? check_plan(&j) : NULL;
        if (wrong)
            fail_msg("job %zu: %s: %s", i, wrong, plan_case_text(&j, &a));
        refused += planned ? 0 : 1;
        for (size_t n = 0; planned && n < 5; n++)
            kinds[n] += bytes_equal_text(j.nodes.items[0].kind, names[n]) ? 1 : 0;
        for (size_t n = 0; n < j.nodes.count; n++)
            merged += j.nodes.items[n].part.len > 1 ? 1 : 0;
        arena_reset(&a);
    }
    for (size_t n = 0; n < 5; n++)
        assert_true(kinds[n] > 30);
    assert_true(merged > 30 && refused > 30);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_plan_is_a_tree_in_the_parts_order)};

    return cmocka_run_group_tests(tests, plan_case_set_up, plan_case_tear_down);
}
