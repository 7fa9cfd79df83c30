/* SPDX-License-Identifier: Apache-2.0 */
/* planner: makes the plan of each converted job and picks its pool. */
#include "planner/planner.h"

static const struct stage_input inputs[] = {{"jobs.converted", &shape_converted, false}, {.topic = NULL}};

static const struct stage planner = {
    .name = "planner",
    .about = "makes the plan of each job and sends it to its pool",
    .settings = planner_settings_table,
    .settings_size = sizeof(struct planner_settings),
    .inputs = inputs,
    .forwards_dead = true,
    .open = planner_open,
    .close = planner_close,
    .step = planner_step,
};

int main(int argc, char **argv)
{
    return stage_main(&planner, argc, argv);
}
