/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dry_run_post: see dry_run_post.h.
 */
#include "ingest/dry_run_post.h"

#include "core/clock.h"
#include "core/log.h"
#include "ingest/admit.h"
#include "ingest/dry_run_answer.h"
#include "ingest/ingest.h"
#include "ingest/request.h"

static size_t size_of(void *self, const struct shape *s, const struct job *j)
{
    struct ingest *in = self;
    struct arena a;
    struct error e;
    error_clear(&e);
    arena_init(&a);
    size_t bytes = pen_encode(&in->scale, s, j, &a, &e).len;
    arena_release(&a);
    return bytes;
}

static bool count_waiting(struct ingest *in, const struct limit_count *limit, int64_t *waiting)
{
    struct error e;
    error_clear(&e);
    int64_t most = limit->max > 0 ? limit->max : 1;
    if (admit_waiting(in->world->store, limit->selector, most, in->settings->store_patience_ms, waiting, &e))
        return true;
    log_debug("dry_run_uncounted", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
    return false;
}

/* A limit that is reached now may not be when the job is submitted: so it is told, and refuses nothing. One call that is not answered is
 * enough to wait for: after it (`answers` false) nothing is asked any more. */
static void warn_of_queued(struct ingest *in, const struct limits_effective *limits, bool answers,
    struct arena *a, struct strings *out)
{
    out->items = arena_array(a, limits->queued_count, sizeof *out->items);
    for (size_t i = 0; i < limits->queued_count; i++) {
        const struct limit_count *limit = &limits->queued[i];
        int64_t waiting = 0;
        answers = answers && count_waiting(in, limit, &waiting);
        if (!answers)
            out->items[out->count++] =
                arena_printf(a, "max_queued of %.*s was not looked at: the document store does not answer",
                    BYTES_ARG(limit->selector));
        else if (waiting >= limit->max)
            out->items[out->count++] = arena_printf(a,
                "max_queued of %.*s is reached: %lld jobs wait; a submission is refused now "
                "(too_many_queued)",
                BYTES_ARG(limit->selector), (long long)limit->max);
    }
}

static int64_t executors_of(struct ingest *in, struct bytes pool)
{
    int64_t count = 0;
    struct error e;
    error_clear(&e);
    if (alive_count(in->alive, pool, &count, &e))
        return count;
    log_debug("dry_run_uncounted", "code=%s reason=%s", e.code, log_quote(bytes_of(e.text)));
    return NO_INT;
}

static void answer(struct ingest *in, struct http_request *r, const struct book_page *page)
{
    struct arena *a = http_arena(r);
    struct dry_run *d = arena_alloc(a, sizeof *d);
    struct dry_run_world world = {.warnings = {NULL, 0}, .executors = NO_INT};
    struct dry_run_rules rules = {.submit = &in->rules,
        .convert = in->convert.rules,
        .plan = &in->plan.rules,
        .size = size_of,
        .self = in};
    rules.convert.groups = page->limits;
    rules.convert.defaults = page->defaults;
    bool accepted =
        dry_run_make(&rules, http_body(r), http_header(r, "Idempotency-Key"), clock_utc_ms(), a, d);
    if (d->refusal && d->refusal->status != 422) {
        http_problem(r, d->refusal->status, d->refusal->code, d->refusal->detail, &d->refusal->problems);
        return;
    }
    if (accepted) {
        struct limits_effective limits;
        limits_find_group(page->limits, d->submission.group, &limits);
        world.executors = executors_of(in, d->submission.job.pool);
        warn_of_queued(in, &limits, world.executors != NO_INT, a, &world.warnings);
    }
    struct buf body;
    buf_init(&body);
    dry_run_write(d, &world, &body);
    http_answer(r, accepted ? 200 : 422, "application/json", buf_bytes(&body), NULL, 0);
    buf_release(&body);
}

void dry_run_post(struct ingest *in, struct http_request *r, bool many)
{
    if (many) {
        http_problem(r, 400, "bad_query",
            BYTES(
                "dry_run: one job at a time; send it as one JSON object with content-type application/json"),
            NULL);
        return;
    }
    const struct book_page *page = book_hold(in->book);
    if (!page) {
        http_unavailable(r, "store_away",
            BYTES("the document store does not answer; limits and defaults are not known yet"),
            REQUEST_RETRY_AFTER_S);
        return;
    }
    answer(in, r, page);
    book_give_back(in->book, page);
}
