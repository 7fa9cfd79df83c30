/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox: see outbox.h and stage.h. Records are encoded when they are added, so that the step may reuse its
 * structs.
 */
#include "core/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"

enum { OWN_HEADERS = 2 };

void outbox_init(struct outbox *o, struct codec *codec, struct arena *arena)
{
    *o = (struct outbox){.codec = codec, .arena = arena, .source = OUTBOX_NO_SOURCE};
    buf_init(&o->scratch);
}

static void drop_writes(struct outbox *o, size_t from)
{
    for (size_t i = from; i < o->write_count; i++) {
        if (o->writes[i].filter != NULL)
            bson_destroy(o->writes[i].filter);
        bson_destroy(o->writes[i].doc);
    }
    o->write_count = from;
}

void outbox_clear(struct outbox *o)
{
    drop_writes(o, 0);
    o->record_count = 0;
    o->source = OUTBOX_NO_SOURCE;
    error_clear(&o->failed);
}

void outbox_release(struct outbox *o)
{
    outbox_clear(o);
    free(o->records);
    free(o->writes);
    buf_release(&o->scratch);
}

struct outbox_mark outbox_mark(const struct outbox *o)
{
    return (struct outbox_mark){o->record_count, o->write_count};
}

void outbox_rewind(struct outbox *o, struct outbox_mark mark)
{
    o->record_count = mark.records;
    drop_writes(o, mark.writes);
}

/* Room for one more item of a growing array. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room ? *room * 2 : 64;
    void *more = realloc(items, *room * size);
    if (more == NULL)
        log_fatal("out_of_memory", "what=outbox items=%zu", *room);
    return more;
}

/* ---- records ---- */

static void add_record(struct outbox *o, const struct bus_message *m)
{
    o->records = grown(o->records, o->record_count, &o->record_room, sizeof(*o->records));
    o->records[o->record_count++] = (struct outbox_record){*m, o->source};
}

static bool encode(struct outbox *o, const struct shape *shape, const void *record)
{
    struct error e;

    error_clear(&e);
    buf_clear(&o->scratch);
    if (codec_encode(o->codec, shape, record, &o->scratch, &e))
        return true;
    o->failed = e;
    return false;
}

void outbox_send_with(struct outbox *o, const char *topic, struct bytes key, struct bytes job_id,
    struct bytes trace, const struct shape *shape, const void *record, const struct bus_header *headers,
    size_t header_count)
{
    struct bus_header *all = arena_array(o->arena, header_count + OWN_HEADERS, sizeof(*all));
    size_t count = 0;

    if (!encode(o, shape, record))
        return;
    all[count++] = (struct bus_header){BYTES("job"), arena_copy(o->arena, job_id)};
    if (trace.data != NULL)
        all[count++] = (struct bus_header){BYTES("traceparent"), arena_copy(o->arena, trace)};
    for (size_t i = 0; i < header_count; i++)
        all[count++] = headers[i];
    add_record(o, &(struct bus_message){.topic = topic,
                      .partition = -1,
                      .key = arena_copy(o->arena, key),
                      .value = arena_copy(o->arena, buf_bytes(&o->scratch)),
                      .headers = all,
                      .header_count = count});
}

void outbox_send(struct outbox *o, const char *topic, struct bytes key, struct bytes job_id,
    struct bytes trace, const struct shape *shape, const void *record)
{
    outbox_send_with(o, topic, key, job_id, trace, shape, record, NULL, 0);
}

size_t outbox_encoded_size(struct outbox *o, const struct shape *shape, const void *record)
{
    return encode(o, shape, record) ? o->scratch.len : 0;
}

/* ---- documents ---- */

static void add_write(
    struct outbox *o, enum outbox_kind kind, const char *collection, const bson_t *filter, const bson_t *doc)
{
    o->writes = grown(o->writes, o->write_count, &o->write_room, sizeof(*o->writes));
    o->writes[o->write_count++] = (struct outbox_write){.kind = kind,
        .collection = collection,
        .filter = filter != NULL ? bson_copy(filter) : NULL,
        .doc = bson_copy(doc)};
}

void outbox_insert(struct outbox *o, const char *collection, const bson_t *doc)
{
    add_write(o, WRITE_INSERT, collection, NULL, doc);
}

void outbox_create(struct outbox *o, const char *collection, const bson_t *doc)
{
    add_write(o, WRITE_CREATE, collection, NULL, doc);
}

void outbox_insert_or_replace(
    struct outbox *o, const char *collection, const bson_t *doc, const bson_t *filter)
{
    add_write(o, WRITE_INSERT_OR_REPLACE, collection, filter, doc);
}

void outbox_replace(
    struct outbox *o, const char *collection, const bson_t *filter, const bson_t *doc, bool upsert)
{
    add_write(o, upsert ? WRITE_UPSERT : WRITE_REPLACE, collection, filter, doc);
}

static bool is_insert(enum outbox_kind kind)
{
    return kind == WRITE_INSERT || kind == WRITE_CREATE || kind == WRITE_INSERT_OR_REPLACE;
}

/* The writes of one phase to one collection, in order; returns how many. */
static size_t pick(
    const struct outbox *o, const char *collection, bool inserts, const struct outbox_write **out)
{
    size_t count = 0;

    for (size_t i = 0; i < o->write_count; i++) {
        if (is_insert(o->writes[i].kind) == inserts && strcmp(o->writes[i].collection, collection) == 0)
            out[count++] = &o->writes[i];
    }
    return count;
}

static bool insert_documents(
    struct outbox *o, struct store *store, const char *collection, bool *lost, struct error *e)
{
    const struct outbox_write **writes = arena_array(o->arena, o->write_count, sizeof(*writes));
    const bson_t **docs = arena_array(o->arena, o->write_count, sizeof(*docs));
    bool *duplicate = arena_array(o->arena, o->write_count, sizeof(*duplicate));
    struct store_write *again = arena_array(o->arena, o->write_count, sizeof(*again));
    size_t count = pick(o, collection, true, writes);
    size_t again_count = 0;
    int64_t matched = 0; /* no match is fine: what is stored is preferred */

    for (size_t i = 0; i < count; i++)
        docs[i] = writes[i]->doc;
    if (!store_insert(store, collection, docs, count, duplicate, 0, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (duplicate[i] && writes[i]->kind == WRITE_CREATE)
            *lost = true;
        if (duplicate[i] && writes[i]->kind == WRITE_INSERT_OR_REPLACE)
            again[again_count++] =
                (struct store_write){.filter = writes[i]->filter, .update = writes[i]->doc, .replace = true};
    }
    return again_count == 0 || store_write(store, collection, again, again_count, &matched, 0, e);
}

static bool replace_documents(
    struct outbox *o, struct store *store, const char *collection, bool *lost, struct error *e)
{
    const struct outbox_write **picked = arena_array(o->arena, o->write_count, sizeof(*picked));
    struct store_write *writes = arena_array(o->arena, o->write_count, sizeof(*writes));
    size_t count = pick(o, collection, false, picked);
    int64_t matched = 0;

    for (size_t i = 0; i < count; i++)
        writes[i] = (struct store_write){.filter = picked[i]->filter,
            .update = picked[i]->doc,
            .replace = true,
            .upsert = picked[i]->kind == WRITE_UPSERT};
    if (!store_write(store, collection, writes, count, &matched, 0, e))
        return false;
    *lost = *lost || (size_t)matched < count;
    return true;
}

/* Is this the first write of its phase to its collection? Then it stands for all of them. */
static bool leads(const struct outbox *o, size_t index)
{
    const struct outbox_write *w = &o->writes[index];

    for (size_t i = 0; i < index; i++) {
        if (is_insert(o->writes[i].kind) == is_insert(w->kind) &&
            strcmp(o->writes[i].collection, w->collection) == 0)
            return false;
    }
    return true;
}

static bool write_phase(struct outbox *o, struct store *store, bool inserts, bool *lost, struct error *e)
{
    for (size_t i = 0; i < o->write_count; i++) {
        const char *collection = o->writes[i].collection;
        if (is_insert(o->writes[i].kind) != inserts || !leads(o, i))
            continue;
        if (inserts ? !insert_documents(o, store, collection, lost, e)
                    : !replace_documents(o, store, collection, lost, e))
            return false;
    }
    return true;
}

bool outbox_write_documents(struct outbox *o, struct store *store, bool *lost, struct error *e)
{
    *lost = false;
    if (o->write_count == 0)
        return true;
    MUST(store != NULL);
    return write_phase(o, store, true, lost, e) && write_phase(o, store, false, lost, e);
}
