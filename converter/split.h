/* SPDX-License-Identifier: Apache-2.0 */
/*
 * split: SQL text as its statements, each by its place in the user's text.
 *
 * A statement reaches from its first token to its last; white space, comments and the `;` lie between statements (a hint, a comment that
 * begins with +, counts as a token). Pieces and what lies between them, joined, are the text. Nothing is copied: a place is an offset and a
 * length in bytes, and the line (from 1; LF ends one) of its first byte. Statements without a token are left out.
 *
 * The text is not split inside strings, quoted names, comments and dollar quotes (converter/lexer.h), nor inside parentheses (a rule of
 * PostgreSQL holds statements in them), nor inside a body: BEGIN...END, CASE...END and, where the dialect has them, IF...END IF,
 * LOOP...END LOOP and so on of CREATE TRIGGER, PROCEDURE, FUNCTION, EVENT or PACKAGE; BEGIN...END alone in Spark and unknown dialects.
 * A column or table named begin or end is told from a block's BEGIN and END by what stands before it, but not in unknown dialects.
 * What is not closed reaches to the end of the text: rather one statement that the engine refuses than half a one that it runs.
 *
 * MySQL: a line with DELIMITER at the beginning of a statement sets what ends statements from there on, as the mysql client does it; then
 * bodies need no attention. The line is no part of a statement.
 * T-SQL: GO on a line of its own ends a batch (how often it is to run, a number behind GO, does not count); `;` ends a statement within it and stays with it (MERGE needs it). From a statement on that
 * declares variables or has control flow (DECLARE, IF, WHILE, BEGIN, TRY, GOTO, CREATE PROCEDURE ...), the rest of the batch is one piece:
 * variables live as long as the batch.
 * Not known: commands of other clients (psql's backslash, SQL*Plus), data lines behind COPY ... FROM STDIN, DECLARE sections of PL/SQL.
 *
 * Time is linear in the text. Memory is one struct job_statement for each statement, from the arena.
 */
#ifndef MILLRACE_CONVERTER_SPLIT_H
#define MILLRACE_CONVERTER_SPLIT_H

#include "converter/lexer.h"
#include "core/job.h"

#define SPLIT_STATEMENTS_MAX 10000

enum split_end {
    SPLIT_OK,
    SPLIT_EMPTY,   /* nothing but white space, comments and ; */
    SPLIT_TOO_MANY /* more than `most` statements */
};

struct split {
    struct job_statement *items; /* text is none: it stands in the code */
    size_t count;
    const char
        *unclosed; /* what the text leaves open at its end ("a quote", "a comment", "BEGIN", "("), or NULL */
    int64_t unclosed_line; /* where that begins */
};

enum split_end split_sql(
    struct bytes code, enum sql_dialect d, size_t most, struct arena *a, struct split *out);

#endif
