/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/*
 * What real engine processes answer, and what becomes of it: files, row limits, errors, a store that refuses. Each test runs twice, with
 * isolation auto and none.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/result.h"
#include "tests/unit/engines_world.h"

static const char *isolation; /* of the group that runs */

static void world_start(struct world *w)
{
    world_prepare(w);
    world_open(w, isolation);
}

static bool collect(void *self, const json_t *values)
{
    char *text = json_dumps(values, JSON_COMPACT);
    buf_add_text(self, text);
    buf_add_char(self, '\n');
    free(text);
    return true;
}

static void read_result(
    const struct world *w, const char *path, int64_t offset, int64_t limit, struct buf *out)
{
    struct error e;
    error_clear(&e);
    struct result_reader *r = result_open(w->results_dir, bytes_of(path), &e);
    assert_non_null(r);
    assert_true(result_read(r, offset, limit, collect, out, &e));
    buf_add_char(out, '\0');
    result_close(r);
}

static void sqlite_results_become_files(void **state)
{
    struct world w;
    struct probe b;
    struct buf rows;
    (void)state;
    world_start(&w);
    run_code(&w, &b, "sqlite",
        "create table t(id integer, b blob, d real, s text);\n"
        "insert into t values (9223372036854775807, x'00ff', 0.5, 'x'), (null, null, 9e999, null);\n"
        "select * from t; select count(*) as n, 'a' as \"odd name\" from t;");
    AWAIT(&w, b.ended);
    assert_string_equal(b.message, "");
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_int_equal(b.result_count, 2);
    assert_int_equal(b.offsets[0], 142);
    assert_int_equal(b.offsets[1], 159);
    assert_string_equal(b.columns[0], "id:long,b:bytes,d:double,s:string");
    assert_string_equal(b.columns[1], "n:long,odd name:string");
    assert_string_equal(
        b.paths[0], "2026-01-01/ide/ann/0190f000-0000-7000-8000-000000000001/1/0-result.avro");
    buf_init(&rows);
    read_result(&w, b.paths[0], 0, 10, &rows);
    assert_string_equal(
        rows.data, "[9223372036854775807,\"AP8=\",0.5,\"x\"]\n[null,null,\"Infinity\",null]\n");
    buf_clear(&rows);
    read_result(&w, b.paths[1], 0, 10, &rows);
    assert_string_equal(rows.data, "[2,\"a\"]\n");
    buf_release(&rows);
    probe_release(&b);
    world_close(&w);
}

static void a_store_that_refuses_fails_the_task(void **state)
{
    struct world w;
    struct probe b;
    char path[300];
    (void)state;
    world_start(&w);
    (void)snprintf(
        path, sizeof(path), "%s/2026-01-01", w.results_dir); /* a file where the day's folder should be */
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fclose(f);
    run_code(&w, &b, "sqlite", "select 1");
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_FAILED);
    assert_string_equal(b.code, "result_error");
    assert_int_equal(b.result_count, 0);
    probe_release(&b);
    world_close(&w);
}

static void a_failed_statement_tells_its_line_and_keeps_earlier_results(void **state)
{
    struct world w;
    struct probe b;
    (void)state;
    world_start(&w);
    run_code(&w, &b, "sqlite", "select 1;\n-- x\nselect\n foo;");
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_FAILED);
    assert_string_equal(b.code, "sql_error");
    assert_string_equal(b.message, "no such column: foo");
    assert_int_equal(b.line, 4);
    assert_int_equal(b.offset, 15);
    assert_int_equal(b.result_count, 1);
    assert_int_equal(b.offsets[0], 0);
    probe_release(&b);
    world_close(&w);
}

/* "file:..." would be a URI to SQLite: in memory here, and elsewhere with options that no job should have. */
static void a_database_is_a_file_whatever_its_name(void **state)
{
    struct world w;
    struct probe b;
    struct probe c;
    struct pair name = {BYTES("database"), BYTES("file:a?mode=memory")};
    (void)state;
    world_start(&w);
    probe_init(&b);
    probe_init(&c);
    struct engine_task t = task_of(&b, "sqlite", "create table t (n)");
    t.conf = (struct pairs){&name, 1};
    engines_run(w.p, &t);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    t = task_of(&c, "sqlite", "insert into t values (1)");
    t.conf = (struct pairs){&name, 1};
    engines_run(w.p, &t);
    AWAIT(&w, c.ended);
    assert_string_equal(c.message, "");
    assert_int_equal(c.end, TASK_SUCCEEDED);
    probe_release(&b);
    probe_release(&c);
    world_close(&w);
}

static const char endless[] = "with recursive r(n) as (select 1 union all select n + 1 from r) ";

static void sqlite_stops_when_cancelled_and_stays_warm(void **state)
{
    struct world w;
    struct probe b;
    struct probe c;
    struct buf code;
    (void)state;
    world_start(&w);
    run_code(&w, &c, "sqlite", "select 1");
    AWAIT(&w, c.ended);
    buf_init(&code);
    buf_printf(&code, "%sselect count(*) from r", endless);
    buf_add_char(&code, '\0');
    run_code(&w, &b, "sqlite", code.data);
    engines_cancel(w.p, b.run);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_CANCELLED);
    assert_int_equal(engines_process_count(w.p), 1);
    buf_release(&code);
    probe_release(&b);
    probe_release(&c);
    world_close(&w);
}

static void a_large_result_streams_and_rows_beyond_the_limit_are_dropped(void **state)
{
    struct world w;
    struct probe b;
    struct buf code;
    struct buf rows;
    (void)state;
    world_start(&w);
    buf_init(&code);
    buf_init(&rows);
    buf_printf(&code, "%sselect n, 'row ' || n as s from r limit 300000", endless);
    buf_add_char(&code, '\0');
    run_code(&w, &b, "sqlite", code.data);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_int_equal(b.rows[0], 300000);
    read_result(&w, b.paths[0], 299998, 10, &rows);
    assert_string_equal(rows.data, "[299999,\"row 299999\"]\n[300000,\"row 300000\"]\n");
    probe_release(&b);
    probe_init(&b);
    struct engine_task t = task_of(&b, "sqlite", code.data);
    t.max_result_rows = 10;
    t.attempt = 2;
    engines_run(w.p, &t);
    AWAIT(&w, b.ended);
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_int_equal(b.rows[0], 10);
    assert_true(contains(&b.log, "more than 10 rows"));
    buf_release(&code);
    buf_release(&rows);
    probe_release(&b);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlite_results_become_files),
        cmocka_unit_test(a_store_that_refuses_fails_the_task),
        cmocka_unit_test(a_failed_statement_tells_its_line_and_keeps_earlier_results),
        cmocka_unit_test(a_database_is_a_file_whatever_its_name),
        cmocka_unit_test(sqlite_stops_when_cancelled_and_stays_warm),
        cmocka_unit_test(a_large_result_streams_and_rows_beyond_the_limit_are_dropped),
    };
    isolation = "auto";
    int failed = cmocka_run_group_tests_name("isolation auto", tests, NULL, NULL);
    isolation = "none";
    failed += cmocka_run_group_tests_name("isolation none", tests, NULL, NULL);
    return failed;
}
