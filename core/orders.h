/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orders: the collection `cancels`: what people ask of the executors. Written by ingest alone; executors read it when a doorbell rings
 * (jobs.control), at every start, and every few seconds.
 *
 *   job:<id>          cancel this job                            goes by itself after 30 days
 *   hold:<group>      start nothing of this group                stays until it is lifted
 *   drain:<instance>  this executor process starts nothing more  goes by itself after 30 days
 *
 * The first order counts: a repeat changes nothing. An order is durable (majority) before the call returns, and only then the ledger
 * is read: a start is written before it looks for cancels, so either the start sees the cancel or this read sees the start. What a
 * cancel met can thus be told, and what was queued never starts after the answer.
 *
 * All calls take patience_ms as in core/store.h. Text returned lives in the arena.
 */
#ifndef MILLRACE_CORE_ORDERS_H
#define MILLRACE_CORE_ORDERS_H

#include "core/arena.h"
#include "core/error.h"
#include "core/uuid.h"

struct store;

struct order {
    struct bytes by, reason;
    int64_t at; /* UTC ms */
};

/* What the ledger knows of a job. */
struct order_job {
    struct uuid id;
    struct bytes state; /* queued, delayed, running or ended; none: not in the ledger (yet) */
    struct bytes group;
};
/* Reads the ledger only. */
bool orders_look(struct store *s, struct order_job *jobs, size_t count, struct arena *a, int64_t patience_ms,
    struct error *e);
/* Writes a cancel for each, then reads the ledger. */
bool orders_cancel(struct store *s, const struct order *o, struct order_job *jobs, size_t count,
    struct arena *a, int64_t patience_ms, struct error *e);

/* ORDER_CANCEL: to be found only; orders_cancel places it, and nobody lifts it. */
enum order_kind { ORDER_CANCEL, ORDER_HOLD, ORDER_DRAIN, ORDER_KINDS };

/* Writes the order. *standing: the one that counts; *stood: it was there before. */
bool orders_place(struct store *s, enum order_kind kind, struct bytes of, const struct order *o,
    struct order *standing, bool *stood, struct arena *a, int64_t patience_ms, struct error *e);
/* Takes it back. *stood: there was one. */
bool orders_lift(struct store *s, enum order_kind kind, struct bytes of, bool *stood, int64_t patience_ms,
    struct error *e);
bool orders_find(struct store *s, enum order_kind kind, struct bytes of, struct order *out, bool *found,
    struct arena *a, int64_t patience_ms, struct error *e);

struct order_row {
    struct bytes of; /* the group or the instance */
    struct order order;
};
struct order_rows {
    struct order_row *items;
    size_t count;
};
/* Those of a kind with from <= `of`, least first, at most `most`. */
bool orders_list(struct store *s, enum order_kind kind, struct bytes from, size_t most, struct arena *a,
    struct order_rows *out, int64_t patience_ms, struct error *e);

#endif
