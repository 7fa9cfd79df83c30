/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query: see query.h. The filters are a table: query parameter, field of the document, what it may be.
 */
#include "ingest/query.h"

#include <string.h>

#include "core/clock.h"
#include "core/shape_bson.h"
#include "ingest/cursor.h"
#include "ingest/ingest.h"
#include "ingest/job.h"
#include "ingest/request.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MOST = 1000, GROUP_MOST = 129, TEXT_MOST = 256 };

struct filter {
    const char *name; /* of the query parameter and of the field */
    size_t most;      /* bytes */
    const char *expected;
};
static const struct filter filters[] = {
    {"creator", 64, "a creator's name"},
    {"user", 64, "a user's name"},
    {"group", GROUP_MOST, "creator/user"},
    {"engine", 64, "an engine's name"},
    {"name", TEXT_MOST, "the whole name of a job, at most 256 bytes"},
};
static const char *const known[] = {"creator", "user", "group", "engine", "name", "state", "since", "until",
    "limit", "cursor", "total", NULL};

/* The index is by creator and user: a group is looked for by these too, where they are not asked for by themselves. */
static bool add_group(struct http_request *r, bson_t *filter)
{
    struct bytes group = http_query(r, "group");
    const char *slash = group.data ? memchr(group.data, '/', group.len) : NULL;
    if (!group.data)
        return true;
    if (!slash)
        return request_bad_query(r, "group", group, "creator/user");
    size_t len = (size_t)(slash - group.data);
    if (!http_query(r, "creator").data)
        bson_add_text(filter, "creator", bytes_slice(group, 0, len));
    if (!http_query(r, "user").data)
        bson_add_text(filter, "user", bytes_slice(group, len + 1, group.len));
    return true;
}

static bool add_texts(struct http_request *r, bson_t *filter)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        const struct filter *f = &filters[i];
        struct bytes value = http_query(r, f->name);
        if (!value.data)
            continue;
        if (value.len == 0 || value.len > f->most || !bytes_is_utf8(value) ||
            memchr(value.data, 0, value.len))
            return request_bad_query(r, f->name, value, f->expected);
        bson_add_text(filter, f->name, value);
    }
    return add_group(r, filter);
}

/* state=queued,running */
static bool add_states(struct http_request *r, bson_t *filter)
{
    struct bytes rest = http_query(r, "state");
    bson_t in, list;
    bool ok = true;
    uint32_t count = 0;
    if (!rest.data)
        return true;
    bson_append_document_begin(filter, "state", -1, &in);
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
    bson_append_document_end(filter, &in);
    if (ok)
        return true;
    return request_bad_query(r, "state", http_query(r, "state"),
        "accepted, converted, planned, queued, running, succeeded, failed, cancelled, timed_out or rejected; "
        "several with commas");
}

/* since <= times.accepted < until */
static bool add_times(struct http_request *r, bson_t *filter)
{
    int64_t since, until;
    bson_t range;
    if (!request_time(r, "since", &since) || !request_time(r, "until", &until))
        return false;
    if (since == NO_INT && until == NO_INT)
        return true;
    bson_append_document_begin(filter, "times.accepted", -1, &range);
    if (since != NO_INT)
        BSON_APPEND_DATE_TIME(&range, "$gte", since);
    if (until != NO_INT)
        BSON_APPEND_DATE_TIME(&range, "$lt", until);
    bson_append_document_end(filter, &range);
    return true;
}

/* Jobs after the cursor in the order of the list. A copy: totals are counted without it. */
static bool add_cursor(struct http_request *r, bson_t *filter)
{
    struct bytes text = http_query(r, "cursor");
    struct cursor c;
    char id[UUID_TEXT_LEN + 1];
    if (!text.data)
        return true;
    if (!cursor_parse(text, &c))
        return request_bad_query(r, "cursor", text, "the next_cursor of an answer");
    uuid_format(&c.id, id);
    bson_t *older =
        BCON_NEW("$or", "[", "{", "times.accepted", "{", "$lt", BCON_DATE_TIME(c.accepted), "}", "}", "{",
            "times.accepted", BCON_DATE_TIME(c.accepted), "_id", "{", "$lt", BCON_UTF8(id), "}", "}", "]");
    bson_concat(filter, older);
    bson_destroy(older);
    return true;
}

struct page {
    struct arena *arena;
    json_t *jobs;
    int64_t limit;
    struct cursor last;
    bool more;
};

static bool page_row(void *self, const bson_t *doc)
{
    struct page *p = self;
    if ((int64_t)json_array_size(p->jobs) == p->limit) {
        p->more = true;
        return false;
    }
    p->last.accepted = doc_number(doc, "times.accepted", 0);
    (void)uuid_parse(doc_text(doc, "_id"), &p->last.id);
    json_array_append_new(p->jobs, job_json(doc));
    return true;
}

static void page_reset(void *self)
{
    struct page *p = self;
    p->more = false;
    json_array_clear(p->jobs);
}

/* One more than the page: that there is one tells of a next page. */
static bson_t *page_opts(int64_t limit)
{
    return BCON_NEW("sort", "{", "times.accepted", BCON_INT32(-1), "_id", BCON_INT32(-1), "}", "limit",
        BCON_INT64(limit + 1), "projection", "{", "stub", BCON_INT32(0), "fold", BCON_INT32(0), "code",
        BCON_INT32(0), "plan", BCON_INT32(0), "conf", BCON_INT32(0), "variables", BCON_INT32(0), "source",
        BCON_INT32(0), "}");
}

static void answer(struct ingest *in, struct http_request *r, const bson_t *all, const bson_t *filter,
    int64_t limit, bool total)
{
    struct error e;
    int64_t count = 0, patience = in->settings->store_patience_ms;
    struct page page = {.arena = http_arena(r), .jobs = json_array(), .limit = limit};
    struct store_reader reader = {page_row, page_reset, &page};
    bson_t *opts = page_opts(limit);
    error_clear(&e);
    bool ok = store_find(in->world->store, "jobs", filter, opts, &reader, patience, &e) &&
              (!total || store_count(in->world->store, "jobs", all, &count, patience, &e));
    bson_destroy(opts);
    if (!ok) {
        json_decref(page.jobs);
        request_store_failed(r, &e);
        return;
    }
    json_t *body = json_object();
    json_object_set_new(body, "jobs", page.jobs);
    struct bytes next = page.more ? cursor_format(&page.last, page.arena) : BYTES_NONE;
    json_object_set_new(body, "next_cursor", next.data ? json_stringn(next.data, next.len) : json_null());
    if (total)
        json_object_set_new(body, "total", json_integer(count));
    http_answer_json(r, 200, body);
}

void query_jobs(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    int64_t limit, began = clock_boot_us();
    bool total;
    bson_t all = BSON_INITIALIZER;
    if (request_query_only(r, known) && request_number(r, "limit", 1, LIMIT_MOST, LIMIT_DEFAULT, &limit) &&
        request_flag(r, "total", &total) && add_texts(r, &all) && add_states(r, &all) && add_times(r, &all)) {
        bson_t *filter = bson_copy(&all);
        if (add_cursor(r, filter))
            answer(in, r, &all, filter, limit, total);
        bson_destroy(filter);
    }
    bson_destroy(&all);
    meters_read_us(clock_boot_us() - began);
}
