/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree: see tree.h. The converter has checked parts and strategies already; records of other writers are refused here, with what is
 * wrong. Every step is linear in the record, but for the search of ids, which is a sort.
 */
#include "planner/tree.h"

#include <stdlib.h>
#include <string.h>

/* ---- where a unit may run ---- */

static bool check_strategy(const struct tree *t, const struct job_strategy *s, struct bytes engine)
{
    struct field_problems *problems = arena_alloc(t->arena, sizeof(*problems));

    problems->count = 0;
    if (strategy_check(s, BYTES("strategy"), engine, t->arena, problems))
        return true;
    const struct field_problem *first = &problems->items[0];
    return job_refuse(t->job, first->code,
        arena_printf(t->arena, "%.*s: %.*s", BYTES_ARG(first->field), BYTES_ARG(first->detail)), t->arena);
}

static bool add_places(
    const struct tree *t, struct unit *u, const struct job_strategy *s, struct strategy_target own)
{
    if (s != NULL && !check_strategy(t, s, own.engine))
        return false;
    size_t count = s != NULL ? s->targets.count : 0;
    u->place_count = count > 0 ? count : 1;
    u->places = arena_array(t->arena, u->place_count, sizeof(*u->places));
    u->places[0] = own;
    for (size_t i = 0; i < count; i++)
        (void)strategy_target_parse(s->targets.items[i], own.engine, &u->places[i]); /* checked above */
    u->strategy = s != NULL ? s->kind : BYTES_NONE;
    u->asked = count > 0 || own.target.len > 0;
    return true;
}

/* ---- units ---- */

static struct unit *add_unit(struct tree *t)
{
    struct unit *u = arena_alloc(t->arena, sizeof(*u));

    u->number = t->units.count;
    t->units.items[t->units.count++] = u;
    return u;
}

static bool make_whole(struct tree *t)
{
    struct job *j = t->job;

    t->units.items = arena_array(t->arena, 1, sizeof(*t->units.items));
    struct unit *u = add_unit(t);
    u->code_type = j->code_type;
    u->code = j->code;
    u->statements = j->statements.items;
    u->count = j->statements.count;
    return add_places(t, u, j->strategy, (struct strategy_target){j->engine, j->target});
}

static struct bytes default_code_type(const struct tree *t, struct bytes engine)
{
    const struct engine_info *info = engine_list_find(t->rules->engines, engine);

    return info != NULL ? bytes_of(info->code_types[0]) : BYTES("");
}

/* What the part does not say is the job's, as far as it is about the same engine. */
static bool fill_part(struct tree *t, struct unit *u, const struct job_part *p)
{
    const struct job *j = t->job;
    struct strategy_target own = {p->engine.len > 0 ? p->engine : j->engine, p->target};
    bool same = bytes_equal(own.engine, j->engine);

    if (own.target.len == 0 && same)
        own.target = j->target;
    u->name = p->id;
    u->code_type = p->code_type;
    if (u->code_type.len == 0)
        u->code_type = same && j->code_type.len > 0 ? j->code_type : default_code_type(t, own.engine);
    u->own_code = p->code.len > 0;
    u->code = u->own_code ? p->code : j->code;
    return add_places(t, u, p->strategy != NULL ? p->strategy : j->strategy, own);
}

/* Of what a unit has, with numbers that lie in its code: sums of them are safe then. */
static bool check_statements(const struct tree *t, const struct unit *u)
{
    int64_t len = (int64_t)u->code.len;

    for (size_t i = 0; i < u->count; i++) {
        const struct job_statement *s = &u->statements[i];
        if (s->offset < 0 || s->offset > len || s->length < 0 || s->length > len - s->offset)
            return job_refuse(t->job, "plan_error",
                arena_printf(t->arena, "statement %lld does not lie in the code", (long long)s->index),
                t->arena);
    }
    return true;
}

/* ---- names of units ---- */

static int by_name(const void *a, const void *b)
{
    const struct unit *const *x = a;
    const struct unit *const *y = b;

    return bytes_compare((*x)->name, (*y)->name);
}

static int name_with_unit(const void *name, const void *unit)
{
    const struct bytes *x = name;
    const struct unit *const *y = unit;

    return bytes_compare(*x, (*y)->name);
}

/* Sorted by name; each name once. */
static bool sort_names(const struct tree *t, struct units *out)
{
    *out = (struct units){arena_array(t->arena, t->units.count, sizeof(*out->items)), t->units.count};
    memcpy(out->items, t->units.items, out->count * sizeof(*out->items));
    qsort(out->items, out->count, sizeof(*out->items), by_name);
    for (size_t i = 1; i < out->count; i++) {
        struct bytes name = out->items[i]->name;
        if (bytes_equal(name, out->items[i - 1]->name))
            return job_refuse(t->job, "bad_parts",
                arena_printf(t->arena, "the id '%.*s' is there twice", BYTES_ARG(plan_shown(name))),
                t->arena);
    }
    return true;
}

static struct unit *find_unit(const struct units *names, struct bytes name)
{
    struct unit **found = bsearch(&name, names->items, names->count, sizeof(*names->items), name_with_unit);

    return found != NULL ? *found : NULL;
}

/* ---- what stands in a unit, and what it waits for ---- */

/* The statements of a part lie together. */
static bool take_statements(struct tree *t, const struct units *names)
{
    struct unit *open = NULL;

    for (size_t i = 0; i < t->job->statements.count; i++) {
        const struct job_statement *s = &t->job->statements.items[i];
        struct unit *u = open != NULL && bytes_equal(open->name, s->part) ? open : find_unit(names, s->part);
        if (u == NULL || (u != open && u->count > 0))
            return job_refuse(t->job, "bad_parts",
                arena_printf(t->arena, "statement %zu is of part '%.*s', which %s", i,
                    BYTES_ARG(plan_shown(s->part)),
                    u == NULL ? "there is none of" : "has others that don't lie beside it"),
                t->arena);
        if (u != open)
            u->statements = s;
        u->count++;
        open = u;
    }
    return true;
}

static bool take_after(struct tree *t, struct unit *u, const struct job_part *p, const struct units *names)
{
    u->after.items = arena_array(t->arena, p->after.count, sizeof(*u->after.items));
    for (size_t i = 0; i < p->after.count; i++) {
        struct unit *other = find_unit(names, p->after.items[i]);
        if (other == NULL)
            return job_refuse(t->job, "bad_parts",
                arena_printf(t->arena, "part '%.*s' is after '%.*s', which there is none of",
                    BYTES_ARG(plan_shown(u->name)), BYTES_ARG(plan_shown(p->after.items[i]))),
                t->arena);
        if (other->mark != u->number + 1)
            u->after.items[u->after.count++] = other;
        other->mark = u->number + 1;
    }
    return true;
}

/* ---- the order ---- */

enum { NEW, OPEN, DONE };

struct walk {
    struct units stack, done;
    size_t *next; /* of each unit: which of those it waits for is looked at next */
};

/* Each behind those that it waits for, depth first. False: u is in a circle. */
static bool visit(struct walk *w, struct unit *u, struct unit **circle)
{
    w->stack.items[w->stack.count++] = u;
    u->mark = OPEN;
    while (w->stack.count > 0) {
        struct unit *top = w->stack.items[w->stack.count - 1];
        if (w->next[top->number] == top->after.count) {
            top->mark = DONE;
            w->done.items[w->done.count++] = top;
            w->stack.count--;
            continue;
        }
        struct unit *other = top->after.items[w->next[top->number]++];
        if (other->mark == OPEN) {
            *circle = other;
            return false;
        }
        if (other->mark == NEW) {
            other->mark = OPEN;
            w->stack.items[w->stack.count++] = other;
        }
    }
    return true;
}

static void number_units(struct tree *t)
{
    for (size_t i = 0; i < t->units.count; i++) {
        t->units.items[i]->number = i;
        t->units.items[i]->mark = 0;
    }
}

static bool sort_units(struct tree *t)
{
    size_t count = t->units.count;
    struct walk w = {{arena_array(t->arena, count, sizeof(struct unit *)), 0},
        {arena_array(t->arena, count, sizeof(struct unit *)), 0},
        arena_array(t->arena, count, sizeof(size_t))};
    struct unit *circle = NULL;

    number_units(t);
    for (size_t i = 0; i < count; i++) {
        struct unit *u = t->units.items[i];
        if (u->mark == NEW && !visit(&w, u, &circle))
            return job_refuse(t->job, "bad_parts",
                arena_printf(t->arena, "part '%.*s' waits for itself, by way of those that it is after",
                    BYTES_ARG(plan_shown(circle->name))),
                t->arena);
    }
    t->units = w.done;
    number_units(t);
    return true;
}

static bool make_parts(struct tree *t)
{
    struct job *j = t->job;
    struct units names;

    if (j->parts.count > JOB_PARTS_MAX)
        return job_refuse(
            j, "too_many", arena_printf(t->arena, "parts: at most %d", JOB_PARTS_MAX), t->arena);
    t->units.items = arena_array(t->arena, j->parts.count, sizeof(*t->units.items));
    for (size_t i = 0; i < j->parts.count; i++)
        if (!fill_part(t, add_unit(t), &j->parts.items[i]))
            return false;
    if (!sort_names(t, &names) || !take_statements(t, &names))
        return false;
    for (size_t i = 0; i < j->parts.count; i++)
        if (!take_after(t, t->units.items[i], &j->parts.items[i], &names))
            return false;
    return sort_units(t);
}

bool tree_make(struct tree *t)
{
    t->units = (struct units){NULL, 0};
    t->apart = bytes_equal_text(plan_pair_value(&t->job->conf, "session"), "statement");
    if (!(t->job->parts.count == 0 ? make_whole(t) : make_parts(t)))
        return false;
    for (size_t i = 0; i < t->units.count; i++)
        if (!check_statements(t, t->units.items[i]))
            return false;
    return true;
}

/* ---- for the passes ---- */

static void settle_list(struct tree *t, struct units *list, size_t mark)
{
    struct units found = {NULL, 0};
    size_t most = 0;

    for (size_t i = 0; i < list->count; i++)
        most += list->items[i]->gone ? list->items[i]->instead.count : 1;
    found.items = arena_array(t->arena, most, sizeof(*found.items));
    for (size_t i = 0; i < list->count; i++) {
        struct unit *one = list->items[i];
        const struct units these = one->gone ? one->instead : (struct units){&one, 1};
        for (size_t k = 0; k < these.count; k++) {
            if (these.items[k]->mark != mark)
                found.items[found.count++] = these.items[k];
            these.items[k]->mark = mark;
        }
    }
    *list = found;
}

/* In order, so that the lists of those before hold nothing that is gone. */
void tree_settle(struct tree *t)
{
    size_t left = 0;

    number_units(t);
    for (size_t i = 0; i < t->units.count; i++) {
        struct unit *u = t->units.items[i];
        settle_list(t, u->gone ? &u->instead : &u->after, i + 1);
    }
    for (size_t i = 0; i < t->units.count; i++)
        if (!t->units.items[i]->gone)
            t->units.items[left++] = t->units.items[i];
    t->units.count = left;
    number_units(t);
}

struct bytes unit_statement_text(const struct unit *u, const struct job_statement *s)
{
    if (s->text.data != NULL)
        return s->text;
    return bytes_slice(u->code, (size_t)s->offset, (size_t)s->length);
}

struct bytes plan_pair_value(const struct pairs *pairs, const char *key)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (bytes_equal_text(pairs->items[i].key, key))
            return pairs->items[i].value;
    }
    return BYTES_NONE;
}

struct bytes plan_shown(struct bytes text)
{
    enum { SHOWN_MAX = 80 };

    return bytes_cut(text, SHOWN_MAX);
}
