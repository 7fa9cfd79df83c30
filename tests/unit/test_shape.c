/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * shape: the JSON form and its problems, copies, and that schemas/ says what the tables say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/codec.h"
#include "core/job.h"
#include "core/schemas.h"

static json_t *parse(const char *text)
{
    json_error_t why;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!value)
        fail_msg("%s: %s", text, why.text);
    return value;
}

/* ---- schemas/ ---- */

static struct bytes schema_file(const char *record)
{
    for (const struct schema_text *t = schema_texts; t->path; t++) {
        size_t len = strlen(record);
        if (strncmp(t->path, record, len) == 0 && strcmp(t->path + len, ".avsc") == 0)
            return (struct bytes){(const char *)t->text, t->len};
    }
    fail_msg("schemas/%s.avsc is missing", record);
    return BYTES_NONE;
}

static void each_schema_file_is_what_its_shape_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct buf text;
        struct buf expected;
        struct buf got;
        struct error e;
        buf_init(&text);
        buf_init(&expected);
        buf_init(&got);
        shape_schema(job_shapes[i], &text);
        struct bytes file = schema_file(job_shapes[i]->name);
        assert_true(codec_canonical(buf_bytes(&text), &expected, &e));
        assert_true(codec_canonical(file, &got, &e));
        if (!bytes_equal(buf_bytes(&expected), buf_bytes(&got)))
            fail_msg("schemas/%s.avsc is another schema: expected %.*s\ngot %.*s", job_shapes[i]->name,
                BYTES_ARG(buf_bytes(&expected)), BYTES_ARG(buf_bytes(&got)));
        /* Defaults and docs are not in the canonical form. */
        json_t *whole = json_loadb(text.data, text.len, 0, NULL);
        json_t *whole_file = json_loadb(file.data, file.len, 0, NULL);
        assert_non_null(whole);
        if (!json_equal(whole, whole_file))
            fail_msg("schemas/%s.avsc differs in defaults or docs: write it anew, codec-tool schema %s",
                job_shapes[i]->name, job_shapes[i]->name);
        json_decref(whole);
        json_decref(whole_file);
        buf_release(&text);
        buf_release(&expected);
        buf_release(&got);
    }
}

static void each_field_of_each_record_is_explained(void **state)
{
    (void)state;
    for (size_t i = 0; job_shapes[i]; i++) {
        struct buf page;
        buf_init(&page);
        shape_markdown(job_shapes[i], &page);
        buf_add_char(&page, '\0');
        assert_non_null(strstr(page.data, job_shapes[i]->name));
        for (size_t f = 0; f < job_shapes[i]->count; f++) {
            const struct field *field = &job_shapes[i]->fields[f];
            assert_non_null(field->help);
            char cell[100];
            snprintf(cell, sizeof cell, "| `%s` |", field->name);
            assert_non_null(strstr(page.data, cell));
        }
        buf_release(&page);
    }
}

/* ---- from JSON ---- */

struct expected_problem {
    const char *field, *code;
};

static const struct {
    const char *json;
    struct expected_problem problems[4];
} strict_cases[] = {
    {"{\"creator\":\"c\",\"user\":\"u\",\"engine\":\"e\",\"code\":\"x\"}", {{0}}},
    {"{\"creator\":\"c\",\"user\":\"u\",\"engine\":\"e\",\"code\":\"x\",\"name\":null,\"target\":null,"
     "\"limits\":null}",
        {{0}}},
    {"{}", {{"creator", "missing"}, {"user", "missing"}, {"engine", "missing"}, {"code", "missing"}}},
    {"{\"creator\":null,\"user\":\"u\",\"engine\":\"e\",\"code\":\"x\"}", {{"creator", "missing"}}},
#define GOOD "\"creator\":\"c\",\"user\":\"u\",\"engine\":\"e\",\"code\":\"x\""
    {"{" GOOD ",\"nope\":1}", {{"nope", "unknown_field"}}},
    {"{" GOOD ",\"job_id\":\"x\"}", {{"job_id", "unknown_field"}}},
    {"{" GOOD ",\"limits\":{\"cost\":1}}", {{"limits.cost", "unknown_field"}}},
    {"{" GOOD ",\"limits\":[]}", {{"limits", "wrong_type"}}},
    {"{" GOOD ",\"limits\":{\"run_timeout_ms\":\"5\"}}", {{"limits.run_timeout_ms", "wrong_type"}}},
    {"{" GOOD ",\"limits\":{\"run_timeout_ms\":1.5}}", {{"limits.run_timeout_ms", "bad_value"}}},
    {"{" GOOD ",\"limits\":{\"run_timeout_ms\":1e300}}", {{"limits.run_timeout_ms", "bad_value"}}},
    {"{" GOOD ",\"limits\":{\"run_timeout_ms\":-9223372036854775808}}",
        {{"limits.run_timeout_ms", "bad_value"}}},
    {"{" GOOD ",\"limits\":{\"run_timeout_ms\":3.6e6}}", {{0}}},
    {"{" GOOD ",\"retry\":{\"on_lost\":\"panic\"}}", {{"retry.on_lost", "bad_value"}}},
    {"{" GOOD ",\"retry\":{\"on_lost\":1}}", {{"retry.on_lost", "wrong_type"}}},
    {"{" GOOD ",\"variables\":{\"a\":1,\"b\":true,\"c\":0.1,\"d\":\"t\"}}", {{0}}},
    {"{" GOOD ",\"variables\":{\"a\":{}}}", {{"variables.a", "wrong_type"}}},
    {"{" GOOD ",\"variables\":{\"a\":null}}", {{"variables.a", "wrong_type"}}},
    {"{" GOOD ",\"variables\":[]}", {{"variables", "wrong_type"}}},
    {"{" GOOD ",\"parts\":[{\"id\":\"a\",\"code\":\"x\"},{\"id\":\"b\"}]}", {{"parts[1].code", "missing"}}},
    {"{" GOOD ",\"parts\":[7]}", {{"parts[0]", "wrong_type"}}},
    {"{" GOOD ",\"parts\":{}}", {{"parts", "wrong_type"}}},
    {"{" GOOD ",\"parts\":[{\"id\":\"a\",\"code\":\"x\",\"after\":[\"b\",2]}]}",
        {{"parts[0].after[1]", "wrong_type"}}},
    {"{" GOOD ",\"retry\":{\"exit_codes\":[75,1e2,-1]}}", {{0}}},
    {"{" GOOD ",\"retry\":{\"exit_codes\":[]}}", {{0}}},
    {"{" GOOD ",\"retry\":{\"exit_codes\":75}}", {{"retry.exit_codes", "wrong_type"}}},
    {"{" GOOD ",\"retry\":{\"exit_codes\":[75,\"1\",0.5,null]}}",
        {{"retry.exit_codes[1]", "wrong_type"}, {"retry.exit_codes[2]", "bad_value"},
            {"retry.exit_codes[3]", "wrong_type"}}},
    {"{" GOOD ",\"strategy\":{}}", {{"strategy.kind", "missing"}}},
    {"{" GOOD ",\"strategy\":\"race\"}", {{"strategy", "wrong_type"}}},
    {"{" GOOD ",\"not_before\":\"2026-01-31T09:30:00+01:00\"}", {{0}}},
    {"{" GOOD ",\"not_before\":1769848200000}", {{0}}},
    {"{" GOOD ",\"not_before\":\"tomorrow\"}", {{"not_before", "bad_value"}}},
    {"{" GOOD ",\"not_before\":true}", {{"not_before", "wrong_type"}}},
    {"{" GOOD ",\"name\":\"a\\u0000b\"}", {{"name", "nul_byte"}}},
    {"{" GOOD ",\"variables\":{\"day\":\"\\u0000\"}}", {{"variables.day", "nul_byte"}}},
    {"[]", {{"", "wrong_type"}}},
    {"\"job\"", {{"", "wrong_type"}}},
};

static void each_problem_names_its_field_and_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strict_cases / sizeof strict_cases[0]; i++) {
        struct arena a;
        struct job job;
        struct field_problems got;
        arena_init(&a);
        json_t *object = parse(strict_cases[i].json);
        bool ok = shape_from_json(&shape_submitted, object, SHAPE_STRICT, &a, &job, &got);
        json_decref(object); /* nothing is borrowed from it */
        size_t expected = 0;
        while (expected < 4 && strict_cases[i].problems[expected].field)
            expected++;
        assert_int_equal(ok, expected == 0);
        if (got.count != expected)
            fail_msg("%s: expected %zu problems, got %zu", strict_cases[i].json, expected, got.count);
        for (size_t p = 0; p < expected; p++) {
            const struct expected_problem *want = &strict_cases[i].problems[p];
            if (!bytes_equal_text(got.items[p].field, want->field) ||
                strcmp(got.items[p].code, want->code) != 0)
                fail_msg("%s: expected %s %s, got %.*s %s", strict_cases[i].json, want->field, want->code,
                    BYTES_ARG(got.items[p].field), got.items[p].code);
            assert_true(got.items[p].detail.len > 0);
        }
        arena_release(&a);
    }
}

static void without_strict_unknown_missing_and_internal_fields_are_fine(void **state)
{
    (void)state;
    struct arena a;
    struct job job;
    struct field_problems problems;
    arena_init(&a);
    json_t *object = parse("{\"user\":\"u\",\"job_id\":\"id\",\"later\":{\"x\":[]},\"limits\":{\"y\":1}}");
    assert_true(shape_from_json(&shape_submitted, object, 0, &a, &job, &problems));
    json_decref(object);
    assert_true(bytes_equal_text(job.job_id, "id"));
    assert_true(bytes_equal_text(job.code, ""));
    arena_release(&a);
}

static void values_arrive_as_they_were_meant(void **state)
{
    (void)state;
    struct arena a;
    struct job job;
    struct field_problems problems;
    arena_init(&a);
    json_t *object =
        parse("{" GOOD ",\"variables\":{\"i\":-7,\"t\":true,\"f\":false,\"r\":0.1,\"e\":1e21,\"s\":\"\"},"
              "\"not_before\":\"2026-01-31T09:30:00.5+01:00\",\"limits\":{\"run_timeout_ms\":3.6e6},"
              "\"retry\":{\"on_lost\":\"fail\",\"exit_codes\":[75,255]},\"strategy\":{\"kind\":\"race\","
              "\"targets\":[\"a\",\"b\"]}}");
    assert_true(shape_from_json(&shape_submitted, object, SHAPE_STRICT, &a, &job, &problems));
    json_decref(object);
    static const char *const variables[][2] = {
        {"i", "-7"}, {"t", "true"}, {"f", "false"}, {"r", "0.1"}, {"e", "1e+21"}, {"s", ""}};
    assert_int_equal(job.variables.count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(bytes_equal_text(job.variables.items[i].key, variables[i][0]));
        assert_true(bytes_equal_text(job.variables.items[i].value, variables[i][1]));
    }
    assert_int_equal(job.not_before, 1769848200500);
    assert_int_equal(job.limits.run_timeout_ms, 3600000);
    assert_int_equal(job.limits.queue_timeout_ms, NO_INT);
    assert_int_equal(job.retry.on_lost, ON_LOST_FAIL);
    assert_int_equal(job.retry.exit_codes.count, 2);
    assert_int_equal(job.retry.exit_codes.items[1], 255);
    assert_int_equal(job.strategy->targets.count, 2);
    arena_release(&a);
}

static void more_problems_than_can_be_told_are_counted_as_failure_only(void **state)
{
    (void)state;
    struct arena a;
    struct job job;
    struct field_problems problems;
    arena_init(&a);
    json_t *object = json_object();
    char name[200];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name,
            "unknown_field_with_a_name_that_is_longer_than_what_an_answer_should_repeat_to_the_one_who_sent_"
            "it_%d",
            i);
        json_object_set_new(object, name, json_null());
    }
    assert_false(shape_from_json(&shape_submitted, object, SHAPE_STRICT, &a, &job, &problems));
    assert_int_equal(problems.count, SHAPE_PROBLEMS_MAX);
    assert_true(problems.items[SHAPE_PROBLEMS_MAX - 1].field.len < 100);
    json_decref(object);
    arena_release(&a);
}

/* ---- to JSON ---- */

static void options_leave_out_what_is_empty_or_internal(void **state)
{
    (void)state;
    struct job job;
    shape_clear(&shape_submitted, &job);
    job.job_id = BYTES("id");
    job.creator = BYTES("c");
    job.user = BYTES("u");
    job.code = BYTES("");
    json_t *all = shape_to_json(&shape_submitted, &job, 0);
    json_t *compact = shape_to_json(&shape_submitted, &job, SHAPE_COMPACT);
    json_t *external = shape_to_json(&shape_submitted, &job, SHAPE_COMPACT | SHAPE_EXTERNAL);
    assert_int_equal(json_object_size(all), shape_submitted.count);
    assert_true(json_is_null(json_object_get(all, "target")));
    assert_int_equal(json_array_size(json_object_get(all, "parts")), 0);
    json_t *expected =
        parse("{\"job_id\":\"id\",\"creator\":\"c\",\"user\":\"u\",\"engine\":\"\",\"code\":\"\"}");
    assert_true(json_equal(compact, expected));
    json_object_del(expected, "job_id");
    assert_true(json_equal(external, expected));
    json_decref(all);
    json_decref(compact);
    json_decref(external);
    json_decref(expected);
}

static void text_that_is_no_utf8_is_shown_repaired(void **state)
{
    (void)state;
    const struct {
        struct bytes text;
        const char *shown;
    } rows[] = {
        {BYTES("plain"), "plain"},
        {BYTES(""), ""},
        {BYTES("\xff"), "\xEF\xBF\xBD"},
        {BYTES("a\xff\xfe\xfd"
               "b"),
            "a\xEF\xBF\xBD"
            "b"},
        {BYTES("\xc3\xa4\xc3"), "\xc3\xa4\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct job_error error;
        shape_clear(&shape_error, &error);
        error.message = rows[i].text;
        json_t *object = shape_to_json(&shape_error, &error, 0);
        assert_string_equal(json_string_value(json_object_get(object, "message")), rows[i].shown);
        json_decref(object);
    }
}

static void times_and_numbers_outside_every_calendar_are_shown(void **state)
{
    (void)state;
    struct event event;
    shape_clear(&shape_event, &event);
    event.at = INT64_MAX;
    event.next_at = -62167219200001;
    event.times.accepted = 253402300799999;
    event.progress = 1.0 / 3;
    json_t *object = shape_to_json(&shape_event, &event, 0);
    assert_int_equal(json_integer_value(json_object_get(object, "at")), INT64_MAX);
    assert_int_equal(json_integer_value(json_object_get(object, "next_at")), -62167219200001);
    assert_string_equal(json_string_value(json_object_get(json_object_get(object, "times"), "accepted")),
        "9999-12-31T23:59:59.999Z");
    json_decref(object);
    event.progress = NO_DOUBLE;
    object = shape_to_json(&shape_event, &event, 0);
    assert_true(json_is_null(json_object_get(object, "progress")));
    json_decref(object);
}

/* ---- copies ---- */

static void a_copy_shares_nothing_with_the_original(void **state)
{
    (void)state;
    json_t *vector = json_load_file(SOURCE_DIR "/tests/unit/vectors/planned_full.json", JSON_ALLOW_NUL, NULL);
    assert_non_null(vector);
    struct arena original;
    struct arena copies;
    struct job job;
    struct job copy;
    struct field_problems problems;
    arena_init(&original);
    arena_init(&copies);
    assert_true(
        shape_from_json(&shape_planned, json_object_get(vector, "json"), 0, &original, &job, &problems));
    shape_copy(&shape_planned, &job, &copy, &copies);
    arena_release(&original); /* a sanitizer sees what still points there */
    memset(&job, 0x55, sizeof job);
    json_t *shown = shape_to_json(&shape_planned, &copy, 0);
    assert_true(json_equal(shown, json_object_get(vector, "json")));
    json_decref(shown);
    json_decref(vector);
    arena_release(&copies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_schema_file_is_what_its_shape_says),
        cmocka_unit_test(each_field_of_each_record_is_explained),
        cmocka_unit_test(each_problem_names_its_field_and_code),
        cmocka_unit_test(without_strict_unknown_missing_and_internal_fields_are_fine),
        cmocka_unit_test(values_arrive_as_they_were_meant),
        cmocka_unit_test(more_problems_than_can_be_told_are_counted_as_failure_only),
        cmocka_unit_test(options_leave_out_what_is_empty_or_internal),
        cmocka_unit_test(text_that_is_no_utf8_is_shown_repaired),
        cmocka_unit_test(times_and_numbers_outside_every_calendar_are_shown),
        cmocka_unit_test(a_copy_shares_nothing_with_the_original),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
