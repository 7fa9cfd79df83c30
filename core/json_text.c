/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text: see the header. Valid runs are copied whole; only what must be escaped is looked at byte by
 * byte.
 */
#include "core/json_text.h"

#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

static void add_escaped(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add(out, "\\\"", 2);
        return;
    case '\\':
        buf_add(out, "\\\\", 2);
        return;
    case '\n':
        buf_add(out, "\\n", 2);
        return;
    case '\r':
        buf_add(out, "\\r", 2);
        return;
    case '\t':
        buf_add(out, "\\t", 2);
        return;
    default:
        buf_printf(out, "\\u%04x", c);
    }
}

/* `text` is valid UTF-8. */
typedef void add_valid(struct buf *out, struct bytes text);

static void add_json(struct buf *out, struct bytes text)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        buf_add(out, text.data + from, i - from);
        from = i + 1;
        add_escaped(out, c);
    }
    if (text.len > from) {
        buf_add(out, text.data + from, text.len - from);
    }
}

static void add_without_nul(struct buf *out, struct bytes text)
{
    const char *nul;
    while (text.len > 0 && (nul = memchr(text.data, '\0', text.len)) != NULL) {
        size_t len = (size_t)(nul - text.data);
        buf_add_bytes(out, bytes_slice(text, 0, len));
        buf_add_text(out, REPLACEMENT);
        text = bytes_slice(text, len + 1, text.len - len - 1);
    }
    buf_add_bytes(out, text);
}

static void add_any(struct buf *out, struct bytes text, add_valid *add)
{
    while (text.len > 0) {
        size_t valid = bytes_utf8_valid_len(text);
        add(out, bytes_slice(text, 0, valid));
        if (valid == text.len) {
            return;
        }
        buf_add_text(out, REPLACEMENT);
        text = bytes_slice(text, valid + 1, text.len - valid - 1);
    }
}

void json_text(struct buf *out, struct bytes text)
{
    buf_add_char(out, '"');
    add_any(out, text, add_json);
    buf_add_char(out, '"');
}

void json_text_clean(struct buf *out, struct bytes text)
{
    add_any(out, text, add_without_nul);
}

void json_text_field(struct buf *out, const char *name, struct bytes text)
{
    buf_add(out, ",\"", 2);
    buf_add_text(out, name);
    buf_add(out, "\":", 2);
    if (text.data == NULL) {
        buf_add_text(out, "null");
    } else {
        json_text(out, text);
    }
}
