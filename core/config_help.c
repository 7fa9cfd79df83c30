/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_help: --help for a terminal and the reference page (docs/reference/settings-<program>.md), both from the table.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/config_private.h"

static const char *type_name(enum setting_type type)
{
    switch (type) {
    case SETTING_TEXT:
        return "TEXT";
    case SETTING_INT:
        return "N";
    case SETTING_MS:
        return "TIME";
    case SETTING_SIZE:
        return "SIZE";
    case SETTING_BOOL:
        return "BOOL";
    case SETTING_PASS:
        return "TEXT";
    }
    return "TEXT";
}

void config_print_help(const struct config_rows *rows, const char *program, const char *about)
{
    printf("%s: %s\n\nusage: %s [--NAME=VALUE ...]\n\n", program, about, program);
    puts("  --config=FILE               lines `name = value`, # begins a comment; also MILLRACE_CONFIG\n"
         "  --help, --help=markdown     this text; the same as a reference page\n"
         "  --version                   the version\n\n"
         "Settings, weakest source first: default, config file, environment (a.b_c is MILLRACE_A_B_C), "
         "arguments.\n"
         "TIME: 250ms, 5s, 2m, 1h or ms. SIZE: 64k, 8m, 1g or bytes. BOOL: true or false.\n");
    for (size_t i = 0; i < rows->count; i++) {
        const struct setting *row = rows->items[i];
        const char *star = row->type == SETTING_PASS ? "*" : "";
        printf("  --%s%s=%s", row->name, star, type_name(row->type));
        if (row->value && row->value[0])
            printf("  [%s]", row->value);
        else if (!row->value && row->type != SETTING_PASS)
            printf("  (must be given)");
        printf("\n      %s", row->help);
        if (config_has_limits(row) && row->type != SETTING_TEXT) {
            char low[CONFIG_NUMBER_MAX], high[CONFIG_NUMBER_MAX];
            printf(" (%s to %s)", config_number_text(row->type, row->min, low),
                config_number_text(row->type, row->max, high));
        }
        putchar('\n');
    }
}

static void add_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_add_char(out, '\\');
        buf_add_char(out, *text);
    }
}

static void add_default_cell(struct buf *out, const struct setting *row)
{
    if (row->type == SETTING_PASS)
        return;
    if (!row->value)
        buf_add_text(out, "*must be given*");
    else if (row->value[0] == '\0')
        buf_add_text(out, "*empty*");
    else
        buf_printf(out, "`%s`", row->value);
}

static void add_limits_cell(struct buf *out, const struct setting *row)
{
    char low[CONFIG_NUMBER_MAX], high[CONFIG_NUMBER_MAX];

    if (!config_has_limits(row))
        return;
    if (row->type == SETTING_TEXT)
        buf_printf(out, "%" PRId64 " to %" PRId64 " bytes", row->min, row->max);
    else
        buf_printf(out, "%s to %s", config_number_text(row->type, row->min, low),
            config_number_text(row->type, row->max, high));
}

void config_markdown(
    const struct setting *const *tables, const char *program, const char *about, struct buf *out)
{
    struct config_rows rows;
    char env[CONFIG_ENV_NAME_MAX];

    config_collect_rows(tables, &rows);
    buf_printf(out, "# Settings of %s\n\n%s\n\n", program, about);
    buf_printf(out,
        "Made by `%s --help=markdown`. Of a setting's sources the last one that names it wins: default, "
        "config file\n"
        "(`--config=FILE` or `MILLRACE_CONFIG`; lines `name = value`, `#` begins a comment), environment, "
        "arguments\n"
        "(`--name=value`). Times: `250ms`, `5s`, `2m`, `1h` or plain milliseconds. Sizes: `64k`, `8m`, `1g` "
        "or plain\n"
        "bytes.\n\n"
        "| setting | environment | type | default | limits | what it does |\n"
        "|---|---|---|---|---|---|\n",
        program);
    for (size_t i = 0; i < rows.count; i++) {
        const struct setting *row = rows.items[i];
        const char *star = row->type == SETTING_PASS ? "*" : "";
        config_env_name(row->name, env);
        buf_printf(out, "| `%s%s` | `%s%s` | %s | ", row->name, star, env, star, type_name(row->type));
        add_default_cell(out, row);
        buf_add_text(out, " | ");
        add_limits_cell(out, row);
        buf_add_text(out, " | ");
        add_cell(out, row->help);
        buf_add_text(out, " |\n");
    }
}
