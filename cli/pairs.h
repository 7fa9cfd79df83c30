/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs: the K=V values of a repeated option.
 */
#ifndef MILLRACE_CLI_PAIRS_H
#define MILLRACE_CLI_PAIRS_H

#include <jansson.h>

#include "cli/command.h"

/* All of --option as an object, empty when there are none. NULL: told; one is no K=V in UTF-8, or names a K for a second time. */
json_t *pairs_of(const struct args *a, const char *option);

#endif
