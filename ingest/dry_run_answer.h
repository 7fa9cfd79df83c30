/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dry_run_answer: what came of a dry run (dry_run.h), as the JSON that clients get.
 */
#ifndef MILLRACE_INGEST_DRY_RUN_ANSWER_H
#define MILLRACE_INGEST_DRY_RUN_ANSWER_H

#include "ingest/dry_run.h"

/* What the caller knows besides. */
struct dry_run_world {
    struct strings warnings;
    int64_t executors; /* that live in the job's pool; NO_INT: unknown */
};
/* {"dry_run": true, "accepted", "job", "code": [{"part", "statement", "first_line", "text"}], "variables": {"used", "left"},
 * "warnings", "errors": [{"field", "code", "detail", "rule", "part", "line", "column", "statement"}, each where it is known], "plan": null |
 * {"pool", "nodes", "cache"}, "where": [{"node", "engine", "target", "pool", "executors"}]}. Appended to out. */
void dry_run_write(const struct dry_run *d, const struct dry_run_world *w, struct buf *out);

#endif
