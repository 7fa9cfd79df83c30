/* SPDX-License-Identifier: Apache-2.0 */
/* strategy: see the header. */
#include "core/strategy.h"

#include <string.h>

#define SHOWN_MAX 80

static const struct {
    const char *kind;
    size_t least, most; /* targets */
} kinds[] = {
    {"single", 0, 1},
    {"race", 1, STRATEGY_TARGETS_MAX},
    {"all", 1, STRATEGY_TARGETS_MAX},
    {"fallback", 1, STRATEGY_TARGETS_MAX},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* KINDS: there is no such kind. */
static size_t find_kind(struct bytes kind)
{
    size_t i = 0;
    while (i < KINDS && !bytes_equal_text(kind, kinds[i].kind))
        i++;
    return i;
}

bool strategy_kind_is_known(struct bytes kind)
{
    return find_kind(kind) < KINDS;
}

bool strategy_is_single(const struct job_strategy *s)
{
    return !s || bytes_equal_text(s->kind, kinds[0].kind);
}

bool strategy_target_parse(struct bytes text, struct bytes engine, struct strategy_target *out)
{
    const char *at = text.len ? memchr(text.data, '@', text.len) : NULL;

    *out = (struct strategy_target){engine, text};
    if (!at)
        return job_name_is_valid(text);
    out->engine = bytes_slice(text, 0, (size_t)(at - text.data));
    out->target = bytes_slice(text, out->engine.len + 1, text.len);
    if (out->target.len == 0)
        out->target = BYTES_NONE;
    return job_name_is_valid(out->engine) && (out->target.len == 0 || job_name_is_valid(out->target));
}

struct bytes strategy_target_text(struct bytes engine, struct bytes target, struct arena *a)
{
    if (target.len == 0)
        return engine;
    return arena_printf(a, "%.*s@%.*s", BYTES_ARG(engine), BYTES_ARG(target));
}

static bool is_there(
    const struct job_strategy *s, size_t before, struct bytes engine, struct strategy_target t)
{
    struct strategy_target other;

    for (size_t i = 0; i < before; i++)
        if (strategy_target_parse(s->targets.items[i], engine, &other) &&
            bytes_equal(other.engine, t.engine) && other.target.len == t.target.len &&
            (t.target.len == 0 || bytes_equal(other.target, t.target)))
            return true;
    return false;
}

static struct bytes bad_count(size_t kind, size_t count, struct arena *a)
{
    if (kinds[kind].least == 0)
        return arena_printf(a, "%s takes at most one target, not %zu", kinds[kind].kind, count);
    return arena_printf(a, "%s takes %zu to %zu targets, not %zu", kinds[kind].kind, kinds[kind].least,
        kinds[kind].most, count);
}

bool strategy_check(const struct job_strategy *s, struct bytes field, struct bytes engine, struct arena *a,
    struct field_problems *problems)
{
    size_t kind = find_kind(s->kind);
    bool ok = true;

    if (kind == KINDS)
        return field_problems_add(problems, arena_printf(a, "%.*s.kind", BYTES_ARG(field)), "bad_value",
            BYTES("single, race, all or fallback"));
    if (s->targets.count < kinds[kind].least || s->targets.count > kinds[kind].most)
        return field_problems_add(problems, arena_printf(a, "%.*s.targets", BYTES_ARG(field)), "bad_value",
            bad_count(kind, s->targets.count, a));
    for (size_t i = 0; i < s->targets.count; i++) {
        struct bytes path = arena_printf(a, "%.*s.targets[%zu]", BYTES_ARG(field), i);
        struct bytes text = s->targets.items[i];
        struct strategy_target target;
        if (!strategy_target_parse(text, engine, &target))
            ok = field_problems_add(problems, path, "bad_value",
                BYTES("a target of the engine, or engine@target, each a name of A-Z a-z 0-9 . _ @ -"));
        else if (is_there(s, i, engine, target))
            ok = field_problems_add(problems, path, "bad_value",
                arena_printf(a, "'%.*s' is there twice", BYTES_ARG(bytes_cut(text, SHOWN_MAX))));
    }
    return ok;
}
