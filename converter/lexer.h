/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lexer: SQL text as tokens, by dialect. The splitter, the check of verbs and the row limit read SQL through it, so that all three
 * agree on what is a string, a comment or a name. It knows words and quotes, not grammar: any text is tokens, wrong SQL too.
 *
 * One table (lexer.c) says what each dialect has. Its rows follow the documentation of SQLite ("SQL As Understood By SQLite", tokens),
 * PostgreSQL (4.1 Lexical Structure), MySQL 8 (9.1 Literal Values, 9.7 Comments; the mysql client's DELIMITER), DuckDB (as PostgreSQL),
 * Spark (SqlBaseLexer, Literals) with Hive, Transact-SQL (Delimited Identifiers, Slash Star Comment) and ISO 9075 for the rest.
 * What a server's settings can change is taken as it is by default: MySQL without NO_BACKSLASH_ESCAPES and ANSI_QUOTES, PostgreSQL with
 * standard_conforming_strings, T-SQL with QUOTED_IDENTIFIER.
 *
 * A lexer lives on the stack, borrows the text and keeps no other memory; copying it is looking ahead. Offsets are bytes of the text. All
 * tokens together cost time linear in the text.
 */
#ifndef MILLRACE_CONVERTER_LEXER_H
#define MILLRACE_CONVERTER_LEXER_H

#include "core/bytes.h"

enum sql_dialect {
    SQL_ANSI, /* of engines that nobody told us about, too */
    SQL_SQLITE,
    SQL_POSTGRES,
    SQL_MYSQL,
    SQL_DUCKDB,
    SQL_SPARK, /* and Hive */
    SQL_TSQL,
    SQL_DIALECTS
};

enum sql_has {
    SQL_HAS_BACKSLASH = 1 << 0,      /* \ escapes the next byte in strings */
    SQL_HAS_DOUBLE_TEXT = 1 << 1,    /* "..." is a string; otherwise a name */
    SQL_HAS_BACKTICK = 1 << 2,       /* `...` is a name */
    SQL_HAS_BRACKET = 1 << 3,        /* [...] is a name */
    SQL_HAS_BRACKET_TWICE = 1 << 4,  /* and ]] in it stands for ] */
    SQL_HAS_E_TEXT = 1 << 5,         /* E'...' has backslash escapes */
    SQL_HAS_RAW_TEXT = 1 << 6,       /* r'...' has none */
    SQL_HAS_DOLLAR_TEXT = 1 << 7,    /* $$...$$, $tag$...$tag$ */
    SQL_HAS_HASH_COMMENT = 1 << 8,   /* # to the end of the line */
    SQL_HAS_HASH_NAME = 1 << 9,      /* #name, ##name */
    SQL_HAS_DASH_BLANK = 1 << 10,    /* -- is a comment only with a blank behind it */
    SQL_HAS_DASH_LONG = 1 << 11,     /* a backslash at its end takes the next line into a -- comment */
    SQL_HAS_CR_LINES = 1 << 12,      /* a carriage return ends a -- comment too */
    SQL_HAS_NESTED = 1 << 13,        /* comments nest */
    SQL_HAS_GUARDED = 1 << 14,       /* the server executes what stands in a comment with ! */
    SQL_HAS_COLON = 1 << 15,         /* :name is a parameter */
    SQL_HAS_BODIES = 1 << 16,        /* CREATE TRIGGER and the like with BEGIN...END */
    SQL_HAS_PSM = 1 << 17,           /* IF...END IF, LOOP...END LOOP and so on in such a body */
    SQL_HAS_BLOCKS = 1 << 18,        /* BEGIN...END is a statement by itself */
    SQL_HAS_DELIMITER_LINE = 1 << 19 /* the client's DELIMITER command */
};

/* How a dialect says "no more than n rows". */
enum sql_limit { SQL_LIMIT_FETCH, SQL_LIMIT_LIMIT, SQL_LIMIT_TOP };

struct sql_rules {
    const char *name;
    unsigned has; /* of enum sql_has */
    enum sql_limit limit;
};
const struct sql_rules *sql_rules_of(enum sql_dialect d);

enum sql_kind {
    SQL_END,
    SQL_WORD,      /* a keyword or a plain name; `word` tells which, if anybody here asks for it */
    SQL_NAME,      /* a quoted name, or a word that stands behind a dot */
    SQL_TEXT,      /* a string */
    SQL_NUMBER,    /* with the letters that stand right behind its digits */
    SQL_PARAMETER, /* :x, @x, @@x, $1 */
    SQL_SIGN,      /* one byte: an operator or punctuation; "::" is one too */
    SQL_HINT,    /* a comment that begins with +: a hint to the optimizer. Other comments are passed over. */
    SQL_GUARDED, /* a comment that is code, with ! */
    SQL_DELIMITER, /* what DELIMITER has set; only then */
    SQL_MARK /* a line that cuts the text into parts (parts.h), up to its end; only where `marks` asks for it */
};

/* The words that somebody here asks for. */
enum sql_word {
    SQL_OTHER,
    SQL_ALL,
    SQL_ALTER,
    SQL_AS,
    SQL_ATOMIC,
    SQL_BEGIN,
    SQL_BY,
    SQL_CASE,
    SQL_CATCH,
    SQL_CREATE,
    SQL_DATA,
    SQL_DATABASE,
    SQL_DECLARE,
    SQL_DEFINER,
    SQL_DELETE,
    SQL_DELIMITER_WORD,
    SQL_DETERMINISTIC,
    SQL_DISTINCT,
    SQL_DO,
    SQL_DROP,
    SQL_ELSE,
    SQL_END_WORD,
    SQL_EVENT,
    SQL_EXCEPT,
    SQL_EXEC,
    SQL_EXECUTE,
    SQL_EXISTS,
    SQL_EXPLAIN,
    SQL_FETCH,
    SQL_FIRST,
    SQL_FOR,
    SQL_FROM,
    SQL_FUNCTION,
    SQL_GO,
    SQL_GOTO,
    SQL_IF,
    SQL_INDEX,
    SQL_INSERT,
    SQL_INTERSECT,
    SQL_INTO,
    SQL_INVOKER,
    SQL_LIMIT_WORD,
    SQL_LOCK,
    SQL_LOOP,
    SQL_MERGE,
    SQL_MINUS,
    SQL_NEXT,
    SQL_NOT,
    SQL_OFFSET,
    SQL_ONLY,
    SQL_OPTION,
    SQL_ORDER,
    SQL_PACKAGE,
    SQL_PERCENT,
    SQL_PLAN,
    SQL_PRINT,
    SQL_PROC,
    SQL_PROCEDURE,
    SQL_QUERY,
    SQL_REPEAT,
    SQL_REPLACE,
    SQL_ROLE,
    SQL_ROW,
    SQL_ROWS,
    SQL_SCHEMA,
    SQL_SELECT,
    SQL_SET,
    SQL_SQL,
    SQL_TABLE,
    SQL_THEN,
    SQL_TIES,
    SQL_TOP,
    SQL_TRANSACTION, /* and what else makes BEGIN one: TRAN, WORK, DEFERRED, ISOLATION ... */
    SQL_TRIGGER,
    SQL_TRUNCATE,
    SQL_TYPE,
    SQL_UNION,
    SQL_UPDATE,
    SQL_USER,
    SQL_VALUES,
    SQL_VIEW,
    SQL_WHERE,
    SQL_WHILE,
    SQL_WITH,
    SQL_WORDS
};

struct sql_token {
    enum sql_kind kind;
    enum sql_word word; /* SQL_OTHER unless kind is SQL_WORD */
    char sign;          /* of a SQL_SIGN */
    size_t start, end;
};

#define SQL_DELIMITER_MAX 16

struct sql_lexer {
    struct bytes text;
    unsigned has;
    size_t at; /* behind the last token */
    struct bytes
        delimiter; /* none: ; is a sign as others are. At most SQL_DELIMITER_MAX bytes; the user of the lexer sets it. */
    bool marks; /* lines with --@part and --@engine are tokens, not comments; the user of the lexer sets it */
    enum sql_kind previous;
    char previous_sign;
    const char *unclosed; /* what the text leaves open at its end ("a string"), NULL: nothing */
    size_t unclosed_at;   /* where that begins */
};

void sql_lexer_init(struct sql_lexer *l, struct bytes text, enum sql_dialect d);
/* False at the end; *t is then SQL_END, at the end of the text. */
bool sql_next(struct sql_lexer *l, struct sql_token *t);
/* The keyword of this text, in any case; SQL_OTHER. */
enum sql_word sql_word_of(struct bytes text);
struct bytes sql_token_text(const struct sql_lexer *l, const struct sql_token *t);

#endif
