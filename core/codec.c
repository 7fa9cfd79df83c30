/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec: framings, and the writer's schemas that are known. codec_value.c fills structs, guard.c looks at the
 * bytes before avro-c does.
 *
 * For each schema there is one avro-c class and one value, used again for every record: avro-c's other ways
 * make a tree of small objects per record and are several times slower.
 */
#include "core/codec.h"

#include <avro.h>
#include <stdlib.h>
#include <string.h>

#include "core/codec_value.h"
#include "core/guard.h"
#include "core/registry.h"
#include "core/schemas.h"

#define NO_ID (-1)
/* A value keeps its memory for the next record; after one of this size it is given back. */
#define KEEP_BYTES_MAX (256 * 1024)

/* A writer's schema. */
struct entry {
    uint64_t fingerprint;
    int64_t id; /* the registry's, or NO_ID: then known by its fingerprint */
    struct bytes text;
    avro_schema_t schema;
    struct guard *guard; /* made at first use, like the class */
    avro_value_iface_t *class;
    avro_value_t value; /* one record of it, made at first use */
    bool has_value;
    const struct shape *shape; /* that plan is for */
    struct plan *plan;
};

/* What we write: shapes of topics. The registry keeps one schema per topic. */
static const struct {
    const char *record, *topic;
} topics[] = {
    {"JobSubmitted", "jobs.submitted"},
    {"JobConverted", "jobs.converted"},
    {"JobPlanned", "jobs.planned"},
    {"JobEvent", "jobs.events"},
    {"JobLog", "jobs.logs"},
    {"JobControl", "jobs.control"},
};
#define TOPICS (sizeof topics / sizeof topics[0])

struct outgoing {
    const struct shape *shape;
    struct entry *entry;
    bool has_id;
    uint32_t id; /* the registry's */
};

struct codec {
    struct registry *registry;
    struct entry **entries;
    size_t count;
    struct entry *last; /* the one that decoded last: most likely the next too */
    struct outgoing outgoing[TOPICS];
    avro_reader_t reader;
    avro_writer_t writer;
    struct arena scratch; /* of one encode */
};

/* ---- schemas ---- */

static void entry_drop_value(struct entry *n)
{
    if (n->has_value)
        avro_value_decref(&n->value);
    n->has_value = false;
}

static void entry_free(struct entry *n)
{
    entry_drop_value(n);
    plan_free(n->plan);
    guard_free(n->guard);
    if (n->class)
        avro_value_iface_decref(n->class);
    avro_schema_decref(n->schema);
    free(n);
}

static avro_value_t *entry_value(struct entry *n)
{
    if (n->has_value)
        return &n->value;
    if (!n->class)
        n->class = avro_generic_class_from_schema(n->schema);
    MUST(n->class);
    MUST(avro_generic_value_new(n->class, &n->value) == 0);
    n->has_value = true;
    return &n->value;
}

/* Does not look whether it is there already. `text` outlives the codec. */
static struct entry *add_entry(
    struct codec *c, struct bytes text, uint64_t fingerprint, int64_t id, struct error *e)
{
    avro_schema_t schema = NULL;
    if (avro_schema_from_json_length(text.data, text.len, &schema) != 0) {
        error_set(e, "bad_schema", "not an Avro schema: %s", avro_strerror());
        return NULL;
    }
    if (!is_avro_record(schema)) {
        avro_schema_decref(schema);
        error_set(e, "bad_schema", "the schema is not of a record");
        return NULL;
    }
    struct entry *n = calloc(1, sizeof *n);
    struct entry **entries = realloc(c->entries, (c->count + 1) * sizeof(struct entry *));
    MUST(n && entries);
    *n = (struct entry){.fingerprint = fingerprint, .id = id, .text = text, .schema = schema};
    c->entries = entries;
    c->entries[c->count++] = n;
    return n;
}

static struct entry *find_fingerprint(const struct codec *c, uint64_t fingerprint)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->entries[i]->id == NO_ID && c->entries[i]->fingerprint == fingerprint)
            return c->entries[i];
    return NULL;
}

static struct entry *find_id(const struct codec *c, uint32_t id)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->entries[i]->id == id)
            return c->entries[i];
    return NULL;
}

bool codec_add_schema(struct codec *c, struct bytes schema_json, struct error *e)
{
    uint64_t fingerprint;
    if (!codec_fingerprint(schema_json, &fingerprint, e))
        return false;
    return find_fingerprint(c, fingerprint) || add_entry(c, schema_json, fingerprint, NO_ID, e);
}

/* The shape and its schema in schemas/ must be one: encoding goes by position. */
static struct entry *own_entry(struct codec *c, const struct shape *s)
{
    struct buf text;
    struct error e;
    uint64_t fingerprint = 0;
    buf_init(&text);
    shape_schema(s, &text);
    MUST(codec_fingerprint(buf_bytes(&text), &fingerprint, &e));
    buf_release(&text);
    struct entry *n = find_fingerprint(c, fingerprint);
    MUST(n && "schemas/<name>.avsc is not what core/job_shapes.c says: see schemas/README.md");
    return n;
}

struct codec *codec_new(struct registry *registry)
{
    struct codec *c = calloc(1, sizeof *c);
    MUST(c);
    c->registry = registry;
    c->reader = avro_reader_memory("", 0);
    c->writer = avro_writer_memory("", 0);
    MUST(c->reader && c->writer);
    arena_init(&c->scratch);
    struct error e;
    for (const struct schema_text *t = schema_texts; t->path; t++)
        MUST(codec_add_schema(c, (struct bytes){(const char *)t->text, t->len}, &e));
    return c;
}

void codec_free(struct codec *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        entry_free(c->entries[i]);
    free(c->entries);
    avro_reader_free(c->reader);
    avro_writer_free(c->writer);
    arena_release(&c->scratch);
    free(c);
}

/* ---- decoding ---- */

static const struct plan *entry_plan(struct entry *n, const struct shape *s)
{
    if (n->shape != s) {
        plan_free(n->plan);
        n->plan = plan_new(s, n->schema);
        n->shape = s;
    }
    return n->plan;
}

static enum codec_verdict decode_value(struct codec *c, struct entry *n, const struct shape *s,
    struct bytes value, struct arena *a, void *record, struct error *e)
{
    if (strcmp(avro_schema_name(n->schema), s->name) != 0) {
        error_set(e, "wrong_record", "a %s, expected a %s", avro_schema_name(n->schema), s->name);
        return CODEC_BAD;
    }
    c->last = n;
    if (!n->guard)
        n->guard = guard_new(n->schema);
    if (!guard_walk(n->guard, value, &guard_default_limits, e))
        return CODEC_BAD;
    avro_value_t *read = entry_value(n);
    avro_reader_memory_set_source(c->reader, value.data, (int64_t)value.len);
    enum codec_verdict verdict = CODEC_OK;
    if (avro_value_read(c->reader, read) != 0) {
        error_set(e, "garbage", "avro-c cannot read it: %s", avro_strerror());
        verdict = CODEC_BAD;
    } else if (!plan_take(entry_plan(n, s), read, a, record, e)) {
        verdict = CODEC_BAD;
    }
    if (value.len > KEEP_BYTES_MAX)
        entry_drop_value(n);
    return verdict;
}

static enum codec_verdict decode_single_object(struct codec *c, const struct shape *s, struct bytes value,
    struct arena *a, void *record, struct error *e)
{
    if (value.len < 10) {
        error_set(e, "truncated", "%zu bytes: the fingerprint is cut off", value.len);
        return CODEC_BAD;
    }
    uint64_t fingerprint = 0;
    for (unsigned i = 0; i < 8; i++)
        fingerprint |= (uint64_t)(unsigned char)value.data[2 + i] << (8 * i);
    struct entry *n = c->last;
    if (!n || n->id != NO_ID || n->fingerprint != fingerprint)
        n = find_fingerprint(c, fingerprint);
    if (!n) {
        error_set(
            e, "unknown_schema", "no schema has the fingerprint %016llx", (unsigned long long)fingerprint);
        return CODEC_BAD;
    }
    return decode_value(c, n, s, bytes_slice(value, 10, value.len), a, record, e);
}

static enum codec_verdict decode_confluent(struct codec *c, const struct shape *s, struct bytes value,
    struct arena *a, void *record, struct error *e)
{
    if (value.len < 5) {
        error_set(e, "truncated", "%zu bytes: the schema's id is cut off", value.len);
        return CODEC_BAD;
    }
    uint32_t id = 0;
    for (unsigned i = 0; i < 4; i++)
        id = id << 8 | (unsigned char)value.data[1 + i];
    struct entry *n = c->last && c->last->id == id ? c->last : find_id(c, id);
    if (!n && !c->registry) {
        error_set(e, "unknown_schema",
            "schema id %u: no registry is configured (MILLRACE_SCHEMA_REGISTRY_URL)", id);
        return CODEC_BAD;
    }
    if (!n) {
        struct bytes text;
        switch (registry_schema(c->registry, id, &text, e)) {
        case REGISTRY_OK:
            break;
        case REGISTRY_NONE:
            error_wrap(e, "schema id %u", id);
            return CODEC_BAD;
        case REGISTRY_AWAY:
            error_wrap(e, "schema id %u", id);
            return CODEC_RETRY;
        }
        n = add_entry(c, text, 0, id, e);
    }
    if (!n) {
        struct error why = *e;
        error_set(e, "unknown_schema", "schema id %u: %s", id, why.text);
        return CODEC_BAD;
    }
    return decode_value(c, n, s, bytes_slice(value, 5, value.len), a, record, e);
}

static enum codec_verdict decode_json(
    const struct shape *s, struct bytes value, struct arena *a, void *record, struct error *e)
{
    if (!bytes_is_utf8(value)) {
        error_set(e, "bad_utf8", "not UTF-8 at byte %zu", bytes_utf8_valid_len(value));
        return CODEC_BAD;
    }
    json_error_t why;
    json_t *object = json_loadb(value.data, value.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (!object) {
        error_set(e, "bad_json", "line %d, column %d: %s", why.line, why.column, why.text);
        return CODEC_BAD;
    }
    struct field_problems problems;
    bool ok = shape_from_json(s, object, SHAPE_NUL, a, record, &problems);
    json_decref(object);
    if (ok)
        return CODEC_OK;
    const struct field_problem *first = &problems.items[0];
    error_set(e, "bad_value", "field %.*s: %.*s", BYTES_ARG(first->field), BYTES_ARG(first->detail));
    return CODEC_BAD;
}

enum codec_verdict codec_decode(struct codec *c, const struct shape *s, struct bytes value, bool allow_json,
    struct arena *a, void *record, struct error *e)
{
    shape_clear(s, record);
    if (!value.data) {
        error_set(e, "null_value", "the record has no value");
        return CODEC_BAD;
    }
    if (bytes_starts_with(value, "\xC3\x01"))
        return decode_single_object(c, s, value, a, record, e);
    if (value.len && value.data[0] == '\0')
        return decode_confluent(c, s, value, a, record, e);
    if (allow_json)
        return decode_json(s, value, a, record, e);
    if (value.len && value.data[0] == '{')
        error_set(e, "garbage",
            "it looks like JSON, which is taken only on jobs.submitted with the header content-type: "
            "application/json");
    else if (value.len && value.data[0] == '\x01')
        error_set(
            e, "garbage", "it looks framed with a schema GUID; use the 4-byte id or single-object encoding");
    else
        error_set(e, "garbage", "%zu bytes in no framing that is known (C3 01 or 00 first)", value.len);
    return CODEC_BAD;
}

/* ---- encoding ---- */

static struct outgoing *find_outgoing(struct codec *c, const struct shape *s)
{
    for (size_t i = 0; i < TOPICS; i++) {
        struct outgoing *o = &c->outgoing[i];
        if (o->shape == s)
            return o;
        if (!o->shape && strcmp(topics[i].record, s->name) == 0) {
            o->shape = s;
            o->entry = own_entry(c, s);
            return o;
        }
    }
    error_bug(__FILE__, __LINE__, "this shape is not the record of a topic");
}

static bool add_frame(struct codec *c, struct outgoing *o, struct buf *out, struct error *e)
{
    if (!c->registry) {
        buf_add(out, "\xC3\x01", 2);
        for (unsigned i = 0; i < 8; i++)
            buf_add_char(out, (char)(o->entry->fingerprint >> (8 * i)));
        return true;
    }
    const char *topic = topics[o - c->outgoing].topic;
    if (!o->has_id && registry_id(c->registry, topic, o->entry->text, &o->id, e) != REGISTRY_OK) {
        struct error why = *e;
        return error_set(e, "registry_away", "no id for %s: %s", o->shape->name, why.text);
    }
    o->has_id = true;
    buf_add_char(out, '\0');
    for (unsigned i = 0; i < 4; i++)
        buf_add_char(out, (char)(o->id >> (24 - 8 * i)));
    return true;
}

bool codec_encode(
    struct codec *c, const struct shape *s, const void *record, struct buf *out, struct error *e)
{
    struct outgoing *o = find_outgoing(c, s);
    if (!add_frame(c, o, out, e))
        return false;
    avro_value_t *value = entry_value(o->entry);
    size_t size = 0;
    MUST(avro_value_reset(value) == 0);
    value_fill(s, record, value, &c->scratch);
    MUST(avro_value_sizeof(value, &size) == 0);
    buf_reserve(out, size);
    avro_writer_memory_set_dest(c->writer, out->data + out->len, (int64_t)size);
    MUST(avro_value_write(c->writer, value) == 0);
    MUST(avro_writer_tell(c->writer) == (int64_t)size);
    out->len += size;
    MUST(avro_value_reset(value) == 0); /* it has borrowed the record's text */
    if (size > KEEP_BYTES_MAX)
        entry_drop_value(o->entry);
    arena_reset(&c->scratch);
    return true;
}
