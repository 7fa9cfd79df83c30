/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes: see bytes.h. The UTF-8 check has a fast path for runs of ASCII, since it runs over every text that
 * enters; the buffer grows by doubling, so that adding is amortised.
 */
#include "core/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"

struct bytes bytes_of(const char *text)
{
    return text ? (struct bytes){text, strlen(text)} : BYTES_NONE;
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of(text));
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool bytes_starts_with(struct bytes b, const char *prefix)
{
    size_t len = strlen(prefix);
    return b.len >= len && (len == 0 || memcmp(b.data, prefix, len) == 0);
}

struct bytes bytes_slice(struct bytes b, size_t from, size_t len)
{
    if (!b.data)
        return b;
    if (from > b.len)
        from = b.len;
    if (len > b.len - from)
        len = b.len - from;
    return (struct bytes){b.data + from, len};
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct bytes bytes_trim(struct bytes b)
{
    while (b.len > 0 && is_space(b.data[0])) {
        b.data++;
        b.len--;
    }
    while (b.len > 0 && is_space(b.data[b.len - 1]))
        b.len--;
    return b;
}

/* Length of the UTF-8 character at s (n bytes are left), 0 if there is none. The bounds on the second byte
 * are those of RFC 3629's grammar: they exclude overlong forms, surrogates and what lies past U+10FFFF. */
static size_t utf8_char_len(const unsigned char *s, size_t n)
{
    unsigned char first = s[0];
    unsigned char low = 0x80, high = 0xBF;
    size_t len;

    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    if (first < 0xE0) {
        len = 2;
    } else if (first < 0xF0) {
        len = 3;
        if (first == 0xE0)
            low = 0xA0;
        if (first == 0xED)
            high = 0x9F;
    } else {
        len = 4;
        if (first == 0xF0)
            low = 0x90;
        if (first == 0xF4)
            high = 0x8F;
    }
    if (n < len || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    }
    return len;
}

size_t bytes_utf8_valid_len(struct bytes b)
{
    const unsigned char *s = (const unsigned char *)b.data;
    size_t at = 0;

    while (at < b.len) {
        uint64_t word;
        if (b.len - at >= sizeof(word)) {
            memcpy(&word, s + at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        size_t len = utf8_char_len(s + at, b.len - at);
        if (len == 0)
            return at;
        at += len;
    }
    return b.len;
}

bool bytes_is_utf8(struct bytes b)
{
    return bytes_utf8_valid_len(b) == b.len;
}

size_t bytes_characters(struct bytes b)
{
    size_t count = 0;
    for (size_t i = 0; i < b.len; i++)
        count += ((unsigned char)b.data[i] & 0xC0) != 0x80;
    return count;
}

bool bytes_has_control(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if ((unsigned char)b.data[i] < 0x20 || b.data[i] == 0x7F)
            return true;
    return false;
}

struct bytes bytes_cut(struct bytes b, size_t max_bytes)
{
    struct bytes cut = bytes_slice(b, 0, max_bytes);
    cut.len = bytes_utf8_valid_len(cut);
    return cut;
}

struct bytes bytes_head(struct bytes b, size_t max_bytes)
{
    if (b.len <= max_bytes)
        return b;
    while (max_bytes > 0 && ((unsigned char)b.data[max_bytes] & 0xC0) == 0x80)
        max_bytes--;
    return bytes_slice(b, 0, max_bytes);
}

int bytes_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool bytes_parse_int64(struct bytes b, int64_t *out)
{
    bool negative = b.len > 0 && b.data[0] == '-';
    size_t at = negative ? 1 : 0;
    int64_t value = 0;

    if (at == b.len)
        return false;
    for (; at < b.len; at++) {
        if (b.data[at] < '0' || b.data[at] > '9')
            return false;
        /* Counted downwards: INT64_MIN has no positive twin. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, b.data[at] - '0', &value))
            return false;
    }
    if (!negative) {
        if (value == INT64_MIN)
            return false;
        value = -value;
    }
    *out = value;
    return true;
}

char *bytes_dup(struct bytes b)
{
    char *copy = malloc(b.len + 1);

    if (copy == NULL)
        log_fatal("out_of_memory", "bytes=%zu", b.len + 1);
    if (b.len > 0)
        memcpy(copy, b.data, b.len);
    copy[b.len] = '\0';
    return copy;
}

uint64_t bytes_hash(struct bytes b)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < b.len; i++) {
        hash ^= (unsigned char)b.data[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

void buf_init(struct buf *b)
{
    *b = (struct buf){NULL, 0, 0};
}

void buf_release(struct buf *b)
{
    free(b->data);
    buf_init(b);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}

void buf_reserve(struct buf *b, size_t more)
{
    if (more <= b->cap - b->len)
        return;
    if (more > SIZE_MAX / 2 - b->len)
        log_fatal("out_of_memory", "bytes=%zu", more);
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->len + more)
        cap *= 2;
    char *data = realloc(b->data, cap);
    if (!data)
        log_fatal("out_of_memory", "bytes=%zu", cap);
    b->data = data;
    b->cap = cap;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    buf_reserve(b, len);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void buf_add_bytes(struct buf *b, struct bytes bytes)
{
    buf_add(b, bytes.data, bytes.len);
}

void buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    for (;;) {
        size_t room = b->cap - b->len;
        va_list args;
        va_start(args, format);
        int len = vsnprintf(room ? b->data + b->len : NULL, room, format, args);
        va_end(args);
        MUST(len >= 0);
        if ((size_t)len < room) {
            b->len += (size_t)len;
            return;
        }
        buf_reserve(b, (size_t)len + 1); /* vsnprintf also writes a NUL, which is not counted */
    }
}

void buf_consume(struct buf *b, size_t len)
{
    if (len == 0)
        return;
    MUST(len <= b->len);
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
}

struct bytes buf_bytes(const struct buf *b)
{
    return (struct bytes){b->data ? b->data : "", b->len};
}
