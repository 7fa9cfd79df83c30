/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engines_folder: a folder of manifests, for tests that need a list of engines but none that run.
 */
#ifndef MILLRACE_TESTS_ENGINES_FOLDER_H
#define MILLRACE_TESTS_ENGINES_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/engine_list.h"

struct folder_engine {
    const char *name, *more; /* more: members of the manifest, such as "\"code_types\":[\"sql\"]" */
};

struct engines_folder {
    char dir[64];
    const struct folder_engine *engines;
    size_t count;
    struct engine_list *list;
};

static inline void engines_folder_path(
    const struct engines_folder *f, size_t engine, const char *file, char out[200])
{
    snprintf(out, 200, "%s/%s%s", f->dir, f->engines[engine].name, file);
}

static inline bool engines_folder_write(const struct engines_folder *f, size_t engine)
{
    char path[200];

    engines_folder_path(f, engine, "", path);
    mkdir(path, 0700);
    engines_folder_path(f, engine, "/engine.json", path);
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return false;
    fprintf(out, "{\"engine\":\"%s\",\"about\":\"a test's\",\"command\":[\"sh\"],%s}",
        f->engines[engine].name, f->engines[engine].more);
    return fclose(out) == 0;
}

/* False: the folder cannot be made, or a manifest is wrong. */
static inline bool engines_folder_open(
    struct engines_folder *f, const struct folder_engine *engines, size_t count)
{
    struct error e;

    *f = (struct engines_folder){.dir = "/tmp/millrace-engines-XXXXXX", .engines = engines, .count = count};
    if (mkdtemp(f->dir) == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!engines_folder_write(f, i))
            return false;
    f->list = engine_list_open(f->dir, &e);
    if (f->list == NULL)
        fprintf(stderr, "%s\n", e.text);
    return f->list != NULL;
}

static inline void engines_folder_close(struct engines_folder *f)
{
    char path[200];

    engine_list_close(f->list);
    for (size_t i = 0; i < f->count; i++) {
        engines_folder_path(f, i, "/engine.json", path);
        unlink(path);
        engines_folder_path(f, i, "", path);
        rmdir(path);
    }
    rmdir(f->dir);
}

#endif
