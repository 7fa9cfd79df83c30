/* SPDX-License-Identifier: Apache-2.0 */
/* loop: the executor's functions for stage_main. */
#ifndef MILLRACE_EXECUTOR_LOOP_H
#define MILLRACE_EXECUTOR_LOOP_H

#include "core/stage.h"

bool executor_prepare(void *settings, void **self, struct error *e);
bool executor_open(struct stage_world *w, void **self, struct error *e);
bool executor_run(void *self, struct stage_world *w, struct error *e);
void executor_close(void *self);

#endif
