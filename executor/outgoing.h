/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outgoing: the loop's records on their way to Kafka. Sending never waits: what the producer has no room for stays here, in order, until
 * it has. So an outage of Kafka never stops the loop. How much can gather is bounded by its sources, which look at outgoing_is_full:
 * no records are taken in and no output of engines is read while it is.
 */
#ifndef MILLRACE_EXECUTOR_OUTGOING_H
#define MILLRACE_EXECUTOR_OUTGOING_H

#include "core/bus.h"

struct outgoing;
struct outgoing *outgoing_new(struct producer *p);
void outgoing_free(struct outgoing *o);
/* Copies key, value and headers (at most OUTGOING_HEADERS). `done` (may be NULL) is called from outgoing_serve or producer_poll, never
 * from inside this call. */
#define OUTGOING_HEADERS 4
void outgoing_send(struct outgoing *o, const struct bus_message *m, bus_delivered *done, void *self);
/* Gives the producer what it has room for. */
void outgoing_serve(struct outgoing *o);
/* Sent and not yet reported, here and at the producer. */
size_t outgoing_pending(const struct outgoing *o);
bool outgoing_is_full(const struct outgoing *o);

#endif
