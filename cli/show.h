/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: a job's document for people.
 */
#ifndef MILLRACE_CLI_SHOW_H
#define MILLRACE_CLI_SHOW_H

#include <jansson.h>
#include <stddef.h>

void show_job(const json_t *job);
/* What it waits for, in words; "" when nothing. Returns out. */
const char *show_waiting(const json_t *job, char *out, size_t size);
/* How it ended, in a line or two on stderr. */
void show_end(const json_t *job);
/* From start to end as "1.234 s", or "" while unknown. */
const char *show_took(const json_t *job, char out[32]);
/* Text at a path of members, "" if absent. */
const char *show_text(const json_t *value, const char *first, const char *second);

#endif
