/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_limit: see row_limit.h. One pass over the tokens keeps what matters of the outermost query: where its SELECT is, which set operators
 * it has, and its tail (LIMIT, OFFSET, FETCH), which is read by a table of states. The first thing that is not sure sets `why`, and the
 * statement stays as it is. A second pass, in front, only for a query that is wholly in parentheses.
 */
#include "converter/row_limit.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "converter/limit_tail.h"

static const char not_plain[] = "its limit is not a plain number in its usual place";
static const char no_query[] = "it is no query";

enum head {
    HEAD_NONE, /* no token yet */
    HEAD_WITH, /* between WITH and SELECT */
    HEAD_PARENS,
    HEAD_FROM, /* begins with FROM; a SELECT may follow */
    HEAD_SELECT
};

enum top { TOP_NONE, TOP_AWAITED, TOP_NUMBER, TOP_CLOSING, TOP_READ };

struct limiting {
    struct bytes statement;
    struct arena *arena;
    struct sql_lexer lexer; /* over the query in it */
    enum sql_dialect dialect;
    const char *why; /* what is not sure; NULL: nothing */
    enum head head;
    struct limit_tail tail;
    bool option; /* T-SQL's OPTION (...) has come, behind everything */
    enum top top;
    bool first_in_parens; /* the next token is the first one of the query in parentheses at the beginning */
    bool after_set;       /* a query must follow */
    bool has_sets, has_order, has_from, ended;
    bool inner_tail; /* something in parentheses has a LIMIT, OFFSET or FETCH */
    bool has_top;    /* of its first SELECT */
    struct sql_token top_number;
    size_t depth;      /* parentheses */
    size_t select_end; /* behind SELECT [ALL|DISTINCT] */
    size_t body_end;   /* behind the query's last token */
    struct sql_token previous;
    struct sql_token last; /* but for `;` */
};

static void doubt(struct limiting *l, const char *why)
{
    if (l->why == NULL)
        l->why = why;
}

static bool is_sign(const struct sql_token *t, char sign)
{
    return t->kind == SQL_SIGN && t->sign == sign;
}

/* True: the token belongs to the tail. */
static bool follow_tail(struct limiting *l, const struct sql_token *t)
{
    if (!limit_tail_follow(&l->tail, l->dialect, t))
        return false;
    if (l->tail.wrong)
        doubt(l, not_plain);
    return true;
}

/* ---- TOP ---- */

/* True: the token was looked at. */
static bool follow_top(struct limiting *l, const struct sql_token *t)
{
    switch (l->top) {
    case TOP_NONE:
        return false;
    case TOP_AWAITED:
        if (t->word == SQL_ALL || t->word == SQL_DISTINCT) {
            l->select_end = t->end;
            return true;
        }
        l->top = TOP_NONE;
        if (l->dialect == SQL_TSQL && (t->word == SQL_PERCENT || t->word == SQL_WITH || is_sign(t, '.')))
            doubt(l, no_query); /* it would become a part of TOP, or is a name that begins with SELECT's */
        if (t->word != SQL_TOP || l->dialect != SQL_TSQL)
            return false;
        l->has_top = true;
        l->top = TOP_NUMBER;
        return true;
    case TOP_NUMBER:
        if (is_sign(t, '(') && l->previous.word == SQL_TOP)
            return true;
        l->top = is_sign(&l->previous, '(') ? TOP_CLOSING : TOP_READ;
        l->top_number = *t;
        if (t->kind != SQL_NUMBER)
            doubt(l, not_plain);
        return true;
    case TOP_CLOSING:
        l->top = TOP_READ;
        if (!is_sign(t, ')'))
            doubt(l, not_plain);
        return true;
    case TOP_READ:
        l->top = TOP_NONE;
        if (t->word == SQL_PERCENT || t->word == SQL_WITH)
            doubt(l, not_plain);
        return false;
    }
    return false;
}

/* ---- the query ---- */

static void begin_select(struct limiting *l, const struct sql_token *t)
{
    if (l->after_set) {
        l->after_set = false;
        return;
    }
    if (l->head == HEAD_SELECT || l->head == HEAD_PARENS) {
        doubt(l, "it has more than one SELECT");
        return;
    }
    l->head = HEAD_SELECT;
    l->select_end = t->end;
    l->top = TOP_AWAITED;
}

static void begin(struct limiting *l, const struct sql_token *t)
{
    bool from_first = t->word == SQL_FROM && (l->dialect == SQL_DUCKDB || l->dialect == SQL_SPARK);
    bool table = t->word == SQL_TABLE && l->dialect == SQL_POSTGRES;

    if (t->word == SQL_SELECT) {
        begin_select(l, t);
    } else if (t->word == SQL_WITH) {
        l->head = HEAD_WITH;
    } else if (from_first || table) {
        l->head = HEAD_FROM;
    } else if (is_sign(t, '(') && l->dialect != SQL_SQLITE) {
        l->head = HEAD_PARENS;
        l->first_in_parens = true;
    } else {
        doubt(l, no_query);
    }
}

static bool is_set(const struct limiting *l, enum sql_word w)
{
    return w == SQL_UNION || w == SQL_INTERSECT || w == SQL_EXCEPT ||
           (w == SQL_MINUS && (l->dialect == SQL_SPARK || l->dialect == SQL_ANSI));
}

/* Words at the outermost level that make the query more than a query, or another thing. */
static void look_for_effects(struct limiting *l, const struct sql_token *t)
{
    switch ((int)t->word) {
    case SQL_INTO:
        doubt(l, "its rows go into something");
        break;
    case SQL_FOR:
        doubt(l, "it locks rows, or FOR says something else about them");
        break;
    case SQL_LOCK:
        if (l->dialect == SQL_MYSQL)
            doubt(l, "it locks rows");
        break;
    case SQL_INSERT:
    case SQL_UPDATE:
    case SQL_DELETE:
    case SQL_MERGE:
    case SQL_CREATE:
    case SQL_DROP:
    case SQL_PROCEDURE:
        doubt(l, no_query);
        break;
    case SQL_EXEC:
    case SQL_EXECUTE:
    case SQL_DECLARE:
    case SQL_SET:
    case SQL_IF:
    case SQL_WHILE:
    case SQL_BEGIN:
    case SQL_PRINT:
    case SQL_GO:
    case SQL_ALTER:
    case SQL_TRUNCATE:
        if (l->dialect == SQL_TSQL)
            doubt(l, "more than a query is in it");
        break;
    case SQL_WITH: /* DB2's isolation clause must be last */
        if (l->dialect == SQL_ANSI)
            doubt(l, "WITH stands behind its SELECT");
        break;
    default:
        break;
    }
}

static void follow_with(struct limiting *l, const struct sql_token *t)
{
    bool parens = is_sign(t, '(') && is_sign(&l->previous, ')');

    if (t->word == SQL_SELECT)
        begin_select(l, t);
    else if (parens || t->word == SQL_INSERT || t->word == SQL_UPDATE || t->word == SQL_DELETE ||
             t->word == SQL_MERGE || t->word == SQL_VALUES || t->word == SQL_TABLE || t->word == SQL_FROM)
        doubt(l, "what stands behind its WITH is no SELECT");
}

static void follow_set(struct limiting *l, const struct sql_token *t)
{
    if (t->word == SQL_SELECT || is_sign(t, '(') || (t->word == SQL_TABLE && l->dialect == SQL_POSTGRES))
        l->after_set = false;
    else if (t->word != SQL_ALL && t->word != SQL_DISTINCT && t->word != SQL_BY &&
             l->previous.word != SQL_BY) /* DuckDB: UNION BY NAME */
        doubt(l, "what follows a UNION is no SELECT");
}

/* A token at the outermost level, behind the first. */
static void follow_query(struct limiting *l, const struct sql_token *t)
{
    if (l->option)
        return;
    if (l->after_set) {
        follow_set(l, t);
    } else if (is_set(l, t->word) && l->tail.state == TAIL_NONE) {
        l->has_sets = l->after_set = true;
        l->has_from = true;
    } else if (l->dialect == SQL_TSQL && t->word == SQL_OPTION) {
        l->option = true;
        return;
    } else if (!follow_tail(l, t)) {
        if (t->word == SQL_SELECT)
            begin_select(l, t);
        l->has_order = l->has_order || (t->word == SQL_ORDER);
        l->has_from = l->has_from || t->word == SQL_FROM || t->word == SQL_WHERE;
        look_for_effects(l, t);
    }
    l->body_end = t->end;
}

/* Assignments to variables: as many as there are rows. */
static bool assigns(const struct limiting *l, const struct sql_token *t)
{
    const struct sql_token *p = &l->previous;

    if (!is_sign(t, '='))
        return false;
    if (l->dialect == SQL_MYSQL)
        return is_sign(p, ':') && p->end == t->start;
    if (l->dialect != SQL_TSQL || l->has_from || l->depth > 0)
        return false;
    return p->kind == SQL_PARAMETER || (p->kind == SQL_SIGN && strchr("+-*/%&|^", p->sign) != NULL);
}

/* FOR UPDATE, FOR SHARE, FOR NO KEY UPDATE, FOR KEY SHARE; not substring(a FROM 1 FOR 2). */
static bool locks(const struct limiting *l, const struct sql_token *t)
{
    struct bytes word = sql_token_text(&l->lexer, t);

    if (l->previous.word != SQL_FOR || t->kind != SQL_WORD)
        return false;
    return t->word == SQL_UPDATE || (word.len == 5 && strncasecmp(word.data, "share", 5) == 0) ||
           (word.len == 3 && strncasecmp(word.data, "key", 3) == 0) ||
           (word.len == 2 && strncasecmp(word.data, "no", 2) == 0);
}

/* What matters at every depth. */
static void look_everywhere(struct limiting *l, const struct sql_token *t)
{
    const struct sql_token *p = &l->previous;
    bool change =
        t->word == SQL_INSERT || t->word == SQL_UPDATE || t->word == SQL_DELETE || t->word == SQL_MERGE;

    if (change && is_sign(p, '('))
        doubt(l, "a part of it changes data");
    if (locks(l, t))
        doubt(l, "it locks rows");
    if (l->depth > 0 && (t->word == SQL_LIMIT_WORD || t->word == SQL_OFFSET || t->word == SQL_FETCH))
        l->inner_tail = true;
    if (assigns(l, t))
        doubt(l, "it assigns to variables");
    if (t->word == SQL_FOR && p->kind == SQL_WORD &&
        strncasecmp(l->lexer.text.data + p->start, "value", p->end - p->start) == 0)
        doubt(l, "it may take values from a sequence");
    if (t->kind == SQL_GUARDED)
        doubt(l, "a comment in it is code");
    if (l->dialect == SQL_SPARK && is_sign(t, '>') && is_sign(p, '|') && p->end == t->start)
        doubt(l, "it is a pipe");
    if (l->ended)
        doubt(l, "it is more than one statement");
}

static void follow(struct limiting *l, const struct sql_token *t)
{
    bool alias = l->previous.word == SQL_AS && t->kind == SQL_WORD;

    look_everywhere(l, t);
    if (l->first_in_parens && !is_sign(t, '(')) {
        l->first_in_parens = false;
        if (t->word != SQL_SELECT && t->word != SQL_WITH)
            doubt(l, no_query);
    }
    if (is_sign(t, ')')) {
        if (l->depth == 0)
            doubt(l, "its parentheses do not match");
        l->depth -= l->depth > 0;
        if (l->depth == 0 && !follow_top(l, t) && !l->option)
            l->body_end = t->end;
    } else if (is_sign(t, ';') && l->depth == 0) {
        l->ended = true;
    } else if (l->depth == 0) {
        if (l->head == HEAD_NONE)
            begin(l, t);
        else if (l->head == HEAD_WITH)
            follow_with(l, t);
        else if (!alias && !follow_top(l, t))
            follow_query(l, t);
        if (!l->option)
            l->body_end = t->end;
    } else if (l->top == TOP_NUMBER || l->top == TOP_CLOSING) {
        follow_top(l, t); /* within TOP (n) */
    }
    if (is_sign(t, '('))
        l->depth++;
    l->previous = *t;
    if (!l->ended)
        l->last = *t;
    if (alias)
        l->previous.word = SQL_OTHER;
}

/* ---- parentheses around all of it ---- */

/* How many pairs of parentheses enclose the whole statement. */
static size_t count_wrapping(struct bytes statement, enum sql_dialect d)
{
    struct sql_lexer lexer;
    struct sql_token t;
    size_t leading = 0, depth = 0, least = SIZE_MAX;
    bool in_front = true;

    sql_lexer_init(&lexer, statement, d);
    while (least > 0 && sql_next(&lexer, &t)) {
        if (t.kind == SQL_HINT || is_sign(&t, ';'))
            continue;
        in_front = in_front && is_sign(&t, '(');
        if (is_sign(&t, ')'))
            depth -= depth > 0;
        else if (!in_front)
            least = depth < least ? depth : least;
        if (is_sign(&t, '(')) {
            depth++;
            leading += in_front;
        }
    }
    return leading < least ? leading : least;
}

/* The query within. */
static struct bytes unwrap(struct bytes statement, enum sql_dialect d, size_t pairs)
{
    struct sql_lexer lexer;
    struct sql_token t;
    size_t start = 0, depth = 0;

    sql_lexer_init(&lexer, statement, d);
    while (sql_next(&lexer, &t)) {
        if (is_sign(&t, '(') && ++depth == pairs && start == 0)
            start = t.end;
        else if (is_sign(&t, ')') && depth-- == pairs)
            return bytes_slice(statement, start, t.start - start);
    }
    return BYTES_NONE;
}

/* ---- the change ---- */

/* The statement with before, n and after in place of what stands at `from` up to `to` in its query. */
static struct bytes splice(
    const struct limiting *l, size_t from, size_t to, const char *before, int64_t n, const char *after)
{
    struct bytes s = l->statement;
    size_t base = (size_t)(l->lexer.text.data - s.data);
    struct buf b;

    buf_init(&b);
    buf_reserve(&b, s.len + 64);
    buf_add_bytes(&b, bytes_slice(s, 0, base + from));
    buf_printf(&b, "%s%" PRId64 "%s", before, n, after);
    buf_add_bytes(&b, bytes_slice(s, base + to, s.len));
    struct bytes text = arena_copy(l->arena, buf_bytes(&b));
    buf_release(&b);
    return text;
}

static struct bytes insert(
    const struct limiting *l, size_t at, const char *before, int64_t n, const char *after)
{
    return splice(l, at, at, before, n, after);
}

/* A limit that is there. */
static enum row_limit_end lower(struct limiting *l, int64_t max_rows, struct row_limit *out)
{
    struct bytes number = sql_token_text(&l->lexer, &l->tail.number);
    int64_t value = INT64_MAX; /* ALL */

    if (l->tail.number.kind == SQL_END)
        return ROW_LIMIT_KEPT; /* FETCH FIRST ROW ONLY */
    if (l->tail.number.kind == SQL_NUMBER && !bytes_parse_int64(number, &value)) {
        doubt(l, not_plain);
        return ROW_LIMIT_FETCH;
    }
    if (value <= max_rows)
        return ROW_LIMIT_KEPT;
    out->text = splice(l, l->tail.number.start, l->tail.number.end, "", max_rows, "");
    return ROW_LIMIT_LOWERED;
}

static enum row_limit_end add_top(struct limiting *l, int64_t n, struct row_limit *out)
{
    struct bytes rest = bytes_slice(l->lexer.text, l->select_end, 1);
    bool blank = rest.len == 0 || strchr(" \t\r\n", rest.data[0]) != NULL;

    if (l->tail.has_offset)
        out->text = insert(l, l->body_end, " FETCH NEXT ", n, " ROWS ONLY");
    else if (!l->has_sets && l->head == HEAD_SELECT)
        out->text = insert(l, l->select_end, " TOP (", n, blank ? ")" : ") ");
    else if (l->has_sets && l->has_order)
        out->text = insert(l, l->body_end, " OFFSET 0 ROWS FETCH NEXT ", n, " ROWS ONLY");
    else
        doubt(l, "a UNION without ORDER BY takes no limit");
    return ROW_LIMIT_ADDED;
}

static enum row_limit_end add(struct limiting *l, int64_t n, struct row_limit *out)
{
    bool old = l->dialect == SQL_SQLITE || l->dialect == SQL_MYSQL;

    switch (sql_rules_of(l->dialect)->limit) {
    case SQL_LIMIT_TOP:
        return add_top(l, n, out);
    case SQL_LIMIT_FETCH:
        if (l->tail.state == TAIL_OFFSET_N)
            doubt(l, not_plain);
        else
            out->text = insert(l, l->body_end, " FETCH FIRST ", n, " ROWS ONLY");
        break;
    case SQL_LIMIT_LIMIT:
        if (l->tail.has_offset && old)
            doubt(l, not_plain);
        else if (l->tail.has_offset && l->dialect == SQL_SPARK)
            out->text = insert(l, l->tail.offset_at, "LIMIT ", n, " ");
        else
            out->text = insert(l, l->body_end, " LIMIT ", n, "");
        break;
    }
    return ROW_LIMIT_ADDED;
}

static void judge(struct limiting *l)
{
    if (l->head == HEAD_NONE || l->head == HEAD_WITH)
        doubt(l, no_query);
    /* What ends in an operator or a dot would take in what is put behind it. */
    if (l->last.kind == SQL_SIGN && strchr(")*]}?", l->last.sign) == NULL)
        doubt(l, "it is not closed");
    if (l->last.kind == SQL_WORD && l->last.word == SQL_AS)
        doubt(l, "it is not closed");
    if (l->depth > 0 || l->lexer.unclosed != NULL || l->after_set)
        doubt(l, "it is not closed");
    if (!limit_tail_is_whole(&l->tail) || l->top == TOP_NUMBER || l->top == TOP_CLOSING)
        doubt(l, not_plain);
    if (l->has_top && !l->has_sets) {
        if (l->tail.has_limit || l->tail.has_offset)
            doubt(l, not_plain);
        l->tail.has_limit = true;
        l->tail.number = l->top_number;
    }
    /* Old MySQL lets the outer limit take the place of the inner one; PostgreSQL refuses a second one. */
    if (l->head == HEAD_PARENS && !l->has_sets &&
        (l->dialect == SQL_MYSQL || (l->inner_tail && !l->tail.has_limit)))
        doubt(l, "its query is in parentheses");
}

enum row_limit_end row_limit_apply(
    struct bytes statement, enum sql_dialect d, int64_t max_rows, struct arena *a, struct row_limit *out)
{
    struct limiting l = {.statement = statement, .arena = a, .dialect = d};
    struct sql_token t;
    struct bytes query = statement;
    size_t pairs = count_wrapping(statement, d);
    enum row_limit_end end = ROW_LIMIT_FETCH;

    *out = (struct row_limit){.text = statement};
    if (pairs > 0)
        query = unwrap(statement, d, pairs);
    if (pairs > 0 && (query.data == NULL || d == SQL_TSQL || d == SQL_SQLITE))
        doubt(&l, "its query is in parentheses");
    sql_lexer_init(&l.lexer, query, d);
    while (l.why == NULL && sql_next(&l.lexer, &t)) {
        if (t.kind != SQL_HINT)
            follow(&l, &t);
    }
    judge(&l);
    if (l.why == NULL)
        end = l.tail.has_limit ? lower(&l, max_rows, out) : add(&l, max_rows, out);
    if (l.why != NULL) {
        *out = (struct row_limit){.text = statement, .why = l.why};
        return ROW_LIMIT_FETCH;
    }
    return end;
}
