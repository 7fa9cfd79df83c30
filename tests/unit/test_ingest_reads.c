/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: ingest */
/* test_ingest_reads: the pure parts of reading: cursors, pieces of a log, CSV, a job's document, the sweep's pauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/cursor.h"
#include "ingest/job.h"
#include "ingest/log_piece.h"
#include "ingest/logs.h"
#include "ingest/results.h"
#include "ingest/sweep.h"

static void a_cursor_comes_back_as_it_was(void **state)
{
    (void)state;
    static const int64_t times[] = {0, 1, -1, 1700000000123, INT64_MAX};
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct cursor in = {.accepted = times[i]}, out;
        uuid_v7(&in.id, times[i]);
        assert_true(cursor_parse(cursor_format(&in, &a), &out));
        assert_int_equal(out.accepted, in.accepted);
        assert_memory_equal(&out.id, &in.id, sizeof in.id);
    }
    arena_release(&a);
}

static void what_is_no_cursor_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "zz", "00", "00000000000000000000000000000000000000000000000g",
        "0000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000A0"};
    struct cursor out;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cursor_parse(bytes_of(bad[i]), &out));
    assert_false(cursor_parse(BYTES_NONE, &out));
}

/* Chunks by offset; what is asked for; what comes. */
static const struct {
    const char *name;
    struct {
        int64_t offset;
        const char *text, *node;
    } chunks[4];
    int64_t offset, limit;
    int64_t starts, next;
    const char *text;
    const char *node; /* only of this one */
    bool names;
} pieces[] = {
    {"a whole log", {{0, "ab\n", NULL}, {3, "cd\n", NULL}}, 0, 100, 0, 6, "ab\ncd\n", NULL, false},
    {"from the middle of a chunk", {{0, "ab\n", NULL}, {3, "cd\n", NULL}}, 1, 100, 1, 6, "b\ncd\n", NULL,
        false},
    {"from a later chunk", {{0, "ab\n", NULL}, {3, "cd\n", NULL}}, 4, 100, 4, 6, "d\n", NULL, false},
    {"up to the limit", {{0, "ab\n", NULL}, {3, "cd\n", NULL}}, 0, 4, 0, 4, "ab\nc", NULL, false},
    {"nothing behind a gap", {{0, "ab\n", NULL}, {9, "xx\n", NULL}}, 0, 100, 0, 3, "ab\n", NULL, false},
    {"nothing when the first is missing", {{3, "cd\n", NULL}}, 0, 100, 0, 0, "", NULL, false},
    {"nothing beyond the end", {{0, "ab\n", NULL}}, 3, 100, 3, 3, "", NULL, false},
    {"a repeat counts once", {{0, "ab\n", NULL}, {0, "ab\n", NULL}, {3, "c", NULL}}, 0, 100, 0, 4, "ab\nc",
        NULL, false},
    {"no half character at the end",
        {{0,
            "a\xC3\xA4"
            "b",
            NULL}},
        0, 2, 0, 1, "a", NULL, false},
    {"no half character of four bytes at the end", {{0, "a\xF0\x9F\x90\xA2", NULL}}, 0, 4, 0, 1, "a", NULL,
        false},
    {"a whole character at the end", {{0, "a\xF0\x9F\x90\xA2", NULL}}, 0, 5, 0, 5, "a\xF0\x9F\x90\xA2", NULL,
        false},
    {"no half character at the start",
        {{0,
            "\xC3\xA4"
            "b",
            NULL}},
        1, 100, 2, 3, "b", NULL, false},
    {"of all nodes", {{0, "ab\n", "n2"}, {3, "cd\n", "n3"}}, 0, 100, 0, 6, "ab\ncd\n", NULL, false},
    {"of one node", {{0, "ab\n", "n2"}, {3, "cd\n", "n3"}, {6, "ef\n", "n2"}}, 0, 100, 0, 9, "ab\nef\n", "n2",
        false},
    {"of one node that comes later", {{0, "ab\n", "n2"}, {3, "cd\n", "n3"}}, 0, 100, 0, 6, "cd\n", "n3",
        false},
    {"of a node that has none", {{0, "ab\n", "n2"}, {3, "job\n", NULL}}, 0, 100, 0, 7, "", "n4", false},
    {"of one node from the middle of another", {{0, "ab\n", "n2"}, {3, "cd\n", "n3"}}, 1, 100, 1, 6, "cd\n",
        "n3", false},
    {"of one node up to the limit", {{0, "ab\n", "n2"}, {3, "cd\n", "n3"}, {6, "efg\n", "n2"}}, 0, 5, 0, 8,
        "ab\nef", "n2", false},
    {"of one node up to a gap of another", {{0, "ab\n", "n2"}, {6, "ef\n", "n2"}}, 0, 100, 0, 3, "ab\n", "n2",
        false},
    {"lines with names", {{0, "ab\ncd\n", "n2"}, {6, "ef\n", "n3"}, {9, "job\n", NULL}}, 0, 100, 0, 13,
        "n2 | ab\nn2 | cd\nn3 | ef\njob\n", NULL, true},
    {"a line that goes on has its name once", {{0, "ab", "n2"}, {2, "cd\ne", "n2"}}, 0, 100, 0, 6,
        "n2 | abcd\nn2 | e", NULL, true},
    {"lines of two nodes do not mix", {{0, "ab", "n2"}, {2, "cd\n", "n3"}}, 0, 100, 0, 5,
        "n2 | ab\nn3 | cd\n", NULL, true},
    {"a piece that begins at a line", {{0, "ab\ncd\n", "n2"}}, 3, 100, 3, 6, "n2 | cd\n", NULL, true},
    {"a piece that begins in a line", {{0, "ab\ncd\n", "n2"}}, 1, 100, 1, 6, "b\nn2 | cd\n", NULL, true},
    {"a piece that begins at a chunk, in a line", {{0, "ab", "n2"}, {2, "cd\n", "n2"}}, 2, 100, 2, 5, "cd\n",
        NULL, true},
    {"a piece that begins behind another's open line", {{0, "ab", "n2"}, {2, "cd\n", "n3"}}, 2, 100, 2, 5,
        "\nn3 | cd\n", NULL, true},
    {"whole lines with names up to the limit", {{0, "ab\ncd\n", "n2"}}, 0, 15, 0, 3, "n2 | ab\n", NULL, true},
    {"a line with its name that is longer than the limit", {{0, "abcdefgh\n", "n2"}}, 0, 8, 0, 4, "n2 | abcd",
        NULL, true},
    {"a name that is longer than the limit", {{0, "abcdefgh\n", "n234567"}}, 0, 8, 0, 4, "n234567 | abcd",
        NULL, true},
    {"and the rest of that line", {{0, "abcdefgh\n", "n2"}}, 3, 8, 3, 9, "defgh\n", NULL, true},
    {"one node with its name", {{0, "ab\n", "n2"}, {3, "cd\n", "n3"}}, 0, 100, 0, 6, "n3 | cd\n", "n3", true},
};

static struct bytes text_or_none(const char *text)
{
    return text ? bytes_of(text) : BYTES_NONE;
}

static void a_piece_of_a_log_is_contiguous_and_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct log_piece p;
        log_piece_init(&p, pieces[i].offset, pieces[i].limit, text_or_none(pieces[i].node), pieces[i].names);
        print_message("%s\n", pieces[i].name);
        bool more = true;
        for (size_t n = 0; n < 4 && pieces[i].chunks[n].text && more; n++)
            more = log_piece_add(&p, pieces[i].chunks[n].offset, text_or_none(pieces[i].chunks[n].node),
                bytes_of(pieces[i].chunks[n].text));
        assert_int_equal(p.offset, pieces[i].starts);
        assert_int_equal(p.next, pieces[i].next);
        buf_add_char(&p.text, '\0');
        assert_string_equal(p.text.data, pieces[i].text);
        log_piece_release(&p);
    }
}

/* Whatever the limit: piece after piece is the whole. */
static void pieces_make_up_the_log(void **state)
{
    (void)state;
    static const struct {
        const char *node, *text;
    } chunks[] = {{"n2", "one\ntwo\n"}, {"n3", "thr\xC3\xA4"}, {"n3", "e\n\nlast"}, {NULL, "job\n"},
        {"n2", "\xF0\x9F\x90\xA2\n"}};
    static const struct {
        const char *node, *text;
        bool names;
    } rows[] = {{NULL,
                    "one\ntwo\nthr\xC3\xA4"
                    "e\n\nlastjob\n\xF0\x9F\x90\xA2\n",
                    false},
        {"n2", "one\ntwo\n\xF0\x9F\x90\xA2\n", false},
        {NULL,
            "n2 | one\nn2 | two\nn3 | thr\xC3\xA4"
            "e\nn3 | \nn3 | last\njob\nn2 | \xF0\x9F\x90\xA2\n",
            true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int64_t limit = 4; limit < 60; limit++) {
            struct buf all;
            int64_t next = 0, end = 0;
            buf_init(&all);
            for (bool moved = true; moved;) {
                struct log_piece p;
                log_piece_init(&p, next, limit, text_or_none(rows[i].node), rows[i].names);
                end = 0;
                for (size_t n = 0; n < sizeof chunks / sizeof *chunks; n++) {
                    struct bytes text = bytes_of(chunks[n].text);
                    if (!log_piece_add(&p, end, text_or_none(chunks[n].node), text))
                        break;
                    end += (int64_t)text.len;
                }
                assert_int_equal(p.offset, next);
                buf_add_bytes(&all, buf_bytes(&p.text));
                moved = p.next > next;
                next = p.next;
                log_piece_release(&p);
            }
            assert_int_equal(next, end);
            buf_add_char(&all, '\0');
            assert_string_equal(all.data, rows[i].text);
            buf_release(&all);
        }
    }
}

static void a_log_is_of_an_attempt_that_was_or_may_come_next(void **state)
{
    (void)state;
    static const struct {
        int64_t wanted, latest;
        bool final;
        int64_t attempt;
    } rows[] = {
        {0, 0, false, 0},
        {0, 3, true, 3},
        {1, 3, true, 1},
        {3, 3, true, 3},
        {4, 3, true, -1},
        {9, 3, true, -1},
        {4, 3, false, 4},
        {5, 3, false, -1},
        {1, 0, false, 1},
        {2, 0, false, -1},
        {1, 0, true, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (logs_attempt(rows[i].wanted, rows[i].latest, rows[i].final) != rows[i].attempt)
            fail_msg("row %zu: expected %lld", i, (long long)rows[i].attempt);
}

static void csv_is_as_rfc_4180_says(void **state)
{
    (void)state;
    static const struct {
        const char *row, *line;
    } lines[] = {
        {"[\"a\",1,2.5,true,null]", "a,1,2.5,true,\r\n"},
        {"[\"a,b\",\"say \\\"hi\\\"\",\"two\\nlines\",\"cr\\r\"]",
            "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"cr\r\"\r\n"},
        {"[\"\",null]", "\"\",\r\n"},
        {"[]", "\r\n"},
        {"[\"\\u017c\\u00f3\\u0142w\"]", "\xC5\xBC\xC3\xB3\xC5\x82w\r\n"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct buf out;
        json_t *row = json_loads(lines[i].row, 0, NULL);
        buf_init(&out);
        results_csv_row(&out, row);
        buf_add_char(&out, '\0');
        assert_string_equal(out.data, lines[i].line);
        buf_release(&out);
        json_decref(row);
    }
}

static void a_document_is_shown_without_what_is_the_programs_own(void **state)
{
    (void)state;
    bson_t *doc =
        BCON_NEW("_id", "018f", "rev", BCON_INT64(4), "state", "queued", "fold", "{", "rank", BCON_INT32(3),
            "}", "stub", "{", "hash", "x", "}", "times", "{", "accepted", BCON_DATE_TIME(1700000000123), "}");
    json_t *job = job_json(doc);
    assert_string_equal(json_string_value(json_object_get(job, "job_id")), "018f");
    assert_string_equal(json_string_value(json_object_get(job, "state")), "queued");
    assert_string_equal(json_string_value(json_object_get(json_object_get(job, "times"), "accepted")),
        "2023-11-14T22:13:20.123Z");
    assert_int_equal(json_object_size(job), 3);
    json_decref(job);
    bson_destroy(doc);
}

static void a_stub_is_swept_after_one_two_four_minutes_and_then_hourly(void **state)
{
    (void)state;
    assert_int_equal(sweep_next_at(1000, 60000, 0), 61000);
    assert_int_equal(sweep_next_at(1000, 60000, 1), 121000);
    assert_int_equal(sweep_next_at(1000, 60000, 2), 241000);
    assert_int_equal(sweep_next_at(1000, 60000, 6), 1000 + 3600000);
    assert_int_equal(sweep_next_at(1000, 60000, INT64_MAX), 1000 + 3600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_comes_back_as_it_was),
        cmocka_unit_test(what_is_no_cursor_is_refused),
        cmocka_unit_test(a_piece_of_a_log_is_contiguous_and_whole),
        cmocka_unit_test(pieces_make_up_the_log),
        cmocka_unit_test(a_log_is_of_an_attempt_that_was_or_may_come_next),
        cmocka_unit_test(csv_is_as_rfc_4180_says),
        cmocka_unit_test(a_document_is_shown_without_what_is_the_programs_own),
        cmocka_unit_test(a_stub_is_swept_after_one_two_four_minutes_and_then_hourly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
