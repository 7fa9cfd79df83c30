/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uuid: job ids (RFC 9562). Version 7 for new jobs (ids sort by time), version 5 (SHA-1 of a namespace and a name)
 * where a repeat must get the same id.
 */
#ifndef MILLRACE_CORE_UUID_H
#define MILLRACE_CORE_UUID_H

#include "core/bytes.h"

#define UUID_TEXT_LEN 36

struct uuid {
    uint8_t bytes[16];
};

void uuid_v7(struct uuid *out, int64_t utc_ms); /* the rest is random (getrandom) */
/* Namespace: Millrace's own fixed UUID (in uuid.c). */
void uuid_v5(struct uuid *out, struct bytes name);
void uuid_format(const struct uuid *u, char out[UUID_TEXT_LEN + 1]); /* lower case, with dashes */
/* Exactly 36 characters, any case of hex digits. */
bool uuid_parse(struct bytes text, struct uuid *out);

#endif
