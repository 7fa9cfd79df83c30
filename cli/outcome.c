/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outcome: the exit codes of millrace, and which final state means which. See command.h.
 */
#include <string.h>

#include "cli/command.h"

const char *const outcome_help[OUTCOMES] = {
    [OUTCOME_DONE] = "done; with --wait: the job succeeded",
    [OUTCOME_FAILED] = "with --wait: the job failed; else: something on this side failed (a file, Kafka)",
    [OUTCOME_USAGE] = "wrong options or arguments",
    [OUTCOME_CANCELLED] = "with --wait: the job was cancelled",
    [OUTCOME_TIMED_OUT] = "with --wait: the job timed out",
    [OUTCOME_REJECTED] = "the submission was refused, or with --wait: the job was rejected by a check",
    [OUTCOME_UNREACHABLE] = "the server can't be reached, or it can't reach Kafka or MongoDB",
    [OUTCOME_REFUSED] = "the server refused the request (no such job, bad filter, ...)",
};

static const struct {
    const char *state;
    enum outcome outcome;
} outcomes[] = {
    {"failed", OUTCOME_FAILED},
    {"cancelled", OUTCOME_CANCELLED},
    {"timed_out", OUTCOME_TIMED_OUT},
    {"rejected", OUTCOME_REJECTED},
};

enum outcome outcome_of_state(const char *state)
{
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (strcmp(state, outcomes[i].state) == 0)
            return outcomes[i].outcome;
    return OUTCOME_DONE;
}
