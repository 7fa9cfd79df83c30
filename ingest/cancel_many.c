/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel_many: see cancel_many.h. First the jobs are gathered, then they are cancelled in pieces: orders, the ledger, bells. Running
 * jobs get a bell each, at once; when there are many, the waiting ones get one for each of their groups.
 */
#include "ingest/cancel_many.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/shape_bson.h"
#include "ingest/bell.h"
#include "ingest/cancel.h"
#include "ingest/filter.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/wish.h"

enum { IDS_MOST = 10000, LIST_MOST = 1000, JOBS_MOST = 1000000, PIECE = 5000, LOOK_MOST = 1000, SEEN = 1024 };

/* One job that is meant. */
struct target {
    struct uuid id;
    bool known, final;
};

struct gathering {
    struct arena *arena; /* of the groups' names */
    struct target *items;
    size_t count, cap;
    bool too_many;
    struct bytes *groups; /* some of them more than once */
    size_t group_count, group_cap;
    struct bytes seen[SEEN]; /* by hash: groups that were met lately */
};

struct many {
    struct ingest *in;
    struct http_request *r;
    struct order order;
    struct gathering g;
    size_t counts[WAS_KINDS];
    json_t *list; /* NULL: too many */
};

/* ---- gathering ---- */

static void *grown(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 256;
    void *more = realloc(items, *cap * size);
    MUST(more != NULL);
    return more;
}

static void note_group(struct gathering *g, struct bytes group)
{
    struct bytes *seen = &g->seen[bytes_hash(group) % SEEN];
    if (group.len == 0 || bytes_equal(*seen, group))
        return;
    *seen = arena_copy(g->arena, group);
    g->groups = grown(g->groups, g->group_count, &g->group_cap, sizeof *g->groups);
    g->groups[g->group_count++] = *seen;
}

static void note(struct gathering *g, const struct uuid *id, bool known)
{
    g->items = grown(g->items, g->count, &g->cap, sizeof *g->items);
    g->items[g->count++] = (struct target){.id = *id, .known = known};
}

static int by_id(const void *a, const void *b)
{
    return memcmp(&((const struct target *)a)->id, &((const struct target *)b)->id, sizeof(struct uuid));
}

static int by_text(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* In order, each once. */
static void sort_out(struct gathering *g)
{
    size_t kept = 0;
    if (g->count > 0)
        qsort(g->items, g->count, sizeof *g->items, by_id);
    for (size_t i = 0; i < g->count; i++)
        if (kept == 0 || by_id(&g->items[kept - 1], &g->items[i]) != 0)
            g->items[kept++] = g->items[i];
    g->count = kept;
    kept = 0;
    if (g->group_count > 0)
        qsort(g->groups, g->group_count, sizeof *g->groups, by_text);
    for (size_t i = 0; i < g->group_count; i++)
        if (kept == 0 || by_text(&g->groups[kept - 1], &g->groups[i]) != 0)
            g->groups[kept++] = g->groups[i];
    g->group_count = kept;
}

static bool gather_row(void *self, const bson_t *doc)
{
    struct gathering *g = self;
    struct uuid id;
    if (!uuid_parse(doc_text(doc, "_id"), &id))
        return true;
    g->too_many = g->count == JOBS_MOST;
    if (!g->too_many) {
        note(g, &id, true);
        note_group(g, doc_text(doc, "group"));
    }
    return !g->too_many;
}

/* Unfinished ones of a collection. What is read twice, when an answer was lost on the way, is sorted out. One statement: a job that
 * comes while it is read may be in it or not. */
static bool gather(struct many *m, const char *collection, const bson_t *filter, struct error *e)
{
    struct store_reader reader = {gather_row, NULL, &m->g};
    bson_t *opts = BCON_NEW("projection", "{", "group", BCON_INT32(1), "}");
    bool ok = store_find(
        m->in->world->store, collection, filter, opts, &reader, m->in->settings->store_patience_ms, e);
    bson_destroy(opts);
    return ok;
}

/* By the documents: those of jobs by REST are there before their submission is answered. And by the ledger: a job by Kafka may be in it
 * before its document is written. */
static bool gather_group(struct many *m, struct bytes group, struct error *e)
{
    const char *slash = memchr(group.data, '/', group.len);
    size_t len = (size_t)(slash - group.data);
    bson_t docs = BSON_INITIALIZER;
    bson_add_text(&docs, "creator", bytes_slice(group, 0, len));
    bson_add_text(&docs, "user", bytes_slice(group, len + 1, group.len));
    BSON_APPEND_BOOL(&docs, "final", false);
    bson_t *runs = BCON_NEW("final", BCON_BOOL(false), "pool", "{", "$gte", BCON_UTF8(""), "}");
    bson_add_text(runs, "group", group);
    bool ok = gather(m, "jobs", &docs, e) && gather(m, "runs", runs, e);
    bson_destroy(runs);
    bson_destroy(&docs);
    return ok;
}

/* ---- what is asked for ---- */

static void read_ids(struct many *m, const json_t *ids, struct field_problems *problems)
{
    struct arena *a = http_arena(m->r);
    size_t i;
    const json_t *item;
    if (!json_is_array(ids) || json_array_size(ids) > IDS_MOST) {
        field_problems_add(problems, BYTES("ids"), json_is_array(ids) ? "too_many" : "wrong_type",
            arena_printf(a, "expected an array of up to %d ids", IDS_MOST));
        return;
    }
    json_array_foreach(ids, i, item)
    {
        struct uuid id;
        struct bytes text = {json_string_value(item), json_string_length(item)};
        if (text.data && uuid_parse(text, &id))
            note(&m->g, &id, false);
        else
            field_problems_add(
                problems, arena_printf(a, "ids[%zu]", i), "bad_value", BYTES("a job id is a UUID"));
    }
}

enum choice { BY_NOTHING, BY_IDS, BY_GROUP, BY_FILTER };

/* False: answered. */
static bool read_wish(struct many *m, enum choice *choice, struct bytes *group, bson_t *filter)
{
    static const char *const names[] = {[BY_IDS] = "ids", [BY_GROUP] = "group", [BY_FILTER] = "filter"};
    struct field_problems problems = {.count = 0};
    json_t *object, *value = NULL;
    bool any = false;
    int chosen = 0;
    if (!wish_object(m->r, &object))
        return false;
    wish_order(m->r, object, &m->order, &problems);
    for (int i = BY_IDS; i <= BY_FILTER; i++)
        if (json_object_get(object, names[i])) {
            chosen++;
            *choice = (enum choice)i;
            value = json_object_get(object, names[i]);
        }
    if (chosen != 1) {
        *choice = BY_NOTHING;
        field_problems_add(
            &problems, BYTES("ids"), "missing", BYTES("one of ids, group and filter is expected"));
    }
    if (*choice == BY_IDS)
        read_ids(m, value, &problems);
    if (*choice == BY_FILTER && json_is_object(value))
        filter_from_json(m->r, value, filter, &any, &problems);
    if (*choice == BY_FILTER && !any)
        field_problems_add(&problems, BYTES("filter"), "missing", BYTES("at least one filter is expected"));
    if (*choice == BY_GROUP) {
        *group = arena_copy(
            http_arena(m->r), (struct bytes){json_string_value(value) ? json_string_value(value) : "",
                                  json_string_length(value)});
        if (!limits_selector_is_valid(*group) || group->data[group->len - 1] == '*')
            field_problems_add(&problems, BYTES("group"), "bad_value", BYTES("expected creator/user"));
    }
    for (int i = BY_IDS; i <= BY_FILTER; i++)
        json_object_del(object, names[i]);
    bool ok = wish_settled(m->r, object, &problems);
    json_decref(object);
    return ok;
}

/* ---- which of the ids there are ---- */

static bool known_row(void *self, const bson_t *doc)
{
    struct gathering *g = self;
    struct target key;
    if (!uuid_parse(doc_text(doc, "_id"), &key.id))
        return true;
    struct target *t = bsearch(&key, g->items, g->count, sizeof *g->items, by_id);
    if (t) {
        t->known = true;
        t->final = doc_flag(doc, "final");
        note_group(g, doc_text(doc, "group"));
    }
    return true;
}

static bool look_at(struct many *m, size_t from, size_t count, struct error *e)
{
    struct store_reader reader = {known_row, NULL, &m->g};
    bson_t filter = BSON_INITIALIZER, in, list;
    char index[16], text[UUID_TEXT_LEN + 1];
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < count; i++) {
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, index, sizeof index);
        uuid_format(&m->g.items[from + i].id, text);
        BSON_APPEND_UTF8(&list, key, text);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(&filter, &in);
    bson_t *opts = BCON_NEW("projection", "{", "final", BCON_INT32(1), "group", BCON_INT32(1), "}");
    bool ok = store_find(
        m->in->world->store, "jobs", &filter, opts, &reader, m->in->settings->store_patience_ms, e);
    bson_destroy(opts);
    bson_destroy(&filter);
    return ok;
}

/* By their documents; those without one by the ledger. */
static bool look_at_ids(struct many *m, struct error *e)
{
    struct gathering *g = &m->g;
    struct order_job *jobs = arena_array(http_arena(m->r), g->count, sizeof *jobs);
    size_t count = 0;
    for (size_t from = 0; from < g->count; from += LOOK_MOST)
        if (!look_at(m, from, g->count - from < LOOK_MOST ? g->count - from : LOOK_MOST, e))
            return false;
    for (size_t i = 0; i < g->count; i++)
        if (!g->items[i].known)
            jobs[count++].id = g->items[i].id;
    if (!orders_look(
            m->in->world->store, jobs, count, http_arena(m->r), m->in->settings->store_patience_ms, e))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct target key = {.id = jobs[i].id};
        struct target *t = bsearch(&key, g->items, g->count, sizeof *g->items, by_id);
        t->known = jobs[i].state.data != NULL;
        note_group(g, jobs[i].group);
    }
    return true;
}

/* ---- cancelling ---- */

static void tell(struct many *m, const struct uuid *id, enum cancel_was was)
{
    char text[UUID_TEXT_LEN + 1];
    m->counts[was]++;
    if (!m->list)
        return;
    uuid_format(id, text);
    json_array_append_new(m->list, json_pack("{s:s, s:s}", "job_id", text, "was", cancel_was_names[was]));
}

static void ring_job(struct many *m, const struct uuid *id, struct arena *a)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    bell_ring(m->in, CONTROL_CANCEL, bytes_of(text), BYTES_NONE, BYTES_NONE, &m->order, a);
}

static bool cancel_piece(struct many *m, size_t from, size_t count, struct arena *a, struct error *e)
{
    struct order_job *jobs = arena_array(a, count, sizeof *jobs);
    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        const struct target *t = &m->g.items[from + i];
        if (t->known && !t->final)
            jobs[wanted++].id = t->id;
        else
            tell(m, &t->id, t->known ? WAS_FINAL : WAS_UNKNOWN);
    }
    if (wanted == 0)
        return true;
    if (!orders_cancel(
            m->in->world->store, &m->order, jobs, wanted, a, m->in->settings->store_patience_ms, e))
        return false;
    meters_cancels(wanted);
    for (size_t i = 0; i < wanted; i++) {
        enum cancel_was was = cancel_was(jobs[i].state);
        if (was == WAS_RUNNING || (m->list && was != WAS_FINAL))
            ring_job(m, &jobs[i].id, a);
        tell(m, &jobs[i].id, was);
    }
    return true;
}

static bool cancel_all(struct many *m, struct error *e)
{
    struct arena a;
    bool ok = true;
    arena_init(&a);
    if (m->g.count <= LIST_MOST)
        m->list = json_array();
    for (size_t from = 0; ok && from < m->g.count; from += PIECE) {
        ok = cancel_piece(m, from, m->g.count - from < PIECE ? m->g.count - from : PIECE, &a, e);
        arena_reset(&a);
    }
    for (size_t i = 0; ok && !m->list && i < m->g.group_count; i++)
        bell_ring(m->in, CONTROL_CANCEL, BYTES_NONE, m->g.groups[i], BYTES_NONE, &m->order, &a);
    arena_release(&a);
    return ok;
}

static void answer(struct many *m)
{
    json_t *counts = json_object(), *body;
    for (int i = 0; i < WAS_KINDS; i++)
        json_object_set_new(counts, cancel_was_names[i], json_integer((json_int_t)m->counts[i]));
    body = json_pack("{s:I, s:o}", "matched", (json_int_t)m->g.count, "counts", counts);
    if (m->list)
        json_object_set(body, "jobs", m->list);
    bool any = m->counts[WAS_PENDING] + m->counts[WAS_QUEUED] + m->counts[WAS_RUNNING] > 0;
    http_answer_json(m->r, any ? 202 : 200, body);
}

static void release(struct many *m)
{
    free(m->g.items);
    free(m->g.groups);
    json_decref(m->list);
    free(m);
}

void cancel_many_post(void *ingest, struct http_request *r)
{
    static const char *const known[] = {NULL};
    /* Not in the request's arena: that is gone with the answer. */
    struct many *m = calloc(1, sizeof *m);
    MUST(m != NULL);
    struct error e;
    struct bytes group = BYTES_NONE;
    enum choice choice = BY_NOTHING;
    bool ok = true;
    bson_t filter = BSON_INITIALIZER;
    error_clear(&e);
    m->in = ingest;
    m->r = r;
    m->g.arena = http_arena(r);
    if (!request_query_only(r, known) || !read_wish(m, &choice, &group, &filter))
        goto out;
    if (choice == BY_GROUP)
        ok = gather_group(m, group, &e);
    if (choice == BY_FILTER) {
        BSON_APPEND_BOOL(&filter, "final", false);
        ok = gather(m, "jobs", &filter, &e);
    }
    sort_out(&m->g);
    ok = ok && (choice != BY_IDS || look_at_ids(m, &e));
    if (ok && m->g.too_many) {
        http_problem(r, 413, "too_large",
            arena_printf(
                http_arena(r), "more than %d jobs; nothing was cancelled: narrow the filter", JOBS_MOST),
            NULL);
        goto out;
    }
    ok = ok && cancel_all(m, &e);
    if (ok)
        answer(m);
    else
        request_store_failed(r, &e);
out:
    bson_destroy(&filter);
    release(m);
}
