/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leftovers: what a former instance of this executor left behind on this host. Called at start by the
 * executor that has got the lock, before it ends the old lease. Where PID namespaces are permitted there is
 * never anything to find; elsewhere a job that called setsid survives a SIGKILL of the guard. It is found by
 * its environment mark MILLRACE_INSTANCE=<old>. What remains: a process that also wiped its environment (env
 * -i) and whose ancestors are all gone.
 */
#ifndef MILLRACE_EXECUTOR_LEFTOVERS_H
#define MILLRACE_EXECUTOR_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>

/* Kills all processes that carry the mark, and their descendants, and waits some seconds until they are
 * dead. False: some are not yet, call again later. *killed: how many there were. The caller's own processes must not carry it. */
bool leftovers_kill(const char *instance, size_t *killed);
/* Removes the working folders <work_dir>/<instance>/. */
void leftovers_clean(const char *work_dir, const char *instance);

#endif
