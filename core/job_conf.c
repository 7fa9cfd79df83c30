/* SPDX-License-Identifier: Apache-2.0 */
/* job_conf: settings of a job that are no engine's; see job.h. */
#include "core/job.h"

static const struct {
    const char *name, *values[2], *wanted;
} own[] = {
    {"session", {"job", "statement"}, "job (all statements in one session) or statement (each in its own)"},
    {"reuse", {"warm", "never"}, "warm (an engine process may be used again) or never (one of its own)"},
};

bool job_conf_is_own(const struct pair *setting, const char **wanted)
{
    *wanted = NULL;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (!bytes_equal_text(setting->key, own[i].name))
            continue;
        if (!bytes_equal_text(setting->value, own[i].values[0]) &&
            !bytes_equal_text(setting->value, own[i].values[1]))
            *wanted = own[i].wanted;
        return true;
    }
    return false;
}
