/* SPDX-License-Identifier: Apache-2.0 */
/* main: the collector. Events and logs in, documents out. */
#include "collector/collector.h"

static const struct stage_input inputs[] = {
    {"jobs.events", &shape_event, false},
    {"jobs.logs", &shape_log, false},
    {.topic = NULL},
};

static const struct stage collector = {
    .name = "collector",
    .about = "Folds the events of jobs into their documents and keeps their logs.",
    .settings = collector_settings_table,
    .settings_size = sizeof(struct collector_settings),
    .inputs = inputs,
    .uses_store = true,
    .prepare = collector_prepare,
    .close = collector_close,
    .load = collector_load,
    .step = collector_step,
    .finish = collector_finish,
};

int main(int argc, char **argv)
{
    return stage_main(&collector, argc, argv);
}
