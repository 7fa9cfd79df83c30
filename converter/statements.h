/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statements: the texts of a job (its code, or that of each of its parts) become statements: a text is split where its language is SQL,
 * variables are filled in, the rules of its creator are checked (converter/creator_rules.h), and the row limit is applied.
 *
 * The user's own text is split, before variables are filled in: so offsets, lengths and lines are those of the user's text, and a value
 * that holds a `;` makes no new statement. Checks see the text with the values, as it would run. The place of what they find is mapped
 * back: what the user wrote has its own line and column; what a value brought in has those of its ${...}.
 * A text may be several pieces, each for an engine of its own (converter/parts.h); variables that it sets count for all of it.
 *
 * Pure; linear in the code.
 */
#ifndef MILLRACE_CONVERTER_STATEMENTS_H
#define MILLRACE_CONVERTER_STATEMENTS_H

#include "converter/checks.h"

struct statements_piece {
    size_t from, to;    /* in the text */
    int64_t first_line; /* of `from` */
    struct bytes engine, code_type;
    struct bytes part; /* none: the job's own */
};

struct statements_text {
    struct bytes code, code_type;
    const struct statements_piece *pieces; /* in the order of the text */
    size_t count;
};

/* Why the job is refused. */
struct statements_problem {
    const char *code; /* a row of job_error_codes */
    struct bytes message, detail;
    int64_t line, statement; /* NO_INT: about none */
};

/* A job that gets its statements; texts are added one after the other. */
struct statements {
    const struct convert_rules *rules;
    struct job *job;
    int64_t now;       /* UTC ms */
    size_t left_bytes; /* what new texts may still take up */
    struct limits_effective group;
    struct arena *arena;
    size_t room;
    struct strings warnings;
};

/* Those that the job had are gone. */
void statements_begin(struct statements *s, const struct convert_rules *rules, struct job *j, int64_t now,
    size_t left_bytes, struct arena *a);
/* False: *problem tells why the job is refused. */
bool statements_add(
    struct statements *s, const struct statements_text *text, struct statements_problem *problem);
/* Warnings go behind the job's others. */
void statements_end(struct statements *s);

#endif
