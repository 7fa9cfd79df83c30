/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order: millrace hold, release and drain: what is to happen with a group or an executor, who wants it and why.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/table.h"

static const struct option own[] = {
    {'r', "reason", "TEXT", false, "why"},
    {0, "by", "NAME", false, "who; default MILLRACE_USER, else who you are"},
    OPTION_END,
};

static void print_who(const json_t *o)
{
    struct buf who;
    buf_init(&who);
    show_who(o, true, &who);
    printf("%.*s\n", BYTES_ARG(buf_bytes(&who)));
    buf_release(&who);
}

static void print_hold(const json_t *answer)
{
    printf("%s is held", show_text(answer, "group", NULL));
    print_who(answer);
}

static void print_release(const json_t *answer)
{
    printf("%s %s\n", show_text(answer, "group", NULL),
        json_is_true(json_object_get(answer, "was_held")) ? "is released" : "was not held");
}

static void print_drain(const json_t *answer)
{
    printf("%s will end; asked for", show_text(answer, "instance", NULL));
    print_who(json_object_get(answer, "drain"));
}

/* POST path + word + "/" + the command's name; `print` tells people what came of it. */
static const struct {
    const struct command *command;
    const char *path;
    bool of_group;
    void (*print)(const json_t *answer);
} orders[] = {
    {&command_hold, "/v1/groups/", true, print_hold},
    {&command_release, "/v1/groups/", true, print_release},
    {&command_drain, "/v1/instances/", false, print_drain},
};

static bool is_group(const char *word)
{
    const char *slash = strchr(word, '/');
    if (slash && slash != word && slash[1] && !strchr(slash + 1, '/'))
        return true;
    complain("%s: a group is CREATOR/USER; millrace groups lists those with jobs", word);
    return false;
}

static enum outcome order(const struct args *a)
{
    bool as_json;
    struct reply reply;
    struct buf path;
    size_t n = 0;
    while (orders[n].command != a->command)
        n++;
    if (!args_output(a, &as_json) || (orders[n].of_group && !is_group(a->words[0])))
        return OUTCOME_USAGE;
    json_t *wish = json_pack(
        "{s:s*, s:s*}", "reason", args_text(a, "reason", NULL), "by", args_text(a, "by", args_user()));
    if (!wish) {
        complain("reason and by: UTF-8 text is expected");
        return OUTCOME_USAGE;
    }
    struct client *c = client_open(a);
    reply_init(&reply);
    buf_init(&path);
    buf_add_text(&path, orders[n].path);
    path_add_segments(&path, a->words[0]);
    buf_printf(&path, "/%s", a->command->name);
    client_post(c, path_text(&path), wish, NULL, &reply);
    enum outcome outcome = reply_print(&reply, as_json, orders[n].print);
    json_decref(wish);
    buf_release(&path);
    reply_release(&reply);
    client_close(c);
    return outcome;
}

const struct command command_hold = {
    .name = "hold",
    .words = "CREATOR/USER",
    .words_least = 1,
    .words_most = 1,
    .about = "Start nothing of a group until it is released; what runs goes on",
    .options = own,
    .asks_server = true,
    .run = order,
    .notes = "It may be repeated; the first hold counts. See millrace groups.",
};

const struct command command_release = {
    .name = "release",
    .words = "CREATOR/USER",
    .words_least = 1,
    .words_most = 1,
    .about = "Let a held group go on",
    .options = own,
    .asks_server = true,
    .run = order,
};

const struct command command_drain = {
    .name = "drain",
    .words = "INSTANCE",
    .words_least = 1,
    .words_most = 1,
    .about = "Let an executor finish what runs, give back the rest, and end",
    .options = own,
    .asks_server = true,
    .run = order,
    .notes = "See millrace instances.",
};
