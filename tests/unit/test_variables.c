/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* variables: what code becomes: names, sums, lines that set, JSON; every refusal with its place; and that it is linear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converter/variables.h"
#include "core/job.h"
#include "tests/unit/nasty.h"

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        "" literal, sizeof(literal) - 1                                                                      \
    } /* BYTES for static tables */

/* 2024-05-16 09:30:12.345 UTC: run_date is 2024-05-15. */
#define AT 1715851812345LL

static struct pair values[] = {
    {TEXT("day"), TEXT("2026-01-02")},
    {TEXT("a"), TEXT("${day}")},
    {TEXT("empty"), TEXT("")},
    {TEXT("x.y-z_1"), TEXT("v")},
    {TEXT("n"), TEXT("10")},
    {TEXT("minus"), TEXT("-3")},
    {TEXT("half"), TEXT("2.50")},
    {TEXT("plus"), TEXT("+4")},
    {TEXT("point"), TEXT(".5")},
    {TEXT("code"), TEXT("007")},
    {TEXT("zero"), TEXT("0")},
    {TEXT("small"), TEXT("0.5")},
    {TEXT("name"), TEXT("tab")},
    {TEXT("big"), TEXT("999999999999999999999999999999999999")},
    {TEXT("long"), TEXT("1234567890123456789012345678901234567")},
    {TEXT("lines"), TEXT("x\n--@set n = 9\ny")},
    {TEXT("pattern"), TEXT("&{yyyy}")},
    {TEXT("quote"), TEXT("\"\\\n")},
};
static const struct pairs variables = {values, sizeof(values) / sizeof(values[0])};

static enum variables_end fill(struct arena *a, struct bytes code, const char *type,
    const struct pairs *given, size_t max_bytes, struct bytes *out, struct strings *warnings,
    struct variables_problem *problem)
{
    const struct variables_input input = {.code = code,
        .code_type = bytes_of(type),
        .given = given,
        .user = BYTES("ann"),
        .submitter = BYTES("ops"),
        .zone = zone_of_utc,
        .submitted_at = AT,
        .max_bytes = max_bytes};
    struct variables *v = variables_new(&input, a, problem);

    if (v == NULL)
        return VARIABLES_REFUSED;
    enum variables_end end = variables_replace(v, 0, code.len, out, problem);
    *warnings = variables_warnings(v);
    return end;
}

/* ---- what is filled in ---- */

static const struct fill_case {
    const char *name, *type, *code, *wanted; /* wanted NULL: the code itself */
    size_t warnings;
} fills[] = {
    {"code without variables stays", "sql", "select 1", NULL, 0},
    {"empty code stays", "sql", "", NULL, 0},
    {"a name is replaced", "sql", "where d = '${day}'", "where d = '2026-01-02'", 0},
    {"a name is replaced everywhere", "sql", "${day}${day}", "2026-01-022026-01-02", 0},
    {"a value is not looked at again", "sql", "${a}", "${day}", 0},
    {"a value is no pattern", "sql", "${pattern}", "&{yyyy}", 0},
    {"a value sets nothing", "sql", "${lines} ${n}", "x\n--@set n = 9\ny 10", 0},
    {"two values make no third", "sql", "${${day}}", "${2026-01-02}", 0},
    {"an empty value leaves nothing", "sql", "[${empty}]", "[]", 0},
    {"names hold dots, dashes, digits", "sql", "${x.y-z_1}", "v", 0},
    {"blanks around a name", "sql", "${ day } ${\tday\n}", "2026-01-02 2026-01-02", 0},
    {"any code type", "brainfuck", "${day}", "2026-01-02", 0},
    {"an unknown name stays with a warning", "sql", "select '${HOME}'", NULL, 1},
    {"an unknown name warns once", "sql", "${u} ${u} ${v}", NULL, 2},
    {"known and unknown names mix", "sql", "${u}${day}", "${u}2026-01-02", 1},
    {"a shell's own variables stay without a warning", "shell", "${HOME} ${PATH-x} ${PWD+y} ${HOME/a/b} ${u}",
        NULL, 0},
    {"scala's own, too", "scala", "s\"${title} ${count}\"", NULL, 0},
    {"in shell what begins with run_ warns", "shell", "${run_dat} ${RUN_DATE} ${run_x}", NULL, 3},
    {"in shell a sum with a number warns", "shell", "${when-7} ${HOME-x}", NULL, 1},
    {"in shell nearly a variable's name warns", "shell", "${dya} ${patern} ${DAY} ${pattern_2}", NULL, 3},
    {"in shell nearly the name of a line's variable warns", "shell", "#@set region = 4\n${regin} ${regi}",
        NULL, 1},
    {"other uses of ${ stay without a warning", "shell",
        "${1} ${} ${a:-b} ${#a} ${a[0]} ${a b} ${a+b+c} ${!a}", NULL, 0},
    {"an open end stays", "sql", "x ${day", NULL, 0},
    {"an open sum stays", "sql", "x ${n+1", NULL, 0},
    {"a lone dollar at the end stays", "sql", "cost $", NULL, 0},
    {"a lone brace stays", "sql", "{", NULL, 0},
    {"dollars before a name stay", "sql", "$$${day}", "$$2026-01-02", 0},

    {"a day back", "sql", "${run_date-1}", "20240514", 0},
    {"blanks in a sum", "sql", "${ run_date - 7 }", "20240508", 0},
    {"the unit is the type's", "sql", "${run_quarter_begin+1}", "20240701", 0},
    {"std in a sum", "sql", "${run_month_end_std-3}", "2024-02-29", 0},
    {"a variable on the right", "sql", "${run_date+n} ${run_date+minus} ${run_date+plus}",
        "20240525 20240512 20240519", 0},
    {"a zero in front on the right", "sql", "${run_date-01}", "20240514", 0},
    {"who it is", "sql", "${user} ${execute_user} ${submit_user} ${user+_x}", "ann ann ops ann_x", 0},
    {"an hour on", "sql", "${run_today_h+15} ${run_today_hour_std}", "2024051700 2024-05-16 09", 0},

    {"numbers", "sql", "${n+1} ${n-1} ${n*3} ${n/4}", "11 9 30 2.5", 0},
    {"no binary fractions", "sql", "${half+.1} ${half*.1} ${point+.25}", "2.6 0.25 0.75", 0},
    {"a number alone stays as it was given", "sql", "${half} ${plus}", "2.50 +4", 0},
    {"signs", "sql", "${minus*minus} ${minus-n} ${plus+1} ${n+minus}", "9 -13 5 7", 0},
    {"a name with a dash before a sum", "sql", "${n-5}${x.y-z_1}", "5v", 0},
    {"a third", "sql", "${n/3}", "3.333333333333333333", 0},
    {"two thirds", "sql", "${half/3.75}", "0.666666666666666667", 0},
    {"what begins with 0 is text", "sql", "${code+1} ${zero+1} ${small+.5}", "0071 01 0.5.5", 0},
    {"but is a number on the right", "sql", "${n+code} ${n*small}", "17 5", 0},
    {"text", "sql", "${name+_2024} ${name + name} ${name+n}", "tab_2024 tabtab tab10", 0},
    {"a right side with a dash is a name or nothing", "shell", "${n+x-y} ${name + x.y-z_1}", "${n+x-y} tabv",
        0},

    {"a pattern", "sql", "&{yyyy-MM-01%-2M}", "2024-03-01", 0},
    {"the time of day", "sql", "&{yyyyMMdd HH:mm:ss.SSS}", "20240515 09:30:12.345", 0},
    {"a pattern that is none", "cpp", "&{x+1} &{} &{ }", NULL, 0},
    {"a pattern with unknown letters warns", "sql", "&{yyyy-MM-ddT}", NULL, 1},
    {"a pattern without an end", "sql", "&{yyyy", NULL, 0},
    {"a pattern far from its end", "sql",
        "&{                                                                                                  "
        "                                                                                                    "
        " yyyy}",
        NULL, 0},

    {"a line sets", "sql", "--@set t = orders\nselect * from ${t}", "--@set t = orders\nselect * from orders",
        0},
    {"before the job's own", "sql", "--@set n=3;\n${n+1}", "--@set n=3;\n4", 0},
    {"anywhere, the last counts", "sql", "${t}\n  --@set t=1\r\n\t--@set\tt = 2 ;; \n",
        "2\n  --@set t=1\r\n\t--@set\tt = 2 ;; \n", 0},
    {"the value keeps its =", "sql", "${t}\n--@set t = a = b", "a = b\n--@set t = a = b", 0},
    {"an empty value", "sql", "[${n}]\n--@set n =", "[]\n--@set n =", 0},
    {"the line itself stays", "sql", "--@set t = ${n} ${u} &{yyyy}\n", NULL, 1},
    {"its value is not looked at", "sql", "--@set t = ${n}\n${t}", "--@set t = ${n}\n${n}", 1},
    {"not in the middle of a line", "sql", "select 1 --@set t = 2\n${t}", NULL, 1},
    {"not glued", "sql", "--@settings = 1\n-- @set t = 1\n${t}", NULL, 1},
    {"python's", "python", "#@set t = 1\n--@set t = 2\n${t}", "#@set t = 1\n--@set t = 2\n1", 0},
    {"the shell's", "bash", "#@set t = 1\n${t}", "#@set t = 1\n1", 0},
    {"scala's", "scala", "//@set t = 1\n${t}", "//@set t = 1\n1", 0},
    {"java's give way", "java", "//@set s = 2\n !!@set t = ${u}\n${t}${s}",
        "//@set s = 2\n                \n${u}2", 1},
    {"java's give way even alone", "java", "!!@set t = 1\nx", "            \nx", 0},
    {"other code has none", "text", "#@set n = 1\n${n}", "#@set n = 1\n10", 0},
    {"run_date in the code", "sql", "--@set run_date = 20240301\n${run_date-1} ${run_mon} &{MM-dd}",
        "--@set run_date = 20240301\n20240229 202403 03-01", 0},
    {"run_date with dashes", "sql", "--@set run_date = 2024-03-01\n${run_date}",
        "--@set run_date = 2024-03-01\n20240301", 0},
    {"an empty run_date is none", "sql", "--@set run_date = \n${run_date}", "--@set run_date = \n20240515",
        0},
    {"hours in the code", "sql", "--@set run_today_h = 2024053123\n${run_today_h+1} ${run_today_hour}",
        "--@set run_today_h = 2024053123\n2024060100 2024051609", 0},

    {"json: strings", "json", "{\"a\": [\"${n}\", 1.0e3, \"x ${name+_1}\"]}",
        "{\"a\": [\"10\", 1.0e3, \"x tab_1\"]}", 0},
    {"json: names of members stay", "json", "{\"${n}\" : {\"${n}\":\"${n}\"}}",
        "{\"${n}\" : {\"${n}\":\"10\"}}", 0},
    {"json: escapes where needed", "json", "[\"${quote}\\t${n}\"]", "[\"\\\"\\\\\\n\\t10\"]", 0},
    {"json: written with escapes", "json", "[\"\\u0024\\u007bn}\"]", "[\"10\"]", 0},
    {"json: numbers stay as they are", "json", "[123456789012345678901234567890, 1e2,\"${n}\"]",
        "[123456789012345678901234567890, 1e2,\"10\"]", 0},
    {"json: patterns, unknown names", "data_calc", "[\"&{yyyy}\",\"${u}\"]", "[\"2024\",\"${u}\"]", 1},
    {"json: one string", "json", " \"${n}\" ", " \"10\" ", 0},
    {"json: nothing to fill in is not read", "json", "{no json", NULL, 0},
    {"json: sets nothing", "json", "[\"--@set n = 1\",\"${n}\"]", "[\"--@set n = 1\",\"10\"]", 0},
};

static void fills_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
        const struct fill_case *c = &fills[i];
        struct variables_problem problem = {.message = BYTES_NONE};
        struct strings warnings = {NULL, 0};
        struct bytes out = BYTES_NONE;
        struct arena a;
        arena_init(&a);
        enum variables_end end =
            fill(&a, bytes_of(c->code), c->type, &variables, 1000, &out, &warnings, &problem);
        if (end == VARIABLES_REFUSED)
            fail_msg("%s: refused: %.*s", c->name, BYTES_ARG(problem.message));
        if (!bytes_equal_text(out, c->wanted != NULL ? c->wanted : c->code) ||
            (end == VARIABLES_REPLACED) != (c->wanted != NULL) || warnings.count != c->warnings)
            fail_msg(
                "%s: got '%.*s', end %d, %zu warnings", c->name, BYTES_ARG(out), (int)end, warnings.count);
        arena_release(&a);
    }
}

/* ---- what is refused ---- */

static const struct refusal_case {
    const char *name, *type, *text, *code, *message; /* it begins so */
    int64_t line;
} refusals[] = {
    {"a date times two", "sql", "a\n  ä ${run_date*2}", "bad_variable",
        "line 2, column 5: ${run_date*2}: a date takes only + and -", 2},
    {"a date by two", "sql", "${ run_mon_std / 2 }", "bad_variable",
        "line 1, column 1: ${run_mon_std/2}: a date takes", 1},
    {"a date and a word", "sql", "${run_date+x}", "bad_variable",
        "line 1, column 1: ${run_date+x}: 'x' is no whole number (of the unit day)", 1},
    {"a date and a half", "sql", "${run_mon-half}", "bad_variable",
        "line 1, column 1: ${run_mon-half}: '2.50' is no whole number (of the unit month)", 1},
    {"a date out of the years", "sql", "${run_year_end+7976}", "bad_variable",
        "line 1, column 1: ${run_year_end+7976}: this leads out of the years", 1},
    {"far out of the years", "sql", "${run_date-9223372036854775807}", "bad_variable",
        "line 1, column 1: ${run_date-9223372036854775807}: this leads", 1},
    {"hours out of the years", "sql", "${run_today_h+9223372036854775807}", "bad_variable", "line 1", 1},
    {"a date and another", "sql", "${run_date+run_date}", "bad_variable",
        "line 1, column 1: ${run_date+run_date}: this leads out", 1},
    {"nothing on the right", "sql", "${n+}", "bad_variable",
        "line 1, column 1: ${n+}: there is nothing after the operator", 1},
    {"text times two", "sql", "${name*2}", "bad_variable", "line 1, column 1: ${name*2}: text takes only +",
        1},
    {"text without", "sql", "${name-x}", "bad_variable", "line 1, column 1: ${name-x}: text takes only +", 1},
    {"what begins with 0 without", "sql", "${code-1}", "bad_variable",
        "line 1, column 1: ${code-1}: text takes only +", 1},
    {"an empty value without", "sql", "${empty-1}", "bad_variable",
        "line 1, column 1: ${empty-1}: text takes only +", 1},
    {"a user times two", "sql", "${user*2}", "bad_variable", "line 1, column 1: ${user*2}: text takes only +",
        1},
    {"a number and a word", "sql", "${n+x}", "bad_variable", "line 1, column 1: ${n+x}: 'x' is no number", 1},
    {"a number and text", "sql", "${n*name}", "bad_variable",
        "line 1, column 1: ${n*name}: 'tab' is no number", 1},
    {"by zero", "sql", "${n/0.0}", "bad_variable", "line 1, column 1: ${n/0.0}: a division by zero", 1},
    {"too many digits", "sql", "${big+1}", "bad_variable",
        "line 1, column 1: ${big+1}: the result has more than 36", 1},
    {"too many digits to begin with", "sql", "${long*2}", "bad_variable",
        "line 1, column 1: ${long*2}: text takes only +", 1},
    {"a step without a number", "sql", "&{yyyy%d}", "bad_variable",
        "line 1, column 1: &{yyyy%d}: after % comes a whole number", 1},
    {"a step without a unit", "sql", "\n\n &{yyyy%-1}", "bad_variable",
        "line 3, column 2: &{yyyy%-1}: after % comes a number", 3},
    {"a step too far", "sql", "&{yyyy%8000y}", "bad_variable",
        "line 1, column 1: &{yyyy%8000y}: this leads out", 1},
    {"a line without =", "sql", "x\n  --@set a b\n", "bad_set", "line 2, column 3: expected name = value", 2},
    {"a line without anything", "sql", "--@set", "bad_set", "line 1, column 1: expected name = value", 1},
    {"a line without a name", "python", "#@set = 1", "bad_set",
        "line 1, column 1: there is no name before =", 1},
    {"a line with a bad name", "sql", "--@set a b = 1", "bad_set", "line 1, column 1: a name is a letter", 1},
    {"setting who it is", "sql", "\n--@set user = root", "fixed_variable",
        "line 2, column 1: user: the variable is built in", 2},
    {"setting what follows", "sql", "--@set run_mon_std = 2024-01", "fixed_variable",
        "line 1, column 1: run_mon_std: ", 1},
    {"setting run_date_std", "sql", "--@set run_date_std = 2024-01-01", "fixed_variable", "line 1", 1},
    {"no such day", "sql", "--@set run_date = 20230229", "bad_value",
        "line 1, column 1: run_date: expected a day that exists", 1},
    {"no such hour", "sql", "--@set run_today_h = 2024051624", "bad_value",
        "line 1, column 1: run_today_h: expected an hour", 1},
    {"json that is none", "json", "{\n \"a\": ${n}}", "bad_json",
        "line 2, column 7: the code is no JSON: ", 2},
    {"json: a wrong sum", "json", "{\n \"a\": \"${n/0}\"}", "bad_variable",
        "line 2, column 7: ${n/0}: a division by zero", 2},
};

static void refuses_with_a_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal_case *c = &refusals[i];
        struct variables_problem problem = {.message = BYTES_NONE};
        struct strings warnings;
        struct bytes out = BYTES_NONE;
        struct arena a;
        arena_init(&a);
        enum variables_end end =
            fill(&a, bytes_of(c->text), c->type, &variables, 1000, &out, &warnings, &problem);
        if (end != VARIABLES_REFUSED)
            fail_msg("%s: not refused: '%.*s'", c->name, BYTES_ARG(out));
        if (strcmp(problem.code, c->code) != 0 || problem.line != c->line ||
            !bytes_starts_with(problem.message, c->message))
            fail_msg("%s: got %s, line %lld, %.*s", c->name, problem.code, (long long)problem.line,
                BYTES_ARG(problem.message));
        assert_non_null(job_error_code(problem.code));
        arena_release(&a);
    }
}

static const struct {
    const char *key, *value, *code; /* code NULL: fine */
} given_cases[] = {
    {"run_date", "20240229", NULL},
    {"run_date", "2024-02-29", NULL},
    {"run_date", "", NULL},
    {"run_date", "20230229", "bad_value"},
    {"run_date", "2024022", "bad_value"},
    {"run_date", "2024-0229", "bad_value"},
    {"run_date", "00000101", "bad_value"},
    {"run_date", "yesterday", "bad_value"},
    {"run_today_h", "2024022923", NULL},
    {"run_today_h", "2024-02-29 23", NULL},
    {"run_today_h", "2024022924", "bad_value"},
    {"run_today_hour", "20240229", "bad_value"},
    {"run_today", "20240229", "fixed_variable"},
    {"user", "root", "fixed_variable"},
    {"execute_user", "root", "fixed_variable"},
    {"submit_user", "x", "fixed_variable"},
    {"user_std", "x", NULL},
    {"run_mon_now_std", "2024-01", "fixed_variable"},
    {"run_days", "x", NULL},
};

static void checks_what_is_given(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(given_cases) / sizeof(given_cases[0]); i++) {
        struct pair pair = {bytes_of(given_cases[i].key), bytes_of(given_cases[i].value)};
        struct pairs given = {&pair, 1};
        struct variables_problem problem = {.code = "", .message = BYTES_NONE};
        const char *wanted = given_cases[i].code != NULL ? given_cases[i].code : "";
        struct strings warnings;
        struct bytes out;
        struct arena a;
        arena_init(&a);
        enum variables_end end = fill(&a, BYTES("x"), "sql", &given, 100, &out, &warnings, &problem);
        if ((end == VARIABLES_REFUSED) != (wanted[0] != '\0') || strcmp(problem.code, wanted) != 0)
            fail_msg("%s=%s: got %s", given_cases[i].key, given_cases[i].value, problem.code);
        if (end == VARIABLES_REFUSED) {
            assert_int_equal(problem.line, NO_INT);
            assert_true(bytes_starts_with(problem.message, "variables."));
            assert_true(variable_is_fixed(pair.key) == (strcmp(wanted, "fixed_variable") == 0));
        }
        arena_release(&a);
    }
}

static void takes_hours_one_by_one(void **state)
{
    struct pair pairs[] = {
        {BYTES("run_today_hour"), BYTES("2024022907")}, {BYTES("run_today_h"), BYTES("2023010101")}};
    struct pairs given = {pairs, 2};
    struct variables_problem problem;
    struct strings warnings;
    struct bytes out = BYTES_NONE;
    struct arena a;

    (void)state;
    arena_init(&a);
    assert_int_equal(fill(&a, BYTES("${run_today_h-1} ${run_today_h_std} ${run_today_hour_std}"), "sql",
                         &given, 100, &out, &warnings, &problem),
        VARIABLES_REPLACED);
    assert_true(bytes_equal_text(out, "2023010100 2023-01-01 01 2024-02-29 07"));
    arena_release(&a);
}

/* ---- limits ---- */

static void refuses_to_grow_beyond_the_limit(void **state)
{
    static const struct {
        const char *type, *code;
        size_t max;
        enum variables_end end;
    } cases[] = {
        {"sql", "${day}", 10, VARIABLES_REPLACED},
        {"sql", "${day}", 9, VARIABLES_TOO_LARGE},
        {"sql", "${day}+", 10, VARIABLES_TOO_LARGE},
        {"json", "\"${day}\"", 12, VARIABLES_REPLACED},
        {"json", "\"${day}\"", 11, VARIABLES_TOO_LARGE},
        {"sql", "a long text without any", 3, VARIABLES_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct variables_problem problem;
        struct strings warnings;
        struct bytes out;
        struct arena a;
        arena_init(&a);
        assert_int_equal(fill(&a, bytes_of(cases[i].code), cases[i].type, &variables, cases[i].max, &out,
                             &warnings, &problem),
            cases[i].end);
        arena_release(&a);
    }
}

static void fills_in_piece_by_piece_within_one_limit(void **state)
{
    const struct bytes code = BYTES("${day};\n--@set n = 2\nx;${n/0}");
    const struct variables_input input = {.code = code,
        .code_type = BYTES("sql"),
        .given = &variables,
        .zone = zone_of_utc,
        .submitted_at = AT,
        .max_bytes = 25};
    struct variables_problem problem;
    struct bytes out;
    struct arena a;

    (void)state;
    arena_init(&a);
    struct variables *v = variables_new(&input, &a, &problem);
    assert_non_null(v);
    assert_int_equal(variables_replace(v, 0, 7, &out, &problem), VARIABLES_REPLACED);
    assert_true(bytes_equal_text(out, "2026-01-02;"));
    assert_int_equal(variables_replace(v, 7, 16, &out, &problem), VARIABLES_NONE);
    assert_ptr_equal(out.data, code.data + 7);
    assert_int_equal(variables_replace(v, 23, 6, &out, &problem), VARIABLES_REFUSED);
    assert_true(bytes_starts_with(problem.message, "line 3, column 3: ${n/0}: "));
    assert_int_equal(variables_replace(v, 0, 7, &out, &problem), VARIABLES_REPLACED);
    assert_int_equal(variables_replace(v, 0, 7, &out, &problem), VARIABLES_TOO_LARGE);
    arena_release(&a);
}

/* What the user wrote comes from its own place, what a value brought in from its ${. */
static void tells_where_each_byte_comes_from(void **state)
{
    static const char text[] = "--@set n = 7\n a ${day} bc ${empty}${n+1}${none} d";
    static const char piece[] = " a ${day} bc ${empty}${n+1}${none} d"; /* from byte 13 on */
    static const char filled[] = " a 2026-01-02 bc 8${none} d";
    const struct variables_input input = {.code = bytes_of(text),
        .code_type = BYTES("sql"),
        .given = &variables,
        .zone = zone_of_utc,
        .submitted_at = AT,
        .max_bytes = 100};
    struct variables_problem problem;
    struct bytes out;
    struct arena a;

    (void)state;
    arena_init(&a);
    struct variables *v = variables_new(&input, &a, &problem);
    assert_non_null(v);
    size_t place = sizeof(text) - sizeof(piece), len = sizeof(piece) - 1;
    assert_int_equal(variables_replace(v, place, len, &out, &problem), VARIABLES_REPLACED);
    assert_true(bytes_equal_text(out, filled));
    for (size_t at = 0; at <= out.len; at++) {
        size_t from = variables_origin(v, place, len, at);
        size_t wanted = at < 3 ? at : at < 13 ? 3 : at < 17 ? at - 4 : at == 17 ? 21 : at + 9;
        if (from != place + wanted)
            fail_msg("byte %zu: %zu, expected %zu", at, from - place, wanted);
    }
    arena_release(&a);
}

static void warns_a_limited_number_of_times(void **state)
{
    struct variables_problem problem;
    struct strings warnings;
    struct bytes out;
    struct arena a;
    struct buf code;

    (void)state;
    arena_init(&a);
    buf_init(&code);
    for (int i = 0; i < 100; i++)
        buf_printf(&code, "${unknown%d} ", i);
    fill(&a, buf_bytes(&code), "sql", &variables, 10000, &out, &warnings, &problem);
    assert_int_equal(warnings.count, VARIABLE_WARNINGS_MAX);
    assert_true(
        bytes_equal_text(warnings.items[0], "${unknown0} stays as it is: no variable is named unknown0"));
    buf_release(&code);
    arena_release(&a);
}

static void refuses_very_many_lines_that_set(void **state)
{
    struct variables_problem problem;
    struct strings warnings;
    struct bytes out;
    struct arena a;
    struct buf code;

    (void)state;
    arena_init(&a);
    buf_init(&code);
    for (int i = 0; i < 256; i++)
        buf_printf(&code, "--@set v%d = %d\n", i, i);
    buf_add_text(&code, "${v0}");
    assert_int_equal(
        fill(&a, buf_bytes(&code), "sql", &variables, 100000, &out, &warnings, &problem), VARIABLES_REPLACED);
    buf_add_text(&code, "\n--@set w = 1");
    assert_int_equal(
        fill(&a, buf_bytes(&code), "sql", &variables, 100000, &out, &warnings, &problem), VARIABLES_REFUSED);
    assert_int_equal(problem.line, 258);
    buf_release(&code);
    arena_release(&a);
}

/* ---- linear ---- */

/* What could be worse than linear: many beginnings without ends, long blanks, many unknown names, many lines that look like sets. */
static const char *const hostile[] = {"${", "&{", "${ ", "${a", "${a+", "${n+1} ", "${u}", "&{yyyy%1d} ",
    "&{yyyy%", "--@set", "@set", "\n--@se", " ", "\"${n}\",", "{",
    "${n                                        "};

static void fill_one(struct bytes code, void *type)
{
    struct variables_problem problem;
    struct strings warnings;
    struct bytes out;
    struct arena a;

    arena_init(&a);
    fill(&a, code, type, &variables, 256 * code.len, &out, &warnings, &problem);
    arena_release(&a);
}

static void takes_time_linear_in_the_code(void **state)
{
    char sql[] = "sql", json[] = "json";

    (void)state;
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        assert_true(nasty_is_linear(hostile[i], 1024, fill_one, sql));
        assert_true(nasty_is_linear(hostile[i], 256 * 1024, fill_one, sql));
        assert_true(nasty_is_linear(hostile[i], 256 * 1024, fill_one, json));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in),
        cmocka_unit_test(refuses_with_a_place),
        cmocka_unit_test(checks_what_is_given),
        cmocka_unit_test(takes_hours_one_by_one),
        cmocka_unit_test(refuses_to_grow_beyond_the_limit),
        cmocka_unit_test(fills_in_piece_by_piece_within_one_limit),
        cmocka_unit_test(tells_where_each_byte_comes_from),
        cmocka_unit_test(warns_a_limited_number_of_times),
        cmocka_unit_test(refuses_very_many_lines_that_set),
        cmocka_unit_test(takes_time_linear_in_the_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
