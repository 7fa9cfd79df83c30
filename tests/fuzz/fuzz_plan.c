/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_plan: a JobConverted of any writer, as JSON. It is planned or refused with a reason, and a plan is a tree, numbered depth first,
 * whose nodes come after siblings before them.
 */
/* LIBS: plan */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "planner/plan_world.h"
#include "tests/unit/plan_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plan_rules rules;
static struct arena settings;

static void leave(void)
{
    plan_case_close(&world);
    arena_release(&settings);
}

static void enter(void)
{
    const struct plan_settings s = {
        "default,fast", "team=x pool/fast target/postgres@lake; tier=gold target/free@f"};
    struct error e;

    MUST(plan_case_open(&world));
    arena_init(&settings);
    MUST(plan_rules_read(&s, world.engines, &settings, &rules, &e));
    MUST(atexit(leave) == 0);
}

static void check_after(const struct job_node *parent, size_t index, const struct job_node *child)
{
    for (size_t i = 0; i < child->after.count; i++) {
        size_t k = 0;
        while (k < index && !bytes_equal(parent->children.items[k], child->after.items[i]))
            k++;
        MUST(k < index);
    }
}

/* *number: how many nodes there are before. */
static void check_node(const struct job *j, size_t *number)
{
    char id[24];

    MUST(*number < j->nodes.count);
    const struct job_node *n = &j->nodes.items[(*number)++];
    snprintf(id, sizeof(id), "n%zu", *number);
    MUST(bytes_equal_text(n->id, id));
    MUST(bytes_equal_text(n->kind, "exec") == (n->children.count == 0) && n->children.count != 1);
    for (size_t i = 0; i < n->children.count; i++) {
        MUST(*number < j->nodes.count && bytes_equal(n->children.items[i], j->nodes.items[*number].id));
        check_after(n, i, &j->nodes.items[*number]);
        check_node(j, number);
    }
}

static void plan_text(const char *text, size_t size, struct arena *a)
{
    struct field_problems problems;
    struct job j;
    size_t number = 0;
    json_t *object = json_loadb(text, size, JSON_ALLOW_NUL, NULL);

    if (json_is_object(object) && shape_from_json(&shape_converted, object, SHAPE_NUL, a, &j, &problems)) {
        bool refused_before = j.error != NULL;
        if (plan_job(&rules, &j, a))
            check_node(&j, &number);
        else
            MUST(j.error != NULL && (refused_before || job_error_code(arena_text(a, j.error->code)) != NULL));
        MUST(number == j.nodes.count && j.pool.len > 0);
    }
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;

    if (world.engines == NULL)
        enter();
    arena_init(&a);
    plan_text((const char *)data, size, &a);
    arena_release(&a);
    return 0;
}
