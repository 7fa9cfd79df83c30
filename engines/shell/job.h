/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: starts the shell of one run: its folder, its environment, its pipes.
 */
#ifndef MILLRACE_ENGINES_SHELL_JOB_H
#define MILLRACE_ENGINES_SHELL_JOB_H

#include <jansson.h>
#include <sys/types.h>

#include "core/error.h"

struct shell_job {
    pid_t pid;
    int out, err;    /* non-blocking read ends */
    char folder[64]; /* working folder of the run, below the engine's own */
};

/* Starts the code of a run line: in a new session, with stdin from /dev/null, and variables as MILLRACE_VAR_<name> where
 * that is a valid name. */
bool shell_job_start(struct shell_job *j, const json_t *run_line, struct error *e);
/* Removes the folder. */
void shell_job_clean(const struct shell_job *j);

#endif
