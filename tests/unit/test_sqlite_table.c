/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: sqlite_table */
/*
 * The rows of a SELECT on their way out of the sqlite engine: what is too large for a line of the protocol is refused
 * before it is spelled out, however large it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "engines/sqlite/table.h"

static sqlite3 *db;

static int open_db(void **state)
{
    (void)state;
    return sqlite3_open(":memory:", &db);
}

static int close_db(void **state)
{
    (void)state;
    return sqlite3_close(db);
}

static long peak_kb(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static long added_kb; /* by the last row, beyond what SQLite itself needed for it */

/* The first row of that statement: is it taken? */
static bool first_row(const char *sql, struct buf *out, struct error *e)
{
    sqlite3_stmt *statement;
    struct table t;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    table_open(&t, statement, BYTES("r"), 0);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    long before = peak_kb();
    bool taken = table_add(&t, out, e);
    added_kb = peak_kb() - before;
    if (taken)
        table_finish(&t, out);
    table_close(&t);
    sqlite3_finalize(statement);
    return taken;
}

static void test_a_huge_blob_costs_no_memory(void **state)
{
    (void)state;
    struct error e = {0};
    struct buf out;

    buf_init(&out);
    assert_false(first_row("select 1, zeroblob(400000000), 'x'", &out, &e));
    assert_string_equal(e.code, "result_too_large");
    assert_int_equal(out.len, 0);
    assert_true(added_kb < 64 * 1024);
    buf_release(&out);
}

static void test_the_limit_is_on_the_row(void **state)
{
    (void)state;
    struct error e = {0};
    struct buf out;

    buf_init(&out);
    assert_false(first_row("select printf('%.*c', 5000000, 'a'), printf('%.*c', 5000000, 'b')", &out, &e));
    assert_string_equal(e.code, "result_too_large");
    assert_true(first_row("select printf('%.*c', 4000000, 'a'), printf('%.*c', 4000000, 'b')", &out, &e));
    assert_true(out.len > 8000000);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_huge_blob_costs_no_memory),
        cmocka_unit_test(test_the_limit_is_on_the_row),
    };
    return cmocka_run_group_tests_name("sqlite_table", tests, open_db, close_db);
}
