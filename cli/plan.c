/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: millrace plan ID: how a job runs, as a tree of its nodes with their states (plan_tree.h).
 */

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/plan_tree.h"
#include "cli/show.h"
#include "cli/table.h"

static void show(const json_t *plan)
{
    const json_t *nodes = json_object_get(plan, "nodes");
    const char *code = show_text(plan, "error", "code"), *pool = show_text(plan, "pool", NULL);
    int64_t attempt = json_integer_value(json_object_get(plan, "attempt"));
    struct table *head = table_new(1, NULL);
    struct buf line;
    buf_init(&line);
    buf_printf(&line, "%s %s", show_text(plan, "job_id", NULL), show_text(plan, "state", NULL));
    if (*pool)
        buf_printf(&line, ", pool %s", pool);
    if (attempt > 1)
        buf_printf(&line, ", attempt %lld", (long long)attempt);
    if (*code)
        buf_printf(&line, ": %s: %s", code, show_text(plan, "error", "message"));
    else if (json_array_size(nodes) == 0)
        buf_add_text(&line,
            json_is_true(json_object_get(plan, "final")) ? ": it had no plan" : ": it has no plan yet");
    table_add(head, buf_bytes(&line));
    table_print(head);
    table_free(head);
    buf_release(&line);
    if (json_array_size(nodes) > 0)
        plan_tree_print(nodes);
}

static enum outcome plan(const struct args *a)
{
    bool as_json;
    struct reply reply;
    if (!args_output(a, &as_json))
        return OUTCOME_USAGE;
    struct client *c = client_open(a);
    reply_init(&reply);
    client_get_job(c, a->words[0], "/plan", &reply);
    enum outcome outcome = reply_print(&reply, as_json, show);
    reply_release(&reply);
    client_close(c);
    return outcome;
}

const struct command command_plan = {
    .name = "plan",
    .words = "ID",
    .words_least = 1,
    .words_most = 1,
    .about = "Show how a job runs: the tree of its nodes, each with its state, time and reason",
    .asks_server = true,
    .run = plan,
    .notes = "A node is a leaf (`exec`, with the engine and target that run it) or says how its children "
             "run: `sequence` one after the "
             "other, `all` of them, `race` until one succeeds, `fallback` the next when one fails. `retry` "
             "stands above a leaf that failed and "
             "may be repeated. States: waiting, running, retrying, succeeded, failed, cancelled (another "
             "won, or the job was cancelled), "
             "skipped (it was not needed).",
};
