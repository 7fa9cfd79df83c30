/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape_json: a struct described by a shape <-> a JSON object (jansson).
 *
 * Reading collects all problems (up to SHAPE_PROBLEMS_MAX), each with the path of its field, so that a user
 * can correct them in one go. Writing never fails.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/shape.h"

/* ---- writing ---- */

json_t *shape_text_json(struct bytes text)
{
    json_t *value = NULL;
    if (text.len == 0) {
        value = json_string("");
    } else if (bytes_is_utf8(text)) {
        value = json_stringn_nocheck(text.data, text.len);
    } else {
        struct buf repaired;
        buf_init(&repaired);
        shape_repair_text(text, &repaired);
        value = json_stringn_nocheck(repaired.data, repaired.len);
        buf_release(&repaired);
    }
    MUST(value);
    return value;
}

static json_t *text_to_json(struct bytes text)
{
    return text.data ? shape_text_json(text) : json_null();
}

json_t *field_problems_json(const struct field_problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < problems->count; i++) {
        const struct field_problem *p = &problems->items[i];
        json_t *item = json_object();
        json_object_set_new(item, "field", shape_text_json(p->field));
        json_object_set_new(item, "code", json_string(p->code));
        json_object_set_new(item, "detail", shape_text_json(p->detail));
        json_array_append_new(list, item);
    }
    return list;
}

/* Years 0 to 9999 have an RFC 3339 form; other times, which only a broken producer sends, stay numbers. */
#define TIME_TEXT_MIN (-62167219200000)
#define TIME_TEXT_MAX 253402300799999

static json_t *time_to_json(int64_t utc_ms)
{
    if (utc_ms < TIME_TEXT_MIN || utc_ms > TIME_TEXT_MAX)
        return json_integer(utc_ms);
    char text[CLOCK_TEXT_SIZE];
    return json_string(clock_text(utc_ms, text));
}

static json_t *strings_to_json(const struct strings *strings)
{
    json_t *array = json_array();
    for (size_t i = 0; i < strings->count; i++)
        json_array_append_new(array, text_to_json(strings->items[i]));
    return array;
}

static json_t *ints_to_json(const struct ints *ints)
{
    json_t *array = json_array();
    for (size_t i = 0; i < ints->count; i++)
        json_array_append_new(array, json_integer(ints->items[i]));
    return array;
}

static json_t *pairs_to_json(const struct pairs *pairs)
{
    json_t *object = json_object();
    struct buf key;
    buf_init(&key);
    for (size_t i = 0; i < pairs->count; i++) {
        buf_clear(&key);
        shape_repair_text(pairs->items[i].key, &key);
        json_object_setn_new_nocheck(
            object, key.data ? key.data : "", key.len, text_to_json(pairs->items[i].value));
    }
    buf_release(&key);
    return object;
}

static json_t *list_to_json(const struct field *f, const void *record, unsigned options)
{
    json_t *array = json_array();
    struct shape_list list = shape_list_get(f, record);
    for (size_t i = 0; i < list.count; i++) {
        const void *item = (const char *)list.items + i * f->shape->size;
        json_array_append_new(array, shape_to_json(f->shape, item, options));
    }
    return array;
}

static json_t *field_to_json(const struct field *f, const void *record, unsigned options)
{
    const void *p = (const char *)record + f->offset;
    switch (f->type) {
    case FIELD_TEXT:
        return text_to_json(*(const struct bytes *)p);
    case FIELD_INT:
        return json_integer(*(const int64_t *)p);
    case FIELD_TIME:
        return time_to_json(*(const int64_t *)p);
    case FIELD_BOOL:
        return json_boolean(*(const bool *)p);
    case FIELD_DOUBLE: {
        double value = *(const double *)p;
        return isfinite(value) ? json_real(value) : json_null();
    }
    case FIELD_ENUM:
        return json_string(f->names[*(const int *)p]);
    case FIELD_STRINGS:
        return strings_to_json(p);
    case FIELD_INTS:
        return ints_to_json(p);
    case FIELD_PAIRS:
        return pairs_to_json(p);
    case FIELD_RECORD:
        return shape_to_json(f->shape, p, options);
    case FIELD_POINTER: {
        const void *inner;
        memcpy(&inner, p, sizeof inner);
        return shape_to_json(f->shape, inner, options);
    }
    case FIELD_LIST:
        return list_to_json(f, record, options);
    }
    return json_null();
}

/* Null is told only by types that can be null: an empty list is a list. */
static bool is_null(const struct field *f, const void *record)
{
    return (f->flags & FIELD_NULLABLE) && shape_field_is_empty(f, record);
}

json_t *shape_to_json(const struct shape *s, const void *record, unsigned options)
{
    json_t *object = json_object();
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        if ((options & SHAPE_EXTERNAL) && (f->flags & FIELD_INTERNAL))
            continue;
        if ((options & SHAPE_COMPACT) && shape_field_is_empty(f, record))
            continue;
        json_t *value = is_null(f, record) ? json_null() : field_to_json(f, record, options);
        json_object_set_new_nocheck(object, f->name, value);
    }
    return object;
}

/* ---- reading ---- */

/* Where we are, for the text of a problem: a chain on the stack from the root to the field. */
struct place {
    const struct place *parent;
    const char *name; /* NULL: an index */
    size_t name_len;
    size_t index;
};

struct reading {
    unsigned options;
    struct arena *a;
    struct field_problems *problems;
    bool failed;
};

#define PLACE_NAME_MAX 80 /* of a name that the sender chose */

static void place_text(const struct place *p, struct buf *out)
{
    if (p->parent)
        place_text(p->parent, out);
    if (!p->name) {
        buf_printf(out, "[%zu]", p->index);
        return;
    }
    if (out->len)
        buf_add_char(out, '.');
    struct bytes name = {p->name, p->name_len};
    bool cut = name.len > PLACE_NAME_MAX;
    if (cut)
        name.len = bytes_utf8_valid_len(bytes_slice(name, 0, PLACE_NAME_MAX));
    buf_add_bytes(out, name);
    if (cut)
        buf_add_text(out, "...");
}

__attribute__((format(printf, 4, 5))) static bool problem(
    struct reading *r, const struct place *where, const char *code, const char *format, ...)
{
    r->failed = true;
    if (r->problems->count == SHAPE_PROBLEMS_MAX)
        return false;
    struct field_problem *p = &r->problems->items[r->problems->count++];
    p->code = code;
    struct buf text;
    buf_init(&text);
    place_text(where, &text);
    p->field = arena_copy(r->a, buf_bytes(&text));
    buf_release(&text);
    char detail[512];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    struct bytes whole = bytes_of(detail);
    whole.len = bytes_utf8_valid_len(whole);
    p->detail = arena_copy(r->a, whole);
    return false;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

static bool wrong_type(
    struct reading *r, const struct place *where, const char *expected, const json_t *value)
{
    return problem(r, where, "wrong_type", "expected %s, got %s", expected, type_name(value));
}

static bool read_text(struct reading *r, const struct place *where, const json_t *value, struct bytes *out)
{
    if (!json_is_string(value))
        return wrong_type(r, where, "text", value);
    struct bytes text = {json_string_value(value), json_string_length(value)};
    if (!bytes_is_utf8(text))
        return problem(r, where, "bad_utf8", "byte %zu is not UTF-8", bytes_utf8_valid_len(text));
    if (!(r->options & SHAPE_NUL) && text.len && memchr(text.data, '\0', text.len))
        return problem(r, where, "nul_byte", "text must not hold NUL bytes");
    *out = arena_copy(r->a, text);
    return true;
}

/* 3600000 and 3.6e6 are the same number; 0.5 is none here. */
static bool read_int(struct reading *r, const struct place *where, const json_t *value, int64_t *out)
{
    const double exact = 9007199254740992.0; /* 2^53 */
    if (json_is_real(value)) {
        double real = json_real_value(value);
        if (!(real >= -exact && real <= exact) || real != (double)(int64_t)real)
            return problem(r, where, "bad_value", "expected a whole number, got %.17g", real);
        *out = (int64_t)real;
        return true;
    }
    if (!json_is_integer(value))
        return wrong_type(r, where, "a whole number", value);
    if (json_integer_value(value) == NO_INT)
        return problem(r, where, "bad_value", "the number is out of range");
    *out = json_integer_value(value);
    return true;
}

static bool read_time(struct reading *r, const struct place *where, const json_t *value, int64_t *out)
{
    if (json_is_number(value))
        return read_int(r, where, value, out);
    if (!json_is_string(value))
        return wrong_type(r, where, "a time (RFC 3339 text, or UTC milliseconds)", value);
    struct bytes text = {json_string_value(value), json_string_length(value)};
    if (!clock_parse(text, out))
        return problem(r, where, "bad_value", "expected a time such as 2026-01-31T08:30:00Z");
    return true;
}

static bool read_enum(
    struct reading *r, const struct field *f, const struct place *where, const json_t *value, int *out)
{
    if (!json_is_string(value))
        return wrong_type(r, where, "text", value);
    struct bytes text = {json_string_value(value), json_string_length(value)};
    struct buf names;
    buf_init(&names);
    for (int i = 0; f->names[i]; i++) {
        if (bytes_equal_text(text, f->names[i])) {
            buf_release(&names);
            *out = i;
            return true;
        }
        buf_printf(&names, "%s%s", i ? ", " : "", f->names[i]);
    }
    problem(r, where, "bad_value", "expected one of %.*s", BYTES_ARG(buf_bytes(&names)));
    buf_release(&names);
    return false;
}

static void read_strings(
    struct reading *r, const struct place *where, const json_t *value, struct strings *out)
{
    if (!json_is_array(value)) {
        wrong_type(r, where, "an array of text", value);
        return;
    }
    out->count = json_array_size(value);
    out->items = out->count ? arena_array(r->a, out->count, sizeof *out->items) : NULL;
    for (size_t i = 0; i < out->count; i++) {
        struct place item = {.parent = where, .index = i};
        out->items[i] = BYTES("");
        read_text(r, &item, json_array_get(value, i), &out->items[i]);
    }
}

static void read_ints(struct reading *r, const struct place *where, const json_t *value, struct ints *out)
{
    if (!json_is_array(value)) {
        wrong_type(r, where, "an array of whole numbers", value);
        return;
    }
    out->count = json_array_size(value);
    out->items = out->count ? arena_array(r->a, out->count, sizeof *out->items) : NULL;
    for (size_t i = 0; i < out->count; i++) {
        struct place item = {.parent = where, .index = i};
        read_int(r, &item, json_array_get(value, i), &out->items[i]);
    }
}

/* The shortest decimal that reads back as the same number: 0.1, not 0.10000000000000001. */
static struct bytes real_text(struct arena *a, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return arena_copy(a, bytes_of(text));
}

static bool read_pair_value(
    struct reading *r, const struct place *where, const json_t *value, struct bytes *out)
{
    if (json_is_integer(value))
        *out = arena_printf(r->a, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        *out = real_text(r->a, json_real_value(value));
    else if (json_is_boolean(value))
        *out = json_is_true(value) ? BYTES("true") : BYTES("false");
    else if (json_is_string(value))
        return read_text(r, where, value, out);
    else
        return wrong_type(r, where, "text, a number or a boolean", value);
    return true;
}

static void read_pairs(struct reading *r, const struct place *where, const json_t *value, struct pairs *out)
{
    if (!json_is_object(value)) {
        wrong_type(r, where, "an object of text", value);
        return;
    }
    size_t count = json_object_size(value);
    out->items = count ? arena_array(r->a, count, sizeof *out->items) : NULL;
    const char *key;
    size_t key_len;
    const json_t *item;
    /* jansson's iterator takes a pointer to non-const, and changes nothing */
    json_t *object = json_incref((json_t *)(uintptr_t)value);
    json_object_keylen_foreach(object, key, key_len, item)
    {
        struct place entry = {.parent = where, .name = key, .name_len = key_len};
        struct pair *pair = &out->items[out->count++];
        pair->key = arena_copy(r->a, (struct bytes){key, key_len});
        pair->value = BYTES("");
        read_pair_value(r, &entry, item, &pair->value);
    }
    json_decref(object);
}

static void read_object(
    struct reading *r, const struct shape *s, const struct place *where, const json_t *object, void *record);

static void read_record(
    struct reading *r, const struct field *f, const struct place *where, const json_t *value, void *record)
{
    if (json_is_object(value))
        read_object(r, f->shape, where, value, record);
    else
        wrong_type(r, where, "an object", value);
}

static void read_list(
    struct reading *r, const struct field *f, const struct place *where, const json_t *value, void *record)
{
    if (!json_is_array(value)) {
        wrong_type(r, where, "an array of objects", value);
        return;
    }
    size_t count = json_array_size(value);
    char *items = count ? arena_array(r->a, count, f->shape->size) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct place item = {.parent = where, .index = i};
        shape_clear(f->shape, items + i * f->shape->size);
        read_record(r, f, &item, json_array_get(value, i), items + i * f->shape->size);
    }
    shape_list_set(f, record, (struct shape_list){items, count});
}

static void read_field(
    struct reading *r, const struct field *f, const struct place *where, const json_t *value, void *record)
{
    void *p = (char *)record + f->offset;
    switch (f->type) {
    case FIELD_TEXT:
        read_text(r, where, value, p);
        break;
    case FIELD_INT:
        read_int(r, where, value, p);
        break;
    case FIELD_TIME:
        read_time(r, where, value, p);
        break;
    case FIELD_BOOL:
        if (json_is_boolean(value))
            *(bool *)p = json_is_true(value);
        else
            wrong_type(r, where, "a boolean", value);
        break;
    case FIELD_DOUBLE:
        if (json_is_number(value))
            *(double *)p = json_number_value(value);
        else
            wrong_type(r, where, "a number", value);
        break;
    case FIELD_ENUM:
        read_enum(r, f, where, value, p);
        break;
    case FIELD_STRINGS:
        read_strings(r, where, value, p);
        break;
    case FIELD_INTS:
        read_ints(r, where, value, p);
        break;
    case FIELD_PAIRS:
        read_pairs(r, where, value, p);
        break;
    case FIELD_RECORD:
        read_record(r, f, where, value, p);
        break;
    case FIELD_POINTER: {
        void *inner = arena_alloc(r->a, f->shape->size);
        shape_clear(f->shape, inner);
        read_record(r, f, where, value, inner);
        memcpy(p, &inner, sizeof inner);
        break;
    }
    case FIELD_LIST:
        read_list(r, f, where, value, record);
        break;
    }
}

static const struct field *find_field(const struct shape *s, struct bytes name)
{
    for (size_t i = 0; i < s->count; i++)
        if (bytes_equal_text(name, s->fields[i].name))
            return &s->fields[i];
    return NULL;
}

static void refuse_unknown(
    struct reading *r, const struct shape *s, const struct place *where, const json_t *object)
{
    const char *key;
    size_t key_len;
    const json_t *value;
    json_t *borrowed = json_incref((json_t *)(uintptr_t)object);
    json_object_keylen_foreach(borrowed, key, key_len, value)
    {
        struct place entry = {.parent = where, .name = key, .name_len = key_len};
        const struct field *f = find_field(s, (struct bytes){key, key_len});
        if (!f)
            problem(r, &entry, "unknown_field", "there is no such field");
        else if (f->flags & FIELD_INTERNAL)
            problem(r, &entry, "unknown_field", "only the server sets this field");
    }
    json_decref(borrowed);
}

/* record was cleared by the caller. */
static void read_object(
    struct reading *r, const struct shape *s, const struct place *where, const json_t *object, void *record)
{
    bool strict = r->options & SHAPE_STRICT;
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        if (strict && (f->flags & FIELD_INTERNAL))
            continue;
        struct place here = {.parent = where, .name = f->name, .name_len = strlen(f->name)};
        const json_t *value = json_object_get(object, f->name);
        if (value && !json_is_null(value))
            read_field(r, f, &here, value, record);
        else if (strict && !(f->flags & (FIELD_NULLABLE | FIELD_OPTIONAL)))
            problem(r, &here, "missing", "this field must be given");
    }
    if (strict)
        refuse_unknown(r, s, where, object);
}

bool shape_from_json(const struct shape *s, const json_t *object, unsigned options, struct arena *a,
    void *record, struct field_problems *problems)
{
    struct reading r = {.options = options, .a = a, .problems = problems};
    problems->count = 0;
    shape_clear(s, record);
    if (!json_is_object(object)) {
        struct place root = {.name = "", .name_len = 0};
        return wrong_type(&r, &root, "an object", object);
    }
    read_object(&r, s, NULL, object, record);
    return !r.failed;
}
