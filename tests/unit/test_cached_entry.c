/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: cached_entry */
/*
 * Documents of earlier results: written and read back; damaged in every way that a table names, and byte by byte; whom they serve, and for
 * how long; and their files.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/folder.h"
#include "core/shape_bson.h"
#include "executor/cached_entry.h"
#include "tests/unit/arena_world.h"

#define AT INT64_C(1767225600000)
#define TTL INT64_C(600000)
#define FOLDER "2026-01-01/flow/ann/0190f000-0000-7000-8000-000000000001/1"

static struct job_result result(int64_t n, const char *path, int64_t size_bytes)
{
    struct job_result r;
    shape_clear(&shape_result, &r);
    r.n = n;
    r.name = BYTES("a.$b");
    r.kind = BYTES("table");
    r.format = BYTES("avro");
    r.path = bytes_of(path);
    r.rows = 3;
    r.bytes = size_bytes;
    r.statement = n;
    return r;
}

static struct cached_entry entry_of(struct job_result *results, size_t count)
{
    return (struct cached_entry){BYTES("4f2a"), BYTES("0190f000-0000-7000-8000-000000000001"),
        BYTES("flow/ann"), AT, 0, results, count};
}

/* ---- there and back ---- */

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct job_result results[] = {result(0, FOLDER "/0-a.avro", 77), result(1, FOLDER "/1-b.avro", 0)};
    struct job_result *const none = results;
    const size_t counts[] = {0, 1, 2};
    const int64_t codes[] = {0, 3, NO_INT};
    for (size_t i = 0; i < 3; i++) {
        struct cached_entry in = entry_of(none, counts[i]), out;
        struct error e;
        in.exit_code = codes[i];
        bson_t *doc = cached_entry_to_bson(&in, TTL);
        assert_true(cached_entry_from_bson(doc, &arena, &out, &e));
        assert_true(
            bytes_equal(out.key, in.key) && bytes_equal(out.job, in.job) && bytes_equal(out.group, in.group));
        assert_int_equal(out.at, in.at);
        assert_int_equal(out.exit_code, in.exit_code);
        assert_int_equal(out.result_count, in.result_count);
        bson_t *again = cached_entry_to_bson(&out, TTL);
        assert_true(bson_equal(doc, again));
        bson_destroy(again);
        bson_destroy(doc);
    }
}

static void it_expires_its_ttl_after_the_end_of_the_job(void **state)
{
    (void)state;
    const struct cached_entry in = entry_of(NULL, 0);
    bson_t *doc = cached_entry_to_bson(&in, TTL);
    bson_iter_t it;
    assert_true(bson_iter_init_find(&it, doc, "expire_at"));
    assert_int_equal(bson_iter_date_time(&it), AT + TTL);
    bson_destroy(doc);
    doc = cached_entry_to_bson(&in, INT64_MAX);
    assert_true(bson_iter_init_find(&it, doc, "expire_at"));
    assert_true(bson_iter_date_time(&it) > AT);
    bson_destroy(doc);
}

/* ---- damage ---- */

#define HEAD "\"_id\":\"k\",\"job\":\"j\",\"group\":\"flow/ann\",\"at\":{\"$date\":5}"
#define RESULT(path) "{\"n\":0,\"kind\":\"table\",\"bytes\":1,\"path\":\"" path "\"}"
static const struct {
    const char *name, *json;
    bool good;
} documents[] = {
    {"no results at all", "{" HEAD ",\"results\":[]}", true},
    {"one result", "{" HEAD ",\"results\":[" RESULT("2026-01-01/flow/ann/j/1/0-a.avro") "]}", true},
    {"fields that nobody knows", "{" HEAD ",\"results\":[],\"more\":{\"x\":1}}", true},
    {"an exit code", "{" HEAD ",\"results\":[],\"exit_code\":4}", true},
    {"an empty document", "{}", false},
    {"a key that is a number",
        "{\"_id\":1,\"job\":\"j\",\"group\":\"g\",\"at\":{\"$date\":5},\"results\":[]}", false},
    {"no job", "{\"_id\":\"k\",\"group\":\"g\",\"at\":{\"$date\":5},\"results\":[]}", false},
    {"an empty job", "{\"_id\":\"k\",\"job\":\"\",\"group\":\"g\",\"at\":{\"$date\":5},\"results\":[]}",
        false},
    {"a group that is a list",
        "{\"_id\":\"k\",\"job\":\"j\",\"group\":[],\"at\":{\"$date\":5},\"results\":[]}", false},
    {"a time that is text", "{\"_id\":\"k\",\"job\":\"j\",\"group\":\"g\",\"at\":\"now\",\"results\":[]}",
        false},
    {"no time", "{\"_id\":\"k\",\"job\":\"j\",\"group\":\"g\",\"results\":[]}", false},
    {"no results field", "{" HEAD "}", false},
    {"results that are a document", "{" HEAD ",\"results\":{}}", false},
    {"a result that is text", "{" HEAD ",\"results\":[\"x\"]}", false},
    {"a result that is empty", "{" HEAD ",\"results\":[{}]}", false},
    {"a result without a size, whose file must be empty then",
        "{" HEAD ",\"results\":[{\"n\":0,\"kind\":\"table\",\"path\":\"2026-01-01/flow/ann/j/1/0-a.avro\"}]}",
        true},
    {"a result without a kind", "{" HEAD ",\"results\":[{\"n\":0,\"path\":\"2026-01-01/flow/ann/j/1/a\"}]}",
        false},
    {"a result with a negative number",
        "{" HEAD ",\"results\":[{\"n\":-1,\"kind\":\"text\",\"path\":\"2026-01-01/flow/ann/j/1/a\"}]}",
        false},
    {"a good result and a bad one",
        "{" HEAD ",\"results\":[" RESULT("2026-01-01/flow/ann/j/1/0-a.avro") ",7]}", false},
    {"a file of another user", "{" HEAD ",\"results\":[" RESULT("2026-01-01/flow/bob/j/1/0-a.avro") "]}",
        false},
    {"a file of a user whose name begins alike",
        "{" HEAD ",\"results\":[" RESULT("2026-01-01/flow/anna/j/1/a") "]}", false},
    {"a path without folders", "{" HEAD ",\"results\":[" RESULT("a.avro") "]}", false},
    {"a path that ends with the group", "{" HEAD ",\"results\":[" RESULT("2026-01-01/flow/ann") "]}", false},
    {"an exit code that is text", "{" HEAD ",\"results\":[],\"exit_code\":\"4\"}", false},
};

static void what_is_damaged_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        struct cached_entry out;
        struct error e;
        bson_error_t why;
        error_clear(&e);
        bson_t *doc = bson_new_from_json((const uint8_t *)documents[i].json, -1, &why);
        if (!doc)
            fail_msg("%s: %s", documents[i].name, why.message);
        bool good = cached_entry_from_bson(doc, &arena, &out, &e);
        if (good != documents[i].good || (!good && !error_is(&e, "cached_damaged")))
            fail_msg("%s: %s", documents[i].name, good ? "was read" : e.text);
        bson_destroy(doc);
    }
}

/* Whatever one byte becomes, the reader ends with an answer. */
static void no_byte_can_make_it_crash(void **state)
{
    (void)state;
    struct job_result results[] = {result(0, FOLDER "/0-a.avro", 77), result(1, FOLDER "/1-b.avro", 5)};
    const struct cached_entry in = entry_of(results, 2);
    bson_t *doc = cached_entry_to_bson(&in, TTL);
    uint32_t len = doc->len;
    uint8_t *copy = malloc(len);
    assert_non_null(copy);
    for (uint32_t i = 4; copy && i < len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct cached_entry out;
            struct error e;
            bson_t broken;
            memcpy(copy, bson_get_data(doc), len);
            copy[i] = (uint8_t)(copy[i] ^ (1U << bit));
            if (bson_init_static(&broken, copy, len))
                (void)cached_entry_from_bson(&broken, &arena, &out, &e);
            arena_reset(&arena);
        }
    free(copy);
    bson_destroy(doc);
}

/* ---- whom it serves ---- */

static const struct {
    const char *name, *group;
    int64_t ttl_ms, now;
    bool serves;
} askers[] = {
    {"its own group, at once", "flow/ann", TTL, AT, true},
    {"its own group, at the last moment", "flow/ann", TTL, AT + TTL, true},
    {"its own group, too late", "flow/ann", TTL, AT + TTL + 1, false},
    {"an asker with a shorter ttl than the maker's", "flow/ann", 10, AT + 11, false},
    {"an asker with a longer ttl than the maker's", "flow/ann", TTL * 2, AT + TTL + 1, true},
    {"a clock that goes behind the maker's", "flow/ann", 10, AT - 5000, true},
    {"another user", "flow/bob", TTL, AT, false},
    {"another creator's user of the same name", "ide/ann", TTL, AT, false},
    {"no group", "", TTL, AT, false},
};

static void it_serves_its_group_as_long_as_the_asker_says(void **state)
{
    (void)state;
    const struct cached_entry entry = entry_of(NULL, 0);
    for (size_t i = 0; i < sizeof askers / sizeof askers[0]; i++)
        if (cached_entry_serves(&entry, bytes_of(askers[i].group), askers[i].ttl_ms, askers[i].now) !=
            askers[i].serves)
            fail_msg("%s", askers[i].name);
}

static const struct {
    const char *name;
    struct bytes key;
    int64_t ttl_ms;
    bool valid;
} keys[] = {
    {"a hash", {"ab12", 4}, 1, true},
    {"no key", {NULL, 0}, 1, false},
    {"no ttl", {"ab12", 4}, 0, false},
    {"a negative ttl", {"ab12", 4}, -1, false},
    {"a NUL byte", {"a\0b", 3}, 1, false},
    {"bytes that are no text", {"\xff", 1}, 1, false},
};

static void keys_that_are_none_are_not_asked_for(void **state)
{
    (void)state;
    char longest[CACHED_KEY_BYTES_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_false(cached_key_is_valid(NULL));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (cached_key_is_valid(&(struct job_cache){keys[i].key, keys[i].ttl_ms}) != keys[i].valid)
            fail_msg("%s", keys[i].name);
    assert_true(cached_key_is_valid(&(struct job_cache){{longest, CACHED_KEY_BYTES_MAX}, 1}));
    assert_false(cached_key_is_valid(&(struct job_cache){{longest, CACHED_KEY_BYTES_MAX + 1}, 1}));
}

/* ---- files ---- */

static void put(const char *root, const char *name, size_t size_bytes)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; f && i < size_bytes; i++)
        (void)fputc('x', f);
    if (f)
        assert_int_equal(fclose(f), 0);
}

static void all_files_must_be_there_and_fit(void **state)
{
    (void)state;
    char root[] = "/tmp/millrace-cached-XXXXXX", path[300];
    assert_non_null(mkdtemp(root));
    put(root, "three", 3);
    put(root, "empty", 0);
    (void)snprintf(path, sizeof path, "%s/link", root);
    assert_int_equal(symlink("three", path), 0);
    (void)snprintf(path, sizeof path, "%s/folder", root);
    assert_int_equal(mkdir(path, 0755), 0);
    const struct {
        const char *name, *path;
        int64_t size_bytes;
        bool there;
    } files[] = {
        {"a file of that size", "three", 3, true},
        {"an empty file", "empty", 0, true},
        {"a file that grew", "three", 2, false},
        {"a file that was cut", "three", 4, false},
        {"a file that is gone", "gone", 0, false},
        {"a link", "link", 3, false},
        {"a folder", "folder", 4096, false},
        {"a path that leads out", "../three", 3, false},
        {"an absolute path", "/etc/passwd", 3, false},
        {"no path", "", 0, false},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct job_result both[] = {result(0, "three", 3), result(1, files[i].path, files[i].size_bytes)};
        const struct cached_entry entry = entry_of(both, 2);
        const struct job_result *missing = cached_entry_missing(&entry, root);
        if ((missing == NULL) != files[i].there || (missing && missing != &both[1]))
            fail_msg("%s", files[i].name);
    }
    const struct cached_entry nothing = entry_of(NULL, 0);
    assert_null(cached_entry_missing(&nothing, root));
    folder_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(it_expires_its_ttl_after_the_end_of_the_job),
        cmocka_unit_test(what_is_damaged_is_none),
        cmocka_unit_test(no_byte_can_make_it_crash),
        cmocka_unit_test(it_serves_its_group_as_long_as_the_asker_says),
        cmocka_unit_test(keys_that_are_none_are_not_asked_for),
        cmocka_unit_test(all_files_must_be_there_and_fit),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
