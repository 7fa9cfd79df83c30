/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox: see outbox.h and stage.h. Records are encoded when they are added, so that the step may reuse its
 * structs.
 */
#include "core/outbox.h"

#include <pthread.h>
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

/* One bulk: the writes of one phase to one collection, or a part of many. A job has at most one write in a batch and no
 * collection needs another's, so the bulks go side by side, each in a thread of its own: the server has more than one
 * processor, and a single job's batch waits for the slowest instead of the sum. */
struct bulk {
    struct store *store;
    const char *collection;
    bool inserts;
    const struct outbox_write **writes;
    size_t count;
    const bson_t **docs; /* room for what the calls want, made before the threads: the arena is the loop's */
    bool *duplicate;
    struct store_write *changes;
    bool ok, lost;
    struct error e;
    pthread_t thread;
};
enum { BULK_MOST = 1000, BULKS_AT_ONCE = 4 };

static bool insert_documents(struct bulk *b)
{
    size_t again = 0;
    int64_t matched = 0; /* no match is fine: what is stored is preferred */

    for (size_t i = 0; i < b->count; i++)
        b->docs[i] = b->writes[i]->doc;
    if (!store_insert(b->store, b->collection, b->docs, b->count, b->duplicate, 0, &b->e))
        return false;
    for (size_t i = 0; i < b->count; i++) {
        const struct outbox_write *w = b->writes[i];
        if (b->duplicate[i] && w->kind == WRITE_CREATE)
            b->lost = true;
        if (b->duplicate[i] && w->kind == WRITE_INSERT_OR_REPLACE)
            b->changes[again++] =
                (struct store_write){.filter = w->filter, .update = w->doc, .replace = true};
    }
    return again == 0 || store_write(b->store, b->collection, b->changes, again, &matched, 0, &b->e);
}

static bool replace_documents(struct bulk *b)
{
    int64_t matched = 0;

    for (size_t i = 0; i < b->count; i++)
        b->changes[i] = (struct store_write){.filter = b->writes[i]->filter,
            .update = b->writes[i]->doc,
            .replace = true,
            .upsert = b->writes[i]->kind == WRITE_UPSERT};
    if (!store_write(b->store, b->collection, b->changes, b->count, &matched, 0, &b->e))
        return false;
    b->lost = (size_t)matched < b->count;
    return true;
}

static void *carry_out(void *self)
{
    struct bulk *b = self;
    b->ok = b->inserts ? insert_documents(b) : replace_documents(b);
    return NULL;
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

static size_t add_bulks(struct outbox *o, struct store *store, size_t leader, struct bulk *out)
{
    const struct outbox_write *w = &o->writes[leader];
    const struct outbox_write **writes = arena_array(o->arena, o->write_count, sizeof(*writes));
    size_t count = pick(o, w->collection, is_insert(w->kind), writes);
    size_t n = 0;

    for (size_t from = 0; from < count; from += BULK_MOST, n++) {
        size_t part = count - from < BULK_MOST ? count - from : BULK_MOST;
        out[n] = (struct bulk){.store = store,
            .collection = w->collection,
            .inserts = is_insert(w->kind),
            .writes = writes + from,
            .count = part,
            .docs = arena_array(o->arena, part, sizeof(bson_t *)),
            .duplicate = arena_array(o->arena, part, sizeof(bool)),
            .changes = arena_array(o->arena, part, sizeof(struct store_write))};
    }
    return n;
}

/* Some bulks side by side, the last one in this thread. */
static void carry_out_all(struct bulk *bulks, size_t count)
{
    for (size_t i = 0; i + 1 < count; i++) {
        if (pthread_create(&bulks[i].thread, NULL, carry_out, &bulks[i]) != 0)
            log_fatal("no_resources", "what=thread");
    }
    carry_out(&bulks[count - 1]);
    for (size_t i = 0; i + 1 < count; i++)
        pthread_join(bulks[i].thread, NULL);
}

bool outbox_write_documents(struct outbox *o, struct store *store, bool *lost, struct error *e)
{
    *lost = false;
    if (o->write_count == 0)
        return true;
    MUST(store != NULL);
    size_t most = o->write_count / BULK_MOST;
    for (size_t i = 0; i < o->write_count; i++)
        most += leads(o, i) ? 1 : 0;
    struct bulk *bulks = arena_array(o->arena, most, sizeof(*bulks));
    size_t count = 0;
    for (size_t i = 0; i < o->write_count; i++) {
        if (leads(o, i))
            count += add_bulks(o, store, i, bulks + count);
    }
    for (size_t from = 0; from < count; from += BULKS_AT_ONCE) {
        size_t part = count - from < BULKS_AT_ONCE ? count - from : BULKS_AT_ONCE;
        carry_out_all(bulks + from, part);
        for (size_t i = from; i < from + part; i++) {
            *lost = *lost || bulks[i].lost;
            if (!bulks[i].ok) {
                *e = bulks[i].e;
                return false;
            }
        }
    }
    return true;
}
