/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selected: see selected.h.
 */
#include "ingest/selected.h"

#include "core/shape_bson.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/wish.h"

static const char *const no_query[] = {NULL};

static struct bytes *selector_of(const struct selected_kind *kind, void *record)
{
    return (struct bytes *)(void *)((char *)record + kind->selector);
}

static json_t *to_json(const struct selected_kind *kind, void *record)
{
    const struct bytes *selector = selector_of(kind, record);
    json_t *body = json_pack("{s:s%}", "selector", selector->data, selector->len);
    json_t *fields = shape_to_json(kind->shape, record, SHAPE_COMPACT);
    json_object_update(body, fields);
    json_decref(fields);
    return body;
}

/* {selector} in one piece (*, or ide%2Fann), or {creator}/{user...}. False: answered. */
static bool read_selector(const struct selected_kind *kind, struct http_request *r, struct bytes *out)
{
    struct bytes whole = http_param(r, "selector");
    *out = whole.data ? whole
                      : arena_printf(http_arena(r), "%.*s/%.*s", BYTES_ARG(http_param(r, "creator")),
                            BYTES_ARG(http_param(r, "user")));
    if (kind->selector_is_valid(*out))
        return true;
    http_problem(r, 400, "bad_path", bytes_of(kind->wanted), NULL);
    return false;
}

/* ---- reading ---- */

static bool find(const struct selected_kind *kind, struct ingest *in, struct http_request *r,
    struct bytes selector, void *out)
{
    struct error e;
    bool found = false;
    bson_t filter = BSON_INITIALIZER, doc;
    error_clear(&e);
    bson_add_text(&filter, "_id", selector);
    bool ok = store_find_one(
        in->world->store, kind->collection, &filter, NULL, &doc, &found, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    if (!ok)
        return request_store_failed(r, &e);
    if (!found)
        return request_not_found(r, kind->none, selector);
    (void)kind->from_bson(&doc, http_arena(r), out);
    bson_destroy(&doc);
    return true;
}

void selected_get(const struct selected_kind *kind, struct ingest *in, struct http_request *r)
{
    struct bytes selector;
    void *record = arena_alloc(http_arena(r), kind->shape->size);
    if (request_query_only(r, no_query) && read_selector(kind, r, &selector) &&
        find(kind, in, r, selector, record))
        http_answer_json(r, 200, to_json(kind, record));
}

struct list {
    const struct selected_kind *kind;
    struct arena *arena;
    json_t *items;
};

static bool list_row(void *self, const bson_t *doc)
{
    struct list *list = self;
    void *record = arena_alloc(list->arena, list->kind->shape->size);
    if (list->kind->from_bson(doc, list->arena, record))
        json_array_append_new(list->items, to_json(list->kind, record));
    return true;
}

static void list_reset(void *self)
{
    json_array_clear(((struct list *)self)->items);
}

void selected_list(const struct selected_kind *kind, struct ingest *in, struct http_request *r)
{
    struct error e;
    error_clear(&e);
    if (!request_query_only(r, no_query))
        return;
    struct list list = {kind, http_arena(r), json_array()};
    struct store_reader reader = {list_row, list_reset, &list};
    bson_t filter = BSON_INITIALIZER;
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    bool ok = store_find(
        in->world->store, kind->collection, &filter, opts, &reader, in->settings->store_patience_ms, &e);
    bson_destroy(opts);
    bson_destroy(&filter);
    if (ok) {
        http_answer_json(r, 200, json_pack("{s:o}", kind->collection, list.items));
        return;
    }
    json_decref(list.items);
    request_store_failed(r, &e);
}

/* ---- writing ---- */

/* Who wrote it and when is the server's to say; `selector` may stand in the body, as GET shows it, if it is that of the path. */
static bool read_body(
    const struct selected_kind *kind, struct http_request *r, struct bytes selector, void *out)
{
    struct field_problems problems = {.count = 0}, others = {.count = 0};
    struct order order;
    json_t *object;
    if (!wish_object(r, &object))
        return false;
    const char *said = json_string_value(json_object_get(object, "selector"));
    bool differs = said && !bytes_equal_text(selector, said);
    json_object_del(object, "selector");
    json_object_del(object, "at");
    wish_order(r, object, &order, &others);
    bool readable = shape_from_json(kind->shape, object, SHAPE_STRICT, http_arena(r), out, &problems) &&
                    others.count == 0;
    json_decref(object);
    for (size_t i = 0; i < others.count; i++)
        field_problems_add(&problems, others.items[i].field, others.items[i].code, others.items[i].detail);
    if (differs)
        field_problems_add(&problems, BYTES("selector"), "bad_value", BYTES("differs from that of the path"));
    *selector_of(kind, out) = arena_copy(http_arena(r), selector);
    *(struct bytes *)(void *)((char *)out + kind->by) = order.by.len ? order.by : BYTES_NONE;
    *(int64_t *)(void *)((char *)out + kind->at) = order.at;
    kind->check(out, http_arena(r), &problems);
    if (problems.count == 0)
        return true;
    http_problem(r, readable ? 422 : 400, "invalid", bytes_of(kind->refused), &problems);
    return false;
}

void selected_put(const struct selected_kind *kind, struct ingest *in, struct http_request *r)
{
    struct bytes selector;
    struct error e;
    void *record = arena_alloc(http_arena(r), kind->shape->size);
    error_clear(&e);
    if (!request_query_only(r, no_query) || !read_selector(kind, r, &selector) ||
        !read_body(kind, r, selector, record))
        return;
    bson_t filter = BSON_INITIALIZER, doc = BSON_INITIALIZER;
    bson_add_text(&filter, "_id", selector);
    bson_add_text(&doc, "_id", selector);
    shape_to_bson(kind->shape, record, SHAPE_COMPACT, &doc);
    struct store_write write = {.filter = &filter, .update = &doc, .replace = true, .upsert = true};
    bool ok =
        store_write(in->world->store, kind->collection, &write, 1, NULL, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    bson_destroy(&doc);
    if (!ok) {
        request_store_failed(r, &e);
        return;
    }
    if (kind->changed)
        kind->changed(in);
    http_answer_json(r, 200, to_json(kind, record));
}

void selected_delete(const struct selected_kind *kind, struct ingest *in, struct http_request *r)
{
    struct bytes selector;
    struct error e;
    int64_t deleted = 0;
    error_clear(&e);
    if (!request_query_only(r, no_query) || !read_selector(kind, r, &selector))
        return;
    bson_t filter = BSON_INITIALIZER;
    bson_add_text(&filter, "_id", selector);
    bool ok = store_delete(
        in->world->store, kind->collection, &filter, &deleted, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    if (!ok) {
        request_store_failed(r, &e);
        return;
    }
    if (kind->changed)
        kind->changed(in);
    http_answer_json(
        r, 200, json_pack("{s:s%, s:b}", "selector", selector.data, selector.len, "deleted", deleted > 0));
}
