/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keeper: the parent of one engine process, forked by the guard. Where permitted it is PID 1 of a PID
 * namespace of its own (with a private /proc): the kernel then kills the whole tree when the keeper dies,
 * whatever the job did. Elsewhere it is a child subreaper, and the guard hunts down what is left when the
 * keeper is gone.
 *
 * It dies with the guard (PR_SET_PDEATHSIG). It reaps orphans, and on signals from the guard:
 *   SIGUSR1  sends SIGTERM to every process of the tree except itself and the engine process
 *   SIGUSR2  kills every process of the tree except itself and the engine process, then reports KEEPER_SWEPT
 * It ends when the engine process ends, and reports how before that.
 */
#ifndef MILLRACE_EXECUTOR_KEEPER_H
#define MILLRACE_EXECUTOR_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum isolation {
    ISOLATION_NONE,           /* child subreaper */
    ISOLATION_NAMESPACE,      /* PID and mount namespace */
    ISOLATION_USER_NAMESPACE, /* the same, inside a user namespace: for executors without privileges */
};

struct keeper_limit {
    int32_t resource; /* RLIMIT_... */
    uint64_t value;   /* soft and hard */
};

struct keeper_plan {
    enum isolation isolation;
    char *const *argv, *const *env;
    const char *folder; /* working folder */
    const struct keeper_limit *limits;
    size_t limit_count;
    int in, out, err; /* the engine process' standard streams; all above 2 */
    int report;       /* write end of a pipe to the guard, above 2: struct keeper_report */
};

enum keeper_word {
    KEEPER_EXITED,       /* value: exit status of the engine process */
    KEEPER_SIGNALED,     /* value: the signal that killed it */
    KEEPER_START_FAILED, /* value: errno; the engine's program could not be started */
    KEEPER_SWEPT,
    KEEPER_KILLED, /* said by the guard: the keeper itself was killed, by us or by somebody */
};
struct keeper_report {
    int32_t word; /* enum keeper_word */
    int32_t value;
};

/* As fork(2), into new namespaces where `isolation` says so. -1 with errno on failure. */
pid_t keeper_fork(enum isolation isolation);
/* The child's whole life. */
_Noreturn void keeper_main(const struct keeper_plan *plan);
/* The best isolation that this process may have; tries it out with a short-lived child. */
enum isolation keeper_probe(void);

#endif
