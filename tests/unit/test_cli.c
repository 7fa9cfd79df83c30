/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: cli */
/* test_cli: arguments by the table of options, tables on a terminal, outcomes, and that the reference page is that of the table. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/client.h"
#include "cli/duration.h"
#include "cli/show.h"
#include "cli/table.h"

static enum outcome nothing(const struct args *a)
{
    (void)a;
    return OUTCOME_DONE;
}

static const struct option own[] = {
    {'n', "name", "TEXT", false, "a text"},
    {0, "var", "K=V", true, "repeated"},
    {'w', "wait", NULL, false, "a flag"},
    OPTION_END,
};
static const struct setting settings[] = {
    {"kafka.brokers", SETTING_TEXT, 0, "x", 0, 0, "a setting"},
    {"kafka.", SETTING_PASS, 0, "", 0, 0, "passed on"},
    SETTING_END,
};
static const struct command command = {.name = "try",
    .words = "WORD",
    .words_least = 1,
    .words_most = 2,
    .about = "",
    .options = own,
    .asks_server = true,
    .settings = settings,
    .run = nothing};

/* What is parsed, as text: option=value in order, then words, then settings; "bad" when refused. */
static const struct {
    const char *name;
    const char *argv[8];
    const char *parsed;
} rows[] = {
    {"words alone", {"a", "b"}, "a b "},
    {"a long option and its value", {"--name", "x", "a"}, "name=x a "},
    {"a long option with =", {"--name=x=y", "a"}, "name=x=y a "},
    {"a letter and its value", {"-n", "x", "a"}, "name=x a "},
    {"a letter with its value attached", {"-nx", "a"}, "name=x a "},
    {"options after words", {"a", "-w"}, "wait= a "},
    {"repeated options are all kept", {"--var", "a=1", "--var", "b=2", "a"}, "var=a=1 var=b=2 a "},
    {"a dash is a word", {"-"}, "- "},
    {"an option of one value is refused a second time", {"--name", "x", "--name", "x", "a"}, "bad"},
    {"also by its letter", {"--name=x", "a", "-n", "y"}, "bad"},
    {"a flag may be repeated", {"-w", "--wait", "a"}, "wait= wait= a "},
    {"a setting is refused a second time", {"--kafka.brokers", "x", "--kafka.brokers=y", "a"}, "bad"},
    {"other settings with the same beginning are others", {"--kafka.x=1", "--kafka.xy=2", "a"},
        "a --kafka.x=1 --kafka.xy=2 "},
    {"an empty word is refused", {""}, "bad"},
    {"two dashes end the options", {"--", "-w", "--name"}, "-w --name "},
    {"options of the server", {"--url", "http://x", "a"}, "url=http://x a "},
    {"settings are passed on", {"--kafka.brokers", "h:1", "--kafka.x.y=z", "a"},
        "a --kafka.brokers=h:1 --kafka.x.y=z "},
    {"an empty value is a value", {"--name", "", "a"}, "name= a "},
    {"an unknown option is refused", {"--nome", "a"}, "bad"},
    {"an unknown letter is refused", {"-x", "a"}, "bad"},
    {"a value that is missing is refused", {"a", "--name"}, "bad"},
    {"a flag takes no value", {"--wait=yes", "a"}, "bad"},
    {"letters of flags are not put together", {"-ww", "a"}, "bad"},
    {"too few words are refused", {"-w"}, "bad"},
    {"too many words are refused", {"a", "b", "c"}, "bad"},
};

static void arguments_are_read_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char copies[8][32];
        char *argv[8];
        int argc = 0;
        struct args a;
        struct buf out;
        buf_init(&out);
        print_message("%s\n", rows[i].name);
        for (; argc < 8 && rows[i].argv[argc]; argc++) {
            (void)snprintf(copies[argc], sizeof copies[argc], "%s", rows[i].argv[argc]);
            argv[argc] = copies[argc];
        }
        if (args_parse(&command, argc, argv, &a)) {
            for (size_t n = 0; n < a.count; n++)
                buf_printf(&out, "%s=%s ", a.given[n].option->name, a.given[n].value);
            for (size_t n = 0; n < a.word_count; n++)
                buf_printf(&out, "%s ", a.words[n]);
            for (size_t n = 1; n < a.setting_count; n++)
                buf_printf(&out, "%s ", a.settings[n]);
        } else {
            buf_add_text(&out, "bad");
        }
        buf_add_char(&out, '\0');
        assert_string_equal(out.data, rows[i].parsed);
        args_release(&a);
        buf_release(&out);
    }
}

static void numbers_and_durations_are_read_within_limits(void **state)
{
    (void)state;
    char one[] = "--name=2", word[] = "w", *argv[] = {one, word};
    struct args a;
    int64_t n;
    assert_true(args_parse(&command, 2, argv, &a));
    assert_true(args_number(&a, "name", 0, 2, 7, &n));
    assert_int_equal(n, 2);
    assert_false(args_number(&a, "name", 0, 1, 7, &n));
    assert_true(args_number(&a, "wait", 0, 1, 7, &n));
    assert_int_equal(n, 7);
    assert_true(args_duration(&a, "name", -1, &n));
    assert_int_equal(n, 2);
    assert_true(args_duration(&a, "wait", -1, &n));
    assert_int_equal(n, -1);
    args_release(&a);
}

/* ---- durations ---- */

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
} durations[] = {
    {"0", 0},
    {"0s", 0},
    {"500", 500},
    {"500ms", 500},
    {"30s", 30000},
    {"5m", 300000},
    {"2h", 7200000},
    {"1d", 86400000},
    {"1.5h", 5400000},
    {"0.25s", 250},
    {"1h30m", 5400000},
    {"1d2h3m4.567s", 93784567},
    {"9223372036854775807", INT64_MAX},
    {"", -1},
    {"s", -1},
    {"30 s", -1},
    {"-5s", -1},
    {"+5s", -1},
    {"5S", -1},
    {"5min", -1},
    {"5w", -1},
    {"1.s", -1},
    {".5s", -1},
    {"1.5", -1},
    {"1.0005s", -1},
    {"0.5ms", -1},
    {"30m1h", -1},
    {"1h1h", -1},
    {"1h30", -1},
    {"1e3s", -1},
    {"9223372036854775808", -1},
    {"106751991168d", -1},
    {"99999999999999999999s", -1},
};

static void durations_are_read_with_units(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        int64_t ms = -1;
        print_message("\"%s\"\n", durations[i].text);
        assert_int_equal(duration_parse(durations[i].text, &ms), durations[i].ms >= 0);
        if (durations[i].ms >= 0)
            assert_int_equal(ms, durations[i].ms);
    }
}

static const struct {
    int64_t ms;
    const char *text, *about;
} shown[] = {
    {0, "0s", "0s"},
    {7, "7ms", "7ms"},
    {999, "999ms", "999ms"},
    {1000, "1s", "1s"},
    {1204, "1.204s", "1.2s"},
    {59990, "59.99s", "59.9s"},
    {60000, "1m", "1m"},
    {90500, "1m30.5s", "1m30s"},
    {3600000, "1h", "1h"},
    {7384567, "2h3m4.567s", "2h3m"},
    {86400000, "1d", "1d"},
    {93784567, "1d2h3m4.567s", "1d2h"},
    {604800000, "7d", "7d"},
    {-5, "-5ms", "-5ms"},
};

static void durations_are_shown_so_that_they_can_be_given_back(void **state)
{
    (void)state;
    char out[DURATION_TEXT_SIZE];
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        int64_t ms;
        assert_string_equal(duration_text(shown[i].ms, out), shown[i].text);
        if (shown[i].ms >= 0) {
            assert_true(duration_parse(out, &ms));
            assert_int_equal(ms, shown[i].ms);
        }
        assert_string_equal(duration_about(shown[i].ms, out), shown[i].about);
    }
}

/* What a function prints on stdout. */
static char *printed(void (*print)(void *self), void *self)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    (void)fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    print(self);
    (void)fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    (void)close(kept);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    rewind(file);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    (void)fclose(file);
    return text;
}

static void print_it(void *self)
{
    table_print(self);
}

static void columns_are_aligned_by_characters_and_control_characters_are_shown(void **state)
{
    (void)state;
    static const char *const heads[] = {"NAME", "N"};
    struct table *t = table_new(2, heads);
    table_right(t, 1);
    table_add_text(t, "\xC5\xBC\xC3\xB3\xC5\x82w"); /* four letters, seven bytes */
    table_add_text(t, "7");
    table_add(t, BYTES("a\n\x1b[31m"));
    table_add_text(t, "1000");
    table_add(t, BYTES("\xff!"));
    table_add_json(t, NULL);
    char *text = printed(print_it, t);
    assert_string_equal(text, "NAME              N\n"
                              "\xC5\xBC\xC3\xB3\xC5\x82w              7\n"
                              "a\\n\\u001b[31m  1000\n"
                              "\xEF\xBF\xBD!\n");
    free(text);
    table_free(t);
}

static void print_job(void *self)
{
    show_job(self);
}

static void a_cancel_on_its_way_is_shown_until_the_end(void **state)
{
    (void)state;
    json_t *job = json_pack("{s:s, s:b, s:{s:s, s:s, s:s}}", "state", "running", "final", 0, "cancel", "by",
        "ann", "reason", "wrong table", "at", "2026-01-31T08:30:00.000Z");
    assert_non_null(job);
    char *text = printed(print_job, job);
    assert_string_equal(text, "state   running\n"
                              "cancel  asked for by ann at 2026-01-31 08:30:00Z: wrong table\n");
    free(text);
    assert_int_equal(json_object_set(job, "final", json_true()), 0);
    text = printed(print_job, job);
    assert_string_equal(text, "state  running\n");
    free(text);
    json_decref(job);
}

static void final_states_have_exit_codes_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(outcome_of_state("succeeded"), 0);
    assert_int_equal(outcome_of_state("failed"), 1);
    assert_int_equal(outcome_of_state("cancelled"), 3);
    assert_int_equal(outcome_of_state("timed_out"), 4);
    assert_int_equal(outcome_of_state("rejected"), 5);
}

static void paths_are_encoded(void **state)
{
    (void)state;
    struct buf path;
    buf_init(&path);
    buf_add_text(&path, "/v1/jobs/");
    path_add_segment(&path, "../a b");
    path_add(&path, "group", "ide/\xC3\xA4");
    path_add(&path, "none", NULL);
    path_add(&path, "x", "1&y=2");
    assert_string_equal(path_text(&path), "/v1/jobs/..%2Fa%20b?group=ide%2F%C3%A4&x=1%26y%3D2");
    buf_release(&path);
}

static void print_page(void *self)
{
    (void)self;
    help_markdown();
}

static void the_reference_page_is_that_of_the_table(void **state)
{
    (void)state;
    FILE *file = fopen(SOURCE_DIR "/docs/reference/cli.md", "rb");
    assert_non_null(file);
    char *page = printed(print_page, NULL);
    size_t size = strlen(page);
    char *kept = calloc(1, size + 2);
    assert_non_null(kept);
    size_t got = fread(kept, 1, size + 1, file);
    (void)fclose(file);
    if (got != size || memcmp(kept, page, size) != 0)
        fail_msg(
            "docs/reference/cli.md is old; make it anew: millrace help --markdown > docs/reference/cli.md");
    free(page);
    free(kept);
}

int main(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* as main does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_read_by_the_table),
        cmocka_unit_test(numbers_and_durations_are_read_within_limits),
        cmocka_unit_test(durations_are_read_with_units),
        cmocka_unit_test(durations_are_shown_so_that_they_can_be_given_back),
        cmocka_unit_test(columns_are_aligned_by_characters_and_control_characters_are_shown),
        cmocka_unit_test(a_cancel_on_its_way_is_shown_until_the_end),
        cmocka_unit_test(final_states_have_exit_codes_of_their_own),
        cmocka_unit_test(paths_are_encoded),
        cmocka_unit_test(the_reference_page_is_that_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
