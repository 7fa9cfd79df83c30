/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * guard: hostile bytes, one row each. What is refused here never reaches avro-c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/guard.h"

#define ARRAY(items) "{\"type\":\"array\",\"items\":" items "}"
#define MAP(values) "{\"type\":\"map\",\"values\":" values "}"
#define RECORD(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define TREE RECORD(FIELD("next", "[\"null\",\"R\"]"))
#define EMPTY RECORD("")
#define INT "\"int\""
#define LONG "\"long\""
#define STRING "\"string\""

static const struct guard_limits small = {.max_bytes = 200, .max_items = 10, .max_depth = 8};

struct row {
    const char *name, *schema, *hex;
    const char *code; /* "": it is fine */
};

static const struct row rows[] = {
    /* numbers */
    {"a long of one byte", LONG, "02", ""},
    {"the greatest long", LONG, "feffffffffffffffff01", ""},
    {"the least long", LONG, "ffffffffffffffffff01", ""},
    {"a long that is not there", LONG, "", "truncated"},
    {"a long that goes on at the end", LONG, "ffff", "truncated"},
    {"a long of ten bytes with too many bits", LONG, "ffffffffffffffffff02", "garbage"},
    {"a long of eleven bytes", LONG, "8080808080808080808001", "garbage"},
    {"a long of ten bytes that says nothing", LONG, "80808080808080808000", ""},
    {"the greatest int", INT, "feffffff0f", ""},
    {"an int of 33 bits", INT, "8080808010", "garbage"},
    {"a double", "\"double\"", "0000000000000000", ""},
    {"a cut double", "\"double\"", "00000000000000", "truncated"},
    {"a cut float", "\"float\"", "000000", "truncated"},
    {"a boolean", "\"boolean\"", "01", ""},
    {"a boolean that is two", "\"boolean\"", "02", "garbage"},
    {"a boolean that is not there", "\"boolean\"", "", "truncated"},
    {"nothing for null", "\"null\"", "", ""},
    {"something for null", "\"null\"", "00", "trailing_bytes"},
    /* text and bytes */
    {"text", STRING, "06616263", ""},
    {"text with a NUL byte", STRING, "06610063", ""},
    {"text shorter than it says", STRING, "0a616263", "truncated"},
    {"text of 2 GiB", STRING, "feffffff0f61", "truncated"},
    {"text of 2^62 bytes", STRING, "808080808080808080016161", "truncated"},
    {"text of a negative length", STRING, "0161", "garbage"},
    {"text of the least length", STRING, "ffffffffffffffffff01", "garbage"},
    {"text that is not UTF-8", STRING, "0461ff", "bad_utf8"},
    {"text that ends inside a character", STRING, "04c3", "truncated"},
    {"text with a cut character", STRING, "02c3", "bad_utf8"},
    {"text with an overlong slash", STRING, "04c0af", "bad_utf8"},
    {"text with a surrogate", STRING, "06eda080", "bad_utf8"},
    {"bytes that are not UTF-8", "\"bytes\"", "04ffff", ""},
    {"bytes longer than the data", "\"bytes\"", "06ffff", "truncated"},
    {"a fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "ffff", ""},
    {"a cut fixed", "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "ff", "truncated"},
    /* enums and unions */
    {"the last symbol", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "02", ""},
    {"a symbol too many", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "04", "garbage"},
    {"a negative symbol", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}", "01", "garbage"},
    {"the second branch", "[\"null\",\"string\"]", "020261", ""},
    {"a branch too many", "[\"null\",\"string\"]", "04", "garbage"},
    {"a negative branch", "[\"null\",\"string\"]", "01", "garbage"},
    {"a branch of 2^32", "[\"null\",\"string\"]", "8080808020", "garbage"},
    /* arrays and maps */
    {"an empty array", ARRAY(LONG), "00", ""},
    {"an array in blocks of one and two", ARRAY(LONG),
        "02020404"
        "0600",
        ""},
    {"an array without its end", ARRAY(LONG), "0202", "truncated"},
    {"a count that the data cannot hold", ARRAY(LONG), "0802", "truncated"},
    {"a count of 2^62", ARRAY(LONG), "8080808080808080800102", "truncated"},
    {"a block with its size", ARRAY(LONG),
        "0304"
        "0204"
        "00",
        ""},
    {"a block with too small a size", ARRAY(LONG),
        "0302"
        "0204"
        "00",
        "garbage"},
    {"a block with too great a size", ARRAY(LONG),
        "0306"
        "0204"
        "00",
        "garbage"},
    {"a block whose size is beyond the end", ARRAY(LONG),
        "037e"
        "0204"
        "00",
        "truncated"},
    {"a block with a negative size", ARRAY(LONG),
        "0301"
        "0204"
        "00",
        "truncated"},
    {"the least count, which has no positive", ARRAY(LONG),
        "ffffffffffffffffff01"
        "00",
        "garbage"},
    {"ten items", ARRAY(LONG),
        "14"
        "00000000000000000000"
        "00",
        ""},
    {"eleven items", ARRAY(LONG),
        "16"
        "0000000000000000000000"
        "00",
        "too_large"},
    {"eleven items in two blocks", ARRAY(LONG),
        "0c"
        "000000000000"
        "0a"
        "0000000000"
        "00",
        "too_large"},
    {"items of no size, few", ARRAY("\"null\""), "1400", ""},
    {"items of no size, a billion", ARRAY("\"null\""),
        "80a8d6b907"
        "00",
        "too_large"},
    {"records of no size, a billion", ARRAY(EMPTY),
        "80a8d6b907"
        "00",
        "too_large"},
    {"records of two texts that cannot all be there",
        ARRAY(RECORD(FIELD("a", STRING) "," FIELD("b", STRING))),
        "06"
        "0000"
        "0000"
        "00",
        "truncated"},
    {"doubles that cannot all be there", ARRAY("\"double\""),
        "04"
        "00000000000000000000000000",
        "truncated"},
    {"a map", MAP(LONG),
        "02"
        "026b"
        "04"
        "00",
        ""},
    {"a map whose key is too long", MAP(LONG),
        "02"
        "7e6b"
        "04"
        "00",
        "truncated"},
    {"a map whose key is not UTF-8", MAP(LONG),
        "02"
        "02ff"
        "04"
        "00",
        "bad_utf8"},
    {"a map with a NUL byte in its key", MAP(LONG),
        "02"
        "046b00"
        "04"
        "00",
        "bad_value"},
    {"a map with an empty key", MAP(LONG),
        "02"
        "00"
        "04"
        "00",
        ""},
    {"a map of nulls that cannot all be there", MAP("\"null\""),
        "14"
        "00",
        "truncated"},
    {"more items than the limit in a map inside an array", ARRAY(MAP("\"null\"")),
        "04"
        "0a0000000000"
        "00"
        "0a0000000000"
        "00"
        "00",
        "too_large"},
    /* depth: a tree takes two levels for each node (record, union) */
    {"a tree of three", TREE, "020200", ""},
    {"a tree of four", TREE, "02020200", "too_deep"},
    {"a tree of a hundred", TREE, "0202020202020202020202020202020202020202020202020202020202020202020200",
        "too_deep"},
    /* the whole */
    {"bytes left over", RECORD(FIELD("a", LONG)), "0202", "trailing_bytes"},
    {"a record without its last field", RECORD(FIELD("a", LONG) "," FIELD("b", LONG)), "02", "truncated"},
};

static void from_hex(const char *hex, struct buf *out)
{
    buf_clear(out);
    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};
        buf_add_char(out, (char)strtol(digits, NULL, 16));
    }
}

static avro_schema_t schema_of(const char *text)
{
    avro_schema_t schema = NULL;
    if (avro_schema_from_json_length(text, strlen(text), &schema) != 0)
        fail_msg("%s: %s", text, avro_strerror());
    return schema;
}

/* The bytes lie at the end of their allocation, so that a sanitizer sees a read beyond. */
static bool check(
    avro_schema_t schema, struct bytes value, const struct guard_limits *limits, struct error *e)
{
    char *exact = malloc(value.len ? value.len : 1);
    if (value.len)
        memcpy(exact, value.data, value.len);
    bool ok = guard_check(schema, (struct bytes){exact, value.len}, limits, e);
    free(exact);
    return ok;
}

static void each_row_is_taken_or_refused_with_its_code(void **state)
{
    (void)state;
    struct buf value;
    buf_init(&value);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct error e = {.code = "", .text = ""};
        avro_schema_t schema = schema_of(row->schema);
        from_hex(row->hex, &value);
        bool ok = check(schema, buf_bytes(&value), &small, &e);
        if (ok != !row->code[0] || strcmp(e.code, row->code) != 0)
            fail_msg("%s: expected \"%s\", got \"%s\" (%s)", row->name, row->code, e.code, e.text);
        avro_schema_decref(schema);
    }
    buf_release(&value);
}

static void more_bytes_than_the_limit_are_not_looked_at(void **state)
{
    (void)state;
    struct error e;
    char many[201] = {0};
    avro_schema_t schema = schema_of(STRING);
    assert_false(check(schema, (struct bytes){many, sizeof many}, &small, &e));
    assert_string_equal(e.code, "too_large");
    avro_schema_decref(schema);
}

/* Whatever single byte is changed, the guard answers; and what it takes, avro-c can read. */
static void every_change_of_one_byte_is_survived(void **state)
{
    (void)state;
    struct buf value;
    buf_init(&value);
    from_hex("020261"
             "0402026b04"
             "00"
             "0304020400"
             "0202616202"
             "c3a400"
             "01",
        &value);
    avro_schema_t schema = schema_of(
        RECORD(FIELD("u", "[\"null\",\"string\"]") "," FIELD("l", LONG) "," FIELD("m", MAP(LONG)) "," FIELD(
            "a", ARRAY(LONG)) "," FIELD("s", ARRAY(STRING)) "," FIELD("b", "\"boolean\"")));
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);
    avro_value_t read;
    assert_int_equal(avro_generic_value_new(class, &read), 0);
    size_t taken = 0;
    for (size_t i = 0; i < value.len; i++) {
        char kept = value.data[i];
        for (int byte = 0; byte < 256; byte++) {
            struct error e;
            value.data[i] = (char)byte;
            if (!check(schema, buf_bytes(&value), &small, &e))
                continue;
            avro_reader_t reader = avro_reader_memory(value.data, (int64_t)value.len);
            assert_int_equal(avro_value_read(reader, &read), 0);
            avro_reader_free(reader);
            taken++;
        }
        value.data[i] = kept;
    }
    assert_true(taken > 0);
    avro_value_decref(&read);
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
    buf_release(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_taken_or_refused_with_its_code),
        cmocka_unit_test(more_bytes_than_the_limit_are_not_looked_at),
        cmocka_unit_test(every_change_of_one_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
