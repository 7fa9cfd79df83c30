/* SPDX-License-Identifier: Apache-2.0 */
/*
 * language: what kind of code a code_type is, and which SQL an engine speaks. Two tables; a code type that is in none of them is code of
 * another kind, which nobody looks into. The SQL code types are those of Linkis.
 */
#ifndef MILLRACE_CONVERTER_LANGUAGE_H
#define MILLRACE_CONVERTER_LANGUAGE_H

#include "converter/lexer.h"

enum language {
    LANGUAGE_OTHER,
    LANGUAGE_SQL,
    LANGUAGE_SHELL,
    LANGUAGE_PYTHON,
    LANGUAGE_SCALA, /* and Java: their comments and strings are the same */
    LANGUAGES
};

enum language language_of(struct bytes code_type);

/* The engine's row, else the code type's, else SQL_ANSI. Only where *known is true do we know what this engine takes: without that its
 * code may be split, but not rewritten. */
enum sql_dialect language_dialect(struct bytes engine, struct bytes code_type, bool *known);

/* False: there is nothing but white space and comments in it. Not for SQL, where split.h tells. */
bool language_has_code(enum language l, struct bytes code);

#endif
