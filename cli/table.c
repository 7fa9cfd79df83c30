/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table: see table.h.
 */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "core/error.h"

struct cell {
    struct buf text;
    size_t width;
};

struct table {
    size_t columns, count, cap;
    struct cell *cells;
    bool *right;
};

struct table *table_new(size_t columns, const char *const *heads)
{
    struct table *t = calloc(1, sizeof *t);
    MUST(t != NULL && columns > 0);
    t->columns = columns;
    t->right = calloc(columns, sizeof *t->right);
    MUST(t->right != NULL);
    for (size_t i = 0; heads && i < columns; i++)
        table_add_text(t, heads[i]);
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        buf_release(&t->cells[i].text);
    free(t->cells);
    free(t->right);
    free(t);
}

void table_right(struct table *t, size_t column)
{
    t->right[column] = true;
}

/* One character of valid UTF-8. */
static size_t decode(struct bytes b, unsigned *out)
{
    static const unsigned char lead[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    unsigned char first = (unsigned char)b.data[0];
    size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    *out = first & lead[len];
    for (size_t i = 1; i < len; i++)
        *out = *out << 6 | ((unsigned char)b.data[i] & 0x3F);
    return len;
}

static void add_character(struct cell *cell, struct bytes character, unsigned code)
{
    int width = wcwidth((wchar_t)code);
    if (code == '\n' || code == '\t' || code == '\r') {
        buf_add_text(&cell->text, code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r");
        cell->width += 2;
    } else if (code < 0x20 || (code >= 0x7F && code < 0xA0) || width < 0) {
        size_t before = cell->text.len;
        buf_printf(&cell->text, "\\u%04x", code);
        cell->width += cell->text.len - before;
    } else {
        buf_add_bytes(&cell->text, character);
        cell->width += (size_t)width;
    }
}

static void fill(struct cell *cell, struct bytes text)
{
    while (text.len > 0) {
        unsigned code = 0xFFFD;
        size_t len = 1;
        if (bytes_utf8_valid_len(bytes_slice(text, 0, 4)) > 0)
            len = decode(text, &code);
        add_character(cell, code == 0xFFFD ? BYTES("\xEF\xBF\xBD") : bytes_slice(text, 0, len), code);
        text = bytes_slice(text, len, text.len);
    }
}

void table_add(struct table *t, struct bytes text)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        struct cell *more = realloc(t->cells, t->cap * sizeof *more);
        MUST(more != NULL);
        t->cells = more;
    }
    struct cell *cell = &t->cells[t->count++];
    *cell = (struct cell){.width = 0};
    buf_init(&cell->text);
    fill(cell, text);
}

void table_add_text(struct table *t, const char *cell)
{
    table_add(t, bytes_of(cell ? cell : ""));
}

void table_add_json(struct table *t, const json_t *value)
{
    if (!value || json_is_string(value)) {
        table_add(t, value ? (struct bytes){json_string_value(value), json_string_length(value)} : BYTES(""));
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    table_add_text(t, text);
    free(text);
}

/* Nothing follows the last cell with text: no blanks at the ends of lines. */
static void print_row(const struct table *t, const struct cell *cells, const size_t *widths)
{
    size_t count = t->columns;
    while (count > 0 && cells[count - 1].width == 0)
        count--;
    for (size_t i = 0; i < count; i++) {
        size_t pad = widths[i] - cells[i].width;
        if (t->right[i])
            printf("%*s", (int)pad, "");
        (void)fwrite(cells[i].text.data ? cells[i].text.data : "", 1, cells[i].text.len, stdout);
        if (i + 1 < count)
            printf("%*s", (int)(t->right[i] ? 2 : pad + 2), "");
    }
    (void)putchar('\n');
}

void table_print(const struct table *t)
{
    size_t *widths = calloc(t->columns, sizeof *widths);
    MUST(widths != NULL);
    for (size_t i = 0; i < t->count; i++)
        if (t->cells[i].width > widths[i % t->columns])
            widths[i % t->columns] = t->cells[i].width;
    for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
        print_row(t, &t->cells[i], widths);
    free(widths);
}

struct bytes time_shown(const char *text, char out[32])
{
    if (strlen(text) < 19 || text[10] != 'T')
        return bytes_of(text);
    memcpy(out, text, 19);
    out[10] = ' ';
    out[19] = 'Z';
    out[20] = '\0';
    return bytes_of(out);
}

void print_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (text)
        puts(text);
    free(text);
}
