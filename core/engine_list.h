/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_list: which engines exist. Each engine is a folder <engines_dir>/<name>/ with its program and a manifest engine.json:
 *   {"engine": "shell", "about": "...", "command": ["millrace-engine-shell"], "code_types": ["shell", "bash", "sh"],
 *    "scope": "user" | "shared", "environment": ["PATH"...], "targets": ["warehouse"...], "conf": ["database"...]}
 * (command[0] is looked up in the folder first, then in PATH). Ingest and converter read it to refuse unknown engines and code
 * types that do not fit; the planner to pick targets; the executor to start processes. A new engine is one folder, no edit elsewhere.
 *
 * "targets" may be an object instead, which also declares groups of equals: {"lake": {}, "warehouse": {"any_of":
 * {"warehouse-1": 3, "warehouse-2": 1}}}. A member of a group is a target of its own, no group. The planner puts one of the members
 * in the group's place, by weight: the executor never sees the group.
 */
#ifndef MILLRACE_CORE_ENGINE_LIST_H
#define MILLRACE_CORE_ENGINE_LIST_H

#include "core/arena.h"
#include "core/bytes.h"
#include "core/error.h"

struct engine_member {
    const char *name;
    int64_t weight; /* 0: it is named by jobs only, never picked */
};

/* Equals: one of them will do. */
struct engine_group {
    const char *name;
    const struct engine_member *members;
    size_t count;
    int64_t weight; /* of all together, above 0 */
};

#define ENGINE_WEIGHT_MAX 1000

struct engine_info {
    const char *name, *about;
    const char *folder; /* absolute path */
    const char *const
        *command; /* argv, NULL-terminated; command[0] resolved, or as given when nothing was found */
    const char *const *code_types;  /* NULL-terminated; the first is the default */
    const char *const *environment; /* NULL-terminated names of variables that its processes get from ours */
    const char *const *
        targets; /* NULL-terminated; NULL: the manifest does not say, any may be right. Groups and their members too */
    const char *const *conf; /* the same, names of its settings for a job */
    const struct engine_group *groups;
    size_t group_count;
    bool shared; /* one process may serve all users: it runs no user's code */
};

struct engine_list;
/* Fails with code no_engines (folder missing or empty) or bad_manifest (which one, what is wrong). */
struct engine_list *engine_list_open(const char *engines_dir, struct error *e);
void engine_list_close(struct engine_list *l);
const struct engine_info *engine_list_find(
    const struct engine_list *l, struct bytes name); /* NULL: unknown, as all are in no list */
size_t engine_list_count(const struct engine_list *l);
const struct engine_info *engine_list_at(const struct engine_list *l, size_t index);
bool engine_info_accepts(const struct engine_info *i, struct bytes code_type);
bool engine_info_has_target(const struct engine_info *i, struct bytes target);
bool engine_info_has_conf(const struct engine_info *i, struct bytes name);
/* A member of the group of this name, by weight: the same for the same seed. BYTES_NONE: no group has this name. The text is the list's. */
struct bytes engine_info_pick(const struct engine_info *i, struct bytes group, struct bytes seed);
/* What is wrong with what a job says, for people; BYTES_NONE: nothing. Of a code type and a target, none is fine. */
struct bytes engine_list_wrong_name(const struct engine_list *l, struct bytes name, struct arena *a);
struct bytes engine_info_wrong_type(const struct engine_info *i, struct bytes code_type, struct arena *a);
struct bytes engine_info_wrong_target(const struct engine_info *i, struct bytes target, struct arena *a);
struct bytes engine_info_wrong_conf(const struct engine_info *i, struct bytes name, struct arena *a);
/* "a, b"; "none" */
struct bytes engine_info_names(const char *const *names, struct arena *a);

#endif
