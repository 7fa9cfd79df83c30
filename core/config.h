/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: a program's settings as one table.
 *
 * The table names each setting once: name, type, place in the struct, default, limits, help. From it config_load
 * fills the struct (in this order, later wins): defaults, config file (--config=FILE or MILLRACE_CONFIG; lines
 * `name = value`, # comments), environment (`a.b_c` is MILLRACE_A_B_C), arguments (--a.b_c=value). It prints --help
 * and --version, writes the reference page (--help=markdown), and refuses unknown names in file and arguments and
 * bad values anywhere with name, value and limit, and where the value came from. Unknown MILLRACE_* variables
 * are ignored (one environment serves all programs). `kafka.*` names pass through to librdkafka: they are collected in
 * the struct's `struct config_pairs` field of a SETTING_PASS row (also from MILLRACE_KAFKA_X_Y -> kafka.x.y, except
 * where a row has that name).
 */
#ifndef MILLRACE_CORE_CONFIG_H
#define MILLRACE_CORE_CONFIG_H

#include <stddef.h>

#include "core/bytes.h"
#include "core/error.h"

enum setting_type {
    SETTING_TEXT, /* const char *; owned by the config, lives as long as the process */
    SETTING_INT,  /* int64_t, plain number */
    SETTING_MS,   /* int64_t milliseconds; accepts 250ms, 5s, 2m, 1h, or a plain number of ms */
    SETTING_SIZE, /* int64_t bytes; accepts 64k, 8m, 1g (powers of 1024), or a plain number */
    SETTING_BOOL, /* bool; true/false/yes/no/1/0 */
    SETTING_PASS  /* struct config_pairs; name is the prefix, e.g. "kafka." */
};

struct config_pairs {
    struct config_pair {
        const char *name; /* without the prefix */
        const char *value;
    } * items;
    size_t count;
};

struct setting {
    const char *name; /* "slots", "kafka.brokers" */
    enum setting_type type;
    size_t offset;     /* offsetof(struct ..., field) */
    const char *value; /* the default, as a user would write it; NULL: the setting must be given */
    int64_t min, max;  /* for numbers; both 0: no limits. For text: length limits */
    const char *help;  /* one line */
};

#define SETTING_END                                                                                          \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }

enum config_verdict {
    CONFIG_RUN,  /* go on */
    CONFIG_EXIT, /* --help or --version was printed: exit 0 */
    CONFIG_BAD   /* e says what is wrong: print it, exit EXIT_SETTINGS */
};

/* `tables` is a NULL-terminated list of SETTING_END-terminated tables over the same struct, so that a program's own
 * settings extend the common ones (core/stage.h). `about` is the first line of --help. */
enum config_verdict config_load(const struct setting *const *tables, void *into, const char *program,
    const char *about, int argc, char **argv, struct error *e);

/* The page docs/reference/settings-<program>.md, to be compared with the committed one by a test. */
void config_markdown(
    const struct setting *const *tables, const char *program, const char *about, struct buf *out);

#endif
