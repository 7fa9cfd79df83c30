/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fold of events: a document depends on the set of events alone. Each scenario is folded in every order of its
 * events, with and without repeats, with the document written and read between, and must give the same bytes.
 */
/* LIBS: fold */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/fold.h"
#include "core/shape_bson.h"
#include "tests/unit/fold_scenarios.h"

/* ---- rows as events ---- */

static struct job *spec_of(const struct row *r, struct arena *a)
{
    struct job *spec = arena_alloc(a, sizeof *spec);
    shape_clear(&shape_submitted, spec);
    const char *slash = strchr(r->group, '/');
    spec->job_id = BYTES(JOB);
    spec->creator = (struct bytes){r->group, (size_t)(slash - r->group)};
    spec->user = bytes_of(slash + 1);
    spec->engine = BYTES("shell");
    spec->code = bytes_of(r->text);
    spec->variables.items = arena_array(a, 1, sizeof *spec->variables.items);
    spec->variables.items[0] = (struct pair){BYTES("$a.b"), BYTES("$c")};
    spec->variables.count = 1;
    spec->limits.run_timeout_ms = 60000;
    return spec;
}

static struct job *plan_of(struct arena *a)
{
    struct job *plan = arena_alloc(a, sizeof *plan);
    shape_clear(&shape_plan, plan);
    plan->pool = BYTES("default");
    plan->nodes.count = 2;
    plan->nodes.items = arena_array(a, 2, sizeof *plan->nodes.items);
    for (int i = 0; i < 2; i++) {
        struct job_node *n = &plan->nodes.items[i];
        *n = (struct job_node){
            .id = i ? BYTES("n2") : BYTES("n1"), .kind = BYTES("exec"), .engine = BYTES("shell")};
        n->statement = i;
    }
    return plan;
}

static struct job_error *error_of(const char *message, struct arena *a)
{
    struct job_error *e = arena_alloc(a, sizeof *e);
    *e = (struct job_error){
        .code = BYTES("engine_error"), .class = CLASS_ENGINE, .message = bytes_of(message)};
    e->statement = e->line = NO_INT;
    return e;
}

static void end_of(const struct row *r, struct arena *a, struct event *e)
{
    e->exit_code = 3;
    e->log = arena_alloc(a, sizeof *e->log);
    *e->log = (struct log_totals){.bytes = 77, .lines = 2};
    const char *message = job_phase_is_final((enum job_phase)r->phase) ? r->text : r->error;
    if (message)
        e->error = error_of(message, a);
    e->results.count = (size_t)r->results;
    e->results.items = arena_array(a, (size_t)r->results + 1, sizeof *e->results.items);
    for (int64_t i = 0; i < r->results; i++)
        e->results.items[i] = (struct job_result){.n = i,
            .name = BYTES("t"),
            .kind = BYTES("table"),
            .path = BYTES("p"),
            .format = BYTES("avro"),
            .rows = 4,
            .bytes = 9,
            .statement = NO_INT};
}

static void node_of(const struct row *r, struct arena *a, struct event *e)
{
    e->node = bytes_of(r->text);
    e->node_state = bytes_of(r->state);
    e->node_try = r->try;
    e->reason = r->why ? bytes_of(r->why) : BYTES_NONE;
    e->error = r->error ? error_of(r->error, a) : NULL;
}

static void event_of(const struct row *r, struct arena *a, struct event *e)
{
    shape_clear(&shape_event, e);
    e->job_id = BYTES(JOB);
    e->group = bytes_of(r->group);
    e->origin = (struct origin){.partition = 1, .offset = 2, .timestamp = r->origin};
    e->attempt = r->attempt;
    e->phase = r->phase;
    e->at = r->at;
    e->stage = bytes_of(r->stage);
    e->instance = bytes_of(r->instance);
    e->times.accepted = r->accepted ? r->accepted : NO_INT;
    e->times.started = r->started ? r->started : NO_INT;
    if (r->phase == PHASE_ACCEPTED)
        e->spec = spec_of(r, a);
    else if (r->phase == PHASE_PLANNED)
        e->plan = plan_of(a);
    else if (r->phase == PHASE_PROGRESS)
        e->progress = r->progress;
    else if (job_phase_is_final((enum job_phase)r->phase))
        end_of(r, a, e);
    else if (r->phase == PHASE_NODE)
        node_of(r, a, e);
    else
        e->reason = bytes_of(r->text);
    if (r->phase == PHASE_RETRYING || r->phase == PHASE_LOST)
        end_of(r, a, e);
    if (r->next_at)
        e->next_at = r->next_at;
    if (r->cached_from)
        e->cached_from = bytes_of(r->cached_from);
}

static bson_t *stub_of(const char *group)
{
    const char *slash = strchr(group, '/');
    char creator[16] = "";
    memcpy(creator, group, (size_t)(slash - group));
    bson_t *doc = BCON_NEW("_id", JOB, "rev", BCON_INT64(0), "state", "accepted", "final", BCON_BOOL(false),
        "group", group, "creator", creator, "user", slash + 1, "submitter", BCON_NULL, "name", "", "engine",
        "shell", "target", BCON_NULL, "code_type", "", "code", "of the stub", "variables", "{", "}", "conf",
        "{", "}", "labels", "{", "}", "source", "{", "}", "times", "{", "accepted", BCON_DATE_TIME(3), "}",
        "attempt", BCON_INT64(0), "retry_of", "somebody else's", "stub", "{", "hash",
        BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)"hh", 2), "submission",
        BCON_BIN(BSON_SUBTYPE_BINARY, (const uint8_t *)"ss", 2), "next_at", BCON_DATE_TIME(9), "tries",
        BCON_INT64(0), "}");
    return doc;
}

/* ---- folding in an order ---- */

struct world {
    struct arena arena; /* of the events */
    struct event events[EVENTS_MAX];
    size_t count;
    bson_t *stub;
};

static void world_init(struct world *w, const struct scenario *s)
{
    *w = (struct world){.stub = s->stub ? stub_of(s->stub) : NULL};
    arena_init(&w->arena);
    while (w->count < EVENTS_MAX && s->rows[w->count].group) {
        event_of(&s->rows[w->count], &w->arena, &w->events[w->count]);
        struct error e;
        assert_true(fold_accepts(&w->events[w->count], &e));
        w->count++;
    }
}

static void world_release(struct world *w)
{
    bson_destroy(w->stub);
    arena_release(&w->arena);
}

static void start(struct job_doc *doc, const bson_t *stored, struct arena *a)
{
    if (stored)
        job_doc_read(stored, a, doc);
    else
        *doc = (struct job_doc){.id = BYTES(JOB)};
}

/* Writes the document and reads it again, as between two batches. */
static void store_between(struct job_doc *doc, bson_t **stored, struct arena *a)
{
    bson_t *after = bson_new();
    job_doc_write(doc, KEEP_MS, after);
    start(doc, after, a);
    bson_destroy(*stored);
    *stored = after;
}

enum { REPEAT_AT_ONCE = 1, REPEAT_AT_END = 2 };

/* Bit i of `cuts`: a batch ends after the i-th event. */
static bson_t *fold_order(const struct world *w, const size_t *order, unsigned cuts, unsigned repeats)
{
    struct arena a;
    struct job_doc doc;
    bson_t *stored = w->stub ? bson_copy(w->stub) : NULL;
    arena_init(&a);
    start(&doc, stored, &a);
    for (size_t i = 0; i < w->count; i++) {
        fold_event(&doc, &w->events[order[i]], &a);
        if (repeats & REPEAT_AT_ONCE)
            fold_event(&doc, &w->events[order[i]], &a);
        if (cuts >> i & 1)
            store_between(&doc, &stored, &a);
    }
    for (size_t i = 0; repeats & REPEAT_AT_END && i < w->count; i++)
        fold_event(&doc, &w->events[order[(i * 3) % w->count]], &a);
    doc.rev = 0; /* counts the writes, which differ */
    bson_t *out = bson_new();
    job_doc_write(&doc, KEEP_MS, out);
    bson_destroy(stored);
    arena_release(&a);
    return out;
}

static void assert_same(const char *what, const bson_t *got, const bson_t *expected)
{
    if (bson_equal(got, expected))
        return;
    char *a = bson_as_relaxed_extended_json(got, NULL), *b = bson_as_relaxed_extended_json(expected, NULL);
    print_error("%s\n  got:      %s\n  expected: %s\n", what, a, b);
    bson_free(a);
    bson_free(b);
    fail();
}

static bool next_order(size_t *order, size_t count)
{
    size_t i = count - 1;
    while (i > 0 && order[i - 1] >= order[i])
        i--;
    if (i == 0)
        return false;
    size_t k = count - 1;
    while (order[k] <= order[i - 1])
        k--;
    size_t swap = order[i - 1];
    order[i - 1] = order[k];
    order[k] = swap;
    for (size_t low = i, high = count - 1; low < high; low++, high--) {
        swap = order[low];
        order[low] = order[high];
        order[high] = swap;
    }
    return true;
}

static void check(const struct world *w, const char *name, const size_t *order, unsigned cuts,
    unsigned repeats, const bson_t *expected)
{
    bson_t *got = fold_order(w, order, cuts, repeats);
    assert_same(name, got, expected);
    bson_destroy(got);
}

static void every_order_of_the_same_events_gives_the_same_document(void **state)
{
    (void)state;
    for (size_t s = 0; s < SCENARIOS; s++) {
        struct world w;
        size_t order[EVENTS_MAX] = {0, 1, 2, 3, 4, 5, 6};
        unsigned tried = 0;
        world_init(&w, &scenarios[s]);
        bson_t *expected = fold_order(&w, order, 0, 0);
        do {
            unsigned all = (1U << w.count) - 1;
            check(&w, scenarios[s].name, order, 0, 0, expected);
            check(&w, scenarios[s].name, order, all, 0, expected);
            check(&w, scenarios[s].name, order, tried * 37 & all, tried % 4, expected);
            tried++;
        } while (next_order(order, w.count));
        assert_true(tried >= 2);
        bson_destroy(expected);
        world_release(&w);
    }
}

/* Every way to cut one order into batches. */
static void batches_may_end_anywhere(void **state)
{
    (void)state;
    for (size_t s = 0; s < SCENARIOS; s++) {
        struct world w;
        const size_t order[EVENTS_MAX] = {0, 1, 2, 3, 4, 5, 6};
        world_init(&w, &scenarios[s]);
        bson_t *expected = fold_order(&w, order, 0, 0);
        for (unsigned cuts = 0; cuts < 1U << w.count; cuts++)
            for (unsigned repeats = 0; repeats < 4; repeats++)
                check(&w, scenarios[s].name, order, cuts, repeats, expected);
        bson_destroy(expected);
        world_release(&w);
    }
}

/* ---- what the documents say ---- */

static void value_text(const bson_t *doc, const char *path, char *out, size_t size)
{
    bson_iter_t it, found;
    bson_iter_init(&it, doc);
    if (!bson_iter_find_descendant(&it, path, &found))
        snprintf(out, size, "-");
    else if (BSON_ITER_HOLDS_UTF8(&found))
        snprintf(out, size, "%s", bson_iter_utf8(&found, NULL));
    else if (BSON_ITER_HOLDS_DATE_TIME(&found))
        snprintf(out, size, "%lld", (long long)bson_iter_date_time(&found));
    else if (BSON_ITER_HOLDS_INT64(&found))
        snprintf(out, size, "%lld", (long long)bson_iter_int64(&found));
    else if (BSON_ITER_HOLDS_DOUBLE(&found))
        snprintf(out, size, "%g", bson_iter_double(&found));
    else if (BSON_ITER_HOLDS_BOOL(&found))
        snprintf(out, size, "%s", bson_iter_bool(&found) ? "true" : "false");
    else
        snprintf(out, size, "%s", BSON_ITER_HOLDS_BINARY(&found) ? "binary" : "something else");
}

static void documents_say_what_happened(void **state)
{
    (void)state;
    for (size_t s = 0; s < SCENARIOS; s++) {
        struct world w;
        const size_t order[EVENTS_MAX] = {0, 1, 2, 3, 4, 5, 6};
        world_init(&w, &scenarios[s]);
        bson_t *doc = fold_order(&w, order, 0, 0);
        for (size_t i = 0; i < EXPECT_MAX && scenarios[s].expect[i].path; i++) {
            const struct expectation *e = &scenarios[s].expect[i];
            char got[100];
            value_text(doc, e->path, got, sizeof got);
            if (strcmp(got, e->value) != 0)
                fail_msg("%s: %s is %s, not %s", scenarios[s].name, e->path, got, e->value);
        }
        bson_destroy(doc);
        world_release(&w);
    }
}

static void a_repeat_changes_nothing_and_needs_no_write(void **state)
{
    (void)state;
    for (size_t s = 0; s < SCENARIOS; s++) {
        struct world w;
        struct job_doc doc;
        const size_t order[EVENTS_MAX] = {0, 1, 2, 3, 4, 5, 6};
        world_init(&w, &scenarios[s]);
        bson_t *stored = fold_order(&w, order, 0, 0);
        job_doc_read(stored, &w.arena, &doc);
        assert_true(doc.stored);
        for (size_t i = 0; i < w.count; i++)
            fold_event(&doc, &w.events[i], &w.arena);
        assert_false(doc.changed);
        bson_destroy(stored);
        world_release(&w);
    }
}

/* More attempts than are kept, in several orders, with the document written and read between. */
/* Heard from the last to the first, so that each goes before all others. */
static void a_plan_of_many_nodes_takes_memory_by_their_number(void **state)
{
    enum { NODES = 4000, AGAIN = NODES / 2 };
    struct arena events, a;
    struct job_doc doc = {.id = BYTES(JOB)};
    bson_t *stored = NULL;
    size_t used = 0;

    (void)state;
    arena_init(&events);
    arena_init(&a);
    for (size_t i = NODES; i-- > 0;) {
        const struct row r = {A, PHASE_NODE, .attempt = 1, .at = 10, EXEC, .origin = 5,
            .text = arena_printf(&events, "n%05zu", i).data, .state = "running"};
        struct event e;
        event_of(&r, &events, &e);
        size_t before = a.used_bytes;
        fold_event(&doc, &e, &a);
        used += a.used_bytes - before;
        if (i == AGAIN)
            store_between(&doc, &stored, &a);
    }
    const struct fold_state *f = &doc.views[0]->fold;
    assert_int_equal(f->nodes.count, NODES);
    for (size_t i = 1; i < NODES; i++)
        assert_true(bytes_compare(f->nodes.items[i - 1].id, f->nodes.items[i].id) < 0);
    assert_true(used < 10 * NODES * sizeof(struct node_state));
    bson_destroy(stored);
    arena_release(&a);
    arena_release(&events);
}

static void of_many_attempts_the_latest_stay(void **state)
{
    (void)state;
    enum { ATTEMPTS = ATTEMPTS_MAX + 7, EVENTS = 2 * ATTEMPTS };
    bson_t *expected = NULL;
    for (size_t step = 1; step < EVENTS; step += EVENTS / 6) {
        if (EVENTS % step == 0 && step > 1)
            continue; /* not every event would have its turn */
        struct arena a;
        struct job_doc doc = {.id = BYTES(JOB)};
        bson_t *stored = NULL;
        bool every[EVENTS] = {false};
        arena_init(&a);
        for (size_t i = 0, at = 0; i < EVENTS; i++, at = (at + step) % EVENTS) {
            while (every[at])
                at = (at + 1) % EVENTS;
            every[at] = true;
            int64_t n = 1 + (int64_t)at / 2;
            struct row r = {A, at % 2 ? PHASE_RETRYING : PHASE_STARTED, .attempt = n,
                .at = 10 * n + (int64_t)(at % 2), EXEC, .origin = 5, .error = "again"};
            struct event e;
            event_of(&r, &a, &e);
            fold_event(&doc, &e, &a);
            if (i % 5 == 0 && doc.changed)
                store_between(&doc, &stored, &a);
        }
        doc.rev = 0;
        bson_t *got = bson_new();
        job_doc_write(&doc, KEEP_MS, got);
        if (expected)
            assert_same("many attempts", got, expected);
        else
            expected = bson_copy(got);
        bson_destroy(got);
        bson_destroy(stored);
        arena_release(&a);
    }
    char text[100];
    value_text(expected, "attempts.0.n", text, sizeof text);
    assert_string_equal(text, "8");
    value_text(expected, "attempts.199.n", text, sizeof text);
    assert_string_equal(text, "207");
    value_text(expected, "attempts.200", text, sizeof text);
    assert_string_equal(text, "-");
    value_text(expected, "attempts.0.error.message", text, sizeof text);
    assert_string_equal(text, "again");
    bson_destroy(expected);
}

static void the_fields_stand_in_the_order_of_the_docs(void **state)
{
    (void)state;
    static const char *const names[] = {"_id", "rev", "state", "final", "creator", "user", "group",
        "submitter", "name", "engine", "target", "code_type", "code", "variables", "conf", "labels", "source",
        "limits", "times", "attempt", "progress", "plan", "results", "exit_code", "instance", "log",
        "attempts", "fold", "expire_at"};
    struct world w;
    const size_t order[EVENTS_MAX] = {0, 1, 2, 3, 4, 5, 6};
    bson_iter_t it;
    world_init(&w, &scenarios[0]);
    bson_t *doc = fold_order(&w, order, 0, 0);
    bson_iter_init(&it, doc);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_true(bson_iter_next(&it));
        assert_string_equal(bson_iter_key(&it), names[i]);
    }
    assert_false(bson_iter_next(&it));
    bson_destroy(doc);
    world_release(&w);
}

/* ---- what is refused ---- */

static void events_that_can_never_be_folded_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct event event;
        const char *says;
    } cases[] = {
        {"no UUID", {.job_id = {"job1", 4}, .group = {A, 7}, .at = 1}, "job_id"},
        {"no group", {.job_id = {JOB, 36}, .group = {"ann", 3}, .at = 1}, "group"},
        {"unknown phase", {.job_id = {JOB, 36}, .group = {A, 7}, .at = 1, .phase = JOB_PHASES}, "phase"},
        {"negative phase", {.job_id = {JOB, 36}, .group = {A, 7}, .at = 1, .phase = NO_ENUM}, "phase"},
        {"negative attempt", {.job_id = {JOB, 36}, .group = {A, 7}, .at = 1, .attempt = -1}, "attempt"},
        {"no time", {.job_id = {JOB, 36}, .group = {A, 7}}, "at"},
        {"a node without a name", {.job_id = {JOB, 36}, .group = {A, 7}, .at = 1, .phase = PHASE_NODE},
            "node"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e;
        error_clear(&e);
        if (fold_accepts(&cases[i].event, &e))
            fail_msg("accepted: %s", cases[i].name);
        if (strncmp(e.text, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("%s: says \"%s\"", cases[i].name, e.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_say_what_happened),
        cmocka_unit_test(every_order_of_the_same_events_gives_the_same_document),
        cmocka_unit_test(batches_may_end_anywhere),
        cmocka_unit_test(a_repeat_changes_nothing_and_needs_no_write),
        cmocka_unit_test(a_plan_of_many_nodes_takes_memory_by_their_number),
        cmocka_unit_test(of_many_attempts_the_latest_stay),
        cmocka_unit_test(the_fields_stand_in_the_order_of_the_docs),
        cmocka_unit_test(events_that_can_never_be_folded_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
