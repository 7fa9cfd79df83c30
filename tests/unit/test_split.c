/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* split: the cases of tests/unit/sql, where each statement begins, what is not closed, and that time is linear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converter/language.h"
#include "converter/split.h"
#include "tests/unit/arena_world.h"
#include "tests/unit/nasty.h"

#define OPENING "\xC2\xAB" /* « */
#define CLOSING "\xC2\xBB" /* » */

enum { WANTED_MAX = 64 };

struct wanted {
    struct buf text; /* without the signs */
    size_t from[WANTED_MAX], to[WANTED_MAX];
    size_t count;
};

static struct bytes read_whole(const char *path)
{
    struct buf b;
    char block[4096];
    size_t n;
    FILE *f = fopen(path, "rb");

    if (f == NULL)
        fail_msg("%s is not there", path);
    buf_init(&b);
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        buf_add(&b, block, n);
    fclose(f);
    struct bytes all = arena_copy(&arena, buf_bytes(&b));
    buf_release(&b);
    return all;
}

static void take_signs(struct bytes marked, struct wanted *w)
{
    buf_init(&w->text);
    w->count = 0;
    for (size_t i = 0; i < marked.len; i++) {
        struct bytes rest = bytes_slice(marked, i, marked.len);
        if (bytes_starts_with(rest, OPENING)) {
            assert_true(w->count < WANTED_MAX);
            w->from[w->count] = w->text.len;
            i++;
        } else if (bytes_starts_with(rest, CLOSING)) {
            w->to[w->count++] = w->text.len;
            i++;
        } else {
            buf_add_char(&w->text, marked.data[i]);
        }
    }
}

static int64_t line_of(struct bytes text, size_t at)
{
    int64_t line = 1;

    for (size_t i = 0; i < at; i++)
        line += text.data[i] == '\n';
    return line;
}

static void run_case(const char *dialect, enum sql_dialect d, struct bytes name, struct bytes marked)
{
    struct wanted w;
    struct split got;

    if (marked.len > 0 && marked.data[marked.len - 1] == '\n')
        marked.len--; /* it is the file's */
    take_signs(marked, &w);
    struct bytes text = buf_bytes(&w.text);
    enum split_end end = split_sql(text, d, SPLIT_STATEMENTS_MAX, &arena, &got);
    for (size_t i = 0; i < got.count && i < w.count; i++) {
        const struct job_statement *s = &got.items[i];
        if ((size_t)s->offset != w.from[i] || (size_t)(s->offset + s->length) != w.to[i])
            fail_msg("%s: %.*s: statement %zu: got '%.*s', expected '%.*s'", dialect, BYTES_ARG(name), i,
                (int)s->length, text.data + s->offset, (int)(w.to[i] - w.from[i]), text.data + w.from[i]);
        assert_int_equal(s->index, i);
        assert_null(s->text.data);
        assert_int_equal(s->first_line, line_of(text, w.from[i]));
    }
    if (got.count != w.count)
        fail_msg("%s: %.*s: %zu statements, expected %zu", dialect, BYTES_ARG(name), got.count, w.count);
    assert_int_equal(end, w.count > 0 ? SPLIT_OK : SPLIT_EMPTY);
    buf_release(&w.text);
}

/* The end of this case: the next line that begins with @@. */
static size_t case_end(struct bytes all, size_t at)
{
    while (at < all.len) {
        const char *found = memchr(all.data + at, '\n', all.len - at);
        if (found == NULL)
            return all.len;
        at = (size_t)(found - all.data) + 1;
        if (bytes_starts_with(bytes_slice(all, at, all.len), "@@"))
            return at;
    }
    return all.len;
}

static void splits_the_cases_of_each_dialect(void **state)
{
    (void)state;
    for (int d = 0; d < SQL_DIALECTS; d++) {
        const char *name = sql_rules_of((enum sql_dialect)d)->name;
        char path[512];
        size_t cases = 0;
        arena_reset(&arena);
        snprintf(path, sizeof(path), "%s/tests/unit/sql/%s.sql", SOURCE_DIR, name);
        struct bytes all = read_whole(path);
        for (size_t at = 0; at < all.len; at = case_end(all, at)) {
            struct bytes text = bytes_slice(all, at, case_end(all, at) - at);
            const char *line_end = memchr(text.data, '\n', text.len);
            assert_non_null(line_end);
            size_t title = (size_t)(line_end - text.data);
            run_case(name, (enum sql_dialect)d, bytes_trim(bytes_slice(text, 2, title - 2)),
                bytes_slice(text, title + 1, text.len));
            cases++;
        }
        assert_true(cases >= 10);
    }
}

static const struct {
    const char *name;
    enum sql_dialect dialect;
    const char *text, *unclosed;
    int line;
} open_cases[] = {
    {"nothing", SQL_ANSI, "select 1;\n", NULL, 0},
    {"a string", SQL_ANSI, "select 1;\nselect\n'abc;", "a quote", 3},
    {"a comment", SQL_POSTGRES, "select 1 /* a /* b */", "a comment", 1},
    {"a dollar quote", SQL_POSTGRES, "\nselect $a$ x $b$", "a dollar-quoted string", 2},
    {"a parenthesis", SQL_ANSI, "select 1;\n\nselect (2;\n(", "(", 3},
    {"a body", SQL_SQLITE, "create trigger t insert on a\nbegin select 1;", "a body", 2},
};

static void tells_what_is_not_closed(void **state)
{
    struct split s;

    (void)state;
    for (size_t i = 0; i < sizeof(open_cases) / sizeof(open_cases[0]); i++) {
        arena_reset(&arena);
        split_sql(bytes_of(open_cases[i].text), open_cases[i].dialect, 100, &arena, &s);
        if (open_cases[i].unclosed == NULL) {
            assert_null(s.unclosed);
            assert_int_equal(s.unclosed_line, NO_INT);
        } else if (s.unclosed == NULL || strcmp(s.unclosed, open_cases[i].unclosed) != 0 ||
                   s.unclosed_line != open_cases[i].line) {
            fail_msg("%s: got %s, line %lld", open_cases[i].name, s.unclosed ? s.unclosed : "nothing",
                (long long)s.unclosed_line);
        }
    }
}

static void refuses_more_statements_than_wanted(void **state)
{
    struct split s;

    (void)state;
    arena_reset(&arena);
    assert_int_equal(split_sql(BYTES("a;b;c"), SQL_ANSI, 3, &arena, &s), SPLIT_OK);
    assert_int_equal(s.count, 3);
    assert_int_equal(split_sql(BYTES("a;b;c;d"), SQL_ANSI, 3, &arena, &s), SPLIT_TOO_MANY);
    assert_int_equal(split_sql(BYTES("a;b;c;d;"), SQL_ANSI, 3, &arena, &s), SPLIT_TOO_MANY);
}

/* Deeper than the splitter keeps account of, it does not split any more. */
static void does_not_split_in_bodies_of_any_depth(void **state)
{
    struct split s;
    struct buf b;

    (void)state;
    arena_reset(&arena);
    buf_init(&b);
    buf_add_text(&b, "create procedure p() ");
    for (int i = 0; i < 500; i++)
        buf_add_text(&b, "begin select 1; ");
    for (int i = 0; i < 500; i++)
        buf_add_text(&b, "end; ");
    assert_int_equal(split_sql(buf_bytes(&b), SQL_MYSQL, 100, &arena, &s), SPLIT_OK);
    assert_int_equal(s.count, 1);
    buf_release(&b);
}

static const struct {
    const char *name, *code_type, *code;
    bool has_code;
} code_cases[] = {
    {"a shell comment", "shell", "#!/bin/sh\n# nothing\n\n", false},
    {"a command behind comments", "shell", "# x\n ls", true},
    {"a python comment", "python", "  # a\n#b", false},
    {"a docstring is code", "python", "'''# a'''", true},
    {"scala comments", "scala", "// a\n/* b\n c */ // d", false},
    {"scala code between comments", "scala", "/* a */ b /* c */", true},
    {"a scala comment that is never closed", "java", "/* a", false},
    {"an unknown type has no comments", "cobol", "# x", true},
    {"blanks are nothing in any type", "cobol", " \n\t", false},
};

static void knows_code_without_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(code_cases) / sizeof(code_cases[0]); i++) {
        enum language l = language_of(bytes_of(code_cases[i].code_type));
        if (language_has_code(l, bytes_of(code_cases[i].code)) != code_cases[i].has_code)
            fail_msg("%s", code_cases[i].name);
    }
}

static void knows_the_dialects_of_engines(void **state)
{
    bool known;

    (void)state;
    assert_int_equal(language_dialect(BYTES("postgres"), BYTES("sql"), &known), SQL_POSTGRES);
    assert_true(known);
    assert_int_equal(language_dialect(BYTES("sqlite"), BYTES("hql"), &known), SQL_SQLITE);
    assert_int_equal(language_dialect(BYTES("mine"), BYTES("hql"), &known), SQL_SPARK);
    assert_true(known);
    assert_int_equal(language_dialect(BYTES("mine"), BYTES("sql"), &known), SQL_ANSI);
    assert_false(known);
    assert_int_equal(language_of(BYTES("sql")), LANGUAGE_SQL);
    assert_int_equal(language_of(BYTES("bash")), LANGUAGE_SHELL);
    assert_int_equal(language_of(BYTES("pyspark")), LANGUAGE_PYTHON);
    assert_int_equal(language_of(BYTES("r")), LANGUAGE_OTHER);
}

static void knows_keywords_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(sql_word_of(BYTES("SeLeCt")), SQL_SELECT);
    assert_int_equal(sql_word_of(BYTES("deterministic")), SQL_DETERMINISTIC);
    assert_int_equal(sql_word_of(BYTES("deterministicx")), SQL_OTHER);
    assert_int_equal(sql_word_of(BYTES("selec")), SQL_OTHER);
    assert_int_equal(sql_word_of(BYTES("selects")), SQL_OTHER);
    assert_int_equal(sql_word_of(BYTES("")), SQL_OTHER);
    assert_int_equal(sql_word_of(BYTES("_a")), SQL_OTHER);
}

static void split_one(struct bytes text, void *context)
{
    struct split s;

    arena_reset(&arena);
    split_sql(text, *(enum sql_dialect *)context, SPLIT_STATEMENTS_MAX, &arena, &s);
}

static void takes_time_linear_in_the_text(void **state)
{
    static const char *const pieces[] = {"select a, 'it''s' from t where b = 10; ", "( ", "/* ", "/*/ ",
        "$a$ ", "$$a", "begin ", "create function f() begin ", "create trigger t begin case ", "end ",
        "end if ", "' ", "\\'", "e'", "end 'x' ", "delimiter x\n", "a go \ngo \n", "go ", "--", "-- \\\n",
        "`", "[", "a.", "1.e", "@", ":", "#", "\"\"", "if x then "};

    (void)state;
    for (int d = 0; d < SQL_DIALECTS; d++) {
        enum sql_dialect dialect = (enum sql_dialect)d;
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
            assert_true(nasty_is_linear(pieces[i], 20000, split_one, &dialect));
    }
    enum sql_dialect dialect = SQL_POSTGRES;
    assert_true(nasty_is_linear(pieces[0], 1000, split_one, &dialect));
    assert_true(nasty_is_linear("select a, 'it''s' from t where b = 10 or ", 1000000, split_one, &dialect));
    assert_true(nasty_is_linear("create procedure p() begin select 1; ", 1000000, split_one, &dialect));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_the_cases_of_each_dialect),
        cmocka_unit_test(tells_what_is_not_closed),
        cmocka_unit_test(refuses_more_statements_than_wanted),
        cmocka_unit_test(does_not_split_in_bodies_of_any_depth),
        cmocka_unit_test(knows_code_without_code),
        cmocka_unit_test(knows_the_dialects_of_engines),
        cmocka_unit_test(knows_keywords_in_any_case),
        cmocka_unit_test(takes_time_linear_in_the_text),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
