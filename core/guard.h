/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: walks the binary form of an Avro value against its schema, without allocating, and refuses what avro-c must
 * not see: truncated data, lengths beyond the data, counts that the data cannot hold, union branches and enum
 * symbols that do not exist, varints of more than 10 bytes, strings that are not UTF-8, nesting beyond the limit,
 * items of no size without end, and bytes left over.
 */
#ifndef MILLRACE_CORE_GUARD_H
#define MILLRACE_CORE_GUARD_H

#include <avro.h>

#include "core/bytes.h"
#include "core/error.h"

struct guard_limits {
    size_t max_bytes; /* of the whole value */
    size_t max_items; /* of all arrays and maps together */
    unsigned max_depth;
};
/* 10 MiB, 400,000 items, depth 32. In a submission of 1 MiB of JSON an item takes at least 3 bytes ("",): whatever ingest takes,
 * the converter can read. More items would cost a reader hundreds of MB for a record of a few. */
extern const struct guard_limits guard_default_limits;

/* A schema made ready for many walks: avro-c's own accessors look each field up in a hash table. Not changed by a walk. */
struct guard;
struct guard *guard_new(avro_schema_t schema);
void guard_free(struct guard *g);
bool guard_walk(
    const struct guard *g, struct bytes value, const struct guard_limits *limits, struct error *e);

/* The same for a single value: makes the guard and frees it. */
bool guard_check(
    avro_schema_t schema, struct bytes value, const struct guard_limits *limits, struct error *e);

#endif
