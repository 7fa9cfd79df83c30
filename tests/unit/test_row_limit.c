/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert sqlite_table */
/*
 * row_limit: what is added and lowered in each dialect, what is left alone; SQLite as the reference: the limited statement gives exactly
 * the first rows of the statement itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "converter/row_limit.h"
#include "tests/unit/arena_world.h"
#include "tests/unit/nasty.h"

#define MAX_ROWS 10

static const struct {
    enum sql_dialect dialect;
    const char *in;
    const char *out; /* NULL: left alone, limit the fetch; the same text as in: kept */
} cases[] = {
    /* LIMIT */
    {SQL_POSTGRES, "select 1", "select 1 LIMIT 10"},
    {SQL_POSTGRES, "select 1;", "select 1 LIMIT 10;"},
    {SQL_POSTGRES, "select 1 -- all", "select 1 LIMIT 10 -- all"},
    {SQL_POSTGRES, "select (1)\xEF\xBB\xBF", "select (1)\xEF\xBB\xBF LIMIT 10"}, /* a name there */
    {SQL_POSTGRES, "\xEF\xBB\xBFselect 1", "\xEF\xBB\xBFselect 1 LIMIT 10"},
    {SQL_POSTGRES, "select 1 /* x */ ;", "select 1 LIMIT 10 /* x */ ;"},
    {SQL_POSTGRES, "select 1 limit 5", "select 1 limit 5"},
    {SQL_POSTGRES, "select 1 limit 10", "select 1 limit 10"},
    {SQL_POSTGRES, "select 1 limit 11", "select 1 limit 10"},
    {SQL_POSTGRES, "select 1 limit 99999999999999999999 offset 3", NULL},
    {SQL_POSTGRES, "select 1 limit all", "select 1 limit 10"},
    {SQL_POSTGRES, "select 1 offset 5", "select 1 offset 5 LIMIT 10"},
    {SQL_POSTGRES, "select 1 offset 5 limit 50", "select 1 offset 5 limit 10"},
    {SQL_POSTGRES, "select 1 offset $1 limit 50", "select 1 offset $1 limit 10"},
    {SQL_POSTGRES, "select 1 fetch first 100 rows only", "select 1 fetch first 10 rows only"},
    {SQL_POSTGRES, "select 1 offset 2 rows fetch next 100 rows only",
        "select 1 offset 2 rows fetch next 10 rows only"},
    {SQL_POSTGRES, "select 1 fetch first row only", "select 1 fetch first row only"},
    {SQL_POSTGRES, "select 1 fetch first 100 rows with ties", NULL},
    {SQL_POSTGRES, "select 1 limit $1", NULL},
    {SQL_POSTGRES, "select 1 limit 5+5", NULL},
    {SQL_POSTGRES, "select 1 limit (select 5)", NULL},
    {SQL_POSTGRES, "select 1 limit null", NULL},
    {SQL_POSTGRES, "select 1 limit 1e9", NULL},
    {SQL_POSTGRES, "select 1 limit 1_000", NULL},
    {SQL_POSTGRES, "select 1 limit -1", NULL},
    {SQL_POSTGRES, "select * from (select * from t limit 100) s",
        "select * from (select * from t limit 100) s LIMIT 10"},
    {SQL_POSTGRES, "select 'limit 5', \"limit\", t.limit from t",
        "select 'limit 5', \"limit\", t.limit from t LIMIT 10"},
    {SQL_POSTGRES, "select a as limit from t", "select a as limit from t LIMIT 10"},
    {SQL_POSTGRES, "select 1 -- limit 5\n", "select 1 LIMIT 10 -- limit 5\n"},
    {SQL_POSTGRES, "select $$ limit 5 $$", "select $$ limit 5 $$ LIMIT 10"},
    {SQL_POSTGRES, "with a as (select 1 limit 3), b(x) as materialized (select 2) select * from a, b",
        "with a as (select 1 limit 3), b(x) as materialized (select 2) select * from a, b LIMIT 10"},
    {SQL_POSTGRES,
        "with recursive r(n) as (values (1) union all select n + 1 from r) select n from r limit 500",
        "with recursive r(n) as (values (1) union all select n + 1 from r) select n from r limit 10"},
    {SQL_POSTGRES, "with d as (delete from t returning *) select * from d", NULL},
    {SQL_POSTGRES, "with a as (select 1) insert into t select * from a", NULL},
    {SQL_POSTGRES, "with a as (select 1) (select * from a)", NULL},
    {SQL_POSTGRES, "select 1 union select 2", "select 1 union select 2 LIMIT 10"},
    {SQL_POSTGRES, "select 1 union all (select 2 limit 50) order by 1",
        "select 1 union all (select 2 limit 50) order by 1 LIMIT 10"},
    {SQL_POSTGRES, "(select 1 limit 50) union select 2", "(select 1 limit 50) union select 2 LIMIT 10"},
    {SQL_POSTGRES, "(select 1) except distinct (select 2) limit 50",
        "(select 1) except distinct (select 2) limit 10"},
    {SQL_POSTGRES, "select 1 union values (2)", NULL},
    {SQL_POSTGRES, "(select 1)", "(select 1 LIMIT 10)"},
    {SQL_POSTGRES, " ( (select 1 limit 50) ) ; -- x", " ( (select 1 limit 10) ) ; -- x"},
    {SQL_POSTGRES, "(select 1) order by 1", "(select 1) order by 1 LIMIT 10"},
    {SQL_POSTGRES, "(select 1 limit 50) order by 1", NULL}, /* PostgreSQL takes both as one query */
    {SQL_POSTGRES, "(select 1 fetch first row only) offset 1", NULL},
    {SQL_POSTGRES, "((select 1 offset 2) order by 1)", NULL},
    {SQL_POSTGRES, "(select 1 offset 2) limit 50", "(select 1 offset 2) limit 10"},
    {SQL_DUCKDB, "(select 1 limit 50) order by 1", NULL},
    {SQL_POSTGRES, "(select 1", NULL},
    {SQL_POSTGRES, "select 1)", NULL},
    {SQL_POSTGRES, "select 'abc", NULL},
    {SQL_POSTGRES, "select * from t for update", NULL},
    {SQL_POSTGRES, "select * from t limit 50 for no key update skip locked", NULL},
    {SQL_POSTGRES, "select * from (select * from t for update) s", NULL},
    {SQL_POSTGRES, "with a as (select * from t for no key update) select * from a limit 50", NULL},
    {SQL_POSTGRES, "select substring(a from 1 for 2) from t",
        "select substring(a from 1 for 2) from t LIMIT 10"},
    {SQL_POSTGRES, "select * into u from t", NULL},
    {SQL_POSTGRES, "values (1), (2)", NULL},
    {SQL_POSTGRES, "table t", "table t LIMIT 10"},
    {SQL_POSTGRES, "show all", NULL},
    {SQL_POSTGRES, "explain select 1", NULL},
    {SQL_POSTGRES, "explain analyze select 1", NULL},
    {SQL_POSTGRES, "insert into t values (1) returning *", NULL},
    {SQL_POSTGRES, "delete from t returning *", NULL},
    {SQL_POSTGRES, "create table a as select 1", NULL},
    {SQL_POSTGRES, "select 1; select 2", NULL},
    {SQL_POSTGRES, "select 1;;", NULL},
    {SQL_POSTGRES, "", NULL},
    {SQL_POSTGRES, "-- nothing", NULL},
    {SQL_POSTGRES, "select 1 limit 5 union select 2", NULL},
    {SQL_POSTGRES,
        "select case when a then 1 end, sum(b) filter (where c) from t group by 1 having sum(b) > 1",
        "select case when a then 1 end, sum(b) filter (where c) from t group by 1 having sum(b) > 1 LIMIT "
        "10"},
    {SQL_POSTGRES, "select a[1:2], b::int, c ->> 'limit' from t",
        "select a[1:2], b::int, c ->> 'limit' from t LIMIT 10"},
    {SQL_POSTGRES, "select * from a left join lateral (select * from b limit 1) c on true",
        "select * from a left join lateral (select * from b limit 1) c on true LIMIT 10"},
    {SQL_POSTGRES, "/*+ SeqScan(t) */ select 1 from t", "/*+ SeqScan(t) */ select 1 from t LIMIT 10"},

    /* MySQL */
    {SQL_MYSQL, "select 1", "select 1 LIMIT 10"},
    {SQL_MYSQL, "select 1 limit 5, 50", "select 1 limit 5, 10"},
    {SQL_MYSQL, "select 1 limit 50, 5", "select 1 limit 50, 5"},
    {SQL_MYSQL, "select 1 limit 50 offset 7", "select 1 limit 10 offset 7"},
    {SQL_MYSQL, "select 1 # limit 5\n", "select 1 LIMIT 10 # limit 5\n"},
    {SQL_MYSQL, "select 'it\\'s limit 5'", "select 'it\\'s limit 5' LIMIT 10"},
    {SQL_MYSQL, "select 1 into outfile '/tmp/x'", NULL},
    {SQL_MYSQL, "select 1 into @x", NULL},
    {SQL_MYSQL, "select * from t lock in share mode", NULL},
    {SQL_MYSQL, "select * from t limit 50 for share", NULL},
    {SQL_MYSQL, "select @n := @n + 1 from t", NULL},
    {SQL_MYSQL, "select /*! high_priority */ 1", NULL},
    {SQL_MYSQL, "(select 1 limit 2) order by 1", NULL},
    {SQL_MYSQL, "(select 1) union (select 2) order by 1", "(select 1) union (select 2) order by 1 LIMIT 10"},
    {SQL_MYSQL, "(select 1)", "(select 1 LIMIT 10)"},
    {SQL_MYSQL, "show tables", NULL},
    {SQL_MYSQL, "describe t", NULL},
    {SQL_MYSQL, "select `limit` from t group by a with rollup",
        "select `limit` from t group by a with rollup LIMIT 10"},
    {SQL_MYSQL, "select 1 procedure analyse()", NULL},
    {SQL_MYSQL, "call p()", NULL},

    /* DuckDB */
    {SQL_DUCKDB, "from t", "from t LIMIT 10"},
    {SQL_DUCKDB, "from t select a where b limit 50", "from t select a where b limit 10"},
    {SQL_DUCKDB, "select 1 union by name select 2", "select 1 union by name select 2 LIMIT 10"},
    {SQL_DUCKDB, "select 1 limit 50%", NULL},
    {SQL_DUCKDB, "select * from t using sample 5", "select * from t using sample 5 LIMIT 10"},
    {SQL_DUCKDB, "pivot t on y using sum(p)", NULL},
    {SQL_DUCKDB, "summarize t", NULL},
    {SQL_DUCKDB, "select * exclude (a) from t qualify row_number() over (order by b) = 1",
        "select * exclude (a) from t qualify row_number() over (order by b) = 1 LIMIT 10"},

    /* Spark and Hive */
    {SQL_SPARK, "select 1 offset 5", "select 1 LIMIT 10 offset 5"},
    {SQL_SPARK, "select 1 limit 50 offset 5", "select 1 limit 10 offset 5"},
    {SQL_SPARK, "select a from t distribute by b sort by c",
        "select a from t distribute by b sort by c LIMIT 10"},
    {SQL_SPARK, "select /*+ broadcast(t) */ 1 from t minus select 2",
        "select /*+ broadcast(t) */ 1 from t minus select 2 LIMIT 10"},
    {SQL_SPARK, "from t insert overwrite table u select a", NULL},
    {SQL_SPARK, "from t |> limit 50", NULL},
    {SQL_SPARK, "select * from t |> where a", NULL},
    {SQL_SPARK, "select * from t timestamp as of '2024-01-01'",
        "select * from t timestamp as of '2024-01-01' LIMIT 10"},
    {SQL_SPARK, "select \"limit 5\" from t", "select \"limit 5\" from t LIMIT 10"},
    {SQL_SPARK, "describe extended t", NULL},
    {SQL_SPARK, "with a as (select 1) from a select *", NULL},
    {SQL_SPARK, "select limit from t", NULL},
    {SQL_SPARK, "select k, v from t lateral view explode(m) x as k, v",
        "select k, v from t lateral view explode(m) x as k, v LIMIT 10"},

    /* T-SQL */
    {SQL_TSQL, "select a from t", "select TOP (10) a from t"},
    {SQL_TSQL, "select distinct a from t;", "select distinct TOP (10) a from t;"},
    {SQL_TSQL, "select all a from t", "select all TOP (10) a from t"},
    {SQL_TSQL, "select top 50 a from t", "select top 10 a from t"},
    {SQL_TSQL, "select top(50) a from t", "select top(10) a from t"},
    {SQL_TSQL, "select distinct top ( 50 ) a from t order by a",
        "select distinct top ( 10 ) a from t order by a"},
    {SQL_TSQL, "select top 5 a from t", "select top 5 a from t"},
    {SQL_TSQL, "select top (5 + 50) a from t", NULL},
    {SQL_TSQL, "select top (@n) a from t", NULL},
    {SQL_TSQL, "select top 50 percent a from t", NULL},
    {SQL_TSQL, "select top (50) with ties a from t order by a", NULL},
    {SQL_TSQL, "select a from t order by a offset 5 rows",
        "select a from t order by a offset 5 rows FETCH NEXT 10 ROWS ONLY"},
    {SQL_TSQL, "select a from t order by a offset 5 rows option (recompile)",
        "select a from t order by a offset 5 rows FETCH NEXT 10 ROWS ONLY option (recompile)"},
    {SQL_TSQL, "select a from t order by a offset 5 rows fetch next 50 rows only",
        "select a from t order by a offset 5 rows fetch next 10 rows only"},
    {SQL_TSQL, "select a from t option (maxdop 1)", "select TOP (10) a from t option (maxdop 1)"},
    {SQL_TSQL, "select a from t union select b from u", NULL},
    {SQL_TSQL, "select top 5 a from t union select b from u", NULL},
    {SQL_TSQL, "select a from t union select b from u order by 1",
        "select a from t union select b from u order by 1 OFFSET 0 ROWS FETCH NEXT 10 ROWS ONLY"},
    {SQL_TSQL, "with c as (select top 3 a from t) select * from c",
        "with c as (select top 3 a from t) select TOP (10) * from c"},
    {SQL_TSQL, "with c as (select 1) update t set a = 1", NULL},
    {SQL_TSQL, "select a into #x from t", NULL},
    {SQL_TSQL, "select @x = a from t", NULL},
    {SQL_TSQL, "select @x += a from t", NULL},
    {SQL_TSQL, "select a from t where b = @x", "select TOP (10) a from t where b = @x"},
    {SQL_TSQL, "select a from t for json path", NULL},
    {SQL_TSQL, "select next value for s", NULL},
    {SQL_TSQL, "select a from t with (nolock)", "select TOP (10) a from t with (nolock)"},
    {SQL_TSQL, "select 1 select 2", NULL},
    {SQL_TSQL, "select a from t delete from u", NULL},
    {SQL_TSQL, "exec p", NULL},
    {SQL_TSQL, "declare @x int; select @x", NULL},
    {SQL_TSQL, "select limit, [top] from t", "select TOP (10) limit, [top] from t"},
    {SQL_TSQL, "(select 1)", NULL},

    /* standard */
    {SQL_ANSI, "select 1", "select 1 FETCH FIRST 10 ROWS ONLY"},
    {SQL_ANSI, "select 1 offset 5 rows", "select 1 offset 5 rows FETCH FIRST 10 ROWS ONLY"},
    {SQL_ANSI, "select 1 offset 5", NULL},
    {SQL_ANSI, "select 1 limit 50", "select 1 limit 10"},
    {SQL_ANSI, "select 1 from t with ur", NULL},
    {SQL_ANSI, "select limit from t", NULL},
    {SQL_ANSI, "select 1 fetch first 50 percent rows only", NULL},
};

static void limits_what_it_understands(void **state)
{
    struct row_limit got;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        arena_reset(&arena);
        struct bytes in = bytes_of(cases[i].in);
        enum row_limit_end end = row_limit_apply(in, cases[i].dialect, MAX_ROWS, &arena, &got);
        const char *wanted = cases[i].out != NULL ? cases[i].out : cases[i].in;
        const char *dialect = sql_rules_of(cases[i].dialect)->name;
        if (!bytes_equal_text(got.text, wanted) || (end == ROW_LIMIT_FETCH) != (cases[i].out == NULL))
            fail_msg("%s: '%s': got %d '%.*s' (%s), expected '%s'", dialect, cases[i].in, (int)end,
                BYTES_ARG(got.text), got.why ? got.why : "sure", cases[i].out ? cases[i].out : "left alone");
        assert_true((got.why != NULL) == (end == ROW_LIMIT_FETCH));
        assert_true((got.text.data == in.data) == (end == ROW_LIMIT_FETCH || end == ROW_LIMIT_KEPT));
        if (cases[i].out == NULL)
            continue;
        /* And again: it is small enough now. */
        struct row_limit again;
        end = row_limit_apply(got.text, cases[i].dialect, MAX_ROWS, &arena, &again);
        if (end != ROW_LIMIT_KEPT && end != ROW_LIMIT_FETCH)
            fail_msg("%s: '%.*s' is limited twice", dialect, BYTES_ARG(got.text));
    }
}

/* ---- SQLite as the reference ---- */

static const char setup[] = "create table t (a integer, b text, c real, \"limit\" int, offset int);"
                            "create table u (a integer, d text);"
                            "with recursive n(i) as (values (1) union all select i + 1 from n where i < 60)"
                            " insert into t select i, 'b' || (i % 7), i / 3.0, 60 - i, i % 5 from n;"
                            "insert into u select a, 'd;' || a from t where a % 2 = 0;"
                            "create view v as select a, d from u order by a desc limit 25;";

/* `sure`: something must be added or lowered, or be small enough. */
static const struct {
    const char *sql;
    bool sure;
} queries[] = {
    {"select a from t order by a", true},
    {"select a, b from t order by b, a desc", true},
    {"select a from t order by a limit 3", true},
    {"select a from t order by a limit 30", true},
    {"select a from t order by a limit 30 offset 7", true},
    {"select a from t order by a limit 7, 30", true},
    {"select a from t order by a limit 30, 7", true},
    {"select a from t order by a limit -1", false},
    {"select a from t order by a limit 5 * 5", false},
    {"select a from t order by a limit (select 20)", false},
    {"select a from t order by a limit 0", true},
    {"select a from t order by a limit 30;", true},
    {"select a from t order by a -- limit 3", true},
    {"select a from t order by a -- limit 3\n;", true},
    {"select a from t /* limit 3 */ order by a /* end */", true},
    {"select 'limit 3', a from t order by a", true},
    {"select \"limit\" from t order by \"limit\"", true},
    {"select [limit] from t order by `limit`", true},
    {"select t.\"limit\" from t order by a", true},
    {"select a as \"limit\" from t order by 1", true},
    {"select offset from t order by a", false},
    {"select t.offset from t order by a", true},
    {"select a from (select a from t order by a limit 40) order by a", true},
    {"select a from t where a in (select a from u order by a limit 20) order by a", true},
    {"select (select d from u where u.a = t.a limit 1), a from t order by a", true},
    {"select a from t union select a + 100 from u order by 1", true},
    {"select a from t union all select a from u order by 1 limit 33", true},
    {"select a from t intersect select a from u order by 1", true},
    {"select a from t except select a from u order by 1 desc", true},
    {"select a from u union all values (1000), (1001)", false},
    {"values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12)", false},
    {"with x as (select a from t order by a limit 50) select a from x order by a desc", true},
    {"with x(n) as (select a from t), y as (select n from x) select n from y order by n limit 44", true},
    {"with recursive r(n) as (select 1 union all select n + 1 from r where n < 99) select n from r order by "
     "n",
        true},
    {"with recursive r(n) as (select 1 union all select n + 1 from r limit 99) select n from r order by n",
        true},
    {"with x as (select 1 as k union all select 2) select a, k from t, x order by a, k", true},
    {"select b, count(*) from t group by b order by b", true},
    {"select b, count(*) from t group by b having count(*) > 8 order by b", true},
    {"select count(*) from t", true},
    {"select distinct offset % 3 from t order by 1", false},
    {"select distinct b from t order by b desc", true},
    {"select a, row_number() over (partition by b order by a rows between 2 preceding and current row) from "
     "t order by a",
        true},
    {"select a, sum(c) over w from t window w as (order by a) order by a", true},
    {"select t.a, u.d from t left join u on u.a = t.a order by t.a", true},
    {"select t.a from t join u using (a) where d like 'd;%' order by t.a", true},
    {"select * from v", true},
    {"select case when a > 30 then 'x' else 'y' end as k, a from t order by k, a", true},
    {"select a from t where b = 'it''s; limit 3' or a > 3 order by a", true},
    {"select max(a), b from t group by b order by 1 limit 99999999999999999999999", false},
    {"select a from t order by a limit 0x20", false},
    {"select a from t order by a limit 30.0", false},
    {"select replace(b, 'b', 'x'), a from t order by a", true},
    {"select json_extract('{\"limit\":5}', '$.limit'), a from t order by a", true},
    {"select a from t order by a collate nocase limit 12", true},
    {"select 1.limit 20", true},
    {"select 1 limit 20", true},
    {"select 1.", true},
    {"explain query plan select a from t", false},
    {"pragma table_info(t)", false},
    {"select * from t as limitless order by a", true},
    {"select exists (select 1 from t limit 5), a from t order by a", true},
    {"select a from t indexed by nothing order by a", true},
    {"select x'6c696d6974', a from t order by a", true},
};

/* All rows as text, each ended by a line end; NULL: the statement has an error. `most`: no more rows than these. */
static char *rows_of(sqlite3 *db, struct bytes sql, int most)
{
    sqlite3_stmt *s = NULL;
    struct buf out;
    int code = SQLITE_ERROR;

    buf_init(&out);
    buf_reserve(&out, 1);
    if (sqlite3_prepare_v2(db, sql.data, (int)sql.len, &s, NULL) == SQLITE_OK && s != NULL) {
        for (int row = 0; (code = sqlite3_step(s)) == SQLITE_ROW && row < most; row++) {
            for (int i = 0; i < sqlite3_column_count(s); i++) {
                const char *text = (const char *)sqlite3_column_text(s, i);
                buf_printf(&out, "%s|", text != NULL ? text : "NULL");
            }
            buf_add_char(&out, '\n');
        }
    }
    sqlite3_finalize(s);
    char *text = code == SQLITE_ROW || code == SQLITE_DONE ? bytes_dup(buf_bytes(&out)) : NULL;
    buf_release(&out);
    return text;
}

static void gives_the_first_rows_of_the_statement(void **state)
{
    sqlite3 *db;
    static const int64_t limits[] = {1, 2, 5, 10, 24, 1000};

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, setup, NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
            struct row_limit got;
            arena_reset(&arena);
            struct bytes sql = bytes_of(queries[i].sql);
            enum row_limit_end end = row_limit_apply(sql, SQL_SQLITE, limits[k], &arena, &got);
            if ((end != ROW_LIMIT_FETCH) != queries[i].sure)
                fail_msg("'%s': %s", queries[i].sql, got.why ? got.why : "is sure");
            char *wanted = rows_of(db, sql, end == ROW_LIMIT_FETCH ? 100000 : (int)limits[k]);
            char *rows = rows_of(db, got.text, 100000);
            if ((rows == NULL) != (wanted == NULL) || (rows != NULL && strcmp(rows, wanted) != 0))
                fail_msg("'%s' as '%.*s': got\n%s\nexpected\n%s", queries[i].sql, BYTES_ARG(got.text),
                    rows ? rows : "an error", wanted ? wanted : "an error");
            free(wanted);
            free(rows);
        }
    }
    sqlite3_close(db);
}

static void limit_one(struct bytes text, void *context)
{
    struct row_limit got;

    arena_reset(&arena);
    row_limit_apply(text, *(enum sql_dialect *)context, MAX_ROWS, &arena, &got);
}

static void takes_time_linear_in_the_statement(void **state)
{
    static const char *const pieces[] = {"(", "((select 1) ", "select ",
        "select a, 'b' from t where c = 10 or ", "union ", "limit 1 ", ", a", "(/*", ") "};

    (void)state;
    for (int d = 0; d < SQL_DIALECTS; d++) {
        enum sql_dialect dialect = (enum sql_dialect)d;
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
            assert_true(nasty_is_linear(pieces[i], 20000, limit_one, &dialect));
    }
    enum sql_dialect dialect = SQL_POSTGRES;
    assert_true(nasty_is_linear("select a, 'b' from t union all ", 1000000, limit_one, &dialect));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_what_it_understands),
        cmocka_unit_test(gives_the_first_rows_of_the_statement),
        cmocka_unit_test(takes_time_linear_in_the_statement),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
