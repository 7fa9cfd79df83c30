/* SPDX-License-Identifier: Apache-2.0 */
/* checks_private: what the files of checks share: a job that is being checked, and the checks of where its code runs. */
#ifndef MILLRACE_CONVERTER_CHECKS_PRIVATE_H
#define MILLRACE_CONVERTER_CHECKS_PRIVATE_H

#include "converter/checks.h"

enum { CHECKS_SHOWN_MAX = 80 };

struct checking {
    const struct convert_rules *rules;
    const struct job *job;
    const struct parts_cut *cut;    /* its parts are lines of its code; NULL: they are not */
    struct limits_effective limits; /* of its group */
    int64_t now;
    int64_t line; /* of the first problem in the code, if it has one */
    struct arena *arena;
    struct field_problems *problems;
};

void checks_add(struct checking *c, struct bytes field, const char *code, struct bytes detail);

/* ---- check_parts.c: what runs where ---- */

void check_engines(struct checking *c);
void check_targets(struct checking *c);
void check_conf(struct checking *c);
void check_code(struct checking *c);
void check_parts(struct checking *c);
void check_strategies(struct checking *c);

#endif
