/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor: see cursor.h. 48 hex digits: the time, big-endian, and the id.
 */
#include "ingest/cursor.h"

#include <string.h>

#define CURSOR_BYTES 24

struct bytes cursor_format(const struct cursor *c, struct arena *a)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[CURSOR_BYTES];
    char *text = arena_alloc(a, CURSOR_BYTES * 2 + 1);
    for (int i = 0; i < 8; i++)
        raw[i] = (unsigned char)((uint64_t)c->accepted >> (56 - 8 * i));
    memcpy(raw + 8, c->id.bytes, sizeof c->id.bytes);
    for (size_t i = 0; i < CURSOR_BYTES; i++) {
        text[2 * i] = digits[raw[i] >> 4];
        text[2 * i + 1] = digits[raw[i] & 15];
    }
    return (struct bytes){text, CURSOR_BYTES * 2};
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cursor_parse(struct bytes text, struct cursor *out)
{
    unsigned char raw[CURSOR_BYTES];
    uint64_t accepted = 0;
    if (text.len != sizeof raw * 2)
        return false;
    for (size_t i = 0; i < sizeof raw; i++) {
        int high = digit(text.data[2 * i]), low = digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        raw[i] = (unsigned char)(high * 16 + low);
    }
    for (int i = 0; i < 8; i++)
        accepted = accepted << 8 | raw[i];
    out->accepted = (int64_t)accepted;
    memcpy(out->id.bytes, raw + 8, sizeof out->id.bytes);
    return true;
}
