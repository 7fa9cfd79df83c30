/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* statements: from the user's code to what runs: split, filled in, checked, limited; and where what is refused stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converter/statements.h"

#define NOW 1715851812345LL /* 2024-05-16 */

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        "" literal, sizeof(literal) - 1                                                                      \
    } /* BYTES for static tables */

static struct pair given[] = {{TEXT("v"), TEXT("a;b")}, {TEXT("evil"), TEXT("1; drop table t")},
    {TEXT("two"), TEXT("x\ny")}, {TEXT("cmd"), TEXT("rm -rf /")}};
static struct bytes forbidden_sql[] = {TEXT("drop"), TEXT("delete without where")};
static struct bytes forbidden_code[] = {TEXT("shell"), TEXT("python.start"), TEXT("scala")};

static struct arena arena;
static struct limits *groups;
static struct convert_rules rules;
static struct job job;
static struct statements_problem problem;

static bool convert(const char *engine, const char *type, const char *code)
{
    struct statements_piece piece = {0, strlen(code), 1, bytes_of(engine), bytes_of(type), BYTES_NONE};
    struct statements_text text = {bytes_of(code), bytes_of(type), &piece, 1};
    struct statements all;

    arena_reset(&arena);
    shape_clear(&shape_converted, &job);
    job.creator = BYTES("ide");
    job.user = BYTES("ann");
    job.code = text.code;
    job.variables = (struct pairs){given, 4};
    statements_begin(&all, &rules, &job, NOW, 1 << 20, &arena);
    bool done = statements_add(&all, &text, &problem);
    statements_end(&all);
    return done;
}

/* ---- what becomes of code ---- */

static const struct {
    const char *name, *engine, *type, *code;
    const char *statements[5]; /* their texts */
    int64_t lines[5];
    size_t warnings;
} makes[] = {
    {"SQL is split", "sqlite", "sql", "select 1;\n\nselect 2 ;", {"select 1", "select 2"}, {1, 3}, 0},
    {"comments lie between", "sqlite", "sql", "-- a;\nselect 1; -- b;\n/* c */ select 2",
        {"select 1", "select 2"}, {2, 3}, 0},
    {"strings are not split", "postgres", "sql", "select ';' ; select $$;$$", {"select ';'", "select $$;$$"},
        {1, 1}, 0},
    {"the dialect is the engine's", "mysql", "sql", "select 'a\\';'; select 2",
        {"select 'a\\';'", "select 2"}, {1, 1}, 0},
    {"shell is one statement", "shell", "shell", "echo a;\necho b", {"echo a;\necho b"}, {1}, 0},
    {"code of unknown types is one statement", "x", "brainfuck", "+;\n+", {"+;\n+"}, {1}, 0},
    {"a value makes no new statement", "sqlite", "sql", "select '${v}'; select 2",
        {"select 'a;b'", "select 2"}, {1, 1}, 0},
    {"lines are the user's, whatever values hold", "sqlite", "sql", "select '${two}';\nselect 2",
        {"select 'x\ny'", "select 2"}, {1, 2}, 0},
    {"a line sets a variable for all statements", "sqlite", "sql",
        "--@set n = 3\nselect ${n};\nselect ${n+1}", {"select 3", "select 4"}, {2, 3}, 0},
    {"unknown names warn once", "sqlite", "sql", "select '${nix}'; select '${nix}'",
        {"select '${nix}'", "select '${nix}'"}, {1, 1}, 1},
    {"what is not closed warns", "sqlite", "sql", "select 1;\nselect 'x; select 2",
        {"select 1", "select 'x; select 2"}, {1, 2}, 1},
};

static void makes_statements(void **state)
{
    (void)state;
    rules.groups = NULL;
    for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
        if (!convert(makes[i].engine, makes[i].type, makes[i].code))
            fail_msg("%s: %s", makes[i].name, problem.message.data);
        size_t count = 0;
        for (; makes[i].statements[count] != NULL; count++) {
            if (count == job.statements.count)
                fail_msg("%s: there is no statement %zu", makes[i].name, count);
            const struct job_statement *s = &job.statements.items[count];
            struct bytes text = job_statement_text(&job, s);
            if (!bytes_equal_text(text, makes[i].statements[count]))
                fail_msg("%s: statement %zu is '%.*s'", makes[i].name, count, BYTES_ARG(text));
            if (s->first_line != makes[i].lines[count] || s->index != (int64_t)count)
                fail_msg("%s: statement %zu: line %lld", makes[i].name, count, (long long)s->first_line);
        }
        if (count != job.statements.count || job.warnings.count != makes[i].warnings)
            fail_msg(
                "%s: %zu statements, %zu warnings", makes[i].name, job.statements.count, job.warnings.count);
    }
}

/* ---- what is refused, and where it stands ---- */

static const struct {
    const char *name, *engine, *type, *text;
    const char *code, *message; /* NULL: it is not refused; the message begins so */
    int64_t line, statement;
} refusals[] = {
    {"blank code", "sqlite", "sql", " \n", "empty_code", "code: there is nothing to run", NO_INT, NO_INT},
    {"only comments", "sqlite", "sql", "-- a\n/* b */;", "empty_code", "code: there is nothing", NO_INT,
        NO_INT},
    {"only comments in shell", "shell", "shell", "# a\n  # b\n", "empty_code", "code: ", NO_INT, NO_INT},
    {"only comments in python", "python", "python", "#@set a = 1", "empty_code", "code: ", NO_INT, NO_INT},
    {"a forbidden verb", "sqlite", "sql", "select 1;\n  drop table t", "forbidden_code",
        "line 2, column 3: rule drop: drop", 2, 1},
    {"columns are characters", "sqlite", "sql", "select 'ä中'; drop table t", "forbidden_code",
        "line 1, column 14: rule drop: drop", 1, 1},
    {"a verb in a string is none", "sqlite", "sql", "select 'drop table t'", NULL, NULL, 0, 0},
    {"a verb by two rules' other half", "sqlite", "sql", "delete from t where a = 1", NULL, NULL, 0, 0},
    {"a verb without its where", "sqlite", "sql", "delete from t", "forbidden_code",
        "line 1, column 1: rule delete without where: delete", 1, 0},
    {"a verb behind a value keeps the user's place", "sqlite", "sql", "select '${two}'; drop table t",
        "forbidden_code", "line 1, column 18: rule drop: drop", 1, 1},
    {"a verb that a value brings in stands where its ${ is", "sqlite", "sql", "select 2;\nselect ${evil}",
        "forbidden_code", "line 2, column 8: rule drop: drop", 2, 1},
    {"a verb behind several lines of values", "sqlite", "sql",
        "with a as (select '${two}${two}'\n, 2) delete from t", "forbidden_code",
        "line 2, column 6: rule delete without where: delete", 2, 0},
    {"a dangerous command", "shell", "shell", "echo a\necho rm && /bin/rm -rf /tmp/x", "forbidden_code",
        "line 2, column 12: rule shell.rm: /bin/rm", 2, 0},
    {"the word in an argument is none", "shell", "shell", "echo rm for find", NULL, NULL, 0, 0},
    {"a dangerous command behind a value", "shell", "shell", "echo ${v} ${v}\necho ${two}; rm x",
        "forbidden_code", "line 2, column 14: rule shell.rm: rm", 2, 0},
    {"a dangerous command in a value", "shell", "shell", "true\n  ${cmd}", "forbidden_code",
        "line 2, column 3: rule shell.rm_root: rm", 2, 0},
    {"a rule of another language is not asked", "python", "python", "import socket", NULL, NULL, 0, 0},
    {"a wrong variable", "sqlite", "sql", "select 1;\nselect '${run_date*2}'", "bad_variable",
        "line 2, column 9: ${run_date*2}: a date takes only + and -", 2, NO_INT},
    {"a wrong line that sets", "sqlite", "sql", "select 1;\n--@set 5", "bad_set", "line 2, column 1: ", 2,
        NO_INT},
};

static struct limit rules_of_ide(void)
{
    struct limit l;

    shape_clear(&shape_limit, &l);
    l.selector = BYTES("ide/*");
    l.forbidden_sql = (struct strings){forbidden_sql, 2};
    l.forbidden_code = (struct strings){forbidden_code, 3};
    return l;
}

static void refuses_with_line_column_and_rule(void **state)
{
    struct limit l = rules_of_ide();

    (void)state;
    rules.groups = groups = limits_of(&l, 1);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        bool fine = convert(refusals[i].engine, refusals[i].type, refusals[i].text);
        if (fine != (refusals[i].code == NULL))
            fail_msg("%s: %s", refusals[i].name, fine ? "was not refused" : problem.message.data);
        if (fine || refusals[i].code == NULL)
            continue;
        if (strcmp(problem.code, refusals[i].code) != 0 ||
            !bytes_starts_with(problem.message, refusals[i].message))
            fail_msg("%s: %s: %s", refusals[i].name, problem.code, problem.message.data);
        if (problem.line != refusals[i].line || problem.statement != refusals[i].statement)
            fail_msg("%s: line %lld, statement %lld", refusals[i].name, (long long)problem.line,
                (long long)problem.statement);
    }
    limits_free(groups);
    rules.groups = NULL;
}

static void tells_all_that_is_forbidden(void **state)
{
    struct limit l = rules_of_ide();

    (void)state;
    rules.groups = groups = limits_of(&l, 1);
    assert_false(convert("sqlite", "sql", "drop table a;\nselect 1;\ndrop table b"));
    assert_true(bytes_starts_with(problem.detail, "line 1, column 1: rule drop: drop"));
    assert_non_null(strstr(problem.detail.data, "\nline 3, column 1: rule drop: drop"));
    limits_free(groups);
    rules.groups = NULL;
}

/* A text of two pieces: places are those of the text, what it sets counts for both, and problems name the part. */
static void counts_in_the_text_whatever_the_piece(void **state)
{
    static const struct {
        const char *code, *second; /* where the second piece begins: from here on */
        const char *message;       /* NULL: it is fine; else the problem's begins so */
        int64_t line;
    } cases[] = {
        {"select ${n};\n--\nselect 1;\nselect ${n};\n--@set n = 7", "select 1", NULL, 0},
        {"select 0;\n--\nselect 1;\ndrop table t", "select 1", "part b, line 4, column 1: rule drop: drop",
            4},
        {"select 0;\n--\nselect 1;\n${run_date*2}", "select 1", "part b, line 4, column 1: ", 4},
        {"select 0;\n-- nothing\n", "-- nothing", "part b, code: there is nothing to run", NO_INT},
    };
    struct limit l = rules_of_ide();

    (void)state;
    rules.groups = groups = limits_of(&l, 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes code = bytes_of(cases[i].code);
        size_t at = (size_t)(strstr(cases[i].code, cases[i].second) - cases[i].code);
        struct statements_piece pieces[] = {{0, at, 1, BYTES("sqlite"), BYTES("sql"), BYTES("a")},
            {at, code.len, 3, BYTES("sqlserver"), BYTES("sql"), BYTES("b")}};
        struct statements_text text = {code, BYTES("sql"), pieces, 2};
        struct statements all;
        pieces[1].first_line = cases[i].second[0] == '-' ? 2 : 3;
        (void)convert("sqlite", "sql", "select 0");
        job.code = code;
        statements_begin(&all, &rules, &job, NOW, 1000, &arena);
        bool done = statements_add(&all, &text, &problem);
        statements_end(&all);
        assert_int_equal(done, cases[i].message == NULL);
        if (!done && (!bytes_starts_with(problem.message, cases[i].message) || problem.line != cases[i].line))
            fail_msg("case %zu: line %lld, %s", i, (long long)problem.line, problem.message.data);
        if (!done)
            continue;
        assert_int_equal(job.statements.count, 3);
        const struct job_statement *last = &job.statements.items[2];
        assert_true(last->index == 2 && last->first_line == 4 && bytes_equal_text(last->part, "b"));
        assert_true(bytes_equal_text(job_statement_text(&job, &job.statements.items[0]), "select 7"));
        assert_true(bytes_equal_text(job_statement_text(&job, last), "select 7;"));
    }
    limits_free(groups);
    rules.groups = NULL;
}

/* ---- the row limit ---- */

static const struct {
    const char *name, *engine, *code, *text;
    size_t warnings;
} limited[] = {
    {"a query gets one", "sqlite", "select * from t", "select * from t LIMIT 50", 1},
    {"a larger one is lowered", "postgres", "select * from t limit 60", "select * from t limit 50", 1},
    {"a smaller one stays", "postgres", "select * from t limit 40", "select * from t limit 40", 0},
    {"by dialect", "sqlserver", "select * from t", "select TOP (50) * from t", 1},
    {"a lock stays", "postgres", "select * from t for update", "select * from t for update", 0},
    {"what changes data stays", "sqlite", "insert into t select * from u", "insert into t select * from u",
        0},
    {"an unknown dialect stays", "nobody", "select * from t", "select * from t", 0},
    {"with values filled in", "sqlite", "select '${v}'", "select 'a;b' LIMIT 50", 1},
};

static void limits_rows(void **state)
{
    struct limit l;

    (void)state;
    shape_clear(&shape_limit, &l);
    l.selector = BYTES("ide/*");
    l.row_limit = 50;
    rules.groups = groups = limits_of(&l, 1);
    for (size_t i = 0; i < sizeof(limited) / sizeof(limited[0]); i++) {
        assert_true(convert(limited[i].engine, "sql", limited[i].code));
        struct bytes text = job_statement_text(&job, &job.statements.items[0]);
        if (!bytes_equal_text(text, limited[i].text) || job.warnings.count != limited[i].warnings)
            fail_msg("%s: '%.*s', %zu warnings", limited[i].name, BYTES_ARG(text), job.warnings.count);
    }
    limits_free(groups);
    rules.groups = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_statements),
        cmocka_unit_test(refuses_with_line_column_and_rule),
        cmocka_unit_test(tells_all_that_is_forbidden),
        cmocka_unit_test(counts_in_the_text_whatever_the_piece),
        cmocka_unit_test(limits_rows),
    };
    rules.derived_max_bytes = 1 << 20;
    arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
