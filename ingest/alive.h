/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alive: how many executors of each pool live, by the leases in `instances`. Read when somebody asks and what is known is older than
 * ALIVE_KEEP_MS: who asks often does not ask the store each time. That it did not answer is known for as long: who waited for that one reading does
 * not begin another, or each of many would wait for all before it.
 */
#ifndef MILLRACE_INGEST_ALIVE_H
#define MILLRACE_INGEST_ALIVE_H

#include "core/store.h"

#define ALIVE_KEEP_MS 1000

struct alive;
struct alive *alive_open(struct store *store, int64_t store_patience_ms);
void alive_close(struct alive *al); /* NULL is fine */
/* False: the store does not answer. From any thread. */
bool alive_count(struct alive *al, struct bytes pool, int64_t *count, struct error *e);

#endif
