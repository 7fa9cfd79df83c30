/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: one table of settings through all its sources, what each source may say, what is refused and how,
 * the page.
 */
/* LIBS: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/config.h"

struct settings {
    const char *brokers;
    const char *secret;
    int64_t slots;
    int64_t wait_ms;
    int64_t size_bytes;
    bool quick;
    struct config_pairs kafka;
};

static const struct setting common[] = {
    {"kafka.brokers", SETTING_TEXT, offsetof(struct settings, brokers), "127.0.0.1:9092", 0, 0,
        "Kafka's addresses"},
    {"kafka.session_timeout", SETTING_MS, offsetof(struct settings, wait_ms), "10s", 1000, 300000, "a wait"},
    {"kafka.", SETTING_PASS, offsetof(struct settings, kafka), "", 0, 0, "others of librdkafka"},
    {"slots", SETTING_INT, offsetof(struct settings, slots), "1", 1, 10, "of another program"},
    SETTING_END,
};
static const struct setting own[] = {
    {"slots", SETTING_INT, offsetof(struct settings, slots), "4", 1, 1000, "jobs at once | in parallel"},
    {"largest", SETTING_SIZE, offsetof(struct settings, size_bytes), "1m", 1024, 1073741824, "largest body"},
    {"quick", SETTING_BOOL, offsetof(struct settings, quick), "no", 0, 0, "whether to hurry"},
    {"secret", SETTING_TEXT, offsetof(struct settings, secret), "abc", 2, 8, "a word"},
    SETTING_END,
};
static const struct setting *const tables[] = {common, own, NULL};

static const char *const variables[] = {"MILLRACE_KAFKA_BROKERS", "MILLRACE_KAFKA_SESSION_TIMEOUT",
    "MILLRACE_SLOTS", "MILLRACE_LARGEST", "MILLRACE_QUICK", "MILLRACE_SECRET", "MILLRACE_CONFIG",
    "MILLRACE_KAFKA_SECURITY_PROTOCOL", "MILLRACE_KAFKA_DEBUG", "MILLRACE_OTHER_PROGRAM", "MILLRACE_KAFKA_",
    "MILLRACE_TOKEN"};

static int clear_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    return 0;
}

/* Up to three arguments, NULL for none. They live as long as the settings do. */
static enum config_verdict load(const struct setting *const *list, struct settings *s, struct error *e,
    const char *a, const char *b, const char *c)
{
    static char texts[4][256];
    static char *argv[5];
    const char *given[] = {"program", a, b, c};
    int argc = 0;

    for (int i = 0; i < 4 && given[i]; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%s", given[i]);
        argv[argc++] = texts[i];
    }
    argv[argc] = NULL;
    memset(s, 0xEE, sizeof(*s));
    error_clear(e);
    return config_load(list, s, "program", "does things", argc, argv, e);
}

static const char *config_file(const char *text)
{
    static char path[64];
    snprintf(path, sizeof(path), "/tmp/millrace-test-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static const char *pair(const struct settings *s, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < s->kafka.count; i++) {
        if (strcmp(s->kafka.items[i].name, name) == 0) {
            assert_null(value); /* each name once */
            value = s->kafka.items[i].value;
        }
    }
    return value;
}

static void defaults_fill_everything(void **state)
{
    struct settings s;
    struct error e;

    (void)state;
    assert_int_equal(load(tables, &s, &e, NULL, NULL, NULL), CONFIG_RUN);
    assert_string_equal(s.brokers, "127.0.0.1:9092");
    assert_string_equal(s.secret, "abc");
    assert_int_equal(s.slots, 4); /* the later row of a name counts */
    assert_int_equal(s.wait_ms, 10000);
    assert_int_equal(s.size_bytes, 1024 * 1024);
    assert_false(s.quick);
    assert_int_equal(s.kafka.count, 0);
}

static void later_sources_win(void **state)
{
    struct settings s;
    struct error e;
    char argument[128];

    (void)state;
    const char *path =
        config_file("# comment\n\n  slots =  11 \nquick = yes\r\nsecret = a = b\nkafka.debug = all\n"
                    "kafka.client.rack=r1\nlargest=2k");
    snprintf(argument, sizeof(argument), "--config=%s", path);
    assert_int_equal(load(tables, &s, &e, argument, NULL, NULL), CONFIG_RUN);
    assert_int_equal(s.slots, 11);
    assert_true(s.quick);
    assert_string_equal(s.secret, "a = b");
    assert_int_equal(s.size_bytes, 2048);
    assert_string_equal(pair(&s, "debug"), "all");

    setenv("MILLRACE_SLOTS", "12", 1);
    setenv("MILLRACE_KAFKA_DEBUG", "broker", 1);
    setenv("MILLRACE_CONFIG", path, 1);
    assert_int_equal(load(tables, &s, &e, NULL, NULL, NULL), CONFIG_RUN);
    assert_int_equal(s.slots, 12);
    assert_true(s.quick);
    assert_string_equal(pair(&s, "debug"), "broker");
    assert_string_equal(pair(&s, "client.rack"), "r1");

    assert_int_equal(load(tables, &s, &e, "--slots=13", "--kafka.debug=msg", "--slots=14"), CONFIG_RUN);
    assert_int_equal(s.slots, 14);
    assert_string_equal(pair(&s, "debug"), "msg");
    unlink(path);
}

static void values_have_units(void **state)
{
    static const struct {
        const char *argument;
        int64_t wait_ms, size_bytes;
    } cases[] = {
        {"--kafka.session_timeout=2500", 2500, 1048576},
        {"--kafka.session_timeout=2500ms", 2500, 1048576},
        {"--kafka.session_timeout=5s", 5000, 1048576},
        {"--kafka.session_timeout=2m", 120000, 1048576},
        {"--largest=4096", 10000, 4096},
        {"--largest=64k", 10000, 65536},
        {"--largest=8m", 10000, 8388608},
        {"--largest=1g", 10000, 1073741824},
    };
    struct settings s;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(load(tables, &s, &e, cases[i].argument, NULL, NULL), CONFIG_RUN);
        assert_int_equal(s.wait_ms, cases[i].wait_ms);
        assert_int_equal(s.size_bytes, cases[i].size_bytes);
    }
}

static void bad_values_are_refused_with_name_value_source_and_limit(void **state)
{
    static const struct {
        const char *argument;
        const char *text;
    } cases[] = {
        {"--slots=0",
            "slots: \"0\" (from the arguments) is not allowed; it must be a whole number from 1 to 1000"},
        {"--slots=1001", "from 1 to 1000"},
        {"--slots=4k", "a whole number"},
        {"--slots=", "slots: \"\""},
        {"--slots=4 ", "slots: \"4 \""},
        {"--slots=99999999999999999999", "a whole number"},
        {"--kafka.session_timeout=1h", "from 1s to 5m"},
        {"--kafka.session_timeout=-5s", "from 1s to 5m"},
        {"--kafka.session_timeout=5 s", "a time such as"},
        {"--largest=1t", "a size such as"},
        {"--largest=9223372036854775807k", "a size such as"},
        {"--largest=1", "from 1k to 1g"},
        {"--quick=maybe", "true or false"},
        {"--secret=a", "text of 2 to 8 bytes"},
        {"--secret=123456789", "text of 2 to 8 bytes"},
        {"--slot=4", "there is no setting \"slot\" (from the arguments); program --help lists them"},
        {"--kafka.=4", "there is no setting \"kafka.\""},
        {"--=4", "there is no setting \"\""},
        {"--slots", "\"--slots\" is not --name=value"},
        {"slots=4", "is not --name=value"},
        {"--config=/nonexistent/x", "config file /nonexistent/x: No such file"},
        {"--config=/tmp", "config file /tmp is not a file"},
    };
    struct settings s;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(load(tables, &s, &e, cases[i].argument, NULL, NULL), CONFIG_BAD);
        if (!strstr(e.text, cases[i].text))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].argument, e.text, cases[i].text);
    }
}

static void bad_lines_of_a_file_are_told_with_their_number(void **state)
{
    static const struct {
        const char *file;
        const char *text;
    } cases[] = {
        {"slots = 4\nslots\n", " line 2: \"slots\" is not `name = value`"},
        {"\n\nunknown = 4\n", " line 3); program --help lists them"},
        {"slots = many\n", " line 1) is not allowed"},
    };
    struct settings s;
    struct error e;
    char argument[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = config_file(cases[i].file);
        snprintf(argument, sizeof(argument), "--config=%s", path);
        assert_int_equal(load(tables, &s, &e, argument, NULL, NULL), CONFIG_BAD);
        if (!strstr(e.text, cases[i].text) || !strstr(e.text, path))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, e.text, cases[i].text);
        unlink(path);
    }
}

static void the_environment_serves_all_programs(void **state)
{
    struct settings s;
    struct error e;

    (void)state;
    setenv("MILLRACE_OTHER_PROGRAM", "x", 1);
    setenv("MILLRACE_KAFKA_", "x", 1);
    setenv("MILLRACE_KAFKA_SECURITY_PROTOCOL", "SSL", 1);
    setenv("MILLRACE_KAFKA_SESSION_TIMEOUT", "7s", 1);
    setenv("MILLRACE_KAFKA_BROKERS", "", 1);
    assert_int_equal(load(tables, &s, &e, NULL, NULL, NULL), CONFIG_RUN);
    assert_int_equal(s.kafka.count, 1); /* what rows name is not passed on */
    assert_string_equal(pair(&s, "security.protocol"), "SSL");
    assert_int_equal(s.wait_ms, 7000);
    assert_string_equal(s.brokers, "");

    setenv("MILLRACE_SLOTS", "none", 1);
    assert_int_equal(load(tables, &s, &e, "--slots=4", NULL, NULL), CONFIG_BAD);
    assert_non_null(strstr(e.text, "(from MILLRACE_SLOTS)"));
}

static void a_setting_without_a_default_must_be_given(void **state)
{
    static const struct setting needs[] = {
        {"token", SETTING_TEXT, offsetof(struct settings, secret), NULL, 0, 0, "who we are"}, SETTING_END};
    const struct setting *const list[] = {common, needs, NULL};
    struct settings s;
    struct error e;

    (void)state;
    assert_int_equal(load(list, &s, &e, NULL, NULL, NULL), CONFIG_BAD);
    assert_true(error_is(&e, "missing_setting"));
    assert_string_equal(e.text, "token must be set (who we are): --token=... or MILLRACE_TOKEN");
    assert_int_equal(load(list, &s, &e, "--token=x", NULL, NULL), CONFIG_RUN);
    assert_string_equal(s.secret, "x");
    setenv("MILLRACE_TOKEN", "y", 1);
    assert_int_equal(load(list, &s, &e, NULL, NULL, NULL), CONFIG_RUN);
    assert_string_equal(s.secret, "y");
}

static void help_and_version_end_the_program(void **state)
{
    static const char *const words[] = {"--help", "-h", "--version", "--help=markdown"};
    struct settings s;
    struct error e;

    (void)state;
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    assert_non_null(freopen("/dev/null", "w", stdout));
    enum config_verdict verdicts[4];
    for (size_t i = 0; i < 4; i++)
        verdicts[i] = load(tables, &s, &e, "--slots=bad", words[i], NULL);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(verdicts[i], CONFIG_EXIT);
}

static void the_page_has_a_row_for_each_setting(void **state)
{
    struct buf page;

    (void)state;
    buf_init(&page);
    config_markdown(tables, "program", "does things", &page);
    buf_add_char(&page, '\0');
    assert_memory_equal(page.data, "# Settings of program\n\ndoes things\n", 35);
    assert_non_null(strstr(page.data,
        "| `kafka.session_timeout` | `MILLRACE_KAFKA_SESSION_TIMEOUT` | TIME | `10s` | 1s to 5m "
        "| a wait |\n"));
    assert_non_null(
        strstr(page.data, "| `kafka.*` | `MILLRACE_KAFKA_*` | TEXT |  |  | others of librdkafka |\n"));
    assert_non_null(strstr(
        page.data, "| `slots` | `MILLRACE_SLOTS` | N | `4` | 1 to 1000 | jobs at once \\| in parallel |\n"));
    assert_non_null(
        strstr(page.data, "| `secret` | `MILLRACE_SECRET` | TEXT | `abc` | 2 to 8 bytes | a word |\n"));
    assert_null(strstr(page.data, "of another program"));
    buf_release(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_fill_everything, clear_environment),
        cmocka_unit_test_setup(later_sources_win, clear_environment),
        cmocka_unit_test_setup(values_have_units, clear_environment),
        cmocka_unit_test_setup(bad_values_are_refused_with_name_value_source_and_limit, clear_environment),
        cmocka_unit_test_setup(bad_lines_of_a_file_are_told_with_their_number, clear_environment),
        cmocka_unit_test_setup(the_environment_serves_all_programs, clear_environment),
        cmocka_unit_test_setup(a_setting_without_a_default_must_be_given, clear_environment),
        cmocka_unit_test_setup(help_and_version_end_the_program, clear_environment),
        cmocka_unit_test_setup(the_page_has_a_row_for_each_setting, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
