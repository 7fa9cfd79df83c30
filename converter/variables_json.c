/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables_json: variables in code that is JSON. Values go into its strings, written with the escapes that they need, and never into
 * the names of members or between the strings: what was JSON is JSON, with the same members. All else stays byte for byte: numbers,
 * order, blanks and lines. jansson says whether it is JSON, and what a string with escapes means.
 */
#include <jansson.h>
#include <string.h>

#include "converter/variables_private.h"
#include "core/json_text.h"

bool variables_json_may_fill(struct bytes text)
{
    size_t at = 0;

    while (at + 1 < text.len) {
        const char *found = memchr(text.data + at, '\\', text.len - at - 1);
        if (found == NULL)
            return false;
        if (found[1] == 'u')
            return true;
        at = (size_t)(found - text.data) + 2;
    }
    return false;
}

static bool is_json(struct variables *v, struct bytes text, size_t place, struct variables_problem *problem)
{
    json_error_t why;
    json_t *value =
        json_loadb(text.data, text.len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &why);

    if (value != NULL) {
        json_decref(value);
        return true;
    }
    size_t at = why.position > 0 ? (size_t)why.position - 1 : 0;
    return variables_refuse(v, place + (at < text.len ? at : text.len), "bad_json",
        arena_printf(v->arena, "the code is no JSON: %s", why.text), problem);
}

/* What follows the string that begins at `at`. */
static size_t string_end(struct bytes text, size_t at)
{
    for (at++; at < text.len && text.data[at] != '"'; at++)
        at += text.data[at] == '\\' ? 1 : 0;
    return at + 1;
}

static bool is_member_name(struct bytes text, size_t after)
{
    while (after < text.len && strchr(" \t\r\n", text.data[after]) != NULL)
        after++;
    return after < text.len && text.data[after] == ':';
}

/* What a string with its quotes means; it is part of a text that is JSON. */
static struct bytes decode(struct variables *v, struct bytes token)
{
    struct bytes plain = bytes_slice(token, 1, token.len - 2);

    if (plain.len == 0 || memchr(plain.data, '\\', plain.len) == NULL)
        return plain;
    json_t *value = json_loadb(token.data, token.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct bytes text = BYTES_NONE;
    if (value != NULL)
        text = arena_copy(v->arena, (struct bytes){json_string_value(value), json_string_length(value)});
    json_decref(value);
    return text;
}

static bool may_hold_some(struct bytes token)
{
    return memchr(token.data, '{', token.len) != NULL || variables_json_may_fill(token);
}

enum variables_end variables_fill_json(
    struct variables *v, struct bytes text, size_t place, struct buf *out, struct variables_problem *problem)
{
    enum variables_end end = VARIABLES_NONE;
    size_t copied = 0, at = 0, left = v->left_bytes;
    struct buf value;

    if (!is_json(v, text, place, problem))
        return VARIABLES_REFUSED;
    buf_init(&value);
    while (at < text.len) {
        const char *quote = memchr(text.data + at, '"', text.len - at);
        if (quote == NULL)
            break;
        size_t from = (size_t)(quote - text.data);
        at = string_end(text, from);
        struct bytes token = bytes_slice(text, from, at - from);
        if (token.len < 2 || !may_hold_some(token) || is_member_name(text, at))
            continue;
        buf_clear(&value);
        enum variables_end one = variables_fill(v, decode(v, token), place + from, false, &value, problem);
        if (one == VARIABLES_NONE)
            continue;
        end = one;
        if (one != VARIABLES_REPLACED)
            break;
        buf_add_bytes(out, bytes_slice(text, copied, from - copied));
        json_text(out, buf_bytes(&value));
        copied = at;
        if (out->len > left) {
            end = VARIABLES_TOO_LARGE;
            break;
        }
    }
    buf_release(&value);
    if (end != VARIABLES_REPLACED)
        return end;
    buf_add_bytes(out, bytes_slice(text, copied, text.len));
    return out->len > left ? VARIABLES_TOO_LARGE : end;
}
