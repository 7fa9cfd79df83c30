/* SPDX-License-Identifier: Apache-2.0 */
/*
 * danger_shell: shell code as simple commands, by the grammar of POSIX and the additions of bash that scripts use. It follows the places
 * where a command may stand, and knows no values: what a variable or a substitution yields is DANGER_UNKNOWN. One pass; a substitution is a
 * level of its own that ends where its bracket closes. See dangers.h.
 */
#include "converter/danger_shell.h"

#include <stdlib.h>
#include <string.h>

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
    bool here_string;          /* the next word is a <<< redirection's */
    struct danger_word string; /* the last of these; text none: there is none */
    size_t heredocs;           /* of those before the command */
};

enum { READ_DEPTH_MAX = 6 }; /* here-documents of shells, one within the other */

/* ---- commands ---- */

/* The command is a shell: what its redirections give it is code. */
static void run_input(struct shell *s, const struct level *l)
{
    if (s->depth >= READ_DEPTH_MAX)
        return;
    for (size_t i = l->heredocs; i < s->heredoc_count; i++)
        s->heredocs[i].runs = true;
    if (l->string.text.data != NULL)
        danger_shell(s->check, l->string.text, &l->string, s->depth + 1);
}

static void end_command(struct shell *s, struct level *l)
{
    size_t count = s->count - l->base;

    if (count > 0) {
        struct danger_word *words = malloc(count * sizeof(*words));
        if (words == NULL)
            abort();
        for (size_t i = 0; i < count; i++) {
            const struct raw_word *raw = &s->words[l->base + i];
            words[i] = (struct danger_word){.text = shell_word_text(s, l->base + i),
                .offset = s->place != NULL ? s->place->offset : raw->offset,
                .length = s->place != NULL ? s->place->length : raw->length};
        }
        danger_command(s->check, words, count, s->depth);
        if (danger_reads_code(words, count))
            run_input(s, l);
        free(words);
    }
    shell_drop_words(s, l->base);
    l->test = l->dropping = l->heredoc = l->here_string = false;
    l->string.text = BYTES_NONE;
    l->heredocs = s->heredoc_count;
}

/* Words behind which a command begins, or with which one ends. */
static bool is_reserved(const struct shell *s, size_t i)
{
    static const char *const words[] = {
        "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "{", "}", "!", "esac", "coproc"};

    for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
        if (shell_word_is(s, i, words[k]))
            return true;
    }
    return false;
}

static void note_heredoc(struct shell *s, struct level *l)
{
    size_t last = s->count - 1;

    if (s->heredoc_count < HEREDOCS_MAX)
        s->heredocs[s->heredoc_count++] =
            (struct heredoc){.end = arena_copy(s->check->arena, shell_word_text(s, last)),
                .tabs = l->tabs,
                .quoted = s->words[last].quoted};
}

static void note_string(struct shell *s, struct level *l)
{
    const struct raw_word *raw = &s->words[s->count - 1];

    l->string = (struct danger_word){.text = arena_copy(s->check->arena, shell_word_text(s, s->count - 1)),
        .offset = s->place != NULL ? s->place->offset : raw->offset,
        .length = s->place != NULL ? s->place->length : raw->length};
}

/* Words that may stand between `time` and what it takes the time of. */
static bool behind_time(const struct shell *s, const struct level *l, size_t last)
{
    for (size_t i = l->base; i < last; i++) {
        if (!shell_word_is(s, i, "time") && !shell_word_is(s, i, "-p"))
            return false;
    }
    return true;
}

/* The word just read. */
static void follow_word(struct shell *s, struct level *l)
{
    size_t last = s->count - 1;
    size_t index = last - l->base;

    if (l->dropping) {
        if (l->heredoc)
            note_heredoc(s, l);
        if (l->here_string)
            note_string(s, l);
        l->dropping = l->heredoc = l->here_string = false;
        shell_drop_words(s, last);
    } else if (is_reserved(s, last) && behind_time(s, l, last)) {
        if (shell_word_is(s, last, "esac") && l->cases > 0)
            l->cases--;
        shell_drop_words(s, l->base);
    } else if (index == 0 && shell_word_is(s, last, "[[")) {
        l->test = true;
    } else if (l->test && shell_word_is(s, last, "]]")) {
        end_command(s, l);
    } else if (index == 1 && shell_word_is(s, l->base, "function")) {
        shell_drop_words(s, l->base);
    } else if (index == 2 && shell_word_is(s, l->base, "case") && shell_word_is(s, last, "in")) {
        shell_drop_words(s, l->base);
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
    s->in_double = true;
    while (!shell_at_end(s)) {
        char c = s->code.data[s->at];
        if (c == '$') {
            shell_dollar(s);
        } else if (c == '`') {
            s->at++;
            shell_nested(s, '`');
        } else {
            s->at += c == '\\' ? 2 : 1;
        }
    }
    s->in_double = false;
    s->code = whole;
    s->pool.len = mark;
}

/* The body is code of a shell. */
static void run_body(const struct shell *s, size_t from, size_t end)
{
    struct shell inner = {
        .check = s->check, .code = s->code, .at = from, .place = s->place, .depth = s->depth + 1};

    inner.code.len = end;
    buf_init(&inner.pool);
    buf_reserve(&inner.pool, 256);
    shell_list(&inner, '\0');
    buf_release(&inner.pool);
    free(inner.words);
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
        while (h->tabs && shell_char(s, from) == '\t')
            from++;
        if (bytes_equal(bytes_slice(s->code, from, end - from), h->end))
            break;
        line = next;
    }
    if (h->runs) {
        run_body(s, start, line);
    } else if (!h->quoted) {
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
    s->heredoc_count = l->heredocs = 0;
    for (size_t i = 0; i < count; i++)
        skip_heredoc(s, &waiting[i]);
}

/* ---- lists ---- */

/* 2> and {fd}>: what touches the sign is no word of the command. */
static void drop_descriptor(struct shell *s, const struct level *l, size_t start)
{
    if (s->count == l->base || s->words[s->count - 1].quoted ||
        s->words[s->count - 1].offset + s->words[s->count - 1].length != start)
        return;
    struct bytes word = shell_word_text(s, s->count - 1);
    bool digits = word.len > 0;
    for (size_t i = 0; i < word.len; i++)
        digits = digits && word.data[i] >= '0' && word.data[i] <= '9';
    if (digits || (word.len > 2 && word.data[0] == '{' && word.data[word.len - 1] == '}'))
        shell_drop_words(s, s->count - 1);
}

static void scan_redirection(struct shell *s, struct level *l)
{
    char c = s->code.data[s->at];
    size_t start = s->at;

    if (shell_char(s, s->at + 1) == '(') { /* <( ) */
        s->at += 2;
        shell_nested(s, ')');
        l->dropping = l->heredoc = l->here_string = false;
        return;
    }
    while (!shell_at_end(s) && strchr("<>&|", s->code.data[s->at]) != NULL && s->at - start < 3)
        s->at++;
    drop_descriptor(s, l, start);
    l->dropping = true;
    l->heredoc = c == '<' && s->at - start == 2 && s->code.data[start + 1] == '<';
    l->here_string = c == '<' && s->at - start == 3 && s->code.data[start + 2] == '<';
    l->tabs = l->heredoc && shell_char(s, s->at) == '-';
    s->at += l->tabs;
}

/* name() and name=( ) */
static void scan_open(struct shell *s, struct level *l)
{
    size_t last = s->count - 1;
    bool touches = s->count > l->base && s->words[last].offset + s->words[last].length == s->at;
    struct bytes word = s->count > l->base ? shell_word_text(s, last) : BYTES_NONE;
    size_t next = s->at + 1;

    if (shell_char(s, next) == '(' && (s->count == l->base || shell_word_is(s, l->base, "for"))) {
        shell_arithmetic(s);
    } else if (touches && word.len > 0 && word.data[word.len - 1] == '=') {
        size_t kept = s->count;
        s->at++;
        while (!shell_at_end(s) && s->code.data[s->at] != ')') {
            if (shell_ends_word(s->code.data[s->at], l->closing))
                s->at++;
            else
                shell_word(s, l->closing);
            shell_drop_words(s, kept);
        }
        s->at++;
    } else {
        while (shell_is_blank(shell_char(s, next)))
            next++;
        if (s->count == l->base + 1 && shell_char(s, next) == ')') {
            shell_drop_words(s, l->base);
            s->at = next + 1;
            return;
        }
        end_command(s, l);
        s->at++;
        shell_nested(s, ')');
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
        while (!shell_at_end(s) && s->code.data[s->at] != '\n')
            s->at++;
    } else if (shell_ends_word(c, l->closing)) {
        s->at++;
    } else {
        shell_word(s, l->closing);
        if (shell_word_is(s, s->count - 1, "esac")) {
            l->pattern = false;
            l->cases -= l->cases > 0;
        }
        shell_drop_words(s, s->count - 1);
    }
}

static void scan_separator(struct shell *s, struct level *l, char c)
{
    end_command(s, l);
    s->at++;
    if (c == ';' && (shell_char(s, s->at) == ';' || shell_char(s, s->at) == '&') && l->cases > 0) {
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
    } else if (shell_is_blank(c) || c == '\0') {
        s->at++;
    } else if (c == '\\' && shell_char(s, s->at + 1) == '\n') {
        s->at += 2;
    } else if (c == '\n') {
        scan_newline(s, l);
    } else if (c == '#') {
        while (!shell_at_end(s) && s->code.data[s->at] != '\n')
            s->at++;
    } else if (scan_in_test(s, l, c)) {
        /* passed over */
    } else if (c == '<' || c == '>' || (c == '&' && shell_char(s, s->at + 1) == '>')) {
        scan_redirection(s, l);
    } else if (c == ';' || c == '&' || c == '|') {
        scan_separator(s, l, c);
    } else if (c == '(') {
        scan_open(s, l);
    } else if (c == ')') {
        end_command(s, l);
        s->at++;
    } else {
        shell_word(s, l->closing);
        follow_word(s, l);
    }
    return true;
}

void shell_list(struct shell *s, char closing)
{
    struct level l = {.closing = closing, .base = s->count, .heredocs = s->heredoc_count};

    while (!shell_at_end(s) && !s->check->out->more && scan_one(s, &l))
        ;
    end_command(s, &l);
}

void danger_shell(struct danger_check *c, struct bytes code, const struct danger_word *place, size_t depth)
{
    struct shell s = {.check = c, .code = code, .place = place, .depth = depth};

    buf_init(&s.pool);
    buf_reserve(&s.pool, 256);
    shell_list(&s, '\0');
    buf_release(&s.pool);
    free(s.words);
}
