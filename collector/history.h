/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history: what is only ever appended: the events of jobs (`job_events`) and the chunks of their logs (`job_logs`).
 * Both have ids that are made from what they tell, so that a repeat meets itself.
 */
#ifndef MILLRACE_COLLECTOR_HISTORY_H
#define MILLRACE_COLLECTOR_HISTORY_H

#include "core/stage.h"

/* Inserts the event; where its id is taken, the one with the least (at, instance) stays. */
void history_add_event(const struct event *event, int64_t keep_ms, struct arena *a, struct outbox *out);
/* Is this a chunk that can be stored? False: e says why. */
bool history_accepts_log(const struct job_log *log, struct error *e);
/* Inserts the chunk; a repeated one is the same. */
void history_add_log(const struct job_log *log, int64_t keep_ms, struct arena *a, struct outbox *out);

#endif
