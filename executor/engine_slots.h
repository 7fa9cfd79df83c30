/* SPDX-License-Identifier: Apache-2.0 */
/* engine_slots: the setting engine.slots, "shell=16,postgres@warehouse=4". Pure. */
#ifndef MILLRACE_EXECUTOR_ENGINE_SLOTS_H
#define MILLRACE_EXECUTOR_ENGINE_SLOTS_H

#include "core/bytes.h"
#include "core/error.h"

#define ENGINE_SLOTS_MAX 100000

/* Calls each(self, engine, slots) for every entry, in order; "" has none. False: bad_setting, and what is wrong; nothing may have been
 * called for. `each` may be NULL: only checks. */
bool engine_slots_read(struct bytes text, void (*each)(void *self, struct bytes engine, size_t slots),
    void *self, struct error *e);

#endif
