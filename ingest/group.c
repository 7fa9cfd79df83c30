/* SPDX-License-Identifier: Apache-2.0 */
/*
 * group: see group.h. A page is two aggregations of the ledger (the names that it may need, then their numbers: to sum up all groups
 * would be several times as dear), and the holds of the same range, merged by name. Paging is by (group, pool).
 */
#include "ingest/group.h"

#include <string.h>

#include "core/clock.h"
#include "core/shape_bson.h"
#include "ingest/answer.h"
#include "ingest/bell.h"
#include "ingest/ingest.h"
#include "ingest/request.h"
#include "ingest/wish.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MOST = 1000, HOLDS_PAGE = 1000 };

struct group_row {
    struct bytes group, pool; /* pool none: held, without jobs */
    int64_t depth, running, delayed;
    int64_t since; /* NO_INT: none waits */
};

/* What is asked for: group >= from, < to; of one user where given; behind (after_group, after_pool). */
struct group_query {
    struct ingest *in;
    struct arena *arena;
    int64_t limit;
    struct bytes creator, user;
    struct bytes after_group, after_pool; /* of the cursor, or none */
    struct bytes from, to;                /* to: none, no end */
    struct bytes last;                    /* no later name can be on the page */
    struct group_row *rows;
    size_t row_count;
    struct order_row *holds;
    size_t hold_count;
};

/* ---- what is asked for ---- */

static bool read_name(struct http_request *r, const char *name, struct bytes *out)
{
    *out = http_query(r, name);
    return !out->data || job_name_is_valid(*out) || request_bad_query(r, name, *out, "a name");
}

/* "creator/user" or "creator/user:pool": no name holds a colon. */
static bool read_cursor(struct http_request *r, struct group_query *q)
{
    struct bytes text = http_query(r, "cursor");
    if (!text.data)
        return true;
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
    size_t len = colon ? (size_t)(colon - text.data) : text.len;
    q->after_group = bytes_slice(text, 0, len);
    q->after_pool = colon ? bytes_slice(text, len + 1, text.len) : BYTES("");
    if (limits_selector_is_valid(q->after_group))
        return true;
    return request_bad_query(r, "cursor", text, "the next_cursor of an answer");
}

static bool read_query(struct http_request *r, struct group_query *q)
{
    static const char *const known[] = {"creator", "user", "limit", "cursor", NULL};
    if (!request_query_only(r, known) || !read_name(r, "creator", &q->creator) ||
        !read_name(r, "user", &q->user) ||
        !request_number(r, "limit", 1, LIMIT_MOST, LIMIT_DEFAULT, &q->limit) || !read_cursor(r, q))
        return false;
    q->from = BYTES("");
    if (q->creator.data) {
        q->from = arena_printf(q->arena, "%.*s/", BYTES_ARG(q->creator));
        q->to = arena_printf(q->arena, "%.*s0", BYTES_ARG(q->creator)); /* '0' follows '/' */
    }
    if (bytes_compare(q->after_group, q->from) > 0)
        q->from = q->after_group;
    return true;
}

static bool is_meant(const struct group_query *q, struct bytes group)
{
    const char *slash = group.len ? memchr(group.data, '/', group.len) : NULL;
    size_t len = slash ? (size_t)(slash - group.data) : group.len;
    return !q->user.data || bytes_equal(bytes_slice(group, len + 1, group.len), q->user);
}

/* ---- the ledger ---- */

/* The only character of a name that means something in a pattern is the dot. */
static struct bytes user_pattern(struct arena *a, struct bytes user)
{
    struct buf pattern;
    buf_init(&pattern);
    buf_add_char(&pattern, '/');
    for (size_t i = 0; i < user.len; i++) {
        if (user.data[i] == '.')
            buf_add_char(&pattern, '\\');
        buf_add_char(&pattern, user.data[i]);
    }
    buf_add_char(&pattern, '$');
    struct bytes text = arena_copy(a, buf_bytes(&pattern));
    buf_release(&pattern);
    return text;
}

static bson_t *match_runs(const struct group_query *q)
{
    bson_t group;
    bson_t *match = BCON_NEW("final", BCON_BOOL(false), "pool", "{", "$gte", BCON_UTF8(""), "}");
    BSON_APPEND_DOCUMENT_BEGIN(match, "group", &group);
    bson_add_text(&group, "$gte", q->from);
    if (q->to.data)
        bson_add_text(&group, "$lt", q->to);
    if (q->last.data)
        bson_add_text(&group, "$lte", q->last);
    if (q->user.data)
        bson_add_text(&group, "$regex", user_pattern(q->arena, q->user));
    bson_append_document_end(match, &group);
    return match;
}

#define COUNT_OF(state_)                                                                                     \
    "{", "$sum", "{", "$cond", "[", "{", "$eq", "[", "$state", BCON_UTF8(state_), "]", "}", BCON_INT64(1),   \
        BCON_INT64(0), "]", "}", "}"

static bson_t *pipeline_new(const struct group_query *q)
{
    bson_t *match = match_runs(q);
    struct bytes group = q->after_group.data ? q->after_group : BYTES("");
    struct bytes pool = q->after_pool.data ? q->after_pool : BYTES("");
    const char *group_text = arena_text(q->arena, group), *pool_text = arena_text(q->arena, pool);
    bson_t *pipeline = BCON_NEW("pipeline", "[", "{", "$match", BCON_DOCUMENT(match), "}", "{", "$group", "{",
        "_id", "{", "group", "$group", "pool", "$pool", "}", "depth", COUNT_OF("queued"), "running",
        COUNT_OF("running"), "delayed", COUNT_OF("delayed"), "since", "{", "$min", "{", "$cond", "[", "{",
        "$eq", "[", "$state", BCON_UTF8("queued"), "]", "}", "$queued_at", BCON_NULL, "]", "}", "}", "}", "}",
        "{", "$match", "{", "$or", "[", "{", "_id.group", "{", "$gt", BCON_UTF8(group_text), "}", "}", "{",
        "_id.group", BCON_UTF8(group_text), "_id.pool", "{", "$gt", BCON_UTF8(pool_text), "}", "}", "]", "}",
        "}", "{", "$sort", "{", "_id.group", BCON_INT32(1), "_id.pool", BCON_INT32(1), "}", "}", "{",
        "$limit", BCON_INT64(q->limit + 1), "}", "]");
    bson_destroy(match);
    return pipeline;
}

static bool run_row(void *self, const bson_t *doc)
{
    struct group_query *q = self;
    q->rows[q->row_count++] = (struct group_row){.group = arena_copy(q->arena, doc_text(doc, "_id.group")),
        .pool = arena_copy(q->arena, doc_text(doc, "_id.pool")),
        .depth = doc_number(doc, "depth", 0),
        .running = doc_number(doc, "running", 0),
        .delayed = doc_number(doc, "delayed", 0),
        .since = doc_number(doc, "since", NO_INT)};
    return (int64_t)q->row_count <= q->limit;
}

static void run_reset(void *self)
{
    ((struct group_query *)self)->row_count = 0;
}

struct names {
    struct group_query *query;
    int64_t count;
};

static bool name_row(void *self, const bson_t *doc)
{
    struct names *names = self;
    names->count++;
    names->query->last = arena_copy(names->query->arena, doc_text(doc, "_id"));
    return true;
}

static void name_reset(void *self)
{
    ((struct names *)self)->count = 0;
}

/* One name more than rows that are looked at: the cursor's own may have none left. */
static bool read_last(struct group_query *q, struct error *e)
{
    struct names names = {q, 0};
    struct store_reader reader = {name_row, name_reset, &names};
    bson_t *match = match_runs(q);
    bson_t *pipeline = BCON_NEW("pipeline", "[", "{", "$match", BCON_DOCUMENT(match), "}", "{", "$group", "{",
        "_id", "$group", "}", "}", "{", "$sort", "{", "_id", BCON_INT32(1), "}", "}", "{", "$limit",
        BCON_INT64(q->limit + 2), "}", "]");
    bson_destroy(match);
    bool ok = store_aggregate(
        q->in->world->store, "runs", pipeline, &reader, q->in->settings->store_patience_ms, e);
    bson_destroy(pipeline);
    if (ok && names.count < q->limit + 2)
        q->last = BYTES_NONE; /* all of them: new ones may join */
    return ok;
}

static bool read_runs(struct group_query *q, struct error *e)
{
    struct store_reader reader = {run_row, run_reset, q};
    if (!read_last(q, e))
        return false;
    bson_t *pipeline = pipeline_new(q);
    q->rows = arena_array(q->arena, (size_t)q->limit + 2, sizeof *q->rows);
    bool ok = store_aggregate(
        q->in->world->store, "runs", pipeline, &reader, q->in->settings->store_patience_ms, e);
    bson_destroy(pipeline);
    return ok;
}

/* ---- holds ---- */

/* Those of the range, at most one more than a page needs: each makes a row, except that of the cursor's own group. */
static bool read_holds(struct group_query *q, struct error *e)
{
    struct bytes from = q->from;
    size_t most = (size_t)q->limit + 2;
    struct order_rows page = {.count = HOLDS_PAGE};
    q->holds = arena_array(q->arena, most, sizeof *q->holds);
    while (page.count == HOLDS_PAGE && q->hold_count < most) {
        if (!orders_list(q->in->world->store, ORDER_HOLD, from, HOLDS_PAGE, q->arena, &page,
                q->in->settings->store_patience_ms, e))
            return false;
        for (size_t i = 0; i < page.count && q->hold_count < most; i++) {
            if (q->to.data && bytes_compare(page.items[i].of, q->to) >= 0)
                return true;
            if (is_meant(q, page.items[i].of))
                q->holds[q->hold_count++] = page.items[i];
        }
        if (page.count > 0) /* the least text behind the last */
            from = arena_printf(q->arena, "%.*s\x01", BYTES_ARG(page.items[page.count - 1].of));
    }
    return true;
}

/* ---- the answer ---- */

static json_t *row_json(
    const struct group_query *q, const struct group_row *row, const struct order *held, int64_t now)
{
    struct limits_effective limits = {.max_running = 1};
    const char *slash = memchr(row->group.data, '/', row->group.len);
    size_t len = slash ? (size_t)(slash - row->group.data) : 0;
    struct bytes creator = bytes_slice(row->group, 0, len);
    struct bytes user = bytes_slice(row->group, len + 1, row->group.len);
    (void)book_find(q->in->book, row->group, q->arena, &limits);
    json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:I}", "group",
        answer_text(row->group), "creator", answer_text(creator), "user", answer_text(user), "pool",
        answer_text(row->pool), "depth", (json_int_t)row->depth, "running", (json_int_t)row->running,
        "delayed", (json_int_t)row->delayed, "waiting_since", answer_time(row->since), "wait_ms",
        row->since == NO_INT ? json_null() : json_integer(now > row->since ? now - row->since : 0), "held",
        answer_order(held), "max_running", (json_int_t)limits.max_running);
    MUST(json != NULL);
    return json;
}

/* Runs and holds in one order. Returns the cursor of the next page, or none. */
static struct bytes merge(struct group_query *q, json_t *groups)
{
    int64_t now = clock_utc_ms();
    struct bytes last_group = BYTES_NONE, last_pool = BYTES_NONE;
    for (size_t run = 0, hold = 0; run < q->row_count || hold < q->hold_count;) {
        int order = run == q->row_count     ? 1
                    : hold == q->hold_count ? -1
                                            : bytes_compare(q->rows[run].group, q->holds[hold].of);
        struct group_row alone = {.since = NO_INT};
        const struct group_row *row = order <= 0 ? &q->rows[run] : &alone;
        const struct order *held = order >= 0 ? &q->holds[hold].order : NULL;
        if (order > 0) {
            alone.group = q->holds[hold++].of;
            /* Its rows stand here or on the page before. */
            if (bytes_equal(alone.group, last_group) || bytes_equal(alone.group, q->after_group))
                continue;
        } else {
            run++;
        }
        if ((int64_t)json_array_size(groups) == q->limit)
            return arena_printf(q->arena, "%.*s:%.*s", BYTES_ARG(last_group), BYTES_ARG(last_pool));
        json_array_append_new(groups, row_json(q, row, held, now));
        last_group = row->group;
        last_pool = row->pool;
    }
    return BYTES_NONE;
}

void groups_get(void *ingest, struct http_request *r)
{
    struct group_query q = {.in = ingest, .arena = http_arena(r)};
    struct error e;
    int64_t began = clock_boot_us();
    error_clear(&e);
    if (!read_query(r, &q))
        return;
    if (!read_runs(&q, &e) || !read_holds(&q, &e)) {
        request_store_failed(r, &e);
        return;
    }
    json_t *groups = json_array();
    struct bytes next = merge(&q, groups);
    http_answer_json(r, 200, json_pack("{s:o, s:o}", "groups", groups, "next_cursor", answer_text(next)));
    meters_read_us(clock_boot_us() - began);
}

/* ---- hold and release ---- */

static bool read_group(struct http_request *r, struct bytes *group)
{
    static const char *const known[] = {NULL};
    struct bytes creator = http_param(r, "creator"), user = http_param(r, "user");
    if (!request_query_only(r, known))
        return false;
    *group = arena_printf(http_arena(r), "%.*s/%.*s", BYTES_ARG(creator), BYTES_ARG(user));
    if (job_name_is_valid(creator) && job_name_is_valid(user))
        return true;
    http_problem(r, 400, "bad_path", BYTES("a group is creator/user"), NULL);
    return false;
}

void group_hold(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    struct bytes group;
    struct order order, standing;
    struct error e;
    bool stood;
    error_clear(&e);
    if (!read_group(r, &group) || !wish_read(r, &order))
        return;
    if (!orders_place(in->world->store, ORDER_HOLD, group, &order, &standing, &stood, http_arena(r),
            in->settings->store_patience_ms, &e)) {
        request_store_failed(r, &e);
        return;
    }
    bell_ring(in, CONTROL_HOLD, BYTES_NONE, group, BYTES_NONE, &standing, http_arena(r));
    json_t *body = json_pack("{s:o, s:b}", "group", answer_text(group), "held", 1);
    answer_add(body, answer_order(&standing));
    http_answer_json(r, 200, body);
}

void group_release(void *ingest, struct http_request *r)
{
    struct ingest *in = ingest;
    struct bytes group;
    struct order order;
    struct error e;
    bool stood;
    error_clear(&e);
    if (!read_group(r, &group) || !wish_read(r, &order))
        return;
    if (!orders_lift(in->world->store, ORDER_HOLD, group, &stood, in->settings->store_patience_ms, &e)) {
        request_store_failed(r, &e);
        return;
    }
    bell_ring(in, CONTROL_RELEASE, BYTES_NONE, group, BYTES_NONE, &order, http_arena(r));
    http_answer_json(
        r, 200, json_pack("{s:o, s:b, s:b}", "group", answer_text(group), "held", 0, "was_held", stood));
}
