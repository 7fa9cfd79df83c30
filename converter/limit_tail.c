/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit_tail: see limit_tail.h. A table of states.
 */
#include "converter/limit_tail.h"

/* What a token is to a tail. */
enum part {
    PART_OTHER,
    PART_LIMIT,
    PART_OFFSET,
    PART_FETCH,
    PART_FIRST,
    PART_ROWS,
    PART_ONLY,
    PART_ALL,
    PART_NUMBER,
    PART_PARAMETER,
    PART_COMMA
};

static const struct {
    enum tail from;
    enum part part;
    enum tail to;
} steps[] = {
    {TAIL_NONE, PART_LIMIT, TAIL_LIMIT},
    {TAIL_NONE, PART_OFFSET, TAIL_OFFSET},
    {TAIL_NONE, PART_FETCH, TAIL_FETCH},
    {TAIL_LIMIT, PART_NUMBER, TAIL_LIMIT_N},
    {TAIL_LIMIT, PART_ALL, TAIL_LIMIT_N},
    {TAIL_LIMIT_N, PART_COMMA, TAIL_COMMA},
    {TAIL_LIMIT_N, PART_OFFSET, TAIL_OFFSET},
    {TAIL_COMMA, PART_NUMBER, TAIL_DONE},
    {TAIL_OFFSET, PART_NUMBER, TAIL_OFFSET_N},
    {TAIL_OFFSET, PART_PARAMETER, TAIL_OFFSET_N},
    {TAIL_OFFSET_N, PART_ROWS, TAIL_OFFSET_ROWS},
    {TAIL_OFFSET_N, PART_LIMIT, TAIL_LIMIT},
    {TAIL_OFFSET_N, PART_FETCH, TAIL_FETCH},
    {TAIL_OFFSET_ROWS, PART_LIMIT, TAIL_LIMIT},
    {TAIL_OFFSET_ROWS, PART_FETCH, TAIL_FETCH},
    {TAIL_FETCH, PART_FIRST, TAIL_FETCH_FIRST},
    {TAIL_FETCH_FIRST, PART_NUMBER, TAIL_FETCH_N},
    {TAIL_FETCH_FIRST, PART_ROWS, TAIL_FETCH_ROWS},
    {TAIL_FETCH_N, PART_ROWS, TAIL_FETCH_ROWS},
    {TAIL_FETCH_ROWS, PART_ONLY, TAIL_DONE},
};

static enum part part_of_word(enum sql_dialect d, enum sql_word w)
{
    switch ((int)w) {
    case SQL_LIMIT_WORD: /* a plain name in T-SQL */
        return d == SQL_TSQL ? PART_OTHER : PART_LIMIT;
    case SQL_OFFSET:
        return PART_OFFSET;
    case SQL_FETCH:
        return PART_FETCH;
    case SQL_FIRST:
    case SQL_NEXT:
        return PART_FIRST;
    case SQL_ROW:
    case SQL_ROWS:
        return PART_ROWS;
    case SQL_ONLY:
        return PART_ONLY;
    case SQL_ALL:
        return d == SQL_SQLITE || d == SQL_MYSQL ? PART_OTHER : PART_ALL;
    default:
        return PART_OTHER;
    }
}

static enum part part_of(enum sql_dialect d, const struct sql_token *t)
{
    if (t->kind == SQL_NUMBER)
        return PART_NUMBER;
    if (t->kind == SQL_PARAMETER || (t->kind == SQL_SIGN && t->sign == '?'))
        return PART_PARAMETER;
    if (t->kind == SQL_SIGN && t->sign == ',')
        return PART_COMMA;
    return part_of_word(d, t->word);
}

static void enter(struct limit_tail *tail, enum tail to, const struct sql_token *t)
{
    if (to == TAIL_LIMIT || to == TAIL_FETCH) {
        tail->wrong = tail->wrong || tail->has_limit;
        tail->has_limit = true;
    } else if (to == TAIL_OFFSET) {
        tail->wrong = tail->wrong || tail->has_offset;
        tail->has_offset = true;
        tail->offset_at = t->start;
    } else if (to == TAIL_LIMIT_N || to == TAIL_FETCH_N || (to == TAIL_DONE && t->kind == SQL_NUMBER)) {
        tail->number = *t;
    }
    tail->state = to;
}

bool limit_tail_follow(struct limit_tail *tail, enum sql_dialect d, const struct sql_token *t)
{
    enum part part = part_of(d, t);

    if (tail->state == TAIL_NONE && part != PART_LIMIT && part != PART_OFFSET && part != PART_FETCH)
        return false;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i].from == tail->state && steps[i].part == part) {
            enter(tail, steps[i].to, t);
            return true;
        }
    }
    tail->wrong = tail->wrong || tail->state != TAIL_NONE;
    return tail->state != TAIL_NONE;
}

bool limit_tail_is_whole(const struct limit_tail *tail)
{
    return tail->state == TAIL_NONE || tail->state == TAIL_LIMIT_N || tail->state == TAIL_OFFSET_N ||
           tail->state == TAIL_OFFSET_ROWS || tail->state == TAIL_DONE;
}
