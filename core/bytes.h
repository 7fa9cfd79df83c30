/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes: a borrowed run of bytes, and a growable buffer.
 *
 * Everything that comes from Kafka, HTTP, MongoDB or an engine is a `struct bytes`: passed by value, borrowed
 * for the call, never NUL-terminated by contract. `data == NULL` is "no value" (Avro null), `len == 0` with
 * data is an empty value. `struct buf` owns its memory; running out of memory ends the process (a broken
 * world, see error.h).
 */
#ifndef MILLRACE_CORE_BYTES_H
#define MILLRACE_CORE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const char *data;
    size_t len;
};

#define BYTES_NONE ((struct bytes){NULL, 0})
/* A string literal as bytes. */
#define BYTES(literal) ((struct bytes){"" literal, sizeof(literal) - 1})

/* For printf: "%.*s", BYTES_ARG(b). */
#define BYTES_ARG(b) (int)(b).len, ((b).data ? (b).data : "")

struct bytes bytes_of(const char *text); /* NULL gives BYTES_NONE */
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_text(struct bytes a, const char *text);
int bytes_compare(struct bytes a, struct bytes b); /* like memcmp, the shorter first */
bool bytes_starts_with(struct bytes b, const char *prefix);
struct bytes bytes_slice(struct bytes b, size_t from, size_t len); /* clamped to b */
struct bytes bytes_trim(struct bytes b); /* without ASCII white space at both ends */
/* Index of the first byte that breaks UTF-8 (RFC 3629: no overlong forms, no surrogates), or b.len. */
size_t bytes_utf8_valid_len(struct bytes b);
bool bytes_is_utf8(struct bytes b);
size_t bytes_characters(struct bytes b);                  /* of UTF-8 text */
bool bytes_has_control(struct bytes b);                   /* a byte below 0x20, or DEL */
struct bytes bytes_cut(struct bytes b, size_t max_bytes); /* the beginning, up to a whole character */
/* The same of text that is known to be UTF-8: it looks at nothing but the bytes around the cut. */
struct bytes bytes_head(struct bytes b, size_t max_bytes);
bool bytes_parse_int64(struct bytes b, int64_t *out); /* decimal, whole of b */
int bytes_hex_value(char c);                          /* of a digit, in any case; -1: it is none */

/* malloc'ed copy, followed by a NUL byte (bytes are not C strings, so strndup is not for them). */
char *bytes_dup(struct bytes b);

/* FNV-1a, 64 bit: for hash maps, not against attackers. */
uint64_t bytes_hash(struct bytes b);

struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_init(struct buf *b);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_bytes(struct buf *b, struct bytes bytes);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_consume(struct buf *b, size_t len); /* drops the first len bytes */
struct bytes buf_bytes(const struct buf *b); /* borrowed until the next change of b */

#endif
