/* SPDX-License-Identifier: Apache-2.0 */
/*
 * danger_command: one simple shell command against the rules, and what it runs in turn: `env`, `xargs`, `sh -c` and their like are rows of
 * a table. See dangers.h.
 */
#include "converter/dangers_private.h"

#include <string.h>

enum { WRAPPERS_MAX = 12, TEXT_DEPTH_MAX = 6 };

/* What a wrapper's arguments are. */
enum runs {
    RUNS_COMMAND, /* options, then a command */
    RUNS_TEXT,    /* options; the argument behind the option -c is shell code */
    RUNS_ALL,     /* all arguments, joined, are shell code */
    RUNS_FIRST,   /* the first argument is shell code */
    RUNS_FIND     /* a command behind -exec and its like */
};

static const struct wrapper {
    const char *name;
    enum runs runs;
    const char *takes;      /* short options that have an argument */
    size_t skip;            /* arguments in front of the command */
    bool assigns;           /* NAME=value may stand in front of it */
    const char *asks;       /* short options with which it runs nothing */
    const char *long_takes; /* long options that have an argument, with blanks around each */
    const char *text;       /* short options whose argument is shell code */
} wrappers[] = {
    {"env", RUNS_COMMAND, "uCS", 0, true, "", " unset chdir split-string ", "S"},
    {"xargs", RUNS_COMMAND, "aEIdLnPs", 0, false, "", " arg-file delimiter max-args max-procs max-chars ",
        ""},
    {"sudo", RUNS_COMMAND, "ugpCDhRrtT", 0, true, "lKve",
        " user group prompt close-from chdir host role type other-user command-timeout chroot ", ""},
    {"doas", RUNS_COMMAND, "uC", 0, true, "L", "", ""},
    {"nohup", RUNS_COMMAND, "", 0, false, "", "", ""},
    {"nice", RUNS_COMMAND, "n", 0, false, "", " adjustment ", ""},
    {"ionice", RUNS_COMMAND, "cnp", 0, false, "", " class classdata ", ""},
    {"time", RUNS_COMMAND, "fo", 0, false, "", " format output ", ""},
    {"timeout", RUNS_COMMAND, "sk", 1, false, "", " signal kill-after ", ""},
    {"exec", RUNS_COMMAND, "a", 0, false, "", "", ""},
    {"command", RUNS_COMMAND, "", 0, false, "vV", "", ""},
    {"builtin", RUNS_COMMAND, "", 0, false, "", "", ""},
    {"setsid", RUNS_COMMAND, "", 0, false, "", "", ""},
    {"stdbuf", RUNS_COMMAND, "ioe", 0, false, "", " input output error ", ""},
    {"chroot", RUNS_COMMAND, "", 1, false, "", "", ""},
    {"flock", RUNS_COMMAND, "wE", 1, false, "", " timeout wait conflict-exit-code ", "c"},
    {"busybox", RUNS_COMMAND, "", 0, false, "", "", ""},
    {"parallel", RUNS_COMMAND, "jIaNnP", 0, false, "", " jobs max-args max-procs delay ", ""},
    {"strace", RUNS_COMMAND, "aeEoOpPsSuX", 0, false, "", "", ""},
    {"ltrace", RUNS_COMMAND, "aAeFlnopsuwxX", 0, false, "", "", ""},
    {"taskset", RUNS_COMMAND, "", 1, false, "p", "", ""},
    {"chrt", RUNS_COMMAND, "TPD", 1, false, "pm", "", ""},
    {"numactl", RUNS_COMMAND, "imNCpw", 0, false, "sH", "", ""},
    {"unshare", RUNS_COMMAND, "SGRw", 0, false, "", "", ""},
    {"nsenter", RUNS_COMMAND, "tSG", 0, false, "", " target setuid setgid ", ""},
    {"setpriv", RUNS_COMMAND, "", 0, false, "d",
        " reuid regid groups bounding-set inh-caps ambient-caps securebits ", ""},
    {"runuser", RUNS_COMMAND, "ugGsw", 0, false, "", " user group supp-group shell ", "c"},
    {"pkexec", RUNS_COMMAND, "", 0, false, "", " user ", ""},
    {"systemd-run", RUNS_COMMAND, "pMHuEt", 0, false, "",
        " property unit slice description uid gid nice working-directory setenv ", ""},
    {"xvfb-run", RUNS_COMMAND, "efnps", 0, false, "", "", ""},
    {"gosu", RUNS_COMMAND, "", 1, false, "", "", ""},
    {"toybox", RUNS_COMMAND, "", 0, false, "", "", ""},
    {"watch", RUNS_ALL, "n", 0, false, "", " interval ", ""},
    {"eval", RUNS_ALL, "", 0, false, "", "", ""},
    {"trap", RUNS_FIRST, "", 0, false, "lp", "", ""},
    {"sh", RUNS_TEXT, "o", 0, false, "", "", ""},
    {"bash", RUNS_TEXT, "oO", 0, false, "", "", ""},
    {"dash", RUNS_TEXT, "o", 0, false, "", "", ""},
    {"ksh", RUNS_TEXT, "o", 0, false, "", "", ""},
    {"zsh", RUNS_TEXT, "o", 0, false, "", "", ""},
    {"su", RUNS_TEXT, "gGsw", 0, false, "", "", ""},
    {"find", RUNS_FIND, "", 0, false, "", "", ""},
};

static struct bytes base_name(struct bytes path)
{
    for (size_t i = path.len; i > 0; i--) {
        if (path.data[i - 1] == '/')
            return bytes_slice(path, i, path.len);
    }
    return path;
}

static bool fits_name(struct bytes name, const char *what)
{
    size_t len = strlen(what);

    if (len > 1 && what[len - 1] == '*')
        return name.len >= len - 1 && memcmp(name.data, what, len - 1) == 0;
    return bytes_equal_text(name, what);
}

/* ---- arguments ---- */

static bool is_short_option(struct bytes word)
{
    return word.len > 1 && word.data[0] == '-' && word.data[1] != '-';
}

static bool has_letter(struct bytes word, const char *letters)
{
    if (!is_short_option(word))
        return false;
    for (size_t i = 1; i < word.len; i++) {
        if (word.data[i] != '\0' && strchr(letters, word.data[i]) != NULL)
            return true;
    }
    return false;
}

/* "/", "~", "*", ".", "..", "/etc", "/usr/", "/home/STAR", "~/STAR" (with * for STAR). */
static bool is_top_folder(struct bytes word)
{
    size_t slashes = 0;
    bool rooted = word.len > 0 && word.data[0] == '/';

    while (word.len > 1 && (word.data[word.len - 1] == '/' || word.data[word.len - 1] == '*'))
        word.len--;
    if (word.len == 0)
        return false;
    for (size_t i = 0; i < word.len; i++)
        slashes += word.data[i] == '/';
    if (rooted)
        return slashes == 1;
    return bytes_equal_text(word, "~") || bytes_equal_text(word, "*") || bytes_equal_text(word, ".") ||
           bytes_equal_text(word, "..");
}

static bool fits_arguments(const struct danger_rule *r, const struct danger_word *words, size_t count)
{
    bool option = r->letters == NULL;
    bool argument = r->argument == NULL;
    bool folder = !r->top_folder;

    for (size_t i = 0; i < count && !(option && argument && folder); i++) {
        struct bytes word = words[i].text;
        option = option || has_letter(word, r->letters) || bytes_equal_text(word, r->long_option);
        argument = argument || bytes_starts_with(word, r->argument);
        folder = folder || is_top_folder(word);
    }
    return option && argument && folder;
}

static void judge(struct danger_check *c, struct bytes name, const struct danger_word *words, size_t count)
{
    for (size_t i = 0; i < c->row_count && name.len > 0; i++) {
        const struct danger_rule *r = &danger_rules[c->rows[i]];
        if (r->what[0] == name.data[0] && fits_name(name, r->what) && fits_arguments(r, words + 1, count - 1))
            danger_found(c, c->rows[i], words[0].offset, words[0].length);
    }
}

/* ---- what it runs ---- */

static bool is_assignment(struct bytes word)
{
    for (size_t i = 0; i < word.len; i++) {
        char w = word.data[i];
        bool digit = w >= '0' && w <= '9';
        if (w == '=' || (w == '+' && i + 1 < word.len && word.data[i + 1] == '='))
            return i > 0;
        if (!((w >= 'a' && w <= 'z') || (w >= 'A' && w <= 'Z') || w == '_' || (digit && i > 0)))
            return false;
    }
    return false;
}

static const struct wrapper *wrapper_of(struct bytes name)
{
    for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
        if (name.len > 0 && wrappers[i].name[0] == name.data[0] && bytes_equal_text(name, wrappers[i].name))
            return &wrappers[i];
    }
    return NULL;
}

/* Does this short option (a cluster of them) take the next word? */
static bool takes_next(struct bytes word, const char *takes)
{
    for (size_t i = 1; i < word.len; i++) {
        if (word.data[i] != '\0' && strchr(takes, word.data[i]) != NULL)
            return i + 1 == word.len;
    }
    return false;
}

/* "--user" of sudo: the next word is its argument; "--user=bob" has it. */
static bool long_takes_next(struct bytes word, const char *takes)
{
    struct bytes name = bytes_slice(word, 2, word.len);

    for (const char *at = takes; (at = strchr(at, ' ')) != NULL && at[1] != '\0';) {
        const char *end = strchr(++at, ' ');
        if (bytes_equal(name, (struct bytes){at, (size_t)(end - at)}))
            return true;
    }
    return false;
}

/* Where the command begins behind the wrapper at 0; count: there is none. */
static size_t command_at(const struct wrapper *w, const struct danger_word *words, size_t count)
{
    size_t at = 1;

    for (; at < count; at++) {
        struct bytes word = words[at].text;
        if (bytes_equal_text(word, "--")) {
            at++;
            break;
        }
        if (is_short_option(word)) {
            if (has_letter(word, w->asks))
                return count;
            at += takes_next(word, w->takes);
        } else if (word.len > 2 && word.data[0] == '-') {
            at += long_takes_next(word, w->long_takes);
        } else if (!(w->assigns && is_assignment(word))) {
            break;
        }
    }
    return at + w->skip < count ? at + w->skip : count;
}

static void run_text(struct danger_check *c, const struct danger_word *word, size_t depth)
{
    if (depth < TEXT_DEPTH_MAX)
        danger_shell(c, word->text, word, depth + 1);
}

static void run_joined(struct danger_check *c, const struct danger_word *words, size_t count, size_t depth)
{
    struct danger_word all = words[0];
    struct buf text;

    buf_init(&text);
    for (size_t i = 0; i < count; i++) {
        buf_add_bytes(&text, words[i].text);
        buf_add_char(&text, ' ');
    }
    all.text = buf_bytes(&text);
    run_text(c, &all, depth);
    buf_release(&text);
}

/* env -S 'rm x', flock file -c 'rm x' */
static void run_option(struct danger_check *c, const struct wrapper *w, const struct danger_word *words,
    size_t count, size_t at, size_t depth)
{
    for (size_t i = 1; i <= at && i + 1 < count; i++) {
        if (has_letter(words[i].text, w->text) && takes_next(words[i].text, w->text))
            run_text(c, &words[i + 1], depth);
    }
}

static void run_c_option(struct danger_check *c, const struct danger_word *words, size_t count, size_t depth)
{
    bool seen = false;

    for (size_t i = 1; i < count; i++) {
        struct bytes word = words[i].text;
        if (has_letter(word, "c")) {
            seen = true;
        } else if (seen && !is_short_option(word)) {
            run_text(c, &words[i], depth);
            return;
        }
    }
}

static void run_find(struct danger_check *c, const struct danger_word *words, size_t count, size_t depth)
{
    static const char *const options[] = {"-exec", "-execdir", "-ok", "-okdir"};

    for (size_t i = 1; i < count; i++) {
        bool runs = false;
        for (size_t k = 0; k < sizeof(options) / sizeof(options[0]); k++)
            runs = runs || bytes_equal_text(words[i].text, options[k]);
        if (!runs)
            continue;
        size_t end = i + 1;
        while (
            end < count && !bytes_equal_text(words[end].text, ";") && !bytes_equal_text(words[end].text, "+"))
            end++;
        if (end > i + 1 && depth < TEXT_DEPTH_MAX)
            danger_command(c, words + i + 1, end - i - 1, depth + 1);
        i = end;
    }
}

void danger_command(struct danger_check *c, const struct danger_word *words, size_t count, size_t depth)
{
    while (count > 0 && is_assignment(words->text)) {
        words++;
        count--;
    }
    for (int i = 0; i < WRAPPERS_MAX && count > 0; i++) {
        struct bytes name = base_name(words->text);
        const struct wrapper *w = wrapper_of(name);
        judge(c, name, words, count);
        if (w == NULL)
            return;
        size_t at = command_at(w, words, count);
        switch (w->runs) {
        case RUNS_COMMAND:
            run_option(c, w, words, count, at, depth);
            words += at;
            count -= at;
            break;
        case RUNS_TEXT:
            run_c_option(c, words, count, depth);
            return;
        case RUNS_ALL:
            if (at < count)
                run_joined(c, words + at, count - at, depth);
            return;
        case RUNS_FIRST:
            if (at < count)
                run_text(c, &words[at], depth);
            return;
        case RUNS_FIND:
            run_find(c, words, count, depth);
            return;
        }
    }
}

/* A shell without -c and without a script. */
static bool is_reader(const struct danger_word *words, size_t count)
{
    bool is_su = bytes_equal_text(base_name(words->text), "su");
    bool script = false;

    for (size_t i = 1; i < count; i++) {
        struct bytes word = words[i].text;
        if (has_letter(word, "c"))
            return false;
        if (has_letter(word, "s") && !is_su)
            return true;
        script = script || (word.len > 0 && word.data[0] != '-');
    }
    return is_su || !script;
}

bool danger_reads_code(const struct danger_word *words, size_t count)
{
    while (count > 0 && is_assignment(words->text)) {
        words++;
        count--;
    }
    for (int i = 0; i < WRAPPERS_MAX && count > 0; i++) {
        const struct wrapper *w = wrapper_of(base_name(words->text));
        if (w == NULL || (w->runs != RUNS_COMMAND && w->runs != RUNS_TEXT))
            return false;
        if (w->runs == RUNS_TEXT)
            return is_reader(words, count);
        size_t at = command_at(w, words, count);
        words += at;
        count -= at;
    }
    return false;
}
