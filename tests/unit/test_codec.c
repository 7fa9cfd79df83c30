/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * codec: records that fastavro wrote (tests/unit/vectors, made by make_vectors.py) and records that are none.
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

#define VECTORS SOURCE_DIR "/tests/unit/vectors/"

struct fixture {
    struct codec *codec;
    struct arena arena;
    struct buf framed;
    json_t *vector;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->codec = codec_new(NULL);
    arena_init(&f->arena);
    buf_init(&f->framed);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    json_decref(f->vector);
    buf_release(&f->framed);
    arena_release(&f->arena);
    codec_free(f->codec);
    free(f);
    return 0;
}

static void add_hex(struct buf *out, const char *hex)
{
    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};
        buf_add_char(out, (char)strtol(digits, NULL, 16));
    }
}

static const struct shape *shape_named(const char *name)
{
    for (size_t i = 0; job_shapes[i]; i++)
        if (strcmp(job_shapes[i]->name, name) == 0)
            return job_shapes[i];
    fail_msg("no shape %s", name);
    return NULL;
}

static void load_vector(struct fixture *f, const char *name)
{
    json_error_t why;
    char path[300];
    snprintf(path, sizeof path, VECTORS "%s.json", name);
    json_decref(f->vector);
    f->vector = json_load_file(path, JSON_ALLOW_NUL, &why);
    if (!f->vector)
        fail_msg("%s: %s", path, why.text);
    buf_clear(&f->framed);
    add_hex(&f->framed, json_string_value(json_object_get(f->vector, "framed")));
}

static void expect_json(const char *what, json_t *expected, json_t *got)
{
    if (json_equal(expected, got))
        return;
    char *expected_text = json_dumps(expected, JSON_INDENT(1) | JSON_SORT_KEYS);
    char *got_text = json_dumps(got, JSON_INDENT(1) | JSON_SORT_KEYS);
    fail_msg("%s: expected %s\ngot %s", what, expected_text, got_text);
}

/* ---- vectors ---- */

static const struct {
    const char *name;
    bool same_schema; /* then our bytes must be fastavro's */
} vectors[] = {
    {"submitted_minimal", true},
    {"submitted_full", true},
    {"submitted_nul", true},
    {"submitted_older", false},
    {"submitted_newer", false},
    {"submitted_foreign", false},
    {"converted_full", true},
    {"converted_refused", true},
    {"planned_full", true},
    {"planned_refused", true},
    {"event_accepted", true},
    {"event_planned", true},
    {"event_progress", true},
    {"event_failed", true},
    {"event_older", false},
    {"log", true},
    {"control_cancel", true},
};
#define VECTOR_COUNT (sizeof vectors / sizeof vectors[0])

static void add_vector_schema(struct fixture *f)
{
    struct error e;
    json_t *schema = json_object_get(f->vector, "schema");
    if (!schema)
        return;
    char *text = json_dumps(schema, 0);
    struct bytes kept = arena_copy(&f->arena, bytes_of(text));
    free(text);
    if (!codec_add_schema(f->codec, kept, &e))
        fail_msg("%s", e.text);
}

static void a_record_written_by_fastavro_is_read_as_fastavro_reads_it(void **state)
{
    struct fixture *f = *state;
    struct error e;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        load_vector(f, vectors[i].name);
        add_vector_schema(f);
        const struct shape *s = shape_named(json_string_value(json_object_get(f->vector, "record")));
        void *record = arena_alloc(&f->arena, s->size);
        if (codec_decode(f->codec, s, buf_bytes(&f->framed), false, &f->arena, record, &e) != CODEC_OK)
            fail_msg("%s: %s %s", vectors[i].name, e.code, e.text);
        json_t *got = shape_to_json(s, record, 0);
        expect_json(vectors[i].name, json_object_get(f->vector, "json"), got);
        json_decref(got);
    }
}

static void what_we_write_is_byte_for_byte_what_fastavro_writes(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct field_problems problems;
    struct buf out;
    buf_init(&out);
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        if (!vectors[i].same_schema)
            continue;
        load_vector(f, vectors[i].name);
        const struct shape *s = shape_named(json_string_value(json_object_get(f->vector, "record")));
        void *record = arena_alloc(&f->arena, s->size);
        json_t *form = json_object_get(f->vector, "json");
        assert_true(shape_from_json(s, form, SHAPE_NUL, &f->arena, record, &problems));
        buf_clear(&out);
        assert_true(codec_encode(f->codec, s, record, &out, &e));
        if (out.len != f->framed.len || memcmp(out.data, f->framed.data, out.len) != 0)
            fail_msg("%s: other bytes (%zu, fastavro's are %zu)", vectors[i].name, out.len, f->framed.len);
    }
    buf_release(&out);
}

static void a_record_that_is_cut_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error e;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        load_vector(f, vectors[i].name);
        add_vector_schema(f);
        const struct shape *s = shape_named(json_string_value(json_object_get(f->vector, "record")));
        void *record = arena_alloc(&f->arena, s->size);
        for (size_t len = 0; len < f->framed.len; len++) {
            struct bytes part = {f->framed.data, len};
            assert_int_equal(codec_decode(f->codec, s, part, false, &f->arena, record, &e), CODEC_BAD);
            assert_string_equal(e.code, len < 2 ? "garbage" : "truncated");
        }
        buf_add_char(&f->framed, 0);
        assert_int_equal(
            codec_decode(f->codec, s, buf_bytes(&f->framed), false, &f->arena, record, &e), CODEC_BAD);
        assert_string_equal(e.code, "trailing_bytes");
    }
}

/* ---- what is no record ---- */

static void bytes_that_are_no_record_get_a_code_that_says_why(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *hex, *code, *text;
    } cases[] = {
        {"an empty value", "", "garbage", "0 bytes"},
        {"words", "68656c6c6f", "garbage", "no framing"},
        {"JSON without the header", "7b7d", "garbage", "content-type"},
        {"a GUID framing", "0100112233445566778899aabbccddeeff", "garbage", "GUID"},
        {"a cut fingerprint", "c301000000", "truncated", "fingerprint"},
        {"an unknown fingerprint", "c301efcdab896745230100", "unknown_schema", "0123456789abcdef"},
        {"a cut id", "000000", "truncated", "id"},
        {"an id without a registry", "000000000700", "unknown_schema", "MILLRACE_SCHEMA_REGISTRY_URL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e;
        struct job job;
        buf_clear(&f->framed);
        buf_add(&f->framed, "", 0);
        add_hex(&f->framed, cases[i].hex);
        struct bytes value = {f->framed.data ? f->framed.data : "", f->framed.len};
        if (codec_decode(f->codec, &shape_submitted, value, false, &f->arena, &job, &e) != CODEC_BAD)
            fail_msg("%s is taken", cases[i].name);
        if (strcmp(e.code, cases[i].code) != 0 || !strstr(e.text, cases[i].text))
            fail_msg("%s: expected %s (%s), got %s (%s)", cases[i].name, cases[i].code, cases[i].text, e.code,
                e.text);
    }
}

static void a_record_without_a_value_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job job;
    assert_int_equal(
        codec_decode(f->codec, &shape_submitted, BYTES_NONE, true, &f->arena, &job, &e), CODEC_BAD);
    assert_string_equal(e.code, "null_value");
}

static void a_record_of_another_kind_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct event event;
    load_vector(f, "submitted_full");
    assert_int_equal(
        codec_decode(f->codec, &shape_event, buf_bytes(&f->framed), false, &f->arena, &event, &e), CODEC_BAD);
    assert_string_equal(e.code, "wrong_record");
    assert_non_null(strstr(e.text, "JobSubmitted"));
    assert_non_null(strstr(e.text, "JobEvent"));
}

static void a_schema_whose_types_do_not_fit_is_refused_with_the_field(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job job;
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"JobSubmitted\",\"namespace\":\"millrace.v1\","
        "\"fields\":[{\"name\":\"code\",\"type\":\"long\"}]}";
    uint64_t fingerprint = 0;
    assert_true(codec_add_schema(f->codec, bytes_of(schema), &e));
    assert_true(codec_fingerprint(bytes_of(schema), &fingerprint, &e));
    buf_add(&f->framed, "\xC3\x01", 2);
    for (unsigned i = 0; i < 8; i++)
        buf_add_char(&f->framed, (char)(fingerprint >> (8 * i)));
    buf_add_char(&f->framed, 2);
    assert_int_equal(
        codec_decode(f->codec, &shape_submitted, buf_bytes(&f->framed), false, &f->arena, &job, &e),
        CODEC_BAD);
    assert_string_equal(e.code, "bad_value");
    assert_non_null(strstr(e.text, "code"));
}

static void an_enum_name_that_this_version_does_not_know_is_refused_with_the_name(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct control control;
    load_vector(f, "control_cancel");
    assert_memory_equal(f->framed.data + 11, "cancel", 6); /* the first field, after its length */
    f->framed.data[11] = 'd';
    assert_int_equal(
        codec_decode(f->codec, &shape_control, buf_bytes(&f->framed), false, &f->arena, &control, &e),
        CODEC_BAD);
    assert_string_equal(e.code, "bad_value");
    assert_non_null(strstr(e.text, "dancel"));
}

/* ---- JSON ---- */

static void json_is_taken_or_refused_with_a_reason(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *json, *code, *text;
    } cases[] = {
        {"{\"creator\":\"c\",\"user\":\"u\",\"engine\":\"shell\",\"code\":\"x\"}", "", ""},
        {" \n{\"user\":\"u\"}\n", "", ""},
        {"{\"user\":\"u\",\"nobody_knows\":[1,{}]}", "", ""},
        {"{\"code\":\"a\\u0000b\"}", "", ""},
        {"{\"job_id\":\"0190a6b2-7c5e-7b1a-8f00-3f2a9d1c4e5b\"}", "", ""},
        {"", "bad_json", "line 1"},
        {"{", "bad_json", "line 1"},
        {"{\"user\":\"a\",\"user\":\"b\"}", "bad_json", "duplicate"},
        {"{}x", "bad_json", "end of file"},
        {"nonsense", "bad_json", "line 1"},
        {"[]", "bad_value", "an object"},
        {"7", "bad_json", "line 1"},
        {"{\"user\":\"\xff\"}", "bad_utf8", "byte 9"},
        {"{\"user\":\"\\ud800\"}", "bad_json", "line 1"},
        {"{\"code\":1}", "bad_value", "code"},
        {"{\"limits\":{\"run_timeout_ms\":\"soon\"}}", "bad_value", "limits.run_timeout_ms"},
        {"{\"parts\":[{\"id\":\"a\",\"code\":[]}]}", "bad_value", "parts[0].code"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e = {.code = ""};
        struct job job;
        bool good = !cases[i].code[0];
        enum codec_verdict verdict =
            codec_decode(f->codec, &shape_submitted, bytes_of(cases[i].json), true, &f->arena, &job, &e);
        if (verdict != (good ? CODEC_OK : CODEC_BAD) || strcmp(e.code, cases[i].code) != 0 ||
            !strstr(e.text, cases[i].text))
            fail_msg("%s: expected %s (%s), got %s (%s)", cases[i].json, cases[i].code, cases[i].text, e.code,
                e.text);
    }
}

static void json_that_is_nested_without_end_is_refused(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job job;
    buf_add_text(&f->framed, "{\"x\":");
    for (int i = 0; i < 1000000; i++)
        buf_add_char(&f->framed, '[');
    assert_int_equal(
        codec_decode(f->codec, &shape_submitted, buf_bytes(&f->framed), true, &f->arena, &job, &e),
        CODEC_BAD);
    assert_string_equal(e.code, "bad_json");
}

static void a_binary_record_is_taken_where_json_is_allowed_too(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job job;
    load_vector(f, "submitted_full");
    assert_int_equal(
        codec_decode(f->codec, &shape_submitted, buf_bytes(&f->framed), true, &f->arena, &job, &e), CODEC_OK);
    assert_true(bytes_equal_text(job.engine, "sqlite"));
}

/* ---- encoding ---- */

static void text_that_is_not_utf8_is_written_readable(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job_log log;
    struct job_log back;
    shape_clear(&shape_log, &log);
    log.job_id = BYTES("j");
    log.text = BYTES("a\xff\xfe"
                     "b\0c\n");
    assert_true(codec_encode(f->codec, &shape_log, &log, &f->framed, &e));
    assert_int_equal(
        codec_decode(f->codec, &shape_log, buf_bytes(&f->framed), false, &f->arena, &back, &e), CODEC_OK);
    assert_true(bytes_equal(back.text, BYTES("a\xEF\xBF\xBD"
                                             "b\0c\n")));
}

static void a_large_record_and_then_small_ones(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job_log log;
    struct job_log back;
    shape_clear(&shape_log, &log);
    static const size_t sizes[] = {3, 3 * 1024 * 1024, 0, 70000, 5};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = malloc(sizes[i] + 1);
        memset(text, 'x', sizes[i] + 1);
        log.text = (struct bytes){text, sizes[i]};
        buf_clear(&f->framed);
        assert_true(codec_encode(f->codec, &shape_log, &log, &f->framed, &e));
        assert_int_equal(
            codec_decode(f->codec, &shape_log, buf_bytes(&f->framed), false, &f->arena, &back, &e), CODEC_OK);
        assert_true(bytes_equal(back.text, log.text));
        free(text);
    }
}

static void the_most_items_that_a_mebibyte_of_json_can_hold_are_read_and_more_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t count;
        enum codec_verdict verdict;
    } rows[] = {{349525, CODEC_OK}, {400000, CODEC_OK}, {400001, CODEC_BAD}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error e = {.code = ""};
        struct job job;
        shape_clear(&shape_converted, &job);
        job.warnings.count = rows[i].count;
        job.warnings.items = arena_array(&f->arena, rows[i].count, sizeof *job.warnings.items);
        buf_clear(&f->framed);
        assert_true(codec_encode(f->codec, &shape_converted, &job, &f->framed, &e));
        assert_int_equal(
            codec_decode(f->codec, &shape_converted, buf_bytes(&f->framed), false, &f->arena, &job, &e),
            rows[i].verdict);
        assert_string_equal(e.code, rows[i].verdict == CODEC_OK ? "" : "too_large");
        arena_reset(&f->arena);
    }
}

static void nothing_of_one_record_shows_in_the_next(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct job job;
    load_vector(f, "submitted_full");
    assert_int_equal(
        codec_decode(f->codec, &shape_submitted, buf_bytes(&f->framed), false, &f->arena, &job, &e),
        CODEC_OK);
    load_vector(f, "submitted_minimal");
    assert_int_equal(
        codec_decode(f->codec, &shape_submitted, buf_bytes(&f->framed), false, &f->arena, &job, &e),
        CODEC_OK);
    json_t *got = shape_to_json(&shape_submitted, &job, 0);
    expect_json("minimal after full", json_object_get(f->vector, "json"), got);
    json_decref(got);
}

static void encoding_appends_and_leaves_what_was_there(void **state)
{
    struct fixture *f = *state;
    struct error e;
    struct control control;
    shape_clear(&shape_control, &control);
    control.at = 5;
    buf_add_text(&f->framed, "before");
    assert_true(codec_encode(f->codec, &shape_control, &control, &f->framed, &e));
    assert_memory_equal(f->framed.data, "before\xC3\x01", 8);
    struct bytes framed = bytes_slice(buf_bytes(&f->framed), 6, f->framed.len);
    assert_int_equal(
        codec_decode(f->codec, &shape_control, framed, false, &f->arena, &control, &e), CODEC_OK);
    assert_int_equal(control.at, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_written_by_fastavro_is_read_as_fastavro_reads_it),
        TEST(what_we_write_is_byte_for_byte_what_fastavro_writes),
        TEST(a_record_that_is_cut_anywhere_is_refused),
        TEST(bytes_that_are_no_record_get_a_code_that_says_why),
        TEST(a_record_without_a_value_is_refused),
        TEST(a_record_of_another_kind_is_refused),
        TEST(a_schema_whose_types_do_not_fit_is_refused_with_the_field),
        TEST(an_enum_name_that_this_version_does_not_know_is_refused_with_the_name),
        TEST(json_is_taken_or_refused_with_a_reason),
        TEST(json_that_is_nested_without_end_is_refused),
        TEST(a_binary_record_is_taken_where_json_is_allowed_too),
        TEST(text_that_is_not_utf8_is_written_readable),
        TEST(a_large_record_and_then_small_ones),
        TEST(the_most_items_that_a_mebibyte_of_json_can_hold_are_read_and_more_are_refused),
        TEST(nothing_of_one_record_shows_in_the_next),
        TEST(encoding_appends_and_leaves_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
