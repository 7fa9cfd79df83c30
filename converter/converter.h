/* SPDX-License-Identifier: Apache-2.0 */
/*
 * converter: the program's settings, and its step: a JobSubmitted in; a JobConverted and its events out, or the same
 * submission again under the key it should have had.
 */
#ifndef MILLRACE_CONVERTER_CONVERTER_H
#define MILLRACE_CONVERTER_CONVERTER_H

#include "converter/convert.h"
#include "converter/convert_world.h"
#include "core/stage.h"

struct converter_settings {
    struct stage_settings stage; /* first */
    struct convert_settings convert;
};
extern const struct setting converter_settings_table[];

bool converter_open(struct stage_world *w, void **self, struct error *e);
void converter_close(void *self);
/* Reads limits and defaults anew. */
bool converter_refresh(void *self, struct stage_world *w, struct error *e);
enum step_verdict converter_step(void *self, struct step_record *r, struct outbox *out, struct error *e);

#endif
