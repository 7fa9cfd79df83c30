/* SPDX-License-Identifier: Apache-2.0 */
/* converter: checks and completes submitted jobs. */
#include "converter/converter.h"

static const struct stage_input inputs[] = {{"jobs.submitted", &shape_submitted, true}, {.topic = NULL}};
static const char *const outputs[] = {"jobs.converted", "jobs.events", "jobs.planned", "jobs.dead", NULL};

static const struct stage converter = {
    .name = "converter",
    .about = "checks submitted jobs, fills in defaults and variables, splits the code",
    .settings = converter_settings_table,
    .settings_size = sizeof(struct converter_settings),
    .inputs = inputs,
    .outputs = outputs,
    .uses_store = true, /* for limits and defaults, read only */
    .store_may_be_away = true,
    .forwards_dead = true,
    .open = converter_open,
    .close = converter_close,
    .refresh = converter_refresh,
    .refresh_ms = LIMITS_EVERY_MS,
    .step = converter_step,
};

int main(int argc, char **argv)
{
    return stage_main(&converter, argc, argv);
}
