/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard_process: the guard's own side, and what goes over the socket between the two (SOCK_SEQPACKET: one
 * message is one request or one notice). Private to guard.c and guard_process.c.
 */
#ifndef MILLRACE_EXECUTOR_GUARD_PROCESS_H
#define MILLRACE_EXECUTOR_GUARD_PROCESS_H

#include "executor/guard.h"

enum guard_op {
    GUARD_OP_SPAWN,
    GUARD_OP_TERMINATE,
    GUARD_OP_SWEEP,
    GUARD_OP_KILL,
    GUARD_OP_KILL_ALL,
    GUARD_OP_LEASE
};

/* A spawn is followed by argc + envc + 1 NUL-terminated strings (the last is the folder) and carries three
 * descriptors. */
struct guard_request {
    int32_t op;
    int32_t argc, envc, limit_count;
    int64_t id;
    int64_t until_boot_ms;
    struct keeper_limit limits[GUARD_LIMITS_MAX];
};
#define GUARD_MESSAGE_MAX (64 * 1024)
#define GUARD_STRINGS_MAX 512

/* news GUARD_NONE with the isolation as value is the first notice. */
struct guard_message {
    int32_t news, word, value;
    int64_t id;
};

/* The guard's whole life, in the forked child. */
_Noreturn void guard_process(int socket, int lock_fd, bool may_isolate);

#endif
