/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part_graph: see part_graph.h. Ids are found by binary search in a sorted table. Parts that wait for nothing are taken away, and so on;
 * what is left over waits for itself.
 */
#include "converter/part_graph.h"

#include <stdlib.h>

#include "core/error.h"

enum { SHOWN_MAX = 80, CYCLE_SHOWN = 10 };

struct named {
    struct bytes id;
    size_t part;
};

struct graph {
    const struct job_part *parts;
    size_t count;
    struct named *names; /* sorted; of one id the first part first */
    size_t *edges;       /* the parts that each waits for, one part behind the other */
    size_t *first;       /* where those of a part begin; [count]: how many there are */
    struct arena *arena;
    part_graph_tell *tell;
    void *self;
    size_t told;
};

static void tell(struct graph *g, size_t part, size_t after, const char *code, struct bytes detail)
{
    g->told++;
    g->tell(g->self, part, after, code, detail);
}

/* ---- ids ---- */

static int compare(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    int order = bytes_compare(left->id, right->id);

    return order != 0 ? order : (left->part > right->part) - (left->part < right->part);
}

static void check_ids(struct graph *g)
{
    for (size_t i = 0; i < g->count; i++) {
        struct bytes id = g->parts[i].id;
        g->names[i] = (struct named){id, i};
        if (!job_part_id_is_valid(id) && g->told < SHAPE_PROBLEMS_MAX)
            tell(g, i, PART_GRAPH_ID, "bad_name", BYTES("1 to 64 characters of A-Z a-z 0-9 . _ -"));
    }
    qsort(g->names, g->count, sizeof(*g->names), compare);
    for (size_t i = 1; i < g->count && g->told < SHAPE_PROBLEMS_MAX; i++) {
        if (bytes_equal(g->names[i].id, g->names[i - 1].id) && job_part_id_is_valid(g->names[i].id))
            tell(g, g->names[i].part, PART_GRAPH_ID, "bad_parts",
                arena_printf(g->arena, "another part has the id '%.*s'", BYTES_ARG(g->names[i].id)));
    }
}

/* SIZE_MAX: there is none. */
static size_t find_part(const struct graph *g, struct bytes id)
{
    size_t from = 0, to = g->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (bytes_compare(g->names[middle].id, id) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from < g->count && bytes_equal(g->names[from].id, id) ? g->names[from].part : SIZE_MAX;
}

/* ---- what waits for what ---- */

static void check_after(struct graph *g)
{
    size_t total = 0;
    size_t *last; /* that named this part, and 1 */

    for (size_t i = 0; i < g->count; i++)
        total += g->parts[i].after.count;
    g->edges = arena_array(g->arena, total + 1, sizeof(*g->edges));
    g->first = arena_array(g->arena, g->count + 1, sizeof(*g->first));
    last = arena_array(g->arena, g->count + 1, sizeof(*last));
    total = 0;
    for (size_t i = 0; i < g->count && g->told < SHAPE_PROBLEMS_MAX; i++) {
        const struct strings *after = &g->parts[i].after;
        g->first[i] = total;
        for (size_t k = 0; k < after->count && g->told < SHAPE_PROBLEMS_MAX; k++) {
            struct bytes id = bytes_cut(after->items[k], SHOWN_MAX);
            size_t part = find_part(g, after->items[k]);
            if (part == SIZE_MAX) {
                tell(g, i, k, "bad_parts", arena_printf(g->arena, "there is no part '%.*s'", BYTES_ARG(id)));
            } else if (last[part] == i + 1) {
                tell(g, i, k, "bad_parts", arena_printf(g->arena, "'%.*s' is there twice", BYTES_ARG(id)));
            } else {
                last[part] = i + 1;
                g->edges[total++] = part;
            }
        }
    }
    g->first[g->count] = total;
}

/* ---- circles ---- */

/* How many others each waits for that are left, when all were taken away that can be. 0: it was taken away. */
static size_t *take_away(const struct graph *g, size_t *left)
{
    size_t total = g->first[g->count], ready = 0, done = 0;
    size_t *waits = arena_array(g->arena, g->count + 1, sizeof(*waits));
    size_t *queue = arena_array(g->arena, g->count + 1, sizeof(*queue));
    size_t *begin = arena_array(g->arena, g->count + 2, sizeof(*begin)); /* of those that wait for a part */
    size_t *waiting = arena_array(g->arena, total + 1, sizeof(*waiting));

    for (size_t e = 0; e < total; e++)
        begin[g->edges[e] + 2]++;
    for (size_t i = 2; i < g->count + 2; i++)
        begin[i] += begin[i - 1];
    for (size_t i = 0; i < g->count; i++) {
        waits[i] = g->first[i + 1] - g->first[i];
        for (size_t e = g->first[i]; e < g->first[i + 1]; e++)
            waiting[begin[g->edges[e] + 1]++] = i;
        if (waits[i] == 0)
            queue[ready++] = i;
    }
    for (; done < ready; done++) {
        size_t part = queue[done];
        for (size_t k = begin[part]; k < begin[part + 1]; k++) {
            if (--waits[waiting[k]] == 0)
                queue[ready++] = waiting[k];
        }
    }
    *left = g->count - done;
    return waits;
}

/* The first of those that a part waits for which is left; each that is left has one. */
static size_t next_left(const struct graph *g, const size_t *waits, size_t part)
{
    for (size_t e = g->first[part]; e < g->first[part + 1]; e++)
        if (waits[g->edges[e]] > 0)
            return g->edges[e];
    error_bug(__FILE__, __LINE__, "a part that is left waits for none that is");
}

static void check_circles(struct graph *g)
{
    size_t left, part = 0, least, shown = 0;
    const size_t *waits = take_away(g, &left);
    struct bytes names;

    if (left == 0)
        return;
    while (waits[part] == 0)
        part++;
    /* Going on from part to part for so long ends in a circle. It is told from its first part on. */
    for (size_t i = 0; i < left; i++)
        part = next_left(g, waits, part);
    least = part;
    for (size_t at = next_left(g, waits, part); at != part; at = next_left(g, waits, at))
        least = at < least ? at : least;
    names = g->parts[least].id;
    for (size_t at = next_left(g, waits, least); at != least; at = next_left(g, waits, at)) {
        if (++shown <= CYCLE_SHOWN)
            names = arena_printf(g->arena, "%.*s after %.*s", BYTES_ARG(names), BYTES_ARG(g->parts[at].id));
    }
    tell(g, least, PART_GRAPH_CIRCLE, "bad_parts",
        arena_printf(g->arena, "parts wait for each other: %.*s%s after %.*s", BYTES_ARG(names),
            shown > CYCLE_SHOWN ? " after ..." : "", BYTES_ARG(g->parts[least].id)));
}

bool part_graph_check(
    const struct job_part *parts, size_t count, struct arena *a, part_graph_tell *tell_, void *self)
{
    struct graph g = {.parts = parts, .count = count, .arena = a, .tell = tell_, .self = self};

    MUST(count <= JOB_PARTS_MAX);
    if (count == 0)
        return true;
    g.names = arena_array(a, count, sizeof(*g.names));
    check_ids(&g);
    check_after(&g);
    if (g.told == 0)
        check_circles(&g);
    return g.told == 0;
}

/* ---- as fields ---- */

struct fields {
    struct arena *arena;
    struct field_problems *problems;
};

static void tell_field(void *self, size_t part, size_t after, const char *code, struct bytes detail)
{
    struct fields *f = self;
    struct bytes field;

    if (after == PART_GRAPH_ID)
        field = arena_printf(f->arena, "parts[%zu].id", part);
    else if (after == PART_GRAPH_CIRCLE)
        field = arena_printf(f->arena, "parts[%zu].after", part);
    else
        field = arena_printf(f->arena, "parts[%zu].after[%zu]", part, after);

    field_problems_add(f->problems, field, code, detail);
}

bool part_graph_check_fields(
    const struct job_part *parts, size_t count, struct arena *a, struct field_problems *problems)
{
    struct fields f = {a, problems};

    if (count <= JOB_PARTS_MAX)
        return part_graph_check(parts, count, a, tell_field, &f);
    return field_problems_add(
        problems, BYTES("parts"), "too_many", arena_printf(a, "at most %d parts", JOB_PARTS_MAX));
}
