/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake: makes checked submissions durable, many at a time (group commit).
 *
 * One thread takes all submissions that wait, of all connections, in the order they came; writes their stubs
 * with one bulk insert; then produces them, in the same order. Each is settled by its delivery report, and a
 * request is answered when all of its submissions are settled. Nothing waits for a batch to fill: while one
 * batch is written the next one gathers.
 *
 *     taken -> stub written ----------------> produced -> acknowledged: accepted
 *                 |  the id was taken          (no report within ack_timeout: unknown_outcome; the sweep
 * produces it again)
 *                 +-> same payload, no event seen -> produced again, same bytes -> acknowledged: replayed
 *                 +-> same payload, under way -> replayed
 *                 +-> other payload -> idempotency_conflict
 *                 +-> a stub that nobody let in yet -> looked at again; taken over when it stays
 *
 * Under a max_queued there is a step between the stub and Kafka: admit.h. It lets in, or the stub is deleted and the submission refused
 * (too_many_queued).
 *
 * The stub comes before Kafka: were it the other way round, an answer could name a job that no reader finds.
 */
#ifndef MILLRACE_INGEST_INTAKE_H
#define MILLRACE_INGEST_INTAKE_H

#include "core/bus.h"
#include "core/store.h"
#include "ingest/book.h"
#include "ingest/pen.h"
#include "ingest/submit.h"

/* The submissions of one request. Freed by whoever `done` hands it to. */
struct ticket {
    struct submission *items;
    size_t count;
    size_t open;                    /* not settled yet; the intake's */
    void (*done)(struct ticket *t); /* called once, from any thread, when all are settled */
};

struct intake_options {
    struct store *store;
    struct producer *producer;
    struct pen *pen;
    struct book *book;
    int64_t store_patience_ms;
    int64_t ack_timeout_ms;
    int64_t sweep_after_ms; /* when a stub without an event is produced again */
};

struct intake;
struct intake *intake_open(const struct intake_options *o, struct error *e);
/* After intake_admit(in, false); what is still open is settled as refused (busy) first. */
void intake_close(struct intake *in);

/* Takes those of the ticket's submissions that are SUBMISSION_OPEN; the others count as settled. May call
 * done at once. */
void intake_take(struct intake *in, struct ticket *t);
/* Called regularly (every 100 ms or so) by the thread that polls the producer: gives up on late reports. */
void intake_tick(struct intake *in);
/* Submissions that are not settled. */
size_t intake_open_count(struct intake *in);
/* Tickets are taken (true), or refused (busy). At first they are refused: nobody polls the producer before the servers are there. */
void intake_admit(struct intake *in, bool admit);

#endif
