/* SPDX-License-Identifier: Apache-2.0 */
/*
 * converter: the program's settings, and its step: a JobSubmitted in; a JobConverted and its events out, or the same
 * submission again under the key it should have had.
 */
#ifndef MILLRACE_CONVERTER_CONVERTER_H
#define MILLRACE_CONVERTER_CONVERTER_H

#include "converter/convert.h"
#include "core/stage.h"

struct converter_settings {
    struct stage_settings stage; /* first */
    const char *engines_dir, *zoneinfo_dir, *timezone;
    int64_t submission_max_bytes, derived_max_bytes;
    struct job_limits limits, most;
    int64_t backoff_ms, max_backoff_ms;
};
extern const struct setting converter_settings_table[];

bool converter_open(struct stage_world *w, void **self, struct error *e);
void converter_close(void *self);
/* Reads limits and defaults anew. */
bool converter_refresh(void *self, struct stage_world *w, struct error *e);
enum step_verdict converter_step(void *self, struct step_record *r, struct outbox *out, struct error *e);

#endif
