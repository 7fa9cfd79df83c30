/* SPDX-License-Identifier: Apache-2.0 */
/* cached: see the header. Its life, and the look-ups; what is kept: cached_keep.c. */
#include "executor/cached.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/shape_bson.h"
#include "executor/cached_entry.h"
#include "executor/cached_private.h"
#include "executor/running.h"

#define LOOK_MS 2000 /* then the job runs */

/* A job that waits. Owned by the job, and while the clerk has it, by the batch: a job that goes on meanwhile leaves it behind. */
struct cached_look {
    struct running *r;   /* NULL: it went on without the answer */
    struct arena memory; /* of all that follows */
    struct bytes key, group;
    int64_t ttl_ms;
    int64_t until; /* boot ms */
    bool asked, answered;
    bool hit;
    struct cached_entry found; /* with hit */
    TAILQ_ENTRY(cached_look) entry;
};

/* ---- looking: in the clerk's thread ---- */

static bson_t *filter_of(const struct look_list *looks)
{
    const struct cached_look *l;
    bson_t *filter = bson_new(), id, in;
    uint32_t n = 0;
    bson_append_document_begin(filter, "_id", -1, &id);
    bson_append_array_begin(&id, "$in", -1, &in);
    TAILQ_FOREACH (l, looks, entry) {
        char space[16];
        const char *key;
        bson_uint32_to_string(n++, &key, space, sizeof space);
        bson_add_text(&in, key, l->key);
    }
    bson_append_array_end(&id, &in);
    bson_append_document_end(filter, &id);
    return filter;
}

static void judge(struct cached_look *l, const bson_t *doc, const char *results_dir)
{
    struct error e;
    if (!cached_entry_from_bson(doc, &l->memory, &l->found, &e)) {
        log_warn("cached_damaged", "key=%.*s error=%s", BYTES_ARG(l->key), log_quote(bytes_of(e.text)));
        return;
    }
    if (!cached_entry_serves(&l->found, l->group, l->ttl_ms, clock_utc_ms()))
        return;
    const struct job_result *missing = cached_entry_missing(&l->found, results_dir);
    if (missing)
        log_info(
            "cached_file_missing", "job=%.*s path=%s", BYTES_ARG(l->found.job), log_quote(missing->path));
    l->hit = !missing;
}

/* A document serves all that ask for its key. Seen again (the store's answer was lost half-way), it is judged again. */
static bool look_row(void *self, const bson_t *doc)
{
    struct look_batch *b = self;
    struct cached_look *l;
    bson_iter_t it;
    uint32_t len;
    if (!bson_iter_init_find(&it, doc, "_id") || !BSON_ITER_HOLDS_UTF8(&it))
        return true;
    const char *text = bson_iter_utf8(&it, &len);
    TAILQ_FOREACH (l, &b->looks, entry)
        if (bytes_equal(l->key, (struct bytes){text, len}))
            judge(l, doc, b->c->x->settings->results_dir);
    return true;
}

static void look_work(struct request *request)
{
    struct look_batch *b = (struct look_batch *)request;
    const struct store_reader reader = {look_row, NULL, b};
    struct error e;
    bson_t opts = BSON_INITIALIZER, *filter = filter_of(&b->looks);
    b->ok = store_find(b->c->x->ledger.store, CACHED_COLLECTION, filter, &opts, &reader, LOOK_MS, &e);
    if (!b->ok)
        log_warn("cached_unanswered", "code=%s error=%s", e.code, log_quote(bytes_of(e.text)));
    bson_destroy(filter);
    bson_destroy(&opts);
}

/* ---- looking: in the loop ---- */

static void look_free(struct cached_look *l)
{
    arena_release(&l->memory);
    free(l);
}

static void look_ask(struct cached *c)
{
    struct look_batch *b = &c->look;
    if (b->busy || !c->clerk || TAILQ_EMPTY(&c->open))
        return;
    for (size_t n = 0; n < CACHED_BATCH && !TAILQ_EMPTY(&c->open); n++) {
        struct cached_look *l = TAILQ_FIRST(&c->open);
        TAILQ_REMOVE(&c->open, l, entry);
        TAILQ_INSERT_TAIL(&b->looks, l, entry);
        l->asked = true;
    }
    b->busy = true;
    clerk_ask(c->clerk, &b->request);
}

static void count_answer(const struct look_batch *b, const struct cached_look *l)
{
    metric_add(&executor_metrics[!b->ok ? M_CACHE_UNANSWERED : l->hit ? M_CACHE_HITS : M_CACHE_MISSES], 1);
}

static void look_done(struct request *request)
{
    struct look_batch *b = (struct look_batch *)request;
    struct cached *c = b->c;
    struct look_list answered = TAILQ_HEAD_INITIALIZER(answered);
    TAILQ_CONCAT(&answered, &b->looks, entry);
    while (!TAILQ_EMPTY(&answered)) {
        struct cached_look *l = TAILQ_FIRST(&answered);
        TAILQ_REMOVE(&answered, l, entry);
        l->answered = true;
        if (!l->r || !c->clerk) {
            if (l->r)
                l->r->look = NULL;
            look_free(l);
            continue;
        }
        count_answer(b, l);
        running_go_on(l->r); /* which frees it */
    }
    b->busy = false;
    look_ask(c);
}

static void conclude(struct running *r, const struct cached_look *l)
{
    const struct cached_entry *found = &l->found;
    int64_t age_ms = cached_entry_age_ms(found, clock_utc_ms()), exit_code = found->exit_code;
    running_started(r);
    r->cached_from = arena_copy(&r->memory, found->job);
    r->results = arena_array(&r->memory, found->result_count, sizeof *r->results);
    for (r->result_count = 0; r->result_count < found->result_count; r->result_count++)
        shape_copy(&shape_result, &found->results[r->result_count], &r->results[r->result_count], &r->memory);
    running_line(r, "info",
        arena_printf(&r->memory,
            "not run (label cache): the results are those of job %.*s, made %lld.%03lld s ago",
            BYTES_ARG(r->cached_from), (long long)(age_ms / 1000), (long long)(age_ms % 1000)));
    running_conclude(r, PHASE_SUCCEEDED, NULL, exit_code, false);
}

static void look_begin(struct running *r)
{
    struct cached *c = r->x->cached;
    struct cached_look *l = calloc(1, sizeof *l);
    if (!l)
        log_fatal("out_of_memory", "what=cached_look");
    arena_init(&l->memory);
    l->r = r;
    l->key = arena_copy(&l->memory, r->job.cache->key);
    l->group = arena_copy(&l->memory, r->group);
    l->ttl_ms = r->job.cache->ttl_ms;
    l->until = clock_boot_ms() + LOOK_MS;
    r->look = l;
    TAILQ_INSERT_TAIL(&c->open, l, entry);
    look_ask(c);
}

bool cached_look(struct running *r)
{
    const struct cached_look *l = r->look;
    if (l) {
        bool hit = l->answered && l->hit;
        if (hit)
            conclude(r, l);
        cached_forget(r);
        return hit;
    }
    if (r->looked || r->finished_count > 0 || !cached_key_is_valid(r->job.cache))
        return false;
    r->looked = true;
    look_begin(r);
    return true;
}

void cached_forget(struct running *r)
{
    struct cached_look *l = r->look;
    if (!l)
        return;
    r->look = NULL;
    l->r = NULL;
    if (l->asked && !l->answered)
        return; /* the clerk has it */
    if (!l->asked)
        TAILQ_REMOVE(&r->x->cached->open, l, entry);
    look_free(l);
}

/* ---- those that waited too long ---- */

static struct cached_look *first_waiting(const struct look_list *looks)
{
    struct cached_look *l;
    TAILQ_FOREACH (l, looks, entry)
        if (l->r)
            return l;
    return NULL;
}

static int64_t serve_list(const struct look_list *looks, int64_t now_boot)
{
    struct cached_look *l;
    while ((l = first_waiting(looks)) != NULL && l->until <= now_boot) {
        metric_add(&executor_metrics[M_CACHE_UNANSWERED], 1);
        running_go_on(l->r);
    }
    return l ? l->until : INT64_MAX;
}

int64_t cached_serve(struct cached *c, int64_t now_boot)
{
    int64_t asked = serve_list(&c->look.looks, now_boot), open = serve_list(&c->open, now_boot);
    return asked < open ? asked : open;
}

/* ---- life ---- */

struct cached *cached_new(struct executor *x)
{
    struct cached *c = calloc(1, sizeof *c);
    if (!c)
        log_fatal("out_of_memory", "what=cached");
    c->x = x;
    c->clerk = clerk_new(x->desk, "cached");
    TAILQ_INIT(&c->open);
    TAILQ_INIT(&c->look.looks);
    c->look.c = c;
    c->look.request = (struct request){.work = look_work, .done = look_done};
    cached_keep_init(c);
    return c;
}

bool cached_busy(const struct cached *c)
{
    return c->look.busy || c->keep.busy || !STAILQ_EMPTY(&c->keeps);
}

void cached_stop(struct cached *c)
{
    if (!c)
        return;
    clerk_free(c->clerk);
    c->clerk = NULL;
}

void cached_free(struct cached *c)
{
    if (!c)
        return;
    while (!TAILQ_EMPTY(&c->open)) {
        struct cached_look *l = TAILQ_FIRST(&c->open);
        TAILQ_REMOVE(&c->open, l, entry);
        look_free(l);
    }
    (void)cached_keep_drop(c);
    free(c);
}
