/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: plan */
/* plan: which tree a job gets, and which pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner/plan.h"

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        "" literal, sizeof(literal) - 1                                                                      \
    } /* BYTES for static tables */

static struct bytes pool_names[] = {TEXT("default"), TEXT("fast")};
static const struct plan_rules rules = {{pool_names, 2}, 1000};
static struct job_error refused_before = {
    .code = TEXT("unknown_engine"), .statement = NO_INT, .line = NO_INT};

static const struct {
    const char *name;
    size_t statements;
    const char *label_key, *label; /* label of the job */
    bool refused;
    /* wanted */
    bool planned;
    const char *pool, *code; /* code of the error */
    size_t nodes;
    const char *root;
} cases[] = {
    {"one statement is one exec node", 1, NULL, NULL, false, true, "default", NULL, 1, "exec"},
    {"two statements are one session", 2, NULL, NULL, false, true, "default", NULL, 1, "exec"},
    {"no statement is refused", 0, NULL, NULL, false, false, "default", "plan_error", 0, NULL},
    {"a label picks the pool", 1, "pool", "fast", false, true, "fast", NULL, 1, "exec"},
    {"another label does not", 1, "team", "fast", false, true, "default", NULL, 1, "exec"},
    {"the default pool may be named", 1, "pool", "default", false, true, "default", NULL, 1, "exec"},
    {"an unknown pool is refused, on the default one", 1, "pool", "slow", false, false, "default",
        "unknown_pool", 0, NULL},
    {"a refused job stays refused", 1, NULL, NULL, true, false, "default", "unknown_engine", 0, NULL},
    {"a refused job goes to its pool", 1, "pool", "fast", true, false, "fast", "unknown_engine", 0, NULL},
    {"a refused job keeps its first reason", 1, "pool", "slow", true, false, "default", "unknown_engine", 0,
        NULL},
};

static void make_job(struct job *j, struct arena *a, size_t statements)
{
    shape_clear(&shape_planned, j);
    j->creator = BYTES("ide");
    j->user = BYTES("ann");
    j->engine = BYTES("postgres");
    j->target = BYTES("warehouse");
    j->code_type = BYTES("sql");
    j->code = BYTES("select 1");
    j->statements.count = statements;
    j->statements.items = arena_array(a, statements, sizeof(*j->statements.items));
    for (size_t i = 0; i < statements; i++)
        j->statements.items[i] = (struct job_statement){.index = (int64_t)i, .length = 8, .first_line = 1};
}

static void plans_by_statements_and_labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena a;
        struct job j;
        struct pair label = {bytes_of(cases[i].label_key), bytes_of(cases[i].label)};
        arena_init(&a);
        make_job(&j, &a, cases[i].statements);
        if (cases[i].label != NULL)
            j.labels = (struct pairs){&label, 1};
        j.error = cases[i].refused ? &refused_before : NULL;
        bool planned = plan_job(&rules, &j, &a);
        if (planned != cases[i].planned || !bytes_equal_text(j.pool, cases[i].pool) ||
            j.nodes.count != cases[i].nodes)
            fail_msg("%s: planned %d, pool %.*s, %zu nodes", cases[i].name, planned, BYTES_ARG(j.pool),
                j.nodes.count);
        if ((j.error != NULL) != (cases[i].code != NULL) ||
            (j.error != NULL && !bytes_equal_text(j.error->code, cases[i].code)))
            fail_msg("%s: wrong error", cases[i].name);
        if (cases[i].root != NULL && !bytes_equal_text(j.nodes.items[0].kind, cases[i].root))
            fail_msg("%s: root %.*s", cases[i].name, BYTES_ARG(j.nodes.items[0].kind));
        arena_release(&a);
    }
}

static void a_sequence_names_its_children_in_order(void **state)
{
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    struct pair apart = {BYTES("session"), BYTES("statement")};
    make_job(&j, &a, 2);
    j.conf = (struct pairs){&apart, 1};
    assert_true(plan_job(&rules, &j, &a));
    const struct job_node *root = &j.nodes.items[0];
    assert_true(bytes_equal_text(root->id, "n1"));
    assert_int_equal(root->statement, NO_INT);
    assert_int_equal(root->children.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct job_node *leaf = &j.nodes.items[i + 1];
        assert_true(bytes_equal(root->children.items[i], leaf->id));
        assert_true(bytes_equal_text(leaf->id, i == 0 ? "n2" : "n3"));
        assert_int_equal(leaf->statement, (int64_t)i);
        assert_true(bytes_equal_text(leaf->engine, "postgres"));
        assert_true(bytes_equal_text(leaf->target, "warehouse"));
        assert_true(bytes_equal_text(leaf->code_type, "sql"));
        assert_null(leaf->code.data);
    }
    arena_release(&a);
}

static void reuse_comes_from_conf(void **state)
{
    struct pair conf = {BYTES("reuse"), BYTES("never")};
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    make_job(&j, &a, 1);
    assert_true(plan_job(&rules, &j, &a));
    assert_true(bytes_equal_text(j.nodes.items[0].reuse, "warm"));
    j.conf = (struct pairs){&conf, 1};
    assert_true(plan_job(&rules, &j, &a));
    assert_true(bytes_equal_text(j.nodes.items[0].reuse, "never"));
    arena_release(&a);
}

static void a_plan_that_is_too_large_goes_without_its_code(void **state)
{
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    make_job(&j, &a, 1);
    assert_true(plan_job(&rules, &j, &a));
    plan_refuse_size(&rules, &j, 1001, &a);
    assert_true(bytes_equal_text(j.error->code, "too_large"));
    assert_int_equal(j.code.len, 0);
    assert_int_equal(j.nodes.count, 0);
    assert_int_equal(j.statements.count, 0);
    arena_release(&a);
}

static void knows_valid_pools(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } names[] = {{"default", true}, {"a-1", true}, {"", false}, {"A", false}, {"a.b", false}, {"a b", false},
        {"abcdefghijklmnopqrstuvwxyz012345", true}, {"abcdefghijklmnopqrstuvwxyz0123456", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(plan_pool_is_valid(bytes_of(names[i].name)), names[i].valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_by_statements_and_labels),
        cmocka_unit_test(a_sequence_names_its_children_in_order),
        cmocka_unit_test(reuse_comes_from_conf),
        cmocka_unit_test(a_plan_that_is_too_large_goes_without_its_code),
        cmocka_unit_test(knows_valid_pools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
