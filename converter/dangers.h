/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dangers: commands, imports and calls in users' code that should not be there by accident: `rm -rf /`, os.system, sc.stop. A guard
 * against accidents, not a sandbox: who wants to get around it can. What must not be possible has to be impossible for the account that
 * the engine runs as.
 *
 * The code is cut into tokens as its language does it, and only what would run counts: `echo rm`, a comment, a string or a name that
 * merely holds the text are fine; /bin/rm, r''m, "rm", env rm, xargs rm, $(rm x), sh -c 'rm x' are not.
 *   - shell (POSIX and bash): quotes, escapes, comments, here-documents, $( ), back-ticks, ( ), { }, pipes and lists, if, for, while, case,
 *     functions, redirections, assignments; commands that run their arguments (env, sudo, xargs, find -exec ...), also as text (sh -c,
 *     eval, trap). What a variable or a substitution yields is not known and fits nothing. Nesting deeper than 60 is not looked at.
 *   - Python: imports, and names by their full path, also under the names that imports gave them (import os as o; o.system). Code in
 *     f-strings counts.
 *   - Scala and Java: dotted names, imports with selectors. Code in ${} of interpolated strings counts.
 *
 * All rules are rows of danger_rules. Nothing is on by itself: a creator's list names rules ("shell.rm") or all of a language ("shell").
 * Linear in the code.
 */
#ifndef MILLRACE_CONVERTER_DANGERS_H
#define MILLRACE_CONVERTER_DANGERS_H

#include "converter/finding.h"
#include "converter/language.h"
#include "core/shape.h"

enum danger_kind { DANGER_COMMAND, DANGER_PYTHON_IMPORT, DANGER_PYTHON_NAME, DANGER_SCALA_NAME };

struct danger_rule {
    const char *name; /* language.what; several rows may share one */
    enum danger_kind kind;
    /* COMMAND: the last part of its path. PYTHON_IMPORT: a module, with all that is in it. PYTHON_NAME: a full path; without a dot it
     * counts only where it is called. SCALA_NAME: parts of a path that follow each other. A * at the end: whatever follows. */
    const char *what;
    const char *why; /* and what to do */
    /* COMMAND: all that are set must be among the arguments. */
    const char *letters;     /* one of these in a short option, */
    const char *long_option; /* or this */
    const char *
        argument; /* an argument that begins so; PYTHON_NAME: the first argument is a string that begins so */
    bool top_folder; /* an argument is /, ~, *, ., or a folder right below / */
};
extern const struct danger_rule danger_rules[]; /* the last row has no name */

/* A rule's name, or a language that has rules. */
bool danger_name_is_known(struct bytes name);

/* Adds what the named rules find. Unknown names are passed over; languages without rules have no findings. */
void dangers_check(
    struct bytes code, enum language l, const struct strings *names, struct arena *a, struct findings *out);

#endif
