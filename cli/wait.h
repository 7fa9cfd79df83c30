/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait: follows a job to its end by asking for it, with short pauses that grow; shows how it goes when stderr is a terminal.
 */
#ifndef MILLRACE_CLI_WAIT_H
#define MILLRACE_CLI_WAIT_H

#include "cli/client.h"

/* The reply is the last answer: the final document, or why there is none. A server that is away for a while is waited for. */
enum outcome wait_for_job(struct client *c, const char *id, struct reply *reply);

void wait_pause(int ms);
/* The next pause of a growing row. */
int wait_longer(int ms, int most);

#endif
