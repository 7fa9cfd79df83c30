/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sets: variables that the code itself gives, each in a line of its own that is a comment of the language: `--@set day = 20240515` in
 * SQL, `#@set ...` in Python and shell, `//@set ...` in Scala. The value is the rest of the line without blanks and ';' at its end, and
 * is taken as it is. Of two lines with one name the last counts, for the whole code. The lines stay as
 * comments; what is no comment in its language (!!@set in Java) gives way to blanks.
 */
#ifndef MILLRACE_CONVERTER_SETS_H
#define MILLRACE_CONVERTER_SETS_H

#include "core/arena.h"

#define SETS_MAX 256

/* What the code types of one language have in common. */
struct set_style {
    const char *name;
    const char *comments[3]; /* any of them, then @set; NULL-terminated; none: no such lines */
    const char *
        no_comment; /* the mark that is none: its lines must be taken out of the code; NULL: there is none such */
    bool is_json;               /* values go into strings only */
    bool has_own;               /* ${...} is also the language's own */
    const char *code_types[16]; /* NULL-terminated */
};
extern const struct set_style set_styles[]; /* ends with name NULL */
/* Of a code type that no row has: one without such lines. */
const struct set_style *set_style_of(struct bytes code_type);

struct set_line {
    struct bytes name, value;
    size_t from, to; /* the line in the code, without its end */
    bool is_taken_out;
};
struct sets {
    struct set_line *items; /* in the order of the code */
    size_t count;
};

/* False: a line is wrong; *at is its first byte that is not blank, *why tells. */
bool sets_read(struct bytes code, const struct set_style *style, struct arena *a, struct sets *out,
    size_t *at, const char **why);

#endif
