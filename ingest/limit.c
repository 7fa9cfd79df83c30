/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit: see limit.h.
 */
#include "ingest/limit.h"

#include "converter/creator_rules.h"
#include "core/limits.h"
#include "core/shape_bson.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/wish.h"

static const char *const no_query[] = {NULL};

static json_t *limit_json(const struct limit *l)
{
    json_t *body = json_pack("{s:s%}", "selector", l->selector.data, l->selector.len);
    json_t *fields = shape_to_json(&shape_limit, l, SHAPE_COMPACT);
    json_object_update(body, fields);
    json_decref(fields);
    return body;
}

/* {selector} in one piece (*, or ide%2Fann), or {creator}/{user}. False: answered. */
static bool read_selector(struct http_request *r, struct bytes *out)
{
    struct bytes whole = http_param(r, "selector");
    *out = whole.data ? whole
                      : arena_printf(http_arena(r), "%.*s/%.*s", BYTES_ARG(http_param(r, "creator")),
                            BYTES_ARG(http_param(r, "user")));
    if (limits_selector_is_valid(*out))
        return true;
    http_problem(r, 400, "bad_path", BYTES("a selector is creator/user, creator/* or *"), NULL);
    return false;
}

static bool find(struct ingest *in, struct http_request *r, struct bytes selector, struct limit *out)
{
    struct error e;
    bool found = false;
    bson_t filter = BSON_INITIALIZER, doc;
    error_clear(&e);
    bson_add_text(&filter, "_id", selector);
    bool ok = store_find_one(
        in->world->store, "limits", &filter, NULL, &doc, &found, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    if (!ok)
        return request_store_failed(r, &e);
    if (!found)
        return request_not_found(r, "limit for", selector);
    (void)limit_from_bson(&doc, http_arena(r), out);
    bson_destroy(&doc);
    return true;
}

void limit_get(void *ingest, struct http_request *r)
{
    struct bytes selector;
    struct limit l = {.at = NO_INT};
    if (request_query_only(r, no_query) && read_selector(r, &selector) && find(ingest, r, selector, &l))
        http_answer_json(r, 200, limit_json(&l));
}

struct list {
    struct arena *arena;
    json_t *items;
};

static bool list_row(void *self, const bson_t *doc)
{
    struct list *list = self;
    struct limit l;
    if (limit_from_bson(doc, list->arena, &l))
        json_array_append_new(list->items, limit_json(&l));
    return true;
}

static void list_reset(void *self)
{
    json_array_clear(((struct list *)self)->items);
}

void limits_get(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    struct error e;
    error_clear(&e);
    if (!request_query_only(r, no_query))
        return;
    struct list list = {http_arena(r), json_array()};
    struct store_reader reader = {list_row, list_reset, &list};
    bson_t filter = BSON_INITIALIZER;
    bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    bool ok =
        store_find(in->world->store, "limits", &filter, opts, &reader, in->settings->store_patience_ms, &e);
    bson_destroy(opts);
    bson_destroy(&filter);
    if (ok) {
        http_answer_json(r, 200, json_pack("{s:o}", "limits", list.items));
        return;
    }
    json_decref(list.items);
    request_store_failed(r, &e);
}

/* Who wrote it and when is the server's to say; `selector` may stand in the body, as GET shows it, if it is that of the path. */
static bool read_limit(struct http_request *r, struct bytes selector, struct limit *out)
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
    bool readable = shape_from_json(&shape_limit, object, SHAPE_STRICT, http_arena(r), out, &problems) &&
                    others.count == 0;
    json_decref(object);
    for (size_t i = 0; i < others.count; i++)
        wish_problem(&problems, others.items[i].field, others.items[i].code, others.items[i].detail);
    if (differs)
        wish_problem(&problems, BYTES("selector"), "bad_value", BYTES("differs from that of the path"));
    out->selector = arena_copy(http_arena(r), selector);
    out->by = order.by.len ? order.by : BYTES_NONE;
    out->at = order.at;
    (void)limit_check(out, http_arena(r), &problems);
    (void)creator_rules_check(out, http_arena(r), &problems);
    if (problems.count == 0)
        return true;
    http_problem(r, readable ? 422 : 400, "invalid", BYTES("this is no limit: see errors"), &problems);
    return false;
}

void limit_put(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    struct bytes selector;
    struct limit l = {.at = NO_INT};
    struct error e;
    error_clear(&e);
    if (!request_query_only(r, no_query) || !read_selector(r, &selector) || !read_limit(r, selector, &l))
        return;
    bson_t filter = BSON_INITIALIZER, doc = BSON_INITIALIZER;
    bson_add_text(&filter, "_id", selector);
    bson_add_text(&doc, "_id", selector);
    shape_to_bson(&shape_limit, &l, SHAPE_COMPACT, &doc);
    struct store_write write = {.filter = &filter, .update = &doc, .replace = true, .upsert = true};
    bool ok = store_write(in->world->store, "limits", &write, 1, NULL, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    bson_destroy(&doc);
    if (!ok) {
        request_store_failed(r, &e);
        return;
    }
    book_changed(in->book);
    http_answer_json(r, 200, limit_json(&l));
}

void limit_delete(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    struct bytes selector;
    struct error e;
    int64_t deleted = 0;
    error_clear(&e);
    if (!request_query_only(r, no_query) || !read_selector(r, &selector))
        return;
    bson_t filter = BSON_INITIALIZER;
    bson_add_text(&filter, "_id", selector);
    bool ok =
        store_delete(in->world->store, "limits", &filter, &deleted, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    if (!ok) {
        request_store_failed(r, &e);
        return;
    }
    book_changed(in->book);
    http_answer_json(
        r, 200, json_pack("{s:s%, s:b}", "selector", selector.data, selector.len, "deleted", deleted > 0));
}
