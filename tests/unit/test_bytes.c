/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes and error: comparisons, numbers, UTF-8 at its borders, the growable buffer, and texts that are cut
 * where a character ends.
 */
/* LIBS: base */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/error.h"

static void equality_looks_at_length_and_bytes(void **state)
{
    (void)state;
    assert_true(bytes_equal(BYTES("ab"), BYTES("ab")));
    assert_false(bytes_equal(BYTES("ab"), BYTES("abc")));
    assert_false(bytes_equal(BYTES("a\0b"), BYTES("a\0c")));
    assert_true(bytes_equal(BYTES_NONE, BYTES("")));
    assert_true(bytes_equal_text(BYTES("x"), "x"));
    assert_null(bytes_of(NULL).data);
}

static void order_is_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(bytes_compare(BYTES("a"), BYTES("b")) < 0);
    assert_true(bytes_compare(BYTES("a"), BYTES("aa")) < 0);
    assert_true(bytes_compare(BYTES("\xff"), BYTES("a")) > 0);
    assert_int_equal(bytes_compare(BYTES("a"), BYTES("a")), 0);
    assert_true(bytes_compare(BYTES_NONE, BYTES("a")) < 0);
}

static void slices_stay_inside(void **state)
{
    (void)state;
    struct bytes b = BYTES("hello");
    assert_true(bytes_equal_text(bytes_slice(b, 1, 3), "ell"));
    assert_true(bytes_equal_text(bytes_slice(b, 3, 99), "lo"));
    assert_int_equal(bytes_slice(b, 99, 1).len, 0);
    assert_int_equal(bytes_slice(b, 1, SIZE_MAX).len, 4);
    assert_null(bytes_slice(BYTES_NONE, 3, 4).data);
    assert_true(bytes_equal_text(bytes_trim(BYTES(" \t\r\n a b \n")), "a b"));
    assert_int_equal(bytes_trim(BYTES("   ")).len, 0);
    assert_true(bytes_starts_with(b, "he"));
    assert_false(bytes_starts_with(BYTES("h"), "he"));
}

static void numbers_are_taken_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42", true, 42},
        {"-42", true, -42},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x10", false, 0},
        {"1.5", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 7;
        bool ok = bytes_parse_int64(bytes_of(cases[i].text), &value);
        if (ok != cases[i].ok || value != (ok ? cases[i].value : 7))
            fail_msg("\"%s\": ok=%d value=%lld", cases[i].text, ok, (long long)value);
    }
    int64_t value;
    assert_false(bytes_parse_int64(BYTES("1\0"), &value));
}

static void utf8_is_checked_as_rfc_3629_has_it(void **state)
{
    static const struct {
        const char *text;
        size_t valid;
    } cases[] = {
        {"plain ascii, more than eight bytes", 34},
        {"\xC3\xA4", 2},
        {"\xE2\x82\xAC", 3},
        {"\xF0\x9F\x98\x80", 4},
        {"\xF4\x8F\xBF\xBF", 4}, /* U+10FFFF */
        {"a\xC0\x80", 1},        /* overlong NUL */
        {"a\xC1\xBF", 1},        /* overlong */
        {"\xE0\x9F\xBF", 0},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 0}, /* overlong */
        {"\xED\xA0\x80", 0},     /* surrogate */
        {"\xED\x9F\xBF", 3},     /* the last before them */
        {"\xEE\x80\x80", 3},     /* the first behind them */
        {"\xF4\x90\x80\x80", 0}, /* past U+10FFFF */
        {"\xF5\x80\x80\x80", 0}, /* no such first byte */
        {"ok\x80", 2},           /* continuation alone */
        {"ok\xC3", 2},           /* cut */
        {"ok\xE2\x82", 2},       /* cut */
        {"ok\xE2\x28\xA1", 2},   /* bad second */
        {"12345678\xFF"
         "12345678",
            8},
        {"1234567\xC3\xA4"
         "2345678901234567\xFE",
            25},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t valid = bytes_utf8_valid_len(bytes_of(cases[i].text));
        if (valid != cases[i].valid)
            fail_msg("case %zu: %zu bytes are valid, expected %zu", i, valid, cases[i].valid);
    }
    assert_true(bytes_is_utf8(BYTES("a\0b")));
    assert_true(bytes_is_utf8(BYTES_NONE));
}

static void texts_are_counted_and_cut_by_characters(void **state)
{
    static const struct {
        const char *text;
        size_t characters, max, cut;
        bool control;
    } cases[] = {
        {"", 0, 5, 0, false},
        {"abc", 3, 2, 2, false},
        {"abc", 3, 9, 3, false},
        {"a\xc3\xa9z", 3, 2, 1, false}, /* e with an acute accent: two bytes */
        {"a\xc3\xa9z", 3, 3, 3, false},
        {"\xf0\x9f\x98\x80", 1, 3, 0, false}, /* one character of four bytes */
        {"a\tb", 3, 9, 3, true},
        {"a\x7f", 2, 9, 2, true},
        {" ~", 2, 9, 2, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes text = bytes_of(cases[i].text);
        assert_int_equal(bytes_characters(text), cases[i].characters);
        assert_int_equal(bytes_cut(text, cases[i].max).len, cases[i].cut);
        assert_int_equal(bytes_head(text, cases[i].max).len, cases[i].cut);
        assert_int_equal(bytes_has_control(text), cases[i].control);
    }
}

static void hashes_are_fnv_1a(void **state)
{
    (void)state;
    assert_true(bytes_hash(BYTES("")) == UINT64_C(0xcbf29ce484222325));
    assert_true(bytes_hash(BYTES("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(bytes_hash(BYTES("foobar")) == UINT64_C(0x85944171f73967e8));
}

static void buffers_grow_and_keep_what_they_have(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(buf_bytes(&b).len, 0);
    assert_non_null(buf_bytes(&b).data);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_int_equal(b.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_memory_equal(b.data, "0,1,2,", 6);
    assert_memory_equal(b.data + b.len - 4, "999,", 4);
    buf_consume(&b, 4);
    assert_memory_equal(b.data, "2,3,", 4);
    buf_consume(&b, b.len);
    assert_int_equal(b.len, 0);
    buf_add_text(&b, "x");
    buf_add_char(&b, '\0');
    buf_add_bytes(&b, BYTES_NONE);
    buf_add_bytes(&b, BYTES("yz"));
    buf_add(&b, NULL, 0);
    assert_true(bytes_equal(buf_bytes(&b), BYTES("x\0yz")));
    size_t cap = b.cap;
    buf_clear(&b);
    assert_int_equal(b.cap, cap);
    buf_printf(&b, "%s", "");
    assert_int_equal(b.len, 0);
    buf_release(&b);
    assert_null(b.data);
}

static void error_texts_are_cut_between_characters(void **state)
{
    char text[ERROR_TEXT_MAX + 10];
    struct error e;

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t at = shift; at + 4 < sizeof(text); at += 4)
            snprintf(text + at, 5, "%s", "\xF0\x9F\x98\x80");
        assert_false(error_set(&e, "code", "%s", text));
        assert_true(bytes_is_utf8(bytes_of(e.text)));
        assert_in_range(strlen(e.text), ERROR_TEXT_MAX - 4, ERROR_TEXT_MAX - 1);
    }
}

static void wrapping_puts_the_context_before_and_keeps_the_code(void **state)
{
    struct error e;

    (void)state;
    error_clear(&e);
    assert_true(error_is(&e, ""));
    error_set(&e, "too_large", "%d bytes", 7);
    assert_false(error_wrap(&e, "job %s", "a"));
    assert_string_equal(e.text, "job a: 7 bytes");
    assert_true(error_is(&e, "too_large"));
    error_set(&e, e.code, "again: %s", e.text); /* its own texts as arguments */
    assert_string_equal(e.text, "again: job a: 7 bytes");
    assert_string_equal(e.code, "too_large");
    for (int i = 0; i < 2000; i++)
        error_wrap(&e, "%d", i);
    assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_looks_at_length_and_bytes),
        cmocka_unit_test(order_is_by_bytes_then_length),
        cmocka_unit_test(slices_stay_inside),
        cmocka_unit_test(numbers_are_taken_whole_or_not_at_all),
        cmocka_unit_test(utf8_is_checked_as_rfc_3629_has_it),
        cmocka_unit_test(texts_are_counted_and_cut_by_characters),
        cmocka_unit_test(hashes_are_fnv_1a),
        cmocka_unit_test(buffers_grow_and_keep_what_they_have),
        cmocka_unit_test(error_texts_are_cut_between_characters),
        cmocka_unit_test(wrapping_puts_the_context_before_and_keeps_the_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
