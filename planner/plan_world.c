/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_world: see plan_world.h.
 */
#include "planner/plan_world.h"

#include <string.h>

enum { POOL_NAME_MAX = 32 };

bool plan_pool_is_valid(struct bytes pool)
{
    if (pool.len == 0 || pool.len > POOL_NAME_MAX)
        return false;
    for (size_t i = 0; i < pool.len; i++) {
        char c = pool.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

/* The next word of a text, which is shortened by it; empty at its end. */
static struct bytes next_word(struct bytes *text, const char *between)
{
    size_t from = 0;

    while (from < text->len && strchr(between, text->data[from]) != NULL)
        from++;
    size_t to = from;
    while (to < text->len && strchr(between, text->data[to]) == NULL)
        to++;
    struct bytes word = bytes_slice(*text, from, to - from);
    *text = bytes_slice(*text, to, text->len);
    return word;
}

static bool read_pools(struct bytes text, struct arena *a, struct strings *out, struct error *e)
{
    struct bytes name;

    out->items = arena_array(a, PLAN_POOLS_MAX, sizeof(*out->items));
    out->count = 0;
    while ((name = next_word(&text, ", ")).len > 0) {
        if (!plan_pool_is_valid(name))
            return error_set(e, "bad_setting", "pools: '%.*s' is no pool's name: a-z 0-9 -, up to %d",
                BYTES_ARG(name), POOL_NAME_MAX);
        if (out->count == PLAN_POOLS_MAX)
            return error_set(e, "bad_setting", "pools: more than %d", PLAN_POOLS_MAX);
        out->items[out->count++] = arena_copy(a, name);
    }
    return true;
}

/* ---- routes ---- */

struct reading {
    struct plan_rules *rules; /* pools and engines are there */
    struct bytes row;
    struct arena *arena;
    struct error *e;
};

static bool bad(const struct reading *r, const char *what, struct bytes word)
{
    return error_set(r->e, "bad_setting", "routes: '%.*s': '%.*s' %s", BYTES_ARG(bytes_cut(r->row, 200)),
        BYTES_ARG(bytes_cut(word, 100)), what);
}

static bool read_label(const struct reading *r, struct bytes word, struct plan_route *route)
{
    const char *is = word.len > 0 ? memchr(word.data, '=', word.len) : NULL;
    size_t before = is != NULL ? (size_t)(is - word.data) : 0;

    route->label = bytes_slice(word, 0, before);
    if (is == NULL || before + 1 == word.len || !job_key_is_valid(route->label))
        return bad(r, "is not LABEL=VALUE", word);
    route->value = bytes_slice(word, before + 1, word.len);
    return true;
}

static bool read_pool(const struct reading *r, struct bytes name, struct plan_route *route)
{
    bool known = bytes_equal_text(name, POOL_DEFAULT);

    for (size_t i = 0; i < r->rules->pools.count && !known; i++)
        known = bytes_equal(r->rules->pools.items[i], name);
    if (!known)
        return bad(r, "is no pool of the setting pools", name);
    if (route->pool.len > 0)
        return bad(r, "is a second pool", name);
    route->pool = name;
    return true;
}

static bool read_target(const struct reading *r, struct bytes text, struct plan_route *route)
{
    struct strategy_target t;
    bool good = strategy_target_parse(text, BYTES_NONE, &t);
    const struct engine_info *info = engine_list_find(r->rules->engines, t.engine);

    if (!good || info == NULL || t.target.len == 0)
        return bad(r, "is not ENGINE@TARGET of an engine that there is", text);
    if (!engine_info_has_target(info, t.target))
        return bad(r, "is no target of the engine", text);
    for (size_t i = 0; i < route->target_count; i++)
        if (bytes_equal(route->targets[i].engine, t.engine))
            return bad(r, "is a second target of the engine", text);
    struct strategy_target *all = arena_array(r->arena, route->target_count + 1, sizeof(*all));
    if (route->target_count > 0)
        memcpy(all, route->targets, route->target_count * sizeof(*all));
    all[route->target_count++] = t;
    route->targets = all;
    return true;
}

static const struct {
    const char *prefix;
    bool (*read)(const struct reading *r, struct bytes name, struct plan_route *route);
} decisions[] = {{"pool/", read_pool}, {"target/", read_target}};
enum { DECISIONS = sizeof(decisions) / sizeof(decisions[0]) };

static bool read_decision(const struct reading *r, struct bytes word, struct plan_route *route)
{
    for (size_t i = 0; i < DECISIONS; i++) {
        size_t len = strlen(decisions[i].prefix);
        if (bytes_starts_with(word, decisions[i].prefix))
            return decisions[i].read(r, bytes_slice(word, len, word.len), route);
    }
    return bad(r, "is neither pool/NAME nor target/ENGINE@TARGET", word);
}

static bool read_route(const struct reading *r, struct plan_route *route)
{
    static const char spaces[] = " \t\r\n";
    struct bytes rest = r->row, word;

    if (!read_label(r, next_word(&rest, spaces), route))
        return false;
    while ((word = next_word(&rest, spaces)).len > 0)
        if (!read_decision(r, word, route))
            return false;
    return route->pool.len > 0 || route->target_count > 0 ||
           bad(r, "decides nothing: pool/NAME or target/ENGINE@TARGET", r->row);
}

static bool read_routes(struct bytes text, struct reading *r)
{
    struct plan_routes *routes = &r->rules->routes;
    size_t most = 1;

    for (size_t i = 0; i < text.len; i++)
        most += text.data[i] == ';' ? 1 : 0;
    routes->items = arena_array(r->arena, most, sizeof(*routes->items));
    routes->count = 0;
    while ((r->row = next_word(&text, ";")).len > 0) {
        r->row = bytes_trim(r->row);
        if (r->row.len > 0 && !read_route(r, &routes->items[routes->count++]))
            return false;
    }
    return true;
}

bool plan_rules_read(const struct plan_settings *s, const struct engine_list *engines, struct arena *a,
    struct plan_rules *out, struct error *e)
{
    struct reading r = {.rules = out, .arena = a, .e = e};

    out->engines = engines;
    return read_pools(bytes_of(s->pools), a, &out->pools, e) &&
           read_routes(arena_copy(a, bytes_of(s->routes)), &r);
}

bool plan_world_open(struct plan_world *w, const struct plan_settings *s, const struct engine_list *engines,
    int64_t derived_max_bytes, struct error *e)
{
    *w = (struct plan_world){.rules = {.derived_max_bytes = derived_max_bytes}};
    arena_init(&w->arena);
    if (plan_rules_read(s, engines, &w->arena, &w->rules, e))
        return true;
    plan_world_release(w);
    return false;
}

void plan_world_release(struct plan_world *w)
{
    arena_release(&w->arena);
    *w = (struct plan_world){.rules = {.derived_max_bytes = 0}};
}
