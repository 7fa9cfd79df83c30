/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args: reads a command's arguments by its table: --name value, --name=value, -x value, flags, words; "--" ends the options, "-"
 * is a word. See command.h.
 */
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/duration.h"
#include "cli/options.h"

const struct option options_common[] = {
    {0, "help", NULL, false, "this text"},
    OPTION_END,
};
const struct option options_server[] = {
    {0, "url", "URL", false, "where ingest listens; default MILLRACE_URL, else http://127.0.0.1:8420"},
    {'o', "output", "table|json", false, "how answers are shown; default table"},
    OPTION_END,
};

void complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("millrace: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

size_t options_of(const struct command *c, const struct option **out, size_t most)
{
    const struct option *const tables[] = {
        c->options, c->asks_server ? options_server : NULL, options_common};
    size_t count = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct option *o = tables[t]; o && o->name && count < most; o++)
            out[count++] = o;
    return count;
}

static const struct option *find_long(const struct command *c, struct bytes name)
{
    const struct option *all[OPTIONS_MOST];
    size_t count = options_of(c, all, OPTIONS_MOST);
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_text(name, all[i]->name))
            return all[i];
    return NULL;
}

static const struct option *find_letter(const struct command *c, char letter)
{
    const struct option *all[OPTIONS_MOST];
    size_t count = options_of(c, all, OPTIONS_MOST);
    for (size_t i = 0; i < count; i++)
        if (all[i]->letter && all[i]->letter == letter)
            return all[i];
    return NULL;
}

static bool is_setting(const struct command *c, struct bytes name)
{
    for (const struct setting *s = c->settings; s && s->name; s++) {
        if (bytes_equal_text(name, s->name) || (s->type == SETTING_PASS && bytes_starts_with(name, s->name)))
            return true;
    }
    return bytes_equal_text(name, "config") && c->settings;
}

static bool bad(const struct command *c, const char *what, const char *argument)
{
    complain("%s: %s; millrace %s --help lists the options", argument, what, c->name);
    return false;
}

/* SQL may begin with a comment: its text is no option. */
static bool no_such(const struct command *c, const char *argument)
{
    char shown[64];
    if (!strpbrk(argument, " \t\n"))
        return bad(c, "there is no such option", argument);
    (void)snprintf(shown, sizeof shown, "%.*s", (int)strcspn(argument, "\n"), argument);
    complain("%s: there is no such option; if it is the code, write it behind -- as the last word", shown);
    return false;
}

static bool twice(struct bytes name, const char *first, const char *second)
{
    complain("--%.*s is given twice, with \"%s\" and with \"%s\"; it takes one value", BYTES_ARG(name), first,
        second);
    return false;
}

static bool keep(struct args *a, const struct option *o, const char *value)
{
    for (size_t i = 0; o->arg && !o->repeated && i < a->count; i++)
        if (a->given[i].option == o)
            return twice(bytes_of(o->name), a->given[i].value, value);
    if (a->count == GIVEN_MOST)
        return bad(a->command, "too many options", o->name);
    a->given[a->count].option = o;
    a->given[a->count++].value = value;
    return true;
}

static bool keep_setting(struct args *a, struct bytes name, const char *value)
{
    struct buf text;
    buf_init(&text);
    buf_printf(&text, "--%.*s=", BYTES_ARG(name));
    for (size_t i = 1; i < a->setting_count; i++)
        if (bytes_starts_with(bytes_of(a->settings[i]), text.data)) {
            bool ok = twice(name, a->settings[i] + text.len, value);
            buf_release(&text);
            return ok;
        }
    if (a->setting_count == GIVEN_MOST) {
        buf_release(&text);
        return bad(a->command, "too many settings", value);
    }
    buf_add_text(&text, value);
    buf_add_char(&text, '\0');
    a->settings[a->setting_count++] = text.data; /* owned by args_release */
    return true;
}

/* Takes argv[i] and what belongs to it; returns the next index, or -1. */
static int take_long(struct args *a, int argc, char **argv, int i)
{
    const char *text = argv[i] + 2, *equals = strchr(text, '=');
    struct bytes name = {text, equals ? (size_t)(equals - text) : strlen(text)};
    const struct option *o = find_long(a->command, name);
    bool setting = !o && is_setting(a->command, name);
    const char *value = equals ? equals + 1 : NULL;
    int next = i + 1;

    if (!o && !setting)
        return no_such(a->command, argv[i]) ? next : -1;
    if (o && !o->arg && equals)
        return bad(a->command, "this option takes no value", argv[i]) ? next : -1;
    if (!value && (setting || o->arg)) {
        if (next == argc)
            return bad(a->command, "a value must follow", argv[i]) ? next : -1;
        value = argv[next++];
    }
    bool ok = setting ? keep_setting(a, name, value) : keep(a, o, value ? value : "");
    return ok ? next : -1;
}

static int take_letter(struct args *a, int argc, char **argv, int i)
{
    const struct option *o = find_letter(a->command, argv[i][1]);
    const char *value = argv[i][2] ? argv[i] + 2 : NULL;
    int next = i + 1;
    if (!o || (!o->arg && value))
        return no_such(a->command, argv[i]) ? next : -1;
    if (o->arg && !value) {
        if (next == argc)
            return bad(a->command, "a value must follow", argv[i]) ? next : -1;
        value = argv[next++];
    }
    return keep(a, o, value ? value : "") ? next : -1;
}

bool args_parse(const struct command *c, int argc, char **argv, struct args *out)
{
    static char program[] = "millrace";
    bool options = true;
    *out = (struct args){.command = c, .settings = {program}, .setting_count = 1};
    for (int i = 0; i < argc && i >= 0;) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
            i++;
        } else if (options && argv[i][0] == '-' && argv[i][1] == '-') {
            i = take_long(out, argc, argv, i);
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            i = take_letter(out, argc, argv, i);
        } else if (!argv[i][0]) {
            return bad(c, "an empty argument is none: was it a variable that is not set?", "\"\"");
        } else if (out->word_count == WORDS_MOST) {
            return bad(c, "too many words", argv[i]);
        } else {
            out->words[out->word_count++] = argv[i++];
        }
        if (i < 0)
            return false;
    }
    if (args_flag(out, "help") || (out->word_count >= c->words_least && out->word_count <= c->words_most))
        return true;
    complain("usage: millrace %s %s [options]; millrace %s --help tells more", c->name, c->words, c->name);
    return false;
}

void args_release(struct args *a)
{
    for (size_t i = 1; i < a->setting_count; i++)
        free(a->settings[i]);
}

const char *args_text(const struct args *a, const char *name, const char *otherwise)
{
    for (size_t i = a->count; i-- > 0;)
        if (strcmp(a->given[i].option->name, name) == 0)
            return a->given[i].value;
    return otherwise;
}

bool args_flag(const struct args *a, const char *name)
{
    return args_text(a, name, NULL) != NULL;
}

bool args_number(
    const struct args *a, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *out)
{
    const char *text = args_text(a, name, NULL);
    *out = otherwise;
    if (!text || (bytes_parse_int64(bytes_of(text), out) && *out >= min && *out <= max))
        return true;
    complain(
        "--%s %s: a whole number from %lld to %lld is expected", name, text, (long long)min, (long long)max);
    return false;
}

bool args_duration(const struct args *a, const char *name, int64_t otherwise, int64_t *out)
{
    const char *text = args_text(a, name, NULL);
    *out = otherwise;
    if (!text || duration_parse(text, out))
        return true;
    complain("--%s %s: " DURATION_WORDS " is expected", name, text);
    return false;
}

bool args_output(const struct args *a, bool *json)
{
    const char *text = args_text(a, "output", "table");
    *json = strcmp(text, "json") == 0;
    if (*json || strcmp(text, "table") == 0)
        return true;
    complain("--output %s: table or json is expected", text);
    return false;
}

const char *args_user(void)
{
    const char *name = getenv("MILLRACE_USER");
    if (name && *name)
        return name;
    const struct passwd *me = getpwuid(getuid());
    return me ? me->pw_name : "unknown";
}
