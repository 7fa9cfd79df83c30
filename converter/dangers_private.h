/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dangers_private: what the scanners of the languages share.
 */
#ifndef MILLRACE_CONVERTER_DANGERS_PRIVATE_H
#define MILLRACE_CONVERTER_DANGERS_PRIVATE_H

#include "converter/dangers.h"

#define DANGER_RULES_MAX 128

struct danger_check {
    struct bytes code; /* the user's */
    struct arena *arena;
    struct findings *out;
    size_t rows[DANGER_RULES_MAX]; /* of danger_rules: those that count here */
    size_t row_count;
};

/* Of the rule in this row, at this place of the user's code. */
void danger_found(struct danger_check *c, size_t row, size_t offset, size_t length);

/* A word of a command, its quotes taken away; DANGER_UNKNOWN stands for what only the running shell knows. */
#define DANGER_UNKNOWN '\1'
struct danger_word {
    struct bytes text;
    size_t offset, length; /* where it stands in the user's code */
};

/* One simple command, its redirections left out. depth: of shell code in arguments. */
void danger_command(struct danger_check *c, const struct danger_word *words, size_t count, size_t depth);

/* Is it a shell that reads its code from its standard input? */
bool danger_reads_code(const struct danger_word *words, size_t count);

/* Shell code: the user's (place NULL), or text in an argument: findings are then at the place of that word. */
void danger_shell(struct danger_check *c, struct bytes code, const struct danger_word *place, size_t depth);
void danger_python(struct danger_check *c);
void danger_scala(struct danger_check *c);

#endif
