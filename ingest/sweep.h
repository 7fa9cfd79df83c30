/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep: produces again the stubs that saw no event: their ingest died between the stub and Kafka's
 * acknowledgement, or the record was lost with its topic. So an accepted stub always becomes a job.
 *
 * Every ingest sweeps; a stub belongs to the one whose write moves `stub.next_at` on from the value it read.
 * The record is the stub's own bytes under its own id, so one too many is recognised as a repeat further on.
 * A stub that carries a claim was never let in (admit.h): it is deleted instead.
 * The next look is 2, 4, ... times as far away, an hour at most; the collector ends it by taking
 * `stub.submission` away with the first event.
 */
#ifndef MILLRACE_INGEST_SWEEP_H
#define MILLRACE_INGEST_SWEEP_H

#include "core/bus.h"
#include "core/store.h"

struct sweep_options {
    struct store *store;
    struct producer *producer;
    int64_t after_ms; /* without an event */
    int64_t store_patience_ms;
};

struct sweep;
struct sweep *sweep_open(const struct sweep_options *o, struct error *e);
void sweep_close(struct sweep *s);

/* When a stub that was produced again `tries` times (this one included) is looked at next. Pure. */
int64_t sweep_next_at(int64_t now, int64_t after_ms, int64_t tries);

#endif
