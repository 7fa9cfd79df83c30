/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands: the table of subcommands, in the order of the help.
 */
#include "cli/commands.h"

const struct command *const commands[] = {&command_submit, &command_get, &command_plan, &command_list,
    &command_log, &command_results, &command_cancel, &command_groups, &command_hold, &command_release,
    &command_limits, &command_instances, &command_drain, &command_topics, &command_dead, NULL};
