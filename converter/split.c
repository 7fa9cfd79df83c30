/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split: see split.h. One pass over the tokens. Of the statement at hand it keeps where it began, what kind it is and which bodies are
 * open; where a word can mean two things, one token of lookahead tells.
 */
#include "converter/split.h"

#include <string.h>

#include "core/error.h"

enum { OPEN_MAX = 64, HEAD_MAX = 24 };

/* What a statement has shown itself to be. */
enum phase {
    PHASE_START,   /* no word yet, or EXPLAIN only */
    PHASE_HEAD,    /* CREATE or ALTER: what, is not told yet */
    PHASE_PLAIN,   /* no body */
    PHASE_ROUTINE, /* a body may come, or a block is open */
    PHASE_BATCH    /* T-SQL: up to the end of the batch */
};

struct splitter {
    struct sql_lexer lexer;
    enum sql_dialect dialect;
    unsigned has;
    struct arena *arena;
    struct split *out;
    size_t most, room;
    /* the statement at hand */
    enum phase phase;
    bool has_code;
    size_t start, end;            /* of its tokens so far; start == end: none */
    size_t words;                 /* seen in PHASE_HEAD */
    enum sql_word first;          /* CREATE, ALTER, DROP; else SQL_OTHER */
    size_t parens;                /* that are open */
    size_t paren_at;              /* the outermost of them */
    enum sql_word open[OPEN_MAX]; /* bodies: BEGIN, CASE, IF, LOOP, WHILE, REPEAT, FOR */
    size_t open_count;
    size_t open_at;            /* the outermost of them */
    bool too_deep;             /* more were opened than fit: it then never ends */
    struct sql_token previous; /* SQL_END: none */
    /* lines are counted on from here */
    size_t counted_to;
    int64_t line;
};

/* ---- statements ---- */

static int64_t line_at(struct splitter *s, size_t at)
{
    const char *text = s->lexer.text.data;

    while (s->counted_to < at) {
        const char *found = memchr(text + s->counted_to, '\n', at - s->counted_to);
        if (found == NULL) {
            s->counted_to = at;
        } else {
            s->counted_to = (size_t)(found - text) + 1;
            s->line++;
        }
    }
    return s->line;
}

static void begin_statement(struct splitter *s)
{
    s->phase = PHASE_START;
    s->has_code = false;
    s->start = s->end = 0;
    s->words = 0;
    s->first = SQL_OTHER;
    s->parens = 0;
    s->open_count = 0;
    s->too_deep = false;
    s->previous = (struct sql_token){.kind = SQL_END};
}

static bool end_statement(struct splitter *s)
{
    struct split *out = s->out;

    if (s->has_code) {
        if (out->count == s->most)
            return false;
        out->items = arena_grow(s->arena, out->items, out->count, &s->room, sizeof(*out->items));
        out->items[out->count] = (struct job_statement){.index = (int64_t)out->count,
            .text = BYTES_NONE,
            .offset = (int64_t)s->start,
            .length = (int64_t)(s->end - s->start),
            .first_line = line_at(s, s->start)};
        out->count++;
    }
    begin_statement(s);
    return true;
}

/* ---- bodies ---- */

static void push(struct splitter *s, enum sql_word opener, size_t at)
{
    if (s->open_count == OPEN_MAX) {
        s->too_deep = true;
        return;
    }
    if (s->open_count == 0)
        s->open_at = at;
    s->open[s->open_count++] = opener;
}

static bool is_sign(const struct sql_token *t, char sign)
{
    return t->kind == SQL_SIGN && t->sign == sign;
}

static struct sql_token peek(const struct splitter *s)
{
    struct sql_lexer ahead = s->lexer;
    struct sql_token t;

    sql_next(&ahead, &t);
    return t;
}

/* Can a statement begin behind the previous token? Only then do IF, FOR and so on open a body: IF(...) is a function too. */
static bool at_statement(const struct splitter *s)
{
    const struct sql_token *p = &s->previous;

    if (is_sign(p, ';') || is_sign(p, ':'))
        return true;
    if (p->kind == SQL_TEXT || is_sign(p, ')'))
        return s->open_count == 0;
    switch ((int)p->word) {
    case SQL_BEGIN:
    case SQL_ATOMIC:
    case SQL_THEN:
    case SQL_ELSE:
    case SQL_DO:
    case SQL_LOOP:
    case SQL_REPEAT:
        return true;
    case SQL_ROW: /* FOR EACH ROW, and characteristics of routines */
    case SQL_SQL:
    case SQL_DATA:
    case SQL_DETERMINISTIC:
    case SQL_INVOKER:
    case SQL_DEFINER:
        return s->open_count == 0;
    default:
        return false;
    }
}

static enum sql_word top(const struct splitter *s)
{
    return s->open_count > 0 ? s->open[s->open_count - 1] : SQL_OTHER;
}

/* BEGIN and END are reserved in ISO SQL; elsewhere a column may have such a name. */
static bool words_may_be_names(const struct splitter *s)
{
    return s->dialect != SQL_ANSI;
}

/* Is the previous token one behind which END can only end a block? */
static bool behind_statement(const struct splitter *s)
{
    const struct sql_token *p = &s->previous;

    return is_sign(p, ';') || p->word == SQL_BEGIN || p->word == SQL_ATOMIC;
}

/* BEGIN within a body: a block (where a statement begins, or behind HANDLER FOR ... and the like), or a name. */
static bool opens_block(const struct splitter *s)
{
    if (!words_may_be_names(s) || s->open_count == 0)
        return true;
    if ((s->has & SQL_HAS_PSM) == 0) /* blocks do not nest */
        return false;
    if (at_statement(s))
        return true;
    if (s->previous.kind == SQL_SIGN)
        return false;
    switch ((int)s->previous.word) {
    case SQL_SELECT:
    case SQL_DISTINCT:
    case SQL_FROM:
    case SQL_WHERE:
    case SQL_BY:
    case SQL_SET:
    case SQL_INTO:
    case SQL_UPDATE:
    case SQL_CASE:
    case SQL_AS:
        return false;
    default:
        break;
    }
    struct sql_token next = peek(s);
    return next.kind != SQL_SIGN || next.sign == '(';
}

/* END: of the innermost BEGIN or CASE; with a word behind it, of that. */
static void close_body(struct splitter *s)
{
    struct sql_token next = peek(s);
    bool named = (s->has & SQL_HAS_PSM) != 0 &&
                 (next.word == SQL_IF || next.word == SQL_CASE || next.word == SQL_LOOP ||
                     next.word == SQL_WHILE || next.word == SQL_REPEAT || next.word == SQL_FOR);

    if (named && (next.word == top(s) || next.word != SQL_FOR)) {
        if (next.word == top(s))
            s->open_count--;
        sql_next(&s->lexer, &next); /* so that it opens nothing */
        s->end = next.end;
        return;
    }
    size_t left = s->open_count;
    if (!words_may_be_names(s)) {
        while (left > 0 && s->open[left - 1] != SQL_BEGIN && s->open[left - 1] != SQL_CASE)
            left--;
        s->open_count = left > 0 ? left - 1 : 0;
        return;
    }
    /* Behind a statement it ends the block, else an expression; where none is open it is a column's name. */
    enum sql_word ended = behind_statement(s) ? SQL_BEGIN : SQL_CASE;
    while (left > 0 && s->open[left - 1] != ended && s->open[left - 1] != SQL_BEGIN)
        left--;
    if (left > 0 && s->open[left - 1] == ended)
        s->open_count = left - 1;
    else if (ended == SQL_BEGIN)
        s->open_count = 0;
}

static void follow_body(struct splitter *s, const struct sql_token *t)
{
    switch ((int)t->word) {
    case SQL_BEGIN:
        if (s->parens == 0 && opens_block(s))
            push(s, SQL_BEGIN, t->start);
        break;
    case SQL_CASE:
        push(s, SQL_CASE, t->start);
        break;
    case SQL_IF:
    case SQL_LOOP:
    case SQL_WHILE:
    case SQL_REPEAT:
    case SQL_FOR:
        if ((s->has & SQL_HAS_PSM) != 0 && at_statement(s))
            push(s, t->word, t->start);
        break;
    case SQL_END_WORD:
        close_body(s);
        break;
    default:
        break;
    }
}

/* ---- kinds of statements ---- */

static bool begins_transaction(const struct splitter *s)
{
    struct sql_token next = peek(s);

    return next.kind == SQL_END || is_sign(&next, ';') || next.word == SQL_TRANSACTION ||
           next.word == SQL_GO || (next.word == SQL_NOT && s->dialect != SQL_MYSQL);
}

static enum phase phase_of_first(struct splitter *s, const struct sql_token *t)
{
    switch ((int)t->word) {
    case SQL_EXPLAIN:
    case SQL_QUERY:
    case SQL_PLAN:
        return PHASE_START;
    case SQL_CREATE:
    case SQL_ALTER:
        s->first = t->word;
        return PHASE_HEAD;
    case SQL_DROP:
        s->first = t->word;
        return PHASE_PLAIN;
    case SQL_BEGIN: {
        struct sql_token next = peek(s);
        bool block = (s->has & SQL_HAS_BLOCKS) != 0 ||
                     (s->dialect == SQL_MYSQL && next.word == SQL_NOT); /* MariaDB: NOT ATOMIC */
        return block && !begins_transaction(s) ? PHASE_ROUTINE : PHASE_PLAIN;
    }
    default:
        return PHASE_PLAIN;
    }
}

static enum phase phase_of_routine(const struct splitter *s)
{
    if (s->dialect == SQL_TSQL)
        return PHASE_BATCH;
    return (s->has & SQL_HAS_BODIES) != 0 ? PHASE_ROUTINE : PHASE_PLAIN;
}

static enum phase phase_of_head(struct splitter *s, const struct sql_token *t)
{
    if (++s->words > HEAD_MAX || is_sign(t, '('))
        return PHASE_PLAIN;
    switch ((int)t->word) {
    case SQL_TRIGGER:
    case SQL_EVENT:
        if (s->dialect == SQL_POSTGRES) /* it calls a function */
            return PHASE_PLAIN;
        return phase_of_routine(s);
    case SQL_PROCEDURE:
    case SQL_PROC:
    case SQL_FUNCTION:
    case SQL_PACKAGE:
        return phase_of_routine(s);
    case SQL_TABLE:
    case SQL_VIEW:
    case SQL_INDEX:
    case SQL_DATABASE:
    case SQL_SCHEMA:
    case SQL_USER:
    case SQL_ROLE:
    case SQL_TYPE:
    case SQL_AS:
        return PHASE_PLAIN;
    default:
        return PHASE_HEAD;
    }
}

/* T-SQL: what ties the rest of the batch together. */
static bool binds_batch(const struct splitter *s, const struct sql_token *t)
{
    if (s->dialect != SQL_TSQL || s->parens > 0)
        return false;
    switch ((int)t->word) {
    case SQL_DECLARE:
    case SQL_WHILE:
    case SQL_GOTO:
        return true;
    case SQL_IF:
        return s->first == SQL_OTHER; /* not DROP TABLE IF EXISTS */
    case SQL_BEGIN:
        return !begins_transaction(s);
    default:
        /* a label */
        return is_sign(t, ':') && s->previous.kind == SQL_WORD && s->previous.start == s->start;
    }
}

static void follow(struct splitter *s, const struct sql_token *t)
{
    if (s->phase == PHASE_START && t->kind != SQL_HINT)
        s->phase = phase_of_first(s, t);
    else if (s->phase == PHASE_HEAD)
        s->phase = phase_of_head(s, t);
    if (binds_batch(s, t))
        s->phase = PHASE_BATCH;
    if (is_sign(t, '(')) {
        if (s->parens++ == 0)
            s->paren_at = t->start;
    } else if (is_sign(t, ')') && s->parens > 0) {
        s->parens--;
    }
    if (s->start == s->end)
        s->start = t->start;
    s->end = t->end;
    s->has_code = s->has_code || t->kind != SQL_HINT;
    if (s->phase == PHASE_ROUTINE && t->word != SQL_OTHER)
        follow_body(s, t);
    s->previous = *t;
}

/* ---- ends ---- */

/* GO alone on its line, a count may follow: the lexer goes on behind that. */
static bool take_go(struct splitter *s, const struct sql_token *t)
{
    struct bytes text = s->lexer.text;
    size_t from = t->start;
    size_t to = t->end;

    if (t->word != SQL_GO || s->dialect != SQL_TSQL)
        return false;
    while (from > 0 && (text.data[from - 1] == ' ' || text.data[from - 1] == '\t'))
        from--;
    while (to < text.len &&
           (strchr(" \t\r", text.data[to]) != NULL || (text.data[to] >= '0' && text.data[to] <= '9')))
        to++;
    if ((from > 0 && text.data[from - 1] != '\n') || (to < text.len && text.data[to] != '\n'))
        return false;
    s->lexer.at = to;
    return true;
}

static bool ends_statement(struct splitter *s, const struct sql_token *t)
{
    if (t->kind == SQL_DELIMITER)
        return true;
    return is_sign(t, ';') && s->lexer.delimiter.len == 0 && s->parens == 0 && s->open_count == 0 &&
           !s->too_deep && s->phase != PHASE_BATCH;
}

/* The rest of the line is the new delimiter: its first word. The lexer goes on behind the line. */
static void set_delimiter(struct splitter *s, const struct sql_token *t)
{
    struct bytes text = s->lexer.text;
    const char *found = memchr(text.data + t->end, '\n', text.len - t->end);
    size_t line_end = found != NULL ? (size_t)(found - text.data) : text.len;
    struct bytes word = bytes_trim(bytes_slice(text, t->end, line_end - t->end));

    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] == ' ' || word.data[i] == '\t')
            word.len = i;
    }
    s->lexer.at = line_end;
    if (word.len > 0 && word.len <= SQL_DELIMITER_MAX)
        s->lexer.delimiter = bytes_equal_text(word, ";") ? BYTES_NONE : word;
}

static void note_unclosed(struct splitter *s)
{
    struct split *out = s->out;
    size_t at;

    if (s->lexer.unclosed != NULL) {
        out->unclosed = s->lexer.unclosed;
        at = s->lexer.unclosed_at;
    } else if (s->parens > 0) {
        out->unclosed = "(";
        at = s->paren_at;
    } else if (s->open_count > 0) {
        out->unclosed = s->open[0] == SQL_CASE ? "CASE" : "a body";
        at = s->open_at;
    } else {
        return;
    }
    /* The last statement is yet to be counted, and may begin before or behind this place. */
    struct splitter from_start = {.lexer = s->lexer, .line = 1};
    out->unclosed_line = line_at(&from_start, at);
}

enum split_end split_sql(
    struct bytes code, enum sql_dialect d, size_t most, struct arena *a, struct split *out)
{
    struct splitter s = {.dialect = d, .arena = a, .out = out, .most = most, .line = 1};
    struct sql_token t;

    *out = (struct split){.unclosed_line = NO_INT};
    sql_lexer_init(&s.lexer, code, d);
    s.has = s.lexer.has;
    begin_statement(&s);
    while (sql_next(&s.lexer, &t)) {
        if (ends_statement(&s, &t)) {
            if (d == SQL_TSQL && s.has_code)
                s.end = t.end;
            if (!end_statement(&s))
                return SPLIT_TOO_MANY;
        } else if (take_go(&s, &t)) {
            if (!end_statement(&s))
                return SPLIT_TOO_MANY;
        } else if (t.word == SQL_DELIMITER_WORD && !s.has_code && (s.has & SQL_HAS_DELIMITER_LINE) != 0) {
            set_delimiter(&s, &t);
            begin_statement(&s); /* a hint in front of it goes */
        } else {
            follow(&s, &t);
        }
    }
    note_unclosed(&s);
    if (!end_statement(&s))
        return SPLIT_TOO_MANY;
    return out->count > 0 ? SPLIT_OK : SPLIT_EMPTY;
}
