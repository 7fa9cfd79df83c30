/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result_file: see the header.
 */
#include "core/result_file.h"

const char *const result_type_names[RESULT_TYPES] = {
    [RESULT_LONG] = "long",
    [RESULT_DOUBLE] = "double",
    [RESULT_BOOLEAN] = "boolean",
    [RESULT_STRING] = "string",
    [RESULT_BYTES] = "bytes",
};

enum result_type result_type_of(struct bytes name)
{
    for (int i = 0; i < RESULT_TYPES; i++) {
        if (bytes_equal_text(name, result_type_names[i])) {
            return (enum result_type)i;
        }
    }
    return RESULT_STRING;
}

void result_put_long(struct buf *out, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    while (z >= 0x80) {
        buf_add_char(out, (char)((z & 0x7f) | 0x80));
        z >>= 7;
    }
    buf_add_char(out, (char)z);
}

bool result_take_long(struct bytes *in, int64_t *out)
{
    uint64_t z = 0;
    for (unsigned i = 0; i < 10 && i < in->len; i++) {
        uint64_t b = (unsigned char)in->data[i];
        if (i == 9 && b > 1) {
            return false;
        }
        z |= (b & 0x7f) << (7 * i);
        if ((b & 0x80) == 0) {
            *out = (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
            in->data += i + 1;
            in->len -= i + 1;
            return true;
        }
    }
    return false;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void result_put_base64(struct buf *out, struct bytes raw)
{
    for (size_t i = 0; i < raw.len; i += 3) {
        uint32_t v = 0;
        size_t have = raw.len - i < 3 ? raw.len - i : 3;
        for (size_t k = 0; k < 3; k++) {
            v = (v << 8) | (k < have ? (unsigned char)raw.data[i + k] : 0);
        }
        for (size_t k = 0; k < 4; k++) {
            buf_add_char(out, k <= have ? alphabet[(v >> (18 - 6 * k)) & 63] : '=');
        }
    }
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool result_take_base64(struct bytes text, struct buf *out)
{
    if (text.len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t v = 0;
        size_t have = 4;
        if (i + 4 == text.len && text.data[i + 3] == '=') {
            have = text.data[i + 2] == '=' ? 2 : 3;
        }
        for (size_t k = 0; k < 4; k++) {
            int d = k < have ? digit(text.data[i + k]) : 0;
            if (d < 0) {
                return false;
            }
            v = (v << 6) | (uint32_t)d;
        }
        for (size_t k = 0; k + 1 < have; k++) {
            buf_add_char(out, (char)((v >> (16 - 8 * k)) & 255));
        }
    }
    return true;
}
