/* SPDX-License-Identifier: Apache-2.0 */
/*
 * danger_python: Python's imports, and the full paths of the names that the code uses, under whatever name an import made them known.
 * See dangers.h.
 */
#include <string.h>

#include "converter/dangers_private.h"

enum { PATH_MAX_BYTES = 200, ALIASES_MAX = 256, STARS_MAX = 8, FORMAT_DEPTH_MAX = 4 };

struct path {
    char text[PATH_MAX_BYTES];
    size_t len; /* 0: too long, or there is none */
    size_t offset, end;
};

struct alias {
    struct bytes name, path; /* in the arena; name none: a free slot */
};

struct python {
    struct danger_check *check;
    struct bytes code;
    size_t at, end; /* end: of the part that is being scanned */
    size_t brackets;
    bool first;                            /* at the beginning of a statement */
    bool dot, defining;                    /* the last token was a dot; def or class */
    struct alias aliases[2 * ALIASES_MAX]; /* by hash of the name */
    size_t alias_count;
    struct bytes stars[STARS_MAX]; /* modules of "from m import *" */
    size_t star_count;
    size_t depth; /* of f-strings */
};

static void scan(struct python *p);

static char char_at(const struct python *p, size_t at)
{
    return at < p->end ? p->code.data[at] : '\0';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

/* ---- names ---- */

static struct alias *slot_of(struct python *p, struct bytes name)
{
    size_t i = (size_t)bytes_hash(name) % (2 * ALIASES_MAX);

    while (p->aliases[i].name.data != NULL && !bytes_equal(p->aliases[i].name, name))
        i = (i + 1) % (2 * ALIASES_MAX);
    return &p->aliases[i];
}

static void learn(struct python *p, struct bytes name, struct bytes path)
{
    struct alias *slot = slot_of(p, name);

    if (slot->name.data == NULL) {
        if (p->alias_count == ALIASES_MAX)
            return;
        p->alias_count++;
        slot->name = arena_copy(p->check->arena, name);
    }
    slot->path = arena_copy(p->check->arena, path);
}

static bool fits(struct bytes path, const char *what)
{
    size_t len = strlen(what);

    if (what[len - 1] == '*')
        return path.len >= len - 1 && memcmp(path.data, what, len - 1) == 0;
    return bytes_equal_text(path, what);
}

static bool in_module(struct bytes path, const char *module)
{
    size_t len = strlen(module);

    if (path.data == NULL || path.len < len || memcmp(path.data, module, len) != 0)
        return false;
    return path.len == len || path.data[len] == '.';
}

/* known: a part of it that was judged already, or none. */
static void judge_import(struct python *p, const struct path *place, struct bytes path, struct bytes known)
{
    for (size_t i = 0; i < p->check->row_count; i++) {
        const struct danger_rule *r = &danger_rules[p->check->rows[i]];
        if (r->kind == DANGER_PYTHON_IMPORT && in_module(path, r->what) && !in_module(known, r->what))
            danger_found(p->check, p->check->rows[i], place->offset, place->end - place->offset);
    }
}

static size_t past_blanks(const struct python *p, size_t at)
{
    while (char_at(p, at) != '\0' && strchr(" \t\r\n", char_at(p, at)) != NULL)
        at++;
    return at;
}

/* The first argument (it may be named, as file) is a string that begins so; `at` is behind the bracket. */
static bool fits_argument(const struct python *p, size_t at, const char *argument)
{
    size_t name = at = past_blanks(p, at);
    while (is_name_start(char_at(p, at)))
        at++;
    size_t sign = past_blanks(p, at);
    if (char_at(p, sign) == '=' && bytes_equal_text(bytes_slice(p->code, name, at - name), "file")) {
        at = past_blanks(p, sign + 1);
        while (is_name_start(char_at(p, at)))
            at++;
    }
    char quote = char_at(p, at);
    while (quote != '\0' && char_at(p, at) == quote && (quote == '"' || quote == '\''))
        at++;
    return bytes_starts_with(bytes_slice(p->code, at, p->end - at), argument);
}

/* called_at: behind the opening bracket; 0: it is only named. */
static void judge_name(struct python *p, const struct path *place, struct bytes path, size_t called_at)
{
    bool dotted = memchr(path.data, '.', path.len) != NULL;

    if (!dotted && called_at == 0)
        return;
    for (size_t i = 0; i < p->check->row_count; i++) {
        const struct danger_rule *r = &danger_rules[p->check->rows[i]];
        if (r->what[0] != path.data[0] || r->kind != DANGER_PYTHON_NAME || !fits(path, r->what))
            continue;
        if (r->argument == NULL || (called_at > 0 && fits_argument(p, called_at, r->argument)))
            danger_found(p->check, p->check->rows[i], place->offset, place->end - place->offset);
    }
}

/* The length of the line end at this place: LF, CR LF or CR, as Python takes them; 0: there is none. */
static size_t line_end_at(const struct python *p, size_t at)
{
    if (char_at(p, at) == '\n')
        return 1;
    if (char_at(p, at) != '\r')
        return 0;
    return char_at(p, at + 1) == '\n' ? 2 : 1;
}

/* Blanks, continued lines and comments; within brackets (or where told to) line ends too. */
static void skip_blanks(struct python *p, bool lines)
{
    while (p->at < p->end) {
        char c = p->code.data[p->at];
        size_t line_end = line_end_at(p, p->at);
        if (c == ' ' || c == '\t' || c == '\f') {
            p->at++;
        } else if (line_end > 0 && (lines || p->brackets > 0)) {
            p->at += line_end;
        } else if (c == '\\' && line_end_at(p, p->at + 1) > 0) {
            p->at += 1 + line_end_at(p, p->at + 1);
        } else if (c == '#') {
            while (p->at < p->end && line_end_at(p, p->at) == 0)
                p->at++;
        } else {
            return;
        }
    }
}

/* a.b.c at `at`, leading dots too. */
static void take_path(struct python *p, struct path *path)
{
    bool fits_in = true;

    *path = (struct path){.offset = p->at, .end = p->at};
    while (p->at < p->end) {
        char c = p->code.data[p->at];
        if (!is_name(c) && c != '.')
            break;
        if (path->len < PATH_MAX_BYTES)
            path->text[path->len++] = c;
        else
            fits_in = false;
        p->at++;
        path->end = p->at;
        size_t back = p->at;
        if (!is_name(char_at(p, p->at)) || c == '.') {
            skip_blanks(p, false);
            bool goes_on = c == '.' ? is_name_start(char_at(p, p->at)) : char_at(p, p->at) == '.';
            if (!goes_on) {
                p->at = back;
                break;
            }
        }
    }
    if (!fits_in)
        path->len = 0;
}

static struct bytes path_bytes(const struct path *path)
{
    return (struct bytes){path->text, path->len};
}

static struct bytes joined(struct python *p, struct bytes a, struct bytes b)
{
    return arena_printf(p->check->arena, "%.*s.%.*s", BYTES_ARG(a), BYTES_ARG(b));
}

/* "as name" behind an import; otherwise none. */
static struct bytes take_as(struct python *p, bool lines, struct path *path)
{
    size_t back = p->at;

    skip_blanks(p, lines);
    take_path(p, path);
    if (!bytes_equal(path_bytes(path), BYTES("as"))) {
        p->at = back;
        return BYTES_NONE;
    }
    skip_blanks(p, lines);
    take_path(p, path);
    return path_bytes(path);
}

static bool take_comma(struct python *p, bool lines)
{
    size_t back = p->at;

    skip_blanks(p, lines);
    if (char_at(p, p->at) == ',') {
        p->at++;
        return true;
    }
    p->at = back;
    return false;
}

static void scan_import(struct python *p)
{
    struct path module, as;

    do {
        skip_blanks(p, false);
        take_path(p, &module);
        if (module.len == 0)
            return;
        judge_import(p, &module, path_bytes(&module), BYTES_NONE);
        struct bytes name = take_as(p, false, &as);
        if (name.len > 0)
            learn(p, name, path_bytes(&module));
    } while (take_comma(p, false));
}

static void import_name(struct python *p, struct bytes module, const struct path *name, struct bytes as)
{
    struct bytes full = joined(p, module, path_bytes(name));

    judge_import(p, name, full, module);
    judge_name(p, name, full, 0);
    learn(p, as.len > 0 ? as : path_bytes(name), full);
}

static void scan_from(struct python *p)
{
    struct path module, word, name, as;

    skip_blanks(p, false);
    take_path(p, &module);
    skip_blanks(p, false);
    take_path(p, &word);
    if (module.len == 0 || module.text[0] == '.' || !bytes_equal(path_bytes(&word), BYTES("import")))
        return;
    judge_import(p, &module, path_bytes(&module), BYTES_NONE);
    skip_blanks(p, false);
    bool bracket = char_at(p, p->at) == '(';
    if (bracket) {
        p->at++;
    } else if (char_at(p, p->at) == '*') {
        if (p->star_count < STARS_MAX)
            p->stars[p->star_count++] = arena_copy(p->check->arena, path_bytes(&module));
        return;
    }
    do {
        skip_blanks(p, bracket);
        take_path(p, &name);
        if (name.len == 0)
            break;
        import_name(p, path_bytes(&module), &name, take_as(p, bracket, &as));
    } while (take_comma(p, bracket));
    skip_blanks(p, bracket);
    if (bracket && char_at(p, p->at) == ')')
        p->at++;
}

/* ---- strings ---- */

static void scan_expression(struct python *p, size_t from, size_t to)
{
    size_t end = p->end;
    size_t brackets = p->brackets;

    p->at = from;
    p->end = to;
    p->brackets = 1;
    p->first = p->dot = p->defining = false;
    p->depth++;
    scan(p);
    p->depth--;
    p->brackets = brackets;
    p->end = end;
}

/* The expressions in {} of an f-string. */
static void scan_format(struct python *p, size_t from, size_t to)
{
    size_t open = 0, start = from;

    if (p->depth >= FORMAT_DEPTH_MAX)
        return;
    for (size_t i = from; i < to && !p->check->out->more; i++) {
        char c = p->code.data[i];
        if (c == '{' && open == 0 && i + 1 < to && p->code.data[i + 1] == '{')
            i++;
        else if (c == '{' && open++ == 0)
            start = i + 1;
        else if (c == '}' && open > 0 && --open == 0)
            scan_expression(p, start, i);
    }
}

/* prefix: the letters in front of the quote. */
static void scan_string(struct python *p, struct bytes prefix)
{
    char quote = p->code.data[p->at];
    bool triple = char_at(p, p->at + 1) == quote && char_at(p, p->at + 2) == quote;
    size_t start = p->at + (triple ? 3 : 1);
    size_t at = start;
    bool format =
        memchr(prefix.data, 'f', prefix.len) != NULL || memchr(prefix.data, 'F', prefix.len) != NULL;

    for (; at < p->end; at++) {
        char c = p->code.data[at];
        bool ends = c == quote && (!triple || (char_at(p, at + 1) == quote && char_at(p, at + 2) == quote));
        if (ends || (!triple && line_end_at(p, at) > 0)) /* the latter is an error in Python */
            break;
        if (c == '\\')
            at += line_end_at(p, at + 1) == 2 ? 2 : 1;
    }
    if (at > p->end)
        at = p->end;
    if (format)
        scan_format(p, start, at);
    p->at = at;
    if (char_at(p, at) == quote)
        p->at += triple ? 3 : 1;
}

static bool is_prefix(struct bytes word)
{
    if (word.len > 2)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] == '\0' || strchr("rbfuRBFU", word.data[i]) == NULL)
            return false;
    }
    return true;
}

/* ---- code ---- */

static void judge_use(struct python *p, const struct path *path)
{
    struct bytes text = path_bytes(path);
    const char *dot = memchr(text.data, '.', text.len);
    size_t first = dot != NULL ? (size_t)(dot - text.data) : text.len;
    const struct alias *known = slot_of(p, bytes_slice(text, 0, first));
    size_t back = p->at;

    skip_blanks(p, false);
    size_t called_at = char_at(p, p->at) == '(' ? p->at + 1 : 0;
    p->at = back;
    if (known->name.data != NULL) {
        struct bytes rest = bytes_slice(text, first, text.len);
        if (known->path.len + rest.len > PATH_MAX_BYTES)
            return;
        char whole[PATH_MAX_BYTES];
        memcpy(whole, known->path.data, known->path.len);
        memcpy(whole + known->path.len, rest.data, rest.len);
        judge_name(p, path, (struct bytes){whole, known->path.len + rest.len}, called_at);
        return;
    }
    judge_name(p, path, text, called_at);
    for (size_t i = 0; i < p->star_count && called_at > 0; i++) {
        char whole[2 * PATH_MAX_BYTES + 1];
        struct bytes module = p->stars[i];
        memcpy(whole, module.data, module.len);
        whole[module.len] = '.';
        memcpy(whole + module.len + 1, text.data, text.len);
        judge_name(p, path, (struct bytes){whole, module.len + 1 + text.len}, called_at);
    }
}

static void scan_name(struct python *p)
{
    struct path path;
    bool first = p->first;
    bool own = p->dot || p->defining; /* a member of something, or a new name */
    size_t start = p->at;
    size_t end = start;

    while (is_name(char_at(p, end)))
        end++;
    struct bytes word = bytes_slice(p->code, start, end - start);
    p->first = p->dot = p->defining = false;
    if ((char_at(p, end) == '"' || char_at(p, end) == '\'') && is_prefix(word)) {
        p->at = end;
        scan_string(p, word);
    } else if (first && bytes_equal(word, BYTES("import"))) {
        p->at = end;
        scan_import(p);
    } else if (first && bytes_equal(word, BYTES("from"))) {
        p->at = end;
        scan_from(p);
    } else if (bytes_equal(word, BYTES("def")) || bytes_equal(word, BYTES("class"))) {
        p->at = end;
        p->defining = true;
    } else {
        take_path(p, &path);
        if (path.len > 0 && !own)
            judge_use(p, &path);
    }
}

static void scan_sign(struct python *p, char c)
{
    if (c == '(' || c == '[' || c == '{')
        p->brackets++;
    else if ((c == ')' || c == ']' || c == '}') && p->brackets > 0)
        p->brackets--;
    p->first = p->brackets == 0 && (c == '\n' || c == '\r' || c == ';' || c == ':');
    p->dot = c == '.';
    p->defining = false;
    p->at++;
}

static void scan(struct python *p)
{
    while (p->at < p->end && !p->check->out->more) {
        skip_blanks(p, false);
        char c = char_at(p, p->at);
        if (p->at >= p->end)
            break;
        if (is_name_start(c)) {
            scan_name(p);
        } else if (c >= '0' && c <= '9') {
            while (is_name(char_at(p, p->at)))
                p->at++;
            p->first = p->dot = false;
        } else if (c == '"' || c == '\'') {
            scan_string(p, BYTES(""));
            p->first = p->dot = false;
        } else {
            scan_sign(p, c);
        }
    }
}

void danger_python(struct danger_check *c)
{
    struct python *p = arena_alloc(c->arena, sizeof(*p));

    p->check = c;
    p->code = c->code;
    p->end = c->code.len;
    p->first = true;
    scan(p);
}
