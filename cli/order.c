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

/* POST path + word + verb; `print` tells people what came of it. */
static enum outcome order(
    const struct args *a, const char *path, const char *verb, void print(const json_t *answer))
{
    bool as_json;
    struct reply reply;
    struct buf full;
    enum outcome outcome = OUTCOME_DONE;
    if (!args_output(a, &as_json))
        return OUTCOME_USAGE;
    json_t *wish = json_pack(
        "{s:s*, s:s*}", "reason", args_text(a, "reason", NULL), "by", args_text(a, "by", args_user()));
    if (!wish) {
        complain("reason and by: UTF-8 text is expected");
        return OUTCOME_USAGE;
    }
    struct client *c = client_open(a);
    reply_init(&reply);
    buf_init(&full);
    buf_add_text(&full, path);
    path_add_segments(&full, a->words[0]);
    buf_add_text(&full, verb);
    client_post(c, path_text(&full), wish, NULL, &reply);
    if (!reply_ok(&reply))
        outcome = reply_explain(&reply);
    else if (as_json)
        print_json(reply.json);
    else
        print(reply.json);
    json_decref(wish);
    buf_release(&full);
    reply_release(&reply);
    client_close(c);
    return outcome;
}

static bool is_group(const char *word)
{
    const char *slash = strchr(word, '/');
    if (slash && slash != word && slash[1] && !strchr(slash + 1, '/'))
        return true;
    complain("%s: a group is CREATOR/USER", word);
    return false;
}

/* "by ann at 2026-01-31 08:30:00Z: why" */
static void print_who(const json_t *o)
{
    char at[32];
    const char *by = show_text(o, "by", NULL), *reason = show_text(o, "reason", NULL);
    struct bytes when = time_shown(show_text(o, "at", NULL), at);
    printf("%s%s at %.*s%s%s\n", *by ? " by " : "", by, BYTES_ARG(when), *reason ? ": " : "", reason);
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

static enum outcome hold(const struct args *a)
{
    return is_group(a->words[0]) ? order(a, "/v1/groups/", "/hold", print_hold) : OUTCOME_USAGE;
}

static enum outcome release(const struct args *a)
{
    return is_group(a->words[0]) ? order(a, "/v1/groups/", "/release", print_release) : OUTCOME_USAGE;
}

static enum outcome drain(const struct args *a)
{
    return order(a, "/v1/instances/", "/drain", print_drain);
}

const struct command command_hold = {
    .name = "hold",
    .words = "CREATOR/USER",
    .words_least = 1,
    .words_most = 1,
    .about = "Start nothing of a group until it is released; what runs goes on",
    .options = own,
    .asks_server = true,
    .run = hold,
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
    .run = release,
};

const struct command command_drain = {
    .name = "drain",
    .words = "INSTANCE",
    .words_least = 1,
    .words_most = 1,
    .about = "Let an executor finish what runs, give back the rest, and end",
    .options = own,
    .asks_server = true,
    .run = drain,
    .notes = "See millrace instances.",
};
