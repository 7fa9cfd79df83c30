/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cached: earlier results instead of a run. A job whose plan has `cache` {key, ttl} asks, before anything of it starts, for the results
 * that a job of the same key and group left in the collection `cached`. If they are no older than its ttl and all their files are
 * there, it succeeds at once with them, and its event says by `cached_from` whose they are. If it runs and succeeds, its own are kept.
 *
 * All of it is a convenience, never a promise: what is not answered within two seconds, is damaged or can't be written, means that a job
 * runs. For the rules such a job is a job like any other that was very fast: its attempt, its place and its end are the ledger's.
 *
 * A clerk of its own does what blocks (the store, the file system), so that no ask of the rules waits for it. A batch is what came while
 * the clerk was busy. Nothing is written before the ledger has acknowledged the end: else the results of an attempt that did not count
 * could be handed on.
 */
#ifndef MILLRACE_EXECUTOR_CACHED_H
#define MILLRACE_EXECUTOR_CACHED_H

#include <stdbool.h>
#include <stdint.h>

struct cached;
struct executor;
struct running;

struct cached *cached_new(struct executor *x);
/* Waits for what is on its way; nothing goes on by an answer from here on. The desk is served once more before cached_free. */
void cached_stop(struct cached *c);
void cached_free(struct cached *c);

/* Before the first node: does the cache have the job's next step? True: it waits for the answer, and running_go_on() is called with that; or
 * it was concluded by it. False: it is to run (no cache, nothing found, no answer, or a part of it ran in an earlier attempt). */
bool cached_look(struct running *r);
/* It does not wait any more. Called whenever a job concludes. */
void cached_forget(struct running *r);
/* The end of an attempt was acknowledged: keeps its results, if it succeeded by running. */
void cached_keep(const struct running *r);

/* Lets those go on that waited too long; returns the boot ms of the next that might. */
int64_t cached_serve(struct cached *c, int64_t now_boot);
/* Is anything on its way to the store? */
bool cached_busy(const struct cached *c);

#endif
