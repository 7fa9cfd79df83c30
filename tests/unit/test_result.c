/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: result */
/*
 * Result files: written and read back, page by page; the index lost or wrong; every byte of a file damaged in turn.
 * With --write FOLDER it writes one for fastavro to read (tests/flow/test_result_files.py).
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/folder.h"
#include "core/result.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/millrace-result-XXXXXX");
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    folder_remove(root);
    return 0;
}

static struct result_place place(int64_t n)
{
    return (struct result_place){.root = root,
        .at = 1767225600000,
        .creator = BYTES("ide"),
        .user = BYTES("ann"),
        .job_id = BYTES("0190f000-0000-7000-8000-000000000001"),
        .attempt = 1,
        .n = n,
        .name = BYTES("Result 1/../x")};
}

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

static const struct result_column columns[] = {
    {TEXT("id"), TEXT("long"), TEXT("the key")},
    {TEXT("odd name"), TEXT("string"), {NULL, 0}},
    {TEXT("id"), TEXT("double"), {NULL, 0}},
    {TEXT("ok"), TEXT("boolean"), {NULL, 0}},
    {TEXT("raw"), TEXT("bytes"), {NULL, 0}},
    {TEXT("when"), TEXT("timestamp"), {NULL, 0}},
};
enum { COLUMNS = 6 };

static void add_text(struct result_writer *w, const char *row)
{
    struct error e;
    error_clear(&e);
    json_t *v = json_loads(row, JSON_ALLOW_NUL, NULL);
    assert_non_null(v);
    if (!result_add(w, v, &e)) {
        fail_msg("%s: %s", row, e.text);
    }
    json_decref(v);
}

/* `count` rows; the path goes to `path`. */
static void write_rows(int64_t n, int count, char path[300])
{
    struct result_place p = place(n);
    struct error e;
    struct arena a;
    struct job_result out = {0};
    char row[200];
    error_clear(&e);
    arena_init(&a);
    struct result_writer *w = result_create(&p, columns, COLUMNS, &e);
    assert_non_null(w);
    for (int i = 0; i < count; i++) {
        (void)snprintf(row, sizeof(row), "[%d,\"text %d of a row\",%d.5,%s,\"AP8=\",null]", i,
            i * 7919 % 10007, i, i % 2 == 0 ? "true" : "false");
        add_text(w, row);
    }
    assert_true(result_finish(w, &a, &out, &e));
    assert_int_equal(out.rows, count);
    (void)snprintf(path, 300, "%.*s", BYTES_ARG(out.path));
    arena_release(&a);
}

static bool count_row(void *self, const json_t *values)
{
    int64_t *next = self;
    assert_int_equal(json_integer_value(json_array_get(values, 0)), *next);
    (*next)++;
    return true;
}

static struct result_reader *must_open(const char *path)
{
    struct error e;
    error_clear(&e);
    struct result_reader *r = result_open(root, bytes_of(path), &e);
    if (r == NULL) {
        fail_msg("%s: %s", path, e.text);
    }
    return r;
}

static void pages_are_what_was_written(void **state)
{
    static const int64_t pages[][3] = {{0, 10, 10}, {9999, 5, 10004}, {20000 - 3, 100, 20000},
        {20000, 5, 20000}, {50000, 1, 50000}, {0, 30000, 20000}, {12345, 0, 12345}};
    char path[300];
    struct error e;
    (void)state;
    write_rows(0, 20000, path);
    assert_string_equal(
        path, "2026-01-01/ide/ann/0190f000-0000-7000-8000-000000000001/1/0-Result_1____x.avro");
    struct result_reader *r = must_open(path);
    assert_int_equal(result_rows(r), 20000);
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        int64_t next = pages[i][0];
        error_clear(&e);
        assert_true(result_read(r, pages[i][0], pages[i][1], count_row, &next, &e));
        assert_int_equal(next, pages[i][2]);
    }
    const struct result_column *found;
    assert_int_equal(result_columns(r, &found), COLUMNS);
    assert_true(bytes_equal_text(found[1].name, "odd name"));
    assert_true(bytes_equal_text(found[2].name, "id"));
    assert_true(bytes_equal_text(found[0].comment, "the key"));
    assert_true(bytes_equal_text(found[5].type, "string"));
    result_close(r);
}

static bool one_row(void *self, const json_t *values)
{
    *(char **)self = json_dumps(values, JSON_COMPACT);
    return true;
}

static void values_come_back_exactly(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"[9223372036854775807,\"a\\u0000b\\u00e9\",0.1,true,\"\",\"x\"]",
            "[9223372036854775807,\"a\\u0000b\xC3\xA9\",0.10000000000000001,true,\"\",\"x\"]"},
        {"[-9223372036854775808,null,\"Infinity\",null,\"AA==\",5]",
            "[-9223372036854775808,null,\"Infinity\",null,\"AA==\",\"5\"]"},
        {"[0,true,\"NaN\",false,\"AAECAw==\",1.5]", "[0,\"true\",\"NaN\",false,\"AAECAw==\",\"1.5\"]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct result_place p = place(10 + (int64_t)i);
        struct error e;
        struct arena a;
        struct job_result out = {0};
        char *text = NULL;
        char path[300];
        error_clear(&e);
        arena_init(&a);
        struct result_writer *w = result_create(&p, columns, COLUMNS, &e);
        assert_non_null(w);
        add_text(w, rows[i].in);
        assert_true(result_finish(w, &a, &out, &e));
        (void)snprintf(path, sizeof(path), "%.*s", BYTES_ARG(out.path));
        struct result_reader *r = must_open(path);
        assert_true(result_read(r, 0, 1, one_row, &text, &e));
        assert_string_equal(text, rows[i].out);
        free(text);
        result_close(r);
        arena_release(&a);
    }
}

static void rows_that_do_not_fit_are_refused(void **state)
{
    static const char *const rows[] = {"[1]", "[1,2,3,4,5,6,7]", "[1.5,null,null,null,null,null]",
        "[\"1\",null,null,null,null,null]", "[null,[],null,null,null,null]",
        "[null,null,\"one\",null,null,null]", "[null,null,null,1,null,null]",
        "[null,null,null,null,\"A\",null]", "[null,null,null,null,\"A*==\",null]"};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct result_place p = place(20);
        struct error e;
        error_clear(&e);
        struct result_writer *w = result_create(&p, columns, COLUMNS, &e);
        assert_non_null(w);
        json_t *v = json_loads(rows[i], 0, NULL);
        assert_false(result_add(w, v, &e));
        assert_string_equal(e.code, "engine_protocol");
        json_decref(v);
        result_abandon(w);
    }
}

static void an_empty_table_is_a_table(void **state)
{
    char path[300];
    (void)state;
    write_rows(30, 0, path);
    struct result_reader *r = must_open(path);
    assert_int_equal(result_rows(r), 0);
    result_close(r);
}

static void whole(char out[600], const char *path, const char *end)
{
    (void)snprintf(out, 600, "%s/%s%s", root, path, end);
}

static void load(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    buf_clear(out);
    buf_reserve(out, 1 << 20);
    out->len = fread(out->data, 1, 1 << 20, f);
    (void)fclose(f);
}

static void store(const char *path, struct bytes data)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data.data, 1, data.len, f), data.len);
    (void)fclose(f);
}

static void without_a_fitting_index_the_blocks_are_found(void **state)
{
    char path[300];
    char index[600];
    struct error e;
    struct buf good;
    (void)state;
    write_rows(40, 5000, path);
    whole(index, path, ".idx");
    buf_init(&good);
    load(index, &good);
    /* gone, empty, cut off, another file's, and each number in it wrong */
    for (size_t i = 0; i < 4 + good.len; i++) {
        if (i == 0) {
            assert_int_equal(unlink(index), 0);
        } else if (i < 3) {
            store(index, bytes_slice(buf_bytes(&good), 0, i == 1 ? 0 : good.len - 5));
        } else if (i == 3) {
            store(index, BYTES("MRIDX1\n\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
        } else {
            good.data[i - 4] ^= 0x10;
            store(index, buf_bytes(&good));
            good.data[i - 4] ^= 0x10;
        }
        int64_t next = 0;
        error_clear(&e);
        struct result_reader *r = must_open(path);
        bool ok = result_read(r, 0, 10000, count_row, &next, &e);
        /* a wrong checksum or block border can only be told when the block is read */
        assert_true(
            (ok && next == 5000 && result_rows(r) == 5000) || (!ok && error_is(&e, "result_corrupt")));
        assert_true(i >= 4 || ok);
        result_close(r);
    }
    buf_release(&good);
}

static bool ignore_row(void *self, const json_t *values)
{
    (void)self;
    return values != NULL;
}

static bool reads_all(const char *path, struct error *e)
{
    error_clear(e);
    struct result_reader *r = result_open(root, bytes_of(path), e);
    bool ok = r != NULL && result_read(r, 0, INT64_MAX, ignore_row, NULL, e);
    result_close(r);
    return ok;
}

static void damage_is_an_error_and_never_a_crash(void **state)
{
    char path[300];
    char file[600];
    char index[600];
    struct error e;
    struct buf good;
    (void)state;
    write_rows(50, 300, path);
    whole(file, path, "");
    whole(index, path, ".idx");
    buf_init(&good);
    load(file, &good);
    size_t blocks = good.len; /* where the header ends: behind the sync marker's first copy */
    for (size_t i = 16; i + 32 <= good.len && blocks == good.len; i++) {
        blocks = memcmp(good.data + i, good.data + good.len - 16, 16) == 0 ? i + 16 : blocks;
    }
    for (size_t cut = 0; cut < good.len; cut += 7) {
        store(file, bytes_slice(buf_bytes(&good), 0, cut));
        assert_false(reads_all(path, &e));
        assert_string_equal(e.code, "result_corrupt");
    }
    for (int with_index = 1; with_index >= 0; with_index--) {
        for (size_t i = 0; i < good.len; i++) {
            good.data[i] ^= (char)(1 << (i % 8));
            store(file, buf_bytes(&good));
            bool ok = reads_all(path, &e);
            /* the checksums of the index see every flipped bit of a block; without them a flip may go unseen */
            assert_true(!ok || i < blocks || with_index == 0);
            assert_true(ok || error_is(&e, "result_corrupt"));
            good.data[i] ^= (char)(1 << (i % 8));
        }
        (void)unlink(index);
    }
    buf_release(&good);
}

static void paths_that_leave_the_store_are_refused(void **state)
{
    static const char *const paths[] = {
        "", "/etc/passwd", "../x.avro", "a/../../x", "a//b", "a/./b", ".hidden", "a/"};
    struct error e;
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        error_clear(&e);
        assert_null(result_open(root, bytes_of(paths[i]), &e));
        assert_string_equal(e.code, "result_missing");
    }
    struct result_place p = place(60);
    p.user = BYTES("..");
    assert_null(result_create(&p, columns, COLUMNS, &e));
}

static void an_abandoned_table_leaves_no_file(void **state)
{
    struct result_place p = place(70);
    struct error e;
    char path[600];
    (void)state;
    error_clear(&e);
    struct result_writer *w = result_create(&p, columns, COLUMNS, &e);
    assert_non_null(w);
    add_text(w, "[1,null,null,null,null,null]");
    result_abandon(w);
    static const char *const ends[] = {"", ".tmp", ".idx", ".idx.tmp"};
    for (size_t i = 0; i < 4; i++) {
        whole(
            path, "2026-01-01/ide/ann/0190f000-0000-7000-8000-000000000001/1/70-Result_1____x.avro", ends[i]);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void a_file_of_an_engine_is_adopted_only_if_it_is_plain(void **state)
{
    struct result_place p = place(80);
    struct error e;
    struct arena a;
    struct job_result out = {0};
    char from[600];
    char other[600];
    (void)state;
    arena_init(&a);
    error_clear(&e);
    whole(from, "incoming.csv", "");
    whole(other, "other", "");
    store(from, BYTES("a,b\n"));
    assert_true(result_adopt(&p, from, BYTES("csv"), &a, &out, &e));
    assert_int_equal(out.bytes, 4);
    assert_int_equal(access(from, F_OK), -1);
    store(other, BYTES("x"));
    assert_int_equal(symlink(other, from), 0);
    assert_false(result_adopt(&p, from, BYTES("csv"), &a, &out, &e));
    assert_int_equal(unlink(from), 0);
    assert_int_equal(link(other, from), 0);
    assert_false(result_adopt(&p, from, BYTES("csv"), &a, &out, &e));
    assert_int_equal(unlink(from), 0);
    assert_int_equal(mkfifo(from, 0600), 0);
    assert_false(result_adopt(&p, from, BYTES("csv"), &a, &out, &e));
    assert_false(result_adopt(&p, "/nonexistent/x", BYTES("csv"), &a, &out, &e));
    arena_release(&a);
}

/* For peers: writes one table into the folder given and prints its path. */
static int write_for_peer(const char *folder)
{
    char path[300];
    (void)snprintf(root, sizeof(root), "%s", folder);
    write_rows(0, 5000, path);
    (void)printf("%s\n", path);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_what_was_written),
        cmocka_unit_test(values_come_back_exactly),
        cmocka_unit_test(rows_that_do_not_fit_are_refused),
        cmocka_unit_test(an_empty_table_is_a_table),
        cmocka_unit_test(without_a_fitting_index_the_blocks_are_found),
        cmocka_unit_test(damage_is_an_error_and_never_a_crash),
        cmocka_unit_test(paths_that_leave_the_store_are_refused),
        cmocka_unit_test(an_abandoned_table_leaves_no_file),
        cmocka_unit_test(a_file_of_an_engine_is_adopted_only_if_it_is_plain),
    };
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        return write_for_peer(argv[2]);
    }
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
