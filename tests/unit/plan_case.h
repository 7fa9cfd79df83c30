/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_case: what tests of the planner share: engines with targets, jobs from a few words, and a plan as one line of text.
 *
 * A leaf is written [part:]engine[@target]#statement[=code], an inner node kind(child child), a node that comes after others ...<n2,n3>.
 */
#ifndef MILLRACE_TESTS_PLAN_CASE_H
#define MILLRACE_TESTS_PLAN_CASE_H

#include <stdio.h>
#include <string.h>

#include "planner/plan.h"
#include "tests/unit/engines_folder.h"

struct plan_case {
    struct engines_folder folder;
    struct engine_list *engines;
};

static struct plan_case world; /* of the program */

static const struct folder_engine plan_case_engines[] = {
    {"postgres",
        "\"code_types\":[\"sql\"],\"targets\":{\"lake\":{},\"warehouse\":{\"any_of\":{\"w1\":3,\"w2\":1}},"
        "\"equal\":{\"any_of\":{\"w1\":1}}}"},
    {"shell", "\"code_types\":[\"shell\",\"sh\"],\"targets\":[]"},
    {"free", "\"code_types\":[\"sql\"]"},
};

/* False: the folder cannot be made. */
static inline bool plan_case_open(struct plan_case *w)
{
    bool ok = engines_folder_open(
        &w->folder, plan_case_engines, sizeof(plan_case_engines) / sizeof(plan_case_engines[0]));

    w->engines = w->folder.list;
    return ok;
}

static inline void plan_case_close(struct plan_case *w)
{
    engines_folder_close(&w->folder);
}

static inline int plan_case_set_up(void **state)
{
    (void)state;
    return plan_case_open(&world) ? 0 : -1;
}

static inline int plan_case_tear_down(void **state)
{
    (void)state;
    plan_case_close(&world);
    return 0;
}

/* "a,b" */
static inline struct strings plan_case_list(const char *text, struct arena *a)
{
    struct strings list = {arena_array(a, text ? strlen(text) + 1 : 1, sizeof(struct bytes)), 0};

    while (text && *text) {
        size_t len = strcspn(text, ",");
        list.items[list.count++] = arena_copy(a, (struct bytes){text, len});
        text += len + (text[len] == ',');
    }
    return list;
}

/* "race w1,lake" */
static inline struct job_strategy *plan_case_strategy(const char *text, struct arena *a)
{
    if (!text)
        return NULL;
    size_t len = strcspn(text, " ");
    struct job_strategy *s = arena_alloc(a, sizeof *s);
    s->kind = arena_copy(a, (struct bytes){text, len});
    s->targets = plan_case_list(text[len] ? text + len + 1 : "", a);
    return s;
}

/* A job of Ann's for postgres, with so many statements: "s0;\ns1;\n". */
static inline void plan_case_job(struct job *j, struct arena *a, size_t statements)
{
    shape_clear(&shape_planned, j);
    j->job_id = BYTES("019a0000-0000-7000-8000-000000000001");
    j->creator = BYTES("ide");
    j->user = BYTES("ann");
    j->engine = BYTES("postgres");
    j->code_type = BYTES("sql");
    j->limits.max_result_rows = 1000;
    j->statements.items = arena_array(a, statements + 1, sizeof(*j->statements.items));
    j->statements.count = statements;
    char *code = arena_alloc(a, statements * 4 + 5);
    for (size_t i = 0; i < statements; i++) {
        snprintf(code + i * 4, 5, "s%zu;\n", i % 10);
        j->statements.items[i] = (struct job_statement){
            .index = (int64_t)i, .offset = (int64_t)i * 4, .length = 2, .first_line = (int64_t)i + 1};
    }
    j->code = (struct bytes){code, statements * 4};
}

static inline const struct job_node *plan_case_node(const struct job *j, struct bytes id)
{
    for (size_t i = 0; i < j->nodes.count; i++)
        if (bytes_equal(j->nodes.items[i].id, id))
            return &j->nodes.items[i];
    return NULL;
}

static inline void plan_case_show_leaf(const struct job_node *n, struct buf *out)
{
    if (n->part.data)
        buf_printf(out, "%.*s:", BYTES_ARG(n->part));
    buf_add_bytes(out, n->engine);
    if (n->target.len)
        buf_printf(out, "@%.*s", BYTES_ARG(n->target));
    buf_printf(out, "#%lld", (long long)n->statement);
    if (n->code.data)
        buf_add_char(out, '=');
    for (size_t i = 0; n->code.data && i < n->code.len; i++)
        buf_add_char(out, n->code.data[i] == '\n' ? '/' : n->code.data[i]);
}

static inline void plan_case_show(const struct job *j, const struct job_node *n, struct buf *out)
{
    if (bytes_equal_text(n->kind, "exec"))
        plan_case_show_leaf(n, out);
    else
        buf_printf(out, "%.*s(", BYTES_ARG(n->kind));
    for (size_t i = 0; i < n->children.count; i++) {
        const struct job_node *child = plan_case_node(j, n->children.items[i]);
        buf_add_text(out, i ? " " : "");
        if (child)
            plan_case_show(j, child, out);
        else
            buf_add_text(out, "NONE");
    }
    if (!bytes_equal_text(n->kind, "exec"))
        buf_add_char(out, ')');
    for (size_t i = 0; i < n->after.count; i++)
        buf_printf(out, "%s%.*s", i ? "," : "<", BYTES_ARG(n->after.items[i]));
    buf_add_text(out, n->after.count ? ">" : "");
}

/* The plan, or the code of the refusal. */
static inline const char *plan_case_text(const struct job *j, struct arena *a)
{
    struct buf out;

    if (j->error)
        return arena_text(a, j->error->code);
    buf_init(&out);
    if (j->nodes.count)
        plan_case_show(j, &j->nodes.items[0], &out);
    const char *text = arena_text(a, buf_bytes(&out));
    buf_release(&out);
    return text;
}

#endif
