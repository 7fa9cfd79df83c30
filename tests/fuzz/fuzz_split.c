/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/*
 * The splitter: the first byte chooses the dialect, the rest is the text. Whatever it is, the statements lie in it in order, each tells its
 * line, nothing but `;` and hints lies between them, and a statement split again is one statement.
 */
#include <string.h>

#include "converter/split.h"
#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_gap(struct bytes gap, enum sql_dialect d)
{
    struct sql_lexer l;
    struct sql_token t;

    sql_lexer_init(&l, gap, d);
    while (sql_next(&l, &t))
        MUST(t.kind == SQL_HINT || (t.kind == SQL_SIGN && t.sign == ';'));
}

static void check_again(struct bytes statement, enum sql_dialect d, struct arena *a)
{
    struct split again;

    MUST(split_sql(statement, d, 2, a, &again) == SPLIT_OK);
    MUST(again.count == 1 && again.items[0].offset == 0 && again.items[0].length == (int64_t)statement.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum sql_dialect d = size > 0 ? (enum sql_dialect)(data[0] % SQL_DIALECTS) : SQL_ANSI;
    struct bytes text = {size > 0 ? (const char *)data + 1 : "", size > 0 ? size - 1 : 0};
    bool lines =
        d == SQL_MYSQL || d == SQL_TSQL; /* have commands that are lines: what lies between is not SQL */
    struct arena a;
    struct split s;
    size_t end = 0;
    int64_t line = 1;

    arena_init(&a);
    enum split_end how = split_sql(text, d, 1000, &a, &s);
    MUST((how == SPLIT_EMPTY) == (s.count == 0) || how == SPLIT_TOO_MANY);
    MUST((s.unclosed == NULL) == (s.unclosed_line == NO_INT));
    for (size_t i = 0; i < s.count; i++) {
        size_t from = (size_t)s.items[i].offset;
        size_t len = (size_t)s.items[i].length;
        MUST(len > 0 && from >= end && from + len <= text.len);
        for (size_t k = i > 0 ? (size_t)s.items[i - 1].offset : 0; k < from; k++)
            line += text.data[k] == '\n';
        MUST(s.items[i].first_line == line);
        if (!lines) {
            check_gap(bytes_slice(text, end, from - end), d);
            check_again(bytes_slice(text, from, len), d, &a);
        }
        end = from + len;
    }
    if (!lines && how != SPLIT_TOO_MANY)
        check_gap(bytes_slice(text, end, text.len), d);
    arena_release(&a);
    return 0;
}
