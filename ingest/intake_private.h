/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake_private: what the two files of the intake share: its parts, and how a submission is settled. intake.c has the threads, tickets
 * and delivery reports; intake_batch.c what is done with a batch.
 */
#ifndef MILLRACE_INGEST_INTAKE_PRIVATE_H
#define MILLRACE_INGEST_INTAKE_PRIVATE_H

#include <pthread.h>
#include <sys/queue.h>

#include "core/arena.h"
#include "ingest/intake.h"

/* BYTES is no constant expression. */
#define DETAIL(text)                                                                                         \
    {                                                                                                        \
        (text), sizeof(text) - 1                                                                             \
    }

/* A record on its way to Kafka. It outlives its submission when the report is late. */
struct flight {
    TAILQ_ENTRY(flight) link;
    struct intake *in;
    struct submission *submission; /* NULL: given up */
    int64_t deadline;              /* boot ms */
    enum submission_end end;       /* when it is acknowledged */
    struct bytes state;
};
TAILQ_HEAD(flights, flight);

struct intake {
    struct intake_options o;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    /* under lock */
    struct submission *first, **last; /* waiting */
    size_t waiting, open;
    struct flights flights; /* by deadline */
    struct flights late;
    bool admitting, stopping, closed;
    /* the thread's */
    struct arena arena;
};

/* The last word on a submission. It must not be touched afterwards. */
void intake_accept(struct intake *in, struct submission *s, enum submission_end end, struct bytes state);
void intake_refuse(struct intake *in, struct submission *s, const struct refusal *why, bool named);
/* Sends the record; the delivery report settles it. */
void intake_produce(struct intake *in, struct submission *s, struct bytes framed, struct bytes trace,
    enum submission_end end, struct bytes state);
/* Back to those that wait for a batch. */
void intake_wait_again(struct intake *in, struct submission *s);
extern const struct refusal intake_unknown, intake_busy;

/* One batch, in the order in which they came (intake_batch.c). */
void intake_batch(struct intake *in, struct submission *const *submissions, size_t count);

#endif
