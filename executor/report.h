/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report: the executor's events. An event is a function of the job, the run and its outcome; the final one is encoded once and
 * kept in the outcome, so repeats are identical.
 */
#ifndef MILLRACE_EXECUTOR_REPORT_H
#define MILLRACE_EXECUTOR_REPORT_H

#include "core/codec.h"
#include "core/job.h"

/* What all events of a run share. queued_at, started_at: UTC ms or NO_INT. */
struct report {
    const struct job *job;
    struct bytes group, instance;
    int64_t attempt, queued_at, started_at;
};

/* An event of that phase, filled with what the run knows; the caller adds what the phase needs. */
struct event report_event(const struct report *r, enum job_phase phase, int64_t at);
/* Appends the framed record. Over REPORT_MAX bytes the columns of results, the error's detail and most of its message are left out; what
 * remains is bounded by the engine protocol (1000 results of a leaf, with short names) and, of several leaves, by what executor/nodes.c
 * lets them keep. */
#define REPORT_MAX (256 * 1024)
void report_encode(struct codec *c, struct event *ev, struct buf *out);
/* The same with another limit. */
void report_encode_within(struct codec *c, struct event *ev, size_t max, struct buf *out);
/* An error of ours (not the engine's). Texts are borrowed. */
struct job_error report_error(const char *code, struct bytes message);

/* The error of a job that was cancelled while it ran, or while it waited and had made so many attempts: by whom and why (both may be
 * empty). */
#define REPORT_RAN (-1)
struct job_error report_cancelled(
    struct arena *a, struct bytes by, struct bytes reason, int64_t attempts_before);

#endif
