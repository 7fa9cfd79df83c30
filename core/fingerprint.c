/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fingerprint: the Parsing Canonical Form of an Avro schema and its CRC-64-AVRO (Avro specification 1.11,
 * "Parsing Canonical Form for Schemas", "Schema Fingerprints"). Schemas are our own or from the registry: the
 * text is trusted to be a schema, but anything that it cannot be is refused.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/codec.h"

/* ---- CRC-64-AVRO ---- */

#define CRC_EMPTY 0xc15d213aa4d7a795ULL

static uint64_t crc64(struct bytes text)
{
    uint64_t table[256];
    for (unsigned i = 0; i < 256; i++) {
        uint64_t row = i;
        for (int bit = 0; bit < 8; bit++)
            row = (row >> 1) ^ (CRC_EMPTY & (0 - (row & 1)));
        table[i] = row;
    }
    uint64_t crc = CRC_EMPTY;
    for (size_t i = 0; i < text.len; i++)
        crc = (crc >> 8) ^ table[(crc ^ (unsigned char)text.data[i]) & 0xff];
    return crc;
}

/* ---- canonical form ---- */

static bool write_schema(const json_t *schema, const char *space, struct buf *out, struct error *e);

static bool is_primitive(const char *name)
{
    static const char *const primitives[] = {
        "null", "boolean", "int", "long", "float", "double", "bytes", "string"};
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++)
        if (strcmp(name, primitives[i]) == 0)
            return true;
    return false;
}

/* [STRINGS]: every escape becomes the character itself, except where JSON needs one. */
static void write_text(const char *text, struct buf *out)
{
    buf_add_char(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, *c);
    }
    buf_add_char(out, '"');
}

/* [FULLNAMES]: a name without a dot takes the namespace that encloses it. */
static void write_name(const char *name, const char *space, struct buf *out)
{
    struct buf full;
    buf_init(&full);
    if (!strchr(name, '.') && space[0])
        buf_printf(&full, "%s.", space);
    buf_add_text(&full, name);
    buf_add_char(&full, '\0');
    write_text(full.data, out);
    buf_release(&full);
}

/* The namespace of a named type: what its own name says, else its "namespace", else the enclosing one. */
static char *own_space(const json_t *schema, const char *name, const char *space)
{
    const char *dot = strrchr(name, '.');
    const json_t *given = json_object_get(schema, "namespace");
    char *own = dot                     ? strndup(name, (size_t)(dot - name))
                : json_is_string(given) ? strdup(json_string_value(given))
                                        : strdup(space);
    MUST(own);
    return own;
}

static bool write_fields(const json_t *fields, const char *space, struct buf *out, struct error *e)
{
    if (!json_is_array(fields))
        return error_set(e, "bad_schema", "a record without an array of fields");
    buf_add_text(out, ",\"fields\":[");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = json_string_value(json_object_get(field, "name"));
        if (!name)
            return error_set(e, "bad_schema", "a field without a name");
        buf_add_text(out, i ? ",{\"name\":" : "{\"name\":");
        write_text(name, out);
        buf_add_text(out, ",\"type\":");
        if (!write_schema(json_object_get(field, "type"), space, out, e))
            return false;
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
    return true;
}

static bool write_symbols(const json_t *symbols, struct buf *out, struct error *e)
{
    if (!json_is_array(symbols))
        return error_set(e, "bad_schema", "an enum without an array of symbols");
    buf_add_text(out, ",\"symbols\":[");
    for (size_t i = 0; i < json_array_size(symbols); i++) {
        const char *symbol = json_string_value(json_array_get(symbols, i));
        if (!symbol)
            return error_set(e, "bad_schema", "an enum symbol that is no text");
        if (i)
            buf_add_char(out, ',');
        write_text(symbol, out);
    }
    buf_add_char(out, ']');
    return true;
}

static bool write_size(const json_t *size, struct buf *out, struct error *e)
{
    int64_t n = 0;
    struct bytes text = bytes_of(json_string_value(size));
    bool fits = json_is_integer(size) || (text.data && bytes_parse_int64(text, &n));
    if (json_is_integer(size))
        n = json_integer_value(size);
    if (!fits || n < 0)
        return error_set(e, "bad_schema", "a fixed without a size");
    buf_printf(out, ",\"size\":%lld", (long long)n); /* [INTEGERS] */
    return true;
}

/* [ORDER]: name, type, fields, symbols, items, values, size. [STRIP]: nothing else. */
static bool write_named(
    const json_t *schema, const char *type, const char *space, struct buf *out, struct error *e)
{
    const char *name = json_string_value(json_object_get(schema, "name"));
    if (!name)
        return error_set(e, "bad_schema", "a %s without a name", type);
    char *own = own_space(schema, name, space);
    buf_add_text(out, "{\"name\":");
    write_name(name, own, out);
    buf_add_text(out, ",\"type\":");
    write_text(type, out);
    bool ok;
    if (strcmp(type, "enum") == 0)
        ok = write_symbols(json_object_get(schema, "symbols"), out, e);
    else if (strcmp(type, "fixed") == 0)
        ok = write_size(json_object_get(schema, "size"), out, e);
    else
        ok = write_fields(json_object_get(schema, "fields"), own, out, e);
    buf_add_char(out, '}');
    free(own);
    return ok;
}

static bool write_object(const json_t *schema, const char *space, struct buf *out, struct error *e)
{
    const json_t *inner = json_object_get(schema, "type");
    const char *type = json_string_value(inner);
    if (!type)
        return write_schema(inner, space, out, e); /* {"type": {"type": ...}} */
    if (strcmp(type, "array") == 0 || strcmp(type, "map") == 0) {
        const char *key = type[0] == 'a' ? "items" : "values";
        buf_printf(out, "{\"type\":\"%s\",\"%s\":", type, key);
        if (!write_schema(json_object_get(schema, key), space, out, e))
            return false;
        buf_add_char(out, '}');
        return true;
    }
    if (strcmp(type, "record") == 0 || strcmp(type, "error") == 0)
        return write_named(schema, "record", space, out, e);
    if (strcmp(type, "enum") == 0 || strcmp(type, "fixed") == 0)
        return write_named(schema, type, space, out, e);
    return write_schema(inner, space, out, e); /* [PRIMITIVES]: {"type": "int"} is "int" */
}

static bool write_union(const json_t *schema, const char *space, struct buf *out, struct error *e)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < json_array_size(schema); i++) {
        if (i)
            buf_add_char(out, ',');
        if (!write_schema(json_array_get(schema, i), space, out, e))
            return false;
    }
    buf_add_char(out, ']');
    return true;
}

static bool write_schema(const json_t *schema, const char *space, struct buf *out, struct error *e)
{
    if (json_is_array(schema))
        return write_union(schema, space, out, e);
    if (json_is_object(schema))
        return write_object(schema, space, out, e);
    const char *name = json_string_value(schema);
    if (!name)
        return error_set(e, "bad_schema", "a type is neither a name, an object nor a union");
    if (is_primitive(name))
        write_text(name, out);
    else
        write_name(name, space, out);
    return true;
}

bool codec_canonical(struct bytes schema_json, struct buf *out, struct error *e)
{
    json_error_t why;
    json_t *schema = json_loadb(schema_json.data ? schema_json.data : "", schema_json.len,
        JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!schema)
        return error_set(e, "bad_schema", "not JSON: line %d: %s", why.line, why.text);
    bool ok = write_schema(schema, "", out, e);
    json_decref(schema);
    return ok;
}

bool codec_fingerprint(struct bytes schema_json, uint64_t *out, struct error *e)
{
    struct buf canonical;
    buf_init(&canonical);
    bool ok = codec_canonical(schema_json, &canonical, e);
    if (ok)
        *out = crc64(buf_bytes(&canonical));
    buf_release(&canonical);
    return ok;
}
