/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finding: see finding.h.
 */
#include "converter/finding.h"

#include <string.h>

enum { SHOWN_MAX = 60 };

void finding_place(struct bytes code, size_t offset, int64_t *line, int64_t *column)
{
    size_t line_start = 0;

    *line = 1;
    if (offset > code.len)
        offset = code.len;
    while (line_start < offset) {
        const char *found = memchr(code.data + line_start, '\n', offset - line_start);
        if (found == NULL)
            break;
        line_start = (size_t)(found - code.data) + 1;
        (*line)++;
    }
    *column = (int64_t)bytes_characters(bytes_slice(code, line_start, offset - line_start)) + 1;
}

void finding_add(struct findings *f, struct arena *a, struct bytes code, size_t offset, size_t length,
    struct bytes rule, const char *why)
{
    if (f->count == FINDINGS_MAX) {
        f->more = true;
        return;
    }
    struct finding *item = &f->items[f->count++];
    struct bytes shown = bytes_cut(bytes_slice(code, offset, length), SHOWN_MAX);
    *item = (struct finding){.offset = offset, .length = length, .rule = rule};
    finding_place(code, offset, &item->line, &item->column);
    item->message = arena_printf(a, "%.*s%s: %s", BYTES_ARG(shown), shown.len < length ? "..." : "", why);
}
