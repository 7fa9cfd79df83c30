/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: see the header.
 */
#include "engines/sqlite/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/json_text.h"
#include "core/result_file.h"

#define BATCH_ROWS 1000
#define BATCH_SIZE ((size_t)64 * 1024)
#define LINE_MAX_SIZE ((size_t)8 * 1024 * 1024 - 4096) /* of the protocol, less the line's frame */

enum seen { SEEN_INTEGER = 1, SEEN_REAL = 2, SEEN_TEXT = 4, SEEN_BLOB = 8 };

struct table_column {
    const char *declared; /* as in CREATE TABLE, "" for expressions */
    unsigned seen;        /* of the first batch */
    enum result_type type;
};

static bool declared_as(const struct table_column *c, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = c->declared; *at != '\0'; at++) {
        if (strncasecmp(at, word, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Of a column in whose first batch all is NULL: SQLite's rules of affinity. */
static enum result_type declared_type(const struct table_column *c)
{
    if (declared_as(c, "INT") || declared_as(c, "BOOL")) {
        return RESULT_LONG;
    }
    if (declared_as(c, "REAL") || declared_as(c, "FLOA") || declared_as(c, "DOUB") || declared_as(c, "DEC") ||
        declared_as(c, "NUM")) {
        return RESULT_DOUBLE;
    }
    return declared_as(c, "BLOB") ? RESULT_BYTES : RESULT_STRING;
}

static enum result_type decide_type(const struct table_column *c)
{
    switch (c->seen) {
    case 0:
        return declared_type(c);
    case SEEN_INTEGER:
        return declared_as(c, "DEC") || declared_as(c, "NUM") ? RESULT_DOUBLE : RESULT_LONG;
    case SEEN_REAL:
    case SEEN_INTEGER | SEEN_REAL:
        return RESULT_DOUBLE;
    case SEEN_BLOB:
        return RESULT_BYTES;
    default:
        return RESULT_STRING;
    }
}

static bool fits(enum result_type type, unsigned value)
{
    switch (type) {
    case RESULT_LONG:
        return value == SEEN_INTEGER;
    case RESULT_DOUBLE:
        return value == SEEN_INTEGER || value == SEEN_REAL;
    case RESULT_BYTES:
        return value == SEEN_BLOB;
    case RESULT_STRING:
        return true;
    case RESULT_BOOLEAN:
    case RESULT_TYPES:
        break;
    }
    return false;
}

void table_open(struct table *t, sqlite3_stmt *statement, struct bytes run, size_t offset)
{
    *t = (struct table){.statement = statement,
        .run = run,
        .offset = offset,
        .column_count = sqlite3_column_count(statement)};
    buf_init(&t->rows);
    t->columns = calloc((size_t)t->column_count, sizeof(*t->columns));
    MUST(t->columns != NULL);
    for (int i = 0; i < t->column_count; i++) {
        const char *declared = sqlite3_column_decltype(statement, i);
        t->columns[i].declared = declared == NULL ? "" : declared;
    }
}

void table_close(struct table *t)
{
    buf_release(&t->rows);
    free(t->columns);
}

static void announce(struct table *t, struct buf *out)
{
    buf_add_text(out, "{\"type\":\"columns\"");
    json_text_field(out, "run", t->run);
    buf_printf(out, ",\"offset\":%zu,\"columns\":[", t->offset);
    for (int i = 0; i < t->column_count; i++) {
        struct table_column *c = &t->columns[i];
        const char *name = sqlite3_column_name(t->statement, i);
        c->type = decide_type(c);
        buf_add_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_text(out, bytes_of(name == NULL ? "" : name));
        buf_printf(out, ",\"type\":\"%s\"}", result_type_names[c->type]);
    }
    buf_add_text(out, "]}\n");
    t->announced = true;
}

static void send_rows(struct table *t, struct buf *out, bool last)
{
    if (!t->announced) {
        announce(t, out);
    }
    buf_add_text(out, "{\"type\":\"rows\"");
    json_text_field(out, "run", t->run);
    buf_add_text(out, ",\"rows\":[");
    buf_add_bytes(out, buf_bytes(&t->rows));
    buf_add_text(out, last ? "],\"last\":true}\n" : "]}\n");
    buf_clear(&t->rows);
    t->row_count = 0;
}

static void add_double(struct buf *out, double v)
{
    if (isnan(v) || isinf(v)) { /* SQLite itself makes NULL of NaN */
        buf_add_text(out, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    size_t from = out->len;
    buf_printf(out, "%.17g", v);
    for (size_t i = from; i < out->len; i++) {
        if (out->data[i] == '.' || out->data[i] == 'e') {
            return;
        }
    }
    buf_add_text(out, ".0"); /* still a double where it meets text */
}

/* Appends the value as JSON; returns what it is, 0 for NULL. */
static unsigned add_value(struct table *t, int i)
{
    switch (sqlite3_column_type(t->statement, i)) {
    case SQLITE_INTEGER:
        buf_printf(&t->rows, "%lld", (long long)sqlite3_column_int64(t->statement, i));
        return SEEN_INTEGER;
    case SQLITE_FLOAT:
        add_double(&t->rows, sqlite3_column_double(t->statement, i));
        return SEEN_REAL;
    case SQLITE_TEXT: {
        struct bytes text = bytes_of((const char *)sqlite3_column_text(t->statement, i));
        text.len = (size_t)sqlite3_column_bytes(t->statement, i);
        json_text(&t->rows, text);
        return SEEN_TEXT;
    }
    case SQLITE_BLOB: {
        struct bytes raw = {
            sqlite3_column_blob(t->statement, i), (size_t)sqlite3_column_bytes(t->statement, i)};
        buf_add_char(&t->rows, '"');
        result_put_base64(&t->rows, raw);
        buf_add_char(&t->rows, '"');
        return SEEN_BLOB;
    }
    default:
        buf_add_text(&t->rows, "null");
        return 0;
    }
}

/* Told before a value is spelled out: text and blobs may have 1 GB each, and JSON only makes them longer. */
static bool is_too_long(struct table *t, int i, size_t so_far)
{
    int type = sqlite3_column_type(t->statement, i);
    size_t size =
        type == SQLITE_TEXT || type == SQLITE_BLOB ? (size_t)sqlite3_column_bytes(t->statement, i) : 0;
    return so_far + size > LINE_MAX_SIZE;
}

static bool row_too_large(const struct table *t, struct error *e)
{
    return error_set(e, "result_too_large", "row %lld has more than 8 MiB", t->total);
}

bool table_add(struct table *t, struct buf *out, struct error *e)
{
    size_t before = t->rows.len;
    t->total++;
    buf_add_text(&t->rows, t->row_count == 0 ? "[" : ",[");
    for (int i = 0; i < t->column_count; i++) {
        if (i > 0) {
            buf_add_char(&t->rows, ',');
        }
        if (is_too_long(t, i, t->rows.len - before)) {
            return row_too_large(t, e);
        }
        unsigned value = add_value(t, i);
        struct table_column *c = &t->columns[i];
        if (value != 0 && t->announced && !fits(c->type, value)) {
            const char *name = sqlite3_column_name(t->statement, i);
            return error_set(e, "sql_error",
                "row %lld has a value of another type in column \"%s\", which is %s by the rows before; use "
                "CAST",
                t->total, name == NULL ? "" : name, result_type_names[c->type]);
        }
        c->seen |= value;
    }
    buf_add_char(&t->rows, ']');
    t->row_count++;
    if (t->rows.len - before > LINE_MAX_SIZE) {
        return row_too_large(t, e);
    }
    if (t->rows.len >
        LINE_MAX_SIZE) { /* the last row made the batch too long for one line: it goes by itself */
        struct buf row;
        buf_init(&row);
        buf_add(&row, t->rows.data + before + 1, t->rows.len - before - 1); /* without the comma */
        t->rows.len = before;
        send_rows(t, out, false);
        buf_add_bytes(&t->rows, buf_bytes(&row));
        buf_release(&row);
        t->row_count = 1;
    }
    if (t->row_count >= BATCH_ROWS || t->rows.len >= BATCH_SIZE) {
        send_rows(t, out, false);
    }
    return true;
}

void table_finish(struct table *t, struct buf *out)
{
    send_rows(t, out, true);
}
