/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape_schema: the Avro schema that a shape means, laid out for reading (schemas/ holds exactly this text
 * for the present version), and its section of the reference page.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/shape.h"

#define NAMESPACE "millrace.v1"
#define NAMED_MAX 64

/* Records that this schema has declared already: the next use is by name. */
struct writing {
    struct buf *out;
    const struct shape *declared[NAMED_MAX];
    size_t count;
};

static void add_json_text(struct buf *out, const char *text)
{
    json_t *value = json_string(text ? text : "");
    MUST(value);
    char *dump = json_dumps(value, JSON_ENCODE_ANY);
    MUST(dump);
    buf_add_text(out, dump);
    free(dump);
    json_decref(value);
}

static void new_line(struct writing *w, int indent)
{
    buf_printf(w->out, "\n%*s", indent, "");
}

static void write_record(struct writing *w, const struct shape *s, int indent);

static void write_named(struct writing *w, const struct shape *s, int indent)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->declared[i] == s) {
            buf_printf(w->out, "\"%s\"", s->name);
            return;
        }
    }
    write_record(w, s, indent + 4);
}

static void write_type(struct writing *w, const struct field *f, int indent)
{
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_ENUM: /* text, so that a new name is no new schema and an old reader says which name it does
                        not know */
        buf_add_text(w->out, "\"string\"");
        break;
    case FIELD_INT:
        buf_add_text(w->out, "\"long\"");
        break;
    case FIELD_TIME:
        buf_add_text(w->out, "{\"type\": \"long\", \"logicalType\": \"timestamp-millis\"}");
        break;
    case FIELD_BOOL:
        buf_add_text(w->out, "\"boolean\"");
        break;
    case FIELD_DOUBLE:
        buf_add_text(w->out, "\"double\"");
        break;
    case FIELD_STRINGS:
        buf_add_text(w->out, "{\"type\": \"array\", \"items\": \"string\"}");
        break;
    case FIELD_INTS:
        buf_add_text(w->out, "{\"type\": \"array\", \"items\": \"long\"}");
        break;
    case FIELD_PAIRS:
        buf_add_text(w->out, "{\"type\": \"map\", \"values\": \"string\"}");
        break;
    case FIELD_RECORD:
    case FIELD_POINTER:
        write_named(w, f->shape, indent);
        break;
    case FIELD_LIST:
        buf_add_text(w->out, "{\"type\": \"array\", \"items\": ");
        write_named(w, f->shape, indent);
        buf_add_text(w->out, "}");
        break;
    }
}

/* The default as JSON, NULL where the field must be given. */
static const char *default_text(const struct field *f)
{
    if (f->flags & FIELD_NULLABLE)
        return "null";
    if (!(f->flags & FIELD_OPTIONAL))
        return NULL;
    switch (f->type) {
    case FIELD_TEXT:
        return "\"\"";
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DOUBLE:
        return "0";
    case FIELD_BOOL:
        return "false";
    case FIELD_STRINGS:
    case FIELD_INTS:
    case FIELD_LIST:
        return "[]";
    case FIELD_PAIRS:
    case FIELD_RECORD: /* each field of the record has a default of its own */
        return "{}";
    case FIELD_ENUM:
    case FIELD_POINTER:
        break;
    }
    error_bug(__FILE__, __LINE__, "an optional enum or pointer: make it nullable");
}

static void write_field(struct writing *w, const struct field *f, int indent)
{
    buf_printf(w->out, "{\"name\": \"%s\", \"type\": ", f->name);
    bool nullable = f->flags & FIELD_NULLABLE;
    if (nullable)
        buf_add_text(w->out, "[\"null\", ");
    write_type(w, f, indent);
    if (nullable)
        buf_add_text(w->out, "]");
    const char *value = default_text(f);
    if (value)
        buf_printf(w->out, ", \"default\": %s", value);
    buf_add_text(w->out, ",");
    new_line(w, indent + 2);
    buf_add_text(w->out, "\"doc\": ");
    add_json_text(w->out, f->help);
    buf_add_text(w->out, "}");
}

static void write_record(struct writing *w, const struct shape *s, int indent)
{
    MUST(w->count < NAMED_MAX);
    bool root = w->count == 0;
    w->declared[w->count++] = s;
    buf_add_text(w->out, "{");
    new_line(w, indent + 2);
    buf_printf(w->out, "\"type\": \"record\", \"name\": \"%s\",", s->name);
    if (root)
        buf_add_text(w->out, " \"namespace\": \"" NAMESPACE "\",");
    new_line(w, indent + 2);
    buf_add_text(w->out, "\"doc\": ");
    add_json_text(w->out, s->help);
    buf_add_text(w->out, ",");
    new_line(w, indent + 2);
    buf_add_text(w->out, "\"fields\": [");
    for (size_t i = 0; i < s->count; i++) {
        new_line(w, indent + 4);
        write_field(w, &s->fields[i], indent + 4);
        if (i + 1 < s->count)
            buf_add_text(w->out, ",");
    }
    new_line(w, indent + 2);
    buf_add_text(w->out, "]");
    new_line(w, indent);
    buf_add_text(w->out, "}");
}

void shape_schema(const struct shape *s, struct buf *out)
{
    struct writing w = {.out = out};
    write_record(&w, s, 0);
    buf_add_text(out, "\n");
}

/* ---- the reference page ---- */

static void add_record_link(struct buf *out, const char *name)
{
    buf_printf(out, "[%s](#", name);
    for (const char *c = name; *c; c++)
        buf_add_char(out, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
    buf_add_text(out, ")");
}

static void add_type(struct buf *out, const struct field *f)
{
    switch (f->type) {
    case FIELD_TEXT:
        buf_add_text(out, "text");
        break;
    case FIELD_INT:
        buf_add_text(out, "whole number");
        break;
    case FIELD_TIME:
        buf_add_text(out, "time");
        break;
    case FIELD_BOOL:
        buf_add_text(out, "boolean");
        break;
    case FIELD_DOUBLE:
        buf_add_text(out, "number");
        break;
    case FIELD_ENUM:
        for (size_t i = 0; f->names[i]; i++)
            buf_printf(out, "%s`%s`", i ? ", " : "", f->names[i]);
        break;
    case FIELD_STRINGS:
        buf_add_text(out, "list of text");
        break;
    case FIELD_INTS:
        buf_add_text(out, "list of whole numbers");
        break;
    case FIELD_PAIRS:
        buf_add_text(out, "map of text");
        break;
    case FIELD_RECORD:
    case FIELD_POINTER:
        add_record_link(out, f->shape->name);
        break;
    case FIELD_LIST:
        buf_add_text(out, "list of ");
        add_record_link(out, f->shape->name);
        break;
    }
}

static void add_cell_text(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '|' || *c == '<' || *c == '*' || *c == '_')
            buf_add_char(out, '\\');
        buf_add_char(out, *c);
    }
}

void shape_markdown(const struct shape *s, struct buf *out)
{
    buf_printf(out, "## %s\n", s->name);
    add_cell_text(out, s->help);
    buf_add_text(out, "\n\n| field | type | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < s->count; i++) {
        const struct field *f = &s->fields[i];
        const char *value = default_text(f);
        buf_printf(out, "| `%s` | ", f->name);
        add_type(out, f);
        if (value)
            buf_printf(out, " | `%s` | ", value);
        else
            buf_add_text(out, " | must be given | ");
        add_cell_text(out, f->help);
        if (f->flags & FIELD_INTERNAL)
            buf_add_text(out, " (not by REST)");
        buf_add_text(out, " |\n");
    }
    buf_add_text(out, "\n");
}
