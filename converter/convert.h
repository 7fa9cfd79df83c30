/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert: a submitted job becomes a checked and completed one, or a refused one that carries why. Pure: no clock, no I/O;
 * ingest links it for dry runs. All new text lies in the arena; the job is changed in place.
 */
#ifndef MILLRACE_CONVERTER_CONVERT_H
#define MILLRACE_CONVERTER_CONVERT_H

#include "converter/checks.h"

/* Gives the job its id where it has none (or one that is no UUID): from its idempotency key, else from where the record lies
 * (docs/documents.md). Names must be valid. An id that is there is written in lower case. */
void convert_identify(struct job *j, const char *topic, const struct origin *where, struct arena *a);

/* Fills in defaults, checks, replaces variables, makes statements[]. False: j->error tells why it is refused (and what would
 * do harm further on is taken out: code and maps of a job that is too large or holds NUL bytes). `record_bytes`: size of the
 * submission, 0 unknown. `now` UTC ms. */
bool convert_job(
    const struct convert_rules *rules, struct job *j, size_t record_bytes, int64_t now, struct arena *a);

/* Refuses a job whose JobConverted turned out larger than derived_max_bytes: too_large, without its code. */
void convert_refuse_size(const struct convert_rules *rules, struct job *j, size_t bytes, struct arena *a);

#endif
