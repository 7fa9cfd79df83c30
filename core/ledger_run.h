/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_run: documents of `runs`, for the ledger's files. */
#ifndef MILLRACE_CORE_LEDGER_RUN_H
#define MILLRACE_CORE_LEDGER_RUN_H

#include "core/ledger_private.h"
#include "core/run.h"

/* "queued" and so on; RUN_STATES when it is none. */
enum run_state ledger_state_of(struct bytes name);
/* A node's id as a key of `nodes`: planner's ids ("n1") stay as they are; others, which the server could take for paths or operators,
 * become % and hex digits. `prefix` stands before it. */
void ledger_node_key(const char *prefix, struct bytes id, struct buf *out);
struct bytes ledger_node_id(const char *key, struct arena *a);
/* One document of `runs`, whichever fields it has. */
void ledger_run_read(const bson_t *doc, struct arena *a, struct run *r);

#endif
