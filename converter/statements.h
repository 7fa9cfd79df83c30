/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statements: a piece of the user's code (the job's) becomes statements: it is split where its language is SQL, variables are filled in,
 * the rules of its creator are checked (converter/creator_rules.h), and the row limit is applied.
 *
 * The user's own text is split, before variables are filled in: so offsets, lengths and lines are those of the user's text, and a value
 * that holds a `;` makes no new statement. Checks see the text with the values, as it would run. The place of what they find is mapped
 * back: what the user wrote has its own line and column; what a value brought in has those of its ${...}.
 *
 * Pure; linear in the code.
 */
#ifndef MILLRACE_CONVERTER_STATEMENTS_H
#define MILLRACE_CONVERTER_STATEMENTS_H

#include "converter/checks.h"

struct statements_piece {
    struct bytes code, code_type, engine;
    int64_t offset, first_line; /* where it stands in the user's text: bytes from 0, lines from 1 */
};

/* Why the job is refused. */
struct statements_problem {
    const char *code; /* a row of job_error_codes */
    struct bytes message, detail;
    int64_t line, statement; /* NO_INT: about none */
};

/* Appends to j->statements and j->warnings. `left_bytes`: what new texts may still take up; it becomes less. */
bool statements_add(const struct convert_rules *rules, struct job *j, const struct statements_piece *p,
    int64_t now, size_t *left_bytes, struct arena *a, struct statements_problem *problem);

/* Behind the job's others. */
void statements_warn(struct job *j, struct strings more, struct arena *a);

#endif
