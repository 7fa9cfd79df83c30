/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel: millrace cancel ID..., a whole group, or what a filter fits: what each job was when it was cancelled.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/pairs.h"
#include "cli/show.h"

static const struct option own[] = {
    {'g', "group", "CREATOR/USER", false, "all unfinished jobs of this group"},
    {'c', "creator", "NAME", false, "unfinished jobs of this creator"},
    {'u', "user", "NAME", false, "of this user"},
    {'s', "state", "STATE,...", false, "in these states"},
    {'e', "engine", "NAME", false, "for this engine"},
    {'n', "name", "TEXT", false, "with this name"},
    {'l', "label", "K=V", true, "with this label; repeated: with all of them"},
    {0, "since", "TIME", false, "accepted at or after"},
    {0, "until", "TIME", false, "accepted before"},
    {'r', "reason", "TEXT", false, "why; stands in the job's error"},
    {0, "by", "NAME", false, "who; default MILLRACE_USER, else who you are"},
    OPTION_END,
};

/* "was" tells what the cancel met; "state" is that of the document, which follows a moment later. */
static void print_answer(const json_t *answer)
{
    const char *was = show_text(answer, "was", NULL), *id = show_text(answer, "job_id", NULL);
    const char *state = show_text(answer, "state", NULL);
    bool told = outcome_of_state(state) != OUTCOME_DONE || strcmp(state, "succeeded") == 0;
    if (strcmp(was, "final") == 0)
        printf("%s  had ended already%s%s\n", id, told ? ": " : "", told ? state : "");
    else
        printf("%s  was %s, will be cancelled\n", id, was);
}

static enum outcome cancel_each(struct client *c, const struct args *a, const json_t *wish, bool as_json)
{
    enum outcome outcome = OUTCOME_DONE;
    struct reply reply;
    reply_init(&reply);
    for (size_t i = 0; i < a->word_count; i++) {
        struct buf path;
        buf_init(&path);
        path_add_job(&path, a->words[i], "/cancel");
        client_post(c, path_text(&path), wish, NULL, &reply);
        buf_release(&path);
        enum outcome one = reply_print(&reply, as_json, print_answer);
        outcome = one == OUTCOME_DONE ? outcome : one;
    }
    reply_release(&reply);
    return outcome;
}

/* ---- many ---- */

static void print_counts(const json_t *answer)
{
    const json_t *counts = json_object_get(answer, "counts");
    static const char *const words[] = {"running", "queued", "pending"};
    long long sum = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        sum += (long long)json_integer_value(json_object_get(counts, words[i]));
    printf("%lld will be cancelled", sum);
    for (size_t i = 0; sum > 0 && i < sizeof words / sizeof *words; i++)
        printf("%s%lld %s", i ? ", " : ": ", (long long)json_integer_value(json_object_get(counts, words[i])),
            words[i]);
    printf("; %lld had ended\n", (long long)json_integer_value(json_object_get(counts, "final")));
}

/* "filter" of the wish, from the options; NULL: there are none, or one is bad (told). */
static json_t *filter_of(const struct args *a, bool *ok)
{
    static const char *const names[] = {"creator", "user", "state", "engine", "name", "since", "until"};
    json_t *filter = json_object(), *labels = pairs_of(a, "label");
    *ok = labels != NULL;
    for (size_t i = 0; *ok && i < sizeof names / sizeof *names; i++) {
        const char *value = args_text(a, names[i], NULL);
        *ok = !value || json_object_set_new(filter, names[i], json_string(value)) == 0;
        if (!*ok)
            complain("--%s: UTF-8 text is expected", names[i]);
    }
    if (json_object_size(labels) > 0)
        json_object_set(filter, "labels", labels);
    json_decref(labels);
    if (*ok && json_object_size(filter) > 0)
        return filter;
    json_decref(filter);
    return NULL;
}

static enum outcome cancel_many(struct client *c, const json_t *wish, bool as_json)
{
    struct reply reply;
    reply_init(&reply);
    client_post(c, "/v1/jobs/cancel", wish, NULL, &reply);
    enum outcome outcome = reply_print(&reply, as_json, print_counts);
    reply_release(&reply);
    return outcome;
}

static enum outcome cancel(const struct args *a)
{
    bool as_json, ok = true;
    const char *group = args_text(a, "group", NULL);
    const char *reason = args_text(a, "reason", NULL), *by = args_text(a, "by", args_user());
    if (!args_output(a, &as_json))
        return OUTCOME_USAGE;
    json_t *filter = filter_of(a, &ok);
    if (!ok)
        return OUTCOME_USAGE;
    if ((a->word_count > 0) + (group != NULL) + (filter != NULL) != 1) {
        complain("jobs are expected: ids, or --group, or filters such as --creator and --state");
        json_decref(filter);
        return OUTCOME_USAGE;
    }
    json_t *wish =
        json_pack("{s:s*, s:s*, s:s*, s:o*}", "reason", reason, "by", by, "group", group, "filter", filter);
    if (!wish) {
        complain("reason, by and group: UTF-8 text is expected");
        return OUTCOME_USAGE;
    }
    struct client *c = client_open(a);
    enum outcome outcome =
        a->word_count > 0 ? cancel_each(c, a, wish, as_json) : cancel_many(c, wish, as_json);
    json_decref(wish);
    client_close(c);
    return outcome;
}

const struct command command_cancel = {
    .name = "cancel",
    .words = "[ID...]",
    .words_most = WORDS_MOST,
    .about = "Cancel jobs: by id, a whole group, or all unfinished ones that filters fit",
    .options = own,
    .asks_server = true,
    .run = cancel,
    .notes = "A job that had ended stays as it is, and the exit code is 0. Follow one with: millrace get ID "
             "--wait\n"
             "Example: millrace cancel --creator ide --state queued --reason 'wrong table'",
};
