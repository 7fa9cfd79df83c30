/* SPDX-License-Identifier: Apache-2.0 */
/* retry: how long what failed waits before its next try: a job, or one node of its plan. */
#ifndef MILLRACE_EXECUTOR_RETRY_H
#define MILLRACE_EXECUTOR_RETRY_H

#include <stdint.h>

/* Of jobs that say nothing. */
#define RETRY_BACKOFF_MS 10000
#define RETRY_MAX_BACKOFF_MS 600000

/* Pause before the next try: doubles with each of `tries` from backoff_ms up to max_backoff_ms; between half and all of it, by `random`. */
int64_t retry_pause(int64_t tries, int64_t backoff_ms, int64_t max_backoff_ms, uint64_t random);

#endif
