/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_limit: one SQL statement with no more than so many result rows: LIMIT n, TOP (n) or FETCH FIRST n ROWS ONLY, as its dialect has it,
 * is added, or lowered where the statement has a larger one.
 *
 * It changes nothing else: the rows are the first ones of the statement's own order. Where that is not sure, the statement stays as it is
 * and the answer is ROW_LIMIT_FETCH: whoever reads the rows stops after so many. That is the answer for
 *   - what is no query: DML (with RETURNING too), DDL, SHOW, EXPLAIN, DESCRIBE, PRAGMA, CALL, several statements;
 *   - queries with effects that depend on the rows: FOR UPDATE and other locks (at any depth), INTO, CTEs that change data, assignments to variables
 *     (SELECT @x = ..., @x := ...), FOR XML and FOR JSON, NEXT VALUE FOR;
 *   - limits that are no plain number (parameters, expressions, PERCENT, WITH TIES, NULL), or that do not stand where they should;
 *   - forms that not all versions of the dialect take: VALUES as a query or at a UNION's end, a UNION without ORDER BY in T-SQL, and more.
 * A function with effects in the select list is not recognised as such: it is then called for fewer rows.
 *
 * Sources: the SELECT pages of SQLite, PostgreSQL, MySQL 8, DuckDB, Spark and Transact-SQL (TOP; ORDER BY with OFFSET-FETCH), ISO 9075.
 * Pure; linear in the statement.
 */
#ifndef MILLRACE_CONVERTER_ROW_LIMIT_H
#define MILLRACE_CONVERTER_ROW_LIMIT_H

#include "converter/lexer.h"
#include "core/arena.h"

enum row_limit_end {
    ROW_LIMIT_KEPT,    /* it has a limit that is small enough */
    ROW_LIMIT_ADDED,   /* *out lies in the arena */
    ROW_LIMIT_LOWERED, /* *out lies in the arena */
    ROW_LIMIT_FETCH    /* left alone; limit the fetch instead */
};

struct row_limit {
    struct bytes text; /* the statement to run: the given one unless ADDED or LOWERED */
    const char *why;   /* for FETCH: "it locks rows" and the like; otherwise NULL */
};

/* max_rows: 1 or more. A trailing `;` is fine. */
enum row_limit_end row_limit_apply(
    struct bytes statement, enum sql_dialect d, int64_t max_rows, struct arena *a, struct row_limit *out);

#endif
