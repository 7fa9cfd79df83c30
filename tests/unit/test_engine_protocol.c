/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/*
 * The lines of the engine protocol, as tables: what an engine may say and what not, and what we say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json_text.h"
#include "executor/engine_protocol.h"

static void good_lines_are_understood(void **state)
{
    static const struct {
        const char *line;
        enum engine_line_type type;
    } rows[] = {
        {"{\"type\":\"ready\",\"engine\":\"x\"}", LINE_READY},
        {"{\"type\":\"ready\",\"engine\":\"x\",\"concurrency\":1024,\"capabilities\":[\"clean\",\"new\"]}",
            LINE_READY},
        {"{\"type\":\"log\",\"run\":\"r\",\"text\":\"\"}", LINE_LOG},
        {" {\"type\":\"log\",\"run\":\"r\",\"text\":\"a\\u0000b\",\"level\":\"warn\"} ", LINE_LOG},
        {"{\"type\":\"progress\",\"run\":\"r\",\"done\":1}", LINE_PROGRESS},
        {"{\"type\":\"columns\",\"run\":\"r\",\"columns\":[{\"name\":\"a\"}]}", LINE_COLUMNS},
        {"{\"type\":\"columns\",\"run\":\"r\",\"columns\":[{\"name\":\"a\"}],\"offset\":0}", LINE_COLUMNS},
        {"{\"type\":\"columns\",\"run\":\"r\",\"columns\":[{\"name\":\"a\"}],\"offset\":null}", LINE_COLUMNS},
        {"{\"type\":\"rows\",\"run\":\"r\",\"rows\":[]}", LINE_ROWS},
        {"{\"type\":\"result\",\"run\":\"r\",\"path\":\"a.csv\"}", LINE_RESULT},
        {"{\"type\":\"done\",\"run\":\"r\",\"anything\":{}}", LINE_DONE},
        {"{\"type\":\"error\",\"run\":\"r\",\"code\":\"c\",\"message\":\"m\",\"line\":null}", LINE_ERROR},
        {"{\"type\":\"pong\"}", LINE_PONG},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct engine_line l;
        struct error e;
        error_clear(&e);
        if (!engine_line_parse(bytes_of(rows[i].line), &l, &e)) {
            fail_msg("%s: %s", rows[i].line, e.text);
        }
        assert_int_equal(l.type, rows[i].type);
        engine_line_release(&l);
    }
}

static void bad_lines_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *line, *reason;
    } rows[] = {
        {"", "not a JSON object"},
        {"hello", "the engine wrote \"hello\": not a JSON object"},
        {"[]", "not a JSON object"},
        {"{\"type\":\"log\",\"run\":\"r\",\"text\":\"\xff\"}", "not a JSON object"},
        {"{}", "\"type\" must be a string"},
        {"{\"type\":7}", "\"type\" must be a string"},
        {"{\"type\":\"dance\"}", "there is no type \"dance\""},
        {"{\"type\":\"done\"}", "\"run\" must be a string"},
        {"{\"type\":\"ready\",\"engine\":\"x\",\"concurrency\":0}", "\"concurrency\" must be 1 to 1024"},
        {"{\"type\":\"log\",\"run\":\"r\",\"text\":\"\",\"level\":\"loud\"}", "\"level\" must be stdout"},
        {"{\"type\":\"progress\",\"run\":\"r\",\"done\":1.1}", "\"done\" must be a number from 0 to 1"},
        {"{\"type\":\"columns\",\"run\":\"r\",\"columns\":[]}", "\"columns\" must be a list"},
        {"{\"type\":\"columns\",\"run\":\"r\",\"columns\":[{}]}", "column 1: field \"name\""},
        {"{\"type\":\"rows\",\"run\":\"r\",\"rows\":[1]}", "\"rows\" must be a list of lists"},
        {"{\"type\":\"result\",\"run\":\"r\",\"path\":\"../x\"}", "without slashes"},
        {"{\"type\":\"result\",\"run\":\"r\",\"path\":\"a/b\"}", "without slashes"},
        {"{\"type\":\"result\",\"run\":\"r\",\"path\":\".x\"}", "without slashes"},
        {"{\"type\":\"result\",\"run\":\"r\",\"path\":\"\"}", "without slashes"},
        {"{\"type\":\"columns\",\"run\":\"r\",\"columns\":[{\"name\":\"a\"}],\"offset\":-1}",
            "\"offset\" must be a number of bytes"},
        {"{\"type\":\"result\",\"run\":\"r\",\"path\":\"a\",\"offset\":1.5}",
            "\"offset\" must be an integer"},
        {"{\"type\":\"error\",\"run\":\"r\",\"code\":\"c\",\"message\":\"m\",\"offset\":\"1\"}",
            "\"offset\" must be an integer"},
        {"{\"type\":\"error\",\"run\":\"r\",\"message\":\"m\"}", "\"code\" must be a string"},
        {"{\"type\":\"error\",\"run\":\"r\",\"code\":\"0123456789012345678901234567890123456789\","
         "\"message\":\"\"}",
            "\"code\" must be a word"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct engine_line l;
        struct error e;
        error_clear(&e);
        assert_false(engine_line_parse(bytes_of(rows[i].line), &l, &e));
        assert_string_equal(e.code, "engine_protocol");
        if (strstr(e.text, rows[i].reason) == NULL) {
            fail_msg("%s: expected \"%s\", got \"%s\"", rows[i].line, rows[i].reason, e.text);
        }
    }
}

/* They go into the job's last event and its document, which have limits. */
static void names_and_formats_of_results_are_short(void **state)
{
    static const char *const rows[] = {
        "{\"type\":\"result\",\"run\":\"r\",\"path\":\"a\",\"name\":\"",
        "{\"type\":\"result\",\"run\":\"r\",\"path\":\"a\",\"format\":\"",
        "{\"type\":\"columns\",\"run\":\"r\",\"columns\":[{\"name\":\"a\"}],\"name\":\"",
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        bool fits = i % 2 == 0;
        struct engine_line l;
        struct error e;
        struct buf line;
        buf_init(&line);
        buf_add_text(&line, rows[i / 2]);
        for (size_t k = 0; k < (fits ? 255 : 256); k++) {
            buf_add_char(&line, 'x');
        }
        buf_add_text(&line, "\"}");
        error_clear(&e);
        if (engine_line_parse(buf_bytes(&line), &l, &e) != fits) {
            fail_msg("%s: %s", rows[i / 2], e.text);
        }
        if (fits) {
            engine_line_release(&l);
        }
        buf_release(&line);
    }
}

static void our_lines_are_json(void **state)
{
    struct pair variables[] = {{BYTES("a\"b"), BYTES("line\nbreak \xff end")}};
    struct engine_run run = {.run = BYTES("r1"),
        .code = BYTES("select '\\';\t\x01"),
        .user = BYTES("ann"),
        .attempt = 3,
        .variables = {variables, 1}};
    struct buf out;
    struct bytes line;
    struct line_reader r;
    const char *types[] = {"hello", "run", "cancel", "ping"};
    (void)state;
    buf_init(&out);
    engine_say_hello(&out, "i1");
    engine_say_run(&out, &run);
    engine_say_run_end(&out, BYTES("/results/x"));
    engine_say_cancel(&out, BYTES("r1"));
    engine_say_ping(&out);
    line_reader_init(&r);
    line_reader_add(&r, buf_bytes(&out));
    for (size_t i = 0; i < 4; i++) {
        assert_true(line_reader_next(&r, &line));
        json_t *o = json_loadb(line.data, line.len, 0, NULL);
        assert_non_null(o);
        assert_string_equal(json_string_value(json_object_get(o, "type")), types[i]);
        if (i == 1) {
            assert_string_equal(json_string_value(json_object_get(o, "code")), "select '\\';\t\x01");
            assert_true(json_is_null(json_object_get(o, "target")));
            assert_int_equal(json_integer_value(json_object_get(o, "attempt")), 3);
            assert_string_equal(json_string_value(json_object_get(o, "result_dir")), "/results/x");
            assert_string_equal(json_string_value(json_object_get(json_object_get(o, "variables"), "a\"b")),
                "line\nbreak \xEF\xBF\xBD end");
        }
        json_decref(o);
    }
    assert_false(line_reader_next(&r, &line));
    line_reader_release(&r);
    buf_release(&out);
}

static void lines_come_whole_from_any_pieces(void **state)
{
    static const char text[] = "one\r\n\ntwo\nthree";
    static const char *const lines[] = {"one", "", "two"};
    (void)state;
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct line_reader r;
        struct bytes line;
        size_t count = 0;
        line_reader_init(&r);
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            line_reader_add(&r, bytes_slice(BYTES("one\r\n\ntwo\nthree"), at, piece));
            while (line_reader_next(&r, &line)) {
                assert_true(count < 3 && bytes_equal_text(line, lines[count]));
                count++;
            }
        }
        assert_int_equal(count, 3);
        assert_int_equal(line_reader_open(&r), 5);
        assert_true(bytes_equal_text(line_reader_rest(&r), "three"));
        line_reader_release(&r);
    }
}

static void clean_text_has_no_nul_and_is_utf8(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out);
    json_text_clean(&out, (struct bytes){"a\0b\"\n\xff\xc3", 7});
    assert_true(bytes_equal_text(buf_bytes(&out), "a\xEF\xBF\xBD"
                                                  "b\"\n\xEF\xBF\xBD\xEF\xBF\xBD"));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines_are_understood),
        cmocka_unit_test(bad_lines_are_refused_with_a_reason),
        cmocka_unit_test(names_and_formats_of_results_are_short),
        cmocka_unit_test(our_lines_are_json),
        cmocka_unit_test(lines_come_whole_from_any_pieces),
        cmocka_unit_test(clean_text_has_no_nul_and_is_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
