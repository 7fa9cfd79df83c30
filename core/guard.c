/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: one recursive walk over the bytes, in step with the schema; a cursor, a count of items and the depth
 * are all that it keeps. A refusal names the byte where it happened.
 *
 * Codes: truncated, garbage, too_deep, too_large, bad_utf8, bad_value, trailing_bytes.
 */
#include "core/guard.h"

#include <string.h>

const struct guard_limits guard_default_limits = {
    .max_bytes = 10 * 1024 * 1024, .max_items = 1000 * 1000, .max_depth = 32};

struct walk {
    const char *start, *at, *end;
    size_t items_left;
    unsigned max_depth;
    struct error *e;
};

static bool walk_value(struct walk *w, avro_schema_t schema, unsigned depth);

static size_t left(const struct walk *w)
{
    return (size_t)(w->end - w->at);
}

static bool truncated(const struct walk *w, const char *what)
{
    error_set(w->e, "truncated", "%s at byte %zu points beyond the end (%zu bytes)", what,
        (size_t)(w->at - w->start), (size_t)(w->end - w->start));
    return false;
}

static bool garbage(const struct walk *w, const char *what)
{
    error_set(w->e, "garbage", "%s at byte %zu", what, (size_t)(w->at - w->start));
    return false;
}

/* At most 10 bytes, and the last of 10 holds one bit: avro-c would shift beyond 64. */
static bool walk_long(struct walk *w, int64_t *out)
{
    uint64_t bits = 0;
    for (unsigned i = 0; i < 10; i++) {
        if (i >= left(w))
            return truncated(w, "a number");
        unsigned char byte = (unsigned char)w->at[i];
        if (i == 9 && byte > 1)
            break;
        bits |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            w->at += i + 1;
            *out = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
            return true;
        }
    }
    return garbage(w, "a number of more than 64 bits");
}

static bool walk_int(struct walk *w)
{
    int64_t value;
    if (!walk_long(w, &value))
        return false;
    return (value >= INT32_MIN && value <= INT32_MAX) ||
           garbage(w, "an int of more than 32 bits before the byte");
}

static bool skip(struct walk *w, size_t size, const char *what)
{
    if (size > left(w))
        return truncated(w, what);
    w->at += size;
    return true;
}

/* avro-c allocates the length before it looks whether there is so much. */
static bool walk_bytes(struct walk *w, bool text, struct bytes *out)
{
    int64_t len;
    if (!walk_long(w, &len))
        return false;
    if (len < 0)
        return garbage(w, "a negative length before the byte");
    if ((uint64_t)len > left(w))
        return truncated(w, "a length");
    struct bytes value = {w->at, (size_t)len};
    if (text && !bytes_is_utf8(value)) {
        w->at += bytes_utf8_valid_len(value);
        error_set(w->e, "bad_utf8", "text that is not UTF-8 at byte %zu", (size_t)(w->at - w->start));
        return false;
    }
    w->at += len;
    *out = value;
    return true;
}

/* avro-c takes a map's keys for C strings: one with a NUL byte would be another key. */
static bool walk_key(struct walk *w)
{
    struct bytes key;
    if (!walk_bytes(w, true, &key))
        return false;
    return !memchr(key.data, '\0', key.len) ||
           error_set(
               w->e, "bad_value", "a map key with a NUL byte before byte %zu", (size_t)(w->at - w->start));
}

static bool walk_boolean(struct walk *w)
{
    if (!left(w))
        return truncated(w, "a boolean");
    if ((unsigned char)*w->at > 1)
        return garbage(w, "a boolean that is neither 0 nor 1");
    w->at++;
    return true;
}

static bool walk_enum(struct walk *w, avro_schema_t schema)
{
    int64_t index;
    if (!walk_long(w, &index))
        return false;
    return (index >= 0 && index < avro_schema_enum_number_of_symbols(schema)) ||
           garbage(w, "an enum symbol that does not exist before the byte");
}

static bool walk_union(struct walk *w, avro_schema_t schema, unsigned depth)
{
    int64_t branch;
    if (!walk_long(w, &branch))
        return false;
    if (branch < 0 || (uint64_t)branch >= avro_schema_union_size(schema))
        return garbage(w, "a union branch that does not exist before the byte");
    return walk_value(w, avro_schema_union_branch(schema, (int)branch), depth);
}

static bool walk_record(struct walk *w, avro_schema_t schema, unsigned depth)
{
    size_t count = avro_schema_record_size(schema);
    for (size_t i = 0; i < count; i++)
        if (!walk_value(w, avro_schema_record_field_get_by_index(schema, (int)i), depth))
            return false;
    return true;
}

/* The least bytes that a value takes; 0 for null and records of nulls. Recursion always passes a union, array
 * or map, which count 1 each; the depth is for schemas that break this rule. */
static size_t least_size(avro_schema_t schema, unsigned depth)
{
    switch (avro_typeof(schema)) {
    case AVRO_NULL:
        return 0;
    case AVRO_FLOAT:
        return 4;
    case AVRO_DOUBLE:
        return 8;
    case AVRO_FIXED:
        return (size_t)avro_schema_fixed_size(schema);
    case AVRO_LINK:
        return depth ? least_size(avro_schema_link_target(schema), depth - 1) : 0;
    case AVRO_RECORD: {
        size_t sum = 0;
        size_t count = depth ? avro_schema_record_size(schema) : 0;
        for (size_t i = 0; i < count; i++)
            sum += least_size(avro_schema_record_field_get_by_index(schema, (int)i), depth - 1);
        return sum;
    }
    case AVRO_STRING:
    case AVRO_BYTES:
    case AVRO_INT32:
    case AVRO_INT64:
    case AVRO_BOOLEAN:
    case AVRO_ENUM:
    case AVRO_MAP:
    case AVRO_ARRAY:
    case AVRO_UNION:
        return 1;
    }
    return 1;
}

#define LEAST_SIZE_DEPTH 6

static bool count_fits(struct walk *w, uint64_t count, size_t item_size)
{
    if (item_size && count > left(w) / item_size)
        return truncated(w, "a count of items");
    if (count > w->items_left)
        return error_set(
            w->e, "too_large", "more items than the limit at byte %zu", (size_t)(w->at - w->start));
    w->items_left -= (size_t)count;
    return true;
}

/* Blocks of items until an empty one. A negative count is followed by the block's size in bytes. */
static bool walk_blocks(struct walk *w, avro_schema_t item, bool keyed, unsigned depth)
{
    size_t item_size = least_size(item, LEAST_SIZE_DEPTH) + (keyed ? 1 : 0);
    for (;;) {
        int64_t count;
        int64_t size = -1;
        if (!walk_long(w, &count))
            return false;
        if (count == 0)
            return true;
        if (count == INT64_MIN)
            return garbage(w, "an absurd count before the byte");
        if (count < 0) {
            count = -count;
            if (!walk_long(w, &size))
                return false;
            if (size < 0 || (uint64_t)size > left(w))
                return truncated(w, "the size of a block");
        }
        if (!count_fits(w, (uint64_t)count, item_size))
            return false;
        const char *block = w->at;
        for (int64_t i = 0; i < count; i++)
            if ((keyed && !walk_key(w)) || !walk_value(w, item, depth))
                return false;
        if (size >= 0 && w->at - block != size)
            return garbage(w, "a block that is not as long as it says, before the byte");
    }
}

static bool walk_value(struct walk *w, avro_schema_t schema, unsigned depth)
{
    if (depth == 0)
        return error_set(w->e, "too_deep", "nested deeper than %u levels at byte %zu", w->max_depth,
            (size_t)(w->at - w->start));
    int64_t number;
    struct bytes text;
    switch (avro_typeof(schema)) {
    case AVRO_NULL:
        return true;
    case AVRO_STRING:
        return walk_bytes(w, true, &text);
    case AVRO_BYTES:
        return walk_bytes(w, false, &text);
    case AVRO_INT32:
        return walk_int(w);
    case AVRO_INT64:
        return walk_long(w, &number);
    case AVRO_FLOAT:
        return skip(w, 4, "a float");
    case AVRO_DOUBLE:
        return skip(w, 8, "a double");
    case AVRO_BOOLEAN:
        return walk_boolean(w);
    case AVRO_FIXED:
        return skip(w, (size_t)avro_schema_fixed_size(schema), "a fixed value");
    case AVRO_ENUM:
        return walk_enum(w, schema);
    case AVRO_RECORD:
        return walk_record(w, schema, depth - 1);
    case AVRO_ARRAY:
        return walk_blocks(w, avro_schema_array_items(schema), false, depth - 1);
    case AVRO_MAP:
        return walk_blocks(w, avro_schema_map_values(schema), true, depth - 1);
    case AVRO_UNION:
        return walk_union(w, schema, depth - 1);
    case AVRO_LINK:
        return walk_value(w, avro_schema_link_target(schema), depth - 1);
    }
    return garbage(w, "a schema without a type");
}

bool guard_check(avro_schema_t schema, struct bytes value, const struct guard_limits *limits, struct error *e)
{
    if (value.len > limits->max_bytes)
        return error_set(e, "too_large", "%zu bytes, the limit is %zu", value.len, limits->max_bytes);
    const char *start = value.data ? value.data : "";
    struct walk w = {.start = start,
        .at = start,
        .end = start + value.len,
        .items_left = limits->max_items,
        .max_depth = limits->max_depth,
        .e = e};
    if (!walk_value(&w, schema, limits->max_depth))
        return false;
    if (left(&w))
        return error_set(e, "trailing_bytes", "%zu bytes after the end of the record", left(&w));
    return true;
}
