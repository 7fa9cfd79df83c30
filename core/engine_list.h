/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_list: which engines exist. Each engine is a folder <engines_dir>/<name>/ with its program and a manifest engine.json:
 *   {"engine": "shell", "about": "...", "command": ["millrace-engine-shell"], "code_types": ["shell", "bash", "sh"],
 *    "scope": "user" | "shared", "environment": ["PATH"...], "targets": ["warehouse"...], "conf": ["database"...]}
 * (command[0] is looked up in the folder first, then in PATH). Ingest and converter read it to refuse unknown engines and code
 * types that do not fit; the executor reads it to start processes. A new engine is one folder, no edit elsewhere.
 */
#ifndef MILLRACE_CORE_ENGINE_LIST_H
#define MILLRACE_CORE_ENGINE_LIST_H

#include "core/bytes.h"
#include "core/error.h"

struct engine_info {
    const char *name, *about;
    const char *folder; /* absolute path */
    const char *const
        *command; /* argv, NULL-terminated; command[0] resolved, or as given when nothing was found */
    const char *const *code_types;  /* NULL-terminated; the first is the default */
    const char *const *environment; /* NULL-terminated names of variables that its processes get from ours */
    const char *const *targets;     /* NULL-terminated; NULL: the manifest does not say, any may be right */
    const char *const *conf;        /* the same, names of its settings for a job */
    bool shared;                    /* one process may serve all users: it runs no user's code */
};

struct engine_list;
/* Fails with code no_engines (folder missing or empty) or bad_manifest (which one, what is wrong). */
struct engine_list *engine_list_open(const char *engines_dir, struct error *e);
void engine_list_close(struct engine_list *l);
const struct engine_info *engine_list_find(
    const struct engine_list *l, struct bytes name); /* NULL: unknown */
size_t engine_list_count(const struct engine_list *l);
const struct engine_info *engine_list_at(const struct engine_list *l, size_t index);
bool engine_info_accepts(const struct engine_info *i, struct bytes code_type);
bool engine_info_has_target(const struct engine_info *i, struct bytes target);
bool engine_info_has_conf(const struct engine_info *i, struct bytes name);
/* "a, b"; "none" */
void engine_info_names(const char *const *names, struct buf *out);

#endif
