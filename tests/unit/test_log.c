/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: the shape of a line, one line per event whatever its values hold, levels, quoting, and the end by
 * log_fatal. The lines are caught by putting a file in the place of stderr.
 */
/* LIBS: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/log.h"

static int real_stderr = -1;
static int caught_fd = -1;

static void catch_begin(void)
{
    char name[] = "/tmp/millrace-test-log-XXXXXX";
    caught_fd = mkstemp(name);
    assert_true(caught_fd >= 0);
    unlink(name);
    real_stderr = dup(STDERR_FILENO);
    assert_true(dup2(caught_fd, STDERR_FILENO) >= 0);
}

/* What was written since catch_begin, as a string good until the next call. */
static const char *catch_end(void)
{
    static char text[65536];
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    ssize_t len = pread(caught_fd, text, sizeof(text) - 1, 0);
    close(caught_fd);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static void a_line_is_key_value_with_time_level_and_stage(void **state)
{
    int64_t ms;

    (void)state;
    log_init("planner", LOG_INFO);
    catch_begin();
    log_info("assigned", "topic=%s partition=%d", "jobs.converted", 3);
    const char *line = catch_end();
    assert_memory_equal(line, "ts=", 3);
    assert_true(clock_parse((struct bytes){line + 3, 24}, &ms));
    assert_in_range(clock_utc_ms() - ms, 0, 60000);
    assert_string_equal(
        line + 27, " level=info stage=planner event=assigned topic=jobs.converted partition=3\n");
}

static void levels_below_the_least_are_silent(void **state)
{
    (void)state;
    log_init("planner", LOG_WARN);
    catch_begin();
    log_debug("a", "x=1");
    log_info("b", "x=1");
    log_warn("c", "x=1");
    log_error("d", "x=1");
    const char *text = catch_end();
    assert_null(strstr(text, "event=a"));
    assert_null(strstr(text, "event=b"));
    assert_non_null(strstr(text, "level=warn stage=planner event=c x=1\n"));
    assert_non_null(strstr(text, "level=error stage=planner event=d x=1\n"));
    assert_false(log_wants(LOG_INFO));
    assert_true(log_wants(LOG_WARN));
}

static void an_event_stays_one_line(void **state)
{
    char large[20000];

    (void)state;
    log_init("planner", LOG_INFO);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    catch_begin();
    log_info("control", "value=%s", "a\nb\x1b[31m\r");
    log_info("large", "value=%s", large);
    const char *text = catch_end();
    const char *end = strchr(text, '\n');
    assert_non_null(end);
    assert_non_null(strstr(text, "value=a b [31m\n"));
    const char *second = end + 1;
    end = strchr(second, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
    assert_memory_equal(end - 3, "...", 3);
    assert_in_range(end - second, 8000, 8192);
}

static void quotes_escape_what_would_break_a_line(void **state)
{
    static const struct {
        struct bytes in;
        const char *out;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"two words", 9}, "\"two words\""},
        {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {{"\n\r\t", 3}, "\"\\n\\r\\t\""},
        {{"\0\x1b\x7f", 3}, "\"\\x00\\x1b\\x7f\""},
        {{"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9}, "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        {{"\xFF\xC3", 2}, "\"\\xff\\xc3\""},
        {{"\xED\xA0\x80", 3}, "\"\\xed\\xa0\\x80\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(log_quote(cases[i].in), cases[i].out);
}

static void four_quotes_live_at_once_and_long_ones_are_cut(void **state)
{
    char large[2000];

    (void)state;
    const char *a = log_quote(BYTES("a"));
    const char *b = log_quote(BYTES("b"));
    const char *c = log_quote(BYTES("c"));
    const char *d = log_quote(BYTES("d"));
    assert_string_equal(a, "\"a\"");
    assert_string_equal(b, "\"b\"");
    assert_string_equal(c, "\"c\"");
    assert_string_equal(d, "\"d\"");
    for (size_t shift = 0; shift < 4; shift++) {
        memset(large, 'x', sizeof(large));
        memset(large + shift, '\n', 1000);
        const char *cut = log_quote((struct bytes){large, sizeof(large)});
        assert_in_range(strlen(cut), 500, 511);
        assert_string_equal(cut + strlen(cut) - 4, "...\"");
    }
}

static void level_names_are_parsed(void **state)
{
    enum log_level level;

    (void)state;
    assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
    assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
    assert_false(log_level_parse("", &level));
    assert_false(log_level_parse("Info", &level));
}

static void fatal_ends_the_process_with_its_exit_code(void **state)
{
    int status;

    (void)state;
    log_init("planner", LOG_ERROR);
    catch_begin();
    pid_t child = fork();
    if (child == 0)
        log_fatal("disk_full", "path=%s", "x");
    assert_int_equal(waitpid(child, &status, 0), child);
    const char *text = catch_end();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_BROKEN);
    assert_non_null(strstr(text, "level=fatal stage=planner event=disk_full path=x\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_key_value_with_time_level_and_stage),
        cmocka_unit_test(levels_below_the_least_are_silent),
        cmocka_unit_test(an_event_stays_one_line),
        cmocka_unit_test(quotes_escape_what_would_break_a_line),
        cmocka_unit_test(four_quotes_live_at_once_and_long_ones_are_cut),
        cmocka_unit_test(level_names_are_parsed),
        cmocka_unit_test(fatal_ends_the_process_with_its_exit_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
