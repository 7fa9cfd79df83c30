/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter: see filter.h. The filters are a table: name of the parameter and of the document's field, and what it may be. Where a value
 * comes from (a query, an object) is behind `struct source`.
 */
#include "ingest/filter.h"

#include <string.h>

#include "core/clock.h"
#include "core/job.h"
#include "core/shape_bson.h"
#include "ingest/request.h"
#include "ingest/wish.h"

enum { GROUP_MOST = 129, TEXT_MOST = 256 };

static const struct {
    const char *name;
    size_t most; /* bytes */
    const char *expected;
} texts[] = {
    {"creator", 64, "a creator's name"},
    {"user", 64, "a user's name"},
    {"group", GROUP_MOST, "creator/user"},
    {"engine", 64, "an engine's name"},
    {"name", TEXT_MOST, "the whole name of a job, at most 256 bytes"},
};
#define TEXTS (sizeof texts / sizeof texts[0])
#define STATES                                                                                               \
    "accepted, converted, planned, queued, running, succeeded, failed, cancelled, timed_out or rejected; "   \
    "several with commas"
#define TIME "a time such as 2026-01-31T08:30:00Z, or UTC milliseconds"

struct source {
    struct http_request *r;
    struct bytes (*value)(const struct source *s, const char *name);
    const json_t *object;
    /* The first thing that is wrong. */
    const char *bad;
    struct bytes bad_value;
    const char *expected;
};

static bool refuse(struct source *s, const char *name, struct bytes value, const char *expected)
{
    s->bad = name;
    s->bad_value = value;
    s->expected = expected;
    return false;
}

/* The index is by creator and user: a group is looked for by these too, where they are not asked for by themselves. */
static bool add_group(struct source *s, bson_t *out)
{
    struct bytes group = s->value(s, "group");
    const char *slash = group.data ? memchr(group.data, '/', group.len) : NULL;
    if (!group.data)
        return true;
    if (!slash)
        return refuse(s, "group", group, "creator/user");
    size_t len = (size_t)(slash - group.data);
    if (!s->value(s, "creator").data)
        bson_add_text(out, "creator", bytes_slice(group, 0, len));
    if (!s->value(s, "user").data)
        bson_add_text(out, "user", bytes_slice(group, len + 1, group.len));
    return true;
}

static bool add_texts(struct source *s, bson_t *out)
{
    for (size_t i = 0; i < TEXTS; i++) {
        struct bytes value = s->value(s, texts[i].name);
        if (!value.data)
            continue;
        if (value.len == 0 || value.len > texts[i].most || !bytes_is_utf8(value) ||
            memchr(value.data, 0, value.len))
            return refuse(s, texts[i].name, value, texts[i].expected);
        bson_add_text(out, texts[i].name, value);
    }
    return add_group(s, out);
}

/* "queued,running" */
static bool add_states(struct source *s, bson_t *out)
{
    struct bytes all = s->value(s, "state"), rest = all;
    bson_t in, list;
    bool ok = true;
    uint32_t count = 0;
    if (!all.data)
        return true;
    bson_append_document_begin(out, "state", -1, &in);
    bson_append_array_begin(&in, "$in", -1, &list);
    for (bool more = true; more && ok;) {
        const char *comma = memchr(rest.data, ',', rest.len), *key;
        char index[16];
        struct bytes word = comma ? bytes_slice(rest, 0, (size_t)(comma - rest.data)) : rest;
        enum job_state state;
        ok = job_state_parse(word, &state);
        bson_uint32_to_string(count++, &key, index, sizeof index);
        if (ok)
            bson_append_utf8(&list, key, -1, job_state_name(state), -1);
        more = comma != NULL;
        if (comma)
            rest = bytes_slice(rest, word.len + 1, rest.len);
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(out, &in);
    return ok || refuse(s, "state", all, STATES);
}

static bool read_time(struct source *s, const char *name, int64_t *out)
{
    struct bytes value = s->value(s, name);
    *out = NO_INT;
    return !value.data || bytes_parse_int64(value, out) || clock_parse(value, out) ||
           refuse(s, name, value, TIME);
}

/* since <= times.accepted < until */
static bool add_times(struct source *s, bson_t *out)
{
    int64_t since, until;
    bson_t range;
    if (!read_time(s, "since", &since) || !read_time(s, "until", &until))
        return false;
    if (since == NO_INT && until == NO_INT)
        return true;
    bson_append_document_begin(out, "times.accepted", -1, &range);
    if (since != NO_INT)
        BSON_APPEND_DATE_TIME(&range, "$gte", since);
    if (until != NO_INT)
        BSON_APPEND_DATE_TIME(&range, "$lt", until);
    bson_append_document_end(out, &range);
    return true;
}

/* ---- labels ---- */

struct labels {
    struct pairs labels;
};
static const struct field label_fields[] = {{.name = "labels",
    .type = FIELD_PAIRS,
    .flags = FIELD_OPTIONAL,
    .offset = offsetof(struct labels, labels)}};
static const struct shape shape_labels = {.name = "Labels",
    .size = sizeof(struct labels),
    .fields = label_fields,
    .count = 1,
    .help = "Labels that are asked for."};

/* "labels.KEY": value. Keys are escaped as in the documents, by the same code. */
static void add_labels(const struct labels *labels, bson_t *out)
{
    bson_t doc = BSON_INITIALIZER;
    bson_iter_t it;
    struct buf path;
    buf_init(&path);
    shape_to_bson(&shape_labels, labels, SHAPE_COMPACT, &doc);
    if (bson_iter_init_find(&it, &doc, "labels") && BSON_ITER_HOLDS_DOCUMENT(&it)) {
        bson_iter_t label;
        bson_iter_recurse(&it, &label);
        while (bson_iter_next(&label)) {
            buf_clear(&path);
            buf_printf(&path, "labels.%s", bson_iter_key(&label));
            bson_append_iter(out, path.data, (int)path.len, &label);
        }
    }
    buf_release(&path);
    bson_destroy(&doc);
}

static bool add_query_labels(struct source *s, bson_t *out)
{
    struct bytes name, value;
    for (size_t i = 0; http_query_at(s->r, i, &name, &value); i++) {
        const char *equals = value.len ? memchr(value.data, '=', value.len) : NULL;
        if (!bytes_equal_text(name, "label"))
            continue;
        if (!equals || equals == value.data)
            return refuse(s, "label", value, "KEY=VALUE");
        size_t len = (size_t)(equals - value.data);
        struct pair pair = {bytes_slice(value, 0, len), bytes_slice(value, len + 1, value.len)};
        struct labels labels = {{&pair, 1}};
        add_labels(&labels, out);
    }
    return true;
}

static void add_json_labels(
    struct http_request *r, const json_t *object, bson_t *out, struct field_problems *problems)
{
    const json_t *given = json_object_get(object, "labels");
    struct labels labels;
    struct field_problems own = {.count = 0};
    if (!given)
        return;
    json_t *wrapped = json_pack("{s:O}", "labels", given);
    if (shape_from_json(&shape_labels, wrapped, SHAPE_STRICT, http_arena(r), &labels, &own))
        add_labels(&labels, out);
    else
        field_problems_add(
            problems, BYTES("filter.labels"), "wrong_type", BYTES("expected an object of texts"));
    json_decref(wrapped);
}

/* ---- from a query ---- */

static struct bytes query_value(const struct source *s, const char *name)
{
    return http_query(s->r, name);
}

bool filter_from_query(struct http_request *r, bson_t *out)
{
    struct source s = {.r = r, .value = query_value};
    return (add_texts(&s, out) && add_states(&s, out) && add_times(&s, out) && add_query_labels(&s, out)) ||
           request_bad_query(r, s.bad, s.bad_value, s.expected);
}

/* ---- from an object ---- */

/* Texts as they are, numbers as their digits, a list of texts with commas. */
static struct bytes json_value(const struct source *s, const char *name)
{
    const json_t *value = json_object_get(s->object, name), *item;
    struct buf text;
    size_t i;
    if (json_is_string(value))
        return arena_copy(
            http_arena(s->r), (struct bytes){json_string_value(value), json_string_length(value)});
    if (json_is_integer(value))
        return arena_printf(http_arena(s->r), "%lld", (long long)json_integer_value(value));
    if (!value || json_is_null(value))
        return BYTES_NONE;
    buf_init(&text);
    json_array_foreach(value, i, item)
        buf_printf(&text, "%s%s", i ? "," : "", json_is_string(item) ? json_string_value(item) : "?");
    struct bytes joined = text.len ? arena_copy(http_arena(s->r), buf_bytes(&text)) : BYTES("");
    buf_release(&text);
    return joined;
}

void filter_from_json(
    struct http_request *r, json_t *object, bson_t *out, bool *any, struct field_problems *problems)
{
    static const char *const known[] = {
        "creator", "user", "group", "engine", "name", "state", "labels", "since", "until"};
    struct source s = {.r = r, .value = json_value, .object = object};
    const char *name;
    json_t *value;
    *any = json_object_size(object) > 0;
    json_object_foreach(object, name, value)
    {
        bool ok = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            ok = ok || strcmp(known[i], name) == 0;
        if (!ok)
            field_problems_add(problems,
                arena_printf(http_arena(r), "filter.%.*s", BYTES_ARG(bytes_cut(bytes_of(name), 80))),
                "unknown_field", BYTES("there is no such filter"));
    }
    if (!add_texts(&s, out) || !add_states(&s, out) || !add_times(&s, out))
        field_problems_add(problems, arena_printf(http_arena(r), "filter.%s", s.bad), "bad_value",
            arena_printf(http_arena(r), "expected %s", s.expected));
    add_json_labels(r, object, out, problems);
}

void filter_behind(int64_t accepted, const char *id, bson_t *out)
{
    bson_t *behind =
        BCON_NEW("$or", "[", "{", "times.accepted", "{", "$lt", BCON_DATE_TIME(accepted), "}", "}", "{",
            "times.accepted", BCON_DATE_TIME(accepted), "_id", "{", "$lt", BCON_UTF8(id), "}", "}", "]");
    bson_concat(out, behind);
    bson_destroy(behind);
}
