/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: see plan.h.
 */
#include "planner/plan.h"

#include <string.h>

enum { POOL_NAME_MAX = 32, SHOWN_MAX = 80 };

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

static struct bytes pair_value(const struct pairs *pairs, const char *key)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (bytes_equal_text(pairs->items[i].key, key))
            return pairs->items[i].value;
    }
    return BYTES_NONE;
}

static bool pool_exists(const struct plan_rules *rules, struct bytes pool)
{
    if (bytes_equal_text(pool, POOL_DEFAULT))
        return true;
    for (size_t i = 0; i < rules->pools.count; i++) {
        if (bytes_equal(rules->pools.items[i], pool))
            return true;
    }
    return false;
}

static void refuse(struct job *j, const char *code, struct bytes message, struct arena *a)
{
    const struct error_code *row = job_error_code(code);
    struct job_error *error = arena_alloc(a, sizeof(*error));

    MUST(row != NULL);
    *error = (struct job_error){
        .code = bytes_of(code), .class = row->class, .message = message, .statement = NO_INT, .line = NO_INT};
    j->error = error;
    j->nodes.count = 0;
}

void plan_refuse_size(const struct plan_rules *rules, struct job *j, size_t bytes, struct arena *a)
{
    refuse(j, "too_large",
        arena_printf(a, "the planned job has %zu bytes, at most %lld are allowed", bytes,
            (long long)rules->derived_max_bytes),
        a);
    j->code = BYTES("");
    j->statements.count = 0;
    j->variables = j->conf = j->labels = j->source = (struct pairs){NULL, 0};
}

/* The pool by label `pool`; false: there is none of this name, and the job is refused. */
static bool choose_pool(const struct plan_rules *rules, struct job *j, struct arena *a)
{
    struct bytes pool = pair_value(&j->labels, "pool");

    j->pool = BYTES(POOL_DEFAULT);
    if (pool.len == 0)
        return true;
    if (pool_exists(rules, pool)) {
        j->pool = pool;
        return true;
    }
    if (j->error == NULL)
        refuse(j, "unknown_pool",
            arena_printf(a, "labels.pool: no executors serve a pool '%.*s'",
                BYTES_ARG(bytes_slice(pool, 0, SHOWN_MAX))),
            a);
    return false;
}

static void fill_leaf(const struct job *j, const struct job_statement *s, struct job_node *node)
{
    node->kind = BYTES("exec");
    node->engine = j->engine;
    node->target = j->target;
    node->code_type = j->code_type;
    node->statement = s->index;
    node->reuse = bytes_equal_text(pair_value(&j->conf, "reuse"), "never") ? BYTES("never") : BYTES("warm");
    node->retry = 1;
}

/* All statements with what stands between them. */
static struct bytes join(const struct job *j, struct arena *a)
{
    size_t at = (size_t)j->statements.items[0].offset;
    struct buf all;

    buf_init(&all);
    for (size_t i = 0; i < j->statements.count; i++) {
        const struct job_statement *s = &j->statements.items[i];
        size_t offset = (size_t)s->offset;
        buf_add_bytes(&all, bytes_slice(j->code, at, offset > at ? offset - at : 0));
        buf_add_bytes(&all, job_statement_text(j, s));
        at = (size_t)(s->offset + s->length);
    }
    struct bytes joined = arena_copy(a, buf_bytes(&all));
    buf_release(&all);
    return joined;
}

/* The statements are one session's, in one node; with conf `session: statement` each is a node of its own, resumed by itself. */
static void make_nodes(struct job *j, struct arena *a)
{
    bool apart = bytes_equal_text(pair_value(&j->conf, "session"), "statement");
    size_t leaves = apart ? j->statements.count : 1;
    size_t inner = leaves > 1 ? 1 : 0;
    struct job_node *nodes = arena_array(a, leaves + inner, sizeof(*nodes));
    struct bytes *children = arena_array(a, leaves, sizeof(*children));

    for (size_t i = 0; i < leaves + inner; i++)
        nodes[i] = (struct job_node){.id = arena_printf(a, "n%zu", i + 1), .statement = NO_INT};
    for (size_t i = 0; i < leaves; i++) {
        fill_leaf(j, &j->statements.items[i], &nodes[i + inner]);
        children[i] = nodes[i + inner].id;
    }
    if (!apart && j->statements.count > 1)
        nodes[0].code = join(j, a);
    if (inner > 0) {
        nodes[0].kind = BYTES("sequence");
        nodes[0].children = (struct strings){children, leaves};
    }
    j->nodes.items = nodes;
    j->nodes.count = leaves + inner;
}

bool plan_job(const struct plan_rules *rules, struct job *j, struct arena *a)
{
    bool pool_known = choose_pool(rules, j, a);

    j->nodes.count = 0;
    j->cache = NULL;
    if (j->error != NULL || !pool_known)
        return false;
    if (j->statements.count == 0) {
        refuse(j, "plan_error", BYTES("the job has no statements"), a);
        return false;
    }
    make_nodes(j, a);
    return true;
}
