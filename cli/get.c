/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get: millrace get ID: a job's document.
 */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/table.h"
#include "cli/wait.h"

static const struct option own[] = {
    {'w', "wait", NULL, false, "wait for the end; the exit code tells it"},
    OPTION_END,
};

static enum outcome get(const struct args *a)
{
    bool as_json;
    struct reply reply;
    enum outcome outcome = OUTCOME_DONE;
    if (!args_output(a, &as_json))
        return OUTCOME_USAGE;
    struct client *c = client_open(a);
    reply_init(&reply);
    if (args_flag(a, "wait")) {
        outcome = wait_for_job(c, a->words[0], &reply);
        if (reply_ok(&reply))
            as_json ? print_json(reply.json) : show_job(reply.json);
    } else {
        client_get_job(c, a->words[0], "", &reply);
        outcome = reply_print(&reply, as_json, show_job);
    }
    reply_release(&reply);
    client_close(c);
    return outcome;
}

const struct command command_get = {
    .name = "get",
    .words = "ID",
    .words_least = 1,
    .words_most = 1,
    .about = "Show a job: state, times, error, results",
    .options = own,
    .asks_server = true,
    .run = get,
};
