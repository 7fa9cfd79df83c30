/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defaults: which documents fit a job and in which order, what a client may write, and what is made of documents written by hand. (What is
 * filled in from them: test_convert. That the converter follows a change: tests/flow.)
 */
/* LIBS: store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/defaults.h"
#include "core/shape_bson.h"

static struct job_default default_for(const char *selector)
{
    struct job_default d;
    shape_clear(&shape_default, &d);
    d.selector = bytes_of(selector);
    return d;
}

/* ---- selectors ---- */

static const struct {
    const char *text;
    bool valid;
    const char *who, *engine, *label, *label_value;
} selectors[] = {
    {"*", true, "*", NULL, NULL, NULL},
    {"ide/*", true, "ide/*", NULL, NULL, NULL},
    {"ide/ann", true, "ide/ann", NULL, NULL, NULL},
    {"*,engine=shell", true, "*", "shell", NULL, NULL},
    {"ide/*,label=tier=gold", true, "ide/*", NULL, "tier", "gold"},
    {"ide/ann,engine=postgres,label=team/a=x,y=z", true, "ide/ann", "postgres", "team/a", "x,y=z"},
    {"*,label=tier=", true, "*", NULL, "tier", ""},
    {"*,label=tier=\xc3\xa4", true, "*", NULL, "tier", "\xc3\xa4"},
    {"", false, NULL, NULL, NULL, NULL},
    {"ide", false, NULL, NULL, NULL, NULL},
    {"*/ann", false, NULL, NULL, NULL, NULL},
    {"ide/ann/x", false, NULL, NULL, NULL, NULL},
    {"ide/*,", false, NULL, NULL, NULL, NULL},
    {"ide/*,engine=", false, NULL, NULL, NULL, NULL},
    {"ide/*,engine=a b", false, NULL, NULL, NULL, NULL},
    {"ide/*,label=tier", false, NULL, NULL, NULL, NULL},
    {"ide/*,label==x", false, NULL, NULL, NULL, NULL},
    {"ide/*,label=a b=x", false, NULL, NULL, NULL, NULL},
    {"ide/*,label=tier=a\nb", false, NULL, NULL, NULL, NULL},
    {"ide/*,label=tier=\xff", false, NULL, NULL, NULL, NULL},
    {"ide/*,pool=x", false, NULL, NULL, NULL, NULL},
    {"ide/*,engine=a,engine=b", false, NULL, NULL, NULL, NULL},
};

static bool same(struct bytes a, const char *b)
{
    return b ? bytes_equal_text(a, b) && a.data : !a.data;
}

static void selectors_have_their_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof selectors / sizeof *selectors; i++) {
        struct default_selector s;
        bool valid = default_selector_parse(bytes_of(selectors[i].text), &s);
        if (valid != selectors[i].valid)
            fail_msg("'%s': %s", selectors[i].text, valid ? "taken" : "not taken");
        if (valid && !(same(s.who, selectors[i].who) && same(s.engine, selectors[i].engine) &&
                         same(s.label, selectors[i].label) && same(s.label_value, selectors[i].label_value)))
            fail_msg("'%s': other pieces", selectors[i].text);
    }
}

/* ---- which fit, and in which order ---- */

static const char *const documents[] = {"*", "*,label=tier=gold", "ide/*", "ide/*,engine=shell",
    "ide/*,engine=shell,label=tier=gold", "ide/ann", "ide/ann,engine=sqlite", "ide/ann,label=tier=gold",
    "ide/*,label=a=1", "ide/*,label=b=2", "web/*", "ide/bob", "nonsense"};

static const struct {
    const char *creator, *user, *engine, *labels; /* labels: JSON */
    const char *wanted;
} fits[] = {
    {"ide", "ann", "shell", "{}", "ide/ann ide/*,engine=shell ide/* * "},
    {"ide", "ann", "sqlite", "{}", "ide/ann,engine=sqlite ide/ann ide/* * "},
    {"ide", "ann", "shell", "{\"tier\":\"gold\"}",
        "ide/ann,label=tier=gold ide/ann ide/*,engine=shell,label=tier=gold ide/*,engine=shell ide/* "
        "*,label=tier=gold * "},
    {"ide", "eve", "none", "{\"b\":\"2\",\"a\":\"1\"}", "ide/*,label=a=1 ide/*,label=b=2 ide/* * "},
    {"ide", "eve", "none", "{\"b\":\"1\",\"tier\":\"Gold\"}", "ide/* * "},
    {"web", "ann", "shell", "{}", "web/* * "},
    {"other", "ann", "shell", "{}", "* "},
    {"", "", "", "{}", "* "},
    {"ide/*", "x", "shell", "{}", "* "},
};

static void the_most_specific_come_first(void **state)
{
    struct job_default items[sizeof documents / sizeof *documents];
    struct arena a;
    struct buf got;
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        items[i] = default_for(documents[i]);
    struct defaults *d = defaults_of(items, sizeof documents / sizeof *documents);
    arena_init(&a);
    buf_init(&got);
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        struct field_problems problems;
        struct job j;
        json_t *o = json_pack("{s:s, s:s, s:s, s:o}", "creator", fits[i].creator, "user", fits[i].user,
            "engine", fits[i].engine, "labels", json_loads(fits[i].labels, 0, NULL));
        assert_true(shape_from_json(&shape_submitted, o, 0, &a, &j, &problems));
        json_decref(o);
        struct defaults_found found = defaults_find(d, &j, &a);
        buf_clear(&got);
        for (size_t k = 0; k < found.count; k++)
            buf_printf(&got, "%.*s ", BYTES_ARG(found.items[k]->selector));
        if (!bytes_equal_text(buf_bytes(&got), fits[i].wanted))
            fail_msg("%s/%s %s %s: expected '%s', got '%.*s'", fits[i].creator, fits[i].user, fits[i].engine,
                fits[i].labels, fits[i].wanted, BYTES_ARG(buf_bytes(&got)));
    }
    struct job j;
    shape_clear(&shape_submitted, &j);
    assert_int_equal(defaults_find(NULL, &j, &a).count, 0);
    buf_release(&got);
    arena_release(&a);
    defaults_free(d);
    defaults_free(NULL);
}

/* ---- what a client may write ---- */

static const struct {
    const char *body, *field; /* NULL: it is good */
} bodies[] = {
    {"{}", NULL},
    {"{\"conf\":{\"a.b\":\"1\"},\"variables\":{\"t\":\"x\"},\"limits\":{\"run_timeout_ms\":0},"
     "\"retry\":{\"max_attempts\":3,\"exit_codes\":[0,255],\"errors\":[\"a|b\"]},\"strategy\":{\"kind\":"
     "\"all\",\"targets\":[\"x\"]}}",
        NULL},
    {"{\"conf\":{\"a b\":\"1\"}}", "conf.a b"},
    {"{\"conf\":{\"\":\"1\"}}", "conf."},
    {"{\"variables\":{\"1a\":\"1\"}}", "variables.1a"},
    {"{\"variables\":{\"a/b\":\"1\"}}", "variables.a/b"},
    {"{\"variables\":{\"a\":\"x\\u0000\"}}", "variables.a"},
    {"{\"limits\":{\"run_timeout_ms\":-1}}", "limits.run_timeout_ms"},
    {"{\"limits\":{\"queue_timeout_ms\":99999999999999}}", "limits.queue_timeout_ms"},
    {"{\"limits\":{\"max_log_bytes\":-1}}", "limits.max_log_bytes"},
    {"{\"retry\":{\"max_attempts\":0}}", "retry.max_attempts"},
    {"{\"retry\":{\"max_attempts\":101}}", "retry.max_attempts"},
    {"{\"retry\":{\"backoff_ms\":-1}}", "retry.backoff_ms"},
    {"{\"retry\":{\"node_attempts\":0}}", "retry.node_attempts"},
    {"{\"retry\":{\"node_attempts\":101}}", "retry.node_attempts"},
    {"{\"retry\":{\"node_attempts\":100}}", NULL},
    {"{\"retry\":{\"exit_codes\":[256]}}", "retry.exit_codes"},
    {"{\"retry\":{\"errors\":[\"ok\",\"(\"]}}", "retry.errors[1]"},
    {"{\"strategy\":{\"kind\":\"best\",\"targets\":[]}}", "strategy.kind"},
    {"{\"strategy\":{\"kind\":\"race\",\"targets\":[]}}", "strategy.targets"},
    {"{\"strategy\":{\"kind\":\"race\",\"targets\":[\"a\",\"a\"]}}", "strategy.targets[1]"},
    {"{\"strategy\":{\"kind\":\"single\",\"targets\":[\"a\",\"b\"]}}", "strategy.targets"},
};

static void read_body(const char *body, struct arena *a, struct job_default *out)
{
    struct field_problems problems;
    json_t *o = json_loads(body, JSON_ALLOW_NUL, NULL);
    if (!shape_from_json(&shape_default, o, SHAPE_NUL | SHAPE_STRICT, a, out, &problems))
        fail_msg("%s: %.*s", body, BYTES_ARG(problems.items[0].field));
    json_decref(o);
}

static void a_client_writes_what_makes_sense(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct field_problems problems = {.count = 0};
        struct job_default d;
        struct arena a;
        arena_init(&a);
        read_body(bodies[i].body, &a, &d);
        d.selector = BYTES("ide/*");
        bool good = default_check(&d, &a, &problems);
        if (good != !bodies[i].field)
            fail_msg("%s: %s", bodies[i].body, good ? "taken" : problems.items[0].detail.data);
        if (!good && !bytes_equal_text(problems.items[0].field, bodies[i].field))
            fail_msg("%s: got %.*s", bodies[i].body, BYTES_ARG(problems.items[0].field));
        /* Tamed it is always good. */
        default_tame(&d, &a);
        problems.count = 0;
        assert_true(default_check(&d, &a, &problems));
        d.selector = BYTES("ide");
        assert_false(default_check(&d, &a, &problems));
        arena_release(&a);
    }
}

static void too_many_entries_are_cut(void **state)
{
    struct pair *pairs;
    struct job_default d = default_for("*");
    struct field_problems problems = {.count = 0};
    struct arena a;
    (void)state;
    arena_init(&a);
    pairs = arena_array(&a, JOB_PAIRS_MAX + 1, sizeof *pairs);
    for (int i = 0; i <= JOB_PAIRS_MAX; i++)
        pairs[i] = (struct pair){arena_printf(&a, "k%d", i), BYTES("v")};
    d.conf = (struct pairs){pairs, JOB_PAIRS_MAX + 1};
    assert_false(default_check(&d, &a, &problems));
    assert_string_equal(problems.items[0].code, "too_many");
    default_tame(&d, &a);
    assert_int_equal(d.conf.count, JOB_PAIRS_MAX);
    arena_release(&a);
}

/* ---- documents written by hand ---- */

static void nonsense_in_a_document_is_passed_over(void **state)
{
    struct job_default d;
    struct arena a;
    (void)state;
    arena_init(&a);
    bson_t *doc = BCON_NEW("_id", BCON_UTF8("ide/*"), "conf", "{", "a", BCON_UTF8("1"), "b c", BCON_UTF8("2"),
        "d", BCON_INT32(3), "}", "variables", BCON_UTF8("x"), "limits", "{", "run_timeout_ms", BCON_INT32(-4),
        "queue_timeout_ms", BCON_INT64(5), "}", "retry", "{", "max_attempts", BCON_INT32(1000), "backoff_ms",
        BCON_UTF8("soon"), "errors", "[", BCON_UTF8("("), BCON_UTF8("ok"), "]", "}", "strategy", "{", "kind",
        BCON_UTF8("best"), "}");
    assert_true(default_from_bson(doc, &a, &d));
    assert_int_equal(d.conf.count, 1);
    assert_true(bytes_equal_text(d.conf.items[0].key, "a"));
    assert_int_equal(d.variables.count, 0);
    assert_int_equal(d.limits.run_timeout_ms, NO_INT);
    assert_int_equal(d.limits.queue_timeout_ms, 5);
    assert_int_equal(d.retry.max_attempts, NO_INT);
    assert_int_equal(d.retry.backoff_ms, NO_INT);
    assert_int_equal(d.retry.errors.count, 1);
    assert_null(d.strategy);
    bson_destroy(doc);
    doc = BCON_NEW("_id", BCON_INT32(7));
    assert_false(default_from_bson(doc, &a, &d));
    bson_destroy(doc);
    doc = BCON_NEW("_id", BCON_UTF8("ide"));
    assert_false(default_from_bson(doc, &a, &d));
    bson_destroy(doc);
    arena_release(&a);
}

static void a_document_comes_back_as_it_was(void **state)
{
    struct job_default d, back;
    struct arena a;
    (void)state;
    arena_init(&a);
    read_body(bodies[1].body, &a, &d);
    bson_t *doc = bson_new();
    bson_append_utf8(doc, "_id", -1, "ide/ann", -1);
    shape_to_bson(&shape_default, &d, SHAPE_COMPACT, doc);
    assert_true(default_from_bson(doc, &a, &back));
    json_t *before = shape_to_json(&shape_default, &d, 0), *after = shape_to_json(&shape_default, &back, 0);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    bson_destroy(doc);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_have_their_pieces),
        cmocka_unit_test(the_most_specific_come_first),
        cmocka_unit_test(a_client_writes_what_makes_sense),
        cmocka_unit_test(too_many_entries_are_cut),
        cmocka_unit_test(nonsense_in_a_document_is_passed_over),
        cmocka_unit_test(a_document_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
