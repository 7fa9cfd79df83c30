/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector: the stage that turns events and logs into what people read: `jobs`, `job_events`, `job_logs`. Nobody else
 * writes there, except ingest, which writes the first stub of a document.
 */
#ifndef MILLRACE_COLLECTOR_COLLECTOR_H
#define MILLRACE_COLLECTOR_COLLECTOR_H

#include "core/stage.h"

struct collector_settings {
    struct stage_settings stage;
    int64_t keep_ms; /* jobs.keep */
};
extern const struct setting collector_settings_table[];

bool collector_prepare(void *settings, void **self, struct error *e);
void collector_close(void *self);
bool collector_load(
    void *self, struct stage_world *w, struct step_record *records, size_t count, struct error *e);
enum step_verdict collector_step(void *self, struct step_record *r, struct outbox *out, struct error *e);
void collector_finish(void *self, struct outbox *out);

#endif
