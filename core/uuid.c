/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uuid: see uuid.h. The namespace of version 5 is part of what is promised to users (a repeated submission
 * gets the same id, also from another program): it never changes.
 */
#include "core/uuid.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>

#include "core/log.h"

/* 7a1c8b3e-52d4-4f6b-9d0e-6d696c6c7261: "millra" in the last six bytes. */
static const unsigned char uuid_namespace[16] = {
    0x7a, 0x1c, 0x8b, 0x3e, 0x52, 0xd4, 0x4f, 0x6b, 0x9d, 0x0e, 'm', 'i', 'l', 'l', 'r', 'a'};

static void set_version(struct uuid *u, unsigned version)
{
    u->bytes[6] = (uint8_t)((u->bytes[6] & 0x0F) | (version << 4));
    u->bytes[8] = (uint8_t)((u->bytes[8] & 0x3F) | 0x80);
}

void uuid_v7(struct uuid *out, int64_t utc_ms)
{
    size_t got = 6;
    for (size_t i = 0; i < 6; i++)
        out->bytes[i] = (uint8_t)((uint64_t)utc_ms >> (40 - 8 * i));
    while (got < sizeof(out->bytes)) {
        ssize_t n = getrandom(out->bytes + got, sizeof(out->bytes) - got, 0);
        if (n < 0 && errno != EINTR)
            log_fatal("no_random_numbers", "reason=%s", log_quote(bytes_of(strerror(errno))));
        got += n > 0 ? (size_t)n : 0;
    }
    set_version(out, 7);
}

void uuid_v5(struct uuid *out, struct bytes name)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    unsigned char small[512];
    struct buf large;

    buf_init(&large);
    const unsigned char *input = small;
    if (sizeof(uuid_namespace) + name.len <= sizeof(small)) {
        memcpy(small, uuid_namespace, sizeof(uuid_namespace));
        if (name.len > 0)
            memcpy(small + sizeof(uuid_namespace), name.data, name.len);
    } else {
        buf_add(&large, uuid_namespace, sizeof(uuid_namespace));
        buf_add_bytes(&large, name);
        input = (const unsigned char *)large.data;
    }
    SHA1(input, sizeof(uuid_namespace) + name.len, digest);
    buf_release(&large);
    memcpy(out->bytes, digest, sizeof(out->bytes));
    set_version(out, 5);
}

void uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < sizeof(u->bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digits[u->bytes[i] >> 4];
        out[at++] = digits[u->bytes[i] & 0x0F];
    }
    out[at] = '\0';
}

bool uuid_parse(struct bytes text, struct uuid *out)
{
    struct uuid parsed;
    size_t at = 0;

    if (text.len != UUID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < sizeof(parsed.bytes); i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.data[at++] != '-')
            return false;
        int high = bytes_hex_value(text.data[at]);
        int low = bytes_hex_value(text.data[at + 1]);
        if (high < 0 || low < 0)
            return false;
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *out = parsed;
    return true;
}
