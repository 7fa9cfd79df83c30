/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part_graph: do the parts of a job fit together? Ids are valid and none is there twice, `after` names parts that there are, and no part
 * waits for itself, through others neither. Converter and ingest both ask.
 *
 * Pure; time n log n in parts and their `after`.
 */
#ifndef MILLRACE_CONVERTER_PART_GRAPH_H
#define MILLRACE_CONVERTER_PART_GRAPH_H

#include "core/job.h"

#define PART_GRAPH_ID SIZE_MAX           /* it is about the part's id, not about an entry of `after` */
#define PART_GRAPH_CIRCLE (SIZE_MAX - 1) /* it is about `after` as a whole */

/* Told of what is wrong, up to SHAPE_PROBLEMS_MAX times: with which part, which entry of its `after`, and how (the code is a row of job_error_codes). */
typedef void part_graph_tell(void *self, size_t part, size_t after, const char *code, struct bytes detail);

/* False: something was told. At most JOB_PARTS_MAX parts. */
bool part_graph_check(
    const struct job_part *parts, size_t count, struct arena *a, part_graph_tell *tell, void *self);

/* The same, as problems of fields: parts[1].after[0]; too many parts are told and not looked at. */
bool part_graph_check_fields(
    const struct job_part *parts, size_t count, struct arena *a, struct field_problems *problems);

#endif
