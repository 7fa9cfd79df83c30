/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * engine_list: manifests in a folder of the test's own.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp, nftw */
#include <ftw.h>
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

#include "core/engine_list.h"

struct fixture {
    char dir[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/engines-XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info, (void)type, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void add_file(
    const struct fixture *f, const char *engine, const char *file, const char *text, mode_t mode)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", f->dir, engine);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", f->dir, engine, file);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(path, mode), 0);
}

static void add_manifest(const struct fixture *f, const char *engine, const char *text)
{
    add_file(f, engine, "engine.json", text, 0600);
}

static struct engine_list *open_list(const struct fixture *f)
{
    struct error e = {.text = ""};
    struct engine_list *l = engine_list_open(f->dir, &e);
    if (!l)
        fail_msg("%s: %s", e.code, e.text);
    return l;
}

static void engines_are_found_by_name_in_order(void **state)
{
    const struct fixture *f = *state;
    add_manifest(f, "sqlite",
        "{\"engine\":\"sqlite\",\"about\":\"SQL\",\"command\":[\"own\",\"-x\"],\"code_types\":[\"sql\"],"
        "\"scope\":\"shared\"}");
    add_file(f, "sqlite", "own", "#!/bin/sh\n", 0700);
    add_manifest(f, "shell",
        "{\"engine\":\"shell\",\"command\":[\"sh\"],\"code_types\":[\"shell\",\"bash\"],\"environment\":["
        "\"PATH\",\"LANG\"]}");
    add_file(f, "notes", "README", "no manifest: no engine", 0600);
    struct engine_list *l = open_list(f);

    assert_int_equal(engine_list_count(l), 2);
    assert_string_equal(engine_list_at(l, 0)->name, "shell");
    assert_string_equal(engine_list_at(l, 1)->name, "sqlite");
    assert_null(engine_list_find(l, BYTES("notes")));
    assert_null(engine_list_find(l, BYTES("shel")));
    assert_null(engine_list_find(l, BYTES_NONE));

    const struct engine_info *sqlite = engine_list_find(l, BYTES("sqlite"));
    char program[300];
    snprintf(program, sizeof program, "%s/sqlite/own", f->dir);
    assert_string_equal(sqlite->command[0], program);
    assert_string_equal(sqlite->command[1], "-x");
    assert_null(sqlite->command[2]);
    assert_string_equal(sqlite->about, "SQL");
    assert_true(sqlite->shared);
    assert_null(sqlite->environment[0]);

    const struct engine_info *shell = engine_list_find(l, BYTES("shell"));
    assert_true(shell->command[0][0] == '/'); /* found in PATH */
    assert_false(shell->shared);
    assert_string_equal(shell->about, "");
    assert_string_equal(shell->environment[1], "LANG");
    assert_true(engine_info_accepts(shell, BYTES("shell")));
    assert_true(engine_info_accepts(shell, BYTES("bash")));
    assert_false(engine_info_accepts(shell, BYTES("sql")));
    assert_false(engine_info_accepts(shell, BYTES("")));
    engine_list_close(l);
}

static void an_engine_has_the_targets_and_settings_of_its_manifest_or_any(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *more;
        bool warehouse, other;
        const char *names;
    } rows[] = {
        {"", true, true, "none"},
        {",\"targets\":[],\"conf\":[]", false, false, "none"},
        {",\"targets\":[\"warehouse\",\"lake\"],\"conf\":[\"warehouse\",\"lake\"]", true, false,
            "warehouse, lake"},
        {",\"targets\":{},\"conf\":[]", false, false, "none"},
        {",\"targets\":{\"warehouse\":{},\"lake\":{}},\"conf\":[\"warehouse\"]", true, false,
            "warehouse, lake"},
        {",\"targets\":{\"warehouse\":{\"any_of\":{\"w1\":1,\"lake\":0}},\"lake\":{}},\"conf\":["
         "\"warehouse\"]",
            true, false, "warehouse, lake, w1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char manifest[300];
        struct arena a;
        snprintf(manifest, sizeof manifest,
            "{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"]%s}", rows[i].more);
        add_manifest(f, "x", manifest);
        struct engine_list *l = open_list(f);
        const struct engine_info *x = engine_list_find(l, BYTES("x"));
        assert_int_equal(engine_info_has_target(x, BYTES("warehouse")), rows[i].warehouse);
        assert_int_equal(engine_info_has_conf(x, BYTES("warehouse")), rows[i].warehouse);
        assert_int_equal(engine_info_has_target(x, BYTES("other")), rows[i].other);
        assert_int_equal(engine_info_has_conf(x, BYTES("other")), rows[i].other);
        arena_init(&a);
        assert_true(bytes_equal_text(engine_info_names(x->targets, &a), rows[i].names));
        arena_release(&a);
        engine_list_close(l);
    }
}

static void a_program_that_is_not_installed_keeps_its_name(void **state)
{
    const struct fixture *f = *state;
    add_manifest(
        f, "far", "{\"engine\":\"far\",\"command\":[\"no-such-program-here\"],\"code_types\":[\"x\"]}");
    struct engine_list *l = open_list(f);
    assert_string_equal(engine_list_at(l, 0)->command[0], "no-such-program-here");
    engine_list_close(l);
}

#define WITH_TARGETS(targets)                                                                                \
    "{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"],\"targets\":" targets "}"

static const char groups_manifest[] = WITH_TARGETS(
    "{\"lake\":{},\"w\":{\"any_of\":{\"w1\":5,\"w2\":3,\"w3\":2,\"w4\":0}},\"one\":{\"any_of\":{\"w1\":7}}}");

static void of_equals_one_is_picked_by_its_weight(void **state)
{
    enum { JOBS = 10000 };
    static const struct {
        const char *member;
        int percent;
    } shares[] = {{"w1", 50}, {"w2", 30}, {"w3", 20}, {"w4", 0}};
    const struct fixture *f = *state;
    size_t picked[4] = {0};
    add_manifest(f, "x", groups_manifest);
    struct engine_list *l = open_list(f);
    const struct engine_info *x = engine_list_find(l, BYTES("x"));

    for (unsigned i = 0; i < JOBS; i++) {
        char id[40];
        snprintf(id, sizeof id, "019a0000-0000-7000-8000-%012x", i);
        struct bytes member = engine_info_pick(x, BYTES("w"), bytes_of(id));
        assert_true(bytes_equal(member, engine_info_pick(x, BYTES("w"), bytes_of(id))));
        assert_true(bytes_equal_text(engine_info_pick(x, BYTES("one"), bytes_of(id)), "w1"));
        for (size_t m = 0; m < 4; m++)
            picked[m] += bytes_equal_text(member, shares[m].member) ? 1 : 0;
    }
    for (size_t m = 0; m < 4; m++) {
        long off = (long)picked[m] - (long)shares[m].percent * JOBS / 100;
        if (off < -JOBS * 3 / 100 || off > JOBS * 3 / 100)
            fail_msg("%s: %zu of %d", shares[m].member, picked[m], JOBS);
    }
    assert_int_equal(picked[3], 0);
    assert_int_equal(picked[0] + picked[1] + picked[2], JOBS);
    assert_null(engine_info_pick(x, BYTES("lake"), BYTES("1")).data);
    assert_null(engine_info_pick(x, BYTES("w1"), BYTES("1")).data);
    assert_null(engine_info_pick(x, BYTES_NONE, BYTES("1")).data);
    engine_list_close(l);
}

static void a_wrong_manifest_is_refused_with_file_and_reason(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *manifest, *text;
    } rows[] = {
        {"", "line"},
        {"[]", "engine"},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"]", "line 1"},
        {"{\"engine\":\"y\",\"command\":[\"sh\"],\"code_types\":[\"a\"]}", "folder's name, \"x\""},
        {"{\"engine\":\"x\",\"code_types\":[\"a\"]}", "\"command\""},
        {"{\"engine\":\"x\",\"command\":[],\"code_types\":[\"a\"]}", "\"command\""},
        {"{\"engine\":\"x\",\"command\":\"sh\",\"code_types\":[\"a\"]}", "\"command\""},
        {"{\"engine\":\"x\",\"command\":[\"sh\",7],\"code_types\":[\"a\"]}", "\"command\"[1]"},
        {"{\"engine\":\"x\",\"command\":[\"sh\"]}", "\"code_types\""},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"\"]}", "\"code_types\"[0]"},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"],\"scope\":\"all\"}", "\"scope\""},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"],\"scope\":1}", "\"scope\""},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"],\"environment\":\"PATH\"}",
            "\"environment\""},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"],\"targets\":\"t\"}", "\"targets\""},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"],\"targets\":[\"t\",1]}",
            "\"targets\"[1]"},
        {WITH_TARGETS("{\"\":{}}"), "\"targets\".\"\""},
        {WITH_TARGETS("{\"t\":1}"), "\"targets\".\"t\""},
        {WITH_TARGETS("{\"t\":{\"weight\":1}}"), "\"targets\".\"t\" must be {}"},
        {WITH_TARGETS("{\"t\":{\"any_of\":{\"a\":1},\"x\":1}}"), "\"targets\".\"t\" must be {}"},
        {WITH_TARGETS("{\"t\":{\"any_of\":[\"a\"]}}"), "\"targets\".\"t\".\"any_of\""},
        {WITH_TARGETS("{\"t\":{\"any_of\":{}}}"), "one above 0"},
        {WITH_TARGETS("{\"t\":{\"any_of\":{\"a\":0}}}"), "one above 0"},
        {WITH_TARGETS("{\"t\":{\"any_of\":{\"a\":-1}}}"), "\"any_of\".\"a\""},
        {WITH_TARGETS("{\"t\":{\"any_of\":{\"a\":1001}}}"), "0 to 1000"},
        {WITH_TARGETS("{\"t\":{\"any_of\":{\"a\":\"1\"}}}"), "\"any_of\".\"a\""},
        {WITH_TARGETS("{\"t\":{\"any_of\":{\"u\":1}},\"u\":{\"any_of\":{\"a\":1}}}"),
            "\"u\" is a group itself"},
        {WITH_TARGETS("{\"t\":{\"any_of\":{\"t\":1}}}"), "\"t\" is a group itself"},
        {"{\"engine\":\"x\",\"command\":[\"sh\"],\"code_types\":[\"a\"],\"conf\":[1]}", "\"conf\"[0]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error e = {.text = ""};
        add_manifest(f, "x", rows[i].manifest);
        if (engine_list_open(f->dir, &e))
            fail_msg("%s is taken", rows[i].manifest);
        assert_string_equal(e.code, "bad_manifest");
        if (!strstr(e.text, "/x/engine.json") || !strstr(e.text, rows[i].text))
            fail_msg("%s: expected %s, got %s", rows[i].manifest, rows[i].text, e.text);
    }
}

static void a_folder_without_engines_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct error e;
    assert_null(engine_list_open(f->dir, &e));
    assert_string_equal(e.code, "no_engines");
    assert_null(engine_list_open("/no/such/folder", &e));
    assert_string_equal(e.code, "no_engines");
    assert_non_null(strstr(e.text, "/no/such/folder"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(engines_are_found_by_name_in_order),
        TEST(an_engine_has_the_targets_and_settings_of_its_manifest_or_any),
        TEST(of_equals_one_is_picked_by_its_weight),
        TEST(a_program_that_is_not_installed_keeps_its_name),
        TEST(a_wrong_manifest_is_refused_with_file_and_reason),
        TEST(a_folder_without_engines_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
