/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clerk: a thread that does the blocking calls (the ledger) for the executor's loop. Requests of one clerk are done one after
 * another, in order; answers of all clerks come back through one desk, which the loop serves. So the loop never blocks, and the
 * batch is whatever was ready when the clerk was free.
 */
#ifndef MILLRACE_EXECUTOR_CLERK_H
#define MILLRACE_EXECUTOR_CLERK_H

#include <sys/queue.h>

struct request;
typedef void request_fn(struct request *r);

/* The first member of every request's own struct. */
struct request {
    request_fn *work; /* in the clerk's thread; may block */
    request_fn *done; /* in the loop's thread; frees the request */
    STAILQ_ENTRY(request) entry;
};
STAILQ_HEAD(request_list, request);

/* Where answers arrive. */
struct desk;
struct desk *desk_new(void);
void desk_free(
    struct desk *d); /* after all its clerks are gone; answers left over are given to their `done` */
int desk_fd(const struct desk *d);
/* Calls `done` for every answer that is there; returns how many. */
int desk_serve(struct desk *d);

struct clerk;
struct clerk *clerk_new(struct desk *d, const char *name);
/* Waits until its last request is done. */
void clerk_free(struct clerk *c);
void clerk_ask(struct clerk *c, struct request *r);

#endif
