/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help: --help and the reference page, both from the table of commands.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"

static void option_label(const struct option *o, char *out, size_t size)
{
    char letter[8] = "    ";
    if (o->letter)
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    (void)snprintf(out, size, "%s--%s%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "",
        o->repeated ? " ..." : "");
}

static void help_outcomes(void)
{
    for (int i = 0; i < OUTCOMES; i++)
        printf("  %d  %s\n", i, outcome_help[i]);
}

void help_command(const struct command *c)
{
    const struct option *all[OPTIONS_MOST];
    size_t count = options_of(c, all, OPTIONS_MOST);
    char label[80];
    printf("millrace %s: %s\n\nusage: millrace %s %s%s[options]\n\n", c->name, c->about, c->name, c->words,
        c->words[0] ? " " : "");
    for (size_t i = 0; i < count; i++) {
        option_label(all[i], label, sizeof label);
        printf("  %-30s %s\n", label, all[i]->help);
    }
    for (const struct setting *s = c->settings; s && s->name; s++) {
        (void)snprintf(label, sizeof label, "    --%s%s VALUE", s->name, s->type == SETTING_PASS ? "*" : "");
        printf("  %-30s %s%s%s%s\n", label, s->help, s->value && s->value[0] ? " (default " : "",
            s->value && s->value[0] ? s->value : "", s->value && s->value[0] ? ")" : "");
    }
    if (c->notes)
        printf("\n%s\n", c->notes);
    (void)fputs("\nexit codes:\n", stdout);
    help_outcomes();
}

void help_all(void)
{
    printf(
        "millrace: submit jobs, watch them, read what came of them\n\nusage: millrace COMMAND [options]\n\n");
    for (const struct command *const *c = commands; *c; c++)
        printf("  %-10s %s\n", (*c)->name, (*c)->about);
    printf("  %-10s %s\n\n", "help",
        "this text; help COMMAND: of one command; help --markdown: the reference page");
    printf("exit codes:\n");
    help_outcomes();
    printf("\nDurations have units: 500ms, 30s, 5m, 2h, 1d, 1h30m; a number alone is milliseconds.\n");
    printf("The server is found by --url or MILLRACE_URL (default http://127.0.0.1:8420).\n");
}

/* A cell of a Markdown table. */
static void cell(const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            (void)putchar('\\');
        (void)putchar(*text);
    }
}

static void markdown_command(const struct command *c)
{
    const struct option *all[OPTIONS_MOST];
    size_t count = options_of(c, all, OPTIONS_MOST);
    printf("\n## millrace %s\n%s.\n\n`millrace %s %s%s[options]`\n\n| option | meaning |\n|---|---|\n",
        c->name, c->about, c->name, c->words, c->words[0] ? " " : "");
    for (size_t i = 0; i < count; i++) {
        char label[80];
        option_label(all[i], label, sizeof label);
        (void)fputs("| `", stdout);
        cell(label + strspn(label, " "));
        (void)fputs("` | ", stdout);
        cell(all[i]->help);
        (void)fputs(" |\n", stdout);
    }
    for (const struct setting *s = c->settings; s && s->name; s++) {
        printf("| `--%s%s VALUE` | ", s->name, s->type == SETTING_PASS ? "*" : "");
        cell(s->help);
        if (s->value && s->value[0])
            printf("; default `%s`", s->value);
        (void)fputs(" |\n", stdout);
    }
    if (c->notes)
        printf("\n%s\n", c->notes);
}

void help_markdown(void)
{
    printf("# The command line\n\nMade by `millrace help --markdown`. The server is found by `--url` or "
           "`MILLRACE_URL` (default "
           "`http://127.0.0.1:8420`).\nSettings (of `topics` and `dead`) also come from the environment, as "
           "for every program: "
           "`kafka.brokers` is `MILLRACE_KAFKA_BROKERS`.\nDurations have units: `500ms`, `30s`, `5m`, `2h`, "
           "`1d`, `1h30m`; a number alone is milliseconds.\n"
           "An option that takes one value is refused when it is given twice; those with `...` may be "
           "repeated.\n\n| exit code | meaning |\n|---|---|\n");
    for (int i = 0; i < OUTCOMES; i++)
        printf("| %d | %s |\n", i, outcome_help[i]);
    for (const struct command *const *c = commands; *c; c++)
        markdown_command(*c);
}
