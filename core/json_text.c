/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_text: see the header. Valid runs are copied whole; only what must be escaped is looked at byte by
 * byte.
 */
#include "core/json_text.h"

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
static void add_valid(struct buf *out, struct bytes text, bool keep_nul)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        buf_add(out, text.data + from, i - from);
        from = i + 1;
        if (c == 0 && !keep_nul) {
            buf_add_text(out, REPLACEMENT);
        } else {
            add_escaped(out, c);
        }
    }
    if (text.len > from) {
        buf_add(out, text.data + from, text.len - from);
    }
}

static void add_any(struct buf *out, struct bytes text, bool keep_nul)
{
    while (text.len > 0) {
        size_t valid = bytes_utf8_valid_len(text);
        add_valid(out, bytes_slice(text, 0, valid), keep_nul);
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
    add_any(out, text, true);
    buf_add_char(out, '"');
}

void json_text_clean(struct buf *out, struct bytes text)
{
    add_any(out, text, false);
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
