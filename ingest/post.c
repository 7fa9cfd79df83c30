/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post: see post.h. The post and its ticket live in the request's arena: answering is the last thing done
 * with them.
 */
#include "ingest/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "ingest/dry_run_post.h"
#include "ingest/ingest.h"
#include "ingest/request.h"

#define LINES_MOST 10000

struct post {
    struct ticket ticket; /* first: done gets it back */
    struct http_request *request;
    bool many;
    size_t *lines; /* of each submission, when many */
    int64_t began_us;
};

/* ---- answers ---- */

static json_t *refused_json(const struct submission *s)
{
    const struct refusal *why = s->refusal;
    json_t *body = json_pack(
        "{s:i, s:s, s:o}", "status", why->status, "code", why->code, "detail", shape_text_json(why->detail));
    if (why->problems.count > 0)
        json_object_set_new(body, "errors", field_problems_json(&why->problems));
    if (s->named)
        json_object_set_new(body, "job_id", json_string(s->id_text));
    return body;
}

static json_t *accepted_json(const struct submission *s)
{
    return json_pack("{s:s, s:o, s:o}", "job_id", s->id_text, "state", shape_text_json(s->state), "group",
        shape_text_json(s->group));
}

static void answer_accepted(struct post *p, const struct submission *s)
{
    struct http_header_out headers[] = {
        {"Location", arena_printf(http_arena(p->request), "/v1/jobs/%s", s->id_text)},
        {"Idempotent-Replayed", BYTES("true")},
    };
    http_answer_json_with(p->request, 202, accepted_json(s), headers, s->end == SUBMISSION_REPLAYED ? 2 : 1);
}

/* As http_problem, with the job_id of a submission whose job may exist, and Retry-After where a repeat may help. */
static void answer_refused(struct post *p, const struct submission *s)
{
    const struct refusal *why = s->refusal;
    struct http_header_out retry = {
        "Retry-After", arena_printf(http_arena(p->request), "%d", REQUEST_RETRY_AFTER_S)};
    json_t *body =
        http_problem_json(why->status, why->code, why->detail, http_request_id(p->request), &why->problems);
    if (s->named)
        json_object_set_new(body, "job_id", json_string(s->id_text));
    char *text = json_dumps(body, JSON_COMPACT);
    MUST(text != NULL);
    json_decref(body);
    http_answer(p->request, why->status, "application/problem+json", bytes_of(text), &retry,
        why->status == 503 || why->status == 429 ? 1 : 0);
    free(text);
}

static void answer_one(struct post *p, const struct submission *s)
{
    if (s->end == SUBMISSION_REFUSED)
        answer_refused(p, s);
    else
        answer_accepted(p, s);
}

static void answer_many(struct post *p)
{
    size_t accepted = 0;
    json_t *jobs = json_array();
    for (size_t i = 0; i < p->ticket.count; i++) {
        const struct submission *s = &p->ticket.items[i];
        json_t *entry;
        if (s->end == SUBMISSION_REFUSED) {
            entry = refused_json(s);
        } else {
            entry = accepted_json(s);
            json_object_set_new(entry, "status", json_integer(202));
            if (s->end == SUBMISSION_REPLAYED)
                json_object_set_new(entry, "replayed", json_true());
            accepted++;
        }
        json_object_set_new(entry, "line", json_integer((json_int_t)p->lines[i]));
        json_array_append_new(jobs, entry);
    }
    json_t *body = json_pack("{s:I, s:I, s:o}", "accepted", (json_int_t)accepted, "refused",
        (json_int_t)(p->ticket.count - accepted), "jobs", jobs);
    http_answer_json(p->request, accepted == p->ticket.count ? 202 : 207, body);
}

static void done(struct ticket *t)
{
    struct post *p = (struct post *)t;
    meters_submit_us(clock_boot_us() - p->began_us);
    if (p->many)
        answer_many(p);
    else
        answer_one(p, &t->items[0]);
}

/* ---- reading ---- */

bool post_next_line(struct bytes *rest, struct bytes *line)
{
    if (rest->len == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    *line = bytes_slice(*rest, 0, len);
    *rest = bytes_slice(*rest, end ? len + 1 : len, rest->len);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return true;
}

static size_t count_lines(struct bytes body)
{
    struct bytes line;
    size_t count = 0;
    while (post_next_line(&body, &line))
        if (bytes_trim(line).len > 0)
            count++;
    return count;
}

static void read_one(
    struct ingest *in, struct post *p, struct submission *s, struct bytes text, struct bytes key)
{
    struct arena *a = http_arena(p->request);
    if (submit_parse(&in->rules, text, key, a, s, &s->refusal)) {
        submit_identify(s, clock_utc_ms(), submit_trace(http_header(p->request, "traceparent")), a);
        return;
    }
    s->end = SUBMISSION_REFUSED;
    meters_submission(s->end, s->refusal);
}

static void take_many(struct ingest *in, struct post *p)
{
    struct http_request *r = p->request;
    struct bytes rest = http_body(r), line;
    size_t count = count_lines(rest), number = 0, i = 0;
    if (http_header(r, "Idempotency-Key").data) {
        http_problem(
            r, 400, "bad_header", BYTES("with many submissions each line has its own idempotency_key"), NULL);
        return;
    }
    if (count == 0 || count > LINES_MOST) {
        http_problem(r, count ? 413 : 400, count ? "too_large" : "bad_request",
            arena_printf(http_arena(r), "1 to %d lines, one JSON object each; got %zu", LINES_MOST, count),
            NULL);
        return;
    }
    p->many = true;
    p->ticket.count = count;
    p->ticket.items = arena_array(http_arena(r), count, sizeof *p->ticket.items);
    p->lines = arena_array(http_arena(r), count, sizeof *p->lines);
    while (i < count && post_next_line(&rest, &line)) {
        number++;
        if (bytes_trim(line).len == 0)
            continue;
        p->lines[i] = number;
        read_one(in, p, &p->ticket.items[i++], line, BYTES_NONE);
    }
    intake_take(in->intake, &p->ticket);
}

static void take_one(struct ingest *in, struct post *p)
{
    struct http_request *r = p->request;
    p->ticket.count = 1;
    p->ticket.items = arena_array(http_arena(r), 1, sizeof *p->ticket.items);
    read_one(in, p, &p->ticket.items[0], http_body(r), http_header(r, "Idempotency-Key"));
    intake_take(in->intake, &p->ticket);
}

void post_jobs(void *ingest, struct http_request *r)
{
    static const char *const known[] = {"dry_run", NULL};
    struct ingest *in = ingest;
    bool dry_run;
    struct bytes type = request_media_type(http_arena(r), http_header(r, "Content-Type"));
    bool many = bytes_equal_text(type, "application/x-ndjson") || bytes_equal_text(type, "application/jsonl");
    if (!many && !request_is_json(type)) {
        (void)request_other_media_type(r, type, "application/json, or application/x-ndjson for many");
        return;
    }
    if (!request_query_only(r, known) || !request_flag(r, "dry_run", &dry_run))
        return;
    if (dry_run) {
        dry_run_post(in, r, many);
        return;
    }
    struct post *p = arena_alloc(http_arena(r), sizeof *p);
    p->request = r;
    p->began_us = clock_boot_us();
    p->ticket.done = done;
    if (many)
        take_many(in, p);
    else
        take_one(in, p);
}
