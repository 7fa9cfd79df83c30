/* SPDX-License-Identifier: Apache-2.0 */
/*
 * near: was another name meant? Two names are near that are the same but for one character that is wrong, missing, too many, or in another
 * case; or two that are swapped. Of names shorter than three characters all would be.
 */
#ifndef MILLRACE_CONVERTER_NEAR_H
#define MILLRACE_CONVERTER_NEAR_H

#include "core/arena.h"
#include "core/bytes.h"

enum { NEAR_LENGTH_LEAST = 3 };

bool near_is(struct bytes a, struct bytes b);
/* "; near: load, lock" of the names that name_at yields, in lower case (NULL behind the last); "" where none is. */
struct bytes near_hint(struct bytes name, const char *(*name_at)(size_t index), struct arena *a);

#endif
