/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result: files of results. A table is an Avro Object Container File (deflate blocks; readable by any Avro
 * tool) with an index beside it (<path>.idx), so that page N is one seek and the total is known.
 *
 * Path under the store: yyyy-mm-dd/<creator>/<user>/<job>/<attempt>/<n>-<name>.avro. A file is written under
 * a temporary name, synced and renamed (index first, then data, then the folder is synced) before its path is
 * recorded.
 *
 * Columns are nullable unions; types: long, double, boolean, string, bytes (what an engine names; all else is
 * string). In rows, bytes are base64 text, and a double that JSON can't say is the text NaN, Infinity or
 * -Infinity. A value that does not fit its column is an error, never a silent change; only numbers and
 * booleans become text in a string column. Column names that Avro does not allow are replaced (c1, c2, ...),
 * the original stands in the field's `doc` and in the job document. Index format (ours): "MRIDX1\n\0", then
 * little-endian u64: rows, blocks, then per block {first row, byte offset in the file, CRC-32 of the block
 * without its sync marker}: raw deflate would not notice a flipped bit. Without the index (or with one that
 * does not fit) the reader finds the blocks by itself. The writer is ours because avro-c does not tell block
 * offsets.
 */
#ifndef MILLRACE_CORE_RESULT_H
#define MILLRACE_CORE_RESULT_H

#include <jansson.h>

#include "core/error.h"
#include "core/job.h"

/* ---- writing (executor) ---- */
struct result_writer;
struct result_place {
    const char *root; /* folder of the store, must exist */
    int64_t at;       /* UTC ms: names the day */
    struct bytes creator, user, job_id;
    int64_t attempt;
    int64_t n;
    struct bytes name; /* any text; made safe for the file name, at most 64 bytes */
};
struct result_writer *result_create(
    const struct result_place *p, const struct result_column *columns, size_t count, struct error *e);
/* One row: a JSON array with one value per column (null, number, string, boolean). Extra or missing values:
 * error. */
bool result_add(struct result_writer *w, const json_t *row, struct error *e);
/* Flushes, syncs, renames. out: path relative to root, rows, bytes (allocated in the arena). Frees the
 * writer. */
bool result_finish(struct result_writer *w, struct arena *a, struct job_result *out, struct error *e);
/* Removes the temporary file and frees the writer. NULL is fine. */
void result_abandon(struct result_writer *w);

/* Takes a finished file that an engine wrote: syncs it and renames it into its place (same file system).
 * `from` is a regular file with one name, not a link. extension: "csv", ...; made safe. out: path and bytes;
 * the rest is the caller's. */
bool result_adopt(const struct result_place *p, const char *from, struct bytes extension, struct arena *a,
    struct job_result *out, struct error *e);

/* Does the file of a result that was recorded still lie in its place, with as many bytes? One look at the file system; what is in it is
 * not read. */
bool result_is_there(const char *root, const struct job_result *r);

/* ---- reading (ingest) ---- */
struct result_reader;
/* `path` as recorded; refuses paths that leave root. */
struct result_reader *result_open(const char *root, struct bytes path, struct error *e);
void result_close(struct result_reader *r);
int64_t result_rows(const struct result_reader *r);
/* Column names and types as in the file. */
size_t result_columns(const struct result_reader *r, const struct result_column **out);
/* Calls row(self, values) for up to `limit` rows from `offset` (0-based); values: a JSON array, borrowed.
 * Seeks once; reads only the blocks it needs. Corrupt files are an error (code result_corrupt), never a
 * crash. */
bool result_read(struct result_reader *r, int64_t offset, int64_t limit,
    bool (*row)(void *self, const json_t *values), void *self, struct error *e);

#endif
