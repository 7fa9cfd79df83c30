/* SPDX-License-Identifier: Apache-2.0 */
/* log_piece: see the header. */
#include "ingest/log_piece.h"

#include <string.h>

#define CHARACTER_MOST 4 /* bytes of one in UTF-8 */

void log_piece_init(struct log_piece *p, int64_t offset, int64_t limit, struct bytes node, bool names)
{
    *p = (struct log_piece){.offset = offset, .next = offset, .limit = limit, .node = node, .names = names};
    buf_init(&p->text);
    buf_init(&p->of);
}

void log_piece_restart(struct log_piece *p)
{
    p->next = p->offset;
    p->full = p->open = false;
    buf_clear(&p->text);
    buf_clear(&p->of);
}

void log_piece_release(struct log_piece *p)
{
    buf_release(&p->text);
    buf_release(&p->of);
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* What was last seen of the node's text. */
static void note(struct log_piece *p, struct bytes node, struct bytes text)
{
    p->open = text.len > 0 && text.data[text.len - 1] != '\n';
    buf_clear(&p->of);
    buf_add_bytes(&p->of, node);
}

static void add(struct log_piece *p, struct bytes node, struct bytes text)
{
    buf_add_bytes(&p->text, text);
    p->next += (int64_t)text.len;
    note(p, node, text);
}

static size_t room(const struct log_piece *p)
{
    size_t limit = (size_t)p->limit;
    return p->text.len < limit ? limit - p->text.len : 0;
}

static void add_text(struct log_piece *p, struct bytes node, struct bytes text)
{
    struct bytes fits = bytes_head(text, room(p));
    p->full = fits.len < text.len;
    if (fits.len > 0)
        add(p, node, fits);
}

/* What stands before the line: nothing if it goes on; the end of another node's that was not ended; the name. */
static void add_head(struct log_piece *p, struct bytes node, bool goes_on)
{
    if (p->open && !goes_on)
        buf_add_char(&p->text, '\n');
    if (node.len > 0 && !goes_on) {
        buf_add_bytes(&p->text, node);
        buf_add_text(&p->text, " | ");
    }
}

/* A line that does not fit waits for the next piece, unless it is the first of this one or its head was there. */
static void add_line(struct log_piece *p, struct bytes node, struct bytes line)
{
    bool goes_on = p->open && bytes_equal(buf_bytes(&p->of), node), first = p->text.len == 0;
    size_t before = p->text.len;
    add_head(p, node, goes_on);
    struct bytes fits = bytes_head(line, first && room(p) < CHARACTER_MOST ? CHARACTER_MOST : room(p));
    p->full = fits.len < line.len;
    if (fits.len == 0 || (p->full && !first && !goes_on))
        p->text.len = before;
    else
        add(p, node, fits);
}

static void add_lines(struct log_piece *p, struct bytes node, struct bytes text)
{
    while (text.len > 0 && !p->full) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) + 1 : text.len;
        add_line(p, node, bytes_slice(text, 0, len));
        text = bytes_slice(text, len, text.len);
    }
}

/* The piece begins within this chunk, perhaps within a character: then behind it. */
static struct bytes begin_within(struct log_piece *p, struct bytes node, struct bytes text, size_t skip)
{
    size_t from = skip;
    while (from < text.len && from < skip + CHARACTER_MOST - 1 && continues(text.data[from]))
        from++;
    note(p, node, bytes_slice(text, 0, from));
    if (p->next == p->offset)
        p->offset += (int64_t)(from - skip);
    p->next += (int64_t)(from - skip);
    return bytes_slice(text, from, text.len);
}

bool log_piece_add(struct log_piece *p, int64_t chunk_offset, struct bytes node, struct bytes text)
{
    int64_t skip = p->next - chunk_offset;
    bool wanted = !p->node.data || bytes_equal(p->node, node);
    if (p->full || skip < 0)
        return false;
    if (skip >= (int64_t)text.len) {
        if (wanted && text.len > 0)
            note(p, node, text);
        return true;
    }
    if (skip > 0 && wanted)
        text = begin_within(p, node, text, (size_t)skip);
    if (!wanted)
        p->next = chunk_offset + (int64_t)text.len;
    else if (p->names)
        add_lines(p, node, text);
    else
        add_text(p, node, text);
    p->full = p->full || p->next - p->offset >= LOG_PIECE_READ;
    return !p->full;
}
