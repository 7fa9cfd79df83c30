/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_file: what writer and reader of result tables share: types, varints, the index's layout. Private to
 * core/result_*.
 */
#ifndef MILLRACE_CORE_RESULT_FILE_H
#define MILLRACE_CORE_RESULT_FILE_H

#include "core/result.h"

enum result_type { RESULT_LONG, RESULT_DOUBLE, RESULT_BOOLEAN, RESULT_STRING, RESULT_BYTES, RESULT_TYPES };
extern const char *const result_type_names[RESULT_TYPES];
enum result_type result_type_of(struct bytes name); /* unknown: RESULT_STRING */

#define RESULT_SYNC_SIZE 16
#define RESULT_MAGIC "Obj\x01"
#define RESULT_INDEX_MAGIC "MRIDX1\n" /* with its NUL: 8 bytes */
#define RESULT_INDEX_HEAD 24
#define RESULT_INDEX_ENTRY 24
#define RESULT_CRC_UNKNOWN UINT64_MAX /* of blocks that were found by a scan */
/* No block is larger, raw: one row (an engine's line) beyond the usual block size. */
#define RESULT_BLOCK_MAX (64u * 1024 * 1024)

struct result_block {
    uint64_t first_row, offset, crc;
};

/* Avro's zig-zag variable-length integers. */
void result_put_long(struct buf *out, int64_t v);
/* Takes one from the front of *in; false: truncated or too long. */
bool result_take_long(struct bytes *in, int64_t *out);

void result_put_base64(struct buf *out, struct bytes raw);
bool result_take_base64(struct bytes text, struct buf *out); /* standard alphabet, with padding */

/* ---- result_place.c; texts are the caller's to free ---- */
/* yyyy-mm-dd/<creator>/<user>/<job>/<attempt>/<n>-<name>.<extension> */
char *result_place_path(const struct result_place *p, struct bytes extension);
bool result_place_is_safe(const struct result_place *p, struct error *e);
char *result_join(const char *a, const char *b, const char *c); /* a/bc */
/* Makes the folders of `path` (relative to root); the last part is the file. */
bool result_make_folders(const char *root, const char *path, struct error *e);
bool result_sync_folder(const char *root, const char *path, struct error *e);
/* Relative, and no part of it leads up. */
bool result_path_is_inside(struct bytes path);

#endif
