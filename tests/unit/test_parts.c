/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* parts: where lines cut a text, and which lines are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "converter/parts.h"
#include "tests/unit/arena_world.h"

/* ---- a text is cut ---- */

/* Each part as "id engine@target <after,...> first_line: its text without blanks around;" */
static struct bytes shown(struct bytes code, const struct parts_cut *cut)
{
    struct buf out;

    buf_init(&out);
    for (size_t i = 0; i < cut->count; i++) {
        const struct job_part *p = &cut->parts[i];
        const struct parts_place *place = &cut->places[i];
        buf_printf(&out, "%s%.*s", i > 0 ? " | " : "", BYTES_ARG(p->id));
        if (p->engine.len > 0)
            buf_printf(&out, " %.*s", BYTES_ARG(p->engine));
        if (p->target.len > 0)
            buf_printf(&out, "@%.*s", BYTES_ARG(p->target));
        for (size_t k = 0; k < p->after.count; k++)
            buf_printf(&out, "%s%.*s", k > 0 ? "," : " <", BYTES_ARG(p->after.items[k]));
        buf_printf(&out, "%s %lld: %.*s", p->after.count > 0 ? ">" : "", (long long)place->first_line,
            BYTES_ARG(bytes_trim(bytes_slice(code, place->from, place->to - place->from))));
    }
    struct bytes copy = arena_copy(&arena, buf_bytes(&out));
    buf_release(&out);
    return copy;
}

static const struct {
    const char *name, *engine, *text;
    const char *parts; /* NULL: there are none */
} cuts[] = {
    {"a text without such lines has no parts", "sqlite", "select 1;\nselect 2", NULL},
    {"a part begins behind its line", "sqlite", "--@part a\nselect 1;", "a 1: select 1;"},
    {"parts wait for others", "sqlite", "--@part a\nx\n--@part b after=a\ny\n--@part c  after=a,b \r\nz",
        "a 1: x | b <a> 3: y | c <a,b> 5: z"},
    {"a part may wait for a later one", "sqlite", "--@part a after=b\nx\n--@part b\ny",
        "a <b> 1: x | b 3: y"},
    {"what stands before is main", "sqlite", "x;\n--@part a\ny", "main 1: x; | a 2: y"},
    {"comments before are no part", "sqlite", "-- x\n/* y */ ;\n--@part a\ny", "a 3: y"},
    {"an engine counts for the text below", "sqlite", "--@engine postgres@warehouse\nx",
        "main postgres@warehouse 1: x"},
    {"an engine counts up to the next", "sqlite",
        "--@engine postgres\n--@part a\nx\n--@part b\ny\n--@engine spark@big\n--@part c\nz",
        "a postgres 2: x | b postgres 4: y | c spark@big 7: z"},
    {"an engine line in a part is that part's", "sqlite", "--@part a\n-- note\n--@engine postgres@lake\nx",
        "a postgres@lake 3: x"},
    {"of two engine lines the last counts", "sqlite", "--@part a\n--@engine spark\n--@engine postgres\nx",
        "a postgres 3: x"},
    {"an engine line behind statements begins a part that waits", "sqlite",
        "x;\n--@engine postgres\ny;\n--@engine sqlite\nz",
        "main 1: x; | p2 postgres <main> 2: y; | p3 sqlite <p2> 4: z"},
    {"also in a part with a name", "sqlite", "--@part a\nx;\n--@engine postgres\ny\n--@part b\nz",
        "a 1: x; | p2 postgres <a> 3: y | b postgres 5: z"},
    {"made names are free ones", "sqlite",
        "--@part p2\nx\n--@engine postgres\ny\n--@engine sqlite\nz\n--@part p3\nw",
        "p2 1: x | p4 postgres <p2> 3: y | p5 sqlite <p4> 5: z | p3 sqlite 7: w"},
    {"a made name can be waited for", "sqlite", "x\n--@engine postgres\ny\n--@part b after=p2\nz",
        "main 1: x | p2 postgres <main> 2: y | b postgres <p2> 4: z"},
    {"an engine line at the end begins nothing", "sqlite", "--@part a\nx\n--@engine postgres\n-- end",
        "a 1: x"},
    {"blanks may stand before", "sqlite", "  --@part a\n\t--@engine postgres\nx", "a postgres 2: x"},
    {"a line in a string is text", "sqlite", "--@part a\nx '\n--@part b\n' y", "a 1: x '\n--@part b\n' y"},
    {"a line in a quoted name is text", "sqlite", "--@part a\nx \"\n--@part b\n\" y",
        "a 1: x \"\n--@part b\n\" y"},
    {"a line in a comment is text", "sqlite", "--@part a\nx /*\n--@part b\n*/ y",
        "a 1: x /*\n--@part b\n*/ y"},
    {"a line behind a comment counts", "sqlite", "--@part a\nx /*\n--@part b\n*/\n--@part c\ny",
        "a 1: x /*\n--@part b\n*/ | c 5: y"},
    {"a line in a dollar quote is text where there are such", "postgres", "--@part a\nx $$\n--@part b\n$$",
        "a 1: x $$\n--@part b\n$$"},
    {"a line in a dollar quote counts elsewhere", "sqlite", "--@part a\nx $$\n--@part b\n$$",
        "a 1: x $$ | b 3: $$"},
    {"the dialect is that of the engine now in force", "postgres",
        "--@engine sqlite\n--@part a\nx $$\n--@part b\n$$", "a sqlite 2: x $$ | b sqlite 4: $$"},
    {"nested comments are those of the dialect", "postgres", "--@part a\nx /* /* */\n--@part b\n*/",
        "a 1: x /* /* */\n--@part b\n*/"},
    {"a line within parentheses counts", "sqlite", "--@part a\nx (\n--@part b\n) y", "a 1: x ( | b 3: ) y"},
    {"a line that does not begin so is a comment", "sqlite", "--@part a\nx --@part b\ny",
        "a 1: x --@part b\ny"},
    {"other words are comments", "sqlite",
        "--@parts a\n--@partition b\n-- @part c\n--@engines x\n--@PART x\nx", NULL},
    {"MySQL has the lines too, though not such comments", "mysql", "--@part a\nx\n--@part b\ny",
        "a 1: x | b 3: y"},
    {"the end of a line may be CR LF", "sqlite", "--@part a\r\nx\r\n--@engine postgres@lake\r\ny",
        "a 1: x | p2 postgres@lake <a> 3: y"},
    {"a string that is left open takes the rest", "sqlite", "--@part a\nx '\n--@part b\ny",
        "a 1: x '\n--@part b\ny"},
};

static void a_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct parts_cut cut;
        struct parts_problem problem;
        struct bytes code = bytes_of(cuts[i].text);
        arena_reset(&arena);
        enum parts_end end = parts_cut(code, bytes_of(cuts[i].engine), BYTES("sql"), &arena, &cut, &problem);
        if (end == PARTS_WRONG)
            fail_msg("%s: %s", cuts[i].name, problem.message.data);
        if ((end == PARTS_NONE) != (cuts[i].parts == NULL))
            fail_msg("%s: end %d", cuts[i].name, (int)end);
        struct bytes got = shown(code, &cut);
        if (end == PARTS_CUT && !bytes_equal_text(got, cuts[i].parts))
            fail_msg("%s: got\n%.*s, expected\n%s", cuts[i].name, BYTES_ARG(got), cuts[i].parts);
    }
}

static const struct {
    const char *name, *text, *code, *message;
    int64_t line;
} wrong[] = {
    {"no name", "--@part\nx", "bad_parts", "line 1: expected --@part NAME after=a,b", 1},
    {"a bad name", "x;\n--@part a/b\nx", "bad_parts", "line 2: expected --@part NAME", 2},
    {"something behind the name", "--@part a b\nx", "bad_parts",
        "line 1: expected nothing behind the part's name", 1},
    {"a blank in the list", "--@part a after=b, c\nx", "bad_parts", "line 1: expected nothing behind", 1},
    {"an empty list", "--@part a after=\nx", "bad_parts", "line 1: expected nothing behind", 1},
    {"an empty name in the list", "--@part a\nx\n--@part b after=a,,\nx", "bad_parts",
        "part b, line 3: there is no part ''", 3},
    {"an unknown name", "--@part a\nx\n--@part b after=a,c\ny", "bad_parts",
        "part b, line 3: there is no part 'c'", 3},
    {"a name twice", "--@part a\nx\n--@part b\ny\n--@part a\nz", "bad_parts",
        "part a, line 5: another part has the id 'a'", 5},
    {"main twice", "x\n--@part main\ny", "bad_parts", "part main, line 2: another part has the id 'main'", 2},
    {"a part that waits for itself", "--@part a after=a\nx", "bad_parts",
        "part a, line 1: parts wait for each other: a after a", 1},
    {"a circle", "--@part a after=c\nx\n--@part b after=a\ny\n--@part c after=b\nz", "bad_parts",
        "part a, line 1: parts wait for each other: a after c after b after a", 1},
    {"no engine", "--@engine \nx", "bad_parts", "line 1: expected --@engine ENGINE or", 1},
    {"no target", "--@engine postgres@\nx", "bad_parts", "line 1: expected --@engine", 1},
    {"two engines", "--@engine postgres sqlite\nx", "bad_parts", "line 1: expected --@engine", 1},
    {"an empty part", "--@part a\n-- nothing\n;\n--@part b\nx", "empty_code",
        "part a, line 1: there is nothing to run", 1},
    {"an empty part at the end", "--@part a\nx\n--@part b", "empty_code",
        "part b, line 3: there is nothing to run", 3},
    {"only an engine", "\n--@engine sqlite\n", "empty_code", "line 2: there is nothing to run", 2},
};

static void a_wrong_line_is_told_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct parts_cut cut;
        struct parts_problem problem;
        arena_reset(&arena);
        enum parts_end end =
            parts_cut(bytes_of(wrong[i].text), BYTES("sqlite"), BYTES("sql"), &arena, &cut, &problem);
        if (end != PARTS_WRONG)
            fail_msg("%s: end %d", wrong[i].name, (int)end);
        if (strcmp(problem.code, wrong[i].code) != 0 || problem.line != wrong[i].line ||
            !bytes_starts_with(problem.message, wrong[i].message))
            fail_msg("%s: got %s, line %lld, %s", wrong[i].name, problem.code, (long long)problem.line,
                problem.message.data);
    }
}

static void only_sql_is_cut(void **state)
{
    struct parts_cut cut;
    struct parts_problem problem;

    (void)state;
    arena_reset(&arena);
    assert_int_equal(
        parts_cut(BYTES("--@part a\nx"), BYTES("shell"), BYTES("shell"), &arena, &cut, &problem), PARTS_NONE);
    assert_int_equal(
        parts_cut(BYTES("--@part a\nx"), BYTES("spark"), BYTES("hql"), &arena, &cut, &problem), PARTS_CUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_cut),
        cmocka_unit_test(a_wrong_line_is_told_with_its_place),
        cmocka_unit_test(only_sql_is_cut),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
