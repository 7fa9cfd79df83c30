/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape: what all forms of a described struct share: clearing, copying, asking whether a field has a value.
 * The forms themselves are elsewhere: shape_json.c, shape_schema.c (Avro schema, reference page),
 * shape_bson.c, codec.c.
 */
#include "core/shape.h"

#include <string.h>

static const void *at(const struct field *f, const void *record)
{
    return (const char *)record + f->offset;
}

static void *at_mutable(const struct field *f, void *record)
{
    return (char *)record + f->offset;
}

/* Lists are {T *items; size_t count} of many types T: they are read and written as bytes, not through a cast.
 */
struct shape_list shape_list_get(const struct field *f, const void *record)
{
    struct shape_list list;
    memcpy(&list, at(f, record), sizeof list);
    return list;
}

void shape_list_set(const struct field *f, void *record, struct shape_list list)
{
    memcpy(at_mutable(f, record), &list, sizeof list);
}

static const void *pointer_get(const struct field *f, const void *record)
{
    const void *p;
    memcpy(&p, at(f, record), sizeof p);
    return p;
}

bool field_problems_add(
    struct field_problems *problems, struct bytes field, const char *code, struct bytes detail)
{
    if (problems->count < SHAPE_PROBLEMS_MAX)
        problems->items[problems->count++] = (struct field_problem){field, code, detail};
    return false;
}

void shape_clear(const struct shape *s, void *record)
{
    if (s->whole)
        s = s->whole;
    memset(record, 0, s->size);
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        void *p = at_mutable(f, record);
        bool nullable = f->flags & FIELD_NULLABLE;
        switch (f->type) {
        case FIELD_TEXT:
            *(struct bytes *)p = nullable ? BYTES_NONE : BYTES("");
            break;
        case FIELD_INT:
        case FIELD_TIME:
            *(int64_t *)p = nullable ? NO_INT : 0;
            break;
        case FIELD_DOUBLE:
            *(double *)p = nullable ? NO_DOUBLE : 0;
            break;
        case FIELD_ENUM:
            *(int *)p = nullable ? NO_ENUM : 0;
            break;
        case FIELD_RECORD:
            shape_clear(f->shape, p);
            break;
        case FIELD_BOOL:
        case FIELD_STRINGS:
        case FIELD_INTS:
        case FIELD_PAIRS:
        case FIELD_POINTER:
        case FIELD_LIST:
            break; /* all zero */
        }
    }
}

static bool record_is_empty(const struct shape *s, const void *record)
{
    for (size_t i = 0; i < s->count; i++)
        if (!shape_field_is_empty(&s->fields[i], record))
            return false;
    return true;
}

bool shape_field_is_empty(const struct field *f, const void *record)
{
    const void *p = at(f, record);
    bool nullable = f->flags & FIELD_NULLABLE;
    switch (f->type) {
    case FIELD_TEXT: {
        const struct bytes *text = p;
        return nullable ? text->data == NULL : (f->flags & FIELD_OPTIONAL) && text->len == 0;
    }
    case FIELD_INT:
    case FIELD_TIME:
        return nullable && *(const int64_t *)p == NO_INT;
    case FIELD_DOUBLE:
        return nullable && *(const double *)p < 0;
    case FIELD_ENUM:
        return nullable && *(const int *)p == NO_ENUM;
    case FIELD_BOOL:
        return false;
    case FIELD_STRINGS:
        return ((const struct strings *)p)->count == 0;
    case FIELD_INTS:
        return ((const struct ints *)p)->count == 0;
    case FIELD_PAIRS:
        return ((const struct pairs *)p)->count == 0;
    case FIELD_RECORD:
        return record_is_empty(f->shape, p);
    case FIELD_POINTER:
        return pointer_get(f, record) == NULL;
    case FIELD_LIST:
        return shape_list_get(f, record).count == 0;
    }
    return false;
}

static void copy_record_list(const struct field *f, const void *from, void *to, struct arena *a)
{
    struct shape_list list = shape_list_get(f, from);
    char *items = list.count ? arena_array(a, list.count, f->shape->size) : NULL;
    for (size_t i = 0; i < list.count; i++)
        shape_copy(f->shape, (const char *)list.items + i * f->shape->size, items + i * f->shape->size, a);
    shape_list_set(f, to, (struct shape_list){items, list.count});
}

static struct bytes copy_text(struct arena *a, struct bytes text)
{
    return text.data ? arena_copy(a, text) : BYTES_NONE;
}

static struct strings copy_strings(struct arena *a, struct strings from)
{
    struct strings to = {from.count ? arena_array(a, from.count, sizeof *to.items) : NULL, from.count};
    for (size_t i = 0; i < from.count; i++)
        to.items[i] = copy_text(a, from.items[i]);
    return to;
}

static struct ints copy_ints(struct arena *a, struct ints from)
{
    struct ints to = {from.count ? arena_array(a, from.count, sizeof *to.items) : NULL, from.count};
    for (size_t i = 0; i < from.count; i++)
        to.items[i] = from.items[i];
    return to;
}

static struct pairs copy_pairs(struct arena *a, struct pairs from)
{
    struct pairs to = {from.count ? arena_array(a, from.count, sizeof *to.items) : NULL, from.count};
    for (size_t i = 0; i < from.count; i++)
        to.items[i] = (struct pair){copy_text(a, from.items[i].key), copy_text(a, from.items[i].value)};
    return to;
}

void shape_copy(const struct shape *s, const void *from, void *to, struct arena *a)
{
    /* Fields that this shape does not name (later parts of struct job) are left without a value. */
    shape_clear(s, to);
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        const void *p = at(f, from);
        void *q = at_mutable(f, to);
        switch (f->type) {
        case FIELD_TEXT:
            *(struct bytes *)q = copy_text(a, *(const struct bytes *)p);
            break;
        case FIELD_INT:
        case FIELD_TIME:
            *(int64_t *)q = *(const int64_t *)p;
            break;
        case FIELD_DOUBLE:
            *(double *)q = *(const double *)p;
            break;
        case FIELD_ENUM:
            *(int *)q = *(const int *)p;
            break;
        case FIELD_BOOL:
            *(bool *)q = *(const bool *)p;
            break;
        case FIELD_STRINGS:
            *(struct strings *)q = copy_strings(a, *(const struct strings *)p);
            break;
        case FIELD_INTS:
            *(struct ints *)q = copy_ints(a, *(const struct ints *)p);
            break;
        case FIELD_PAIRS:
            *(struct pairs *)q = copy_pairs(a, *(const struct pairs *)p);
            break;
        case FIELD_RECORD:
            shape_copy(f->shape, p, q, a);
            break;
        case FIELD_POINTER: {
            const void *inner = pointer_get(f, from);
            if (!inner)
                break;
            void *copy = arena_alloc(a, f->shape->size);
            shape_copy(f->shape, inner, copy, a);
            memcpy(q, &copy, sizeof copy);
            break;
        }
        case FIELD_LIST:
            copy_record_list(f, from, to, a);
            break;
        }
    }
}

void shape_repair_text(struct bytes text, struct buf *out)
{
    bool in_bad_run = false;
    while (text.len) {
        size_t good = bytes_utf8_valid_len(text);
        if (good) {
            buf_add(out, text.data, good);
            in_bad_run = false;
        } else {
            if (!in_bad_run)
                buf_add_text(out, "\xEF\xBF\xBD");
            in_bad_run = true;
            good = 1;
        }
        text = bytes_slice(text, good, text.len - good);
    }
}
