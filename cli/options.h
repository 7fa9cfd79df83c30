/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options: all options of a command, its own first; for args.c and help.c.
 */
#ifndef MILLRACE_CLI_OPTIONS_H
#define MILLRACE_CLI_OPTIONS_H

#include "cli/command.h"

enum { OPTIONS_MOST = 64 };

extern const struct option options_common[];
extern const struct option options_server[];
size_t options_of(const struct command *c, const struct option **out, size_t most);

#endif
