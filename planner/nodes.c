/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nodes: see nodes.h. Nodes are written depth first, into an array that was counted before, so a node's place is its number.
 */
#include "planner/nodes.h"

struct writer {
    struct tree *tree;
    struct job_node *nodes;
    size_t count;
    struct bytes reuse;
    int64_t retry;
};

/* ---- counting ---- */

static size_t leaves_of(const struct tree *t, const struct unit *u)
{
    return t->apart ? u->count : 1;
}

static size_t count_nodes(const struct tree *t)
{
    size_t count = t->units.count > 1 ? 1 : 0;

    for (size_t i = 0; i < t->units.count; i++) {
        const struct unit *u = t->units.items[i];
        size_t leaves = leaves_of(t, u);
        count += u->place_count * (leaves > 1 ? leaves + 1 : 1) + (u->place_count > 1 ? 1 : 0);
    }
    return count;
}

/* ---- one node ---- */

/* "n1", "n2", ...: there may be thousands. */
static struct bytes make_id(size_t number, struct arena *a)
{
    char digits[24];
    size_t at = sizeof(digits);

    for (; number > 0; number /= 10)
        digits[--at] = (char)('0' + number % 10);
    digits[--at] = 'n';
    return arena_copy(a, (struct bytes){digits + at, sizeof(digits) - at});
}

static struct job_node *add_node(struct writer *w, struct bytes kind, struct bytes part)
{
    struct job_node *n = &w->nodes[w->count++];

    *n = (struct job_node){
        .id = make_id(w->count, w->tree->arena), .kind = kind, .part = part, .statement = NO_INT};
    return n;
}

static void expect_children(struct writer *w, struct job_node *n, size_t most)
{
    n->children.items = arena_array(w->tree->arena, most, sizeof(*n->children.items));
}

static void add_child(struct job_node *n, struct bytes id)
{
    n->children.items[n->children.count++] = id;
}

/* ---- a unit ---- */

/* All statements, with what stands between them. */
static struct bytes join(const struct unit *u, struct arena *a)
{
    size_t from = (size_t)u->statements[0].offset, at = from;
    bool unchanged = true;
    struct buf all;

    for (size_t i = 0; i < u->count; i++)
        unchanged = unchanged && u->statements[i].text.data == NULL;
    const struct job_statement *last = &u->statements[u->count - 1];
    if (unchanged && last->offset >= u->statements[0].offset)
        return bytes_slice(u->code, from, (size_t)(last->offset + last->length) - from);
    buf_init(&all);
    for (size_t i = 0; i < u->count; i++) {
        const struct job_statement *s = &u->statements[i];
        size_t offset = (size_t)s->offset;
        buf_add_bytes(&all, bytes_slice(u->code, at, offset > at ? offset - at : 0));
        buf_add_bytes(&all, unit_statement_text(u, s));
        at = (size_t)(s->offset + s->length);
    }
    struct bytes joined = arena_copy(a, buf_bytes(&all));
    buf_release(&all);
    return joined;
}

static struct job_node *add_leaf(struct writer *w, const struct unit *u, const struct strategy_target *place,
    const struct job_statement *first, struct bytes code)
{
    struct job_node *n = add_node(w, BYTES("exec"), u->name);

    n->engine = place->engine;
    n->target = place->target;
    n->code_type = u->code_type;
    n->statement = first->index;
    n->code = code;
    n->reuse = w->reuse;
    n->retry = w->retry;
    return n;
}

/* A unit in one place. */
static struct bytes add_place(
    struct writer *w, const struct unit *u, const struct strategy_target *place, struct bytes code)
{
    size_t leaves = leaves_of(w->tree, u);

    if (leaves == 1)
        return add_leaf(w, u, place, u->statements, code)->id;
    struct job_node *sequence = add_node(w, BYTES("sequence"), u->name);
    expect_children(w, sequence, leaves);
    for (size_t i = 0; i < leaves; i++)
        add_child(sequence, add_leaf(w, u, place, &u->statements[i], BYTES_NONE)->id);
    return sequence->id;
}

/* Its topmost node. */
static struct job_node *add_unit(struct writer *w, struct unit *u)
{
    struct job_node *top = &w->nodes[w->count];
    struct bytes code = !w->tree->apart && u->count > 1 ? join(u, w->tree->arena) : BYTES_NONE;

    if (u->place_count == 1) {
        u->node = add_place(w, u, &u->places[0], code);
        return top;
    }
    u->node = add_node(w, u->strategy, u->name)->id;
    expect_children(w, top, u->place_count);
    for (size_t i = 0; i < u->place_count; i++)
        add_child(top, add_place(w, u, &u->places[i], code));
    return top;
}

/* ---- all units ---- */

static bool is_after(const struct unit *u, const struct unit *other)
{
    for (size_t i = 0; i < u->after.count; i++)
        if (u->after.items[i] == other)
            return true;
    return false;
}

static bool is_chain(const struct units *units)
{
    for (size_t i = 1; i < units->count; i++)
        if (!is_after(units->items[i], units->items[i - 1]))
            return false;
    return true;
}

static void name_after(struct writer *w, struct job_node *n, const struct unit *u)
{
    n->after.items = arena_array(w->tree->arena, u->after.count, sizeof(*n->after.items));
    for (size_t i = 0; i < u->after.count; i++)
        n->after.items[n->after.count++] = u->after.items[i]->node;
}

static void add_units(struct writer *w, const struct units *units)
{
    bool chain = is_chain(units);
    struct job_node *root = add_node(w, chain ? BYTES("sequence") : BYTES("all"), BYTES_NONE);

    expect_children(w, root, units->count);
    for (size_t i = 0; i < units->count; i++) {
        struct job_node *child = add_unit(w, units->items[i]);
        if (!chain)
            name_after(w, child, units->items[i]);
        add_child(root, child->id);
    }
}

bool nodes_make(struct tree *t)
{
    struct job *j = t->job;
    size_t count = count_nodes(t);
    if (count > PLAN_NODES_MAX)
        return job_refuse(j, "too_large",
            arena_printf(t->arena, "the plan has %zu nodes, at most %d are allowed", count, PLAN_NODES_MAX),
            t->arena);
    bool fresh = bytes_equal_text(plan_pair_value(&j->conf, "reuse"), "never");
    struct writer w = {.tree = t,
        .nodes = arena_array(t->arena, count, sizeof(*w.nodes)),
        .reuse = fresh ? BYTES("never") : BYTES("warm"),
        .retry = j->retry.node_attempts > 1 ? j->retry.node_attempts : 1};

    if (t->units.count == 1)
        add_unit(&w, t->units.items[0]);
    else
        add_units(&w, &t->units);
    j->nodes.items = w.nodes;
    j->nodes.count = w.count;
    return true;
}
