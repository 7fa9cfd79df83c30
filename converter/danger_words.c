/* SPDX-License-Identifier: Apache-2.0 */
/*
 * danger_words: words of shell code, their quotes and expansions. See danger_shell.h.
 */
#include "converter/danger_shell.h"

#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 60 };

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void add(struct shell *s, char c)
{
    buf_add_char(&s->pool, c);
}

/* ---- expansions; each begins at its first byte and leaves `at` behind its last ---- */

static void scan_double_quotes(struct shell *s);
static void scan_single_quotes(struct shell *s);

/* False: it is too deep; the rest is not looked at. */
static bool go_deeper(struct shell *s)
{
    if (s->levels == LEVELS_MAX) {
        s->at = s->code.len;
        return false;
    }
    s->levels++;
    return true;
}

void shell_nested(struct shell *s, char closing)
{
    size_t mark = s->pool.len;
    bool in_double = s->in_double;

    if (!go_deeper(s))
        return;
    s->in_double = false;
    shell_list(s, closing);
    s->in_double = in_double;
    s->levels--;
    s->pool.len = mark;
}

/* (( )), $(( )): to where the brackets match again. */
void shell_arithmetic(struct shell *s)
{
    size_t open = 0;
    size_t mark = s->pool.len;

    if (!go_deeper(s))
        return;
    while (!shell_at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '$') {
            shell_dollar(s);
            continue;
        }
        s->at++;
        if (c == '(')
            open++;
        else if (c == ')' && --open == 0)
            break;
    }
    s->levels--;
    s->pool.len = mark;
}

static void scan_braces(struct shell *s)
{
    size_t mark = s->pool.len;

    if (!go_deeper(s))
        return;
    s->at += 2;
    while (!shell_at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '}')
            break;
        if (c == '\\')
            s->at += 2;
        else if (c == '"')
            scan_double_quotes(s);
        else if (c == '\'' && !s->in_double)
            scan_single_quotes(s);
        else if (c == '$')
            shell_dollar(s);
        else if (c == '`') {
            s->at++;
            shell_nested(s, '`');
        } else
            s->at++;
    }
    s->at++;
    s->levels--;
    s->pool.len = mark;
}

static void scan_ansi_quotes(struct shell *s)
{
    s->at += 2;
    while (!shell_at_end(s) && s->code.data[s->at] != '\'') {
        if (s->code.data[s->at] == '\\')
            s->at++;
        if (!shell_at_end(s))
            add(s, s->code.data[s->at++]);
    }
    s->at++;
}

static void scan_variable(struct shell *s)
{
    size_t start = ++s->at;

    if (is_name(shell_char(s, s->at))) {
        while (is_name(shell_char(s, s->at)))
            s->at++;
    } else if (!shell_at_end(s) && strchr("?#$!@*-", s->code.data[s->at]) != NULL) {
        s->at++;
    } else {
        add(s, '$'); /* a plain one */
        return;
    }
    add(s, bytes_equal_text(bytes_slice(s->code, start, s->at - start), "HOME") ? '~' : DANGER_UNKNOWN);
}

void shell_dollar(struct shell *s)
{
    char next = shell_char(s, s->at + 1);

    if (next == '(' && shell_char(s, s->at + 2) == '(') {
        s->at++;
        shell_arithmetic(s);
        add(s, DANGER_UNKNOWN);
    } else if (next == '(') {
        s->at += 2;
        shell_nested(s, ')');
        add(s, DANGER_UNKNOWN);
    } else if (next == '{') {
        bool home = bytes_starts_with(bytes_slice(s->code, s->at, s->code.len), "${HOME}");
        scan_braces(s);
        add(s, home ? '~' : DANGER_UNKNOWN);
    } else {
        scan_variable(s);
    }
}

static void scan_double_quotes(struct shell *s)
{
    bool in_double = s->in_double;

    s->in_double = true;
    s->at++;
    while (!shell_at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '"')
            break;
        if (c == '\\' && s->at + 1 < s->code.len) {
            if (strchr("$`\"\\", s->code.data[s->at + 1]) == NULL)
                add(s, c);
            add(s, s->code.data[s->at + 1]);
            s->at += 2;
        } else if (c == '$') {
            shell_dollar(s);
        } else if (c == '`') {
            s->at++;
            shell_nested(s, '`');
            add(s, DANGER_UNKNOWN);
        } else {
            add(s, c);
            s->at++;
        }
    }
    s->in_double = in_double;
    s->at++;
}

/* ---- words ---- */

bool shell_ends_word(char c, char closing)
{
    return shell_is_blank(c) || c == '\n' || c == '\0' || strchr(";&|()<>", c) != NULL ||
           (c == '`' && closing == '`');
}

static void scan_single_quotes(struct shell *s)
{
    for (s->at++; !shell_at_end(s) && s->code.data[s->at] != '\''; s->at++)
        add(s, s->code.data[s->at]);
    s->at++;
}

/* Everything up to the next byte that ends a word; the word is put behind the others. A NUL byte ends a word. */
void shell_word(struct shell *s, char closing)
{
    struct raw_word word = {.text = s->pool.len, .offset = s->at};

    while (!shell_at_end(s) && !shell_ends_word(s->code.data[s->at], closing)) {
        char c = s->code.data[s->at];
        word.quoted = word.quoted || c == '\'' || c == '"' || c == '\\';
        if (c == '\'') {
            scan_single_quotes(s);
        } else if (c == '"') {
            scan_double_quotes(s);
        } else if (c == '\\') {
            if (shell_char(s, s->at + 1) != '\n' && s->at + 1 < s->code.len)
                add(s, s->code.data[s->at + 1]);
            s->at += 2;
        } else if (c == '$' && shell_char(s, s->at + 1) == '\'') {
            scan_ansi_quotes(s);
        } else if (c == '$' && shell_char(s, s->at + 1) == '"') {
            s->at++;
        } else if (c == '$') {
            shell_dollar(s);
        } else if (c == '`') {
            s->at++;
            shell_nested(s, '`');
            add(s, DANGER_UNKNOWN);
        } else {
            add(s, c);
            s->at++;
        }
    }
    if (s->at > s->code.len)
        s->at = s->code.len;
    word.text_len = s->pool.len - word.text;
    word.length = s->at - word.offset;
    if (s->count == s->room) {
        s->room = s->room > 0 ? 2 * s->room : 64;
        struct raw_word *words = realloc(s->words, s->room * sizeof(*words));
        if (words == NULL)
            abort();
        s->words = words;
    }
    s->words[s->count++] = word;
}

struct bytes shell_word_text(const struct shell *s, size_t i)
{
    return (struct bytes){s->pool.data + s->words[i].text, s->words[i].text_len};
}

bool shell_word_is(const struct shell *s, size_t i, const char *text)
{
    return !s->words[i].quoted && bytes_equal_text(shell_word_text(s, i), text);
}

void shell_drop_words(struct shell *s, size_t to)
{
    if (s->count > to) {
        s->pool.len = s->words[to].text;
        s->count = to;
    }
}
