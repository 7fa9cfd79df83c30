/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape: a C struct described as a table of fields, so that one row serves every form of it: Avro record
 * (core/codec.h), JSON object (REST, CLI, engine protocol), BSON document (MongoDB), and the reference page.
 *
 * Field names are the same in all forms. Missing fields get the row's default. Readers take fields by name and
 * ignore unknown ones, except shape_from_json with SHAPE_STRICT, which names them.
 */
#ifndef MILLRACE_CORE_SHAPE_H
#define MILLRACE_CORE_SHAPE_H

#include <jansson.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/error.h"

#define NO_INT INT64_MIN /* an int64_t field without a value */
#define NO_ENUM (-1)     /* an enum field without a value */
#define NO_DOUBLE (-1.0) /* a nullable double without a value: any negative number */

struct pair {
    struct bytes key, value;
};
struct pairs {
    struct pair *items;
    size_t count;
};
struct strings {
    struct bytes *items;
    size_t count;
};
struct ints {
    int64_t *items;
    size_t count;
};

enum field_type {
    FIELD_TEXT, /* struct bytes; UTF-8 */
    FIELD_INT,  /* int64_t */
    FIELD_TIME, /* int64_t UTC ms; Avro timestamp-millis, RFC 3339 text in JSON (a number of ms is accepted), BSON date */
    FIELD_BOOL,    /* bool */
    FIELD_DOUBLE,  /* double */
    FIELD_ENUM,    /* int; a string in every outer form, one of `names` */
    FIELD_STRINGS, /* struct strings */
    FIELD_INTS,    /* struct ints; Avro array<long> */
    FIELD_PAIRS, /* struct pairs; Avro map<string>, JSON object of strings (numbers and booleans are taken as their text) */
    FIELD_RECORD,  /* the struct itself, inline, described by `shape` */
    FIELD_POINTER, /* pointer to a struct described by `shape`, NULL is null */
    FIELD_LIST     /* {items, count} of structs described by `shape` */
};

enum field_flags {
    FIELD_NULLABLE =
        1, /* Avro ["null", T] default null; BYTES_NONE, NO_INT, NO_ENUM, NO_DOUBLE or NULL in C */
    FIELD_INTERNAL = 2, /* not part of what a REST client may send or sees */
    FIELD_OPTIONAL = 4  /* has a default in Avro that is not null: "", 0, false, {}, [] */
};

struct shape;
struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
    size_t offset;
    const struct shape *shape; /* RECORD, POINTER, LIST */
    const char *const *names;  /* ENUM, NULL-terminated */
    const char *help;          /* one line for the reference page */
};

struct shape {
    const char *name; /* "JobSubmitted" */
    size_t size;      /* of the struct */
    const struct field *fields;
    size_t count;
    const char *help;
    /* Where several shapes see parts of one struct: the one that names all fields, for clearing. NULL: this one. */
    const struct shape *whole;
};

/* Sets every field to "no value" (null where nullable, else empty or 0). */
void shape_clear(const struct shape *s, void *record);

enum shape_options {
    SHAPE_STRICT = 1,   /* from_json: unknown and internal fields are errors */
    SHAPE_COMPACT = 2,  /* to_json: leave out fields without a value, and empty lists and maps */
    SHAPE_EXTERNAL = 4, /* to_json: leave out internal fields */
    SHAPE_NUL = 8       /* from_json: text may hold NUL bytes; the caller refuses them */
};

struct field_problem {
    struct bytes field;  /* "limits.run_timeout_ms", "variables.day", "parts[2].code" */
    const char *code;    /* unknown_field, wrong_type, missing, bad_utf8, nul_byte, bad_value, too_long */
    struct bytes detail; /* what was expected and what came */
};
#define SHAPE_PROBLEMS_MAX 20
struct field_problems {
    struct field_problem items[SHAPE_PROBLEMS_MAX];
    size_t count; /* further ones are dropped */
};
/* Always false, for callers that return it. Texts are borrowed. */
bool field_problems_add(
    struct field_problems *problems, struct bytes field, const char *code, struct bytes detail);

/* [{"field", "code", "detail"}, ...]: a new reference. */
json_t *field_problems_json(const struct field_problems *problems);
/* A JSON text, never NULL: each run of bytes that is no UTF-8 is shown as U+FFFD. BYTES_NONE is an empty one. A new reference. */
json_t *shape_text_json(struct bytes text);

/* Fills record (cleared first) from a JSON object (decoded with JSON_ALLOW_NUL, or NUL bytes are bad JSON); JSON null is the
 * same as a missing field; strings are copied into the arena. False: `problems` says why; a
 * field that is neither nullable nor optional and missing is a problem only with SHAPE_STRICT. */
bool shape_from_json(const struct shape *s, const json_t *object, unsigned options, struct arena *a,
    void *record, struct field_problems *problems);
/* A new reference. Never NULL: text that is not UTF-8 is shown with U+FFFD in the bad places. */
json_t *shape_to_json(const struct shape *s, const void *record, unsigned options);

/* A deep copy within the arena. */
void shape_copy(const struct shape *s, const void *from, void *to, struct arena *a);

/* Has the field no value? Also: an optional text that is empty, an empty list or map, a record whose fields are all so. */
bool shape_field_is_empty(const struct field *f, const void *record);
/* A FIELD_LIST seen without its type: items are count structs of f->shape->size bytes. */
struct shape_list {
    void *items;
    size_t count;
};
struct shape_list shape_list_get(const struct field *f, const void *record);
void shape_list_set(const struct field *f, void *record, struct shape_list list);
/* Appends text; each run of bytes that is no UTF-8 becomes one U+FFFD. */
void shape_repair_text(struct bytes text, struct buf *out);

/* The Avro schema (JSON text) that this shape means; schemas/<name>.avsc must have the same canonical form and the same
 * defaults (a unit test). Nested record names: the shape's name, namespace millrace.v1, declared at first use. */
void shape_schema(const struct shape *s, struct buf *out);
/* A section of docs/reference/records.md. */
void shape_markdown(const struct shape *s, struct buf *out);

#endif
