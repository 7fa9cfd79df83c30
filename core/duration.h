/* SPDX-License-Identifier: Apache-2.0 */
/* duration: "250ms", "10m", "1h", "1d" and such, as in settings (core/config.h), where it stands in a job. */
#ifndef MILLRACE_CORE_DURATION_H
#define MILLRACE_CORE_DURATION_H

#include "core/bytes.h"

/* Milliseconds; a plain number is some. False: it is no duration, or negative. */
bool duration_parse(struct bytes text, int64_t *ms);

#endif
