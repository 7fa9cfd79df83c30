/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default: see default.h.
 */
#include "ingest/default.h"

#include "converter/variables.h"
#include "core/defaults.h"
#include "core/shape_bson.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/wish.h"

static const char *const no_query[] = {NULL};

static json_t *default_json(const struct job_default *d)
{
    json_t *body = json_pack("{s:s%}", "selector", d->selector.data, d->selector.len);
    json_t *fields = shape_to_json(&shape_default, d, SHAPE_COMPACT);
    json_object_update(body, fields);
    json_decref(fields);
    return body;
}

/* {selector} in one piece (*, or ide%2Fann), or {creator}/{user with conditions}. False: answered. */
static bool read_selector(struct http_request *r, struct bytes *out)
{
    struct default_selector pieces;
    struct bytes whole = http_param(r, "selector");
    *out = whole.data ? whole
                      : arena_printf(http_arena(r), "%.*s/%.*s", BYTES_ARG(http_param(r, "creator")),
                            BYTES_ARG(http_param(r, "user")));
    if (default_selector_parse(*out, &pieces))
        return true;
    http_problem(r, 400, "bad_path",
        BYTES("a selector is creator/user, creator/* or *, then ,engine=NAME and ,label=KEY=VALUE where "
              "wanted"),
        NULL);
    return false;
}

static bool find(struct ingest *in, struct http_request *r, struct bytes selector, struct job_default *out)
{
    struct error e;
    bool found = false;
    bson_t filter = BSON_INITIALIZER, doc;
    error_clear(&e);
    bson_add_text(&filter, "_id", selector);
    bool ok = store_find_one(
        in->world->store, "defaults", &filter, NULL, &doc, &found, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    if (!ok)
        return request_store_failed(r, &e);
    if (!found)
        return request_not_found(r, "defaults for", selector);
    (void)default_from_bson(&doc, http_arena(r), out);
    bson_destroy(&doc);
    return true;
}

void default_get(void *ingest, struct http_request *r)
{
    struct bytes selector;
    struct job_default d = {.at = NO_INT};
    if (request_query_only(r, no_query) && read_selector(r, &selector) && find(ingest, r, selector, &d))
        http_answer_json(r, 200, default_json(&d));
}

struct list {
    struct arena *arena;
    json_t *items;
};

static bool list_row(void *self, const bson_t *doc)
{
    struct list *list = self;
    struct job_default d;
    if (default_from_bson(doc, list->arena, &d))
        json_array_append_new(list->items, default_json(&d));
    return true;
}

static void list_reset(void *self)
{
    json_array_clear(((struct list *)self)->items);
}

void defaults_get(void *ingest, struct http_request *r)
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
        store_find(in->world->store, "defaults", &filter, opts, &reader, in->settings->store_patience_ms, &e);
    bson_destroy(opts);
    bson_destroy(&filter);
    if (ok) {
        http_answer_json(r, 200, json_pack("{s:o}", "defaults", list.items));
        return;
    }
    json_decref(list.items);
    request_store_failed(r, &e);
}

/* What the converter would pass over. */
static void check_variables(
    struct http_request *r, const struct job_default *d, struct field_problems *problems)
{
    for (size_t i = 0; i < d->variables.count; i++)
        if (variable_is_fixed(d->variables.items[i].key))
            wish_problem(problems,
                arena_printf(http_arena(r), "variables.%.*s", BYTES_ARG(d->variables.items[i].key)),
                "fixed_variable", BYTES("the variable is built in and can't be set"));
}

/* Who wrote it and when is the server's to say; `selector` may stand in the body, as GET shows it, if it is that of the path. */
static bool read_default(struct http_request *r, struct bytes selector, struct job_default *out)
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
    bool readable = shape_from_json(&shape_default, object, SHAPE_STRICT, http_arena(r), out, &problems) &&
                    others.count == 0;
    json_decref(object);
    for (size_t i = 0; i < others.count; i++)
        wish_problem(&problems, others.items[i].field, others.items[i].code, others.items[i].detail);
    if (differs)
        wish_problem(&problems, BYTES("selector"), "bad_value", BYTES("differs from that of the path"));
    out->selector = arena_copy(http_arena(r), selector);
    out->by = order.by.len ? order.by : BYTES_NONE;
    out->at = order.at;
    (void)default_check(out, http_arena(r), &problems);
    check_variables(r, out, &problems);
    if (problems.count == 0)
        return true;
    http_problem(r, readable ? 422 : 400, "invalid", BYTES("these are no defaults: see errors"), &problems);
    return false;
}

void default_put(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    struct bytes selector;
    struct job_default d = {.at = NO_INT};
    struct error e;
    error_clear(&e);
    if (!request_query_only(r, no_query) || !read_selector(r, &selector) || !read_default(r, selector, &d))
        return;
    bson_t filter = BSON_INITIALIZER, doc = BSON_INITIALIZER;
    bson_add_text(&filter, "_id", selector);
    bson_add_text(&doc, "_id", selector);
    shape_to_bson(&shape_default, &d, SHAPE_COMPACT, &doc);
    struct store_write write = {.filter = &filter, .update = &doc, .replace = true, .upsert = true};
    bool ok = store_write(in->world->store, "defaults", &write, 1, NULL, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    bson_destroy(&doc);
    if (!ok) {
        request_store_failed(r, &e);
        return;
    }
    http_answer_json(r, 200, default_json(&d));
}

void default_delete(void *ingest, struct http_request *r)
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
        store_delete(in->world->store, "defaults", &filter, &deleted, in->settings->store_patience_ms, &e);
    bson_destroy(&filter);
    if (!ok) {
        request_store_failed(r, &e);
        return;
    }
    http_answer_json(
        r, 200, json_pack("{s:s%, s:b}", "selector", selector.data, selector.len, "deleted", deleted > 0));
}
