/* SPDX-License-Identifier: Apache-2.0 */
/*
 * danger_shell: what the two halves of the shell's scanner share: danger_words.c reads words and expansions, danger_shell.c lists of
 * commands. A word may hold a list ($( )), so each calls the other. See dangers.h.
 */
#ifndef MILLRACE_CONVERTER_DANGER_SHELL_H
#define MILLRACE_CONVERTER_DANGER_SHELL_H

#include "converter/dangers_private.h"

enum { HEREDOCS_MAX = 16 };

/* Of the command being read: where its text lies in the pool, for the pool may move. */
struct raw_word {
    size_t text, text_len;
    size_t offset, length;
    bool quoted;
};

struct heredoc {
    struct bytes end;
    bool tabs, quoted;
    bool runs; /* its body is shell code */
};

struct shell {
    struct danger_check *check;
    struct bytes code;
    size_t at;
    const struct danger_word *place; /* NULL: the user's own text */
    size_t depth;                    /* of code in arguments */
    size_t levels;
    bool in_double; /* within double quotes or a here-document: ' is no quote */
    struct buf pool;
    struct raw_word *words;
    size_t count, room;
    struct heredoc heredocs[HEREDOCS_MAX];
    size_t heredoc_count;
};

static inline char shell_char(const struct shell *s, size_t at)
{
    return at < s->code.len ? s->code.data[at] : '\0';
}

static inline bool shell_at_end(const struct shell *s)
{
    return s->at >= s->code.len;
}

static inline bool shell_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* A list of commands up to the closing byte, which is passed over; 0: to the end. */
void shell_list(struct shell *s, char closing);

/* Those that read begin at their first byte and leave `at` behind their last; what they read is put behind the pool's text. */
void shell_nested(struct shell *s,
    char closing); /* a list, within a word or by itself; `at` is behind its opening; leaves no text */
void shell_arithmetic(struct shell *s); /* (( )), $(( )) from its first bracket on; leaves no text */
void shell_dollar(struct shell *s);
void shell_word(struct shell *s, char closing); /* and puts the word behind the others */

bool shell_ends_word(char c, char closing);
struct bytes shell_word_text(const struct shell *s, size_t i);         /* until the pool grows */
bool shell_word_is(const struct shell *s, size_t i, const char *text); /* unquoted */
void shell_drop_words(struct shell *s, size_t to);

#endif
