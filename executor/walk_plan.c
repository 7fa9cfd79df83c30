/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_plan: a job's list of nodes becomes the tree that executor/walk.c walks. Plans come from Kafka: whatever is no tree is refused, by
 * the name of the node. Every step is linear in the plan but for the sorting by id.
 */
#include <stdlib.h>

#include "executor/walk.h"

static const char *const kinds[WALK_KINDS] = {"exec", "sequence", "all", "race", "fallback"};

struct reading {
    const struct job *job;
    struct arena *a;
    struct walk *w;
    const struct job_node **sorted; /* by id */
    const struct job_node **parent; /* beside job->nodes; NULL: not met yet */
    struct error *e;
};

static bool bad(const struct reading *r, const struct job_node *n, const char *what, struct bytes other)
{
    return error_set(r->e, "bad_plan", "node %.*s: %s%s%.*s", BYTES_ARG(bytes_slice(n->id, 0, 80)), what,
        other.len ? " " : "", BYTES_ARG(bytes_slice(other, 0, 80)));
}

/* ---- ids ---- */

static int by_id(const void *a, const void *b)
{
    const struct job_node *const *x = a, *const *y = b;
    return bytes_compare((*x)->id, (*y)->id);
}

static bool sort_ids(struct reading *r)
{
    size_t count = r->job->nodes.count;
    for (size_t i = 0; i < count; i++)
        r->sorted[i] = &r->job->nodes.items[i];
    qsort(r->sorted, count, sizeof(struct job_node *), by_id);
    for (size_t i = 1; i < count; i++)
        if (bytes_equal(r->sorted[i - 1]->id, r->sorted[i]->id))
            return bad(r, r->sorted[i], "two nodes have this id", BYTES_NONE);
    return true;
}

static const struct job_node *node_of(const struct reading *r, struct bytes id)
{
    struct job_node key = {.id = id};
    const struct job_node *k = &key;
    const struct job_node **found =
        bsearch(&k, r->sorted, r->job->nodes.count, sizeof(struct job_node *), by_id);
    return found ? *found : NULL;
}

static size_t number_of(const struct reading *r, const struct job_node *n)
{
    return (size_t)(n - r->job->nodes.items);
}

/* ---- one node ---- */

static bool read_kind(const struct reading *r, const struct job_node *n, enum walk_kind *out)
{
    for (int k = 0; k < WALK_KINDS; k++)
        if (bytes_equal_text(n->kind, kinds[k])) {
            *out = (enum walk_kind)k;
            return true;
        }
    return error_set(r->e, "unsupported", "node %.*s is of kind %.*s, which this executor can't run",
        BYTES_ARG(bytes_slice(n->id, 0, 80)), BYTES_ARG(bytes_slice(n->kind, 0, 80)));
}

/* Each node but the root is the child of one. */
static bool adopt(struct reading *r, const struct job_node *n, struct bytes id, const struct job_node **child)
{
    *child = node_of(r, id);
    if (!*child)
        return bad(r, n, "there is no child", id);
    size_t i = number_of(r, *child);
    if (i == 0)
        return bad(r, n, "the nodes form a cycle by its child", id);
    if (r->parent[i])
        return bad(r, *child, "it is a child twice, the second time of", n->id);
    r->parent[i] = n;
    return true;
}

/* ---- after ---- */

/* WALK_NONE: it is none of p's children. */
static size_t find_sibling(const struct reading *r, const struct walk_node *p, struct bytes id)
{
    const struct job_node *other = node_of(r, id);
    return other && r->parent[number_of(r, other)] == p->node ? walk_find(r->w, id) : WALK_NONE;
}

static bool count_dependents(const struct reading *r, const struct walk_node *p, size_t *counts)
{
    struct walk_node *nodes = r->w->nodes;
    for (size_t c = 0; c < p->child_count; c++) {
        struct walk_node *n = &nodes[p->children[c]];
        n->waits = n->node->after.count;
        for (size_t i = 0; i < n->waits; i++) {
            size_t at = find_sibling(r, p, n->node->after.items[i]);
            if (at == WALK_NONE)
                return bad(r, n->node, "its `after` names no sibling:", n->node->after.items[i]);
            counts[nodes[at].place]++;
        }
    }
    return true;
}

/* Who waits for whom becomes: who is waited for by whom. */
static bool read_after(const struct reading *r, const struct walk_node *p)
{
    struct walk_node *nodes = r->w->nodes;
    size_t *counts = arena_array(r->a, p->child_count, sizeof *counts); /* by place */
    if (!count_dependents(r, p, counts))
        return false;
    for (size_t c = 0; c < p->child_count; c++)
        nodes[p->children[c]].dependents = arena_array(r->a, counts[c], sizeof(size_t));
    for (size_t c = 0; c < p->child_count; c++) {
        const struct walk_node *n = &nodes[p->children[c]];
        for (size_t i = 0; i < n->waits; i++) {
            size_t at = find_sibling(r, p, n->node->after.items[i]);
            MUST(at != WALK_NONE);
            nodes[at].dependents[nodes[at].dependent_count++] = p->children[c];
        }
    }
    return true;
}

/* Whoever waits for nobody is taken out, again and again: who is left waits in a circle. */
static bool check_circles(const struct reading *r, const struct walk_node *p)
{
    const struct walk_node *nodes = r->w->nodes;
    size_t *waits = arena_array(r->a, p->child_count, sizeof *waits); /* by place */
    size_t *out = arena_array(r->a, p->child_count, sizeof *out), count = 0;
    for (size_t c = 0; c < p->child_count; c++) {
        waits[c] = nodes[p->children[c]].waits;
        if (waits[c] == 0)
            out[count++] = p->children[c];
    }
    for (size_t i = 0; i < count; i++) {
        const struct walk_node *n = &nodes[out[i]];
        for (size_t d = 0; d < n->dependent_count; d++)
            if (--waits[nodes[n->dependents[d]].place] == 0)
                out[count++] = n->dependents[d];
    }
    for (size_t c = 0; c < p->child_count; c++)
        if (waits[c] > 0)
            return bad(
                r, nodes[p->children[c]].node, "it waits for itself by way of its `after`", BYTES_NONE);
    return true;
}

/* ---- the tree ---- */

static bool read_node(struct reading *r, const struct job_node *n, size_t parent, size_t place, size_t depth)
{
    struct walk *w = r->w;
    size_t at = w->count++;
    struct walk_node *out = &w->nodes[at];
    *out = (struct walk_node){.node = n, .parent = parent, .place = place};
    if (depth > WALK_DEPTH_MAX)
        return bad(r, n, "the plan is nested too deeply", BYTES_NONE);
    if (!read_kind(r, n, &out->kind))
        return false;
    if (out->kind == WALK_EXEC) {
        w->leaf_count++;
        return n->children.count == 0 || bad(r, n, "an exec node has no children", BYTES_NONE);
    }
    if (n->children.count == 0)
        return bad(r, n, "it has nothing to run", BYTES_NONE);
    out->child_count = n->children.count;
    out->children = arena_array(r->a, n->children.count, sizeof *out->children);
    for (size_t c = 0; c < n->children.count; c++) {
        const struct job_node *child;
        if (!adopt(r, n, n->children.items[c], &child))
            return false;
        if (child->after.count > 0 && out->kind != WALK_ALL)
            return bad(r, child, "`after` is for children of `all`, its parent is", n->kind);
        out->children[c] = w->count;
        if (!read_node(r, child, at, c, depth + 1))
            return false;
    }
    return true;
}

static void index_nodes(struct reading *r)
{
    struct walk *w = r->w;
    size_t *of = arena_array(r->a, w->count, sizeof *of); /* beside job->nodes */
    for (size_t i = 0; i < w->count; i++)
        of[number_of(r, w->nodes[i].node)] = i;
    w->by_id = arena_array(r->a, w->count, sizeof *w->by_id);
    for (size_t i = 0; i < w->count; i++)
        w->by_id[i] = of[number_of(r, r->sorted[i])];
}

size_t walk_find(const struct walk *w, struct bytes id)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(w->nodes[w->by_id[middle]].node->id, id);
        if (order == 0)
            return w->by_id[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return WALK_NONE;
}

bool walk_plan(const struct job *j, struct arena *a, struct walk *out, struct error *e)
{
    size_t count = j->nodes.count;
    *out = (struct walk){0};
    if (count == 0)
        return error_set(e, "bad_plan", "the plan has no nodes");
    struct reading r = {.job = j, .a = a, .w = out, .e = e};
    out->nodes = arena_array(a, count, sizeof *out->nodes);
    r.sorted = arena_array(a, count, sizeof(struct job_node *));
    r.parent = arena_array(a, count, sizeof(struct job_node *));
    if (!sort_ids(&r) || !read_node(&r, &j->nodes.items[0], WALK_NONE, 0, 1))
        return false;
    for (size_t i = 1; i < count; i++)
        if (!r.parent[i])
            return bad(&r, &j->nodes.items[i], "it is nobody's child", BYTES_NONE);
    if (j->nodes.items[0].after.count > 0)
        return bad(&r, &j->nodes.items[0], "the root waits for nobody", BYTES_NONE);
    index_nodes(&r);
    for (size_t i = 0; i < count; i++)
        if (out->nodes[i].kind == WALK_ALL &&
            (!read_after(&r, &out->nodes[i]) || !check_circles(&r, &out->nodes[i])))
            return false;
    size_t **lists[] = {&out->changed, &out->stops, &out->ready, &out->turns};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        *lists[i] = arena_array(a, count, sizeof(size_t));
    return true;
}

/* ---- leaves ---- */

struct bytes walk_code(const struct job *j, const struct job_node *n)
{
    if (n->code.data)
        return n->code;
    if (n->statement >= 0 && (size_t)n->statement < j->statements.count)
        return job_statement_text(j, &j->statements.items[n->statement]);
    return j->code;
}

int64_t walk_first_line(const struct job *j, const struct job_node *n)
{
    if (n->statement < 0 || (size_t)n->statement >= j->statements.count)
        return 1;
    int64_t line = j->statements.items[n->statement].first_line;
    return line > 0 ? line : 1;
}

/* Are their lines counted in one text? Those of parts without code of their own stand in the job's. */
static bool in_one_text(const struct job *j, const struct job_statement *a, const struct job_statement *b)
{
    if (bytes_equal(a->part, b->part))
        return true;
    const struct job_part *one = job_part_find(j, a->part), *other = job_part_find(j, b->part);
    return (!one || !one->code.len) && (!other || !other->code.len);
}

/* Where the next statement begins in the leaf's code, as the planner joins it: behind this one, which begins at `from`, and what stands between
 * them. NO_INT: this one is the leaf's last. */
static int64_t next_from(const struct job *j, const struct job_node *n, size_t at, int64_t from)
{
    const struct job_statement *s = &j->statements.items[at], *next = s + 1;
    if (!n->code.data || at + 1 >= j->statements.count || !in_one_text(j, s, next))
        return NO_INT;
    int64_t between = next->offset - (s->offset + s->length);
    from += (int64_t)job_statement_text(j, s).len + (between > 0 ? between : 0);
    return from < (int64_t)n->code.len ? from : NO_INT;
}

int64_t walk_statement_of_byte(const struct job *j, const struct job_node *n, int64_t offset)
{
    size_t at = (size_t)n->statement;
    if (n->statement < 0 || at >= j->statements.count)
        return n->statement;
    int64_t next = next_from(j, n, at, 0);
    if (offset == NO_INT)
        return next == NO_INT ? n->statement : NO_INT;
    for (; next != NO_INT && next <= offset; at++)
        next = next_from(j, n, at + 1, next);
    return (int64_t)at;
}

int64_t walk_statement_at(const struct job *j, const struct job_node *n, int64_t line)
{
    if (n->statement < 0 || (size_t)n->statement >= j->statements.count)
        return NO_INT;
    const struct job_statement *first = &j->statements.items[n->statement];
    size_t at = (size_t)n->statement;
    /* A leaf of one statement has no code of its own. */
    while (n->code.data && at + 1 < j->statements.count && j->statements.items[at + 1].first_line <= line &&
           j->statements.items[at + 1].first_line >= j->statements.items[at].first_line &&
           in_one_text(j, first, &j->statements.items[at + 1]))
        at++;
    return (int64_t)at;
}
