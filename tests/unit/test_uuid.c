/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uuid: version 5 against vectors of Python's uuid.uuid5 with Millrace's namespace (a promise: a repeated
 * submission gets the same id from every program, for ever); version 7's time and order; parsing.
 */
/* LIBS: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/uuid.h"

static void version_5_agrees_with_python(void **state)
{
    static char x[5000];
    const struct {
        struct bytes name;
        const char *id;
    } cases[] = {
        {BYTES(""), "2e0da3f7-0359-5945-bb2f-0c63df382816"},
        {BYTES_NONE, "2e0da3f7-0359-5945-bb2f-0c63df382816"},
        {BYTES("a"), "76c1622f-e44f-5378-acbd-6756a57e42af"},
        {BYTES("ide/alice/key-1"), "e220dd44-caac-5063-8031-3568ab2f62db"},
        {BYTES("jobs.submitted/3/42/1767323045678"), "5c1caf2f-98dc-5843-9c1e-ecdedce6c94e"},
        {BYTES("ide/\xC3\xB6/\xE2\x98\x83"), "8823ba65-15a8-5626-a42f-f6b78e7fbb25"},
        {{x, 495}, "955cee1c-914e-5cbc-8a6d-8005f8d7844e"},
        {{x, 496}, "271b6aee-b17d-5c39-a082-5b8d80fb5a4f"},
        {{x, 497}, "1100b465-c7cd-58b7-88a1-324591d3ac4b"},
        {{x, 5000}, "05482cc3-53a5-55fe-bec5-4bc627d6e3f2"},
    };

    (void)state;
    memset(x, 'x', sizeof(x));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct uuid u;
        char text[UUID_TEXT_LEN + 1];
        uuid_v5(&u, cases[i].name);
        uuid_format(&u, text);
        assert_string_equal(text, cases[i].id);
    }
}

static void version_7_begins_with_the_time(void **state)
{
    struct uuid u;
    char text[UUID_TEXT_LEN + 1];

    (void)state;
    uuid_v7(&u, INT64_C(0x017F22E279B0)); /* the example of RFC 9562: 2022-02-22T19:22:22Z */
    uuid_format(&u, text);
    assert_memory_equal(text, "017f22e2-79b0-7", 15);
    assert_non_null(strchr("89ab", text[19]));
}

static void version_7_sorts_by_time_and_never_repeats(void **state)
{
    static struct uuid ids[2000];

    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        uuid_v7(&ids[i], 1767323045678 + (int64_t)(i / 1000));
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(&ids[i], &ids[k], sizeof(ids[i]));
    }
    for (size_t i = 0; i < 1000; i++)
        assert_true(memcmp(&ids[i], &ids[1000 + i], sizeof(ids[i])) < 0);
}

static void what_is_formatted_is_parsed_back(void **state)
{
    struct uuid u, back;
    char text[UUID_TEXT_LEN + 1];

    (void)state;
    uuid_v7(&u, 1);
    uuid_format(&u, text);
    assert_true(uuid_parse(bytes_of(text), &back));
    assert_memory_equal(&u, &back, sizeof(u));
    assert_true(uuid_parse(BYTES("E220DD44-caac-5063-8031-3568AB2F62DB"), &back));
    uuid_format(&back, text);
    assert_string_equal(text, "e220dd44-caac-5063-8031-3568ab2f62db");
}

static void everything_else_is_refused(void **state)
{
    static const char *const cases[] = {"", "e220dd44", "e220dd44-caac-5063-8031-3568ab2f62d",
        "e220dd44-caac-5063-8031-3568ab2f62db0", "e220dd44caac506380313568ab2f62db",
        "g220dd44-caac-5063-8031-3568ab2f62db", "e220dd44_caac-5063-8031-3568ab2f62db",
        "e220dd4-4caac-5063-8031-3568ab2f62db", "{220dd44-caac-5063-8031-3568ab2f62d}",
        "e220dd44-caac-5063-8031-3568ab2f62d "};
    struct uuid u = {{1}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (uuid_parse(bytes_of(cases[i]), &u))
            fail_msg("\"%s\" was taken", cases[i]);
    }
    assert_int_equal(u.bytes[0], 1); /* untouched */
    assert_false(uuid_parse(BYTES_NONE, &u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_5_agrees_with_python),
        cmocka_unit_test(version_7_begins_with_the_time),
        cmocka_unit_test(version_7_sorts_by_time_and_never_repeats),
        cmocka_unit_test(what_is_formatted_is_parsed_back),
        cmocka_unit_test(everything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
