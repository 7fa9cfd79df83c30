/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_view: see plan_view.h.
 */
#include "ingest/plan_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "ingest/plan_end.h"

#define RETRY_SUFFIX ".retry"

struct view {
    const json_t *doc;
    const char *state; /* of the job */
    bool final;
    json_int_t attempt;
    json_t *error;   /* of the job; NULL: none */
    json_t *retried; /* leaf -> id of the retry node above it */
};

/* ---- JSON ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is(const json_t *object, const char *key, const char *value)
{
    return strcmp(text_of(object, key), value) == 0;
}

static void set_text(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

/* Copies what is there, and no null. */
static void take(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    if (value && !json_is_null(value))
        json_object_set(to, key, value);
}

static void forget(json_t *node, const char *const *keys)
{
    for (; *keys; keys++)
        json_object_del(node, *keys);
}

static bool has_children(const json_t *node)
{
    return json_array_size(json_object_get(node, "children")) > 0;
}

/* ---- states ---- */

/* The attempt that the job's state is about; NULL: nothing of it ever started. */
static const json_t *latest_attempt(const struct view *v)
{
    const json_t *attempts = json_object_get(v->doc, "attempts");
    const json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);
    return last && json_integer_value(json_object_get(last, "n")) == v->attempt ? last : NULL;
}

/* What ended the job, as the root's state; NULL: it is not over. */
static const char *end_of_root(const struct view *v)
{
    static const struct {
        const char *job, *node;
    } ends[] = {{"succeeded", "succeeded"}, {"failed", "failed"}, {"timed_out", "failed"},
        {"cancelled", "cancelled"}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(v->state, ends[i].job) == 0)
            return ends[i].node;
    return NULL;
}

static void skip_for_cache(const struct view *v, json_t *root)
{
    char reason[128];
    (void)snprintf(reason, sizeof reason, "the results of job %s serve", text_of(v->doc, "cached_from"));
    set_text(root, "state", "skipped");
    set_text(root, "reason", reason);
}

/* The root where no event told of it: as the job. */
static void state_of_root(const struct view *v, json_t *root)
{
    const json_t *attempt = latest_attempt(v);
    const char *end = end_of_root(v);
    if (*text_of(v->doc, "cached_from")) {
        skip_for_cache(v, root);
        return;
    }
    bool runs = strcmp(v->state, "running") == 0;
    if (!attempt || (!runs && !end))
        return;
    set_text(root, "state", runs ? "running" : end);
    json_object_set_new(root, "attempt", json_integer(v->attempt));
    take(root, attempt, "started");
    json_t *at = json_object_get(attempt, runs ? "started" : "ended");
    if (at)
        json_object_set(root, "at", at);
    if (v->error && !has_children(root))
        json_object_set(root, "error", v->error);
    take(root, v->doc, "reason");
}

static bool is_over(const char *state)
{
    return *state && strcmp(state, "running") != 0 && strcmp(state, "retrying") != 0;
}

/* The job ended with this node's error, and no event of its own told so, or not why. */
static void fail_by_job(const struct view *v, json_t *node)
{
    if (!v->error || !is(v->error, "node", text_of(node, "id")) || json_object_get(node, "error"))
        return;
    if (is_over(text_of(node, "state"))) {
        if (is(node, "state", "failed"))
            json_object_set(node, "error", v->error);
        return;
    }
    set_text(node, "state", "failed");
    json_object_set(node, "error", v->error);
    json_object_del(node, "next_at");
    json_t *at = json_object_get(json_object_get(v->doc, "times"), "finished");
    if (at)
        json_object_set(node, "at", at);
}

/* It ran, or waited for its next try, when its job or its attempt was over. */
static void stop_with_job(const struct view *v, json_t *node)
{
    static const char *const of_a_run[] = {
        "state", "attempt", "try", "at", "started", "reason", "next_at", "error", NULL};
    static const char *const of_a_wait[] = {"next_at", NULL};
    bool runs = is(node, "state", "running"), waits = is(node, "state", "retrying");
    bool old = json_integer_value(json_object_get(node, "attempt")) < v->attempt;
    json_t *finished = json_object_get(json_object_get(v->doc, "times"), "finished");
    if (v->final && runs && !old && finished)
        json_object_set(node, "at", finished);
    if (v->final && (runs || waits)) {
        set_text(node, "state", "cancelled");
        set_text(node, "reason", "the job was over");
        forget(node, of_a_wait);
    } else if (runs && (old || strcmp(v->state, "running") != 0)) {
        forget(node, of_a_run);
    }
}

static void complete(const struct view *v, json_t *node, bool is_root)
{
    json_object_del(node, "code");
    if (is_root && !*text_of(node, "state"))
        state_of_root(v, node);
    fail_by_job(v, node);
    stop_with_job(v, node);
    if (!*text_of(node, "state"))
        set_text(node, "state", v->final ? "skipped" : "waiting");
}

/* ---- retry nodes ---- */

static bool is_retried(const json_t *node)
{
    return !has_children(node) &&
           (json_integer_value(json_object_get(node, "try")) > 1 || is(node, "state", "retrying"));
}

static void note_retried(struct view *v, const json_t *node)
{
    const char *id = text_of(node, "id");
    char *above = malloc(strlen(id) + sizeof RETRY_SUFFIX);
    MUST(above != NULL);
    (void)stpcpy(stpcpy(above, id), RETRY_SUFFIX);
    set_text(v->retried, id, above);
    free(above);
}

/* Ids in a list of nodes: retry nodes stand for their leaves. */
static void rename_retried(const struct view *v, json_t *node, const char *key)
{
    size_t i;
    json_t *id;
    json_array_foreach(json_object_get(node, key), i, id)
    {
        json_t *above = json_object_get(v->retried, json_string_value(id));
        if (above)
            json_array_set(json_object_get(node, key), i, above);
    }
}

/* The node above a leaf. It is over when the leaf is. */
static json_t *retry_node(const struct view *v, json_t *leaf)
{
    const char *state = text_of(leaf, "state");
    json_t *id = json_object_get(v->retried, text_of(leaf, "id"));
    json_t *node = json_pack("{s:O, s:s, s:[O], s:s}", "id", id, "kind", "retry", "children",
        json_object_get(leaf, "id"), "state", is_over(state) ? state : "running");
    take(node, leaf, "part");
    take(node, leaf, "retry");
    take(node, leaf, "try");
    take(node, leaf, "next_at");
    take(node, leaf, "after");
    json_object_del(leaf, "after");
    return node;
}

static json_t *with_retries(struct view *v, json_t *nodes)
{
    size_t i;
    json_t *node, *all = json_array();
    json_array_foreach(nodes, i, node)
    {
        if (is_retried(node))
            note_retried(v, node);
    }
    json_array_foreach(nodes, i, node)
    {
        rename_retried(v, node, "children");
        rename_retried(v, node, "after");
        if (json_object_get(v->retried, text_of(node, "id")))
            json_array_append_new(all, retry_node(v, node));
        json_array_append(all, node);
    }
    return all;
}

/* ---- the answer ---- */

/* Before anything is said of a node by itself. */
static void end_with_job(const struct view *v, json_t *nodes)
{
    json_t *finished = json_object_get(json_object_get(v->doc, "times"), "finished");
    const char *failed = v->error ? text_of(v->error, "node") : "";
    if (strcmp(v->state, "succeeded") == 0 && !*text_of(v->doc, "cached_from"))
        plan_end_succeeded(nodes, finished);
    else if (v->final && *failed)
        plan_end_failed(nodes, failed, finished);
}

static json_t *nodes_of(struct view *v, const json_t *plan)
{
    size_t i;
    json_t *node, *nodes = json_deep_copy(json_object_get(plan, "nodes"));
    if (!json_is_array(nodes)) {
        json_decref(nodes);
        return json_array();
    }
    end_with_job(v, nodes);
    json_array_foreach(nodes, i, node)
    {
        complete(v, node, i == 0);
    }
    json_t *all = with_retries(v, nodes);
    json_decref(nodes);
    return all;
}

json_t *plan_view(const json_t *doc)
{
    const json_t *plan = json_object_get(doc, "plan");
    json_t *error = json_object_get(doc, "error");
    struct view v = {.doc = doc,
        .state = text_of(doc, "state"),
        .final = json_is_true(json_object_get(doc, "final")),
        .attempt = json_integer_value(json_object_get(doc, "attempt")),
        .error = json_is_object(error) ? error : NULL,
        .retried = json_object()};
    json_t *body = json_pack("{s:s, s:s, s:b, s:I}", "job_id", text_of(doc, "_id"), "state", v.state, "final",
        v.final, "attempt", v.attempt);
    take(body, plan, "pool");
    take(body, plan, "cache");
    take(body, doc, "cached_from");
    take(body, doc, "error");
    json_object_set_new(body, "nodes", nodes_of(&v, plan));
    json_decref(v.retried);
    return body;
}
