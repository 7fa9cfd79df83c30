/* SPDX-License-Identifier: Apache-2.0 */
/*
 * danger_shell: shell code as simple commands, by the grammar of POSIX and the additions of bash that scripts use. It follows the quoting
 * and the places where a command may stand, and knows no values: what a variable or a substitution yields is DANGER_UNKNOWN. One pass; a
 * substitution is a level of its own that ends where its bracket closes. See dangers.h.
 */
#include "converter/dangers_private.h"

#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 60, HEREDOCS_MAX = 16 };

/* Of the command being read: where its text lies in the pool, for the pool may move. */
struct raw_word {
    size_t text, text_len;
    size_t offset, length;
    bool quoted;
};

struct heredoc {
    struct bytes end;
    bool tabs, quoted;
};

struct shell {
    struct danger_check *check;
    struct bytes code;
    size_t at;
    const struct danger_word *place; /* NULL: the user's own text */
    size_t depth;                    /* of code in arguments */
    size_t levels;
    struct buf pool;
    struct raw_word *words;
    size_t count, room;
    struct heredoc heredocs[HEREDOCS_MAX];
    size_t heredoc_count;
};

/* A list of commands: all of it, or what stands in ( ), $( ) or back-ticks. */
struct level {
    char closing;  /* 0: the end of the code */
    size_t base;   /* its command's first word */
    size_t cases;  /* case...esac that are open */
    bool pattern;  /* the patterns of a case come */
    bool test;     /* within [[ ]] */
    bool dropping; /* the next word is a redirection's */
    bool heredoc;  /* and it ends a here-document */
    bool tabs;
};

static void scan_list(struct shell *s, char closing);

static char char_at(const struct shell *s, size_t at)
{
    return at < s->code.len ? s->code.data[at] : '\0';
}

static bool at_end(const struct shell *s)
{
    return s->at >= s->code.len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

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

static void nested_list(struct shell *s, char closing)
{
    if (s->levels >= LEVELS_MAX) {
        s->at = s->code.len;
        return;
    }
    size_t mark = s->pool.len;
    s->levels++;
    scan_list(s, closing);
    s->levels--;
    s->pool.len = mark;
}

static void scan_dollar(struct shell *s);

/* (( )), $(( )): to where the brackets match again. */
static void scan_arithmetic(struct shell *s)
{
    size_t open = 0;
    size_t mark = s->pool.len;

    while (!at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '$') {
            scan_dollar(s);
            continue;
        }
        s->at++;
        if (c == '(')
            open++;
        else if (c == ')' && --open == 0)
            break;
    }
    s->pool.len = mark;
}

static void scan_braces(struct shell *s)
{
    size_t mark = s->pool.len;

    if (s->levels >= LEVELS_MAX) {
        s->at = s->code.len;
        return;
    }
    s->levels++;
    s->at += 2;
    while (!at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '}')
            break;
        if (c == '\\')
            s->at += 2;
        else if (c == '"')
            scan_double_quotes(s);
        else if (c == '$')
            scan_dollar(s);
        else if (c == '`') {
            s->at++;
            nested_list(s, '`');
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
    while (!at_end(s) && s->code.data[s->at] != '\'') {
        if (s->code.data[s->at] == '\\')
            s->at++;
        if (!at_end(s))
            add(s, s->code.data[s->at++]);
    }
    s->at++;
}

static void scan_variable(struct shell *s)
{
    size_t start = ++s->at;

    if (is_name(char_at(s, s->at))) {
        while (is_name(char_at(s, s->at)))
            s->at++;
    } else if (!at_end(s) && strchr("?#$!@*-", s->code.data[s->at]) != NULL) {
        s->at++;
    } else {
        add(s, '$'); /* a plain one */
        return;
    }
    add(s, bytes_equal_text(bytes_slice(s->code, start, s->at - start), "HOME") ? '~' : DANGER_UNKNOWN);
}

static void scan_dollar(struct shell *s)
{
    char next = char_at(s, s->at + 1);

    if (next == '(' && char_at(s, s->at + 2) == '(') {
        s->at++;
        scan_arithmetic(s);
        add(s, DANGER_UNKNOWN);
    } else if (next == '(') {
        s->at += 2;
        nested_list(s, ')');
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
    s->at++;
    while (!at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '"')
            break;
        if (c == '\\' && s->at + 1 < s->code.len) {
            if (strchr("$`\"\\", s->code.data[s->at + 1]) == NULL)
                add(s, c);
            add(s, s->code.data[s->at + 1]);
            s->at += 2;
        } else if (c == '$') {
            scan_dollar(s);
        } else if (c == '`') {
            s->at++;
            nested_list(s, '`');
            add(s, DANGER_UNKNOWN);
        } else {
            add(s, c);
            s->at++;
        }
    }
    s->at++;
}

/* ---- words ---- */

static bool ends_word(char c, char closing)
{
    return is_blank(c) || c == '\n' || c == '\0' || strchr(";&|()<>", c) != NULL ||
           (c == '`' && closing == '`');
}

static void scan_single_quotes(struct shell *s)
{
    for (s->at++; !at_end(s) && s->code.data[s->at] != '\''; s->at++)
        add(s, s->code.data[s->at]);
    s->at++;
}

/* Everything up to the next byte that ends a word; the word is put behind the others. A NUL byte ends a word. */
static void scan_word(struct shell *s, char closing)
{
    struct raw_word word = {.text = s->pool.len, .offset = s->at};

    while (!at_end(s) && !ends_word(s->code.data[s->at], closing)) {
        char c = s->code.data[s->at];
        word.quoted = word.quoted || c == '\'' || c == '"' || c == '\\';
        if (c == '\'') {
            scan_single_quotes(s);
        } else if (c == '"') {
            scan_double_quotes(s);
        } else if (c == '\\') {
            if (char_at(s, s->at + 1) != '\n' && s->at + 1 < s->code.len)
                add(s, s->code.data[s->at + 1]);
            s->at += 2;
        } else if (c == '$' && char_at(s, s->at + 1) == '\'') {
            scan_ansi_quotes(s);
        } else if (c == '$' && char_at(s, s->at + 1) == '"') {
            s->at++;
        } else if (c == '$') {
            scan_dollar(s);
        } else if (c == '`') {
            s->at++;
            nested_list(s, '`');
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

static struct bytes word_text(const struct shell *s, size_t i)
{
    return (struct bytes){s->pool.data + s->words[i].text, s->words[i].text_len};
}

static bool is_plain_word(const struct shell *s, size_t i, const char *text)
{
    return !s->words[i].quoted && bytes_equal_text(word_text(s, i), text);
}

static void drop_words(struct shell *s, size_t to)
{
    if (s->count > to) {
        s->pool.len = s->words[to].text;
        s->count = to;
    }
}

/* ---- commands ---- */

static void end_command(struct shell *s, struct level *l)
{
    size_t count = s->count - l->base;

    if (count > 0) {
        struct danger_word *words = malloc(count * sizeof(*words));
        if (words == NULL)
            abort();
        for (size_t i = 0; i < count; i++) {
            const struct raw_word *raw = &s->words[l->base + i];
            words[i] = (struct danger_word){.text = word_text(s, l->base + i),
                .offset = s->place != NULL ? s->place->offset : raw->offset,
                .length = s->place != NULL ? s->place->length : raw->length};
        }
        danger_command(s->check, words, count, s->depth);
        free(words);
    }
    drop_words(s, l->base);
    l->test = l->dropping = l->heredoc = false;
}

/* Words behind which a command begins, or with which one ends. */
static bool is_reserved(const struct shell *s, size_t i)
{
    static const char *const words[] = {
        "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "{", "}", "!", "esac", "coproc"};

    for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
        if (is_plain_word(s, i, words[k]))
            return true;
    }
    return false;
}

static void note_heredoc(struct shell *s, struct level *l)
{
    size_t last = s->count - 1;

    if (s->heredoc_count < HEREDOCS_MAX)
        s->heredocs[s->heredoc_count++] =
            (struct heredoc){.end = arena_copy(s->check->arena, word_text(s, last)),
                .tabs = l->tabs,
                .quoted = s->words[last].quoted};
}

/* The word just read. */
static void follow_word(struct shell *s, struct level *l)
{
    size_t last = s->count - 1;
    size_t index = last - l->base;

    if (l->dropping) {
        if (l->heredoc)
            note_heredoc(s, l);
        l->dropping = l->heredoc = false;
        drop_words(s, last);
    } else if (index == 0 && is_reserved(s, last)) {
        if (is_plain_word(s, last, "esac") && l->cases > 0)
            l->cases--;
        drop_words(s, last);
    } else if (index == 0 && is_plain_word(s, last, "[[")) {
        l->test = true;
    } else if (l->test && is_plain_word(s, last, "]]")) {
        end_command(s, l);
    } else if (index == 1 && is_plain_word(s, l->base, "function")) {
        drop_words(s, l->base);
    } else if (index == 2 && is_plain_word(s, l->base, "case") && is_plain_word(s, last, "in")) {
        drop_words(s, l->base);
        l->cases++;
        l->pattern = true;
    }
}

/* ---- here-documents ---- */

/* The body may hold substitutions. */
static void scan_body(struct shell *s, size_t end)
{
    struct bytes whole = s->code;
    size_t mark = s->pool.len;

    s->code.len = end;
    while (!at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '$') {
            scan_dollar(s);
        } else if (c == '`') {
            s->at++;
            nested_list(s, '`');
        } else {
            s->at += c == '\\' ? 2 : 1;
        }
    }
    s->code = whole;
    s->pool.len = mark;
}

static void skip_heredoc(struct shell *s, const struct heredoc *h)
{
    size_t start = s->at;
    size_t line = s->at;
    size_t next = s->at;

    while (line < s->code.len) {
        const char *found = memchr(s->code.data + line, '\n', s->code.len - line);
        size_t end = found != NULL ? (size_t)(found - s->code.data) : s->code.len;
        next = found != NULL ? end + 1 : end;
        size_t from = line;
        while (h->tabs && char_at(s, from) == '\t')
            from++;
        if (bytes_equal(bytes_slice(s->code, from, end - from), h->end))
            break;
        line = next;
    }
    if (!h->quoted) {
        s->at = start;
        scan_body(s, line);
    }
    s->at = next;
}

static void scan_newline(struct shell *s, struct level *l)
{
    struct heredoc waiting[HEREDOCS_MAX];
    size_t count = s->heredoc_count;

    end_command(s, l);
    s->at++;
    memcpy(waiting, s->heredocs, sizeof(waiting));
    s->heredoc_count = 0;
    for (size_t i = 0; i < count; i++)
        skip_heredoc(s, &waiting[i]);
}

/* ---- lists ---- */

static void scan_redirection(struct shell *s, struct level *l)
{
    char c = s->code.data[s->at];
    size_t start = s->at;

    if (char_at(s, s->at + 1) == '(') { /* <( ) */
        s->at += 2;
        nested_list(s, ')');
        l->dropping = l->heredoc = false;
        return;
    }
    while (!at_end(s) && strchr("<>&|", s->code.data[s->at]) != NULL && s->at - start < 3)
        s->at++;
    /* 2> and the like: the number is no word of the command */
    if (s->count > l->base && s->words[s->count - 1].offset + s->words[s->count - 1].length == start) {
        struct bytes number = word_text(s, s->count - 1);
        if (number.len == 1 && number.data[0] >= '0' && number.data[0] <= '9')
            drop_words(s, s->count - 1);
    }
    l->dropping = true;
    l->heredoc = c == '<' && s->at - start == 2 && s->code.data[start + 1] == '<';
    l->tabs = l->heredoc && char_at(s, s->at) == '-';
    s->at += l->tabs;
}

/* name() and name=( ) */
static void scan_open(struct shell *s, struct level *l)
{
    size_t last = s->count - 1;
    bool touches = s->count > l->base && s->words[last].offset + s->words[last].length == s->at;
    struct bytes word = s->count > l->base ? word_text(s, last) : BYTES_NONE;
    size_t next = s->at + 1;

    if (char_at(s, next) == '(' && (s->count == l->base || is_plain_word(s, l->base, "for"))) {
        scan_arithmetic(s);
    } else if (touches && word.len > 0 && word.data[word.len - 1] == '=') {
        size_t kept = s->count;
        s->at++;
        while (!at_end(s) && s->code.data[s->at] != ')') {
            if (ends_word(s->code.data[s->at], l->closing))
                s->at++;
            else
                scan_word(s, l->closing);
            drop_words(s, kept);
        }
        s->at++;
    } else {
        while (is_blank(char_at(s, next)))
            next++;
        if (s->count == l->base + 1 && char_at(s, next) == ')') {
            drop_words(s, l->base);
            s->at = next + 1;
            return;
        }
        end_command(s, l);
        s->at++;
        nested_list(s, ')');
    }
}

/* Patterns of a case: up to their bracket, or esac. */
static void scan_pattern(struct shell *s, struct level *l)
{
    char c = s->code.data[s->at];

    if (c == ')') {
        l->pattern = false;
        s->at++;
    } else if (c == '#') {
        while (!at_end(s) && s->code.data[s->at] != '\n')
            s->at++;
    } else if (ends_word(c, l->closing)) {
        s->at++;
    } else {
        scan_word(s, l->closing);
        if (is_plain_word(s, s->count - 1, "esac")) {
            l->pattern = false;
            l->cases -= l->cases > 0;
        }
        drop_words(s, s->count - 1);
    }
}

static void scan_separator(struct shell *s, struct level *l, char c)
{
    end_command(s, l);
    s->at++;
    if (c == ';' && (char_at(s, s->at) == ';' || char_at(s, s->at) == '&') && l->cases > 0) {
        s->at++;
        l->pattern = true;
    }
}

/* In [[ ]] only words count. */
static bool scan_in_test(struct shell *s, const struct level *l, char c)
{
    if (!l->test || c == '\n' || strchr("&|()<>;", c) == NULL)
        return false;
    s->at++;
    return true;
}

/* False: the level ends here. */
static bool scan_one(struct shell *s, struct level *l)
{
    char c = s->code.data[s->at];

    if (l->closing != '\0' && c == l->closing && !l->pattern) {
        s->at++;
        return false;
    }
    if (l->pattern) {
        scan_pattern(s, l);
    } else if (is_blank(c) || c == '\0') {
        s->at++;
    } else if (c == '\\' && char_at(s, s->at + 1) == '\n') {
        s->at += 2;
    } else if (c == '\n') {
        scan_newline(s, l);
    } else if (c == '#') {
        while (!at_end(s) && s->code.data[s->at] != '\n')
            s->at++;
    } else if (scan_in_test(s, l, c)) {
        /* passed over */
    } else if (c == '<' || c == '>' || (c == '&' && char_at(s, s->at + 1) == '>')) {
        scan_redirection(s, l);
    } else if (c == ';' || c == '&' || c == '|') {
        scan_separator(s, l, c);
    } else if (c == '(') {
        scan_open(s, l);
    } else if (c == ')') {
        end_command(s, l);
        s->at++;
    } else {
        scan_word(s, l->closing);
        follow_word(s, l);
    }
    return true;
}

static void scan_list(struct shell *s, char closing)
{
    struct level l = {.closing = closing, .base = s->count};

    while (!at_end(s) && !s->check->out->more && scan_one(s, &l))
        ;
    end_command(s, &l);
}

void danger_shell(struct danger_check *c, struct bytes code, const struct danger_word *place, size_t depth)
{
    struct shell s = {.check = c, .code = code, .place = place, .depth = depth};

    buf_init(&s.pool);
    buf_reserve(&s.pool, 256);
    scan_list(&s, '\0');
    buf_release(&s.pool);
    free(s.words);
}
