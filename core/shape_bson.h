/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape_bson: a struct described by a shape <-> a BSON document. User text only ever becomes a value: map keys (variables,
 * conf, labels, source) that hold '.', start with '$' or are empty are stored with those characters written as %2E, %24,
 * %00-style escapes (and % as %25), and read back.
 */
#ifndef MILLRACE_CORE_SHAPE_BSON_H
#define MILLRACE_CORE_SHAPE_BSON_H

#include <bson/bson.h>

#include "core/shape.h"

/* Appends the fields to doc (already initialised). options as in shape_to_json: SHAPE_COMPACT leaves out fields without a
 * value. Text that is not UTF-8 is written with U+FFFD in the bad places. */
void shape_to_bson(const struct shape *s, const void *record, unsigned options, bson_t *doc);
/* Fills record (cleared first) by name; unknown fields and fields of an unexpected type are ignored; strings are copied
 * into the arena. */
void shape_from_bson(const struct shape *s, const bson_t *doc, struct arena *a, void *record);
/* User text as a value, by its length; nothing becomes the empty text. */
void bson_add_text(bson_t *doc, const char *key, struct bytes text);
/* Any BSON value as JSON for REST: dates as RFC 3339 text, binary left out, int64 as number. New reference. */
json_t *bson_to_json(const bson_t *doc);

#endif
