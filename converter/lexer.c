/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lexer: see lexer.h. Every scan ends at the end of what it found, and nothing is scanned twice, so the whole is linear; what is never
 * closed reaches to the end of the text, once.
 */
#include "converter/lexer.h"

#include <string.h>

#include "core/error.h"

/* ---- tables ---- */

static const struct sql_rules dialects[SQL_DIALECTS] = {
    [SQL_ANSI] = {"ansi",
        SQL_HAS_BACKTICK | SQL_HAS_DOLLAR_TEXT | SQL_HAS_COLON | SQL_HAS_BODIES | SQL_HAS_PSM |
            SQL_HAS_BLOCKS,
        SQL_LIMIT_FETCH},
    [SQL_SQLITE] = {"sqlite", SQL_HAS_BACKTICK | SQL_HAS_BRACKET | SQL_HAS_COLON | SQL_HAS_BODIES,
        SQL_LIMIT_LIMIT},
    [SQL_POSTGRES] = {"postgres",
        SQL_HAS_E_TEXT | SQL_HAS_DOLLAR_TEXT | SQL_HAS_CR_LINES | SQL_HAS_NESTED | SQL_HAS_COLON |
            SQL_HAS_BODIES,
        SQL_LIMIT_LIMIT},
    [SQL_MYSQL] = {"mysql",
        SQL_HAS_BACKSLASH | SQL_HAS_DOUBLE_TEXT | SQL_HAS_BACKTICK | SQL_HAS_HASH_COMMENT |
            SQL_HAS_DASH_BLANK | SQL_HAS_GUARDED | SQL_HAS_BODIES | SQL_HAS_PSM | SQL_HAS_DELIMITER_LINE,
        SQL_LIMIT_LIMIT},
    [SQL_DUCKDB] = {"duckdb",
        SQL_HAS_E_TEXT | SQL_HAS_DOLLAR_TEXT | SQL_HAS_CR_LINES | SQL_HAS_NESTED | SQL_HAS_COLON,
        SQL_LIMIT_LIMIT},
    [SQL_SPARK] = {"spark",
        SQL_HAS_BACKSLASH | SQL_HAS_DOUBLE_TEXT | SQL_HAS_BACKTICK | SQL_HAS_RAW_TEXT | SQL_HAS_DASH_LONG |
            SQL_HAS_CR_LINES | SQL_HAS_NESTED | SQL_HAS_COLON | SQL_HAS_BODIES | SQL_HAS_PSM | SQL_HAS_BLOCKS,
        SQL_LIMIT_LIMIT},
    [SQL_TSQL] = {"tsql", SQL_HAS_BRACKET | SQL_HAS_BRACKET_TWICE | SQL_HAS_HASH_NAME | SQL_HAS_NESTED,
        SQL_LIMIT_TOP},
};

/* By first letter, so that a word is compared with a few rows only. */
static const struct keyword {
    char text[14]; /* lower case; "" ends a row */
    enum sql_word word;
} keywords[26][12] = {
    ['a' - 'a'] = {{"all", SQL_ALL}, {"alter", SQL_ALTER}, {"as", SQL_AS}, {"atomic", SQL_ATOMIC}},
    ['b' - 'a'] = {{"begin", SQL_BEGIN}, {"by", SQL_BY}},
    ['c' - 'a'] = {{"case", SQL_CASE}, {"catch", SQL_CATCH}, {"create", SQL_CREATE},
        {"concurrent", SQL_TRANSACTION}, {"conversation", SQL_TRANSACTION}},
    ['d' - 'a'] = {{"data", SQL_DATA}, {"database", SQL_DATABASE}, {"declare", SQL_DECLARE},
        {"definer", SQL_DEFINER}, {"delete", SQL_DELETE}, {"delimiter", SQL_DELIMITER_WORD},
        {"deterministic", SQL_DETERMINISTIC}, {"distinct", SQL_DISTINCT}, {"do", SQL_DO}, {"drop", SQL_DROP},
        {"deferred", SQL_TRANSACTION}},
    ['e' - 'a'] = {{"else", SQL_ELSE}, {"end", SQL_END_WORD}, {"event", SQL_EVENT}, {"except", SQL_EXCEPT},
        {"exec", SQL_EXEC}, {"execute", SQL_EXECUTE}, {"exists", SQL_EXISTS}, {"explain", SQL_EXPLAIN},
        {"exclusive", SQL_TRANSACTION}},
    ['f' - 'a'] = {{"fetch", SQL_FETCH}, {"first", SQL_FIRST}, {"for", SQL_FOR}, {"from", SQL_FROM},
        {"function", SQL_FUNCTION}},
    ['g' - 'a'] = {{"go", SQL_GO}, {"goto", SQL_GOTO}},
    ['i' - 'a'] = {{"if", SQL_IF}, {"index", SQL_INDEX}, {"insert", SQL_INSERT}, {"intersect", SQL_INTERSECT},
        {"into", SQL_INTO}, {"invoker", SQL_INVOKER}, {"immediate", SQL_TRANSACTION},
        {"isolation", SQL_TRANSACTION}},
    ['l' - 'a'] = {{"limit", SQL_LIMIT_WORD}, {"lock", SQL_LOCK}, {"loop", SQL_LOOP}},
    ['m' - 'a'] = {{"merge", SQL_MERGE}, {"minus", SQL_MINUS}},
    ['n' - 'a'] = {{"next", SQL_NEXT}, {"not", SQL_NOT}},
    ['o' - 'a'] = {{"offset", SQL_OFFSET}, {"only", SQL_ONLY}, {"option", SQL_OPTION}, {"order", SQL_ORDER}},
    ['p' - 'a'] = {{"package", SQL_PACKAGE}, {"percent", SQL_PERCENT}, {"plan", SQL_PLAN},
        {"print", SQL_PRINT}, {"proc", SQL_PROC}, {"procedure", SQL_PROCEDURE}},
    ['q' - 'a'] = {{"query", SQL_QUERY}},
    ['r' - 'a'] = {{"repeat", SQL_REPEAT}, {"replace", SQL_REPLACE}, {"role", SQL_ROLE}, {"row", SQL_ROW},
        {"rows", SQL_ROWS}, {"read", SQL_TRANSACTION}},
    ['s' - 'a'] = {{"schema", SQL_SCHEMA}, {"select", SQL_SELECT}, {"set", SQL_SET}, {"sql", SQL_SQL}},
    ['t' - 'a'] = {{"table", SQL_TABLE}, {"then", SQL_THEN}, {"ties", SQL_TIES}, {"top", SQL_TOP},
        {"trigger", SQL_TRIGGER}, {"truncate", SQL_TRUNCATE}, {"type", SQL_TYPE}, {"tran", SQL_TRANSACTION},
        {"transaction", SQL_TRANSACTION}},
    ['u' - 'a'] = {{"union", SQL_UNION}, {"update", SQL_UPDATE}, {"user", SQL_USER}},
    ['v' - 'a'] = {{"values", SQL_VALUES}, {"view", SQL_VIEW}},
    ['w' - 'a'] = {{"where", SQL_WHERE}, {"while", SQL_WHILE}, {"with", SQL_WITH}, {"work", SQL_TRANSACTION}},
};

/* OPENING: a sign that may begin more than a sign. */
enum { BLANK = 1, LETTER = 2, DIGIT = 4, DOLLAR = 8, OPENING = 16, FURTHER = LETTER | DIGIT | DOLLAR };

/* What a byte may be, by 16 bytes a line. All bytes of other scripts are letters: a name may hold them, nothing else does. */
#define B BLANK
#define L LETTER
#define D DIGIT
#define S (DOLLAR | OPENING)
#define O OPENING
/* clang-format off */
static const unsigned char classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, B, B, B, B, B, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    B, 0, O, O, S, 0, 0, O, 0, 0, 0, 0, 0, 0, O, 0,
    D, D, D, D, D, D, D, D, D, D, O, 0, 0, 0, 0, 0,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, O, 0, 0, 0, L,
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, 0, 0, 0, 0, 0,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
    L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
};
/* clang-format on */
#undef B
#undef L
#undef D
#undef S
#undef O

const struct sql_rules *sql_rules_of(enum sql_dialect d)
{
    MUST((unsigned)d < SQL_DIALECTS);
    return &dialects[d];
}

/* ---- words ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool fits(const char *keyword, const char *text, size_t len)
{
    for (size_t i = 1; i < len; i++) { /* the first letter fits already */
        if (keyword[i] != lower(text[i]))
            return false;
    }
    return keyword[len] == '\0';
}

enum sql_word sql_word_of(struct bytes text)
{
    if (text.len < 2 || text.len >= sizeof(keywords[0][0].text))
        return SQL_OTHER;
    char first = lower(text.data[0]);
    if (first < 'a' || first > 'z')
        return SQL_OTHER;
    for (const struct keyword *k = keywords[first - 'a']; k->text[0] != '\0'; k++) {
        if (fits(k->text, text.data, text.len))
            return k->word;
    }
    return SQL_OTHER;
}

struct bytes sql_token_text(const struct sql_lexer *l, const struct sql_token *t)
{
    return bytes_slice(l->text, t->start, t->end - t->start);
}

/* ---- scanning: each gets the place behind the opening and gives the place behind the end ---- */

static unsigned class_at(const struct sql_lexer *l, size_t at)
{
    return at < l->text.len ? classes[(unsigned char)l->text.data[at]] : 0;
}

static char char_at(const struct sql_lexer *l, size_t at)
{
    return at < l->text.len ? l->text.data[at] : '\0';
}

static size_t find(const struct sql_lexer *l, size_t at, char c)
{
    const char *found = at < l->text.len ? memchr(l->text.data + at, c, l->text.len - at) : NULL;
    return found != NULL ? (size_t)(found - l->text.data) : l->text.len;
}

static size_t leave_open(struct sql_lexer *l, const char *what, size_t start)
{
    l->unclosed = what;
    l->unclosed_at = start;
    return l->text.len;
}

/* Up to the quote that is not doubled, nor behind a backslash where that counts. */
static size_t quoted_end(struct sql_lexer *l, size_t start, size_t at, char quote, bool twice, bool backslash)
{
    const char *s = l->text.data;

    for (;;) {
        if (backslash) {
            while (at < l->text.len && s[at] != quote)
                at += s[at] == '\\' ? 2 : 1;
        } else {
            at = find(l, at, quote);
        }
        if (at >= l->text.len)
            return leave_open(l, "a quote", start);
        if (!twice || char_at(l, at + 1) != quote)
            return at + 1;
        at += 2;
    }
}

/* $tag$ at `start`: its length; 0: there is none. */
static size_t dollar_tag(const struct sql_lexer *l, size_t start)
{
    size_t at = start + 1;

    if ((class_at(l, at) & LETTER) != 0) {
        while ((class_at(l, at) & (LETTER | DIGIT)) != 0)
            at++;
    }
    return char_at(l, at) == '$' ? at + 1 - start : 0;
}

static size_t dollar_end(struct sql_lexer *l, size_t start, size_t tag)
{
    const char *s = l->text.data;

    for (size_t at = find(l, start + tag, '$'); at < l->text.len; at = find(l, at + 1, '$')) {
        if (l->text.len - at >= tag && memcmp(s + at, s + start, tag) == 0)
            return at + tag;
    }
    return leave_open(l, "a dollar-quoted string", start);
}

static size_t line_comment_end(const struct sql_lexer *l, size_t at)
{
    const char *s = l->text.data;

    if ((l->has & (SQL_HAS_CR_LINES | SQL_HAS_DASH_LONG)) == 0)
        return find(l, at, '\n');
    for (; at < l->text.len; at++) {
        if (s[at] == '\\' && (l->has & SQL_HAS_DASH_LONG) != 0 && char_at(l, at + 1) == '\n')
            at++;
        else if (s[at] == '\n' || s[at] == '\r')
            break;
    }
    return at;
}

static size_t block_comment_end(struct sql_lexer *l, size_t start)
{
    const char *s = l->text.data;
    size_t depth = 1;
    size_t at = start + 2;

    while (at + 1 < l->text.len) {
        if (s[at] == '*' && s[at + 1] == '/') {
            at += 2;
            if (--depth == 0)
                return at;
        } else if (s[at] == '/' && s[at + 1] == '*' && (l->has & SQL_HAS_NESTED) != 0) {
            depth++;
            at += 2;
        } else {
            at++;
        }
    }
    return leave_open(l, "a comment", start);
}

static bool is_delimiter(const struct sql_lexer *l, size_t at)
{
    return l->delimiter.len > 0 && l->text.len - at >= l->delimiter.len &&
           memcmp(l->text.data + at, l->delimiter.data, l->delimiter.len) == 0;
}

static size_t word_end(const struct sql_lexer *l, size_t at)
{
    if (l->delimiter.len > 0) {
        while ((class_at(l, at) & FURTHER) != 0 && !is_delimiter(l, at))
            at++;
        return at;
    }
    const char *s = l->text.data;
    size_t len = l->text.len;
    while (at < len && (classes[(unsigned char)s[at]] & FURTHER) != 0)
        at++;
    return at;
}

/* Digits, a fraction, an exponent, and letters right behind them (0xff, 10L). */
static size_t number_end(const struct sql_lexer *l, size_t at)
{
    while ((class_at(l, at) & DIGIT) != 0)
        at++;
    if (char_at(l, at) == '.' && char_at(l, at + 1) != '.') {
        at++;
        if ((class_at(l, at) & DIGIT) == 0)
            return at; /* "1.": whatever follows is no part of it */
        while ((class_at(l, at) & DIGIT) != 0)
            at++;
    }
    char sign = char_at(l, at + 1);
    if (lower(char_at(l, at)) == 'e' && (sign == '+' || sign == '-') && (class_at(l, at + 2) & DIGIT) != 0)
        at += 2;
    return word_end(l, at);
}

/* ---- between the tokens ---- */

static bool dash_comment(const struct sql_lexer *l)
{
    if (char_at(l, l->at) != '-' || char_at(l, l->at + 1) != '-')
        return false;
    return (l->has & SQL_HAS_DASH_BLANK) == 0 || l->at + 2 >= l->text.len ||
           (unsigned char)l->text.data[l->at + 2] <= ' ';
}

/* A line that begins, blanks aside, with one of these and has a blank or nothing behind it. */
static bool is_mark(const struct sql_lexer *l)
{
    static const char *const marks[] = {"--@part", "--@engine"};
    size_t from = l->at;

    while (from > 0 && (l->text.data[from - 1] == ' ' || l->text.data[from - 1] == '\t'))
        from--;
    if (from > 0 && l->text.data[from - 1] != '\n')
        return false;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        size_t end = l->at + strlen(marks[i]);
        if (bytes_starts_with(bytes_slice(l->text, l->at, strlen(marks[i])), marks[i]) &&
            (end >= l->text.len || (classes[(unsigned char)l->text.data[end]] & BLANK) != 0))
            return true;
    }
    return false;
}

/* What a comment of this kind is: passed over (SQL_END), or a token. */
static enum sql_kind comment_kind(const struct sql_lexer *l)
{
    char mark = char_at(l, l->at + 2);

    if (mark == '+')
        return SQL_HINT;
    if ((l->has & SQL_HAS_GUARDED) != 0 && (mark == '!' || (mark == 'M' && char_at(l, l->at + 3) == '!')))
        return SQL_GUARDED;
    return SQL_END;
}

/* A byte order mark where files were joined is a blank, but right behind a token (which ends at `from`; not a `;`) it is a letter, as
 * servers take it. */
static bool is_order_mark(const struct sql_lexer *l, size_t from)
{
    bool touches = l->at == from && l->previous != SQL_END && l->previous != SQL_DELIMITER &&
                   !(l->previous == SQL_SIGN && l->previous_sign == ';');

    return !touches && l->text.len - l->at >= 3 && memcmp(l->text.data + l->at, "\xEF\xBB\xBF", 3) == 0;
}

/* To the next byte that is neither blank nor comment; or to a comment or line that is a token: then *kind. */
static void skip_between(struct sql_lexer *l, enum sql_kind *kind)
{
    size_t from = l->at;

    for (;;) {
        size_t at = l->at;
        while (at < l->text.len && (classes[(unsigned char)l->text.data[at]] & BLANK) != 0)
            at++;
        l->at = at;
        char c = char_at(l, l->at);
        if (c == '\xEF' && is_order_mark(l, from)) {
            l->at += 3;
            continue;
        }
        if ((c != '-' && c != '/' && c != '#') || is_delimiter(l, l->at))
            return;
        if (l->marks && c == '-' && is_mark(l)) {
            *kind = SQL_MARK;
            return;
        }
        if (dash_comment(l) || (c == '#' && (l->has & SQL_HAS_HASH_COMMENT) != 0)) {
            l->at = line_comment_end(l, l->at);
        } else if (c == '/' && char_at(l, l->at + 1) == '*') {
            *kind = comment_kind(l);
            if (*kind != SQL_END)
                return;
            l->at = block_comment_end(l, l->at);
        } else {
            return;
        }
    }
}

/* ---- tokens ---- */

static void take_word(struct sql_lexer *l, struct sql_token *t)
{
    size_t end = word_end(l, t->start + 1);
    char next = char_at(l, end);
    char only = end == t->start + 1 ? lower(l->text.data[t->start]) : '\0';

    if (only == 'e' && next == '\'' && (l->has & SQL_HAS_E_TEXT) != 0) {
        t->kind = SQL_TEXT;
        t->end = quoted_end(l, t->start, end + 1, next, true, true);
    } else if (only == 'r' && (next == '\'' || next == '"') && (l->has & SQL_HAS_RAW_TEXT) != 0) {
        t->kind = SQL_TEXT;
        t->end = quoted_end(l, t->start, end + 1, next, false, false);
    } else {
        bool member = l->previous == SQL_SIGN && l->previous_sign == '.';
        t->kind = member ? SQL_NAME : SQL_WORD;
        t->end = end;
        if (!member)
            t->word = sql_word_of(bytes_slice(l->text, t->start, end - t->start));
    }
}

static void take_quoted(
    struct sql_lexer *l, struct sql_token *t, enum sql_kind kind, char closing, bool twice, bool backslash)
{
    t->kind = kind;
    t->end = quoted_end(l, t->start, t->start + 1, closing, twice, backslash);
}

static void take_dollar(struct sql_lexer *l, struct sql_token *t)
{
    size_t tag = (l->has & SQL_HAS_DOLLAR_TEXT) != 0 ? dollar_tag(l, t->start) : 0;

    if (tag > 0) {
        t->kind = SQL_TEXT;
        t->end = dollar_end(l, t->start, tag);
    } else if ((class_at(l, t->start + 1) & (LETTER | DIGIT)) != 0) {
        t->kind = SQL_PARAMETER;
        t->end = word_end(l, t->start + 1);
    }
}

/* A name behind one or two of this sign. */
static void take_prefixed(struct sql_lexer *l, struct sql_token *t, char prefix, enum sql_kind kind)
{
    size_t at = t->start + 1;

    if (char_at(l, at) == prefix)
        at++;
    if ((class_at(l, at) & LETTER) != 0) {
        t->kind = kind;
        t->end = word_end(l, at);
    }
}

static void take_colon(struct sql_lexer *l, struct sql_token *t)
{
    if (char_at(l, t->start + 1) == ':')
        t->end = t->start + 2;
    else if ((l->has & SQL_HAS_COLON) != 0 && (class_at(l, t->start + 1) & LETTER) != 0)
        take_prefixed(l, t, ':', SQL_PARAMETER);
}

/* What a byte that is no letter begins; a sign unless one of these says otherwise. */
static void take_other(struct sql_lexer *l, struct sql_token *t)
{
    bool backslash = (l->has & SQL_HAS_BACKSLASH) != 0;
    bool text = (l->has & SQL_HAS_DOUBLE_TEXT) != 0;
    bool behind_name = l->previous == SQL_WORD || l->previous == SQL_NAME;

    t->kind = SQL_SIGN;
    t->end = t->start + 1;
    t->sign = l->text.data[t->start];
    if ((class_at(l, t->start) & OPENING) == 0)
        return;
    if (t->sign == '\'') {
        take_quoted(l, t, SQL_TEXT, '\'', true, backslash);
    } else if (t->sign == '"') {
        take_quoted(l, t, text ? SQL_TEXT : SQL_NAME, '"', true, text && backslash);
    } else if (t->sign == '`' && (l->has & SQL_HAS_BACKTICK) != 0) {
        take_quoted(l, t, SQL_NAME, '`', true, false);
    } else if (t->sign == '[' && (l->has & SQL_HAS_BRACKET) != 0) {
        take_quoted(l, t, SQL_NAME, ']', (l->has & SQL_HAS_BRACKET_TWICE) != 0, false);
    } else if (t->sign == '$') {
        take_dollar(l, t);
    } else if (t->sign == '@') {
        take_prefixed(l, t, '@', SQL_PARAMETER);
    } else if (t->sign == '#' && (l->has & SQL_HAS_HASH_NAME) != 0) {
        take_prefixed(l, t, '#', SQL_NAME);
    } else if (t->sign == ':') {
        take_colon(l, t);
    } else if (t->sign == '.' && !behind_name && (class_at(l, t->start + 1) & DIGIT) != 0) {
        t->kind = SQL_NUMBER;
        t->end = number_end(l, t->start);
    }
}

static void take(struct sql_lexer *l, struct sql_token *t)
{
    unsigned class = class_at(l, t->start);

    if (is_delimiter(l, t->start)) {
        t->kind = SQL_DELIMITER;
        t->end = t->start + l->delimiter.len;
    } else if ((class & LETTER) != 0) {
        take_word(l, t);
    } else if ((class & DIGIT) != 0) {
        t->kind = SQL_NUMBER;
        t->end = number_end(l, t->start);
    } else {
        take_other(l, t);
    }
}

void sql_lexer_init(struct sql_lexer *l, struct bytes text, enum sql_dialect d)
{
    *l = (struct sql_lexer){.text = text, .has = sql_rules_of(d)->has, .previous = SQL_END};
}

bool sql_next(struct sql_lexer *l, struct sql_token *t)
{
    enum sql_kind comment = SQL_END;

    skip_between(l, &comment);
    *t = (struct sql_token){.kind = comment, .start = l->at, .end = l->at};
    if (comment == SQL_MARK)
        t->end = find(l, l->at, '\n');
    else if (comment != SQL_END)
        t->end = block_comment_end(l, l->at);
    else if (l->at < l->text.len)
        take(l, t);
    if (t->kind != SQL_SIGN)
        t->sign = '\0';
    l->at = t->end;
    l->previous = t->kind;
    l->previous_sign = t->sign;
    return t->kind != SQL_END;
}
