/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape_bson: see shape_bson.h. One switch over the field types for each direction.
 *
 * Keys that users choose (variables, conf, labels, source) could be taken for paths or operators by the
 * server and by those who query it. They are escaped on their way in ('.' -> %2E, a first '$' -> %24, NUL ->
 * %00, '%' -> %25, and the empty key -> a lone '%', which nothing else becomes) and come back unescaped.
 */
#include "core/shape_bson.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

enum { MAX_DEPTH = 64 }; /* of documents turned into JSON */

/* ---- keys ---- */

static void escape_key(struct bytes key, struct buf *out)
{
    if (key.len == 0)
        buf_add_char(out, '%');
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.data[i];
        if (c == '%' || c == '.' || c == '\0' || (c == '$' && i == 0))
            buf_printf(out, "%%%02X", c);
        else
            buf_add_char(out, (char)c);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static void unescape_key(struct bytes key, struct buf *out)
{
    if (bytes_equal_text(key, "%"))
        return;
    for (size_t i = 0; i < key.len; i++) {
        int high = i + 2 < key.len ? hex_digit(key.data[i + 1]) : -1;
        int low = i + 2 < key.len ? hex_digit(key.data[i + 2]) : -1;
        if (key.data[i] != '%' || high < 0 || low < 0) {
            buf_add_char(out, key.data[i]);
            continue;
        }
        buf_add_char(out, (char)(high * 16 + low));
        i += 2;
    }
}

/* ---- writing ---- */

void bson_add_text(bson_t *doc, const char *key, struct bytes text)
{
    bson_append_utf8(doc, key, -1, text.len ? text.data : "", (int)text.len);
}

static void text_to_bson(bson_t *doc, const char *key, int key_len, struct bytes text)
{
    if (bytes_is_utf8(text)) {
        bson_append_utf8(doc, key, key_len, text.len ? text.data : "", (int)text.len);
        return;
    }
    struct buf repaired;
    buf_init(&repaired);
    shape_repair_text(text, &repaired);
    bson_append_utf8(doc, key, key_len, repaired.data, (int)repaired.len);
    buf_release(&repaired);
}

static const char *index_key(size_t index, char *space, size_t size)
{
    const char *key;
    bson_uint32_to_string((uint32_t)index, &key, space, size);
    return key;
}

static void strings_to_bson(bson_t *doc, const char *key, const struct strings *strings)
{
    bson_t array;
    char space[16];
    bson_append_array_begin(doc, key, -1, &array);
    for (size_t i = 0; i < strings->count; i++)
        text_to_bson(&array, index_key(i, space, sizeof space), -1, strings->items[i]);
    bson_append_array_end(doc, &array);
}

static void ints_to_bson(bson_t *doc, const char *key, const struct ints *ints)
{
    bson_t array;
    char space[16];
    bson_append_array_begin(doc, key, -1, &array);
    for (size_t i = 0; i < ints->count; i++)
        bson_append_int64(&array, index_key(i, space, sizeof space), -1, ints->items[i]);
    bson_append_array_end(doc, &array);
}

struct stored_key {
    size_t from, len; /* in the buffer of all keys */
    size_t index;
    const struct buf *keys;
};

static struct bytes stored_key_bytes(const struct stored_key *k)
{
    return (struct bytes){k->keys->data + k->from, k->len};
}

static int by_key_then_index(const void *left, const void *right)
{
    const struct stored_key *a = left, *b = right;
    int order = bytes_compare(stored_key_bytes(a), stored_key_bytes(b));
    if (order)
        return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* A document must not hold a key twice; of equal keys (also: equal after the repair of bad UTF-8) the last
 * one wins. */
static void drop_repeated_keys(const struct stored_key *keys, size_t count, bool *dropped)
{
    if (count < 2)
        return;
    struct stored_key *sorted = malloc(count * sizeof *sorted);
    MUST(sorted);
    memcpy(sorted, keys, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_key_then_index);
    for (size_t i = 0; i + 1 < count; i++)
        dropped[sorted[i].index] =
            bytes_equal(stored_key_bytes(&sorted[i]), stored_key_bytes(&sorted[i + 1]));
    free(sorted);
}

static void pairs_to_bson(bson_t *doc, const char *key, const struct pairs *pairs)
{
    bson_t map;
    struct buf keys, repaired;
    bson_append_document_begin(doc, key, -1, &map);
    buf_init(&keys);
    buf_init(&repaired);
    struct stored_key *stored = calloc(pairs->count + 1, sizeof *stored);
    bool *dropped = calloc(pairs->count + 1, sizeof *dropped);
    MUST(stored && dropped);
    for (size_t i = 0; i < pairs->count; i++) {
        buf_clear(&repaired);
        shape_repair_text(pairs->items[i].key, &repaired);
        stored[i] = (struct stored_key){.from = keys.len, .index = i, .keys = &keys};
        escape_key(buf_bytes(&repaired), &keys);
        stored[i].len = keys.len - stored[i].from;
    }
    drop_repeated_keys(stored, pairs->count, dropped);
    for (size_t i = 0; i < pairs->count; i++)
        if (!dropped[i])
            text_to_bson(&map, keys.data + stored[i].from, (int)stored[i].len, pairs->items[i].value);
    free(stored);
    free(dropped);
    buf_release(&keys);
    buf_release(&repaired);
    bson_append_document_end(doc, &map);
}

static void record_to_bson(
    bson_t *doc, const char *key, const struct shape *s, const void *record, unsigned options)
{
    bson_t inner;
    bson_append_document_begin(doc, key, -1, &inner);
    shape_to_bson(s, record, options, &inner);
    bson_append_document_end(doc, &inner);
}

static void list_to_bson(bson_t *doc, const struct field *f, const void *record, unsigned options)
{
    struct shape_list list = shape_list_get(f, record);
    bson_t array;
    char space[16];
    bson_append_array_begin(doc, f->name, -1, &array);
    for (size_t i = 0; i < list.count; i++)
        record_to_bson(&array, index_key(i, space, sizeof space), f->shape,
            (const char *)list.items + i * f->shape->size, options);
    bson_append_array_end(doc, &array);
}

static void field_to_bson(bson_t *doc, const struct field *f, const void *record, unsigned options)
{
    const void *p = (const char *)record + f->offset;
    switch (f->type) {
    case FIELD_TEXT:
        text_to_bson(doc, f->name, -1, *(const struct bytes *)p);
        break;
    case FIELD_INT:
        bson_append_int64(doc, f->name, -1, *(const int64_t *)p);
        break;
    case FIELD_TIME:
        bson_append_date_time(doc, f->name, -1, *(const int64_t *)p);
        break;
    case FIELD_BOOL:
        bson_append_bool(doc, f->name, -1, *(const bool *)p);
        break;
    case FIELD_DOUBLE:
        bson_append_double(doc, f->name, -1, *(const double *)p);
        break;
    case FIELD_ENUM:
        bson_append_utf8(doc, f->name, -1, f->names[*(const int *)p], -1);
        break;
    case FIELD_STRINGS:
        strings_to_bson(doc, f->name, p);
        break;
    case FIELD_INTS:
        ints_to_bson(doc, f->name, p);
        break;
    case FIELD_PAIRS:
        pairs_to_bson(doc, f->name, p);
        break;
    case FIELD_RECORD:
        record_to_bson(doc, f->name, f->shape, p, options);
        break;
    case FIELD_POINTER: {
        const void *inner;
        memcpy(&inner, p, sizeof inner);
        record_to_bson(doc, f->name, f->shape, inner, options);
        break;
    }
    case FIELD_LIST:
        list_to_bson(doc, f, record, options);
        break;
    }
}

void shape_to_bson(const struct shape *s, const void *record, unsigned options, bson_t *doc)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        if ((options & SHAPE_EXTERNAL) && (f->flags & FIELD_INTERNAL))
            continue;
        bool empty = shape_field_is_empty(f, record);
        if (empty && (options & SHAPE_COMPACT))
            continue;
        /* An empty list is a list; only what can be null is null. */
        if (empty && (f->flags & FIELD_NULLABLE))
            bson_append_null(doc, f->name, -1);
        else
            field_to_bson(doc, f, record, options);
    }
}

/* ---- reading ---- */

static struct bytes iter_text(const bson_iter_t *it)
{
    uint32_t len;
    const char *text = bson_iter_utf8(it, &len);
    return (struct bytes){text, len};
}

static bool iter_whole_number(const bson_iter_t *it, int64_t *out)
{
    if (BSON_ITER_HOLDS_INT64(it) || BSON_ITER_HOLDS_INT32(it)) {
        *out = bson_iter_as_int64(it);
        return true;
    }
    /* Scripts write whole numbers as doubles. */
    const double exact = 9007199254740992.0; /* 2^53 */
    double value = BSON_ITER_HOLDS_DOUBLE(it) ? bson_iter_double(it) : NAN;
    if (!(value >= -exact && value <= exact) || value != trunc(value))
        return false;
    *out = (int64_t)value;
    return true;
}

static size_t iter_count(const bson_iter_t *container)
{
    bson_iter_t it;
    size_t count = 0;
    if (bson_iter_recurse(container, &it))
        while (bson_iter_next(&it))
            count++;
    return count;
}

static void strings_from_bson(const bson_iter_t *value, struct arena *a, struct strings *out)
{
    bson_iter_t it;
    size_t count = iter_count(value);
    if (!BSON_ITER_HOLDS_ARRAY(value) || count == 0 || !bson_iter_recurse(value, &it))
        return;
    *out = (struct strings){arena_array(a, count, sizeof *out->items), 0};
    while (bson_iter_next(&it))
        if (BSON_ITER_HOLDS_UTF8(&it))
            out->items[out->count++] = arena_copy(a, iter_text(&it));
}

static void ints_from_bson(const bson_iter_t *value, struct arena *a, struct ints *out)
{
    bson_iter_t it;
    size_t count = iter_count(value);
    if (!BSON_ITER_HOLDS_ARRAY(value) || count == 0 || !bson_iter_recurse(value, &it))
        return;
    *out = (struct ints){arena_array(a, count, sizeof *out->items), 0};
    while (bson_iter_next(&it))
        if (iter_whole_number(&it, &out->items[out->count]))
            out->count++;
}

static void pairs_from_bson(const bson_iter_t *value, struct arena *a, struct pairs *out)
{
    bson_iter_t it;
    size_t count = iter_count(value);
    if (!BSON_ITER_HOLDS_DOCUMENT(value) || count == 0 || !bson_iter_recurse(value, &it))
        return;
    struct buf key;
    buf_init(&key);
    *out = (struct pairs){arena_array(a, count, sizeof *out->items), 0};
    while (bson_iter_next(&it)) {
        if (!BSON_ITER_HOLDS_UTF8(&it))
            continue;
        buf_clear(&key);
        unescape_key(bytes_of(bson_iter_key(&it)), &key);
        out->items[out->count++] = (struct pair){
            arena_copy(a, key.len ? buf_bytes(&key) : BYTES("")), arena_copy(a, iter_text(&it))};
    }
    buf_release(&key);
}

static void record_from_iter(
    const struct shape *s, const bson_iter_t *document, struct arena *a, void *record);

static void list_from_bson(const struct field *f, const bson_iter_t *value, struct arena *a, void *record)
{
    bson_iter_t it;
    size_t count = iter_count(value), used = 0;
    if (!BSON_ITER_HOLDS_ARRAY(value) || count == 0 || !bson_iter_recurse(value, &it))
        return;
    char *items = arena_array(a, count, f->shape->size);
    while (bson_iter_next(&it)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&it))
            continue;
        char *item = items + used++ * f->shape->size;
        shape_clear(f->shape, item);
        record_from_iter(f->shape, &it, a, item);
    }
    shape_list_set(f, record, (struct shape_list){items, used});
}

static void enum_from_bson(const struct field *f, const bson_iter_t *value, int *out)
{
    if (!BSON_ITER_HOLDS_UTF8(value))
        return;
    for (int i = 0; f->names[i]; i++)
        if (bytes_equal_text(iter_text(value), f->names[i]))
            *out = i;
}

static void field_from_bson(const struct field *f, const bson_iter_t *value, struct arena *a, void *record)
{
    void *p = (char *)record + f->offset;
    switch (f->type) {
    case FIELD_TEXT:
        if (BSON_ITER_HOLDS_UTF8(value))
            *(struct bytes *)p = arena_copy(a, iter_text(value));
        break;
    case FIELD_INT:
        iter_whole_number(value, p);
        break;
    case FIELD_TIME:
        if (BSON_ITER_HOLDS_DATE_TIME(value))
            *(int64_t *)p = bson_iter_date_time(value);
        break;
    case FIELD_BOOL:
        if (BSON_ITER_HOLDS_BOOL(value))
            *(bool *)p = bson_iter_bool(value);
        break;
    case FIELD_DOUBLE:
        if (BSON_ITER_HOLDS_NUMBER(value))
            *(double *)p = bson_iter_as_double(value);
        break;
    case FIELD_ENUM:
        enum_from_bson(f, value, p);
        break;
    case FIELD_STRINGS:
        strings_from_bson(value, a, p);
        break;
    case FIELD_INTS:
        ints_from_bson(value, a, p);
        break;
    case FIELD_PAIRS:
        pairs_from_bson(value, a, p);
        break;
    case FIELD_RECORD:
        if (BSON_ITER_HOLDS_DOCUMENT(value))
            record_from_iter(f->shape, value, a, p);
        break;
    case FIELD_POINTER: {
        if (!BSON_ITER_HOLDS_DOCUMENT(value))
            break;
        void *inner = arena_alloc(a, f->shape->whole ? f->shape->whole->size : f->shape->size);
        shape_clear(f->shape, inner);
        record_from_iter(f->shape, value, a, inner);
        memcpy(p, &inner, sizeof inner);
        break;
    }
    case FIELD_LIST:
        list_from_bson(f, value, a, record);
        break;
    }
}

/* record was cleared by the caller. The fields of our own documents stand in the shape's order, so the search
 * for the next one starts behind the last. */
static void fields_from_iter(const struct shape *s, bson_iter_t *it, struct arena *a, void *record)
{
    size_t next = 0;
    while (bson_iter_next(it)) {
        const char *key = bson_iter_key(it);
        for (size_t tried = 0; tried < s->count; tried++) {
            size_t i = (next + tried) % s->count;
            if (strcmp(key, s->fields[i].name) != 0)
                continue;
            field_from_bson(&s->fields[i], it, a, record);
            next = i + 1;
            break;
        }
    }
}

static void record_from_iter(
    const struct shape *s, const bson_iter_t *document, struct arena *a, void *record)
{
    bson_iter_t it;
    if (bson_iter_recurse(document, &it))
        fields_from_iter(s, &it, a, record);
}

void shape_from_bson(const struct shape *s, const bson_t *doc, struct arena *a, void *record)
{
    bson_iter_t it;
    shape_clear(s, record);
    if (bson_iter_init(&it, doc))
        fields_from_iter(s, &it, a, record);
}

/* ---- JSON for REST ---- */

static json_t *container_to_json(bson_iter_t *it, bool array, int depth);

/* NULL: left out. */
static json_t *value_to_json(const bson_iter_t *value, int depth)
{
    bson_iter_t inner;
    char text[BSON_DECIMAL128_STRING];
    /* The cast: driver's enum, of which only what documents hold is named here. */
    switch ((int)bson_iter_type(value)) {
    case BSON_TYPE_DOUBLE:
        return isfinite(bson_iter_double(value)) ? json_real(bson_iter_double(value)) : json_null();
    case BSON_TYPE_UTF8:
        return shape_text_json(iter_text(value));
    case BSON_TYPE_DOCUMENT:
        return bson_iter_recurse(value, &inner) ? container_to_json(&inner, false, depth + 1) : json_null();
    case BSON_TYPE_ARRAY:
        return bson_iter_recurse(value, &inner) ? container_to_json(&inner, true, depth + 1) : json_null();
    case BSON_TYPE_BINARY:
        return NULL;
    case BSON_TYPE_OID:
        bson_oid_to_string(bson_iter_oid(value), text);
        return json_string(text);
    case BSON_TYPE_BOOL:
        return json_boolean(bson_iter_bool(value));
    case BSON_TYPE_DATE_TIME:
        return json_string(clock_text(bson_iter_date_time(value), text));
    case BSON_TYPE_INT32:
        return json_integer(bson_iter_int32(value));
    case BSON_TYPE_INT64:
        return json_integer(bson_iter_int64(value));
    case BSON_TYPE_DECIMAL128: {
        bson_decimal128_t decimal;
        bson_iter_decimal128(value, &decimal);
        bson_decimal128_to_string(&decimal, text);
        return json_string(text);
    }
    }
    return json_null();
}

static json_t *container_to_json(bson_iter_t *it, bool array, int depth)
{
    if (depth > MAX_DEPTH)
        return json_null();
    json_t *out = array ? json_array() : json_object();
    struct buf key;
    buf_init(&key);
    while (bson_iter_next(it)) {
        json_t *value = value_to_json(it, depth);
        if (!value)
            continue;
        if (array) {
            json_array_append_new(out, value);
            continue;
        }
        buf_clear(&key);
        unescape_key(bytes_of(bson_iter_key(it)), &key);
        json_object_setn_new_nocheck(out, key.len ? key.data : "", key.len, value);
    }
    buf_release(&key);
    return out;
}

json_t *bson_to_json(const bson_t *doc)
{
    bson_iter_t it;
    return bson_iter_init(&it, doc) ? container_to_json(&it, false, 0) : json_object();
}
