/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: the small process between the executor and everything that it starts. It is forked before any thread
 * exists and knows four things: its keepers (executor/keeper.h), the absolute end of the lease, the
 * executor's socket, and the flock()ed descriptor that it shares with the executor.
 *
 * When the socket closes (the executor is gone, also by kill -9) or the lease's end passes (CLOCK_BOOTTIME),
 * it kills everything, reaps everything, and only then exits and lets go of the lock. So whoever gets the
 * lock has seen all of the former executor's processes dead. When the guard itself is killed, its keepers die
 * with it, and with them, in PID namespaces, everything; without namespaces what called setsid lives on until
 * executor/leftovers.h finds it.
 *
 * This side never blocks: requests wait in a queue when the socket is full. Used by one thread.
 */
#ifndef MILLRACE_EXECUTOR_GUARD_H
#define MILLRACE_EXECUTOR_GUARD_H

#include <sys/types.h>

#include "core/error.h"
#include "executor/keeper.h"

struct guard;

/* isolation: "auto" or "none". lock_fd: -1 for none. Waits until the guard has tried out what it may do. */
struct guard *guard_open(int lock_fd, const char *isolation, struct error *e);
/* Closes the socket and waits until the guard has killed and reaped everything. NULL is fine. */
void guard_close(struct guard *g);
enum isolation guard_isolation(const struct guard *g);
pid_t guard_pid(const struct guard *g);

struct guard_command {
    const char *const *argv, *const *env; /* NULL-terminated */
    const char *folder;
    const struct keeper_limit *limits;
    size_t limit_count; /* at most GUARD_LIMITS_MAX */
    int in, out, err;   /* the child's ends; taken: closed by the guard's side of things */
};
#define GUARD_LIMITS_MAX 8
/* `id` is the caller's name for the process and its tree, never used twice. False (e): the command is too
 * long. */
bool guard_spawn(struct guard *g, int64_t id, const struct guard_command *c, struct error *e);
/* SIGTERM to the tree, without the engine process itself. */
void guard_terminate(struct guard *g, int64_t id);
/* SIGKILL to the tree, without the engine process itself; GUARD_SWEPT follows. */
void guard_sweep(struct guard *g, int64_t id);
/* SIGKILL to the whole tree; GUARD_ENDED follows. An unknown or ended id: nothing. */
void guard_kill(struct guard *g, int64_t id);
void guard_kill_all(struct guard *g);
/* CLOCK_BOOTTIME ms; 0: no limit. */
void guard_lease(struct guard *g, int64_t until_boot_ms);

enum guard_news {
    GUARD_NONE,
    GUARD_ENDED, /* nothing of the tree is alive any more */
    GUARD_SWEPT,
    GUARD_LOST, /* the guard is gone */
};
struct guard_notice {
    enum guard_news news;
    int64_t id;
    enum keeper_word word; /* of GUARD_ENDED: how the engine process ended */
    int value;
};
int guard_fd(const struct guard *g);
/* True while guard_fd should also be watched for writing. */
bool guard_wants_write(const struct guard *g);
/* Sends what waits and reads one notice; GUARD_NONE: no more for now. */
enum guard_news guard_next(struct guard *g, struct guard_notice *out);

#endif
