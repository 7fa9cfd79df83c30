/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: plan */
/* plan: which tree a job gets, which pool and targets, and what is refused. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_case.h"
#include "planner/plan_world.h"

enum { PARTS = 6 };

struct test_part {
    const char *id, *after; /* "a,b" */
    const char *strategy;   /* "race w1,lake" */
    const char *engine, *target;
    bool own_code;
    int statements; /* 0: one; -1: none */
};

struct test_job {
    const char *name;
    int statements;                /* of a job without parts; 0: one; -1: none */
    const char *target, *strategy; /* of the job */
    const char *conf, *conf_value;
    int64_t node_attempts;
    struct test_part parts[PARTS];
    const char *plan; /* wanted: the plan, or the refusal's code */
};

/* ---- shapes ---- */

static const struct test_job shapes[] = {
    {"one statement is one leaf", .plan = "postgres#0"},
    {"statements are one session", .statements = 3, .plan = "postgres#0=s0;/s1;/s2"},
    {"a leaf has the job's target", .target = "lake", .plan = "postgres@lake#0"},
    {"statements may be nodes", .statements = 2, .conf = "session", .conf_value = "statement",
        .plan = "sequence(postgres#0 postgres#1)"},
    {"one statement is no sequence", .conf = "session", .conf_value = "statement", .plan = "postgres#0"},
    {"another session is one", .statements = 2, .conf = "session", .conf_value = "job",
        .plan = "postgres#0=s0;/s1"},
    {"no statement is refused", .statements = -1, .plan = "plan_error"},

    {"single without a target", .strategy = "single", .plan = "postgres#0"},
    {"single with a target", .strategy = "single lake", .target = "w1", .plan = "postgres@lake#0"},
    {"single with another engine's", .strategy = "single free@x", .plan = "free@x#0"},
    {"a race runs on each target", .strategy = "race lake,w1", .plan = "race(postgres@lake#0 postgres@w1#0)"},
    {"a race of engines", .strategy = "race lake,free@x,free@",
        .plan = "race(postgres@lake#0 free@x#0 free#0)"},
    {"all", .strategy = "all lake,w1", .plan = "all(postgres@lake#0 postgres@w1#0)"},
    {"fallback keeps the order", .strategy = "fallback w2,w1,lake",
        .plan = "fallback(postgres@w2#0 postgres@w1#0 postgres@lake#0)"},
    {"a race of one is none", .strategy = "race lake", .plan = "postgres@lake#0"},
    {"a race of sessions", .statements = 2, .strategy = "race lake,w1",
        .plan = "race(postgres@lake#0=s0;/s1 postgres@w1#0=s0;/s1)"},
    {"a race of sequences", .statements = 2, .strategy = "race lake,w1", .conf = "session",
        .conf_value = "statement",
        .plan = "race(sequence(postgres@lake#0 postgres@lake#1) sequence(postgres@w1#0 postgres@w1#1))"},
    {"more than 20,000 nodes are refused", .statements = 10000, .strategy = "race lake,w1", .conf = "session",
        .conf_value = "statement", .plan = "too_large"},
    {"a target that is there twice is refused", .strategy = "race lake,lake", .plan = "bad_value"},
    {"one that is there twice as the member of a group counts once", .strategy = "race equal,w1,lake",
        .plan = "race(postgres@w1#0 postgres@lake#0)"},
    {"an unknown strategy is refused", .strategy = "best lake", .plan = "bad_value"},
    {"a race without targets is refused", .strategy = "race", .plan = "bad_value"},
    {"single with two targets is refused", .strategy = "single lake,w1", .plan = "bad_value"},
    {"seventeen targets are refused", .strategy = "race 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
        .plan = "bad_value"},

    {"one part is its leaf", .parts = {{.id = "a"}}, .plan = "a:postgres#0"},
    {"parts without order run at once",
        .parts = {{.id = "a", .own_code = true}, {.id = "b", .own_code = true}},
        .plan = "all(a:postgres#0 b:postgres#1)"},
    {"a chain is a sequence",
        .parts = {{.id = "a", .own_code = true}, {.id = "b", .after = "a", .own_code = true},
            {.id = "c", .after = "b", .own_code = true}},
        .plan = "sequence(a:postgres#0 b:postgres#1 c:postgres#2)"},
    {"also when it is written backwards",
        .parts = {{.id = "c", .after = "b", .own_code = true}, {.id = "b", .after = "a", .own_code = true},
            {.id = "a", .own_code = true}},
        .plan = "sequence(a:postgres#2 b:postgres#1 c:postgres#0)"},
    {"also with more said than is needed",
        .parts = {{.id = "a", .own_code = true}, {.id = "b", .after = "a", .own_code = true},
            {.id = "c", .after = "a,b,a", .own_code = true}},
        .plan = "sequence(a:postgres#0 b:postgres#1 c:postgres#2)"},
    {"a diamond",
        .parts = {{.id = "a"}, {.id = "b", .after = "a"}, {.id = "c", .after = "a"},
            {.id = "d", .after = "b,c"}},
        .plan = "all(a:postgres#0 b:postgres#1<n2> c:postgres#2<n2> d:postgres#3<n3,n4>)"},
    {"what is implied is not said",
        .parts = {{.id = "a"}, {.id = "b", .after = "a"}, {.id = "c", .after = "a"},
            {.id = "d", .after = "a,b,c"}},
        .plan = "all(a:postgres#0 b:postgres#1<n2> c:postgres#2<n2> d:postgres#3<n3,n4>)"},
    {"two chains",
        .parts = {{.id = "a"}, {.id = "b"}, {.id = "c", .after = "a", .engine = "shell"},
            {.id = "d", .after = "b", .engine = "shell"}},
        .plan = "all(a:postgres#0 b:postgres#1 c:shell#2<n2> d:shell#3<n3>)"},
    {"parts have engines and targets of their own", .target = "lake",
        .parts = {{.id = "a"}, {.id = "b", .engine = "shell"}, {.id = "c", .engine = "free", .target = "x"}},
        .plan = "all(a:postgres@lake#0 b:shell#1 c:free@x#2)"},
    {"a part may be a session of several statements", .parts = {{.id = "a", .statements = 2}, {.id = "b"}},
        .plan = "all(a:postgres#0=s0;/s1 b:postgres#2)"},
    {"statements of parts may be nodes", .conf = "session", .conf_value = "statement",
        .parts = {{.id = "a", .statements = 2}, {.id = "b", .after = "a"}},
        .plan = "sequence(sequence(a:postgres#0 a:postgres#1) b:postgres#2)"},
    {"a part has a strategy",
        .parts = {{.id = "a", .strategy = "race lake,w1"}, {.id = "b", .after = "a"}, {.id = "c"}},
        .plan = "all(race(a:postgres@lake#0 a:postgres@w1#0) b:postgres#1<n2> c:postgres#2)"},
    {"the job's strategy is that of each part without one", .strategy = "fallback lake,w1",
        .parts = {{.id = "a"}, {.id = "b", .after = "a", .strategy = "single"}},
        .plan = "sequence(fallback(a:postgres@lake#0 a:postgres@w1#0) b:postgres#1)"},
    {"an unknown part is refused", .parts = {{.id = "a"}, {.id = "b", .after = "c"}}, .plan = "bad_parts"},
    {"a part twice is refused", .parts = {{.id = "a"}, {.id = "a"}}, .plan = "bad_parts"},
    {"a circle is refused",
        .parts = {{.id = "a", .after = "c"}, {.id = "b", .after = "a"}, {.id = "c", .after = "b"}},
        .plan = "bad_parts"},
    {"a part after itself is refused", .parts = {{.id = "a", .after = "a"}}, .plan = "bad_parts"},
    {"a part's strategy is looked at", .parts = {{.id = "a", .strategy = "race"}}, .plan = "bad_value"},

    {"parts of one text in a chain are one session",
        .parts = {{.id = "a"}, {.id = "b", .after = "a"}, {.id = "c", .after = "b"}},
        .plan = "a+b+c:postgres#0=s0;/s1;/s2"},
    {"not those with code of their own",
        .parts = {{.id = "a", .own_code = true}, {.id = "b", .after = "a", .own_code = true}},
        .plan = "sequence(a:postgres#0 b:postgres#1)"},
    {"not on two targets", .parts = {{.id = "a"}, {.id = "b", .after = "a", .target = "lake"}},
        .plan = "sequence(a:postgres#0 b:postgres@lake#1)"},
    {"not on two engines", .parts = {{.id = "a"}, {.id = "b", .after = "a", .engine = "free"}},
        .plan = "sequence(a:postgres#0 b:free#1)"},
    {"not where statements are nodes", .conf = "session", .conf_value = "statement",
        .parts = {{.id = "a"}, {.id = "b", .after = "a"}}, .plan = "sequence(a:postgres#0 b:postgres#1)"},
    {"not where nodes are tried again", .node_attempts = 2, .parts = {{.id = "a"}, {.id = "b", .after = "a"}},
        .plan = "sequence(a:postgres#0 b:postgres#1)"},
    {"not below a strategy", .strategy = "race lake,w1",
        .parts = {{.id = "a", .strategy = "single"}, {.id = "b", .after = "a"}},
        .plan = "sequence(a:postgres#0 race(b:postgres@lake#1 b:postgres@w1#1))"},
    {"not where somebody else waits for the first",
        .parts = {{.id = "a"}, {.id = "b", .after = "a"}, {.id = "c", .after = "a"}},
        .plan = "all(a:postgres#0 b:postgres#1<n2> c:postgres#2<n2>)"},
    {"not over a part that stands between",
        .parts = {{.id = "a"}, {.id = "b", .engine = "shell"}, {.id = "c", .after = "a"}},
        .plan = "all(a:postgres#0 b:shell#1 c:postgres#2<n2>)"},
    {"not against the order of the text", .parts = {{.id = "b", .after = "a"}, {.id = "a"}},
        .plan = "sequence(a:postgres#1 b:postgres#0)"},
    {"two pieces of a chain",
        .parts = {{.id = "a"}, {.id = "b", .after = "a"}, {.id = "c", .after = "b", .engine = "shell"},
            {.id = "d", .after = "c"}, {.id = "e", .after = "d"}},
        .plan = "sequence(a+b:postgres#0=s0;/s1 c:shell#2 d+e:postgres#3=s3;/s4)"},
    {"a piece within a graph",
        .parts = {{.id = "a"}, {.id = "b", .after = "a"}, {.id = "c", .engine = "shell"},
            {.id = "d", .after = "b,c"}},
        .plan = "all(a+b:postgres#0=s0;/s1 c:shell#2 d:postgres#3<n2,n3>)"},
    {"the members of a group are one place once picked",
        .parts = {{.id = "a", .target = "equal"}, {.id = "b", .after = "a", .target = "w1"}},
        .plan = "a+b:postgres@w1#0=s0;/s1"},

    {"an empty part falls out", .parts = {{.id = "a"}, {.id = "b", .statements = -1}},
        .plan = "a:postgres#0"},
    {"who waits for an empty part waits for what it waits for",
        .parts = {{.id = "a", .engine = "shell"}, {.id = "b", .after = "a", .statements = -1},
            {.id = "c", .after = "b"}, {.id = "d", .after = "b"}},
        .plan = "all(a:shell#0 c:postgres#1<n2> d:postgres#2<n2>)"},
    {"empty parts in a row",
        .parts = {{.id = "a", .engine = "shell"}, {.id = "b", .after = "a", .statements = -1},
            {.id = "c", .after = "b,a", .statements = -1}, {.id = "d", .after = "c"}},
        .plan = "sequence(a:shell#0 d:postgres#1)"},
};

static size_t statements_of(int statements)
{
    return statements == 0 ? 1 : statements < 0 ? 0 : (size_t)statements;
}

/* The statement stands in a text of the part's own, at the place of its number. */
static void give_own_code(struct job *j, struct job_part *p, size_t first, size_t count)
{
    p->code = bytes_slice(j->code, first * 4, count * 4);
    for (size_t i = 0; i < count; i++)
        j->statements.items[first + i].offset -= (int64_t)first * 4;
}

static void add_parts(struct job *j, const struct test_part *parts, struct arena *a)
{
    size_t at = 0;

    j->parts.items = arena_array(a, PARTS, sizeof(*j->parts.items));
    for (size_t i = 0; i < PARTS && parts[i].id; i++) {
        struct job_part *p = &j->parts.items[j->parts.count++];
        size_t count = statements_of(parts[i].statements);
        *p = (struct job_part){.id = bytes_of(parts[i].id),
            .engine = bytes_of(parts[i].engine),
            .target = bytes_of(parts[i].target),
            .code = BYTES(""),
            .after = plan_case_list(parts[i].after, a),
            .strategy = plan_case_strategy(parts[i].strategy, a)};
        for (size_t k = 0; k < count; k++)
            j->statements.items[at + k].part = p->id;
        if (parts[i].own_code)
            give_own_code(j, p, at, count);
        at += count;
    }
}

static void make_job(struct job *j, const struct test_job *t, struct arena *a)
{
    size_t statements = statements_of(t->statements);

    for (size_t i = 0; i < PARTS && t->parts[i].id; i++)
        statements = (i ? statements : 0) + statements_of(t->parts[i].statements);
    plan_case_job(j, a, statements);
    j->target = bytes_of(t->target);
    j->strategy = plan_case_strategy(t->strategy, a);
    if (t->node_attempts)
        j->retry.node_attempts = t->node_attempts;
    if (t->conf) {
        j->conf = (struct pairs){arena_array(a, 1, sizeof(struct pair)), 1};
        j->conf.items[0] = (struct pair){bytes_of(t->conf), bytes_of(t->conf_value)};
    }
    if (t->parts[0].id)
        add_parts(j, t->parts, a);
}

static void a_job_gets_its_tree(void **state)
{
    const struct plan_rules rules = {.derived_max_bytes = 1000, .engines = world.engines};

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct arena a;
        struct job j;
        arena_init(&a);
        make_job(&j, &shapes[i], &a);
        bool planned = plan_job(&rules, &j, &a);
        const char *plan = plan_case_text(&j, &a);
        if (strcmp(plan, shapes[i].plan) != 0 || planned != (j.error == NULL))
            fail_msg("%s: expected %s, got %s (%.*s)", shapes[i].name, shapes[i].plan, plan,
                BYTES_ARG(j.error ? j.error->message : BYTES_NONE));
        arena_release(&a);
    }
}

/* ---- what stands in a node ---- */

static void a_changed_statement_is_in_the_code_of_its_session(void **state)
{
    const struct plan_rules rules = {.engines = world.engines};
    const struct test_job row = {.statements = 3};
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    make_job(&j, &row, &a);
    j.statements.items[1].text = BYTES("changed");
    assert_true(plan_job(&rules, &j, &a));
    assert_string_equal(plan_case_text(&j, &a), "postgres#0=s0;/changed;/s2");
    arena_release(&a);
}

static void empty_statements_are_no_nodes(void **state)
{
    const struct plan_rules rules = {.engines = world.engines};
    const struct test_job row = {.statements = 3, .conf = "session", .conf_value = "statement"};
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    make_job(&j, &row, &a);
    j.statements.items[1].text = BYTES(" \n");
    assert_true(plan_job(&rules, &j, &a));
    assert_string_equal(plan_case_text(&j, &a), "sequence(postgres#0 postgres#2)");
    j.statements.items[0].text = j.statements.items[2].text = BYTES("");
    assert_true(plan_job(&rules, &j, &a));
    assert_string_equal(plan_case_text(&j, &a), "sequence(postgres#0 postgres#1 postgres#2)");
    arena_release(&a);
}

/* Where there is nothing else, the engine may have something to say to it. */
static void an_empty_statement_alone_runs(void **state)
{
    const struct plan_rules rules = {.engines = world.engines};
    const struct test_job alone = {.statements = 1};
    const struct test_job parts = {.parts = {{.id = "a"}, {.id = "b", .statements = -1}, {.id = "c"}}};
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    make_job(&j, &alone, &a);
    j.statements.items[0].text = BYTES("");
    assert_true(plan_job(&rules, &j, &a));
    assert_string_equal(plan_case_text(&j, &a), "postgres#0");
    make_job(&j, &parts, &a);
    j.statements.items[0].text = j.statements.items[1].text = BYTES(" ");
    assert_true(plan_job(&rules, &j, &a));
    assert_string_equal(plan_case_text(&j, &a), "all(a:postgres#0 c:postgres#1)");
    arena_release(&a);
}

static void statements_must_lie_with_their_part(void **state)
{
    const struct plan_rules rules = {.engines = world.engines};
    const struct test_job row = {.parts = {{.id = "a"}, {.id = "b"}, {.id = "c"}}};
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    make_job(&j, &row, &a);
    j.statements.items[2].part = BYTES("a");
    assert_false(plan_job(&rules, &j, &a));
    assert_string_equal(plan_case_text(&j, &a), "bad_parts");
    j.error = NULL;
    j.statements.items[2].part = BYTES("nobody");
    assert_false(plan_job(&rules, &j, &a));
    assert_string_equal(plan_case_text(&j, &a), "bad_parts");
    arena_release(&a);
}

static void the_longest_chain_of_one_session_takes_little_memory(void **state)
{
    const struct plan_rules rules = {.engines = world.engines};
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    plan_case_job(&j, &a, JOB_PARTS_MAX);
    j.parts.items = arena_array(&a, JOB_PARTS_MAX, sizeof(*j.parts.items));
    for (size_t i = 0; i < JOB_PARTS_MAX; i++) {
        struct job_part *p = &j.parts.items[j.parts.count++];
        *p = (struct job_part){.id = arena_printf(&a, "%064zu", i)};
        j.statements.items[i].part = p->id;
        if (i > 0)
            p->after = (struct strings){&j.parts.items[i - 1].id, 1};
    }
    size_t before = a.used_bytes;
    assert_true(plan_job(&rules, &j, &a));
    assert_int_equal(j.nodes.count, 1);
    assert_int_equal(j.nodes.items[0].part.len, JOB_PARTS_MAX * 65 - 1);
    assert_true(a.used_bytes - before < 2 * 1024 * 1024);
    arena_release(&a);
}

static void statements_must_lie_in_the_code(void **state)
{
    static const struct {
        int64_t offset, length;
        bool good;
    } rows[] = {{0, 8, true}, {8, 0, true}, {4, 4, true}, {-1, 2, false}, {0, -1, false}, {0, 9, false},
        {9, 0, false}, {4, 5, false}, {INT64_MAX, INT64_MAX, false}, {2, INT64_MAX, false},
        {INT64_MIN, INT64_MIN, false}};
    const struct plan_rules rules = {.engines = world.engines};
    const struct test_job row = {.statements = 2};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a;
        struct job j;
        arena_init(&a);
        make_job(&j, &row, &a);
        j.statements.items[1].offset = rows[i].offset;
        j.statements.items[1].length = rows[i].length;
        if (plan_job(&rules, &j, &a) != rows[i].good)
            fail_msg("%lld, %lld: %s", (long long)rows[i].offset, (long long)rows[i].length,
                plan_case_text(&j, &a));
        arena_release(&a);
    }
}

static void a_leaf_says_how_it_runs(void **state)
{
    static const struct test_job rows[] = {
        {"as it is", .statements = 1},
        {"in a new process", .statements = 1, .conf = "reuse", .conf_value = "never"},
        {"tried again", .statements = 1, .node_attempts = 3},
    };
    const struct plan_rules rules = {.engines = world.engines};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a;
        struct job j;
        arena_init(&a);
        make_job(&j, &rows[i], &a);
        assert_true(plan_job(&rules, &j, &a));
        const struct job_node *leaf = &j.nodes.items[0];
        assert_true(bytes_equal_text(leaf->id, "n1"));
        assert_true(bytes_equal_text(leaf->kind, "exec"));
        assert_true(bytes_equal_text(leaf->code_type, "sql"));
        assert_true(bytes_equal_text(leaf->reuse, rows[i].conf ? "never" : "warm"));
        assert_int_equal(leaf->retry, rows[i].node_attempts ? rows[i].node_attempts : 1);
        assert_int_equal(leaf->timeout_ms, 0);
        arena_release(&a);
    }
}

static void a_plan_that_is_too_large_goes_without_its_code(void **state)
{
    const struct plan_rules rules = {.derived_max_bytes = 1000, .engines = world.engines};
    const struct test_job row = {.parts = {{.id = "a"}, {.id = "b"}}};
    struct arena a;
    struct job j;

    (void)state;
    arena_init(&a);
    make_job(&j, &row, &a);
    assert_true(plan_job(&rules, &j, &a));
    assert_true(plan_bytes(&j) > 3 * 512);
    plan_refuse_size(&rules, &j, 1001, &a);
    assert_true(bytes_equal_text(j.error->code, "too_large"));
    assert_int_equal(j.code.len, 0);
    assert_int_equal(j.nodes.count, 0);
    assert_int_equal(j.statements.count, 0);
    assert_int_equal(j.parts.count, 0);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_gets_its_tree),
        cmocka_unit_test(a_changed_statement_is_in_the_code_of_its_session),
        cmocka_unit_test(empty_statements_are_no_nodes),
        cmocka_unit_test(an_empty_statement_alone_runs),
        cmocka_unit_test(statements_must_lie_with_their_part),
        cmocka_unit_test(the_longest_chain_of_one_session_takes_little_memory),
        cmocka_unit_test(statements_must_lie_in_the_code),
        cmocka_unit_test(a_leaf_says_how_it_runs),
        cmocka_unit_test(a_plan_that_is_too_large_goes_without_its_code),
    };
    return cmocka_run_group_tests(tests, plan_case_set_up, plan_case_tear_down);
}
