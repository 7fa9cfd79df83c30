/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/*
 * The row limit: the first byte chooses the dialect, the rest is the statement. Where it is changed, its tokens are the same but for some
 * that were put in at one place, or one that was replaced; and the changed one has no more to be limited.
 */
#include <string.h>

#include "converter/row_limit.h"
#include "core/error.h"

enum { ADDED_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct texts {
    struct bytes *items;
    size_t count;
};

static struct texts tokens_of(struct bytes text, enum sql_dialect d, struct arena *a)
{
    struct texts out = {arena_array(a, text.len + 1, sizeof(struct bytes)), 0};
    struct sql_lexer l;
    struct sql_token t;

    sql_lexer_init(&l, text, d);
    while (sql_next(&l, &t))
        out.items[out.count++] = sql_token_text(&l, &t);
    return out;
}

static void check_change(
    struct bytes before, struct bytes after, enum sql_dialect d, bool added, struct arena *a)
{
    struct texts old = tokens_of(before, d, a);
    struct texts new = tokens_of(after, d, a);
    size_t front = 0, back = 0;

    while (front < old.count && bytes_equal(old.items[front], new.items[front]))
        front++;
    while (back < old.count - front &&
           bytes_equal(old.items[old.count - 1 - back], new.items[new.count - 1 - back]))
        back++;
    if (added) {
        MUST(front + back == old.count);
        MUST(new.count > old.count &&new.count <= old.count + ADDED_MAX);
    } else {
        MUST(front + back + 1 == old.count && new.count == old.count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum sql_dialect d = size > 0 ? (enum sql_dialect)(data[0] % SQL_DIALECTS) : SQL_ANSI;
    struct bytes text = {size > 0 ? (const char *)data + 1 : "", size > 0 ? size - 1 : 0};
    struct row_limit got, again;
    struct arena a;

    arena_init(&a);
    enum row_limit_end end = row_limit_apply(text, d, 7, &a, &got);
    MUST((got.why != NULL) == (end == ROW_LIMIT_FETCH));
    if (end == ROW_LIMIT_KEPT || end == ROW_LIMIT_FETCH) {
        MUST(got.text.data == text.data && got.text.len == text.len);
    } else {
        check_change(text, got.text, d, end == ROW_LIMIT_ADDED, &a);
        MUST(row_limit_apply(got.text, d, 7, &a, &again) == ROW_LIMIT_KEPT);
    }
    arena_release(&a);
    return 0;
}
