/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: job_run */
/* test_walk: plans and the order of their nodes, as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "executor/walk.h"

struct plan_row {
    const char *name;
    struct {
        const char *id, *kind, *children[4];
    } nodes[6];
    const char *order; /* ids, or NULL: refused */
    const char *code;
};

static const struct plan_row rows[] = {
    {"one exec node", {{"n1", "exec", {0}}}, "n1", NULL},
    {"a sequence in order", {{"n1", "sequence", {"n2", "n3"}}, {"n2", "exec", {0}}, {"n3", "exec", {0}}},
        "n2 n3", NULL},
    {"children decide the order, not the list",
        {{"n1", "sequence", {"n3", "n2"}}, {"n2", "exec", {0}}, {"n3", "exec", {0}}}, "n3 n2", NULL},
    {"sequences within sequences",
        {{"r", "sequence", {"a", "d"}}, {"a", "sequence", {"b", "c"}}, {"b", "exec", {0}}, {"c", "exec", {0}},
            {"d", "exec", {0}}},
        "b c d", NULL},
    {"no nodes", {{0}}, NULL, "bad_plan"},
    {"a missing child", {{"n1", "sequence", {"n9"}}}, NULL, "bad_plan"},
    {"a cycle", {{"n1", "sequence", {"n2"}}, {"n2", "sequence", {"n1"}}}, NULL, "bad_plan"},
    {"nothing to run", {{"n1", "sequence", {0}}}, NULL, "bad_plan"},
    {"a kind that is not known", {{"n1", "race", {"n2"}}, {"n2", "exec", {0}}}, NULL, "unsupported"},
};

static void plans_are_walked_in_order_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct plan_row *row = &rows[i];
        struct job_node nodes[6];
        struct bytes children[6][4];
        struct job j;
        struct arena a;
        struct walk w;
        struct error e;
        memset(nodes, 0, sizeof nodes);
        shape_clear(&shape_planned, &j);
        arena_init(&a);
        j.nodes.items = nodes;
        for (size_t n = 0; n < 6 && row->nodes[n].id; n++) {
            j.nodes.count++;
            nodes[n].id = bytes_of(row->nodes[n].id);
            nodes[n].kind = bytes_of(row->nodes[n].kind);
            nodes[n].children.items = children[n];
            for (size_t c = 0; c < 4 && row->nodes[n].children[c]; c++)
                children[n][nodes[n].children.count++] = bytes_of(row->nodes[n].children[c]);
        }
        print_message("  %s\n", row->name);
        bool ok = walk_plan(&j, &a, &w, &e);
        assert_int_equal(ok, row->order != NULL);
        if (!ok) {
            assert_string_equal(e.code, row->code);
        } else {
            char order[64] = "";
            for (size_t n = 0; n < w.count; n++)
                snprintf(order + strlen(order), sizeof order - strlen(order), "%s%.*s", n ? " " : "",
                    BYTES_ARG(w.nodes[n]->id));
            assert_string_equal(order, row->order);
        }
        arena_release(&a);
    }
}

static void a_nodes_code_is_its_own_or_its_statements(void **state)
{
    (void)state;
    struct job j;
    struct job_statement statements[2] = {
        {.index = 0, .offset = 0, .length = 8}, {.index = 1, .text = BYTES("select 2")}};
    struct job_node own = {.code = BYTES("x"), .statement = 0}, first = {.statement = 0},
                    second = {.statement = 1}, none = {.statement = NO_INT};
    shape_clear(&shape_planned, &j);
    j.code = BYTES("select 1; rest");
    j.statements.items = statements;
    j.statements.count = 2;
    assert_true(bytes_equal_text(walk_code(&j, &own), "x"));
    assert_true(bytes_equal_text(walk_code(&j, &first), "select 1"));
    assert_true(bytes_equal_text(walk_code(&j, &second), "select 2"));
    assert_true(bytes_equal_text(walk_code(&j, &none), "select 1; rest"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_are_walked_in_order_or_refused),
        cmocka_unit_test(a_nodes_code_is_its_own_or_its_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
