/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit_tail: the tail of a query, token by token: LIMIT, OFFSET and FETCH in the orders and forms that dialects take. What is no number
 * where one must stand, or stands where it should not, makes it wrong; the row limit then keeps its hands off.
 */
#ifndef MILLRACE_CONVERTER_LIMIT_TAIL_H
#define MILLRACE_CONVERTER_LIMIT_TAIL_H

#include "converter/lexer.h"

/* What the tokens of a tail have been so far. */
enum tail {
    TAIL_NONE,
    TAIL_LIMIT,   /* LIMIT */
    TAIL_LIMIT_N, /* LIMIT n */
    TAIL_COMMA,   /* LIMIT n , */
    TAIL_OFFSET,
    TAIL_OFFSET_N,
    TAIL_OFFSET_ROWS,
    TAIL_FETCH,
    TAIL_FETCH_FIRST,
    TAIL_FETCH_N,
    TAIL_FETCH_ROWS,
    TAIL_DONE
};

struct limit_tail {
    enum tail state;
    bool wrong;
    bool has_limit, has_offset;
    size_t offset_at;        /* of the word OFFSET */
    struct sql_token number; /* or ALL; SQL_END: FETCH FIRST ROW ONLY */
};

/* t: the next token at the level of the query. True: it belongs to the tail (or makes it wrong). */
bool limit_tail_follow(struct limit_tail *tail, enum sql_dialect d, const struct sql_token *t);
/* False: something is missing at its end. No tail at all is whole. */
bool limit_tail_is_whole(const struct limit_tail *tail);

#endif
