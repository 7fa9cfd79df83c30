/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs as BSON documents and back: every type of field, user's keys that look like operators or paths, text that is
 * no UTF-8, and documents that are not what was expected.
 */
/* LIBS: store */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/job.h"
#include "core/shape_bson.h"

struct fixture {
    struct arena arena;
    bson_t doc;
    struct job in, out;
};

static int setup(void **state)
{
    static struct fixture f;
    arena_init(&f.arena);
    bson_init(&f.doc);
    shape_clear(&shape_planned, &f.in);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bson_destroy(&f->doc);
    arena_release(&f->arena);
    return 0;
}

/* A second document of what was read must be the same bytes. */
static void round_trip(struct fixture *f, const struct shape *s, unsigned options)
{
    bson_t again = BSON_INITIALIZER;
    shape_to_bson(s, &f->in, options, &f->doc);
    assert_true(bson_validate(&f->doc,
        BSON_VALIDATE_UTF8 | BSON_VALIDATE_DOLLAR_KEYS | BSON_VALIDATE_DOT_KEYS |
            BSON_VALIDATE_UTF8_ALLOW_NULL | BSON_VALIDATE_EMPTY_KEYS,
        NULL));
    shape_from_bson(s, &f->doc, &f->arena, &f->out);
    shape_to_bson(s, &f->out, options, &again);
    assert_true(bson_equal(&f->doc, &again));
    bson_destroy(&again);
}

static void fill_job(struct fixture *f)
{
    static struct job_part part;
    static struct job_strategy strategy;
    static struct bytes after[2], targets[1];
    static struct job_node nodes[2];
    static struct job_error error;
    static int64_t codes[] = {75, 0};
    struct job *j = &f->in;
    j->creator = BYTES("ide");
    j->user = BYTES("ann");
    j->engine = BYTES("sqlite");
    j->code = BYTES("select 'a\xC3\xA4\xF0\x9F\x98\x80'");
    after[0] = BYTES("p0");
    after[1] = BYTES("");
    part = (struct job_part){.id = BYTES("p1"),
        .engine = BYTES(""),
        .code_type = BYTES(""),
        .code = BYTES("x"),
        .after = {after, 2}};
    j->parts.items = &part;
    j->parts.count = 1;
    targets[0] = BYTES("t1");
    strategy = (struct job_strategy){.kind = BYTES("race"), .targets = {targets, 1}};
    j->strategy = &strategy;
    j->limits.run_timeout_ms = 7;
    j->retry.on_lost = ON_LOST_FAIL;
    j->retry.exit_codes = (struct ints){codes, 2};
    j->not_before = 1700000000123;
    j->origin = (struct origin){3, 4, 5};
    for (int i = 0; i < 2; i++)
        nodes[i] = (struct job_node){.id = BYTES("n"), .kind = BYTES("exec"), .statement = i ? NO_INT : 0};
    j->nodes.items = nodes;
    j->nodes.count = 2;
    error = (struct job_error){
        .code = BYTES("x"), .class = CLASS_LIMIT, .message = BYTES("m"), .statement = NO_INT, .line = 9};
    j->error = &error;
}

static void a_whole_job_comes_back(void **state)
{
    struct fixture *f = *state;
    fill_job(f);
    round_trip(f, &shape_planned, 0);
    assert_true(bytes_equal(f->out.code, f->in.code));
    assert_int_equal(f->out.parts.count, 1);
    assert_int_equal(f->out.parts.items[0].after.count, 2);
    assert_true(bytes_equal_text(f->out.strategy->targets.items[0], "t1"));
    assert_int_equal(f->out.limits.run_timeout_ms, 7);
    assert_true(f->out.limits.queue_timeout_ms == NO_INT);
    assert_int_equal(f->out.retry.on_lost, ON_LOST_FAIL);
    assert_int_equal(f->out.retry.exit_codes.count, 2);
    assert_int_equal(f->out.retry.exit_codes.items[0], 75);
    assert_true(f->out.not_before == 1700000000123);
    assert_null(f->out.target.data);
    assert_true(f->out.nodes.items[1].statement == NO_INT);
    assert_int_equal(f->out.error->class, CLASS_LIMIT);
    assert_null(f->out.cache);
}

static void compact_documents_leave_out_what_has_no_value(void **state)
{
    struct fixture *f = *state;
    fill_job(f);
    round_trip(f, &shape_planned, SHAPE_COMPACT);
    static const char *const absent[] = {
        "target", "variables", "callback_url", "cache", "name", "times", "warnings"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_false(bson_has_field(&f->doc, absent[i]));
    assert_true(bson_has_field(&f->doc, "not_before"));
    assert_false(bson_has_field(&f->doc, "limits.queue_timeout_ms"));
}

static void documents_hold_dates_and_numbers(void **state)
{
    struct fixture *f = *state;
    bson_iter_t it, found;
    fill_job(f);
    round_trip(f, &shape_planned, 0);
    bson_iter_init(&it, &f->doc);
    assert_true(bson_iter_find_descendant(&it, "not_before", &found) && BSON_ITER_HOLDS_DATE_TIME(&found));
    bson_iter_init(&it, &f->doc);
    assert_true(
        bson_iter_find_descendant(&it, "limits.run_timeout_ms", &found) && BSON_ITER_HOLDS_INT64(&found));
    bson_iter_init(&it, &f->doc);
    assert_true(bson_iter_find_descendant(&it, "target", &found) && BSON_ITER_HOLDS_NULL(&found));
}

/* ---- the user's keys and text ---- */

#define KEY(literal, stored)                                                                                 \
    {                                                                                                        \
        {"" literal, sizeof(literal) - 1}, stored                                                            \
    }
static const struct {
    struct bytes key;
    const char *stored;
} keys[] = {
    KEY("plain", "plain"),
    KEY("$set", "%24set"),
    KEY("a$b", "a$b"),
    KEY("a.b.c", "a%2Eb%2Ec"),
    KEY("$where.x", "%24where%2Ex"),
    KEY("", "%"),
    KEY("%", "%25"),
    KEY("%24set", "%2524set"),
    KEY("100%", "100%25"),
    KEY("nul\0byte", "nul%00byte"),
    KEY(".", "%2E"),
    KEY("_id", "_id"),
    KEY("\xC3\xA4", "\xC3\xA4"),
};
#define KEYS (sizeof keys / sizeof *keys)

static void keys_are_never_operators_or_paths(void **state)
{
    struct fixture *f = *state;
    struct pair pairs[KEYS];
    bson_iter_t it, map;
    for (size_t i = 0; i < KEYS; i++)
        pairs[i] = (struct pair){keys[i].key, BYTES("$value.x")};
    f->in.variables = (struct pairs){pairs, KEYS};
    round_trip(f, &shape_submitted, 0);
    assert_true(bson_iter_init_find(&it, &f->doc, "variables") && bson_iter_recurse(&it, &map));
    for (size_t i = 0; i < KEYS; i++) {
        assert_true(bson_iter_next(&map));
        assert_string_equal(bson_iter_key(&map), keys[i].stored);
        assert_true(bytes_equal(f->out.variables.items[i].key, keys[i].key));
        assert_true(bytes_equal_text(f->out.variables.items[i].value, "$value.x"));
    }
    assert_false(bson_iter_next(&map));
}

static void of_a_repeated_key_the_last_value_stays(void **state)
{
    struct fixture *f = *state;
    struct pair pairs[] = {{BYTES("a"), BYTES("1")}, {BYTES("b"), BYTES("2")}, {BYTES("a"), BYTES("3")},
        {BYTES("\xFF"), BYTES("4")}, {BYTES("\xFE"), BYTES("5")}};
    f->in.labels = (struct pairs){pairs, 5};
    round_trip(f, &shape_submitted, 0);
    assert_int_equal(f->out.labels.count, 3);
    assert_true(bytes_equal_text(f->out.labels.items[0].key, "b"));
    assert_true(bytes_equal_text(f->out.labels.items[1].value, "3"));
    assert_true(bytes_equal_text(f->out.labels.items[2].key, "\xEF\xBF\xBD"));
    assert_true(bytes_equal_text(f->out.labels.items[2].value, "5"));
}

static void text_is_stored_as_utf8_with_its_nul_bytes(void **state)
{
    struct fixture *f = *state;
    f->in.code = BYTES("a\0b");
    f->in.name = BYTES("bad \xC3( and \xED\xA0\x80!");
    round_trip(f, &shape_submitted, 0);
    assert_true(bytes_equal(f->out.code, f->in.code));
    assert_true(bytes_equal_text(f->out.name, "bad \xEF\xBF\xBD( and \xEF\xBF\xBD!"));
}

static void an_empty_text_is_not_null(void **state)
{
    struct fixture *f = *state;
    f->in.target = BYTES("");
    round_trip(f, &shape_submitted, 0);
    assert_non_null(f->out.target.data);
    assert_int_equal(f->out.target.len, 0);
}

/* ---- documents of others ---- */

static void what_is_unknown_or_of_another_type_is_ignored(void **state)
{
    struct fixture *f = *state;
    bson_t *doc = BCON_NEW("creator", BCON_INT32(7), "user", "ann", "parts", "[", BCON_INT32(1), "{", "id",
        "p", "}", "]", "variables", "[", "x", "]", "labels", "{", "n", BCON_INT32(3), "s", "t", "}",
        "strategy", "single", "limits", "[", "]", "not_before", "2026-01-01", "retry", "{", "on_lost",
        "perhaps", "max_attempts", BCON_DOUBLE(3.0), "backoff_ms", BCON_DOUBLE(2.5), "exit_codes", "[",
        BCON_INT32(1), "2", BCON_DOUBLE(3.0), BCON_DOUBLE(0.5), "]", "}", "no_such_field", "x");
    shape_from_bson(&shape_submitted, doc, &f->arena, &f->out);
    bson_destroy(doc);
    assert_int_equal(f->out.creator.len, 0);
    assert_true(bytes_equal_text(f->out.user, "ann"));
    assert_int_equal(f->out.parts.count, 1);
    assert_true(bytes_equal_text(f->out.parts.items[0].id, "p"));
    assert_int_equal(f->out.variables.count, 0);
    assert_int_equal(f->out.labels.count, 1);
    assert_null(f->out.strategy);
    assert_true(f->out.not_before == NO_INT);
    assert_int_equal(f->out.retry.on_lost, NO_ENUM);
    assert_int_equal(f->out.retry.max_attempts, 3);
    assert_int_equal(f->out.retry.exit_codes.count, 2);
    assert_int_equal(f->out.retry.exit_codes.items[1], 3);
    assert_true(f->out.retry.backoff_ms == NO_INT);
}

static void a_document_becomes_json_for_rest(void **state)
{
    (void)state;
    const uint8_t blob[] = {1, 2};
    bson_t *doc = BCON_NEW("i", BCON_INT64(9007199254740993), "small", BCON_INT32(-1), "t",
        BCON_DATE_TIME(1767322984005), "b", BCON_BIN(BSON_SUBTYPE_BINARY, blob, 2), "n", BCON_NULL, "d",
        BCON_DOUBLE(0.5), "f", BCON_BOOL(false), "a", "[", "x", "{", "%24k%2E", "v", "}", "]");
    json_t *json = bson_to_json(doc);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text,
        "{\"i\":9007199254740993,\"small\":-1,\"t\":\"2026-01-02T03:03:04.005Z\",\"n\":null,"
        "\"d\":0.5,\"f\":false,\"a\":[\"x\",{\"$k.\":\"v\"}]}");
    free(text);
    json_decref(json);
    bson_destroy(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_job_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(compact_documents_leave_out_what_has_no_value, setup, teardown),
        cmocka_unit_test_setup_teardown(documents_hold_dates_and_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_never_operators_or_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_repeated_key_the_last_value_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_stored_as_utf8_with_its_nul_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_text_is_not_null, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_unknown_or_of_another_type_is_ignored, setup, teardown),
        cmocka_unit_test(a_document_becomes_json_for_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
