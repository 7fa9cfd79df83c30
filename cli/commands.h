/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: the subcommands.
 */
#ifndef MILLRACE_CLI_COMMANDS_H
#define MILLRACE_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command command_submit;
extern const struct command command_get;
extern const struct command command_plan;
extern const struct command command_list;
extern const struct command command_log;
extern const struct command command_results;
extern const struct command command_cancel;
extern const struct command command_groups;
extern const struct command command_hold;
extern const struct command command_release;
extern const struct command command_limits;
extern const struct command command_instances;
extern const struct command command_drain;
extern const struct command command_topics;
extern const struct command command_dead;

#endif
