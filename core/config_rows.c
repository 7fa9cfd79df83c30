/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_rows: the tables of a program as one list, and the forms of their values: names of environment variables, times
 * and sizes with units.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/config_private.h"

void config_collect_rows(const struct setting *const *tables, struct config_rows *rows)
{
    rows->count = 0;
    for (; *tables; tables++) {
        for (const struct setting *row = *tables; row->name; row++) {
            size_t i = 0;
            while (i < rows->count && strcmp(rows->items[i]->name, row->name) != 0)
                i++;
            MUST(i < CONFIG_SETTINGS_MAX);
            rows->items[i] = row;
            rows->given[i] = false;
            if (i == rows->count)
                rows->count++;
        }
    }
}

void config_env_name(const char *setting, char out[CONFIG_ENV_NAME_MAX])
{
    int len = snprintf(out, CONFIG_ENV_NAME_MAX, CONFIG_ENV_PREFIX "%s", setting);
    MUST(len > 0 && len < CONFIG_ENV_NAME_MAX);
    for (char *c = out; *c; c++)
        *c = *c == '.' || *c == '-' ? '_' : (char)toupper((unsigned char)*c);
}

bool config_has_limits(const struct setting *row)
{
    return row->min != 0 || row->max != 0;
}

struct suffix {
    const char *name;
    int64_t factor;
};
static const struct suffix ms_suffixes[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct suffix size_suffixes[] = {
    {"", 1}, {"k", 1024}, {"m", 1024 * 1024}, {"g", 1024 * 1024 * 1024}, {NULL, 0}};
static const struct suffix no_suffixes[] = {{"", 1}, {NULL, 0}};

static const struct suffix *suffixes_of(enum setting_type type)
{
    return type == SETTING_MS ? ms_suffixes : type == SETTING_SIZE ? size_suffixes : no_suffixes;
}

bool config_parse_number(enum setting_type type, const char *text, int64_t *out)
{
    size_t digits = text[0] == '-' ? 1 : 0;
    int64_t number;

    while (isdigit((unsigned char)text[digits]))
        digits++;
    if (!bytes_parse_int64((struct bytes){text, digits}, &number))
        return false;
    for (const struct suffix *s = suffixes_of(type); s->name; s++) {
        if (strcmp(s->name, text + digits) == 0)
            return !__builtin_mul_overflow(number, s->factor, out);
    }
    return false;
}

const char *config_number_text(enum setting_type type, int64_t value, char out[CONFIG_NUMBER_MAX])
{
    const struct suffix *best = NULL;
    for (const struct suffix *s = suffixes_of(type); s->name; s++) {
        if (value % s->factor == 0 && (value != 0 || s->factor == 1))
            best = s;
    }
    MUST(best);
    snprintf(out, CONFIG_NUMBER_MAX, "%" PRId64 "%s", value / best->factor, best->name);
    return out;
}
