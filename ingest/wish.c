/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wish: see wish.h.
 */
#include "ingest/wish.h"

#include <string.h>

#include "core/clock.h"
#include "ingest/request.h"

#define TEXT_MOST 1024

bool wish_object(struct http_request *r, json_t **out)
{
    struct arena *a = http_arena(r);
    struct bytes body = http_body(r), type = request_media_type(a, http_header(r, "Content-Type"));
    json_error_t e;
    *out = NULL;
    if (bytes_trim(body).len == 0) {
        *out = json_object();
        return true;
    }
    if (!request_is_json(type))
        return request_other_media_type(r, type, "application/json");
    json_t *object = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (json_is_object(object)) {
        *out = object;
        return true;
    }
    if (object)
        http_problem(r, 400, "bad_request", BYTES("one JSON object is expected"), NULL);
    else
        http_problem(r, 400, json_error_code(&e) == json_error_invalid_utf8 ? "bad_utf8" : "bad_json",
            arena_printf(a, "line %d, column %d: %s", e.line, e.column, e.text), NULL);
    json_decref(object);
    return false;
}

static struct bytes take_text(
    struct http_request *r, json_t *object, const char *name, struct field_problems *problems)
{
    const json_t *value = json_object_get(object, name);
    struct bytes text = BYTES("");
    if (json_is_string(value))
        text = arena_copy(http_arena(r), (struct bytes){json_string_value(value), json_string_length(value)});
    else if (value && !json_is_null(value))
        field_problems_add(problems, bytes_of(name), "wrong_type", BYTES("expected text"));
    if (text.len > TEXT_MOST)
        field_problems_add(problems, bytes_of(name), "too_long", BYTES("at most 1024 bytes"));
    if (memchr(text.data, '\0', text.len))
        field_problems_add(problems, bytes_of(name), "nul_byte", BYTES("text must not hold NUL bytes"));
    json_object_del(object, name);
    return text;
}

void wish_order(struct http_request *r, json_t *object, struct order *out, struct field_problems *problems)
{
    out->by = take_text(r, object, "by", problems);
    out->reason = take_text(r, object, "reason", problems);
    out->at = clock_utc_ms();
}

bool wish_settled(struct http_request *r, json_t *object, struct field_problems *problems)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        struct bytes cut = arena_copy(http_arena(r), bytes_cut(bytes_of(name), 80));
        field_problems_add(problems, cut, "unknown_field", BYTES("there is no such field"));
    }
    if (problems->count == 0)
        return true;
    http_problem(r, 400, "invalid", BYTES("the body has problems; see errors"), problems);
    return false;
}

bool wish_read(struct http_request *r, struct order *out)
{
    struct field_problems problems = {.count = 0};
    json_t *object;
    if (!wish_object(r, &object))
        return false;
    wish_order(r, object, out, &problems);
    bool ok = wish_settled(r, object, &problems);
    json_decref(object);
    return ok;
}
