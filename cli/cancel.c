/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: millrace cancel ID...: what each job was when it was cancelled.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/table.h"

static const struct option own[] = {
    {'r', "reason", "TEXT", false, "why; stands in the job's error"},
    {0, "by", "NAME", false, "who; default MILLRACE_USER, else who you are"},
    OPTION_END,
};

/* "was" tells what the cancel met; "state" is that of the document, which follows a moment later. */
static void print_answer(const struct reply *reply)
{
    const char *was = reply_text(reply, "was"), *id = reply_text(reply, "job_id");
    const char *state = reply_text(reply, "state");
    bool told = outcome_of_state(state) != OUTCOME_DONE || strcmp(state, "succeeded") == 0;
    if (strcmp(was, "final") == 0)
        printf("%s  had ended already%s%s\n", id, told ? ": " : "", told ? state : "");
    else
        printf("%s  was %s, will be cancelled\n", id, was);
}

static enum outcome cancel(const struct args *a)
{
    bool as_json;
    struct reply reply;
    enum outcome outcome = OUTCOME_DONE;
    const char *reason = args_text(a, "reason", NULL), *by = args_text(a, "by", args_user());
    if (!args_output(a, &as_json))
        return OUTCOME_USAGE;
    json_t *wish = json_pack("{s:s*, s:s*}", "reason", reason, "by", by);
    if (!wish) {
        complain("reason and by: UTF-8 text is expected");
        return OUTCOME_USAGE;
    }
    struct client *c = client_open(a);
    reply_init(&reply);
    for (size_t i = 0; i < a->word_count; i++) {
        struct buf path;
        buf_init(&path);
        buf_add_text(&path, "/v1/jobs/");
        path_add_segment(&path, a->words[i]);
        buf_add_text(&path, "/cancel");
        client_post(c, path_text(&path), wish, NULL, &reply);
        buf_release(&path);
        if (!reply_ok(&reply))
            outcome = reply_explain(&reply);
        else if (as_json)
            print_json(reply.json);
        else
            print_answer(&reply);
    }
    json_decref(wish);
    reply_release(&reply);
    client_close(c);
    return outcome;
}

const struct command command_cancel = {
    .name = "cancel",
    .words = "ID...",
    .words_least = 1,
    .words_most = WORDS_MOST,
    .about = "Cancel jobs",
    .options = own,
    .asks_server = true,
    .run = cancel,
    .notes = "A job that had ended stays as it is, and the exit code is 0. Follow one with: millrace get ID "
             "--wait",
};
