/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage_batch: the loop's own struct and its batch, shared by stage.c (reads, steps, commits) and stage_send.c (sends). Private to
 * the library stage.
 */
#ifndef MILLRACE_CORE_STAGE_BATCH_H
#define MILLRACE_CORE_STAGE_BATCH_H

#include "core/outbox.h"
#include "core/progress.h"
#include "core/stage_loop.h"

struct item {
    struct loop *loop;
    struct bus_record raw;
    size_t bytes;
    const struct stage_input *input;
    bool decoded; /* in this attempt */
    void *value;
    bool dead;      /* goes to jobs.dead: why */
    bool dead_sent; /* acknowledged there */
    bool forwarded; /* its job was sent on as refused */
    struct error why;
};

struct loop {
    struct stage_world *world;
    const struct stage *stage;
    const struct stage_settings *settings;
    void *self;
    struct metric *metrics;
    struct consumer *consumer;
    struct progress progress;
    struct arena arena;
    struct outbox outbox;
    struct item *items;
    struct step_record *steps; /* of the decoded items, in order */
    size_t *step_items;        /* their items */
    size_t count;
    struct item stashed; /* read, but belongs to the next batch */
    bool has_stashed;
    bool careful; /* the batch is one record of a partition whose last reader died */
    size_t in_flight;
    bool given_up;     /* what is still in flight does not matter any more */
    int64_t stop_seen; /* boot ms */
    int64_t housekept;
    int64_t refresh_at; /* boot ms */
    size_t worked;      /* records since memory was last given back */
};

/* Is the process asked to stop? Remembers since when. */
bool batch_stopping(struct loop *l);
/* The record goes to jobs.dead at the end of this batch. */
void batch_bury(struct loop *l, struct item *item, const struct error *why);

/* ---- stage_send.c ---- */
/* Sends the outbox's records from `first` on. */
void batch_send(struct loop *l, size_t first);
/* Until all is delivered. False: shutting down while Kafka does not answer. */
bool batch_wait(struct loop *l);
/* Dead letters, and the refusals of their jobs; waits for them too. */
bool batch_send_dead(struct loop *l, int64_t now);

#endif
