/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/*
 * Engines that are not ours: scripts with bad manners of all kinds, a good one in bash, and the one that docs/engines.md
 * shows. Runs with isolation auto and none.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/engines_world.h"

static const char *isolation; /* of the group that runs */

#define READY(capabilities)                                                                                  \
    "read x; echo '{\"type\":\"ready\",\"engine\":\"t\",\"capabilities\":[" capabilities "]}'\n"
#define TAKE_RUN "read -r x; run=${x#*\\\"run\\\":\\\"}; run=${run%%\\\"*}\n"

static const struct bad_engine {
    const char *name, *script, *code, *message;
} bad_engines[] = {
    {"garbage", READY("") TAKE_RUN "echo 'Traceback: oh no'; sleep 1000", "engine_protocol",
        "Traceback: oh no"},
    {"unready", "echo garbage; sleep 1000", "engine_protocol", "garbage"},
    {"silent", "sleep 1000", "engine_unavailable", "not ready within"},
    {"early", "exit 4", "engine_unavailable", "ended with exit status 4 before it was ready"},
    {"dies", READY("") TAKE_RUN "exit 5", "engine_died", "ended with exit status 5 in the middle of the run"},
    {"crashes", READY("") TAKE_RUN "kill -9 $$", "engine_died", "killed by signal 9 (SIGKILL)"},
    {"closes", READY("") TAKE_RUN "exec >&-; sleep 1000", "engine_died", "killed: a run on it did not stop"},
    {"stranger", READY("") TAKE_RUN "echo '{\"type\":\"done\",\"run\":\"no such run\"}'; exit 6",
        "engine_died", "exit status 6"},
    {"endless", READY("") TAKE_RUN "head -c 9000000 /dev/zero | tr '\\0' 'x'; sleep 1000", "engine_protocol",
        "a line of more than"},
    {"rowless",
        READY("") TAKE_RUN
        "echo \"{\\\"type\\\":\\\"rows\\\",\\\"run\\\":\\\"$run\\\",\\\"rows\\\":[[1]]}\"\n"
        "echo \"{\\\"type\\\":\\\"done\\\",\\\"run\\\":\\\"$run\\\"}\"; read x",
        "engine_protocol", "rows before columns"},
    {"escapes",
        READY("\"files\"") TAKE_RUN
        "echo \"{\\\"type\\\":\\\"result\\\",\\\"run\\\":\\\"$run\\\",\\\"path\\\":\\\"../x\\\"}\"; read x",
        "engine_protocol", "without slashes"},
    {"links",
        READY("\"files\"") TAKE_RUN
        "dir=${x##*\\\"result_dir\\\":\\\"}; dir=${dir%%\\\"*}; ln -s /etc/passwd $dir/x.csv\n"
        "echo \"{\\\"type\\\":\\\"result\\\",\\\"run\\\":\\\"$run\\\",\\\"path\\\":\\\"x.csv\\\"}\"\n"
        "echo \"{\\\"type\\\":\\\"done\\\",\\\"run\\\":\\\"$run\\\"}\"; read x",
        "engine_protocol", "is no plain file"},
};

static void bad_engines_fail_their_task_and_nothing_else(void **state)
{
    enum { COUNT = sizeof(bad_engines) / sizeof(bad_engines[0]) };
    struct probe b[COUNT];
    struct probe good;
    struct world w;
    (void)state;
    world_prepare(&w);
    for (size_t i = 0; i < COUNT; i++) {
        add_script_engine(&w, bad_engines[i].name, bad_engines[i].script);
    }
    MUST(take_lock(&w, &w.lock_fd));
    struct engines_settings s = world_settings(&w, isolation);
    s.start_timeout_ms = 4000; /* enough for the good ones on a busy machine */
    s.grace_ms = 3000;
    world_open_with(&w, &s);
    for (size_t i = 0; i < COUNT; i++) {
        run_code(&w, &b[i], bad_engines[i].name, "code");
    }
    run_code(&w, &good, "shell", "echo fine");
    AWAIT(&w, good.ended);
    assert_int_equal(good.end, TASK_SUCCEEDED);
    for (size_t i = 0; i < COUNT; i++) {
        AWAIT(&w, b[i].ended);
        assert_int_equal(b[i].end, TASK_FAILED);
        if (strcmp(b[i].code, bad_engines[i].code) != 0 ||
            strstr(b[i].message, bad_engines[i].message) == NULL) {
            fail_msg("%s: expected %s \"%s\", got %s \"%s\"", bad_engines[i].name, bad_engines[i].code,
                bad_engines[i].message, b[i].code, b[i].message);
        }
        probe_release(&b[i]);
    }
    probe_release(&good);
    world_close(&w);
}

static void deaf_and_noisy_engines_do_not_hold_up_the_loop(void **state)
{
    struct world w;
    struct probe deaf;
    struct probe noisy;
    struct probe good;
    struct buf code;
    (void)state;
    world_prepare(&w);
    add_script_engine(&w, "deaf", READY("") "sleep 1000");
    add_script_engine(&w, "noisy",
        READY("") TAKE_RUN
        "yes \"{\\\"type\\\":\\\"log\\\",\\\"run\\\":\\\"$run\\\",\\\"text\\\":\\\"all work\\\"}\"");
    world_open(&w, isolation);
    buf_init(&code);
    for (int i = 0; i < 100000; i++) { /* more than a pipe holds */
        buf_add_text(&code, "123456789 ");
    }
    buf_add_char(&code, '\0');
    probe_init(&deaf);
    struct engine_task t = task_of(&deaf, "deaf", code.data);
    t.timeout_ms = 300;
    engines_run(w.p, &t);
    probe_init(&noisy);
    noisy.keep_log = false;
    t = task_of(&noisy, "noisy", "x");
    engines_run(w.p, &t);
    AWAIT(&w, noisy.log_calls > 1000);
    run_code(&w, &good, "noop", "");
    AWAIT(&w, good.ended && deaf.ended);
    assert_int_equal(good.end, TASK_SUCCEEDED);
    assert_int_equal(deaf.end, TASK_TIMED_OUT);
    assert_false(noisy.ended);
    engines_cancel(w.p, noisy.run);
    AWAIT(&w, noisy.ended);
    assert_int_equal(noisy.end, TASK_CANCELLED);
    assert_int_equal(count_marked(w.instance), 1); /* noop */
    buf_release(&code);
    probe_release(&deaf);
    probe_release(&noisy);
    probe_release(&good);
    world_close(&w);
}

static void an_engine_in_bash_works_and_its_processes_are_swept(void **state)
{
    struct world w;
    struct probe b;
    struct buf text;
    (void)state;
    world_prepare(&w);
    add_script_engine(&w, "good",
        READY("\"files\"") "echo starting up >&2\nwhile :; do\n" TAKE_RUN
                           "dir=${x##*\\\"result_dir\\\":\\\"}; dir=${dir%%\\\"*}; echo a,b > $dir/x.csv; "
                           "echo oops >&2\n"
                           "(setsid sleep 1000 &)\n"
                           "echo "
                           "\"{\\\"type\\\":\\\"progress\\\",\\\"run\\\":\\\"$run\\\",\\\"done\\\":0.5}\"\n"
                           "echo "
                           "\"{\\\"type\\\":\\\"result\\\",\\\"run\\\":\\\"$run\\\",\\\"path\\\":\\\"x."
                           "csv\\\",\\\"kind\\\":\\\"file\\\"}\"\n"
                           "echo \"{\\\"type\\\":\\\"done\\\",\\\"run\\\":\\\"$run\\\"}\"; done");
    world_open(&w, isolation);
    for (int i = 0; i < 3; i++) {
        probe_init(&b);
        struct engine_task t = task_of(&b, "good", "code");
        t.attempt = i;
        engines_run(w.p, &t);
        AWAIT(&w, b.ended);
        assert_string_equal(b.message, "");
        assert_int_equal(b.end, TASK_SUCCEEDED);
        assert_true(b.progress > 0.4);
        assert_int_equal(b.result_count, 1);
        assert_int_equal(count_marked(w.instance), 1);
        buf_init(&text);
        buf_printf(&text, "%s/%s", w.results_dir, b.paths[0]);
        buf_add_char(&text, '\0');
        assert_int_equal(access(text.data, R_OK), 0);
        buf_release(&text);
        probe_release(&b);
    }
    assert_int_equal(engines_process_count(w.p), 1);
    world_close(&w);
}

/* All of a file as text; the caller frees it. */
static char *file_text(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 65536);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, f) > 0);
    (void)fclose(f);
    return text;
}

static void the_engine_of_the_docs_works(void **state)
{
    struct world w;
    struct probe b;
    struct probe c;
    char path[400];
    (void)state;
    char *page = file_text(SOURCE_DIR "/docs/engines.md");
    char *program = file_text(SOURCE_DIR "/engines/examples/words/words.py");
    assert_non_null(strstr(page, program)); /* the page shows the very program */
    free(page);
    free(program);
    world_prepare(&w);
    (void)snprintf(path, sizeof(path), "%s/words", w.engines_dir);
    assert_int_equal(symlink(SOURCE_DIR "/engines/examples/words", path), 0);
    world_open(&w, isolation);
    run_code(&w, &b, "words", "to be or not to be");
    run_code(&w, &c, "words", " ");
    AWAIT(&w, b.ended && c.ended);
    assert_string_equal(b.message, "");
    assert_int_equal(b.end, TASK_SUCCEEDED);
    assert_true(contains(&b.log, "4 different words\n"));
    assert_string_equal(b.columns[0], "word:string,count:long");
    assert_int_equal(b.rows[0], 4);
    assert_string_equal(c.code, "code_error");
    assert_string_equal(c.message, "there are no words");
    assert_int_equal(c.line, 1);
    probe_release(&b);
    probe_release(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_engines_fail_their_task_and_nothing_else),
        cmocka_unit_test(deaf_and_noisy_engines_do_not_hold_up_the_loop),
        cmocka_unit_test(an_engine_in_bash_works_and_its_processes_are_swept),
        cmocka_unit_test(the_engine_of_the_docs_works),
    };
    isolation = "auto";
    int failed = cmocka_run_group_tests_name("isolation auto", tests, NULL, NULL);
    isolation = "none";
    failed += cmocka_run_group_tests_name("isolation none", tests, NULL, NULL);
    return failed;
}
