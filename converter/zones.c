/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zones: see zones.h. The files stay in memory as they are; a question is a binary search among the changes of the file, or, after
 * the last of them, the rule at its end.
 */
#include "converter/zones.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "converter/zone_rule.h"
#include "core/arena.h"

enum { HEADER = 44, TYPE_BYTES = 6, FILE_MAX = 256 * 1024, DEPTH_MAX = 3, PATH_SIZE = 4096, DAY = 86400 };

static const struct zone utc = {.name = "UTC", .has_rule = true};
const struct zone *const zone_of_utc = &utc;

/* ---- one file ---- */

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get64(const unsigned char *p)
{
    return (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

static int32_t type_offset(const struct zone *z, size_t type)
{
    return (int32_t)get32(z->types + type * TYPE_BYTES);
}

struct counts {
    size_t utc, standard, leap, time, type, letter;
};

static bool read_header(struct bytes file, struct counts *c)
{
    const unsigned char *p = (const unsigned char *)file.data;

    if (file.len < HEADER || file.len > FILE_MAX || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    *c = (struct counts){
        get32(p + 20), get32(p + 24), get32(p + 28), get32(p + 32), get32(p + 36), get32(p + 40)};
    return c->utc < FILE_MAX && c->standard < FILE_MAX && c->leap < FILE_MAX && c->time < FILE_MAX &&
           c->type < FILE_MAX && c->letter < FILE_MAX;
}

static size_t data_len(const struct counts *c, size_t time_len)
{
    return c->time * (time_len + 1) + c->type * TYPE_BYTES + c->letter + c->leap * (time_len + 4) +
           c->standard + c->utc;
}

/* The changes come in order, and name types that are there; offsets are within a bit more than a day. */
static bool is_sound(const struct zone *z)
{
    for (size_t i = 0; i < z->type_count; i++)
        if (type_offset(z, i) < -26 * 3600 || type_offset(z, i) > 26 * 3600)
            return false;
    for (size_t i = 0; i < z->time_count; i++)
        if (z->kinds[i] >= z->type_count ||
            (i > 0 && get64(z->times + 8 * i) <= get64(z->times + 8 * (i - 1))))
            return false;
    return z->type_count > 0;
}

bool zone_read(struct bytes file, const char *name, struct zone *out)
{
    struct counts c;

    /* The first part, with times of 32 bits, is there for old readers. */
    if (!read_header(file, &c) || file.len < HEADER + data_len(&c, 4))
        return false;
    file = bytes_slice(file, HEADER + data_len(&c, 4), file.len);
    if (!read_header(file, &c) || file.len < HEADER + data_len(&c, 8))
        return false;
    const unsigned char *p = (const unsigned char *)file.data + HEADER;
    *out = (struct zone){.name = name,
        .times = p,
        .kinds = p + 8 * c.time,
        .types = p + 9 * c.time,
        .time_count = c.time,
        .type_count = c.type};
    if (!is_sound(out))
        return false;
    struct bytes rule = bytes_trim(bytes_slice(file, HEADER + data_len(&c, 8), file.len));
    return rule.len == 0 || zone_rule_read(rule, out);
}

/* ---- questions ---- */

const char *zone_name(const struct zone *z)
{
    return z->name;
}

/* How many changes are at or before the time. */
static size_t changes_until(const struct zone *z, int64_t at)
{
    size_t from = 0, to = z->time_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (get64(z->times + 8 * middle) <= at)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

int32_t zone_offset(const struct zone *z, int64_t at)
{
    size_t done = changes_until(z, at);

    if (done == z->time_count && z->has_rule)
        return zone_rule_offset(z, at);
    if (done == 0)
        return type_offset(z, 0);
    return type_offset(z, z->kinds[done - 1]);
}

int64_t zone_utc(const struct zone *z, int64_t local, int32_t preferred)
{
    int32_t before = zone_offset(z, local - DAY), after = zone_offset(z, local + DAY);
    int64_t first = local - before, second = local - after;
    bool first_is = zone_offset(z, first) == before, second_is = zone_offset(z, second) == after;

    if (first_is && second_is && before != after)
        return preferred == after ? second : first;
    if (second_is && !first_is)
        return second;
    return first;
}

/* ---- all files ---- */

struct zones {
    struct arena arena;
    struct zone *items; /* by name */
    size_t count, room;
};

static bool read_file(struct zones *z, const char *path, off_t size, struct bytes *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *data = fd >= 0 ? arena_alloc(&z->arena, (size_t)size) : NULL;
    ssize_t got = fd >= 0 ? read(fd, data, (size_t)size) : -1;

    if (fd >= 0)
        close(fd);
    *out = (struct bytes){data, got > 0 ? (size_t)got : 0};
    return got == size;
}

static void add_file(struct zones *z, const char *path, const char *name, off_t size)
{
    struct bytes file;
    struct zone zone;

    if (size < HEADER || size > FILE_MAX || !read_file(z, path, size, &file) || !zone_read(file, name, &zone))
        return;
    zone.name = arena_text(&z->arena, bytes_of(name));
    if (z->count == z->room) {
        z->room = z->room ? 2 * z->room : 1024;
        z->items = realloc(z->items, z->room * sizeof(*z->items));
        MUST(z->items != NULL);
    }
    z->items[z->count++] = zone;
}

/* posix and right hold the same zones again, the latter with leap seconds; the others name no place. */
static bool is_passed_over(const char *name)
{
    static const char *const others[] = {"posix", "right", "posixrules", "localtime", "Factory"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    return name[0] == '.';
}

static void add_folder(struct zones *z, const char *path, const char *prefix, int depth)
{
    char child[PATH_SIZE], name[PATH_SIZE];
    struct dirent *entry;
    struct stat info;
    DIR *dir = depth < DEPTH_MAX ? opendir(path) : NULL;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (is_passed_over(entry->d_name))
            continue;
        int child_len = snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        int name_len = snprintf(name, sizeof(name), "%s%s", prefix, entry->d_name);
        if (child_len >= PATH_SIZE || name_len >= PATH_SIZE - 1 || stat(child, &info) != 0)
            continue;
        if (S_ISREG(info.st_mode))
            add_file(z, child, name, info.st_size);
        if (S_ISDIR(info.st_mode)) {
            name[name_len] = '/';
            name[name_len + 1] = '\0';
            add_folder(z, child, name, depth + 1);
        }
    }
    if (dir != NULL)
        closedir(dir);
}

static int compare_zones(const void *a, const void *b)
{
    const struct zone *left = a;
    const struct zone *right = b;
    return bytes_compare(bytes_of(left->name), bytes_of(right->name));
}

struct zones *zones_open(const char *dir, struct error *e)
{
    struct zones *z = calloc(1, sizeof(*z));

    MUST(z != NULL);
    arena_init(&z->arena);
    add_folder(z, dir, "", 0);
    if (z->count > 0) {
        qsort(z->items, z->count, sizeof(*z->items), compare_zones);
        return z;
    }
    zones_close(z);
    error_set(
        e, "bad_setting", "there are no time zones in %s: install tzdata, or correct zoneinfo.dir", dir);
    return NULL;
}

void zones_close(struct zones *z)
{
    if (z == NULL)
        return;
    arena_release(&z->arena);
    free(z->items);
    free(z);
}

const struct zone *zones_find(const struct zones *z, struct bytes name)
{
    size_t from = 0, to = z != NULL ? z->count : 0;

    if (bytes_equal_text(name, utc.name))
        return &utc;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = bytes_compare(name, bytes_of(z->items[middle].name));
        if (order == 0)
            return &z->items[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

const struct zone *zones_at(const struct zones *z, size_t index)
{
    return index < z->count ? &z->items[index] : NULL;
}
