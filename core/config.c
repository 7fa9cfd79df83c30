/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: see config.h. Sources are applied from the weakest to the strongest, each through set_value, which
 * knows the table and nothing else; so every refusal names the setting, the value, what is allowed and where
 * the value came from. Texts live as long as the process: literals of the tables, argv and environ, and for
 * files one arena.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/config_private.h"

extern char **environ;

enum { FILE_MAX_BYTES = 1024 * 1024 };

/* Texts from files and the lists of passed pairs: owned for the life of the process (config.h). */
static struct arena config_texts;

struct load {
    struct config_rows rows;
    char *into;
    const char *program;
    struct error *e;
};

static const char *type_word(enum setting_type type)
{
    switch (type) {
    case SETTING_TEXT:
        return "text";
    case SETTING_INT:
        return "a whole number";
    case SETTING_MS:
        return "a time such as 250ms, 5s, 2m or 1h";
    case SETTING_SIZE:
        return "a size such as 64k, 8m or 1g";
    case SETTING_BOOL:
        return "true or false";
    case SETTING_PASS:
        return "text";
    }
    return "text";
}

static bool parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    }
    return false;
}

static bool refuse(struct load *l, const struct setting *row, const char *value, const char *source)
{
    char low[CONFIG_NUMBER_MAX], high[CONFIG_NUMBER_MAX];
    error_set(l->e, "bad_setting", "%s: \"%s\" (from %s) is not allowed; it must be %s", row->name, value,
        source, type_word(row->type));
    if (!config_has_limits(row))
        return false;
    struct error plain = *l->e;
    if (row->type == SETTING_TEXT)
        return error_set(
            l->e, "bad_setting", "%s of %" PRId64 " to %" PRId64 " bytes", plain.text, row->min, row->max);
    return error_set(l->e, "bad_setting", "%s from %s to %s", plain.text,
        config_number_text(row->type, row->min, low), config_number_text(row->type, row->max, high));
}

static bool set_value(struct load *l, const struct setting *row, const char *value, const char *source)
{
    void *field = l->into + row->offset;
    int64_t measure = 0;

    switch (row->type) {
    case SETTING_TEXT:
        measure = (int64_t)strlen(value);
        break;
    case SETTING_INT:
    case SETTING_MS:
    case SETTING_SIZE:
        if (!config_parse_number(row->type, value, &measure))
            return refuse(l, row, value, source);
        break;
    case SETTING_BOOL:
        if (!parse_bool(value, (bool *)field))
            return refuse(l, row, value, source);
        return true;
    case SETTING_PASS:
        MUST(row->type != SETTING_PASS); /* a prefix has no value of its own */
        return false;
    }
    if (config_has_limits(row) && (measure < row->min || measure > row->max))
        return refuse(l, row, value, source);
    if (row->type == SETTING_TEXT)
        *(const char **)field = value;
    else
        *(int64_t *)field = measure;
    return true;
}

static void set_pair(struct config_pairs *pairs, const char *name, const char *value)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0) {
            pairs->items[i].value = value;
            return;
        }
    }
    struct config_pair *items = arena_array(&config_texts, pairs->count + 1, sizeof(*items));
    if (pairs->count > 0)
        memcpy(items, pairs->items, pairs->count * sizeof(*items));
    items[pairs->count].name = name;
    items[pairs->count].value = value;
    pairs->items = items;
    pairs->count++;
}

/* ---- names ---- */

/* The row of that name; a SETTING_PASS row for a longer name with its prefix, unless a row has the very name.
 */
static bool find_row(const struct load *l, struct bytes name, size_t *index)
{
    bool passed = false;

    for (size_t i = 0; i < l->rows.count; i++) {
        const struct setting *row = l->rows.items[i];
        if (row->type == SETTING_PASS) {
            if (name.len > strlen(row->name) && bytes_starts_with(name, row->name)) {
                *index = i;
                passed = true;
            }
        } else if (bytes_equal_text(name, row->name)) {
            *index = i;
            return true;
        }
    }
    return passed;
}

/* Applies name = value of a file or argument. Both must live for ever. */
static bool apply(struct load *l, struct bytes name, const char *value, const char *source)
{
    size_t index;

    if (!find_row(l, name, &index))
        return error_set(l->e, "unknown_setting",
            "there is no setting \"%.*s\" (from %s); %s --help lists them", BYTES_ARG(name), source,
            l->program);
    const struct setting *row = l->rows.items[index];
    l->rows.given[index] = true;
    if (row->type != SETTING_PASS)
        return set_value(l, row, value, source);
    size_t prefix = strlen(row->name);
    void *field = l->into + row->offset;
    set_pair(field, arena_text(&config_texts, bytes_slice(name, prefix, name.len)), value);
    return true;
}

/* ---- the four sources ---- */

static bool apply_defaults(struct load *l)
{
    for (size_t i = 0; i < l->rows.count; i++) {
        const struct setting *row = l->rows.items[i];
        if (row->type == SETTING_PASS) {
            void *field = l->into + row->offset;
            *(struct config_pairs *)field = (struct config_pairs){NULL, 0};
            continue;
        }
        if (row->value && !set_value(l, row, row->value, "the default"))
            return false;
    }
    return true;
}

static bool read_file(const char *path, char **text, struct error *e)
{
    struct stat info;
    bool ok = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_set(e, "bad_config_file", "config file %s: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        error_set(e, "bad_config_file", "config file %s is not a file", path);
        goto out;
    }
    if (info.st_size > FILE_MAX_BYTES) {
        error_set(e, "bad_config_file", "config file %s has more than 1 MiB", path);
        goto out;
    }
    size_t size = (size_t)info.st_size;
    size_t len = 0;
    *text = arena_alloc(&config_texts, size + 1);
    while (len < size) {
        ssize_t n = read(fd, *text + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            error_set(e, "bad_config_file", "config file %s: %s", path, strerror(errno));
            goto out;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    if (memchr(*text, '\0', len)) {
        error_set(e, "bad_config_file", "config file %s holds a NUL byte; it must be text", path);
        goto out;
    }
    ok = true;
out:
    close(fd);
    return ok;
}

/* One line, `text` is its own memory for ever: name = value; # and blank lines are nothing. */
static bool apply_line(struct load *l, char *text, const char *source)
{
    struct bytes line = bytes_trim(bytes_of(text));

    if (line.len == 0 || line.data[0] == '#')
        return true;
    const char *equals = memchr(line.data, '=', line.len);
    if (!equals)
        return error_set(
            l->e, "bad_config_file", "%s: \"%.*s\" is not `name = value`", source, BYTES_ARG(line));
    size_t name_len = (size_t)(equals - line.data);
    struct bytes name = bytes_trim(bytes_slice(line, 0, name_len));
    struct bytes value = bytes_trim(bytes_slice(line, name_len + 1, line.len));
    return apply(l, name, arena_text(&config_texts, value), source);
}

static bool apply_file(struct load *l, const char *path)
{
    char *text = NULL;
    int number = 0;

    if (!read_file(path, &text, l->e))
        return false;
    while (text) {
        char *end = strchr(text, '\n');
        if (end)
            *end = '\0';
        struct bytes source = arena_printf(&config_texts, "%s line %d", path, ++number);
        if (!apply_line(l, text, source.data))
            return false;
        text = end ? end + 1 : NULL;
    }
    return true;
}

/* MILLRACE_KAFKA_X_Y=v is kafka.x.y = v where no row has that name: librdkafka's names have dots only. */
static void apply_env_pass(struct load *l, const struct setting *pass, const char *entry)
{
    char prefix[CONFIG_ENV_NAME_MAX];
    char other[CONFIG_ENV_NAME_MAX];

    config_env_name(pass->name, prefix);
    const char *equals = strchr(entry, '=');
    if (!equals || strncmp(entry, prefix, strlen(prefix)) != 0 || equals == entry + strlen(prefix))
        return;
    size_t len = (size_t)(equals - entry);
    for (size_t i = 0; i < l->rows.count; i++) {
        config_env_name(l->rows.items[i]->name, other);
        if (strlen(other) == len && strncmp(entry, other, len) == 0)
            return;
    }
    size_t skip = strlen(prefix);
    char *name = arena_text(&config_texts, (struct bytes){entry + skip, len - skip});
    for (char *c = name; *c; c++)
        *c = *c == '_' ? '.' : (char)tolower((unsigned char)*c);
    void *field = l->into + pass->offset;
    set_pair(field, name, equals + 1);
}

static bool apply_environment(struct load *l)
{
    char name[CONFIG_ENV_NAME_MAX];

    for (size_t i = 0; i < l->rows.count; i++) {
        const struct setting *row = l->rows.items[i];
        if (row->type == SETTING_PASS) {
            for (char **entry = environ; *entry; entry++)
                apply_env_pass(l, row, *entry);
            continue;
        }
        config_env_name(row->name, name);
        const char *value = getenv(name);
        if (!value)
            continue;
        l->rows.given[i] = true;
        if (!set_value(l, row, value, name))
            return false;
    }
    return true;
}

static bool apply_arguments(struct load *l, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        const char *equals = strchr(text, '=');
        if (strncmp(text, "--", 2) != 0 || !equals)
            return error_set(l->e, "bad_argument", "\"%s\" is not --name=value; %s --help lists the names",
                text, l->program);
        if (strncmp(text, "--config=", strlen("--config=")) == 0)
            continue;
        struct bytes name = {text + 2, (size_t)(equals - text) - 2};
        if (!apply(l, name, equals + 1, "the arguments"))
            return false;
    }
    return true;
}

static bool check_given(struct load *l)
{
    char name[CONFIG_ENV_NAME_MAX];

    for (size_t i = 0; i < l->rows.count; i++) {
        const struct setting *row = l->rows.items[i];
        if (row->value || row->type == SETTING_PASS || l->rows.given[i])
            continue;
        config_env_name(row->name, name);
        return error_set(l->e, "missing_setting", "%s must be set (%s): --%s=... or %s", row->name, row->help,
            row->name, name);
    }
    return true;
}

/* ---- the whole ---- */

static bool wants_text(
    const struct setting *const *tables, const struct load *l, const char *about, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            config_print_help(&l->rows, l->program, about);
            return true;
        }
        if (strcmp(argv[i], "--help=markdown") == 0) {
            struct buf page;
            buf_init(&page);
            config_markdown(tables, l->program, about, &page);
            fwrite(page.data, 1, page.len, stdout);
            buf_release(&page);
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", l->program, MILLRACE_VERSION);
            return true;
        }
    }
    return false;
}

enum config_verdict config_load(const struct setting *const *tables, void *into, const char *program,
    const char *about, int argc, char **argv, struct error *e)
{
    struct load l = {.into = into, .program = program, .e = e};
    const char *file = getenv(CONFIG_ENV_PREFIX "CONFIG");

    config_collect_rows(tables, &l.rows);
    if (wants_text(tables, &l, about, argc, argv))
        return CONFIG_EXIT;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", strlen("--config=")) == 0)
            file = argv[i] + strlen("--config=");
    }
    bool ok = apply_defaults(&l) && (!file || file[0] == '\0' || apply_file(&l, file)) &&
              apply_environment(&l) && apply_arguments(&l, argc, argv) && check_given(&l);
    return ok ? CONFIG_RUN : CONFIG_BAD;
}
