/* SPDX-License-Identifier: Apache-2.0 */
/* retry: see the header. */
#include "executor/retry.h"

int64_t retry_pause(int64_t tries, int64_t backoff_ms, int64_t max_backoff_ms, uint64_t random)
{
    int64_t pause = backoff_ms > 0 ? backoff_ms : 0;
    for (int64_t i = 1; i < tries && pause < max_backoff_ms; i++)
        pause = pause > max_backoff_ms / 2 ? max_backoff_ms : pause * 2;
    if (pause > max_backoff_ms)
        pause = max_backoff_ms;
    if (pause <= 1)
        return pause < 0 ? 0 : pause;
    int64_t half = pause / 2;
    return half + (int64_t)(random % (uint64_t)(pause - half + 1));
}
