/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables: what users write into their code to have it filled in:
 *     ${name}             the value of a variable
 *     ${name op right}    a sum: dates + and - a number of their unit, numbers + - * /, text +; `right` may be a variable, too
 *     &{yyyy-MM-dd%-1d}   a date in a form of one's own (patterns.h)
 * Blanks may stand around the pieces. A variable comes from the code itself (sets.h), else from the job, else it is built in
 * (builtins.h). A value is taken as it is: what it holds is not looked at again. What no variable has a name for stays as it is, with a
 * warning. Shell and Scala use ${...} themselves: there only what looks like one of ours is warned of (a name that begins with run_, a sum
 * with a number, nearly the name of a variable).
 *
 * Pure, and linear in the length of the code. All text lies in the arena.
 */
#ifndef MILLRACE_CONVERTER_VARIABLES_H
#define MILLRACE_CONVERTER_VARIABLES_H

#include "converter/zones.h"
#include "core/arena.h"
#include "core/shape.h"

#define VARIABLE_WARNINGS_MAX 20

struct variables;
struct told;

struct variables_input {
    struct bytes code, code_type;
    const struct pairs *given;    /* the job's, those of defaults among them */
    struct bytes user, submitter; /* whom it runs for, and who submitted it */
    const struct zone *zone;
    int64_t submitted_at; /* UTC ms */
    size_t max_bytes;     /* of all texts that variables_replace makes */
    int64_t first_line;   /* of the code in the user's text; 0 is 1 */
    struct told *told;    /* gets names and values (told.h); NULL: nobody asks */
};

/* Why a job is refused. */
struct variables_problem {
    const char *code; /* a row of job_error_codes */
    struct bytes message;
    int64_t line; /* of the user's text, from 1; NO_INT: it is about no place in it */
};

/* Reads the lines that set variables, and checks what was given. NULL: *problem tells why not. */
struct variables *variables_new(
    const struct variables_input *in, struct arena *a, struct variables_problem *problem);

enum variables_end {
    VARIABLES_NONE,      /* nothing was replaced: *out is the code itself */
    VARIABLES_REPLACED,  /* *out lies in the arena */
    VARIABLES_TOO_LARGE, /* the texts would grow beyond max_bytes */
    VARIABLES_REFUSED    /* *problem tells why */
};
/* Fills in the piece of the code from byte `at` on, `len` bytes. JSON is read as a whole: there the piece must be the code. */
enum variables_end variables_replace(
    struct variables *v, size_t at, size_t len, struct bytes *out, struct variables_problem *problem);
/* Where byte `offset` of the text that this piece became comes from: its place in the code; of what a value brought in, the place of its
 * ${...}. As costly as replacing. */
size_t variables_origin(struct variables *v, size_t at, size_t len, size_t offset);
/* One for each unknown name so far, up to VARIABLE_WARNINGS_MAX. */
struct strings variables_warnings(const struct variables *v);

/* A built-in variable whose value can't be given. */
bool variable_is_fixed(struct bytes name);

#endif
