/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list: millrace list: the newest jobs first, by filters; goes on from page to page until the limit.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/pairs.h"
#include "cli/show.h"
#include "cli/table.h"

enum { PAGE_MOST = 1000, LIMIT_DEFAULT = 50 };

static const struct option own[] = {
    {'c', "creator", "NAME", false, "only of this creator"},
    {'u', "user", "NAME", false, "only of this user"},
    {'g', "group", "CREATOR/USER", false, "only of this group"},
    {'s', "state", "STATE,...", false, "only in these states"},
    {'e', "engine", "NAME", false, "only for this engine"},
    {'n', "name", "TEXT", false, "only with this name"},
    {0, "label", "K=V", true, "only with this label; repeated: with all of them"},
    {0, "since", "TIME", false, "accepted at or after, e.g. 2026-01-31T08:00:00Z"},
    {0, "until", "TIME", false, "accepted before"},
    {'l', "limit", "N", false, "at most so many; default 50"},
    {0, "total", NULL, false, "also how many there are in all"},
    OPTION_END,
};

static void add_row(struct table *t, const json_t *job)
{
    char at[32], took[DURATION_TEXT_SIZE];
    table_add_text(t, show_text(job, "job_id", NULL));
    table_add_text(t, show_text(job, "state", NULL));
    table_add_text(t, show_text(job, "group", NULL));
    table_add_text(t, show_text(job, "engine", NULL));
    table_add(t, time_shown(show_text(job, "times", "accepted"), at));
    table_add_text(t, show_took(job, took));
    table_add_text(t, show_text(job, "name", NULL));
}

static void page_path(const struct args *a, int64_t limit, const char *cursor, bool total, struct buf *path)
{
    static const char *const filters[] = {
        "creator", "user", "group", "state", "engine", "name", "since", "until"};
    char number[24];
    buf_clear(path);
    buf_add_text(path, "/v1/jobs");
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        path_add(path, filters[i], args_text(a, filters[i], NULL));
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->given[i].option->name, "label") == 0)
            path_add(path, "label", a->given[i].value);
    (void)snprintf(number, sizeof number, "%lld", (long long)limit);
    path_add(path, "limit", number);
    path_add(path, "cursor", *cursor ? cursor : NULL);
    path_add(path, "total", total ? "true" : NULL);
}

/* All pages into one array. */
static enum outcome collect(
    struct client *c, const struct args *a, int64_t limit, json_t *jobs, json_int_t *total)
{
    enum outcome outcome = OUTCOME_DONE;
    char cursor[128] = "";
    struct reply reply;
    struct buf path;
    bool more = true;
    reply_init(&reply);
    buf_init(&path);
    while (more && outcome == OUTCOME_DONE) {
        int64_t rest = limit - (int64_t)json_array_size(jobs);
        page_path(a, rest < PAGE_MOST ? rest : PAGE_MOST, cursor, args_flag(a, "total") && !*cursor, &path);
        client_get(c, path_text(&path), NULL, &reply);
        outcome = reply_outcome(&reply);
        if (outcome != OUTCOME_DONE)
            break;
        if (!*cursor)
            *total = json_integer_value(json_object_get(reply.json, "total"));
        json_array_extend(jobs, json_object_get(reply.json, "jobs"));
        (void)snprintf(cursor, sizeof cursor, "%s", reply_text(&reply, "next_cursor"));
        more = *cursor && (int64_t)json_array_size(jobs) < limit;
    }
    reply_release(&reply);
    buf_release(&path);
    return outcome;
}

static void print_table(const json_t *jobs)
{
    static const char *const heads[] = {"JOB", "STATE", "GROUP", "ENGINE", "ACCEPTED", "TOOK", "NAME"};
    size_t i;
    const json_t *job;
    struct table *t = table_new(7, heads);
    table_right(t, 5);
    json_array_foreach(jobs, i, job) add_row(t, job);
    table_print(t);
    table_free(t);
}

static enum outcome list(const struct args *a)
{
    bool as_json;
    int64_t limit;
    json_int_t total = 0;
    if (!args_output(a, &as_json) || !args_number(a, "limit", 1, 1000000, LIMIT_DEFAULT, &limit))
        return OUTCOME_USAGE;
    json_t *labels = pairs_of(a, "label");
    if (!labels)
        return OUTCOME_USAGE;
    json_decref(labels);
    struct client *c = client_open(a);
    json_t *jobs = json_array();
    enum outcome outcome = collect(c, a, limit, jobs, &total);
    if (outcome == OUTCOME_DONE && as_json)
        print_json(jobs);
    else if (outcome == OUTCOME_DONE)
        print_table(jobs);
    if (outcome == OUTCOME_DONE && args_flag(a, "total"))
        (void)fprintf(stderr, "%lld of %lld jobs\n", (long long)json_array_size(jobs), (long long)total);
    json_decref(jobs);
    client_close(c);
    return outcome;
}

const struct command command_list = {
    .name = "list",
    .words = "",
    .about = "List jobs, the newest first",
    .options = own,
    .asks_server = true,
    .run = list,
};
