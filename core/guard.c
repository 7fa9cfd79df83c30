/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard: one recursive walk over the bytes, in step with the schema; a cursor, a count of items and the depth
 * are all that it keeps. A refusal names the byte where it happened.
 *
 * Codes: truncated, garbage, too_deep, too_large, bad_utf8, bad_value, trailing_bytes.
 */
#include "core/guard.h"

#include <stdlib.h>
#include <string.h>

const struct guard_limits guard_default_limits = {
    .max_bytes = 10 * 1024 * 1024, .max_items = 400 * 1000, .max_depth = 32};

/* ---- the schema, ready for walking ---- */

struct node {
    avro_type_t type;
    avro_schema_t schema; /* borrowed */
    size_t least;         /* bytes that a value takes at least; 0 for null and records of nulls */
    size_t size;          /* FIXED: bytes; ENUM: symbols; RECORD, UNION: children; ARRAY, MAP: 1 child */
    struct node **children;
};

struct guard {
    avro_schema_t schema;
    struct node **nodes; /* all of them, the root is the first */
    size_t count;
};

static struct node *make_node(struct guard *g, avro_schema_t schema);

static struct node *add_node(struct guard *g, avro_schema_t schema)
{
    struct node *n = calloc(1, sizeof *n);
    struct node **nodes = realloc(g->nodes, (g->count + 1) * sizeof(struct node *));
    MUST(n && nodes);
    n->type = avro_typeof(schema);
    n->schema = schema;
    g->nodes = nodes;
    g->nodes[g->count++] = n;
    return n;
}

static void add_children(struct guard *g, struct node *n, size_t count)
{
    n->size = count;
    n->children = calloc(count ? count : 1, sizeof(struct node *));
    MUST(n->children);
    for (size_t i = 0; i < count; i++) {
        avro_schema_t child = n->type == AVRO_ARRAY ? avro_schema_array_items(n->schema)
                              : n->type == AVRO_MAP ? avro_schema_map_values(n->schema)
                              : n->type == AVRO_UNION
                                  ? avro_schema_union_branch(n->schema, (int)i)
                                  : avro_schema_record_field_get_by_index(n->schema, (int)i);
        n->children[i] = make_node(g, child);
    }
}

/* A record that contains itself does so through a union, array or map, which take 1 byte each; while it is being made it
 * counts 0, which is never too much. */
static size_t least_of(const struct node *n)
{
    size_t sum = 0;
    switch (n->type) {
    case AVRO_NULL:
        return 0;
    case AVRO_FLOAT:
        return 4;
    case AVRO_DOUBLE:
        return 8;
    case AVRO_FIXED:
        return n->size;
    case AVRO_RECORD:
        for (size_t i = 0; i < n->size; i++)
            sum += n->children[i]->least;
        return sum;
    case AVRO_STRING:
    case AVRO_BYTES:
    case AVRO_INT32:
    case AVRO_INT64:
    case AVRO_BOOLEAN:
    case AVRO_ENUM:
    case AVRO_MAP:
    case AVRO_ARRAY:
    case AVRO_UNION:
    case AVRO_LINK:
        return 1;
    }
    return 1;
}

static struct node *make_node(struct guard *g, avro_schema_t schema)
{
    while (is_avro_link(schema))
        schema = avro_schema_link_target(schema);
    for (size_t i = 0; i < g->count; i++)
        if (g->nodes[i]->schema == schema)
            return g->nodes[i];
    struct node *n = add_node(g, schema);
    switch (n->type) {
    case AVRO_ENUM:
        n->size = (size_t)avro_schema_enum_number_of_symbols(schema);
        break;
    case AVRO_FIXED:
        n->size = (size_t)avro_schema_fixed_size(schema);
        break;
    case AVRO_RECORD:
        add_children(g, n, avro_schema_record_size(schema));
        break;
    case AVRO_UNION:
        add_children(g, n, avro_schema_union_size(schema));
        break;
    case AVRO_ARRAY:
    case AVRO_MAP:
        add_children(g, n, 1);
        break;
    case AVRO_STRING:
    case AVRO_BYTES:
    case AVRO_INT32:
    case AVRO_INT64:
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
    case AVRO_BOOLEAN:
    case AVRO_NULL:
    case AVRO_LINK:
        break;
    }
    n->least = least_of(n);
    return n;
}

struct guard *guard_new(avro_schema_t schema)
{
    struct guard *g = calloc(1, sizeof *g);
    MUST(g);
    g->schema = avro_schema_incref(schema);
    make_node(g, schema);
    return g;
}

void guard_free(struct guard *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->count; i++) {
        free(g->nodes[i]->children);
        free(g->nodes[i]);
    }
    free(g->nodes);
    avro_schema_decref(g->schema);
    free(g);
}

/* ---- the walk ---- */

struct walk {
    const char *start, *at, *end;
    size_t items_left;
    unsigned max_depth;
    struct error *e;
};

static bool walk_value(struct walk *w, const struct node *n, unsigned depth);

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

static bool walk_enum(struct walk *w, const struct node *n)
{
    int64_t index;
    if (!walk_long(w, &index))
        return false;
    return (index >= 0 && (uint64_t)index < n->size) ||
           garbage(w, "an enum symbol that does not exist before the byte");
}

static bool walk_union(struct walk *w, const struct node *n, unsigned depth)
{
    int64_t branch;
    if (!walk_long(w, &branch))
        return false;
    if (branch < 0 || (uint64_t)branch >= n->size)
        return garbage(w, "a union branch that does not exist before the byte");
    return walk_value(w, n->children[branch], depth);
}

static bool walk_record(struct walk *w, const struct node *n, unsigned depth)
{
    for (size_t i = 0; i < n->size; i++)
        if (!walk_value(w, n->children[i], depth))
            return false;
    return true;
}

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
static bool walk_blocks(struct walk *w, const struct node *item, bool keyed, unsigned depth)
{
    size_t item_size = item->least + (keyed ? 1 : 0);
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

static bool walk_value(struct walk *w, const struct node *n, unsigned depth)
{
    if (depth == 0)
        return error_set(w->e, "too_deep", "nested deeper than %u levels at byte %zu", w->max_depth,
            (size_t)(w->at - w->start));
    int64_t number;
    struct bytes text;
    switch (n->type) {
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
        return skip(w, n->size, "a fixed value");
    case AVRO_ENUM:
        return walk_enum(w, n);
    case AVRO_RECORD:
        return walk_record(w, n, depth - 1);
    case AVRO_ARRAY:
        return walk_blocks(w, n->children[0], false, depth - 1);
    case AVRO_MAP:
        return walk_blocks(w, n->children[0], true, depth - 1);
    case AVRO_UNION:
        return walk_union(w, n, depth - 1);
    case AVRO_LINK:
        break; /* nodes follow links */
    }
    return garbage(w, "a schema without a type");
}

bool guard_walk(const struct guard *g, struct bytes value, const struct guard_limits *limits, struct error *e)
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
    if (!walk_value(&w, g->nodes[0], limits->max_depth))
        return false;
    if (left(&w))
        return error_set(e, "trailing_bytes", "%zu bytes after the end of the record", left(&w));
    return true;
}

bool guard_check(avro_schema_t schema, struct bytes value, const struct guard_limits *limits, struct error *e)
{
    struct guard *g = guard_new(schema);
    bool ok = guard_walk(g, value, limits, e);
    guard_free(g);
    return ok;
}
