/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: job_run */
/* test_job_log: lines become chunks with offsets; a log over its limit keeps both ends and says what is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "executor/job_log.h"

struct sent {
    struct buf text;
    size_t chunks, largest;
    int64_t next_offset, next_seq;
    char levels[64]; /* first letters, one a chunk */
    char nodes[64];  /* the same of nodes: n2 is 2, none is - */
};

static void on_send(void *self, const struct job_log *chunk)
{
    struct sent *s = self;
    assert_int_equal(chunk->offset, s->next_offset);
    assert_int_equal(chunk->seq, s->next_seq++);
    s->next_offset += (int64_t)chunk->text.len;
    if (s->chunks < sizeof s->levels - 1) {
        s->levels[s->chunks] = chunk->level.data[3]; /* stdOut, stdErr, infO, warN, errOr */
        s->nodes[s->chunks] = '-';
        if (chunk->node.len > 1)
            s->nodes[s->chunks] = chunk->node.data[1];
    }
    s->chunks++;
    s->largest = chunk->text.len > s->largest ? chunk->text.len : s->largest;
    buf_add_bytes(&s->text, chunk->text);
}

static void begin(struct sent *s, struct job_log_writer *w, int64_t max_bytes)
{
    memset(s, 0, sizeof *s);
    buf_init(&s->text);
    job_log_init(w, max_bytes, on_send, s);
}

static void end(struct sent *s, struct job_log_writer *w)
{
    assert_int_equal(w->totals.bytes, s->text.len);
    job_log_release(w);
    buf_release(&s->text);
}

static void a_chunk_has_the_lines_of_one_node(void **state)
{
    (void)state;
    struct sent s;
    struct job_log_writer w;
    begin(&s, &w, 0);
    job_log_add(&w, BYTES("n2"), BYTES("stdout"), BYTES("a\n"));
    job_log_add(&w, BYTES("n2"), BYTES("stdout"), BYTES("b\n"));
    job_log_add(&w, BYTES("n3"), BYTES("stdout"), BYTES("c\n"));
    job_log_add(&w, BYTES_NONE, BYTES("stdout"), BYTES("d\n"));
    job_log_add(&w, BYTES("n2"), BYTES("stdout"), BYTES("e\n"));
    job_log_close(&w);
    assert_string_equal(s.nodes, "23-2");
    assert_true(bytes_equal_text(buf_bytes(&s.text), "a\nb\nc\nd\ne\n"));
    end(&s, &w);
}

static void lines_of_one_level_share_a_chunk(void **state)
{
    (void)state;
    struct sent s;
    struct job_log_writer w;
    begin(&s, &w, 0);
    job_log_add(&w, BYTES_NONE, BYTES("stdout"), BYTES("a\n"));
    job_log_add(&w, BYTES_NONE, BYTES("stdout"), BYTES("b\n"));
    job_log_add(&w, BYTES_NONE, BYTES("stderr"), BYTES("c\n"));
    job_log_add(&w, BYTES_NONE, BYTES("stdout"), BYTES("d\n"));
    job_log_close(&w);
    assert_int_equal(s.chunks, 3);
    assert_string_equal(s.levels, "oeo");
    assert_memory_equal(s.text.data, "a\nb\nc\nd\n", 8);
    assert_int_equal(w.totals.lines, 4);
    assert_false(w.totals.truncated);
    end(&s, &w);
}

static void chunks_are_at_most_64_kib_and_nothing_is_lost(void **state)
{
    (void)state;
    struct sent s;
    struct job_log_writer w;
    struct buf text;
    begin(&s, &w, 0);
    buf_init(&text);
    for (int i = 0; i < 30000; i++)
        buf_printf(&text, "line %d\n", i);
    for (size_t i = 0; i < 200000; i++)
        buf_add_text(&text, "\xc3\xa4"); /* one line longer than a chunk, of two-byte characters */
    buf_add_char(&text, '\n');
    job_log_add(&w, BYTES_NONE, BYTES("stdout"), buf_bytes(&text));
    job_log_close(&w);
    assert_true(s.largest <= JOB_LOG_CHUNK);
    assert_true(bytes_equal(buf_bytes(&text), buf_bytes(&s.text)));
    assert_int_equal(w.totals.lines, 30001);
    buf_release(&text);
    end(&s, &w);
}

static void over_the_limit_both_ends_are_kept_and_the_gap_is_told(void **state)
{
    (void)state;
    struct sent s;
    struct job_log_writer w;
    begin(&s, &w, 10000);
    for (int i = 0; i < 10000; i++) {
        struct buf line;
        buf_init(&line);
        buf_printf(&line, "line %d\n", i);
        job_log_add(&w, BYTES_NONE, BYTES("stdout"), buf_bytes(&line));
        job_log_flush(&w);
        buf_release(&line);
    }
    job_log_close(&w);
    buf_add_char(&s.text, '\0');
    assert_true(w.totals.truncated);
    assert_true(s.text.len < 10200);
    assert_non_null(strstr(s.text.data, "line 0\n"));
    assert_non_null(strstr(s.text.data, "line 9999\n"));
    assert_null(strstr(s.text.data, "line 5000\n"));
    assert_non_null(strstr(s.text.data, "bytes of the log were dropped here; max_log_bytes is 10000]\n"));
    s.text.len--;
    end(&s, &w);
}

static void a_log_that_just_fits_is_whole(void **state)
{
    (void)state;
    struct sent s;
    struct job_log_writer w;
    begin(&s, &w, 100);
    for (int i = 0; i < 10; i++) {
        job_log_add(&w, BYTES_NONE, BYTES("stdout"), BYTES("123456789\n"));
        job_log_flush(&w);
    }
    job_log_close(&w);
    assert_false(w.totals.truncated);
    assert_int_equal(s.text.len, 100);
    end(&s, &w);
}

static void an_unknown_level_is_info_and_an_empty_log_is_no_chunk(void **state)
{
    (void)state;
    struct sent s;
    struct job_log_writer w;
    begin(&s, &w, 0);
    job_log_add(&w, BYTES_NONE, BYTES("stdout"), BYTES(""));
    job_log_close(&w);
    assert_int_equal(s.chunks, 0);
    job_log_add(&w, BYTES_NONE, BYTES("shout"), BYTES("x\n"));
    job_log_close(&w);
    assert_string_equal(s.levels, "o");
    end(&s, &w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_has_the_lines_of_one_node),
        cmocka_unit_test(lines_of_one_level_share_a_chunk),
        cmocka_unit_test(chunks_are_at_most_64_kib_and_nothing_is_lost),
        cmocka_unit_test(over_the_limit_both_ends_are_kept_and_the_gap_is_told),
        cmocka_unit_test(a_log_that_just_fits_is_whole),
        cmocka_unit_test(an_unknown_level_is_info_and_an_empty_log_is_no_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
