/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: the rows of one SELECT on their way to the executor, in batches. SQLite types values, not columns: a column's type
 * is decided by its declaration and by the first batch; a later value that does not fit ends the statement with an error
 * that names the column, instead of changing the value.
 */
#ifndef MILLRACE_ENGINES_SQLITE_TABLE_H
#define MILLRACE_ENGINES_SQLITE_TABLE_H

#include <sqlite3.h>

#include "core/bytes.h"
#include "core/error.h"

struct table_column;
struct table {
    sqlite3_stmt *statement;
    struct bytes run;
    size_t offset; /* of the statement in the code */
    int column_count;
    struct table_column *columns;
    bool announced;   /* the columns are out */
    struct buf rows;  /* JSON, "[..],[..]" */
    size_t row_count; /* in rows */
    long long total;
};

void table_open(struct table *t, sqlite3_stmt *statement, struct bytes run, size_t offset);
/* The statement's present row. False: e (code sql_error or result_too_large). */
bool table_add(struct table *t, struct buf *out, struct error *e);
/* Appends the rest. */
void table_finish(struct table *t, struct buf *out);
void table_close(struct table *t);

#endif
