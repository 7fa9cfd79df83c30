/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_list: reads the manifests once, at start. A manifest that is wrong ends the start: half of the
 * engines would be refused to users without anybody knowing why.
 */
#define _XOPEN_SOURCE 700 /* realpath */
#include "core/engine_list.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct engine_list {
    struct arena arena; /* all texts and the items */
    struct engine_info *items;
    size_t count;
};

/* ---- one manifest ---- */

static bool text_array(const json_t *manifest, const char *field, bool needed, struct arena *a,
    const char ***out, struct error *e)
{
    const json_t *array = json_object_get(manifest, field);
    size_t count = json_array_size(array);
    if (needed ? count == 0 : array && !json_is_array(array)) {
        error_set(e, "bad_manifest", "\"%s\" must be an array of text%s", field, needed ? ", not empty" : "");
        return false;
    }
    const char **items = arena_array(a, count + 1, sizeof(const char *));
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (!text || !text[0]) {
            error_set(e, "bad_manifest", "\"%s\"[%zu] must be text, not empty", field, i);
            return false;
        }
        items[i] = arena_text(a, bytes_of(text));
    }
    *out = items;
    return true;
}

/* The program lies in the engine's folder, in one of PATH's, or is given with a path. Where it is not found
 * the name stays as it is: a host of ingest alone has manifests and no programs. */
static const char *find_program(const char *folder, const char *name, struct arena *a)
{
    if (name[0] == '/')
        return name;
    const char *found = arena_printf(a, "%s/%s", folder, name).data;
    if (access(found, X_OK) == 0)
        return found;
    const char *path = strchr(name, '/') ? NULL : getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        found = arena_printf(a, "%.*s/%s", (int)len, path, name).data;
        if (len && access(found, X_OK) == 0)
            return found;
        path += len + (path[len] == ':');
    }
    return name;
}

static bool read_scope(const json_t *manifest, bool *shared, struct error *e)
{
    const json_t *scope = json_object_get(manifest, "scope");
    const char *text = scope ? json_string_value(scope) : "user";
    *shared = text && strcmp(text, "shared") == 0;
    return *shared || (text && strcmp(text, "user") == 0) ||
           error_set(e, "bad_manifest", "\"scope\" must be \"user\" or \"shared\"");
}

/* ---- targets ---- */

static bool read_member(const char *group, const char *name, const json_t *weight, struct arena *a,
    struct engine_member *out, struct error *e)
{
    int64_t value = json_is_integer(weight) ? (int64_t)json_integer_value(weight) : -1;
    if (!name[0] || value < 0 || value > ENGINE_WEIGHT_MAX)
        return error_set(e, "bad_manifest",
            "\"targets\".\"%s\".\"any_of\".\"%s\" must be a name with a weight, 0 to %d", group, name,
            ENGINE_WEIGHT_MAX);
    *out = (struct engine_member){arena_text(a, bytes_of(name)), value};
    return true;
}

/* {"any_of": {"warehouse-1": 3, ...}} */
static bool read_group(
    const char *name, json_t *any_of, struct arena *a, struct engine_group *out, struct error *e)
{
    const char *member;
    json_t *weight;
    struct engine_member *members = arena_array(a, json_object_size(any_of) + 1, sizeof *members);
    *out = (struct engine_group){.name = arena_text(a, bytes_of(name)), .members = members};
    json_object_foreach(any_of, member, weight)
    {
        if (!read_member(name, member, weight, a, &members[out->count], e))
            return false;
        out->weight += members[out->count++].weight;
    }
    return out->weight > 0 ||
           error_set(e, "bad_manifest",
               "\"targets\".\"%s\".\"any_of\" must be an object of names with weights, one above 0", name);
}

/* A target is {}, or a group. */
static bool read_target(
    const char *name, json_t *target, struct arena *a, struct engine_info *out, struct error *e)
{
    json_t *any_of = json_object_get(target, "any_of");
    if (!name[0] || !json_is_object(target) || json_object_size(target) != (any_of ? 1 : 0))
        return error_set(e, "bad_manifest",
            "\"targets\".\"%s\" must be {}, or {\"any_of\": {NAME: WEIGHT, ...}} for a group of equals",
            name);
    if (!any_of)
        return true;
    struct engine_group *groups = arena_array(a, out->group_count + 1, sizeof *groups);
    if (out->group_count)
        memcpy(groups, out->groups, out->group_count * sizeof *groups);
    out->groups = groups;
    return read_group(name, any_of, a, &groups[out->group_count++], e);
}

static bool has(const char *const *names, struct bytes name)
{
    for (size_t n = 0; names[n]; n++)
        if (bytes_equal_text(name, names[n]))
            return true;
    return false;
}

/* The names of the object, then members that it does not have. */
static bool name_targets(json_t *targets, struct arena *a, struct engine_info *out, struct error *e)
{
    const char *name;
    json_t *target;
    size_t count = 0, most = json_object_size(targets);
    for (size_t g = 0; g < out->group_count; g++)
        most += out->groups[g].count;
    const char **names = arena_array(a, most + 1, sizeof *names);
    json_object_foreach(targets, name, target) names[count++] = arena_text(a, bytes_of(name));
    for (size_t g = 0; g < out->group_count; g++) {
        for (size_t m = 0; m < out->groups[g].count; m++) {
            const char *member = out->groups[g].members[m].name;
            if (json_object_get(json_object_get(targets, member), "any_of"))
                return error_set(e, "bad_manifest",
                    "\"targets\".\"%s\".\"any_of\" must hold targets: \"%s\" is a group itself",
                    out->groups[g].name, member);
            if (!has(names, bytes_of(member)))
                names[count++] = member;
        }
    }
    out->targets = names;
    return true;
}

static bool read_targets(const json_t *manifest, struct arena *a, struct engine_info *out, struct error *e)
{
    json_t *targets = json_object_get(manifest, "targets");
    const char *name;
    json_t *target;
    const char **list = NULL;
    if (targets && !json_is_array(targets) && !json_is_object(targets))
        return error_set(e, "bad_manifest", "\"targets\" must be an array of names, or an object");
    if (!json_is_object(targets)) {
        if (!text_array(manifest, "targets", false, a, &list, e))
            return false;
        out->targets = targets ? list : NULL;
        return true;
    }
    json_object_foreach(targets, name, target) if (!read_target(name, target, a, out, e)) return false;
    return name_targets(targets, a, out, e);
}

static bool read_manifest(
    const json_t *manifest, const char *name, struct arena *a, struct engine_info *out, struct error *e)
{
    const char *engine = json_string_value(json_object_get(manifest, "engine"));
    if (!engine || strcmp(engine, name) != 0)
        return error_set(e, "bad_manifest", "\"engine\" must be the folder's name, \"%s\"", name);
    const char *about = json_string_value(json_object_get(manifest, "about"));
    const char **command = NULL;
    const char **code_types = NULL;
    const char **environment = NULL, **conf = NULL;
    if (!read_scope(manifest, &out->shared, e) || !text_array(manifest, "command", true, a, &command, e) ||
        !text_array(manifest, "code_types", true, a, &code_types, e) ||
        !text_array(manifest, "environment", false, a, &environment, e) ||
        !read_targets(manifest, a, out, e) || !text_array(manifest, "conf", false, a, &conf, e))
        return false;
    command[0] = find_program(out->folder, command[0], a);
    out->command = command;
    out->code_types = code_types;
    out->environment = environment;
    out->conf = json_object_get(manifest, "conf") ? conf : NULL;
    out->name = arena_text(a, bytes_of(engine));
    out->about = arena_text(a, bytes_of(about));
    return true;
}

static bool add_engine(struct engine_list *l, const char *dir, const char *name, struct error *e)
{
    struct engine_info info = {.folder = arena_printf(&l->arena, "%s/%s", dir, name).data};
    const char *file = arena_printf(&l->arena, "%s/engine.json", info.folder).data;
    if (access(file, F_OK) != 0)
        return true; /* another folder, no engine */
    json_error_t why;
    json_t *manifest = json_load_file(file, JSON_REJECT_DUPLICATES, &why);
    if (!manifest)
        return error_set(e, "bad_manifest", "%s: line %d: %s", file, why.line, why.text);
    bool ok = read_manifest(manifest, name, &l->arena, &info, e) || error_wrap(e, "%s", file);
    json_decref(manifest);
    if (!ok)
        return false;
    struct engine_info *items = realloc(l->items, (l->count + 1) * sizeof *items);
    MUST(items);
    l->items = items;
    l->items[l->count++] = info;
    return true;
}

/* ---- the list ---- */

static int by_name(const void *a, const void *b)
{
    const struct engine_info *x = a;
    const struct engine_info *y = b;
    return strcmp(x->name, y->name);
}

static bool read_folder(struct engine_list *l, const char *dir, struct error *e)
{
    DIR *folder = opendir(dir);
    if (!folder)
        return error_set(e, "no_engines", "engines folder %s: %s", dir, strerror(errno));
    bool ok = true;
    const struct dirent *entry;
    while (ok && (entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            ok = add_engine(l, dir, entry->d_name, e);
    closedir(folder);
    if (ok && l->count == 0)
        return error_set(e, "no_engines", "engines folder %s holds no engine (<name>/engine.json)", dir);
    return ok;
}

struct engine_list *engine_list_open(const char *engines_dir, struct error *e)
{
    struct engine_list *l = calloc(1, sizeof *l);
    MUST(l);
    arena_init(&l->arena);
    char *dir = realpath(engines_dir, NULL);
    if (!dir)
        error_set(e, "no_engines", "engines folder %s: %s", engines_dir, strerror(errno));
    bool ok = dir && read_folder(l, dir, e);
    free(dir);
    if (!ok) {
        engine_list_close(l);
        return NULL;
    }
    qsort(l->items, l->count, sizeof l->items[0], by_name);
    return l;
}

void engine_list_close(struct engine_list *l)
{
    if (!l)
        return;
    arena_release(&l->arena);
    free(l->items);
    free(l);
}

const struct engine_info *engine_list_find(const struct engine_list *l, struct bytes name)
{
    for (size_t i = 0; l && i < l->count; i++)
        if (bytes_equal_text(name, l->items[i].name))
            return &l->items[i];
    return NULL;
}

size_t engine_list_count(const struct engine_list *l)
{
    return l->count;
}

const struct engine_info *engine_list_at(const struct engine_list *l, size_t index)
{
    MUST(index < l->count);
    return &l->items[index];
}

bool engine_info_accepts(const struct engine_info *i, struct bytes code_type)
{
    return has(i->code_types, code_type);
}

bool engine_info_has_target(const struct engine_info *i, struct bytes target)
{
    return !i->targets || has(i->targets, target);
}

bool engine_info_has_conf(const struct engine_info *i, struct bytes name)
{
    return !i->conf || has(i->conf, name);
}

static const struct engine_group *find_group(const struct engine_info *i, struct bytes name)
{
    for (size_t g = 0; g < i->group_count; g++)
        if (bytes_equal_text(name, i->groups[g].name))
            return &i->groups[g];
    return NULL;
}

/* FNV's upper bits know little of the last bytes: they are mixed (the finalizer of MurmurHash 3). */
static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

struct bytes engine_info_pick(const struct engine_info *i, struct bytes group, struct bytes seed)
{
    const struct engine_group *g = find_group(i, group);
    if (!g)
        return BYTES_NONE;
    int64_t at = (int64_t)(mix(bytes_hash(seed) ^ mix(bytes_hash(group))) % (uint64_t)g->weight);
    size_t m = 0;
    while (at >= g->members[m].weight)
        at -= g->members[m++].weight;
    return bytes_of(g->members[m].name);
}

struct bytes engine_info_names(const char *const *names, struct arena *a)
{
    struct buf list;
    if (!names || !names[0])
        return BYTES("none");
    buf_init(&list);
    for (size_t n = 0; names[n]; n++)
        buf_printf(&list, "%s%s", n ? ", " : "", names[n]);
    struct bytes text = arena_copy(a, buf_bytes(&list));
    buf_release(&list);
    return text;
}

/* ---- what is wrong ---- */

enum { SHOWN_MAX = 80 };

struct bytes engine_list_wrong_name(const struct engine_list *l, struct bytes name, struct arena *a)
{
    struct bytes known = BYTES("");
    if (engine_list_find(l, name))
        return BYTES_NONE;
    for (size_t i = 0; l && i < l->count; i++)
        known = arena_printf(a, "%.*s%s%s", BYTES_ARG(known), i ? ", " : "", l->items[i].name);
    return arena_printf(
        a, "there is no engine '%.*s'; known: %.*s", BYTES_ARG(bytes_cut(name, SHOWN_MAX)), BYTES_ARG(known));
}

static struct bytes other_than(const struct engine_info *i, const char *has_not, struct bytes what,
    const char *but, const char *const *names, struct arena *a)
{
    return arena_printf(a, "engine '%s' %s '%.*s'%s %.*s", i->name, has_not,
        BYTES_ARG(bytes_cut(what, SHOWN_MAX)), but, BYTES_ARG(engine_info_names(names, a)));
}

struct bytes engine_info_wrong_type(const struct engine_info *i, struct bytes code_type, struct arena *a)
{
    if (code_type.len == 0 || engine_info_accepts(i, code_type))
        return BYTES_NONE;
    return other_than(i, "does not run", code_type, ", but:", i->code_types, a);
}

struct bytes engine_info_wrong_target(const struct engine_info *i, struct bytes target, struct arena *a)
{
    if (target.len == 0 || engine_info_has_target(i, target))
        return BYTES_NONE;
    return other_than(i, "has no target", target, "; known:", i->targets, a);
}

struct bytes engine_info_wrong_conf(const struct engine_info *i, struct bytes name, struct arena *a)
{
    if (engine_info_has_conf(i, name))
        return BYTES_NONE;
    return arena_printf(
        a, "the engine has no such setting; known: %.*s", BYTES_ARG(engine_info_names(i->conf, a)));
}
