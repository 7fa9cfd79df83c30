/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables: see variables.h. One pass over the code; names are looked up in a sorted copy of the variables, so that hostile
 * code with very many ${...} costs no more than its length.
 */
#include "converter/variables.h"

#include <stdlib.h>
#include <string.h>

struct replacing {
    struct bytes code;
    struct pair *sorted;
    size_t count;
    struct arena *arena;
    struct bytes unknown[VARIABLE_WARNINGS_MAX];
    size_t unknown_count;
};

static bool is_first(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_further(char c)
{
    return is_first(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

bool variable_name_is_valid(struct bytes name)
{
    if (name.len == 0 || name.len > VARIABLE_NAME_MAX || !is_first(name.data[0]))
        return false;
    for (size_t i = 1; i < name.len; i++) {
        if (!is_further(name.data[i]))
            return false;
    }
    return true;
}

/* The name in "${name}" at `at`; none when what stands there is something else. */
static struct bytes name_at(struct bytes code, size_t at)
{
    size_t end = at + 2;

    while (end < code.len && end - at - 2 <= VARIABLE_NAME_MAX && is_further(code.data[end]))
        end++;
    struct bytes name = bytes_slice(code, at + 2, end - at - 2);
    return end < code.len && code.data[end] == '}' && variable_name_is_valid(name) ? name : BYTES_NONE;
}

static size_t next_opening(struct bytes code, size_t from)
{
    while (from + 1 < code.len) {
        const char *found = memchr(code.data + from, '$', code.len - from - 1);
        if (found == NULL)
            return code.len;
        from = (size_t)(found - code.data);
        if (code.data[from + 1] == '{')
            return from;
        from++;
    }
    return code.len;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    return bytes_compare(left->key, right->key);
}

static const struct pair *look_up(const struct replacing *r, struct bytes name)
{
    const struct pair wanted = {.key = name};

    if (r->count == 0)
        return NULL;
    return bsearch(&wanted, r->sorted, r->count, sizeof(wanted), compare_pairs);
}

static void note_unknown(struct replacing *r, struct bytes name)
{
    if (r->unknown_count == VARIABLE_WARNINGS_MAX)
        return;
    for (size_t i = 0; i < r->unknown_count; i++) {
        if (bytes_equal(r->unknown[i], name))
            return;
    }
    r->unknown[r->unknown_count++] = name;
}

static void make_warnings(struct replacing *r, struct strings *warnings)
{
    warnings->count = r->unknown_count;
    warnings->items = arena_array(r->arena, r->unknown_count, sizeof(*warnings->items));
    for (size_t i = 0; i < r->unknown_count; i++)
        warnings->items[i] = arena_printf(
            r->arena, "${%.*s} stays as it is: no variable has this name", BYTES_ARG(r->unknown[i]));
}

/* Appends the code with its values to out; false: too large. */
static bool replace_all(struct replacing *r, size_t max_bytes, struct buf *out, bool *changed)
{
    size_t copied = 0;

    for (size_t at = next_opening(r->code, 0); at < r->code.len; at = next_opening(r->code, at + 2)) {
        struct bytes name = name_at(r->code, at);
        const struct pair *variable = name.data ? look_up(r, name) : NULL;
        if (variable == NULL) {
            if (name.data != NULL)
                note_unknown(r, name);
            continue;
        }
        buf_add_bytes(out, bytes_slice(r->code, copied, at - copied));
        buf_add_bytes(out, variable->value);
        copied = at + name.len + 3;
        *changed = true;
        if (out->len > max_bytes)
            return false;
    }
    buf_add_bytes(out, bytes_slice(r->code, copied, r->code.len));
    return out->len <= max_bytes;
}

enum variables_end variables_replace(struct bytes code, const struct pairs *variables, size_t max_bytes,
    struct arena *a, struct bytes *out, struct strings *warnings)
{
    struct replacing r = {.code = code, .count = variables->count, .arena = a};
    enum variables_end end = VARIABLES_NONE;
    bool changed = false;
    struct buf text;

    *out = code;
    *warnings = (struct strings){NULL, 0};
    if (next_opening(code, 0) >= code.len)
        return VARIABLES_NONE;
    r.sorted = arena_array(a, variables->count, sizeof(*r.sorted));
    if (variables->count > 0) {
        memcpy(r.sorted, variables->items, variables->count * sizeof(*r.sorted));
        qsort(r.sorted, r.count, sizeof(*r.sorted), compare_pairs);
    }
    buf_init(&text);
    if (!replace_all(&r, max_bytes, &text, &changed)) {
        end = VARIABLES_TOO_LARGE;
    } else if (changed) {
        *out = arena_copy(a, buf_bytes(&text));
        end = VARIABLES_REPLACED;
    }
    buf_release(&text);
    make_warnings(&r, warnings);
    return end;
}
