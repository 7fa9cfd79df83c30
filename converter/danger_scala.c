/* SPDX-License-Identifier: Apache-2.0 */
/*
 * danger_scala: dotted names of Scala and Java code, imports with selectors among them. See dangers.h.
 */
#include <string.h>

#include "converter/dangers_private.h"

enum { PATH_MAX_BYTES = 200, INTERPOLATION_DEPTH_MAX = 4 };

struct scala {
    struct danger_check *check;
    struct bytes code;
    size_t at, end;
    bool flat_comments; /* one was not closed: then they do not nest (Java) */
    char path[PATH_MAX_BYTES];
    size_t path_len;
    size_t path_start, path_end;
    size_t import_len; /* of the path in front of import's { }; 0: not in one */
    size_t depth;
};

static void scan(struct scala *s);

static char char_at(const struct scala *s, size_t at)
{
    return at < s->end ? s->code.data[at] : '\0';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '$';
}

/* ---- paths ---- */

/* `what` as whole parts of the path, anywhere in it. */
static bool holds(struct bytes path, const char *what)
{
    size_t len = strlen(what);

    for (size_t i = 0; i + len <= path.len; i++) {
        bool begins = i == 0 || path.data[i - 1] == '.';
        bool ends = i + len == path.len || path.data[i + len] == '.';
        if (begins && ends && memcmp(path.data + i, what, len) == 0)
            return true;
    }
    return false;
}

static void judge(struct scala *s)
{
    struct bytes path = {s->path, s->path_len};

    for (size_t i = 0; i < s->check->row_count && path.len > 0; i++) {
        size_t row = s->check->rows[i];
        if (holds(path, danger_rules[row].what))
            danger_found(s->check, row, s->path_start, s->path_end - s->path_start);
    }
}

static void add(struct scala *s, struct bytes name)
{
    size_t dot = s->path_len > 0;

    if (s->path_len + dot + name.len > PATH_MAX_BYTES) { /* begin anew: nothing that long is in the table */
        s->path_len = dot = 0;
        if (name.len > PATH_MAX_BYTES)
            return;
    }
    if (dot > 0)
        s->path[s->path_len++] = '.';
    memcpy(s->path + s->path_len, name.data, name.len);
    s->path_len += name.len;
}

/* ---- what is no code ---- */

static void skip_comment(struct scala *s)
{
    size_t start = s->at;
    size_t open = 0;

    if (char_at(s, s->at + 1) == '/') {
        while (s->at < s->end && s->code.data[s->at] != '\n')
            s->at++;
        return;
    }
    while (s->at < s->end) {
        char c = s->code.data[s->at];
        char next = char_at(s, s->at + 1);
        if (c == '/' && next == '*' && !(s->flat_comments && open > 0)) {
            open++;
            s->at += 2;
        } else if (c == '*' && next == '/') {
            s->at += 2;
            if (--open == 0)
                return;
        } else {
            s->at++;
        }
    }
    if (!s->flat_comments) {
        s->flat_comments = true;
        s->at = start;
        skip_comment(s);
    }
}

static bool at_blank(const struct scala *s)
{
    return char_at(s, s->at) != '\0' && strchr(" \t\r\n\f", s->code.data[s->at]) != NULL;
}

static bool at_comment(const struct scala *s)
{
    return char_at(s, s->at) == '/' && (char_at(s, s->at + 1) == '/' || char_at(s, s->at + 1) == '*');
}

static void skip_between(struct scala *s)
{
    while (at_blank(s) || at_comment(s)) {
        if (at_comment(s))
            skip_comment(s);
        else
            s->at++;
    }
}

/* The code in ${ } of an interpolated string. */
static void scan_interpolation(struct scala *s, size_t from, size_t to)
{
    struct scala inner = *s;
    size_t open = 0, start = from;

    if (s->depth >= INTERPOLATION_DEPTH_MAX)
        return;
    for (size_t i = from; i < to && !s->check->out->more; i++) {
        char c = s->code.data[i];
        if (c == '{' && open == 0 && (i == from || s->code.data[i - 1] != '$'))
            continue;
        if (c == '{' && open++ == 0) {
            start = i + 1;
        } else if (c == '}' && open > 0 && --open == 0) {
            inner.at = start;
            inner.end = i;
            inner.path_len = inner.import_len = 0;
            inner.depth = s->depth + 1;
            scan(&inner);
        }
    }
}

static void scan_string(struct scala *s, bool interpolated)
{
    bool triple = char_at(s, s->at + 1) == '"' && char_at(s, s->at + 2) == '"';
    size_t start = s->at + (triple ? 3 : 1);
    size_t at = start;

    for (; at < s->end; at++) {
        char c = s->code.data[at];
        bool ends = c == '"' && (!triple || (char_at(s, at + 1) == '"' && char_at(s, at + 2) == '"'));
        if (ends || (c == '\n' && !triple))
            break;
        if (c == '\\' && !triple)
            at++;
    }
    if (at > s->end)
        at = s->end;
    if (interpolated)
        scan_interpolation(s, start, at);
    s->at = at;
    if (char_at(s, at) == '"')
        s->at += triple ? 3 : 1;
    while (triple && char_at(s, s->at) == '"') /* of more than three the last ones close it */
        s->at++;
}

/* 'a' and '\n' are characters; 'a without an end is a symbol. */
static void skip_character(struct scala *s)
{
    size_t at = s->at + 1;

    if (char_at(s, at) == '\\')
        at++;
    if (char_at(s, at + 1) == '\'')
        at += 2;
    s->at = at < s->end ? at : s->end;
}

/* ---- code ---- */

static void scan_path(struct scala *s)
{
    bool more = true;

    s->path_len = s->import_len;
    s->path_start = s->at;
    while (more) {
        bool quoted = char_at(s, s->at) == '`';
        s->at += quoted;
        size_t start = s->at;
        while (s->at < s->end && (quoted ? s->code.data[s->at] != '`' : is_name(s->code.data[s->at])))
            s->at++;
        add(s, bytes_slice(s->code, start, s->at - start));
        s->at += quoted && s->at < s->end;
        s->path_end = s->at;
        size_t back = s->at;
        skip_between(s);
        more = char_at(s, s->at) == '.';
        if (more) {
            s->at++;
            skip_between(s);
            more = is_name_start(char_at(s, s->at)) || char_at(s, s->at) == '`';
            if (!more && char_at(s, s->at) == '{')
                return; /* selectors of an import */
        }
        if (!more)
            s->at = back;
    }
}

static void scan_name(struct scala *s, bool *importing)
{
    scan_path(s);
    struct bytes path = {s->path, s->path_len};
    if (char_at(s, s->at) == '"' && s->path_end == s->at) {
        scan_string(s, true);
        return;
    }
    judge(s);
    if (bytes_equal(path, BYTES("import"))) {
        *importing = true;
    } else if (*importing && char_at(s, s->at) == '{') {
        s->import_len = s->path_len;
        s->at++;
    } else {
        *importing = *importing && s->import_len > 0;
    }
}

static void scan(struct scala *s)
{
    bool importing = false;

    while (s->at < s->end && !s->check->out->more) {
        skip_between(s);
        char c = char_at(s, s->at);
        if (s->at >= s->end)
            break;
        if (is_name_start(c) || c == '`') {
            scan_name(s, &importing);
        } else if (c == '"') {
            scan_string(s, false);
        } else if (c == '\'') {
            skip_character(s);
        } else if (c >= '0' && c <= '9') {
            while (is_name(char_at(s, s->at)))
                s->at++;
        } else {
            if (c == '}')
                s->import_len = 0;
            s->at++;
        }
    }
}

void danger_scala(struct danger_check *c)
{
    struct scala *s = arena_alloc(c->arena, sizeof(*s));

    s->check = c;
    s->code = c->code;
    s->end = c->code.len;
    scan(s);
}
