/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables: ${name} in the user's code is replaced by the job's variable of that name. A value is taken as it is; what it
 * holds is not looked at again. Names that no variable has stay as they are, with a warning: shells use ${...} themselves.
 */
#ifndef MILLRACE_CONVERTER_VARIABLES_H
#define MILLRACE_CONVERTER_VARIABLES_H

#include "core/arena.h"
#include "core/shape.h"

#define VARIABLE_NAME_MAX 128
#define VARIABLE_WARNINGS_MAX 20

enum variables_end {
    VARIABLES_NONE,     /* nothing was replaced: *out is the code itself */
    VARIABLES_REPLACED, /* *out lies in the arena */
    VARIABLES_TOO_LARGE /* the text would grow beyond max_bytes */
};

/* [A-Za-z_][A-Za-z0-9_.-]*, up to VARIABLE_NAME_MAX bytes. */
bool variable_name_is_valid(struct bytes name);

/* One warning for each unknown name, up to VARIABLE_WARNINGS_MAX, is put into *warnings (in the arena; set by the call). */
enum variables_end variables_replace(struct bytes code, const struct pairs *variables, size_t max_bytes,
    struct arena *a, struct bytes *out, struct strings *warnings);

#endif
