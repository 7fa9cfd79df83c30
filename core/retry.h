/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retry: a job's own rules on which failed tries are repeated (struct job_retry: exit_codes, errors). The converter checks them, the
 * executor asks whether one fits. What the engine called retryable is repeated without them.
 *
 * A pattern is a POSIX extended regular expression, searched for in the error's code and in its message. It comes from users and runs in
 * processes that serve all of them, so what makes the C library slow or large is refused: back references, repetitions that multiply to
 * much, and loops (* + {m,}) over what may match nothing in several ways.
 */
#ifndef MILLRACE_CORE_RETRY_H
#define MILLRACE_CORE_RETRY_H

#include "core/job.h"

#define RETRY_ATTEMPTS_MAX 100
#define RETRY_BACKOFF_MAX_MS (366 * 24 * 3600 * (int64_t)1000)
#define RETRY_RULES_MAX 32    /* exit codes, and patterns */
#define RETRY_PATTERN_MAX 256 /* bytes */
#define RETRY_COST_MAX 500    /* characters and operators of a pattern when its repetitions are written out */
#define RETRY_DEPTH_MAX 8     /* brackets inside one another */
#define RETRY_MESSAGE_BYTES 4096 /* of the error's message that are looked at */

/* What is wrong with the pattern, for people; NULL: it can be used. Borrowed from the arena or static. */
const char *retry_pattern_problem(struct bytes pattern, struct arena *a);
/* Is a try that ended so to be repeated by the job's own rules? exit_code NO_INT: there was none. error NULL: there was none. */
bool retry_rule_fits(
    const struct job_retry *r, int64_t exit_code, const struct job_error *error, struct arena *a);

#endif
