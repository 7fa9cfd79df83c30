/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec_value: see the header. Taking accepts what the Avro specification lets a reader promote (int to long,
 * float and whole numbers to double, bytes to string) and a union with null in any order, since a writer's
 * schema from a registry may be another team's reading of ours.
 */
#include "core/codec_value.h"

#include <stdlib.h>
#include <string.h>

/* ---- plans ---- */

#define NO_BRANCH (-1)

struct slot {
    const struct field *field;
    size_t index;        /* in the writer's record */
    int null_branch;     /* of the writer's union, or NO_BRANCH: most fields are null in most records */
    struct plan *nested; /* RECORD, POINTER, LIST: of the record inside; NULL: there is none, any value but
                            null is bad */
};

struct plan {
    const struct shape *shape;
    avro_schema_t writer;
    size_t count;
    struct slot slots[];
};

/* The record inside a field's schema: through links, unions (their first record or array) and arrays. */
static avro_schema_t record_inside(avro_schema_t schema)
{
    if (is_avro_link(schema))
        return record_inside(avro_schema_link_target(schema));
    if (is_avro_record(schema))
        return schema;
    if (is_avro_array(schema))
        return record_inside(avro_schema_array_items(schema));
    if (!is_avro_union(schema))
        return NULL;
    for (size_t i = 0; i < avro_schema_union_size(schema); i++) {
        avro_schema_t inside = record_inside(avro_schema_union_branch(schema, (int)i));
        if (inside)
            return inside;
    }
    return NULL;
}

static int null_branch(avro_schema_t schema)
{
    if (!is_avro_union(schema))
        return NO_BRANCH;
    for (size_t i = 0; i < avro_schema_union_size(schema); i++)
        if (is_avro_null(avro_schema_union_branch(schema, (int)i)))
            return (int)i;
    return NO_BRANCH;
}

struct plan *plan_new(const struct shape *s, avro_schema_t writer)
{
    struct plan *p = calloc(1, sizeof *p + s->count * sizeof p->slots[0]);
    MUST(p);
    p->shape = s;
    p->writer = writer;
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        int index = avro_schema_record_field_get_index(writer, f->name);
        if (index < 0)
            continue;
        struct slot *slot = &p->slots[p->count++];
        slot->field = f;
        slot->index = (size_t)index;
        avro_schema_t type = avro_schema_record_field_get_by_index(writer, index);
        slot->null_branch = null_branch(type);
        avro_schema_t inside = f->shape ? record_inside(type) : NULL;
        if (inside)
            slot->nested = plan_new(f->shape, inside);
    }
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        plan_free(p->slots[i].nested);
    free(p);
}

/* ---- taking ---- */

static bool bad_value(const struct field *f, const char *expected, struct error *e)
{
    return error_set(e, "bad_value", "field %s: expected %s", f->name, expected);
}

/* The value itself, or the present branch of a union. */
static bool unwrap(avro_value_t *value, avro_type_t *type)
{
    *type = avro_value_get_type(value);
    if (*type != AVRO_UNION)
        return true;
    avro_value_t branch;
    if (avro_value_get_current_branch(value, &branch) != 0)
        return false;
    *value = branch;
    *type = avro_value_get_type(value);
    return true;
}

/* Borrowed from the value. */
static bool peek_text(const avro_value_t *value, avro_type_t type, struct bytes *out)
{
    const void *data = NULL;
    const char *text = NULL;
    size_t size = 0;
    int symbol = 0;
    if (type == AVRO_STRING && avro_value_get_string(value, &text, &size) == 0) {
        *out = (struct bytes){text, size - 1}; /* avro-c counts the NUL at the end */
        return true;
    }
    if (type == AVRO_BYTES && avro_value_get_bytes(value, &data, &size) == 0) {
        *out = (struct bytes){size ? data : "", size};
        return bytes_is_utf8(*out);
    }
    if (type == AVRO_ENUM && avro_value_get_enum(value, &symbol) == 0) {
        *out = bytes_of(avro_schema_enum_get(avro_value_get_schema(value), symbol));
        return true;
    }
    return false;
}

static bool take_int(const avro_value_t *value, avro_type_t type, int64_t *out)
{
    int32_t small = 0;
    if (type == AVRO_INT64)
        return avro_value_get_long(value, out) == 0;
    if (type != AVRO_INT32 || avro_value_get_int(value, &small) != 0)
        return false;
    *out = small;
    return true;
}

static bool take_double(const avro_value_t *value, avro_type_t type, double *out)
{
    float single = 0;
    int64_t whole = 0;
    if (type == AVRO_DOUBLE)
        return avro_value_get_double(value, out) == 0;
    if (type == AVRO_FLOAT && avro_value_get_float(value, &single) == 0) {
        *out = (double)single;
        return true;
    }
    if (!take_int(value, type, &whole))
        return false;
    *out = (double)whole;
    return true;
}

static bool take_enum(
    const struct field *f, const avro_value_t *value, avro_type_t type, int *out, struct error *e)
{
    struct bytes text;
    if (!peek_text(value, type, &text))
        return bad_value(f, "text", e);
    for (int i = 0; f->names[i]; i++) {
        if (bytes_equal_text(text, f->names[i])) {
            *out = i;
            return true;
        }
    }
    return error_set(e, "bad_value", "field %s: \"%.*s\" is none of its names", f->name,
        (int)bytes_utf8_valid_len(bytes_slice(text, 0, 60)), text.data);
}

static bool take_strings(const struct field *f, const avro_value_t *value, avro_type_t type, struct arena *a,
    struct strings *out, struct error *e)
{
    size_t count = 0;
    if (type != AVRO_ARRAY || avro_value_get_size(value, &count) != 0)
        return bad_value(f, "an array", e);
    out->items = count ? arena_array(a, count, sizeof *out->items) : NULL;
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        avro_value_t item;
        avro_type_t item_type;
        struct bytes text;
        if (avro_value_get_by_index(value, i, &item, NULL) != 0 || !unwrap(&item, &item_type) ||
            !peek_text(&item, item_type, &text))
            return bad_value(f, "an array of text", e);
        out->items[i] = arena_copy(a, text);
    }
    return true;
}

static bool take_ints(const struct field *f, const avro_value_t *value, avro_type_t type, struct arena *a,
    struct ints *out, struct error *e)
{
    size_t count = 0;
    if (type != AVRO_ARRAY || avro_value_get_size(value, &count) != 0)
        return bad_value(f, "an array", e);
    out->items = count ? arena_array(a, count, sizeof *out->items) : NULL;
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        avro_value_t item;
        avro_type_t item_type;
        if (avro_value_get_by_index(value, i, &item, NULL) != 0 || !unwrap(&item, &item_type) ||
            !take_int(&item, item_type, &out->items[i]))
            return bad_value(f, "an array of longs", e);
    }
    return true;
}

static bool take_pairs(const struct field *f, const avro_value_t *value, avro_type_t type, struct arena *a,
    struct pairs *out, struct error *e)
{
    size_t count = 0;
    if (type != AVRO_MAP || avro_value_get_size(value, &count) != 0)
        return bad_value(f, "a map", e);
    out->items = count ? arena_array(a, count, sizeof *out->items) : NULL;
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        avro_value_t item;
        avro_type_t item_type;
        struct bytes text;
        const char *key = NULL;
        if (avro_value_get_by_index(value, i, &item, &key) != 0 || !unwrap(&item, &item_type) ||
            !peek_text(&item, item_type, &text))
            return bad_value(f, "a map of text", e);
        out->items[i] = (struct pair){arena_copy(a, bytes_of(key)), arena_copy(a, text)};
    }
    return true;
}

/* record_inside() chose the first record of a union: another one is not for us. */
static bool is_of_plan(const struct slot *slot, avro_value_t *value, avro_type_t type)
{
    return type == AVRO_RECORD && slot->nested && avro_value_get_schema(value) == slot->nested->writer;
}

static bool take_list(const struct slot *slot, const avro_value_t *value, avro_type_t type, struct arena *a,
    void *record, struct error *e)
{
    const struct field *f = slot->field;
    size_t count = 0;
    if (type != AVRO_ARRAY || avro_value_get_size(value, &count) != 0)
        return bad_value(f, "an array", e);
    char *items = count ? arena_array(a, count, f->shape->size) : NULL;
    for (size_t i = 0; i < count; i++) {
        avro_value_t item;
        avro_type_t item_type;
        if (avro_value_get_by_index(value, i, &item, NULL) != 0 || !unwrap(&item, &item_type) ||
            !is_of_plan(slot, &item, item_type))
            return bad_value(f, "an array of records", e);
        shape_clear(f->shape, items + i * f->shape->size);
        if (!plan_take(slot->nested, &item, a, items + i * f->shape->size, e))
            return false;
    }
    shape_list_set(f, record, (struct shape_list){items, count});
    return true;
}

static bool take_pointer(
    const struct slot *slot, const avro_value_t *value, struct arena *a, void *out, struct error *e)
{
    void *inner = arena_alloc(a, slot->field->shape->size);
    shape_clear(slot->field->shape, inner);
    memcpy(out, &inner, sizeof inner);
    return plan_take(slot->nested, value, a, inner, e);
}

static bool take_field(
    const struct slot *slot, avro_value_t value, struct arena *a, void *record, struct error *e)
{
    const struct field *f = slot->field;
    void *out = (char *)record + f->offset;
    avro_type_t type;
    int branch = NO_BRANCH;
    if (slot->null_branch != NO_BRANCH && avro_value_get_discriminant(&value, &branch) == 0 &&
        branch == slot->null_branch)
        return true;
    if (!unwrap(&value, &type))
        return bad_value(f, "a union with a value", e);
    if (type == AVRO_NULL)
        return true;
    switch (f->type) {
    case FIELD_TEXT: {
        struct bytes text;
        if (!peek_text(&value, type, &text))
            return bad_value(f, "text", e);
        *(struct bytes *)out = arena_copy(a, text);
        return true;
    }
    case FIELD_INT:
    case FIELD_TIME:
        return take_int(&value, type, out) || bad_value(f, "a long", e);
    case FIELD_DOUBLE:
        return take_double(&value, type, out) || bad_value(f, "a double", e);
    case FIELD_BOOL: {
        int truth = 0;
        if (type != AVRO_BOOLEAN || avro_value_get_boolean(&value, &truth) != 0)
            return bad_value(f, "a boolean", e);
        *(bool *)out = truth != 0;
        return true;
    }
    case FIELD_ENUM:
        return take_enum(f, &value, type, out, e);
    case FIELD_STRINGS:
        return take_strings(f, &value, type, a, out, e);
    case FIELD_INTS:
        return take_ints(f, &value, type, a, out, e);
    case FIELD_PAIRS:
        return take_pairs(f, &value, type, a, out, e);
    case FIELD_RECORD:
        if (!is_of_plan(slot, &value, type))
            return bad_value(f, "a record", e);
        return plan_take(slot->nested, &value, a, out, e);
    case FIELD_POINTER:
        if (!is_of_plan(slot, &value, type))
            return bad_value(f, "a record", e);
        return take_pointer(slot, &value, a, out, e);
    case FIELD_LIST:
        return take_list(slot, &value, type, a, record, e);
    }
    return false;
}

bool plan_take(
    const struct plan *p, const avro_value_t *value, struct arena *a, void *record, struct error *e)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct slot *slot = &p->slots[i];
        avro_value_t field;
        if (avro_value_get_by_index(value, slot->index, &field, NULL) != 0)
            return bad_value(slot->field, "a value", e);
        if (!take_field(slot, field, a, record, e))
            return false;
    }
    return true;
}

/* ---- filling ---- */

/* Setters fail only for a schema that does not fit the shape (the codec compared them) or without memory. */
#define OK(call) MUST((call) == 0)

static struct bytes valid_text(struct bytes text, struct arena *scratch)
{
    if (bytes_is_utf8(text))
        return text.data ? text : BYTES("");
    struct buf repaired;
    buf_init(&repaired);
    shape_repair_text(text, &repaired);
    text = arena_copy(scratch, buf_bytes(&repaired));
    buf_release(&repaired);
    return text;
}

/* Borrows the text. avro-c counts a NUL at the end, but never reads it. */
static void set_text(avro_value_t *value, struct bytes text, struct arena *scratch)
{
    avro_wrapped_buffer_t wrapped;
    text = valid_text(text, scratch);
    OK(avro_wrapped_buffer_new(&wrapped, text.data, text.len + 1));
    OK(avro_value_give_string_len(value, &wrapped));
}

/* A map's key is a C string in avro-c, and a NUL byte would end it. Readers of records refuse such keys; one
 * that comes from elsewhere is written with '?'. */
static const char *key_text(struct bytes key, struct arena *scratch)
{
    struct bytes valid = valid_text(key, scratch);
    char *text = arena_text(scratch, valid);
    for (size_t i = 0; i < valid.len; i++)
        if (text[i] == '\0')
            text[i] = '?';
    return text;
}

static void fill_strings(const struct strings *strings, avro_value_t *value, struct arena *scratch)
{
    for (size_t i = 0; i < strings->count; i++) {
        avro_value_t item;
        OK(avro_value_append(value, &item, NULL));
        set_text(&item, strings->items[i], scratch);
    }
}

static void fill_ints(const struct ints *ints, avro_value_t *value)
{
    for (size_t i = 0; i < ints->count; i++) {
        avro_value_t item;
        OK(avro_value_append(value, &item, NULL));
        OK(avro_value_set_long(&item, ints->items[i]));
    }
}

static void fill_pairs(const struct pairs *pairs, avro_value_t *value, struct arena *scratch)
{
    for (size_t i = 0; i < pairs->count; i++) {
        avro_value_t item;
        OK(avro_value_add(value, key_text(pairs->items[i].key, scratch), &item, NULL, NULL));
        set_text(&item, pairs->items[i].value, scratch);
    }
}

static void fill_list(const struct field *f, const void *record, avro_value_t *value, struct arena *scratch)
{
    struct shape_list list = shape_list_get(f, record);
    for (size_t i = 0; i < list.count; i++) {
        avro_value_t item;
        OK(avro_value_append(value, &item, NULL));
        value_fill(f->shape, (const char *)list.items + i * f->shape->size, &item, scratch);
    }
}

static const char *enum_name(const struct field *f, int value)
{
    MUST(value >= 0);
    for (int i = 0; i < value; i++)
        MUST(f->names[i]);
    MUST(f->names[value]);
    return f->names[value];
}

static void fill_field(const struct field *f, const void *record, avro_value_t *value, struct arena *scratch)
{
    const void *p = (const char *)record + f->offset;
    switch (f->type) {
    case FIELD_TEXT:
        set_text(value, *(const struct bytes *)p, scratch);
        break;
    case FIELD_INT:
    case FIELD_TIME:
        OK(avro_value_set_long(value, *(const int64_t *)p));
        break;
    case FIELD_DOUBLE:
        OK(avro_value_set_double(value, *(const double *)p));
        break;
    case FIELD_BOOL:
        OK(avro_value_set_boolean(value, *(const bool *)p));
        break;
    case FIELD_ENUM:
        set_text(value, bytes_of(enum_name(f, *(const int *)p)), scratch);
        break;
    case FIELD_STRINGS:
        fill_strings(p, value, scratch);
        break;
    case FIELD_INTS:
        fill_ints(p, value);
        break;
    case FIELD_PAIRS:
        fill_pairs(p, value, scratch);
        break;
    case FIELD_RECORD:
        value_fill(f->shape, p, value, scratch);
        break;
    case FIELD_POINTER: {
        const void *inner;
        memcpy(&inner, p, sizeof inner);
        value_fill(f->shape, inner, value, scratch);
        break;
    }
    case FIELD_LIST:
        fill_list(f, record, value, scratch);
        break;
    }
}

void value_fill(const struct shape *s, const void *record, avro_value_t *value, struct arena *scratch)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        avro_value_t field;
        OK(avro_value_get_by_index(value, i, &field, NULL));
        if (f->flags & FIELD_NULLABLE) {
            bool empty = shape_field_is_empty(f, record);
            avro_value_t branch;
            OK(avro_value_set_branch(&field, empty ? 0 : 1, &branch));
            if (empty) {
                OK(avro_value_set_null(&branch));
                continue;
            }
            field = branch;
        }
        fill_field(f, record, &field, scratch);
    }
}
