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
        const char *text;
    } chunks[3];
    int64_t offset, limit;
    int64_t starts;
    const char *text;
} pieces[] = {
    {"a whole log", {{0, "ab\n"}, {3, "cd\n"}}, 0, 100, 0, "ab\ncd\n"},
    {"from the middle of a chunk", {{0, "ab\n"}, {3, "cd\n"}}, 1, 100, 1, "b\ncd\n"},
    {"from a later chunk", {{0, "ab\n"}, {3, "cd\n"}}, 4, 100, 4, "d\n"},
    {"up to the limit", {{0, "ab\n"}, {3, "cd\n"}}, 0, 4, 0, "ab\nc"},
    {"nothing behind a gap", {{0, "ab\n"}, {9, "xx\n"}}, 0, 100, 0, "ab\n"},
    {"nothing when the first is missing", {{3, "cd\n"}}, 0, 100, 0, ""},
    {"nothing beyond the end", {{0, "ab\n"}}, 3, 100, 3, ""},
    {"a repeat counts once", {{0, "ab\n"}, {0, "ab\n"}, {3, "c"}}, 0, 100, 0, "ab\nc"},
    {"no half character at the end",
        {{0, "a\xC3\xA4"
             "b"}},
        0, 2, 0, "a"},
    {"no half character of four bytes at the end", {{0, "a\xF0\x9F\x90\xA2"}}, 0, 4, 0, "a"},
    {"a whole character at the end", {{0, "a\xF0\x9F\x90\xA2"}}, 0, 5, 0, "a\xF0\x9F\x90\xA2"},
    {"no half character at the start",
        {{0, "\xC3\xA4"
             "b"}},
        1, 100, 2, "b"},
};

static void a_piece_of_a_log_is_contiguous_and_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct logs_piece p = {.offset = pieces[i].offset, .limit = pieces[i].limit};
        buf_init(&p.text);
        print_message("%s\n", pieces[i].name);
        bool more = true;
        for (size_t n = 0; n < 3 && pieces[i].chunks[n].text && more; n++)
            more = logs_add(&p, pieces[i].chunks[n].offset, bytes_of(pieces[i].chunks[n].text));
        logs_trim(&p);
        assert_int_equal(p.offset, pieces[i].starts);
        assert_int_equal(p.text.len, strlen(pieces[i].text));
        if (p.text.len)
            assert_memory_equal(p.text.data, pieces[i].text, p.text.len);
        buf_release(&p.text);
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
        cmocka_unit_test(a_log_is_of_an_attempt_that_was_or_may_come_next),
        cmocka_unit_test(csv_is_as_rfc_4180_says),
        cmocka_unit_test(a_document_is_shown_without_what_is_the_programs_own),
        cmocka_unit_test(a_stub_is_swept_after_one_two_four_minutes_and_then_hourly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
