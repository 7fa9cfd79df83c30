/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query: see query.h.
 */
#include "ingest/query.h"

#include <string.h>

#include "core/clock.h"
#include "core/shape_bson.h"
#include "ingest/cursor.h"
#include "ingest/filter.h"
#include "ingest/ingest.h"
#include "ingest/job.h"
#include "ingest/request.h"
#include "ingest/stub.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MOST = 1000 };

static const char *const known[] = {FILTER_PARAMETERS, "limit", "cursor", "total", NULL};

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
    filter_behind(c.accepted, id, filter);
    return true;
}

struct page {
    struct arena *arena;
    json_t *jobs;
    int64_t limit, rows;
    struct cursor last;
    bool more;
};

static bool page_row(void *self, const bson_t *doc)
{
    struct page *p = self;
    if (p->rows++ == p->limit) {
        p->more = true;
        return false;
    }
    /* Nobody was told of it yet, and perhaps nobody will be (admit.h). The cursor passes over it. */
    bool open = stub_claim(doc).data != NULL;
    p->last.accepted = doc_number(doc, "times.accepted", 0);
    (void)uuid_parse(doc_text(doc, "_id"), &p->last.id);
    if (!open)
        json_array_append_new(p->jobs, job_json(doc));
    return true;
}

static void page_reset(void *self)
{
    struct page *p = self;
    p->more = false;
    p->rows = 0;
    json_array_clear(p->jobs);
}

/* One more than the page: that there is one tells of a next page. */
static bson_t *page_opts(int64_t limit)
{
    return BCON_NEW("sort", "{", "times.accepted", BCON_INT32(-1), "_id", BCON_INT32(-1), "}", "limit",
        BCON_INT64(limit + 1), "projection", "{", "stub.submission", BCON_INT32(0), "stub.hash",
        BCON_INT32(0), "fold", BCON_INT32(0), "code", BCON_INT32(0), "plan", BCON_INT32(0), "conf",
        BCON_INT32(0), "variables", BCON_INT32(0), "source", BCON_INT32(0), "}");
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
              (!total || store_count(in->world->store, "jobs", all, 0, &count, patience, &e));
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
        request_flag(r, "total", &total) && filter_from_query(r, &all)) {
        bson_t *filter = bson_copy(&all);
        if (add_cursor(r, filter))
            answer(in, r, &all, filter, limit, total);
        bson_destroy(filter);
    }
    bson_destroy(&all);
    meters_read_us(clock_boot_us() - began);
}
