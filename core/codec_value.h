/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec_value: avro-c's generic value <-> a struct described by a shape. The inner half of codec.c, used by
 * nobody else.
 *
 * A plan is the answer to "where in the writer's record is this field": made once per (shape, writer's
 * schema), so that taking a record compares no names.
 */
#ifndef MILLRACE_CORE_CODEC_VALUE_H
#define MILLRACE_CORE_CODEC_VALUE_H

#include <avro.h>

#include "core/shape.h"

struct plan;
/* writer: a record's schema, which outlives the plan. */
struct plan *plan_new(const struct shape *s, avro_schema_t writer);
void plan_free(struct plan *p);

/* Fills record, which the caller cleared, from a value of the writer's schema. What the writer does not have
 * is left as it is. A value of a type that the field cannot take fails with bad_value and the field's name.
 * Strings are copied. */
bool plan_take(
    const struct plan *p, const avro_value_t *value, struct arena *a, void *record, struct error *e);

/* Sets value (of the very schema that the shape means, reset) from record. Strings are borrowed from record
 * and scratch until the value is reset. */
void value_fill(const struct shape *s, const void *record, avro_value_t *value, struct arena *scratch);

#endif
