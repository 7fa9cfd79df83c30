/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: job_run */
/* test_walk_plan: which plans are trees that can be walked, and in which order their nodes are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "executor/walk.h"

#define NODES 6

struct plan_row {
    const char *name;
    struct {
        const char *id, *kind, *children[4], *after[2];
    } nodes[NODES];
    const char *order; /* leaves, or NULL: refused */
    const char *code, *names;
};

static const struct plan_row rows[] = {
    {"one exec node", {{"n1", "exec", {0}, {0}}}, "n1", NULL, NULL},
    {"a sequence in order",
        {{"n1", "sequence", {"n2", "n3"}, {0}}, {"n2", "exec", {0}, {0}}, {"n3", "exec", {0}, {0}}}, "n2 n3",
        NULL, NULL},
    {"children decide the order, not the list",
        {{"n1", "race", {"n3", "n2"}, {0}}, {"n2", "exec", {0}, {0}}, {"n3", "exec", {0}, {0}}}, "n3 n2",
        NULL, NULL},
    {"trees within trees",
        {{"r", "fallback", {"a", "d"}, {0}}, {"a", "all", {"b", "c"}, {0}}, {"b", "exec", {0}, {0}},
            {"c", "exec", {0}, {"b"}}, {"d", "exec", {0}, {0}}},
        "b c d", NULL, NULL},
    {"no nodes", {{0}}, NULL, "bad_plan", "no nodes"},
    {"a missing child", {{"n1", "sequence", {"n9"}, {0}}}, NULL, "bad_plan", "n9"},
    {"a cycle", {{"n1", "sequence", {"n2"}, {0}}, {"n2", "sequence", {"n1"}, {0}}}, NULL, "bad_plan", "n2"},
    {"a cycle below the root",
        {{"n1", "sequence", {"n2"}, {0}}, {"n2", "all", {"n3"}, {0}}, {"n3", "all", {"n2"}, {0}}}, NULL,
        "bad_plan", "n2"},
    {"a child twice", {{"n1", "race", {"n2", "n2"}, {0}}, {"n2", "exec", {0}, {0}}}, NULL, "bad_plan", "n2"},
    {"a child of two",
        {{"n1", "all", {"n2", "n3"}, {0}}, {"n2", "sequence", {"n4"}, {0}}, {"n3", "sequence", {"n4"}, {0}},
            {"n4", "exec", {0}, {0}}},
        NULL, "bad_plan", "n4"},
    {"nobody's child", {{"n1", "exec", {0}, {0}}, {"n2", "exec", {0}, {0}}}, NULL, "bad_plan", "n2"},
    {"an id twice", {{"n1", "all", {"n2"}, {0}}, {"n2", "exec", {0}, {0}}, {"n2", "exec", {0}, {0}}}, NULL,
        "bad_plan", "n2"},
    {"nothing to run", {{"n1", "sequence", {0}, {0}}}, NULL, "bad_plan", "n1"},
    {"an exec node with children", {{"n1", "exec", {"n2"}, {0}}, {"n2", "exec", {0}, {0}}}, NULL, "bad_plan",
        "n1"},
    {"a kind that is not known", {{"n1", "lottery", {"n2"}, {0}}, {"n2", "exec", {0}, {0}}}, NULL,
        "unsupported", "lottery"},
    {"after one that is no sibling",
        {{"n1", "all", {"n2", "n3"}, {0}}, {"n2", "exec", {0}, {"n4"}}, {"n3", "all", {"n4"}, {0}},
            {"n4", "exec", {0}, {0}}},
        NULL, "bad_plan", "n2"},
    {"after one that is not there", {{"n1", "all", {"n2"}, {0}}, {"n2", "exec", {0}, {"n7"}}}, NULL,
        "bad_plan", "n7"},
    {"after itself", {{"n1", "all", {"n2"}, {0}}, {"n2", "exec", {0}, {"n2"}}}, NULL, "bad_plan", "n2"},
    {"after in a circle",
        {{"n1", "all", {"n2", "n3", "n4"}, {0}}, {"n2", "exec", {0}, {0}}, {"n3", "exec", {0}, {"n4"}},
            {"n4", "exec", {0}, {"n3"}}},
        NULL, "bad_plan", "n3"},
    {"after in a race",
        {{"n1", "race", {"n2", "n3"}, {0}}, {"n2", "exec", {0}, {0}}, {"n3", "exec", {0}, {"n2"}}}, NULL,
        "bad_plan", "n3"},
    {"the root waits", {{"n1", "exec", {0}, {"n1"}}}, NULL, "bad_plan", "n1"},
};

static size_t fill(const char *const *texts, size_t most, struct bytes *out)
{
    size_t count = 0;
    for (; count < most && texts[count]; count++)
        out[count] = bytes_of(texts[count]);
    return count;
}

static void order_of(const struct walk *w, char *out, size_t size)
{
    out[0] = '\0';
    for (size_t n = 0; n < w->count; n++)
        if (w->nodes[n].kind == WALK_EXEC)
            snprintf(out + strlen(out), size - strlen(out), "%s%.*s", *out ? " " : "",
                BYTES_ARG(w->nodes[n].node->id));
}

static void plans_are_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct plan_row *row = &rows[i];
        struct job_node nodes[NODES];
        struct bytes children[NODES][4], after[NODES][2];
        struct job j;
        struct arena a;
        struct walk w;
        struct error e;
        memset(nodes, 0, sizeof nodes);
        shape_clear(&shape_planned, &j);
        arena_init(&a);
        j.nodes.items = nodes;
        for (size_t n = 0; n < NODES && row->nodes[n].id; n++) {
            j.nodes.count++;
            nodes[n].id = bytes_of(row->nodes[n].id);
            nodes[n].kind = bytes_of(row->nodes[n].kind);
            nodes[n].children = (struct strings){children[n], fill(row->nodes[n].children, 4, children[n])};
            nodes[n].after = (struct strings){after[n], fill(row->nodes[n].after, 2, after[n])};
        }
        print_message("  %s\n", row->name);
        bool ok = walk_plan(&j, &a, &w, &e);
        assert_int_equal(ok, row->order != NULL);
        if (ok) {
            char order[64];
            order_of(&w, order, sizeof order);
            assert_string_equal(order, row->order);
        } else {
            assert_string_equal(e.code, row->code);
            assert_non_null(strstr(e.text, row->names));
        }
        arena_release(&a);
    }
}

/* A chain of `depth` sequences over one leaf. */
static bool nests(size_t depth, struct error *e)
{
    struct job j;
    struct arena a;
    struct walk w;
    shape_clear(&shape_planned, &j);
    arena_init(&a);
    j.nodes.count = depth + 1;
    j.nodes.items = arena_array(&a, depth + 1, sizeof *j.nodes.items);
    for (size_t n = 0; n <= depth; n++) {
        struct job_node *node = &j.nodes.items[n];
        node->id = arena_printf(&a, "n%zu", n);
        node->kind = n < depth ? BYTES("sequence") : BYTES("exec");
        node->children.count = n < depth;
        node->children.items = arena_alloc(&a, sizeof(struct bytes));
        node->children.items[0] = arena_printf(&a, "n%zu", n + 1);
    }
    bool ok = walk_plan(&j, &a, &w, e);
    arena_release(&a);
    return ok;
}

static void a_plan_that_is_nested_too_deeply_is_refused(void **state)
{
    (void)state;
    struct error e;
    assert_true(nests(WALK_DEPTH_MAX - 1, &e));
    assert_false(nests(WALK_DEPTH_MAX, &e));
    assert_string_equal(e.code, "bad_plan");
    assert_false(nests(100000, &e));
}

static void a_line_tells_the_statement(void **state)
{
    (void)state;
    struct job_statement statements[] = {{.index = 0, .first_line = 2}, {.index = 1, .first_line = 3},
        {.index = 2, .first_line = 3}, {.index = 3, .first_line = 6},
        {.index = 4, .first_line = 7, .part = BYTES("own")},
        {.index = 5, .first_line = 8, .part = BYTES("cut")}};
    struct job_part parts[] = {{.id = BYTES("own"), .code = BYTES("select 1")}, {.id = BYTES("cut")}};
    static const struct {
        bool session;
        int64_t first, line, statement;
    } cases[] = {{true, 0, 1, 0}, {true, 0, 2, 0}, {true, 0, 3, 2}, {true, 0, 5, 2}, {true, 0, 6, 3},
        {true, 1, 3, 2}, {true, 0, 9, 3}, {false, 1, 6, 1}, {true, 4, 9, 4}, {true, 5, 9, 5},
        {true, NO_INT, 1, NO_INT}, {true, 6, 1, NO_INT}};
    const struct job j = {.statements = {statements, 6}, .parts = {parts, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct job_node n = {
            .statement = cases[i].first, .code = cases[i].session ? BYTES("joined") : BYTES_NONE};
        assert_int_equal(walk_statement_at(&j, &n, cases[i].line), cases[i].statement);
    }
}

/* As the planner joins them: "select 1; " + "select 22 limit 9;\n" + "x", of which the second is longer than in the job's code. */
static void a_byte_tells_the_statement(void **state)
{
    (void)state;
    struct job_statement statements[] = {{.index = 0, .offset = 2, .length = 9},
        {.index = 1, .text = BYTES("select 22 limit 9;"), .offset = 12, .length = 10},
        {.index = 2, .offset = 23, .length = 1}, {.index = 3, .offset = 0, .length = 8, .part = BYTES("own")},
        {.index = 4, .offset = 9, .length = 8, .part = BYTES("own")}};
    struct job_part parts[] = {{.id = BYTES("own"), .code = BYTES("select 1;select 2")}};
    const struct job j = {
        .code = BYTES("  select 1; select 2;\n\nx"), .statements = {statements, 5}, .parts = {parts, 1}};
    static const char joined[] = "select 1; select 22 limit 9;\nx";
    static const struct {
        const char *code; /* NULL: the leaf has one statement */
        int64_t first, offset, statement;
    } cases[] = {
        {joined, 0, 0, 0},
        {joined, 0, 8, 0},
        {joined, 0, 10, 1},
        {joined, 0, 27, 1},
        {joined, 0, 29, 2},
        {joined, 0, 1000000, 2},
        {joined, 0, NO_INT, NO_INT},
        {NULL, 1, 0, 1},
        {NULL, 1, 1000000, 1},
        {NULL, 1, NO_INT, 1},
        {"select 1;select 2", 3, 8, 3},
        {"select 1;select 2", 3, 9, 4},
        {"select 1;select 2", 3, NO_INT, NO_INT},
        {"x", 2, NO_INT, 2},
        {"code", NO_INT, 3, NO_INT},
        {"code", 7, 3, 7},
        {"code", 7, NO_INT, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct job_node n = {
            .statement = cases[i].first, .code = cases[i].code ? bytes_of(cases[i].code) : BYTES_NONE};
        int64_t told = walk_statement_of_byte(&j, &n, cases[i].offset);
        if (told != cases[i].statement)
            fail_msg("row %zu: %lld", i, (long long)told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_tells_the_statement),
        cmocka_unit_test(a_byte_tells_the_statement),
        cmocka_unit_test(plans_are_read_or_refused),
        cmocka_unit_test(a_plan_that_is_nested_too_deeply_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
