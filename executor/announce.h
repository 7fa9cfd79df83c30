/* SPDX-License-Identifier: Apache-2.0 */
/*
 * announce: events as framed records: from what the rules tell (struct telling), and of jobs that run here by executor/running.c. An event
 * is a function of the job, the run and its outcome.
 */
#ifndef MILLRACE_EXECUTOR_ANNOUNCE_H
#define MILLRACE_EXECUTOR_ANNOUNCE_H

#include "executor/executor.h"
#include "executor/report.h"

/* rules_world.event. */
bool announce_event(void *self, const struct telling *t, struct arena *a, struct bytes *out);
/* The event of a record whose job never gets into the queue; the job has its error. */
struct bytes announce_refused(
    struct executor *x, const struct job *j, struct bytes group, int64_t at, struct arena *a);
/* The telling's reason, code and next attempt. `error` is the memory for the event's error where the telling has a code. */
void announce_reason(
    struct event *ev, struct job_error *error, const struct job *j, const struct telling *t, struct arena *a);
struct bytes announce_encode(struct executor *x, struct event *ev, struct arena *a);
/* The job of a payload of the ledger. When its bytes can't be read at all: its stub, and *damaged (may be NULL). False: the
 * registry does not answer. */
bool announce_job(struct executor *x, struct bytes payload, const struct uuid *id, struct bytes group,
    struct arena *a, struct job *out, bool *damaged);
/* All that is known of a job whose record can't be read: names. */
void announce_stub(const struct uuid *id, struct bytes group, struct arena *a, struct job *out);
/* To jobs.events. */
void announce_send(struct executor *x, struct bytes group, const struct uuid *job, struct bytes event,
    bus_delivered *done, void *self);
/* Can events and logs be written? With a registry: does it know their schemas? Once true it stays true, so that no encoding fails
 * later. */
bool announce_ready(struct executor *x, struct error *e);

#endif
