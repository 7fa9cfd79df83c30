/* SPDX-License-Identifier: Apache-2.0 */
/* plan_end: see plan_end.h. */
#include "ingest/plan_end.h"

#include <stdbool.h>
#include <string.h>

static const char *text_of(const json_t *node, const char *key)
{
    const char *text = json_string_value(json_object_get(node, key));
    return text ? text : "";
}

static bool is(const json_t *node, const char *state)
{
    return strcmp(text_of(node, "state"), state) == 0;
}

static bool began(const json_t *node)
{
    return is(node, "running") || is(node, "retrying");
}

static bool is_open(const json_t *node)
{
    return is(node, "") || began(node);
}

/* `at`: when it was over, where it is known to have begun. */
static void decide(json_t *node, const char *state, json_t *at)
{
    if (at && began(node))
        json_object_set(node, "at", at);
    json_object_set_new(node, "state", json_string(state));
    json_object_del(node, "next_at");
    json_object_del(node, "reason");
}

/* ---- success ---- */

static void all_succeeded(const json_t *by_id, const json_t *node)
{
    size_t i;
    json_t *id;
    json_array_foreach(json_object_get(node, "children"), i, id)
    {
        json_t *child = json_object_get(by_id, json_string_value(id));
        if (child && is_open(child))
            decide(child, "succeeded", json_object_get(node, "at"));
    }
}

static void one_succeeded(const json_t *by_id, const json_t *node)
{
    size_t i, left = 0;
    json_t *id, *last = NULL;
    json_array_foreach(json_object_get(node, "children"), i, id)
    {
        json_t *child = json_object_get(by_id, json_string_value(id));
        if (child && is(child, "succeeded"))
            return;
        if (child && began(child)) {
            last = child;
            left++;
        }
    }
    if (left == 1)
        decide(last, "succeeded", json_object_get(node, "at"));
}

static json_t *index_of(const json_t *nodes)
{
    size_t i;
    json_t *node, *by_id = json_object();
    json_array_foreach(nodes, i, node)
    {
        json_object_set(by_id, text_of(node, "id"), node);
    }
    return by_id;
}

void plan_end_succeeded(json_t *nodes, json_t *finished)
{
    size_t i;
    json_t *node, *by_id = index_of(nodes), *root = json_array_get(nodes, 0);
    if (root && began(root))
        decide(root, "succeeded", finished);
    json_array_foreach(nodes, i, node)
    {
        bool chooses =
            strcmp(text_of(node, "kind"), "race") == 0 || strcmp(text_of(node, "kind"), "fallback") == 0;
        if (is(node, "succeeded") && chooses)
            one_succeeded(by_id, node);
        else if (is(node, "succeeded"))
            all_succeeded(by_id, node);
    }
    json_decref(by_id);
}

/* ---- failure ---- */

static json_t *parent_of(const json_t *nodes, const char *id)
{
    size_t i, k;
    json_t *node, *child;
    json_array_foreach(nodes, i, node)
    {
        json_array_foreach(json_object_get(node, "children"), k, child)
        {
            if (json_is_string(child) && strcmp(json_string_value(child), id) == 0)
                return node;
        }
    }
    return NULL;
}

void plan_end_failed(json_t *nodes, const char *id, json_t *finished)
{
    json_t *node = parent_of(nodes, id);
    for (size_t depth = 0; node && depth < json_array_size(nodes); depth++) {
        if (began(node))
            decide(node, "failed", finished);
        node = parent_of(nodes, text_of(node, "id"));
    }
}
