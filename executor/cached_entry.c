/* SPDX-License-Identifier: Apache-2.0 */
/* cached_entry: see the header. */
#include "executor/cached_entry.h"

#include <string.h>

#include "core/clock.h"
#include "core/result.h"
#include "core/shape_bson.h"

bool cached_key_is_valid(const struct job_cache *c)
{
    return c && c->ttl_ms > 0 && c->key.len > 0 && c->key.len <= CACHED_KEY_BYTES_MAX &&
           bytes_is_utf8(c->key) && !bytes_has_control(c->key);
}

/* ---- writing ---- */

static void append_results(bson_t *doc, const struct cached_entry *c)
{
    bson_t results, one;
    char space[16];
    const char *key;
    bson_append_array_begin(doc, "results", -1, &results);
    for (size_t i = 0; i < c->result_count; i++) {
        bson_uint32_to_string((uint32_t)i, &key, space, sizeof space);
        bson_append_document_begin(&results, key, -1, &one);
        shape_to_bson(&shape_result, &c->results[i], SHAPE_COMPACT, &one);
        bson_append_document_end(&results, &one);
    }
    bson_append_array_end(doc, &results);
}

bson_t *cached_entry_to_bson(const struct cached_entry *c, int64_t ttl_ms)
{
    bson_t *doc = bson_new();
    bson_add_text(doc, "_id", c->key);
    bson_add_text(doc, "job", c->job);
    bson_add_text(doc, "group", c->group);
    BSON_APPEND_DATE_TIME(doc, "at", c->at);
    if (c->exit_code != NO_INT)
        BSON_APPEND_INT64(doc, "exit_code", c->exit_code);
    append_results(doc, c);
    BSON_APPEND_DATE_TIME(doc, "expire_at", clock_later(c->at, ttl_ms));
    return doc;
}

/* ---- reading ---- */

static bool take_text(const bson_t *doc, const char *field, struct arena *a, struct bytes *out)
{
    bson_iter_t it;
    uint32_t len;
    if (!bson_iter_init_find(&it, doc, field) || !BSON_ITER_HOLDS_UTF8(&it))
        return false;
    const char *text = bson_iter_utf8(&it, &len);
    *out = arena_copy(a, (struct bytes){text, len});
    return len > 0;
}

static bool take_time(const bson_t *doc, const char *field, int64_t *out)
{
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, field) || !BSON_ITER_HOLDS_DATE_TIME(&it))
        return false;
    *out = bson_iter_date_time(&it);
    return true;
}

/* Not there is fine; something that is no number is not. */
static bool take_exit_code(const bson_t *doc, int64_t *out)
{
    bson_iter_t it;
    *out = NO_INT;
    if (!bson_iter_init_find(&it, doc, "exit_code"))
        return true;
    *out = bson_iter_as_int64(&it);
    return BSON_ITER_HOLDS_INT(&it);
}

/* yyyy-mm-dd/<creator>/<user>/...: whoever wrote the document, nobody gets the files of another group by it. */
static bool is_of_group(struct bytes path, struct bytes group)
{
    const char *slash = path.len ? memchr(path.data, '/', path.len) : NULL;
    if (!slash)
        return false;
    size_t from = (size_t)(slash - path.data) + 1;
    return path.len > from + group.len && path.data[from + group.len] == '/' &&
           bytes_equal(bytes_slice(path, from, group.len), group);
}

static bool take_result(
    const bson_iter_t *it, struct bytes group, struct arena *a, struct job_result *out, struct error *e)
{
    const uint8_t *data;
    uint32_t len;
    bson_t one;
    if (!BSON_ITER_HOLDS_DOCUMENT(it))
        return error_set(e, "cached_damaged", "a result is no document");
    bson_iter_document(it, &len, &data);
    if (!bson_init_static(&one, data, len))
        return error_set(e, "cached_damaged", "a result is no document");
    shape_from_bson(&shape_result, &one, a, out);
    if (out->n < 0 || out->bytes < 0 || !out->kind.len || !is_of_group(out->path, group))
        return error_set(
            e, "cached_damaged", "a result has no number or kind, or its path is not its group's");
    return true;
}

static bool take_results(const bson_t *doc, struct arena *a, struct cached_entry *c, struct error *e)
{
    bson_iter_t it, item;
    size_t count = 0;
    if (!bson_iter_init_find(&it, doc, "results") || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &item))
        return error_set(e, "cached_damaged", "it has no results");
    while (bson_iter_next(&item))
        count++;
    c->results = arena_array(a, count, sizeof *c->results);
    (void)bson_iter_recurse(&it, &item);
    while (c->result_count < count && bson_iter_next(&item)) {
        if (!take_result(&item, c->group, a, &c->results[c->result_count], e))
            return false;
        c->result_count++;
    }
    return true;
}

bool cached_entry_from_bson(const bson_t *doc, struct arena *a, struct cached_entry *out, struct error *e)
{
    *out = (struct cached_entry){.exit_code = NO_INT};
    if (!take_text(doc, "_id", a, &out->key) || !take_text(doc, "job", a, &out->job) ||
        !take_text(doc, "group", a, &out->group))
        return error_set(e, "cached_damaged", "its _id, job or group is no text");
    if (!take_time(doc, "at", &out->at))
        return error_set(e, "cached_damaged", "its at is no date");
    if (!take_exit_code(doc, &out->exit_code))
        return error_set(e, "cached_damaged", "its exit_code is no number");
    return take_results(doc, a, out, e);
}

/* ---- what is believed of it ---- */

int64_t cached_entry_age_ms(const struct cached_entry *c, int64_t now)
{
    return now > c->at ? now - c->at : 0;
}

bool cached_entry_serves(const struct cached_entry *c, struct bytes group, int64_t ttl_ms, int64_t now)
{
    return bytes_equal(c->group, group) && cached_entry_age_ms(c, now) <= ttl_ms;
}

const struct job_result *cached_entry_missing(const struct cached_entry *c, const char *results_dir)
{
    for (size_t i = 0; i < c->result_count; i++)
        if (!result_is_there(results_dir, &c->results[i]))
            return &c->results[i];
    return NULL;
}
