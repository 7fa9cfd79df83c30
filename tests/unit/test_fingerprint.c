/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * fingerprint: the Parsing Canonical Form and CRC-64-AVRO against values of other implementations: the cases of
 * Avro's own share/test/data/schema-tests.txt that concern each rule, and fastavro's fingerprints of our schemas.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/codec.h"
#include "core/schemas.h"

static void primitive_schemas_have_the_fingerprints_that_java_computes(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        uint64_t fingerprint;
    } cases[] = {
        {"\"null\"", 0x63dd24e7cc258f8a},
        {"\"boolean\"", 0x9f42fc78a4d4f764},
        {"\"int\"", 0x7275d51a3f395c8f},
        {"\"long\"", 0xd054e14493f41db7},
        {"\"float\"", 0x4d7c02cb3ea8d790},
        {"\"double\"", 0x8e7535c032ab957e},
        {"\"bytes\"", 0x4fc016dac3201965},
        {"\"string\"", 0x8f014872634503c7},
        {"{\"type\":\"string\"}", 0x8f014872634503c7},
        {"{\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}", 0xd054e14493f41db7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e;
        uint64_t got = 0;
        assert_true(codec_fingerprint(bytes_of(cases[i].schema), &got, &e));
        if (got != cases[i].fingerprint)
            fail_msg("%s: expected %016llx, got %016llx", cases[i].schema,
                (unsigned long long)cases[i].fingerprint, (unsigned long long)got);
    }
}

static void each_rule_of_the_canonical_form(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *canonical;
    } cases[] = {
        /* PRIMITIVES, WHITESPACE */
        {" { \"type\" : \"int\" } ", "\"int\""},
        {"[ \"null\", {\"type\": \"string\"} ]", "[\"null\",\"string\"]"},
        {"[]", "[]"},
        /* STRIP, ORDER */
        {"{\"fields\":[{\"doc\":\"d\",\"default\":1,\"order\":\"ignore\",\"aliases\":[\"z\"],\"type\":"
         "\"int\",\"name\":\"a\"}],"
         "\"doc\":\"x\",\"aliases\":[\"y\"],\"type\":\"record\",\"name\":\"R\"}",
            "{\"name\":\"R\",\"type\":\"record\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}"},
        {"{\"items\":{\"values\":\"long\",\"type\":\"map\"},\"type\":\"array\"}",
            "{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"long\"}}"},
        {"{\"symbols\":[\"A\",\"B\"],\"default\":\"A\",\"name\":\"E\",\"type\":\"enum\"}",
            "{\"name\":\"E\",\"type\":\"enum\",\"symbols\":[\"A\",\"B\"]}"},
        /* FULLNAMES: own namespace, dotted name, inherited, left again */
        {"{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"x.y\",\"size\":15}",
            "{\"name\":\"x.y.F\",\"type\":\"fixed\",\"size\":15}"},
        {"{\"type\":\"fixed\",\"name\":\"a.F\",\"namespace\":\"x.y\",\"size\":1}",
            "{\"name\":\"a.F\",\"type\":\"fixed\",\"size\":1}"},
        {"{\"type\":\"record\",\"name\":\"n.R\",\"fields\":["
         "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]}},"
         "{\"name\":\"r\",\"type\":[\"null\",\"R\"]},"
         "{\"name\":\"g\",\"type\":{\"type\":\"fixed\",\"name\":\"G\",\"namespace\":\"\",\"size\":2}}]}",
            "{\"name\":\"n.R\",\"type\":\"record\",\"fields\":["
            "{\"name\":\"e\",\"type\":{\"name\":\"n.E\",\"type\":\"enum\",\"symbols\":[]}},"
            "{\"name\":\"r\",\"type\":[\"null\",\"n.R\"]},"
            "{\"name\":\"g\",\"type\":{\"name\":\"G\",\"type\":\"fixed\",\"size\":2}}]}"},
        {"{\"type\":\"error\",\"name\":\"X\",\"fields\":[]}",
            "{\"name\":\"X\",\"type\":\"record\",\"fields\":[]}"},
        /* STRINGS, INTEGERS */
        {"{\"type\":\"enum\",\"name\":\"\\u0045\",\"symbols\":[\"\\u0041\"]}",
            "{\"name\":\"E\",\"type\":\"enum\",\"symbols\":[\"A\"]}"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":\"016\"}",
            "{\"name\":\"F\",\"type\":\"fixed\",\"size\":16}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e = {.text = ""};
        struct buf got;
        buf_init(&got);
        if (!codec_canonical(bytes_of(cases[i].schema), &got, &e))
            fail_msg("%s: %s", cases[i].schema, e.text);
        buf_add_char(&got, '\0');
        assert_string_equal(got.data, cases[i].canonical);
        buf_release(&got);
    }
}

static void text_that_is_no_schema_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"", "{", "7", "{}", "{\"type\":7}", "[\"null\",7]",
        "{\"type\":\"record\",\"name\":\"R\"}", "{\"type\":\"record\",\"fields\":[]}",
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"type\":\"int\"}]}",
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\"}]}", "{\"type\":\"array\"}",
        "{\"type\":\"map\"}", "{\"type\":\"enum\",\"name\":\"E\"}",
        "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[1]}", "{\"type\":\"fixed\",\"name\":\"F\"}",
        "{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}", "{\"type\":\"int\",\"type\":\"int\"}"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e = {.code = ""};
        uint64_t fingerprint;
        if (codec_fingerprint(bytes_of(cases[i]), &fingerprint, &e))
            fail_msg("%s is taken", cases[i]);
        assert_string_equal(e.code, "bad_schema");
    }
}

static void our_schemas_have_the_fingerprints_that_fastavro_computes(void **state)
{
    (void)state;
    json_t *known = json_load_file(SOURCE_DIR "/tests/unit/vectors/fingerprints.json", 0, NULL);
    assert_non_null(known);
    size_t checked = 0;
    for (const struct schema_text *t = schema_texts; t->path; t++) {
        struct error e;
        uint64_t got = 0;
        char name[100];
        char hex[20];
        if (sscanf(t->path, "%99[A-Za-z].avsc", name) != 1 || !json_object_get(known, name))
            continue; /* an older version, in released/ */
        assert_true(codec_fingerprint((struct bytes){(const char *)t->text, t->len}, &got, &e));
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)got);
        assert_string_equal(hex, json_string_value(json_object_get(known, name)));
        checked++;
    }
    assert_int_equal(checked, json_object_size(known));
    json_decref(known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(primitive_schemas_have_the_fingerprints_that_java_computes),
        cmocka_unit_test(each_rule_of_the_canonical_form),
        cmocka_unit_test(text_that_is_no_schema_is_refused),
        cmocka_unit_test(our_schemas_have_the_fingerprints_that_fastavro_computes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
