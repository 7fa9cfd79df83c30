/* SPDX-License-Identifier: Apache-2.0 */
/* job_cache: the label `cache` of a job; see job.h. */
#include "core/duration.h"
#include "core/job.h"

bool job_cache_ttl(const struct job *j, int64_t *ms)
{
    *ms = NO_INT;
    for (size_t i = 0; i < j->labels.count; i++)
        if (bytes_equal_text(j->labels.items[i].key, "cache"))
            return duration_parse(j->labels.items[i].value, ms) && *ms >= 1 && *ms <= JOB_CACHE_MAX_MS;
    return true;
}
