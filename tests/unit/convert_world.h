/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_world: what tests of convert_job share: a folder with engines, rules, and a good job in JSON with one thing changed. The group set-up
 * of a test program that includes it is world_set_up and world_tear_down.
 */
#ifndef MILLRACE_TESTS_CONVERT_WORLD_H
#define MILLRACE_TESTS_CONVERT_WORLD_H

#include "converter/convert.h"
#include "tests/unit/engines_folder.h"

#define NOW 1800000000000LL

/* Of shell and noop any target may be right; sqlite has none. */
static const struct folder_engine world_engines[] = {
    {"shell",
        "\"code_types\":[\"shell\",\"bash\"],\"conf\":[\"memory\",\"cores\",\"spark.executor.memory\"]"},
    {"noop", "\"code_types\":[\"noop\"]"},
    {"sqlite", "\"code_types\":[\"sql\"],\"targets\":[]"},
    {"postgres", "\"code_types\":[\"sql\"],\"targets\":[\"warehouse\",\"lake\"]"},
    {"spark", "\"code_types\":[\"scala\",\"hql\"],\"targets\":[\"big\"]"},
};

static struct engines_folder folder;
static struct zones *zones;
static struct convert_rules rules;
static struct arena arena;

/* value NULL: the field is left out. */
static void make_job(struct job *j, const char *field, const char *value)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s}", "creator", "ide", "user", "ann", "engine", "shell", "code", "ls");
    struct field_problems problems;

    if (field != NULL && value == NULL)
        json_object_del(o, field);
    else if (field != NULL)
        json_object_set_new(o, field, json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
    assert_true(shape_from_json(&shape_submitted, o, SHAPE_NUL, &arena, j, &problems));
    json_decref(o);
}

static int world_set_up(void **state)
{
    struct error e;

    (void)state;
    if (!engines_folder_open(&folder, world_engines, sizeof(world_engines) / sizeof(world_engines[0])))
        return -1;
    error_clear(&e);
    zones = zones_open("/usr/share/zoneinfo", &e);
    if (zones == NULL) {
        print_error("%s\n", e.text);
        return -1;
    }
    rules = (struct convert_rules){.engines = folder.list,
        .submission_max_bytes = 10000,
        .derived_max_bytes = 20000,
        .zones = zones,
        .timezone = "UTC",
        .limits = {0, 1000, 2000, 3000},
        .most = {10000, 20000, 30000, 40000},
        .retry = {.max_attempts = 1, .backoff_ms = 5, .max_backoff_ms = 6, .on_lost = ON_LOST_RETRY}};
    arena_init(&arena);
    return 0;
}

static int world_tear_down(void **state)
{
    (void)state;
    engines_folder_close(&folder);
    zones_close(zones);
    arena_release(&arena);
    return 0;
}

#endif
