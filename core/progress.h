/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: how far each assigned partition is, and the poison rule. It speaks through the
 * metadata text of the committed offset:
 *
 *   clean    the last reader left in order (SIGTERM, revoke)
 *   run ID   the reader of this id is at work, or died at work. A reader that gets back what it had lost finds
 *            its own id and goes on
 *   again ID the same, but its predecessor died at this very offset too. When it dies as well before it got on,
 *            the records themselves are suspected: the next reader takes the first ones one at a time. (One
 *            death alone proves nothing, and caution costs a commit per record.)
 *   try=N    N readers went into the step of the record at this very offset and did not come out
 *
 * A careful reader commits try=N+1 and waits for it before it touches the record, and takes it back as soon
 * as the step is over, so that only a death inside the step counts. A process that ends on purpose takes it back before. So a record that kills
 * every reader goes to jobs.dead after the fifth death at the latest: two that make readers careful, and three that count. A partition without any of these words
 * (never committed, or set by a tool) is taken as clean.
 */
#ifndef MILLRACE_CORE_PROGRESS_H
#define MILLRACE_CORE_PROGRESS_H

#include "core/bus.h"

enum {
    POISON_DEATHS = 3, /* inside the step of one record: it goes to jobs.dead */
    /* Taken one at a time after two unclean ends at one offset; a killer further back costs one more death. */
    CAREFUL_RECORDS = 256,
    ENTER_WAIT_MS = 5000 /* how long a careful reader waits for its commit */
};

struct partition_progress {
    const char *topic; /* the consumer's */
    int32_t partition;
    int64_t done;          /* all before it is finished: what is committed next */
    int64_t careful_until; /* offsets below are taken one at a time */
    int64_t tried;         /* the offset that `tries` counts for */
    int tries;
};
struct progress {
    struct consumer *consumer;
    char mark[16]; /* "run ID" */
    char again[16];
    struct partition_progress *items;
    size_t count;
    bool unmarked; /* partitions came whose "run" is not committed yet: progress_mark before the first step */
};

void progress_init(struct progress *p);
void progress_release(struct progress *p);
void progress_assigned(
    struct progress *p, const char *topic, int32_t partition, int64_t offset, const char *metadata);
/* Commits how far it is as a clean end, unless the partition is lost; the consumer waits for it. */
void progress_revoked(struct progress *p, const char *topic, int32_t partition, bool lost);
/* Waits until the "run" of new partitions is committed: else a death in the first batch would look like a
 * clean end. */
void progress_mark(struct progress *p, int timeout_ms);
/* The same without waiting: true once it is. */
bool progress_is_marked(struct progress *p);

bool progress_is_careful(const struct progress *p, const struct bus_record *r);
/* Deaths counted for this record. */
int progress_tries(const struct progress *p, const struct bus_record *r);
/* Before and after the step of a careful record. False: the commit was not answered in time; don't step. */
bool progress_enter(struct progress *p, const struct bus_record *r, int timeout_ms);
/* The same without waiting: it only says it. Step once consumer_commit_soon tells that it is answered. */
void progress_enter_soon(struct progress *p, const struct bus_record *r);
void progress_leave(struct progress *p, const struct bus_record *r);
/* All that the record caused is durable. */
void progress_done(struct progress *p, const struct bus_record *r);

#endif
