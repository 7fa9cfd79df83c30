/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* convert_parts: which parts of a job fit together, and what becomes of them; by parts[] and by lines in its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/convert_world.h"

/* ---- parts that fit together ---- */

#define PART(id, more) "{\"id\":\"" id "\",\"code\":\"select 1\"" more "}"
#define P(id) PART(id, "")
#define AFTER(list) ",\"after\":[" list "]"

static const struct {
    const char *name, *parts;   /* JSON */
    const char *code, *message; /* NULL: the job is fine; else the error's, which begins so */
} jobs[] = {
    {"parts side by side", P("a") "," P("b"), NULL, NULL},
    {"a diamond",
        P("a") "," PART("b", AFTER("\"a\"")) "," PART("c", AFTER("\"a\"")) "," PART(
            "d", AFTER("\"c\",\"b\"")),
        NULL, NULL},
    {"dots and dashes in a name", P("A.1_b-"), NULL, NULL},
    {"a name with @", P("a@b"), "bad_name", "parts[0].id: 1 to 64"},
    {"no name", P(""), "bad_name", "parts[0].id: 1 to 64"},
    {"one name twice", P("a") "," P("b") "," P("a"), "bad_parts", "parts[2].id: another part has the id 'a'"},
    {"an unknown name", PART("a", AFTER("\"a\",\"x\"")), "bad_parts",
        "parts[0].after[1]: there is no part 'x'"},
    {"a name twice in after", P("a") "," PART("b", AFTER("\"a\",\"a\"")), "bad_parts",
        "parts[1].after[1]: 'a' is there twice"},
    {"a part that waits for itself", PART("a", AFTER("\"a\"")), "bad_parts",
        "parts[0].after: parts wait for each other: a after a"},
    {"a circle of three, and what waits for it",
        PART("z", AFTER("\"c\"")) "," P("x") "," PART("a", AFTER("\"x\",\"b\"")) "," PART(
            "b", AFTER("\"c\"")) "," PART("c", AFTER("\"a\"")),
        "bad_parts", "parts[2].after: parts wait for each other: a after b after c after a"},
    {"an engine of its own", PART("a", ",\"engine\":\"postgres\""), NULL, NULL},
    {"an unknown engine", P("a") "," PART("b", ",\"engine\":\"cobol\""), "unknown_engine",
        "parts[1].engine: there is no engine 'cobol'"},
    {"an engine that is not allowed", PART("a", ",\"engine\":\"spark\""), "engine_not_allowed",
        "parts[0].engine: ide/ann may not use 'spark'"},
    {"another engine's code type", PART("a", ",\"engine\":\"postgres\",\"code_type\":\"shell\""),
        "bad_code_type", "parts[0].code_type: engine 'postgres' does not run 'shell', but: sql"},
    {"a code type for the job's engine", PART("a", ",\"code_type\":\"shell\""), "bad_code_type",
        "parts[0].code_type: engine 'sqlite' does not run 'shell'"},
    {"a target of the engine", PART("a", ",\"engine\":\"postgres\",\"target\":\"lake\""), NULL, NULL},
    {"a target that the engine has not", PART("a", ",\"engine\":\"postgres\",\"target\":\"sea\""),
        "unknown_target", "parts[0].target: engine 'postgres' has no target 'sea'; known: warehouse, lake"},
    {"a target that the job's engine has not", PART("a", ",\"target\":\"lake\""), "unknown_target",
        "parts[0].target: engine 'sqlite' has no target 'lake'; known: none"},
    {"a target that is no name", PART("a", ",\"engine\":\"noop\",\"target\":\"a/b\""), "bad_name",
        "parts[0].target: "},
    {"no code", P("a") ",{\"id\":\"b\",\"code\":\"\"}", "missing", "parts[1].code: what to run"},
    {"blank code", P("a") ",{\"id\":\"b\",\"code\":\" \\n\"}", "empty_code",
        "parts[1].code: there is nothing"},
    {"only comments", P("a") ",{\"id\":\"b\",\"code\":\"-- x\"}", "empty_code",
        "part b, code: there is nothing to run but white space"},
    {"a wrong variable", P("a") ",{\"id\":\"b\",\"code\":\"select 1;\\n select ${run_date*2}\"}",
        "bad_variable", "part b, line 2, column 9: ${run_date*2}"},
    {"a wrong line in a part", P("a") ",{\"id\":\"b\",\"code\":\"\\n--@set 1=2\\nselect 1\"}", "bad_set",
        "part b, line 2, column 1: "},
    {"what is forbidden", P("a") ",{\"id\":\"b\",\"code\":\"select 1;\\n drop table t\"}", "forbidden_code",
        "part b, line 2, column 2: rule drop: drop"},
    {"a strategy of a part",
        PART("a",
            ",\"engine\":\"postgres\",\"strategy\":{\"kind\":\"race\",\"targets\":[\"lake\",\"warehouse\"]}"),
        NULL, NULL},
    {"a strategy of a part with a wrong target",
        P("a") "," PART(
            "b", ",\"engine\":\"postgres\",\"strategy\":{\"kind\":\"race\",\"targets\":[\"lake\",\"sea\"]}"),
        "unknown_target", "parts[1].strategy.targets[1]: engine 'postgres' has no target 'sea'"},
    {"lines in a part's code are comments", "{\"id\":\"a\",\"code\":\"--@part x\\nselect 1\"}", NULL, NULL},
};

static void forbid(struct limit *l, struct bytes *engines_, struct bytes *verb)
{
    shape_clear(&shape_limit, l);
    l->selector = BYTES("*");
    engines_[0] = BYTES("sqlite");
    engines_[1] = BYTES("postgres");
    engines_[2] = BYTES("noop");
    engines_[3] = BYTES("shell");
    l->engines = (struct strings){engines_, 4};
    *verb = BYTES("drop");
    l->forbidden_sql = (struct strings){verb, 1};
}

static void sql_job(struct job *j, const char *parts)
{
    struct buf text;

    arena_reset(&arena);
    buf_init(&text);
    buf_printf(&text, "[%s]", parts);
    buf_add_char(&text, '\0');
    make_job(j, "parts", text.data);
    j->engine = BYTES("sqlite");
    j->code = BYTES("");
    buf_release(&text);
}

static void parts_fit_together_or_are_refused(void **state)
{
    struct bytes allowed[4], verb;
    struct limit limit;
    struct job j;

    (void)state;
    forbid(&limit, allowed, &verb);
    struct limits *groups = limits_of(&limit, 1);
    rules.groups = groups;
    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        sql_job(&j, jobs[i].parts);
        bool fine = convert_job(&rules, &j, 100, NOW, &arena);
        if (fine != (jobs[i].code == NULL))
            fail_msg("%s: %s", jobs[i].name, fine ? "was not refused" : (const char *)j.error->message.data);
        if (!fine && (!bytes_equal_text(j.error->code, jobs[i].code) ||
                         !bytes_starts_with(j.error->message, jobs[i].message)))
            fail_msg(
                "%s: got %.*s, %.*s", jobs[i].name, BYTES_ARG(j.error->code), BYTES_ARG(j.error->message));
    }
    rules.groups = NULL;
    limits_free(groups);
}

/* ---- what becomes of them ---- */

static void check_statement(const struct job *j, size_t i, const char *part, int64_t line, const char *text)
{
    assert_true(i < j->statements.count);
    const struct job_statement *s = &j->statements.items[i];
    struct bytes got = job_statement_text(j, s);
    if (s->index != (int64_t)i || !bytes_equal_text(s->part, part) || s->first_line != line ||
        !bytes_equal_text(got, text))
        fail_msg("statement %zu: part %.*s, line %lld: %.*s", i, BYTES_ARG(s->part), (long long)s->first_line,
            BYTES_ARG(got));
}

static void parts_are_filled_in_and_become_statements(void **state)
{
    static const struct {
        const char *engine, *target, *code_type;
    } wanted[] = {{"sqlite", NULL, "sql"}, {"postgres", "lake", "sql"}, {"shell", NULL, "shell"}};
    struct job j;

    (void)state;
    sql_job(&j, "{\"id\":\"a\",\"code\":\"--@set t = x\\nselect 1;\\nselect '${t} ${v}'\"},"
                "{\"id\":\"b\",\"engine\":\"postgres\",\"target\":\"lake\",\"code\":\"select "
                "'${t}'\",\"after\":[\"a\"]},"
                "{\"id\":\"c\",\"engine\":\"shell\",\"code\":\"echo 1;\\necho ${v}\"}");
    struct pair v = {BYTES("v"), BYTES("w")};
    j.variables = (struct pairs){&v, 1};
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.parts.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct job_part *p = &j.parts.items[i];
        assert_true(bytes_equal_text(p->engine, wanted[i].engine));
        assert_true(bytes_equal_text(p->code_type, wanted[i].code_type));
        assert_true(wanted[i].target == NULL ? p->target.data == NULL
                                             : bytes_equal_text(p->target, wanted[i].target));
    }
    assert_int_equal(j.statements.count, 4);
    check_statement(&j, 0, "a", 2, "select 1");
    check_statement(&j, 1, "a", 3, "select 'x w'");
    check_statement(&j, 2, "b", 1, "select '${t}'");
    check_statement(&j, 3, "c", 1, "echo 1;\necho w");
    assert_int_equal(j.warnings.count, 1);
    assert_true(bytes_starts_with(j.warnings.items[0], "part b: ${t} stays as it is"));
}

/* What a part does not say is the job's, where it runs on the job's engine. */
static void parts_take_from_the_job_what_fits(void **state)
{
    struct job j;

    (void)state;
    sql_job(
        &j, P("a") "," PART("b", ",\"engine\":\"postgres\"") "," PART("c", ",\"engine\":\"shell\"") "," PART(
                "d", ",\"engine\":\"shell\",\"target\":\"t\",\"code_type\":\"shell\""));
    j.engine = BYTES("shell");
    j.target = BYTES("mine");
    j.code_type = BYTES("bash");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.parts.items[0].target, "mine"));
    assert_true(bytes_equal_text(j.parts.items[0].code_type, "bash"));
    assert_null(j.parts.items[1].target.data);
    assert_true(bytes_equal_text(j.parts.items[1].code_type, "sql"));
    assert_true(bytes_equal_text(j.parts.items[2].target, "mine"));
    assert_true(bytes_equal_text(j.parts.items[2].code_type, "bash"));
    assert_true(bytes_equal_text(j.parts.items[3].target, "t"));
    assert_true(bytes_equal_text(j.parts.items[3].code_type, "shell"));
}

static void a_job_needs_an_engine_only_for_parts_that_have_none(void **state)
{
    struct job j;

    (void)state;
    sql_job(&j, PART("a", ",\"engine\":\"sqlite\""));
    j.engine = BYTES("");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    sql_job(&j, PART("a", ",\"engine\":\"sqlite\"") "," P("b"));
    j.engine = BYTES("");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(
        bytes_starts_with(j.error->message, "parts[1].engine: the name of an engine; the job has none"));
}

static void code_beside_parts_does_not_run_and_says_so(void **state)
{
    struct job j;

    (void)state;
    sql_job(&j, P("a"));
    j.code = BYTES("select 2");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.statements.count, 1);
    check_statement(&j, 0, "a", 1, "select 1");
    assert_int_equal(j.warnings.count, 1);
    assert_true(bytes_starts_with(j.warnings.items[0], "the job's own code does not run"));
}

static void a_cut_text_becomes_a_job_of_parts(void **state)
{
    static const char code[] = "create table t (a);\n"
                               "--@part load after=main\n"
                               "insert into t values (${n}); select 2;\n"
                               "--@engine postgres@lake\n"
                               "--@set n = 7\n"
                               "select ${n}\n"
                               "--@part last after=load\n"
                               "select 3";
    struct job j;

    (void)state;
    for (int again = 0; again < 2; again++) {
        if (again == 0) {
            arena_reset(&arena);
            make_job(&j, "engine", "\"sqlite\"");
            j.code = bytes_of(code);
        }
        assert_true(convert_job(&rules, &j, 100, NOW, &arena));
        assert_int_equal(j.parts.count, 4);
        assert_true(bytes_equal_text(j.parts.items[0].id, "main") &&
                    bytes_equal_text(j.parts.items[0].engine, "sqlite"));
        assert_true(
            bytes_equal_text(j.parts.items[2].id, "p3") && bytes_equal_text(j.parts.items[2].target, "lake"));
        assert_true(bytes_equal_text(j.parts.items[3].engine, "postgres"));
        assert_true(bytes_equal_text(j.parts.items[3].code_type, "sql"));
        assert_true(j.parts.items[1].code.data != NULL && j.parts.items[1].code.len == 0);
        assert_int_equal(j.statements.count, 5);
        check_statement(&j, 0, "main", 1, "create table t (a)");
        check_statement(&j, 1, "load", 3, "insert into t values (7)");
        check_statement(&j, 2, "load", 3, "select 2");
        check_statement(&j, 3, "p3", 6, "select 7");
        check_statement(&j, 4, "last", 8, "select 3");
        assert_int_equal(j.statements.items[4].offset, sizeof(code) - 1 - strlen("select 3"));
        assert_int_equal(j.warnings.count, 0);
    }
}

static const struct {
    const char *name, *engine, *code;
    const char *error, *message;
    int64_t line;
} refused[] = {
    {"a wrong line", "sqlite", "--@part a b\nx", "bad_parts", "code: line 1: expected nothing behind", 1},
    {"an unknown engine", "sqlite", "--@part a\nx\n--@engine cobol\n--@part b\nx", "unknown_engine",
        "code: part b, line 4: there is no engine 'cobol'", 4},
    {"an engine for other code", "sqlite", "x\n--@engine shell\ny", "bad_code_type",
        "code: part p2, line 2: engine 'shell' does not run 'sql', but: shell, bash", 2},
    {"an engine with other SQL", "sqlite", "x\n--@engine spark\ny", NULL, NULL, 0},
    {"an unknown target", "sqlite", "--@engine postgres@sea\nx", "unknown_target",
        "code: part main, line 1: engine 'postgres' has no target 'sea'", 1},
    {"a wrong variable", "sqlite", "x\n--@part b\n ${run_date*2}", "bad_variable",
        "part b, line 3, column 2: ${run_date*2}", 3},
    {"a wrong line that sets a variable", "sqlite", "x\n--@part b\n--@set 1 = 2\ny", "bad_set",
        "line 3, column 1: a name is", 3},
};

static void a_wrong_cut_is_refused_with_its_line(void **state)
{
    struct job j;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        arena_reset(&arena);
        make_job(&j, NULL, NULL);
        j.engine = bytes_of(refused[i].engine);
        j.code = bytes_of(refused[i].code);
        bool fine = convert_job(&rules, &j, 100, NOW, &arena);
        if (fine != (refused[i].error == NULL))
            fail_msg(
                "%s: %s", refused[i].name, fine ? "was not refused" : (const char *)j.error->message.data);
        if (!fine &&
            (!bytes_equal_text(j.error->code, refused[i].error) || j.error->line != refused[i].line ||
                !bytes_starts_with(j.error->message, refused[i].message)))
            fail_msg("%s: got %.*s, line %lld, %.*s", refused[i].name, BYTES_ARG(j.error->code),
                (long long)j.error->line, BYTES_ARG(j.error->message));
        if (fine)
            assert_true(bytes_equal_text(j.parts.items[1].code_type, "hql"));
    }
}

static void parts_in_both_places_are_refused(void **state)
{
    struct job j;

    (void)state;
    sql_job(&j, P("a"));
    j.code = BYTES("select 1;\n--@part b\nselect 2");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "bad_parts"));
    assert_true(bytes_starts_with(j.error->message, "code: line 1: the job has parts of its own"));
}

static void lines_count_as_the_field_parts_in_the_rules_of_a_creator(void **state)
{
    struct bytes none = BYTES("name");
    struct limit limit;
    struct job j;

    (void)state;
    arena_reset(&arena);
    shape_clear(&shape_limit, &limit);
    limit.selector = BYTES("*");
    limit.allowed = (struct strings){&none, 1};
    struct limits *groups = limits_of(&limit, 1);
    rules.groups = groups;
    make_job(&j, "engine", "\"sqlite\"");
    j.code = BYTES("--@part a\nselect 1");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "field_not_allowed"));
    assert_true(bytes_starts_with(j.error->message, "parts: "));
    rules.groups = NULL;
    limits_free(groups);
}

/* ---- many ---- */

static void many_parts_are_made_and_too_many_refused(void **state)
{
    struct buf code;
    struct job j;

    (void)state;
    buf_init(&code);
    for (int i = 0; i < JOB_PARTS_MAX; i++)
        buf_printf(&code, "--@part n%d%s\nselect %d; select ${x};\n", i, i > 0 ? " after=n0" : "", i);
    for (int more = 0; more < 2; more++) {
        arena_reset(&arena);
        make_job(&j, "engine", "\"sqlite\"");
        if (more)
            buf_add_text(&code, "--@part more\nselect 1");
        j.code = buf_bytes(&code);
        bool fine = convert_job(&rules, &j, 100, NOW, &arena);
        assert_int_equal(fine, !more);
        if (more) {
            assert_true(bytes_equal_text(j.error->code, "too_many"));
            continue;
        }
        assert_int_equal(j.parts.count, JOB_PARTS_MAX);
        assert_int_equal(j.statements.count, 2 * JOB_PARTS_MAX);
        check_statement(&j, 1998, "n999", 2 * 999 + 2, "select 999");
        assert_int_equal(j.warnings.count, 1); /* ${x}, once for the text */
    }
    buf_release(&code);
}

static void warnings_of_many_parts_are_cut(void **state)
{
    struct buf parts;
    struct job j;

    (void)state;
    buf_init(&parts);
    for (int i = 0; i < 500; i++)
        buf_printf(&parts, "%s{\"id\":\"n%d\",\"code\":\"select '${x%d}'\"}", i > 0 ? "," : "", i, i);
    buf_add_char(&parts, '\0');
    sql_job(&j, parts.data);
    buf_release(&parts);
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.statements.count, 500);
    assert_int_equal(j.warnings.count, 101);
    assert_true(bytes_equal_text(j.warnings.items[100], "there are more warnings about the code"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_fit_together_or_are_refused),
        cmocka_unit_test(parts_are_filled_in_and_become_statements),
        cmocka_unit_test(parts_take_from_the_job_what_fits),
        cmocka_unit_test(a_job_needs_an_engine_only_for_parts_that_have_none),
        cmocka_unit_test(code_beside_parts_does_not_run_and_says_so),
        cmocka_unit_test(a_cut_text_becomes_a_job_of_parts),
        cmocka_unit_test(a_wrong_cut_is_refused_with_its_line),
        cmocka_unit_test(parts_in_both_places_are_refused),
        cmocka_unit_test(lines_count_as_the_field_parts_in_the_rules_of_a_creator),
        cmocka_unit_test(many_parts_are_made_and_too_many_refused),
        cmocka_unit_test(warnings_of_many_parts_are_cut),
    };
    return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
