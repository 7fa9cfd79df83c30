/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show_dry_run: the answer of a dry run for people: whether it would run, the tree of its plan, the code as it would run, variables and
 * warnings on stdout; what is wrong on stderr.
 */
#ifndef MILLRACE_CLI_SHOW_DRY_RUN_H
#define MILLRACE_CLI_SHOW_DRY_RUN_H

#include <jansson.h>

void show_dry_run(const json_t *answer);

#endif
