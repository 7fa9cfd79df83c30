/* SPDX-License-Identifier: Apache-2.0 */
/* run: the names of the states, as documents and logs have them. */
#include "core/run.h"

const char *run_state_name(enum run_state s)
{
    static const char *const names[RUN_STATES] = {"queued", "delayed", "running", "ended"};
    return names[s];
}
