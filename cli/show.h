/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: a job's document for people.
 */
#ifndef MILLRACE_CLI_SHOW_H
#define MILLRACE_CLI_SHOW_H

#include <jansson.h>
#include <stddef.h>

#include "cli/duration.h"
#include "core/bytes.h"

void show_job(const json_t *job);
/* What it waits for, in words; "" when nothing. Returns out. */
const char *show_waiting(const json_t *job, char *out, size_t size);
/* How it ended, in a line or two on stderr. */
void show_end(const json_t *job);
/* How long the last attempt ran, "1.234s"; no waits before it or after it. "" while unknown. */
const char *show_took(const json_t *job, char out[DURATION_TEXT_SIZE]);
/* Appends " by ann at 2026-01-31 08:30:00Z: why": {by, at, reason} of an order, each where it is there. */
void show_who(const json_t *order, bool with_time, struct buf *out);
/* Appends where a result was made, ", n2 postgres@lake (part), statement 1": each where it is there. */
void show_maker(const json_t *result, struct buf *out);
/* Text at a path of members, "" if absent. */
const char *show_text(const json_t *value, const char *first, const char *second);

#endif
