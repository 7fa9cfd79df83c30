/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: millrace limits: lists, shows, sets and takes away what a group, a creator or all may do.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/table.h"

static const struct option own[] = {
    {0, "max-queued", "N", false, "set: jobs that may wait; more are refused"},
    {0, "max-running", "N", false, "set: jobs that may run at once"},
    {0, "weight", "N", false, "set: a creator's share, 1 to 1000"},
    {0, "engine", "NAME", true, "set: an engine that may be used; none: all"},
    {0, "queue-timeout", "MS", false, "set: longest wait for a start where the job names none"},
    {0, "run-timeout", "MS", false, "set: longest run of an attempt where the job names none"},
    {0, "on-failure", "hold|next", false, "set: whether a failed job holds its group"},
    {0, "by", "NAME", false, "set: who; default MILLRACE_USER, else who you are"},
    OPTION_END,
};

static const struct {
    const char *option, *field;
} numbers[] = {
    {"max-queued", "max_queued"},
    {"max-running", "max_running"},
    {"weight", "weight"},
    {"queue-timeout", "queue_timeout_ms"},
    {"run-timeout", "run_timeout_ms"},
};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static void print_limits(const json_t *limits)
{
    static const char *const heads[] = {"SELECTOR", "QUEUED", "RUNNING", "WEIGHT", "QUEUE TIMEOUT MS",
        "RUN TIMEOUT MS", "ENGINES", "ON FAILURE", "BY"};
    size_t i, n;
    const json_t *limit, *engine;
    struct table *t = table_new(9, heads);
    for (size_t column = 1; column <= NUMBERS; column++)
        table_right(t, column);
    json_array_foreach(limits, i, limit)
    {
        struct buf engines;
        buf_init(&engines);
        table_add_text(t, show_text(limit, "selector", NULL));
        for (n = 0; n < NUMBERS; n++)
            table_add_json(t, json_object_get(limit, numbers[n].field));
        json_array_foreach(json_object_get(limit, "engines"), n, engine) buf_printf(
            &engines, "%s%s", n ? ", " : "", json_string_value(engine) ? json_string_value(engine) : "");
        table_add(t, engines.len ? buf_bytes(&engines) : BYTES(""));
        table_add_text(t, show_text(limit, "on_failure", NULL));
        table_add_text(t, show_text(limit, "by", NULL));
        buf_release(&engines);
    }
    table_print(t);
    table_free(t);
}

/* The whole document, from the options. NULL: told. */
static json_t *limit_of(const struct args *a)
{
    json_t *limit = json_object(), *engines = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < NUMBERS; i++) {
        int64_t n;
        ok = args_number(a, numbers[i].option, 0, INT64_MAX, -1, &n);
        if (ok && n >= 0)
            json_object_set_new(limit, numbers[i].field, json_integer((json_int_t)n));
    }
    for (size_t i = 0; ok && i < a->count; i++)
        if (strcmp(a->given[i].option->name, "engine") == 0)
            ok = json_array_append_new(engines, json_string(a->given[i].value)) == 0;
    const char *on_failure = args_text(a, "on-failure", NULL), *by = args_text(a, "by", args_user());
    ok = ok && json_object_set(limit, "engines", engines) == 0 &&
         json_object_set_new(limit, "by", json_string(by)) == 0 &&
         (!on_failure || json_object_set_new(limit, "on_failure", json_string(on_failure)) == 0);
    json_decref(engines);
    if (ok)
        return limit;
    complain("the limit can't be written: numbers and UTF-8 text are expected");
    json_decref(limit);
    return NULL;
}

enum verb { LIST, GET, SET, DELETE, VERBS };
static const char *const verbs[VERBS] = {"list", "get", "set", "delete"};

static bool read_verb(const struct args *a, enum verb *verb)
{
    *verb = LIST;
    if (a->word_count == 0)
        return true;
    for (int v = LIST; v < VERBS; v++)
        if (strcmp(a->words[0], verbs[v]) == 0 && a->word_count == (v == LIST ? 1U : 2U)) {
            *verb = (enum verb)v;
            return true;
        }
    complain("list, get SELECTOR, set SELECTOR or delete SELECTOR is expected; a selector is CREATOR/USER, "
             "'CREATOR/*' or '*'");
    return false;
}

static void ask(struct client *c, enum verb verb, const char *path, const json_t *limit, struct reply *reply)
{
    switch (verb) {
    case LIST:
    case GET:
    case VERBS:
        client_get(c, path, NULL, reply);
        break;
    case SET:
        client_put(c, path, limit, reply);
        break;
    case DELETE:
        client_delete(c, path, reply);
        break;
    }
}

static void print(enum verb verb, const struct reply *reply)
{
    if (verb == LIST) {
        print_limits(json_object_get(reply->json, "limits"));
    } else if (verb == DELETE) {
        printf("%s: %s\n", reply_text(reply, "selector"),
            json_is_true(json_object_get(reply->json, "deleted")) ? "deleted" : "there was no limit");
    } else {
        json_t *one = json_pack("[O]", reply->json);
        print_limits(one);
        json_decref(one);
    }
}

static enum outcome limits(const struct args *a)
{
    bool as_json;
    enum verb verb;
    struct reply reply;
    struct buf path;
    json_t *limit = NULL;
    enum outcome outcome = OUTCOME_DONE;
    if (!args_output(a, &as_json) || !read_verb(a, &verb))
        return OUTCOME_USAGE;
    if (verb == SET && !(limit = limit_of(a)))
        return OUTCOME_USAGE;
    struct client *c = client_open(a);
    reply_init(&reply);
    buf_init(&path);
    buf_add_text(&path, "/v1/limits");
    if (verb != LIST) {
        buf_add_char(&path, '/');
        path_add_segments(&path, a->words[1]);
    }
    ask(c, verb, path_text(&path), limit, &reply);
    if (!reply_ok(&reply))
        outcome = reply_explain(&reply);
    else if (as_json)
        print_json(verb == LIST ? json_object_get(reply.json, "limits") : reply.json);
    else
        print(verb, &reply);
    json_decref(limit);
    buf_release(&path);
    reply_release(&reply);
    client_close(c);
    return outcome;
}

const struct command command_limits = {
    .name = "limits",
    .words = "[get|set|delete SELECTOR]",
    .words_most = 2,
    .about = "Show and change limits of a group, a creator or all",
    .options = own,
    .asks_server = true,
    .run = limits,
    .notes =
        "A selector is CREATOR/USER, 'CREATOR/*' or '*'. set writes the whole limit anew: what is not given "
        "is not "
        "limited. All programs follow within five seconds.\n"
        "Example: millrace limits set 'ide/*' --max-queued 1000 --weight 5",
};
