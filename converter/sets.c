/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sets: see sets.h.
 */
#include "converter/sets.h"

#include <string.h>

#include "core/job.h"

const struct set_style set_styles[] = {
    {"SQL", {"--"}, NULL, false, false,
        {"sql", "hql", "jdbc", "hive", "psql", "fql", "tsql", "nebula", "ngql", "aisql", "starrocks"}},
    {"Python", {"#"}, NULL, false, false, {"python", "python3", "py", "pyspark", "py3"}},
    {"shell", {"#"}, NULL, false, true, {"shell", "sh", "bash"}},
    {"Scala", {"//"}, NULL, false, true, {"scala"}},
    {"Java", {"//", "!!"}, "!!", false, false, {"java"}},
    {"JSON", {NULL}, NULL, true, false, {"json", "data_calc"}},
    {.name = NULL},
};

const struct set_style *set_style_of(struct bytes code_type)
{
    const struct set_style *l = set_styles;

    for (; l->name != NULL; l++)
        for (const char *const *type = l->code_types; *type != NULL; type++)
            if (bytes_equal_text(code_type, *type))
                return l;
    return l;
}

static struct bytes without(struct bytes text, size_t count)
{
    return bytes_trim(bytes_slice(text, count, text.len));
}

/* What follows "--@set " in a line that begins so; none: another line. */
static struct bytes content_of(struct bytes line, const struct set_style *style)
{
    static const char mark[] = "@set";

    for (const char *const *comment = style->comments; *comment != NULL; comment++) {
        if (!bytes_starts_with(line, *comment))
            continue;
        struct bytes rest = bytes_slice(line, strlen(*comment), line.len);
        if (!bytes_starts_with(rest, mark))
            continue;
        rest = bytes_slice(rest, sizeof(mark) - 1, rest.len);
        if (rest.len == 0 || rest.data[0] == ' ' || rest.data[0] == '\t')
            return (struct bytes){rest.data, rest.len};
    }
    return BYTES_NONE;
}

/* NULL: read; else what is wrong with it. */
static const char *read_content(struct bytes content, struct set_line *out)
{
    content = bytes_trim(content);
    while (content.len > 0 && content.data[content.len - 1] == ';')
        content = bytes_trim(bytes_slice(content, 0, content.len - 1));
    const char *equals = content.len > 0 ? memchr(content.data, '=', content.len) : NULL;
    if (equals == NULL)
        return "expected name = value after @set";
    size_t at = (size_t)(equals - content.data);
    out->name = bytes_trim(bytes_slice(content, 0, at));
    out->value = without(content, at + 1);
    if (out->value.data == NULL)
        out->value = BYTES("");
    if (out->name.len == 0)
        return "there is no name before =";
    if (!job_variable_name_is_valid(out->name))
        return "a name is a letter or _, then letters, digits, _ . -, up to 128 in all";
    return NULL;
}

static size_t end_of_line(struct bytes code, size_t from)
{
    const char *end = from < code.len ? memchr(code.data + from, '\n', code.len - from) : NULL;

    return end != NULL ? (size_t)(end - code.data) : code.len;
}

/* The next "@set" from `from` on, or code.len: most code has none, and its lines need not be looked at. */
static size_t next_mark(struct bytes code, size_t from)
{
    while (from + 4 <= code.len) {
        const char *found = memchr(code.data + from, '@', code.len - from - 3);
        if (found == NULL)
            return code.len;
        from = (size_t)(found - code.data);
        if (memcmp(found, "@set", 4) == 0)
            return from;
        from++;
    }
    return code.len;
}

/* Where the line that `at` lies in begins; not before `from`. */
static size_t begin_of_line(struct bytes code, size_t at, size_t from)
{
    while (at > from && code.data[at - 1] != '\n')
        at--;
    return at;
}

bool sets_read(struct bytes code, const struct set_style *style, struct arena *a, struct sets *out,
    size_t *at, const char **why)
{
    size_t room = 0;

    *out = (struct sets){NULL, 0};
    if (style->name == NULL || style->comments[0] == NULL)
        return true;
    for (size_t mark = next_mark(code, 0), done = 0; mark < code.len; mark = next_mark(code, done)) {
        size_t from = begin_of_line(code, mark, done), to = end_of_line(code, mark);
        struct bytes line = bytes_trim(bytes_slice(code, from, to - from));
        struct bytes content = content_of(line, style);
        struct set_line set = {.from = from, .to = to};
        done = to;
        if (content.data == NULL)
            continue;
        set.is_taken_out = style->no_comment != NULL && bytes_starts_with(line, style->no_comment);
        *at = (size_t)(line.data - code.data);
        *why =
            out->count == SETS_MAX ? "there are more than 256 of these lines" : read_content(content, &set);
        if (*why != NULL)
            return false;
        out->items = arena_grow(a, out->items, out->count, &room, sizeof(*out->items));
        out->items[out->count++] = set;
    }
    return true;
}
