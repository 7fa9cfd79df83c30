/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs: what SQL statements may not do, by a list of phrases: "drop", "drop table", "create database", "grant", "delete without where",
 * "update without where". A guard against accidents, no sandbox: dynamic SQL, functions with effects and rights in the database are out of
 * its sight.
 *
 * A phrase is 1 to 4 words. It fits where a statement's verb stands: at the beginning of a statement, of a parenthesised one (a CTE that
 * deletes), behind the CTEs, behind EXPLAIN, PREPARE x AS and the like, and at the beginning of each statement in a body (BEGIN, THEN, ELSE,
 * DO, LOOP, `;`). The first word must be that verb; the others must follow in order, with such words between as say nothing about what is
 * done (OR REPLACE, TEMPORARY, IF EXISTS, UNIQUE ...). Names in quotes, members (t.drop), strings and comments never fit, nor does a function
 * such as replace(...) or truncate(...). MySQL's comments with ! count as what stands in them. "X without where" fits when X's statement has no WHERE of its own.
 */
#ifndef MILLRACE_CONVERTER_VERBS_H
#define MILLRACE_CONVERTER_VERBS_H

#include "converter/finding.h"
#include "converter/lexer.h"
#include "core/shape.h"

#define VERBS_WORDS_MAX 4
#define VERBS_PHRASES_MAX 64

/* Letters and _ only, single blanks between; the first word is one of the verbs that are known. */
bool verbs_phrase_is_valid(struct bytes phrase);
/* Of the table of verbs, one after the other; NULL behind the last. */
const char *verb_at(size_t index);

/* Adds a finding for each place where a phrase fits; its rule is the phrase. Phrases that are no words, and those past VERBS_PHRASES_MAX,
 * are passed over. `code` is one statement or many. Linear in the code. */
void verbs_check(struct bytes code, enum sql_dialect d, const struct strings *phrases, struct arena *a,
    struct findings *out);

#endif
