/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_private: what the files of the config module share: the rows of all tables as one list, and how values are read
 * and written. config.c applies the sources, config_help.c writes the help and the reference page.
 */
#ifndef MILLRACE_CORE_CONFIG_PRIVATE_H
#define MILLRACE_CORE_CONFIG_PRIVATE_H

#include "core/config.h"

#define CONFIG_ENV_PREFIX "MILLRACE_"
enum { CONFIG_SETTINGS_MAX = 256, CONFIG_ENV_NAME_MAX = 128, CONFIG_NUMBER_MAX = 32 };

/* The rows of all tables; of rows with one name the last counts. */
struct config_rows {
    const struct setting *items[CONFIG_SETTINGS_MAX];
    bool given[CONFIG_SETTINGS_MAX];
    size_t count;
};

/* ---- config_rows.c ---- */
void config_collect_rows(const struct setting *const *tables, struct config_rows *rows);
/* "kafka.session_timeout" -> "MILLRACE_KAFKA_SESSION_TIMEOUT" */
void config_env_name(const char *setting, char out[CONFIG_ENV_NAME_MAX]);
bool config_has_limits(const struct setting *row);
/* A number with the units of its type. */
bool config_parse_number(enum setting_type type, const char *text, int64_t *out);
/* With the largest unit that divides it: limits in messages look like what one would write. Returns out. */
const char *config_number_text(enum setting_type type, int64_t value, char out[CONFIG_NUMBER_MAX]);

/* ---- config_help.c ---- */
void config_print_help(const struct config_rows *rows, const char *program, const char *about);

#endif
