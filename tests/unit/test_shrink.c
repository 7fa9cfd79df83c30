/* SPDX-License-Identifier: Apache-2.0 */
/* A document that would be too large for the store. */
/* LIBS: fold */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/fold.h"
#include "collector/shrink.h"
#include "core/shape_bson.h"

#define JOB "0190a6b2-7c5e-7b1a-8f00-3f2a9d1c4e5b"
#define KEEP_MS 1000

enum { NODES = 20000, TEXT = 500, COLUMNS = 100, ATTEMPTS = 100, EVENT_AT = 1000 };

static struct bytes text_of(size_t len, struct arena *a)
{
    char *text = arena_alloc(a, len + 1);
    memset(text, 'x', len);
    return (struct bytes){text, len};
}

static struct job_error *error_of(size_t len, struct arena *a)
{
    struct job_error *e = arena_alloc(a, sizeof *e);
    *e = (struct job_error){.code = BYTES("exit_code"),
        .class = CLASS_ENGINE,
        .message = text_of(len, a),
        .statement = NO_INT,
        .line = NO_INT};
    return e;
}

static struct event event_of(enum job_phase phase, const char *group)
{
    struct event e;
    shape_clear(&shape_event, &e);
    e.job_id = BYTES(JOB);
    e.group = bytes_of(group);
    e.attempt = 1;
    e.phase = (int)phase;
    e.at = EVENT_AT;
    e.stage = BYTES("executor");
    e.instance = BYTES("host-1-abcdefgh");
    return e;
}

/* Its nodes failed, all but one, with long texts; a long result; attempts. */
static void make(struct job_doc *doc, size_t nodes, size_t code, struct arena *a)
{
    struct event planned = event_of(PHASE_PLANNED, "a/b"), accepted = event_of(PHASE_ACCEPTED, "a/b");
    planned.plan = arena_alloc(a, sizeof *planned.plan);
    shape_clear(&shape_plan, planned.plan);
    planned.plan->nodes.items = arena_array(a, nodes, sizeof *planned.plan->nodes.items);
    planned.plan->nodes.count = nodes;
    accepted.spec = arena_alloc(a, sizeof *accepted.spec);
    shape_clear(&shape_submitted, accepted.spec);
    accepted.spec->code = text_of(code, a);
    *doc = (struct job_doc){.id = BYTES(JOB)};
    fold_event(doc, &accepted, a);
    for (size_t i = 0; i < nodes; i++) {
        struct event e = event_of(PHASE_NODE, "a/b");
        struct job_node *n = &planned.plan->nodes.items[i];
        n->id = e.node = arena_printf(a, "n%06zu", i);
        n->kind = BYTES("exec");
        n->engine = BYTES("shell");
        e.node_state = BYTES("failed");
        e.reason = text_of(TEXT, a);
        e.error = error_of(TEXT, a);
        fold_event(doc, &e, a);
    }
    fold_event(doc, &planned, a);
    for (int64_t n = 1; n <= ATTEMPTS; n++) {
        struct event e = event_of(PHASE_RETRYING, "a/b");
        e.attempt = n;
        e.error = error_of(TEXT, a);
        fold_event(doc, &e, a);
    }
    struct event end = event_of(PHASE_FAILED, "a/b"), other = event_of(PHASE_QUEUED, "c/d");
    end.attempt = ATTEMPTS + 1;
    end.error = error_of(TEXT, a);
    struct job_result *result = arena_alloc(a, sizeof *result);
    *result = (struct job_result){
        .name = BYTES("r"), .kind = BYTES("table"), .path = BYTES("p"), .format = BYTES("avro"), .rows = 1};
    result->columns.items = arena_array(a, COLUMNS, sizeof *result->columns.items);
    result->columns.count = COLUMNS;
    for (size_t i = 0; i < COLUMNS; i++)
        result->columns.items[i] = (struct result_column){.name = text_of(TEXT, a), .type = BYTES("INTEGER")};
    end.results.items = result;
    end.results.count = 1;
    fold_event(doc, &end, a);
    fold_event(doc, &other, a);
}

static bool has(const bson_t *doc, const char *path)
{
    bson_iter_t it, found;
    return bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, path, &found);
}

static size_t text_len(const bson_t *doc, const char *path)
{
    bson_iter_t it, found;
    uint32_t len = 0;
    if (bson_iter_init(&it, doc) && bson_iter_find_descendant(&it, path, &found))
        (void)bson_iter_utf8(&found, &len);
    return len;
}

static void assert_ended(const bson_t *doc)
{
    bson_iter_t it;
    assert_true(bson_iter_init_find(&it, doc, "state"));
    assert_string_equal(bson_iter_utf8(&it, NULL), "failed");
    assert_true(bson_iter_init_find(&it, doc, "final") && bson_iter_bool(&it));
    assert_true(has(doc, "results.0.path"));
    assert_int_equal(text_len(doc, "error.message"), TEXT);
    assert_int_equal(text_len(doc, "plan.nodes.3.error.code"), 9);
}

/* The largest number of nodes, with and without much code: the job has its end, and what was written is read again. */
static void the_largest_plan_fits(void **state)
{
    static const size_t codes[] = {0, 3 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct arena a;
        struct job_doc doc, again;
        bson_t *whole = bson_new(), *out = bson_new(), *second = bson_new();
        arena_init(&a);
        make(&doc, NODES, codes[i], &a);
        job_doc_write(&doc, KEEP_MS, whole);
        assert_true(whole->len > SHRINK_BYTES_MAX);
        shrink_write(&doc, KEEP_MS, SHRINK_BYTES_MAX, &a, out);
        assert_true(out->len <= SHRINK_BYTES_MAX);
        assert_ended(out);
        job_doc_read(out, &a, &again);
        again.rev--;
        shrink_write(&again, KEEP_MS, SHRINK_BYTES_MAX, &a, second);
        assert_true(bson_equal(out, second));
        bson_destroy(whole);
        bson_destroy(out);
        bson_destroy(second);
        arena_release(&a);
    }
}

/* Each step takes what it names, and none before it is needed: the limit is one byte less than the step before came to. */
static void what_is_least_missed_goes_first(void **state)
{
    static const struct {
        const char *name, *path;
        size_t before, after;
    } steps[] = {
        {"nodes' texts are cut", "plan.nodes.3.error.message", TEXT, 60},
        {"nodes' texts go", "plan.nodes.3.error.message", 60, 0},
        {"attempts' texts are cut", "attempts.0.error.message", TEXT, 60},
        {"columns go", "results.0.columns.0.name", TEXT, 0},
    };
    struct arena a;
    size_t limit = SHRINK_BYTES_MAX;
    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct job_doc doc;
        bson_t *before = bson_new(), *after = bson_new();
        make(&doc, 10, 100, &a);
        shrink_write(&doc, KEEP_MS, limit, &a, before);
        shrink_write(&doc, KEEP_MS, before->len - 1, &a, after);
        if (text_len(before, steps[i].path) != steps[i].before ||
            text_len(after, steps[i].path) != steps[i].after)
            fail_msg("%s: %zu, %zu", steps[i].name, text_len(before, steps[i].path),
                text_len(after, steps[i].path));
        assert_ended(after);
        limit = after->len;
        bson_destroy(before);
        bson_destroy(after);
    }
    arena_release(&a);
}

static void other_groups_go_last(void **state)
{
    struct arena a;
    struct job_doc doc;
    bson_t *whole = bson_new(), *out = bson_new();
    (void)state;
    arena_init(&a);
    make(&doc, 10, 100, &a);
    shrink_write(&doc, KEEP_MS, SHRINK_BYTES_MAX, &a, whole);
    assert_true(has(whole, "fold.others.0"));
    shrink_write(&doc, KEEP_MS, 1, &a, out);
    assert_false(has(out, "fold.others.0"));
    assert_ended(out);
    bson_destroy(whole);
    bson_destroy(out);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_plan_fits),
        cmocka_unit_test(what_is_least_missed_goes_first),
        cmocka_unit_test(other_groups_go_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
