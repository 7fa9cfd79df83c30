/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passes: see passes.h. Those that look at labels are in route.c, that of cached results in cache.c.
 */
#include "planner/passes.h"

#include <string.h>

#include "planner/cache.h"
#include "planner/route.h"

/* ---- drop_empty ---- */

static bool is_blank(const struct unit *u, const struct job_statement *s)
{
    return bytes_trim(unit_statement_text(u, s)).len == 0;
}

static size_t count_blank(const struct unit *u)
{
    size_t blank = 0;

    for (size_t i = 0; i < u->count; i++)
        blank += is_blank(u, &u->statements[i]) ? 1 : 0;
    return blank;
}

/* Only where each is a node: between those of one session what stands there is kept. */
static void drop_blank(struct tree *t, struct unit *u, size_t left)
{
    struct job_statement *kept = arena_array(t->arena, left, sizeof(*kept));
    size_t count = 0;

    for (size_t i = 0; i < u->count; i++)
        if (!is_blank(u, &u->statements[i]))
            kept[count++] = u->statements[i];
    u->statements = kept;
    u->count = count;
}

static bool is_all_blank(const struct tree *t)
{
    for (size_t i = 0; i < t->units.count; i++)
        if (count_blank(t->units.items[i]) < t->units.items[i]->count)
            return false;
    return true;
}

/* Where all there is is blank, what an engine makes of it is its own affair. */
static bool drop_empty(struct tree *t)
{
    bool keep_blank = is_all_blank(t), gone = false;

    for (size_t i = 0; i < t->units.count; i++) {
        struct unit *u = t->units.items[i];
        size_t blank = keep_blank ? 0 : count_blank(u);
        if (blank == u->count) {
            u->gone = gone = true;
            u->instead = u->after;
        } else if (blank > 0 && t->apart) {
            drop_blank(t, u, u->count - blank);
        }
    }
    if (gone)
        tree_settle(t);
    return true;
}

/* ---- pick_target ---- */

static bool is_named_before(const struct unit *u, size_t count, const struct strategy_target *place)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(u->places[i].engine, place->engine) &&
            bytes_equal(u->places[i].target, place->target))
            return true;
    return false;
}

static void pick(const struct tree *t, struct strategy_target *place)
{
    const struct engine_info *info =
        place->target.len > 0 ? engine_list_find(t->rules->engines, place->engine) : NULL;
    struct bytes member = info != NULL ? engine_info_pick(info, place->target, t->job->job_id) : BYTES_NONE;

    if (member.data != NULL)
        place->target = member;
}

/* A member may be among a strategy's targets by itself: once is enough. */
static bool pick_target(struct tree *t)
{
    for (size_t i = 0; i < t->units.count; i++) {
        struct unit *u = t->units.items[i];
        size_t kept = 0;
        for (size_t k = 0; k < u->place_count; k++) {
            struct strategy_target place = u->places[k];
            pick(t, &place);
            if (!is_named_before(u, kept, &place))
                u->places[kept++] = place;
        }
        u->place_count = kept;
    }
    return true;
}

/* ---- drop_implied ---- */

typedef uint64_t word;
enum { WORD_BITS = 64 };

static bool has_bit(const word *set, size_t bit)
{
    return (set[bit / WORD_BITS] >> (bit % WORD_BITS) & 1) != 0;
}

/* Those that u waits for, the last of the order first: what one of them waits for need not be said again. */
static void keep_direct(struct unit *u, struct unit *const *by_number, word *before, size_t words)
{
    word *own = before + u->number * words;
    struct units direct = {u->after.items, 0};

    for (size_t i = 0; i < u->after.count; i++)
        u->after.items[i]->mark = u->number + 1;
    for (size_t n = u->number; n > 0; n--) {
        struct unit *other = by_number[n - 1];
        if (other->mark != u->number + 1)
            continue;
        other->mark = 0;
        if (has_bit(own, other->number))
            continue;
        own[other->number / WORD_BITS] |= (word)1 << (other->number % WORD_BITS);
        for (size_t w = 0; w < words; w++)
            own[w] |= before[other->number * words + w];
        direct.items[direct.count++] = other;
    }
    for (size_t i = 0; i < direct.count / 2; i++) {
        struct unit *first = direct.items[i];
        direct.items[i] = direct.items[direct.count - 1 - i];
        direct.items[direct.count - 1 - i] = first;
    }
    u->after = direct;
}

static bool drop_implied(struct tree *t)
{
    size_t words = (t->units.count + WORD_BITS - 1) / WORD_BITS;
    bool needed = false;

    for (size_t i = 0; i < t->units.count; i++)
        needed = needed || t->units.items[i]->after.count > 1;
    if (!needed)
        return true;
    word *before = arena_array(t->arena, t->units.count * words, sizeof(*before));
    for (size_t i = 0; i < t->units.count; i++)
        t->units.items[i]->mark = 0;
    for (size_t i = 0; i < t->units.count; i++)
        keep_direct(t->units.items[i], t->units.items, before, words);
    return true;
}

/* ---- merge_sessions ---- */

static bool is_one_place(const struct unit *a, const struct unit *b)
{
    return a->place_count == 1 && b->place_count == 1 &&
           bytes_equal(a->places[0].engine, b->places[0].engine) &&
           bytes_equal(a->places[0].target, b->places[0].target) && bytes_equal(a->code_type, b->code_type);
}

/* b is all that waits for a, a is all that b waits for, and b's statements are the next of the same text. */
static bool may_be_one_session(const struct unit *a, const struct unit *b)
{
    return b->after.count == 1 && a->mark == 1 && is_one_place(a, b) && !a->own_code && !b->own_code &&
           a->statements + a->count == b->statements;
}

/* The unit that stands for it now. */
static struct unit *head_of(struct unit *u)
{
    while (u->gone)
        u = u->instead.items[0];
    return u;
}

/* "a+b+c", once all are known: name by name, a thousand parts would take memory by the square of them. */
static void join_names(struct tree *t)
{
    struct buf *names = arena_array(t->arena, t->units.count, sizeof(*names)); /* by number; of heads */

    for (size_t i = 0; i < t->units.count; i++)
        buf_init(&names[i]);
    for (size_t i = 0; i < t->units.count; i++) {
        struct buf *name = &names[head_of(t->units.items[i])->number];
        if (name->len > 0)
            buf_add_char(name, '+');
        buf_add_bytes(name, t->units.items[i]->name);
    }
    for (size_t i = 0; i < t->units.count; i++) {
        struct unit *u = t->units.items[i];
        if (names[u->number].len > u->name.len)
            u->name = arena_copy(t->arena, buf_bytes(&names[u->number]));
        buf_release(&names[u->number]);
    }
}

/* A node that is tried again by itself, or statements that are nodes, would lose by it. */
static bool merge_sessions(struct tree *t)
{
    bool merged = false;

    if (t->units.count < 2 || t->apart || t->job->retry.node_attempts > 1)
        return true;
    for (size_t i = 0; i < t->units.count; i++)
        t->units.items[i]->mark = 0; /* how many wait for it */
    for (size_t i = 0; i < t->units.count; i++)
        for (size_t k = 0; k < t->units.items[i]->after.count; k++)
            t->units.items[i]->after.items[k]->mark++;
    for (size_t i = 0; i < t->units.count; i++) {
        struct unit *b = t->units.items[i];
        struct unit *a = b->after.count == 1 ? head_of(b->after.items[0]) : NULL;
        if (a == NULL || !may_be_one_session(a, b))
            continue;
        a->count += b->count;
        a->mark = b->mark;
        b->gone = merged = true;
        b->instead = (struct units){arena_array(t->arena, 1, sizeof(struct unit *)), 1};
        b->instead.items[0] = a;
    }
    if (merged) {
        join_names(t);
        tree_settle(t);
    }
    return true;
}

/* ---- the table ---- */

static const struct {
    struct plan_pass shown;
    bool (*run)(struct tree *t);
} passes[] = {
    {{"drop_empty",
         "parts and nodes without anything to run are taken out, where something is left; who waits for one "
         "waits for those that it waits for"},
        drop_empty},
    {{"route", "a part that names no target gets that of the label `target`, or of the setting `routes`"},
        route_targets},
    {{"use_cache",
         "a job with the label `cache` gets the key under which an earlier result of the same may serve"},
        use_cache},
    {{"pick_target", "where the target is a group of equals, one of them is picked, by weight; a strategy "
                     "uses each target "
                     "once"},
        pick_target},
    {{"drop_implied", "a part that waits for a and b, where b waits for a, waits for b alone"}, drop_implied},
    {{"merge_sessions",
         "parts of one text that follow each other on the same engine and target run in one session"},
        merge_sessions},
};
enum { PASSES = sizeof(passes) / sizeof(passes[0]) };

const struct plan_pass *plan_pass_at(size_t index)
{
    return index < PASSES ? &passes[index].shown : NULL;
}

bool passes_run(struct tree *t)
{
    for (size_t i = 0; i < PASSES; i++)
        if (!passes[i].run(t))
            return false;
    return true;
}
