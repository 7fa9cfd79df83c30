/* SPDX-License-Identifier: Apache-2.0 */
/*
 * duration: lengths of time as people write and read them: 500ms, 30s, 5m, 2h, 1d, 1h30m, 1.5h. What is shown can be given back.
 */
#ifndef MILLRACE_CLI_DURATION_H
#define MILLRACE_CLI_DURATION_H

#include <stdbool.h>
#include <stdint.h>

enum { DURATION_TEXT_SIZE = 48 };
#define DURATION_WORDS "a duration such as 500ms, 30s, 5m, 2h or 1d"

/* Numbers with units, the larger units first; a fraction of up to three digits. A number alone is milliseconds. */
bool duration_parse(const char *text, int64_t *ms);
/* Exact: "1h30m", "1.234s", "500ms". Returns out. */
const char *duration_text(int64_t ms, char out[DURATION_TEXT_SIZE]);
/* The same, rounded down to what matters at that length: an age of days without its seconds. */
const char *duration_about(int64_t ms, char out[DURATION_TEXT_SIZE]);

#endif
