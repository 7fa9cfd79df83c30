/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_log: the log of one attempt: lines of several levels become JobLog chunks of up to 64 KiB with one node and level each, numbered and
 * with byte offsets. Over max_bytes the middle is dropped and the log says so: the first half is sent as it comes, of the rest the
 * latest half is kept in memory and sent at the end.
 */
#ifndef MILLRACE_EXECUTOR_JOB_LOG_H
#define MILLRACE_EXECUTOR_JOB_LOG_H

#include <sys/queue.h>

#include "core/job.h"

#define JOB_LOG_CHUNK (64 * 1024)

struct job_log_tail;
struct job_log_writer {
    /* node, level, text, seq, offset and lines of one chunk; text is borrowed for the call */
    void (*send)(void *self, const struct job_log *chunk);
    void *self;
    int64_t max_bytes;        /* 0: no limit */
    struct log_totals totals; /* of what was sent */
    int64_t seq, dropped_bytes;
    struct buf pending;
    struct bytes node; /* of pending */
    const char *level; /* of pending; one of a few literals */
    STAILQ_HEAD(, job_log_tail) tail;
    int64_t tail_bytes;
};

void job_log_init(struct job_log_writer *w, int64_t max_bytes,
    void (*send)(void *self, const struct job_log *chunk), void *self);
void job_log_release(struct job_log_writer *w);
/* Lines, or a piece of one. node: whose they are, or none; borrowed as long as the writer lives. level: stdout|stderr|info|warn|error
 * (anything else is info). */
void job_log_add(struct job_log_writer *w, struct bytes node, struct bytes level, struct bytes text);
/* Sends what is pending. */
void job_log_flush(struct job_log_writer *w);
/* Sends all, the kept tail too; the totals are final. */
void job_log_close(struct job_log_writer *w);

#endif
