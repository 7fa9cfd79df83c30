/* SPDX-License-Identifier: Apache-2.0 */
/* millrace-executor: keeps the ledger, runs jobs in order, tells how they ended. */
#include "executor/executor.h"
#include "executor/loop.h"

int main(int argc, char **argv)
{
    static const char *const outputs[] = {"jobs.events", "jobs.logs", "jobs.dead", NULL};
    static const struct stage executor = {
        .name = "executor",
        .about = "keeps the ledger of jobs and runs them: one at a time per group, groups independent of "
                 "each other",
        .settings = executor_settings_table,
        .settings_size = sizeof(struct executor_settings),
        .outputs = outputs,
        .uses_store = true,
        .prepare = executor_prepare,
        .open = executor_open,
        .run = executor_run,
        .close = executor_close,
    };
    return stage_main(&executor, argc, argv);
}
