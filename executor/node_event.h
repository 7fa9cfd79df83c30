/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_event: what is told of nodes (JobEvent `node`), and how what the ledger has of them is read again. The record in the ledger is the
 * event's own bytes. Plain jobs, of one node that is tried once, tell nothing of it.
 */
#ifndef MILLRACE_EXECUTOR_NODE_EVENT_H
#define MILLRACE_EXECUTOR_NODE_EVENT_H

#include "core/codec.h"
#include "executor/walk.h"

struct running;

/* The event of the node in that state; appended, framed, cut as report_encode_within says. */
void node_event_encode(struct running *r, size_t at, enum walk_state state, size_t max, struct buf *out);
/* Tells the walk's news. */
void node_event_news(struct running *r);
/* What the ledger had at the launch becomes r's `past`, and the leaves know how they ended; tells that
 * again. CODEC_RETRY: the registry does not answer.
 * CODEC_BAD: a record is damaged. */
enum codec_verdict node_event_read_past(struct running *r);

#endif
