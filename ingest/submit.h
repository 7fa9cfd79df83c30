/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit: one submission, from the bytes of a request to a job that may be accepted. Pure: no clock, no
 * store, no Kafka; what it must know of the world (which engines there are) comes in with the rules.
 *
 * A submission is refused with everything that is wrong with it at once: 400 when it can't be read as a
 * submission (syntax, unknown fields, types, UTF-8), 413 when it is too large, 422 when it can be read and
 * its values are not right.
 */
#ifndef MILLRACE_INGEST_SUBMIT_H
#define MILLRACE_INGEST_SUBMIT_H

#include "core/engine_list.h"
#include "core/job.h"
#include "core/uuid.h"

#define SUBMIT_HASH_SIZE 32

struct submit_rules {
    int64_t max_bytes; /* of one submission's text */
    const struct engine_list *engines;
};

/* Why a submission is not accepted, as the client gets it. */
struct refusal {
    int status; /* of HTTP */
    const char *code;
    struct bytes detail;
    struct field_problems problems;
};

enum submission_end { SUBMISSION_OPEN, SUBMISSION_ACCEPTED, SUBMISSION_REPLAYED, SUBMISSION_REFUSED };

struct ticket;
struct submission {
    struct job job;
    struct bytes group;
    struct uuid id;
    char id_text[UUID_TEXT_LEN + 1];
    bool keyed;                           /* the id follows from the idempotency key: a repeat has the same */
    unsigned char hash[SUBMIT_HASH_SIZE]; /* of the payload */
    /* what came of it */
    enum submission_end end;
    const struct refusal *refusal; /* SUBMISSION_REFUSED */
    struct bytes state;            /* of the job, when accepted */
    bool named;                    /* refused, but its job may exist: the answer names it */
    /* the intake's */
    struct ticket *ticket;
    struct submission *next;
    int tries;
};

/* Reads and checks one JSON object. `header_key`: the Idempotency-Key header or none. On false *why tells (in
 * the arena). */
bool submit_parse(const struct submit_rules *rules, struct bytes text, struct bytes header_key,
    struct arena *a, struct submission *out, const struct refusal **why);

/* Completes what the server knows: id, submitter, times, trace, and the hash of what the client sent. Of jobs
 * with a key the id is UUIDv5 of creator/user/key, so that any ingest gives a repeat the same one. */
void submit_identify(struct submission *s, int64_t now, struct bytes trace, struct arena *a);
/* The same without the hash, for what is not stored. */
void submit_name(struct submission *s, int64_t now, struct bytes trace, struct arena *a);

/* A W3C traceparent ("00-<32 hex>-<16 hex>-<2 hex>"), or BYTES_NONE when it is malformed: then it is as if it
 * were absent. */
struct bytes submit_trace(struct bytes header);

const struct refusal *refusal_new(struct arena *a, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
