/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text: writes JSON strings and JSON lines straight into a buffer, for the engine protocol, where a tree
 * of values for each line would cost more than the line. Never fails: what is not UTF-8 becomes U+FFFD.
 */
#ifndef MILLRACE_CORE_JSON_TEXT_H
#define MILLRACE_CORE_JSON_TEXT_H

#include "core/bytes.h"

/* "text" with the quotes. Control characters are escaped; bytes that are not UTF-8 become U+FFFD. */
void json_text(struct buf *out, struct bytes text);
/* Plain text that may go into any string field: bytes that are not UTF-8, and NUL bytes (legal JSON, but no legal log
 * text), become U+FFFD. Nothing is escaped. */
void json_text_clean(struct buf *out, struct bytes text);
/* `,"name":"text"`; BYTES_NONE is written as null. */
void json_text_field(struct buf *out, const char *name, struct bytes text);

#endif
