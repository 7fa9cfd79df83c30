/* SPDX-License-Identifier: Apache-2.0 */
/*
 * groups: millrace groups and millrace instances: what waits and runs, and where.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/show.h"
#include "cli/table.h"

enum { PAGE_MOST = 1000 };

static const struct option group_options[] = {
    {'c', "creator", "NAME", false, "only of this creator"},
    {'u', "user", "NAME", false, "only of this user"},
    {'l', "limit", "N", false, "at most so many; default all"},
    OPTION_END,
};
static const struct option instance_options[] = {
    {'a', "all", NULL, false, "also those whose lease is over"},
    OPTION_END,
};

static void add_number(struct table *t, const json_t *of, const char *name)
{
    table_add_json(t, json_object_get(of, name));
}

static void add_duration(struct table *t, const json_t *ms)
{
    char text[DURATION_TEXT_SIZE];
    table_add_text(t, json_is_integer(ms) ? duration_about(json_integer_value(ms), text) : "");
}

/* "held by ann: why", or "" */
static void add_order(struct table *t, const json_t *o, const char *word)
{
    struct buf text;
    buf_init(&text);
    if (json_is_object(o)) {
        buf_add_text(&text, word);
        show_who(o, false, &text);
    }
    table_add(t, text.len ? buf_bytes(&text) : BYTES(""));
    buf_release(&text);
}

/* ---- groups ---- */

static enum outcome collect(struct client *c, const struct args *a, int64_t limit, json_t *groups)
{
    char cursor[320] = "", number[24];
    enum outcome outcome = OUTCOME_DONE;
    struct reply reply;
    struct buf path;
    reply_init(&reply);
    buf_init(&path);
    do {
        int64_t rest = limit - (int64_t)json_array_size(groups);
        (void)snprintf(number, sizeof number, "%lld", (long long)(rest < PAGE_MOST ? rest : PAGE_MOST));
        buf_clear(&path);
        buf_add_text(&path, "/v1/groups");
        path_add(&path, "creator", args_text(a, "creator", NULL));
        path_add(&path, "user", args_text(a, "user", NULL));
        path_add(&path, "limit", number);
        path_add(&path, "cursor", *cursor ? cursor : NULL);
        client_get(c, path_text(&path), NULL, &reply);
        outcome = reply_outcome(&reply);
        if (outcome != OUTCOME_DONE)
            break;
        json_array_extend(groups, json_object_get(reply.json, "groups"));
        (void)snprintf(cursor, sizeof cursor, "%s", reply_text(&reply, "next_cursor"));
    } while (*cursor && (int64_t)json_array_size(groups) < limit);
    buf_release(&path);
    reply_release(&reply);
    return outcome;
}

static void print_groups(const json_t *groups)
{
    static const char *const heads[] = {
        "GROUP", "POOL", "QUEUED", "RUNNING", "DELAYED", "MAX RUNNING", "OLDEST WAIT", "HELD"};
    size_t i;
    const json_t *group;
    struct table *t = table_new(8, heads);
    for (size_t column = 2; column <= 6; column++)
        table_right(t, column);
    json_array_foreach(groups, i, group)
    {
        table_add_text(t, show_text(group, "group", NULL));
        table_add_text(t, show_text(group, "pool", NULL));
        add_number(t, group, "depth");
        add_number(t, group, "running");
        add_number(t, group, "delayed");
        add_number(t, group, "max_running");
        add_duration(t, json_object_get(group, "wait_ms"));
        add_order(t, json_object_get(group, "held"), "held");
    }
    table_print(t);
    table_free(t);
}

static enum outcome groups(const struct args *a)
{
    bool as_json;
    int64_t limit;
    if (!args_output(a, &as_json) || !args_number(a, "limit", 1, 1000000, 1000000, &limit))
        return OUTCOME_USAGE;
    struct client *c = client_open(a);
    json_t *list = json_array();
    enum outcome outcome = collect(c, a, limit, list);
    if (outcome == OUTCOME_DONE && as_json)
        print_json(list);
    else if (outcome == OUTCOME_DONE)
        print_groups(list);
    json_decref(list);
    client_close(c);
    return outcome;
}

const struct command command_groups = {
    .name = "groups",
    .words = "",
    .about = "List groups that have unfinished jobs or are held: depth, running, oldest wait",
    .options = group_options,
    .asks_server = true,
    .run = groups,
};

/* ---- instances ---- */

static void print_instances(const json_t *list)
{
    static const char *const heads[] = {
        "INSTANCE", "HOST", "PID", "POOL", "STARTED", "RENEWED AGO", "RUNNING", "STATE"};
    size_t i;
    const json_t *item;
    char at[32];
    struct table *t = table_new(8, heads);
    table_right(t, 2);
    table_right(t, 5);
    table_right(t, 6);
    json_array_foreach(list, i, item)
    {
        table_add_text(t, show_text(item, "instance", NULL));
        table_add_text(t, show_text(item, "host", NULL));
        add_number(t, item, "pid");
        table_add_text(t, show_text(item, "pool", NULL));
        table_add(t, time_shown(show_text(item, "started_at", NULL), at));
        add_duration(t, json_object_get(item, "renewed_ms"));
        add_number(t, item, "running");
        if (json_is_true(json_object_get(item, "over")))
            table_add_text(t, "over");
        else
            add_order(t, json_object_get(item, "drain"), "draining");
    }
    table_print(t);
    table_free(t);
}

static enum outcome instances(const struct args *a)
{
    bool as_json;
    struct reply reply;
    enum outcome outcome = OUTCOME_DONE;
    if (!args_output(a, &as_json))
        return OUTCOME_USAGE;
    struct client *c = client_open(a);
    reply_init(&reply);
    client_get(c, args_flag(a, "all") ? "/v1/instances?all=true" : "/v1/instances", NULL, &reply);
    const json_t *list = json_object_get(reply.json, "instances");
    if (!reply_ok(&reply))
        outcome = reply_explain(&reply);
    else if (as_json)
        print_json(list);
    else
        print_instances(list);
    reply_release(&reply);
    client_close(c);
    return outcome;
}

const struct command command_instances = {
    .name = "instances",
    .words = "",
    .about = "List the executor processes",
    .options = instance_options,
    .asks_server = true,
    .run = instances,
};
