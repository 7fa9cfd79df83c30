/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: which documents count for a group, what a client may write, and what is made of documents written by hand. (That all programs
 * follow a change: tests/flow.)
 */
/* LIBS: store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "core/shape_bson.h"

static struct limit limit_for(const char *selector)
{
    struct limit l;
    shape_clear(&shape_limit, &l);
    l.selector = bytes_of(selector);
    return l;
}

static struct limits_effective effective_of(const struct limits *l, const char *group)
{
    struct limits_effective out;
    limits_find_group(l, bytes_of(group), &out);
    return out;
}

static void snapshots_are_equal_when_they_say_the_same_whoever_wrote_them(void **state)
{
    (void)state;
    struct bytes engines[] = {BYTES("shell"), BYTES("sqlite")};
    struct limit base = limit_for("ide/*");
    base.engines.items = engines;
    base.engines.count = 2;
    base.weight = 3;
    base.by = BYTES("ann");
    base.at = 1;
    struct limit others[8];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        others[i] = base;
    others[0].selector = BYTES("ide/ann");
    others[1].max_queued = 0;
    others[2].max_running = 2;
    others[3].weight = 4;
    others[4].engines.count = 1;
    others[5].queue_timeout_ms = 0;
    others[6].run_timeout_ms = 1;
    others[7].on_failure = BYTES("hold");
    struct limits *l = limits_of(&base, 1), *none = limits_none();
    base.by = BYTES("bob");
    base.at = 2;
    struct limits *same = limits_of(&base, 1);
    assert_true(limits_are_equal(l, same));
    assert_false(limits_are_equal(l, none));
    assert_true(limits_are_equal(none, none));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct limits *other = limits_of(&others[i], 1);
        if (limits_are_equal(l, other))
            fail_msg("other %zu is told to be equal", i);
        limits_free(other);
    }
    limits_free(l);
    limits_free(none);
    limits_free(same);
}

static void without_documents_one_runs_at_a_time_and_nothing_else_counts(void **state)
{
    (void)state;
    struct limits *l = limits_none();
    const char *const groups[] = {"ide/ann", "", "/", "ide", "/ann", "ide/"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct limits_effective out = effective_of(l, groups[i]);
        assert_int_equal(out.weight, 1);
        assert_int_equal(out.max_running, 1);
        assert_int_equal(out.shared_count, 0);
        assert_int_equal(out.queued_count, 0);
        assert_null(out.engines);
        assert_true(out.queue_timeout_ms == NO_INT && out.run_timeout_ms == NO_INT);
        assert_false(out.hold_on_failure);
        assert_true(limits_engine_is_allowed(&out, BYTES("shell")));
    }
    limits_free(l);
    limits_free(NULL);
}

static struct limits *three_levels(void)
{
    static struct bytes shell[] = {{"shell", 5}};
    static struct bytes both[] = {{"shell", 5}, {"sqlite", 6}};
    struct limit all = limit_for("*"), creator = limit_for("ide/*"), group = limit_for("ide/ann");
    all.max_queued = 1000;
    all.max_running = 50;
    all.weight = 2;
    all.engines = (struct strings){both, 2};
    all.queue_timeout_ms = 1;
    all.run_timeout_ms = 2;
    all.on_failure = BYTES("hold");
    creator.max_queued = 100;
    creator.max_running = 10;
    creator.weight = 7;
    creator.run_timeout_ms = 3;
    creator.on_failure = BYTES("next");
    group.max_queued = 0;
    group.max_running = 4;
    group.weight = 9; /* not a creator's: no effect */
    group.engines = (struct strings){shell, 1};
    group.run_timeout_ms = 0;
    const struct limit items[] = {group, all, creator};
    return limits_of(items, 3);
}

static void the_narrowest_selector_that_sets_a_field_wins(void **state)
{
    (void)state;
    struct limits *l = three_levels();
    const struct {
        const char *group;
        int64_t weight, max_running, queue_timeout_ms, run_timeout_ms;
        bool sqlite, hold;
    } rows[] = {
        {"ide/ann", 7, 4, 1, 0, false, false},
        {"ide/bob", 7, 1, 1, 3, true, false},
        {"cron/ann", 2, 1, 1, 2, true, true},
        {"ide/an", 7, 1, 1, 3, true, false},
        {"ide/annn", 7, 1, 1, 3, true, false},
        {"id/ann", 2, 1, 1, 2, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct limits_effective out = effective_of(l, rows[i].group);
        assert_int_equal(out.weight, rows[i].weight);
        assert_int_equal(out.max_running, rows[i].max_running);
        assert_int_equal(out.queue_timeout_ms, rows[i].queue_timeout_ms);
        assert_int_equal(out.run_timeout_ms, rows[i].run_timeout_ms);
        assert_int_equal(limits_engine_is_allowed(&out, BYTES("sqlite")), rows[i].sqlite);
        assert_true(limits_engine_is_allowed(&out, BYTES("shell")));
        assert_false(limits_engine_is_allowed(&out, BYTES("python")));
        assert_int_equal(out.hold_on_failure, rows[i].hold);
    }
    limits_free(l);
}

static void assert_count(struct limit_count got, const char *selector, int64_t max)
{
    assert_true(bytes_equal_text(got.selector, selector));
    assert_int_equal(got.max, max);
}

static void every_matching_selector_counts_on_its_own(void **state)
{
    (void)state;
    struct limits *l = three_levels();
    struct limits_effective out = effective_of(l, "ide/ann");
    assert_int_equal(out.queued_count, 3);
    assert_count(out.queued[0], "ide/ann", 0);
    assert_count(out.queued[1], "ide/*", 100);
    assert_count(out.queued[2], "*", 1000);
    assert_int_equal(out.shared_count, 2);
    assert_count(out.shared[0], "ide/*", 10);
    assert_count(out.shared[1], "*", 50);
    out = effective_of(l, "cron/ann");
    assert_int_equal(out.queued_count, 1);
    assert_int_equal(out.shared_count, 1);
    assert_count(out.shared[0], "*", 50);
    limits_free(l);
}

static void a_snapshot_owns_all_of_its_text(void **state)
{
    (void)state;
    char selector[] = "ide/ann", engine[] = "shell";
    struct bytes engines[] = {{engine, 5}};
    struct limit item = limit_for(selector), later = limit_for("ide/ann");
    item.max_queued = 5;
    item.engines = (struct strings){engines, 1};
    struct limits *l = limits_of(&item, 1);
    memset(selector, 'x', sizeof selector - 1);
    memset(engine, 'x', sizeof engine - 1);
    struct limits_effective out = effective_of(l, "ide/ann");
    assert_count(out.queued[0], "ide/ann", 5);
    assert_true(bytes_equal_text(out.engines->items[0], "shell"));
    limits_free(l);
    /* Of two for one selector the last counts, whole. */
    item.selector = BYTES("ide/ann");
    later.max_running = 3;
    const struct limit two[] = {item, later};
    l = limits_of(two, 2);
    out = effective_of(l, "ide/ann");
    assert_int_equal(out.queued_count, 0);
    assert_int_equal(out.max_running, 3);
    limits_free(l);
}

static void many_selectors_are_all_found(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static struct limit items[MANY];
    static char names[MANY][LIMITS_SELECTOR_MAX];
    for (int i = 0; i < MANY; i++) {
        int n = i * 617 % MANY; /* in no order */
        snprintf(names[i], sizeof names[i], "c%d/u%d", n % 10, n);
        items[i] = limit_for(names[i]);
        items[i].max_running = n + 1;
    }
    struct limits *l = limits_of(items, MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(effective_of(l, names[i]).max_running, items[i].max_running);
    assert_int_equal(effective_of(l, "c1/u1000").max_running, 1);
    limits_free(l);
}

#define LONG_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
static const char long_group[] = LONG_64 "/" LONG_64;
static const char long_creator[] = LONG_64 "a/x";
static const char much_too_long[] = LONG_64 LONG_64 "/" LONG_64;

static void the_longest_names_are_found(void **state)
{
    (void)state;
    struct limit item = limit_for(long_group);
    item.max_running = 2;
    struct limits *l = limits_of(&item, 1);
    assert_int_equal(effective_of(l, long_group).max_running, 2);
    /* What no name can be is found nowhere. */
    assert_int_equal(effective_of(l, much_too_long).max_running, 1);
    limits_free(l);
}

static void a_selector_is_a_group_a_creator_or_all(void **state)
{
    (void)state;
    const char *const good[] = {"*", "ide/*", "ide/ann", "a.b/c@d", long_group};
    const char *const bad[] = {"", "/", "ide", "ide/", "/ann", "*/ann", "*/*", "**", "ide/a*", "ide/ann/x",
        "ide/a b", "../x", long_creator};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(limits_selector_is_valid(bytes_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(limits_selector_is_valid(bytes_of(bad[i])));
    assert_false(limits_selector_is_valid(BYTES_NONE));
}

static const struct {
    const char *selector, *body;
    const char *field, *code; /* NULL: it is fine */
} bodies[] = {
    {"*", "{}", NULL, NULL},
    {"ide/ann",
        "{\"max_queued\":0,\"max_running\":1,\"engines\":[\"shell\"],\"queue_timeout_ms\":0,\"on_failure\":"
        "\"hold\"}",
        NULL, NULL},
    {"ide/*", "{\"weight\":1000,\"on_failure\":\"next\"}", NULL, NULL},
    {"ide", "{}", "selector", "bad_value"},
    {"ide/ann", "{\"weight\":2}", "weight", "bad_value"},
    {"*", "{\"weight\":0}", "weight", "bad_value"},
    {"*", "{\"weight\":1001}", "weight", "bad_value"},
    {"*", "{\"max_queued\":-1}", "max_queued", "bad_value"},
    {"*", "{\"max_running\":0}", "max_running", "bad_value"},
    {"*", "{\"run_timeout_ms\":-1}", "run_timeout_ms", "bad_value"},
    {"*", "{\"queue_timeout_ms\":999999999999999}", "queue_timeout_ms", "bad_value"},
    {"*", "{\"engines\":[\"a b\"]}", "engines", "bad_name"},
    {"*", "{\"on_failure\":\"panic\"}", "on_failure", "bad_value"},
    {"*", "{\"by\":\"me\"}", "by", "unknown_field"},
    {"*", "{\"max_jobs\":1}", "max_jobs", "unknown_field"},
};

static void what_a_client_may_write_is_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct arena a;
        struct limit item;
        struct field_problems problems = {.count = 0};
        arena_init(&a);
        json_t *body = json_loads(bodies[i].body, 0, NULL);
        assert_non_null(body);
        bool ok = shape_from_json(&shape_limit, body, SHAPE_STRICT, &a, &item, &problems);
        json_decref(body);
        item.selector = bytes_of(bodies[i].selector);
        if (ok)
            ok = limit_check(&item, &a, &problems);
        assert_int_equal(ok, bodies[i].field == NULL);
        assert_int_equal(problems.count, bodies[i].field ? 1 : 0);
        if (bodies[i].field) {
            assert_true(bytes_equal_text(problems.items[0].field, bodies[i].field));
            assert_string_equal(problems.items[0].code, bodies[i].code);
        }
        arena_release(&a);
    }
}

static void a_document_written_by_hand_is_tamed(void **state)
{
    (void)state;
    struct arena a;
    struct limit item;
    arena_init(&a);
    bson_t *doc = BCON_NEW("_id", "ide/*", "max_queued", BCON_DOUBLE(-5), "max_running", BCON_INT32(0),
        "weight", BCON_INT64(5000), "run_timeout_ms", BCON_INT32(-1), "queue_timeout_ms", "soon", "engines",
        "[", "shell", BCON_INT32(4), "]", "note", "mine");
    assert_true(limit_from_bson(doc, &a, &item));
    bson_destroy(doc);
    assert_true(bytes_equal_text(item.selector, "ide/*"));
    assert_int_equal(item.max_queued, 0);
    assert_int_equal(item.max_running, 1);
    assert_int_equal(item.weight, LIMITS_WEIGHT_MAX);
    assert_true(item.run_timeout_ms == NO_INT && item.queue_timeout_ms == NO_INT);
    assert_int_equal(item.engines.count, 1);
    doc = BCON_NEW("_id", "ide", "weight", BCON_INT32(2));
    assert_false(limit_from_bson(doc, &a, &item));
    bson_destroy(doc);
    doc = BCON_NEW("_id", BCON_INT32(4));
    assert_false(limit_from_bson(doc, &a, &item));
    bson_destroy(doc);
    arena_release(&a);
}

static void a_document_comes_back_as_it_was_written(void **state)
{
    (void)state;
    struct arena a;
    struct limit item = limit_for("ide/ann"), again;
    struct bytes engines[] = {BYTES("shell"), BYTES("sqlite")};
    arena_init(&a);
    item.max_queued = 3;
    item.engines = (struct strings){engines, 2};
    item.by = BYTES("ops");
    item.at = 1700000000000;
    bson_t *doc = BCON_NEW("_id", "ide/ann");
    shape_to_bson(&shape_limit, &item, SHAPE_COMPACT, doc);
    assert_false(bson_has_field(doc, "weight"));
    assert_false(bson_has_field(doc, "selector"));
    assert_true(limit_from_bson(doc, &a, &again));
    bson_destroy(doc);
    assert_true(bytes_equal_text(again.selector, "ide/ann"));
    assert_int_equal(again.max_queued, 3);
    assert_true(again.weight == NO_INT);
    assert_int_equal(again.engines.count, 2);
    assert_true(bytes_equal_text(again.by, "ops"));
    assert_int_equal(again.at, 1700000000000);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_are_equal_when_they_say_the_same_whoever_wrote_them),
        cmocka_unit_test(without_documents_one_runs_at_a_time_and_nothing_else_counts),
        cmocka_unit_test(the_narrowest_selector_that_sets_a_field_wins),
        cmocka_unit_test(every_matching_selector_counts_on_its_own),
        cmocka_unit_test(a_snapshot_owns_all_of_its_text),
        cmocka_unit_test(many_selectors_are_all_found),
        cmocka_unit_test(the_longest_names_are_found),
        cmocka_unit_test(a_selector_is_a_group_a_creator_or_all),
        cmocka_unit_test(what_a_client_may_write_is_checked),
        cmocka_unit_test(a_document_written_by_hand_is_tamed),
        cmocka_unit_test(a_document_comes_back_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
