/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk: the thread that does the executor's slow file work, so that the event loop never waits for a disk:
 * result tables (pack, write, sync), result files of engines, removal of working folders. Requests are done
 * in the order they came.
 *
 * A disk_run is the results of one run, from its first table to disk_finish. The loop makes requests; the
 * thread answers by writing to the eventfd `wake`: then disk_next gives finished runs, and runs that had too
 * much waiting may have room.
 */
#ifndef MILLRACE_EXECUTOR_DISK_H
#define MILLRACE_EXECUTOR_DISK_H

#include "core/result.h"
#include "executor/engine_protocol.h"

struct disk;
struct disk_run;

/* Borrows results_dir. wake: an eventfd. */
struct disk *disk_open(const char *results_dir, int wake, struct error *e);
/* Does all that was asked, then ends the thread. */
void disk_close(struct disk *d);
/* Removes a folder and all in it, later. */
void disk_remove_folder(struct disk *d, const char *path);

/* The place's texts are copied; its `n` is the number of the first result. `self` is the caller's. */
struct disk_run *disk_run_new(struct disk *d, const struct result_place *place, void *self);
void *disk_run_self(const struct disk_run *r);
/* These take the line's root. A new table ends the one before: that is complete. */
void disk_columns(struct disk_run *r, struct engine_line *l);
void disk_rows(
    struct disk_run *r, struct engine_line *l, size_t keep, size_t cost_bytes); /* the first `keep` rows */
/* `folder`: where the engine wrote it. */
void disk_file(struct disk_run *r, struct engine_line *l, const char *folder);
/* The last request. complete: the table that is open is complete as well; else it is dropped. */
void disk_finish(struct disk_run *r, bool complete);
/* What waits to be written; the caller stops reading from the engine when it is too much. */
size_t disk_waiting_bytes(const struct disk_run *r);

/* A run that is finished, or NULL. The caller frees it. */
struct disk_run *disk_next(struct disk *d);
/* Of each its file; what made it is the caller's to fill in. offsets: where in the code its statement begins, as the engine told; NO_INT: it
 * did not. */
size_t disk_run_results(const struct disk_run *r, const struct job_result **results, const int64_t **offsets);
/* NULL: all went well. Results that were complete before are there in any case. */
const struct error *disk_run_error(const struct disk_run *r);
void disk_run_free(struct disk_run *r);

#endif
