/* SPDX-License-Identifier: Apache-2.0 */
/* walk: depth first, children in order. A plan of n nodes is visited at most n times, so a cycle is noticed. */
#include "executor/walk.h"

struct visit {
    const struct job *job;
    struct walk *out;
    size_t left;
    struct error *e;
};

static const struct job_node *node_of(const struct job *j, struct bytes id)
{
    for (size_t i = 0; i < j->nodes.count; i++)
        if (bytes_equal(j->nodes.items[i].id, id))
            return &j->nodes.items[i];
    return NULL;
}

static bool visit_node(struct visit *v, const struct job_node *n)
{
    if (v->left == 0)
        return error_set(v->e, "bad_plan", "the plan's nodes form a cycle");
    v->left--;
    if (bytes_equal_text(n->kind, "exec")) {
        v->out->nodes[v->out->count++] = n;
        return true;
    }
    if (!bytes_equal_text(n->kind, "sequence"))
        return error_set(v->e, "unsupported", "node %.*s is of kind %.*s, which this executor can't run",
            BYTES_ARG(n->id), BYTES_ARG(n->kind));
    for (size_t i = 0; i < n->children.count; i++) {
        const struct job_node *child = node_of(v->job, n->children.items[i]);
        if (!child)
            return error_set(v->e, "bad_plan", "node %.*s has no child %.*s", BYTES_ARG(n->id),
                BYTES_ARG(n->children.items[i]));
        if (!visit_node(v, child))
            return false;
    }
    return true;
}

bool walk_plan(const struct job *j, struct arena *a, struct walk *out, struct error *e)
{
    *out = (struct walk){arena_array(a, j->nodes.count + 1, sizeof(struct job_node *)), 0};
    if (j->nodes.count == 0)
        return error_set(e, "bad_plan", "the plan has no nodes");
    struct visit v = {j, out, j->nodes.count, e};
    if (!visit_node(&v, &j->nodes.items[0]))
        return false;
    return out->count > 0 || error_set(e, "bad_plan", "the plan has nothing to run");
}

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
