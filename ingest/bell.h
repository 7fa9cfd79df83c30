/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bell: rings jobs.control: "look at the orders". Only a hint: an order whose bell is lost is found when the job starts, and within
 * seconds by whoever runs it.
 */
#ifndef MILLRACE_INGEST_BELL_H
#define MILLRACE_INGEST_BELL_H

#include "core/job.h"
#include "core/orders.h"

struct ingest;
void bell_ring(struct ingest *in, enum control_kind kind, struct bytes job_id, struct bytes group,
    struct bytes instance, const struct order *o, struct arena *a);

#endif
