/* SPDX-License-Identifier: Apache-2.0 */
/* variables_private: what the files of variables share: the values by name, and the problem of a place in the code. */
#ifndef MILLRACE_CONVERTER_VARIABLES_PRIVATE_H
#define MILLRACE_CONVERTER_VARIABLES_PRIVATE_H

#include "converter/builtins.h"
#include "converter/sets.h"
#include "converter/variables.h"

/* What the code calls by a name. */
struct variable {
    struct bytes text;             /* its value; none when it is built in */
    const struct builtin *builtin; /* NULL: given by the job or its code */
    bool std;
};

struct named_value {
    struct bytes name, value;
    size_t rank; /* of several with one name the highest counts */
};

struct variables {
    struct variables_input in;
    struct arena *arena;
    const struct set_style *style;
    struct sets sets;
    struct builtin_world world;
    struct named_value *values; /* by name; NULL until one is asked for */
    size_t value_count;
    size_t left_bytes;                          /* of max_bytes */
    struct buf value;                           /* of one expression; only while variables_replace runs */
    bool blanked;                               /* in.code is a copy, without lines that are no comments */
    struct bytes warned[VARIABLE_WARNINGS_MAX]; /* what each warning is about */
    struct bytes warnings[VARIABLE_WARNINGS_MAX];
    size_t warning_count;
    size_t looks; /* searches for a name that an unknown one is near to */
};

bool variables_find(struct variables *v, struct bytes name, struct variable *out);
/* Is a warning about this text (borrowed) due? Then it must be given next. */
bool variables_warns(struct variables *v, struct bytes about);
void variables_warn(struct variables *v, struct bytes warning);

/* Is a warning worth while that no variable has this name? In languages that have ${...} of their own only where it looks like one of
 * ours: run_..., a sum with a number, or nearly the name of a variable. */
bool variables_is_likely(struct variables *v, struct bytes name, char op, struct bytes right);

/* "line 3, column 7: <text>"; always false. */
bool variables_refuse(const struct variables *v, size_t at, const char *code, struct bytes text,
    struct variables_problem *problem);

/* ---- one ${...} ---- */

enum expression_end {
    EXPRESSION_VALUE, /* its value was appended */
    EXPRESSION_STAYS, /* no expression, or an unknown name (a warning was noted) */
    EXPRESSION_WRONG  /* *problem tells */
};
/* At `at` of text stands "${"; `place` is where that is in the job's code. *end: what follows its closing brace. */
enum expression_end expression_fill(struct variables *v, struct bytes text, size_t at, size_t place,
    size_t *end, struct buf *out, struct variables_problem *problem);

/* ---- a text with many ---- */

/* Appends the text with all that is in it filled in. VARIABLES_NONE: it is the text itself. `place`: of the text in the code; of a
 * string in JSON, which is_piece tells from a piece of the code, that of its opening quote. */
enum variables_end variables_fill(struct variables *v, struct bytes text, size_t place, bool is_piece,
    struct buf *out, struct variables_problem *problem);
/* The same for JSON: fills in its strings, but for the names of its members. */
enum variables_end variables_fill_json(
    struct variables *v, struct bytes text, size_t place, struct buf *out, struct variables_problem *problem);
/* "${" may be written with escapes. */
bool variables_json_may_fill(struct bytes text);

#endif
