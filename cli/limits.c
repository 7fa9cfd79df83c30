/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: millrace limits: lists, shows, sets and takes away what a group, a creator or all may do.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/show.h"
#include "cli/table.h"

static const struct option own[] = {
    {0, "max-queued", "N", false, "set: jobs that may wait; more are refused"},
    {0, "max-running", "N", false, "set: jobs that may run at once"},
    {0, "weight", "N", false, "set: a creator's share, 1 to 1000"},
    {0, "engine", "NAME", true, "set: an engine that may be used; none: all"},
    {0, "queue-timeout", "DURATION", false,
        "set: longest wait for a start where the job names none, e.g. 2h"},
    {0, "run-timeout", "DURATION", false,
        "set: longest run of an attempt where the job names none, e.g. 30m"},
    {0, "on-failure", "hold|next", false, "set: whether a failed job holds its group"},
    {0, "required", "FIELD", true, "set: a field that jobs must give, e.g. name or labels.project"},
    {0, "allowed", "FIELD", true, "set: an optional field that jobs may give; none: all"},
    {0, "forbidden-sql", "PHRASE", true, "set: what SQL may not do, e.g. 'drop table'"},
    {0, "forbidden-code", "RULE", true, "set: what other code may not do, e.g. shell.rm or python"},
    {0, "row-limit", "N", false, "set: most rows of a query"},
    {0, "by", "NAME", false, "set: who; default MILLRACE_USER, else who you are"},
    OPTION_END,
};

static const struct {
    const char *option, *field;
    bool duration;
} numbers[] = {
    {"max-queued", "max_queued", false},
    {"max-running", "max_running", false},
    {"weight", "weight", false},
    {"queue-timeout", "queue_timeout_ms", true},
    {"run-timeout", "run_timeout_ms", true},
    {"row-limit", "row_limit", false},
};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static const struct {
    const char *option, *field;
} lists[] = {
    {"engine", "engines"},
    {"required", "required"},
    {"allowed", "allowed"},
    {"forbidden-sql", "forbidden_sql"},
    {"forbidden-code", "forbidden_code"},
};
enum { LISTS = sizeof lists / sizeof *lists, ENGINES = 0, RULES };

static void add_number(struct table *t, const json_t *value, bool duration)
{
    char text[DURATION_TEXT_SIZE];
    if (duration && json_is_integer(value))
        table_add_text(t, duration_text(json_integer_value(value), text));
    else
        table_add_json(t, value);
}

static void add_items(struct buf *out, const json_t *items)
{
    size_t i;
    const json_t *item;
    json_array_foreach(items, i, item)
    {
        buf_printf(out, "%s%s", i ? ", " : "", json_string_value(item) ? json_string_value(item) : "");
    }
}

/* "required name, labels.project; forbidden_sql drop table" */
static void add_rules(struct buf *out, const json_t *limit)
{
    for (size_t n = RULES; n < LISTS; n++) {
        const json_t *items = json_object_get(limit, lists[n].field);
        if (json_array_size(items) == 0)
            continue;
        buf_printf(out, "%s%s ", out->len ? "; " : "", lists[n].field);
        add_items(out, items);
    }
}

static void print_limits(const json_t *limits)
{
    static const char *const heads[] = {"SELECTOR", "MAX QUEUED", "MAX RUNNING", "WEIGHT", "QUEUE TIMEOUT",
        "RUN TIMEOUT", "ROW LIMIT", "ENGINES", "ON FAILURE", "RULES", "BY"};
    size_t i;
    const json_t *limit;
    struct table *t = table_new(sizeof heads / sizeof *heads, heads);
    for (size_t column = 1; column <= NUMBERS; column++)
        table_right(t, column);
    json_array_foreach(limits, i, limit)
    {
        struct buf engines, rules;
        buf_init(&engines);
        buf_init(&rules);
        add_items(&engines, json_object_get(limit, lists[ENGINES].field));
        add_rules(&rules, limit);
        table_add_text(t, show_text(limit, "selector", NULL));
        for (size_t n = 0; n < NUMBERS; n++)
            add_number(t, json_object_get(limit, numbers[n].field), numbers[n].duration);
        table_add(t, buf_bytes(&engines));
        table_add_text(t, show_text(limit, "on_failure", NULL));
        table_add(t, buf_bytes(&rules));
        table_add_text(t, show_text(limit, "by", NULL));
        buf_release(&engines);
        buf_release(&rules);
    }
    table_print(t);
    table_free(t);
}

static bool add_number_given(const struct args *a, size_t i, json_t *limit)
{
    int64_t n;
    bool ok = numbers[i].duration ? args_duration(a, numbers[i].option, -1, &n)
                                  : args_number(a, numbers[i].option, 0, INT64_MAX, -1, &n);
    if (ok && n >= 0)
        json_object_set_new(limit, numbers[i].field, json_integer((json_int_t)n));
    return ok;
}

static bool add_list_given(const struct args *a, size_t list, json_t *limit)
{
    json_t *items = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < a->count; i++)
        if (strcmp(a->given[i].option->name, lists[list].option) == 0)
            ok = json_array_append_new(items, json_string(a->given[i].value)) == 0;
    if (ok && json_array_size(items) > 0)
        json_object_set(limit, lists[list].field, items);
    json_decref(items);
    return ok;
}

/* The whole document, from the options. NULL: told. */
static json_t *limit_of(const struct args *a)
{
    json_t *limit = json_object();
    bool ok = true;
    for (size_t i = 0; ok && i < NUMBERS; i++)
        ok = add_number_given(a, i, limit);
    for (size_t i = 0; ok && i < LISTS; i++)
        ok = add_list_given(a, i, limit);
    const char *on_failure = args_text(a, "on-failure", NULL), *by = args_text(a, "by", args_user());
    ok = ok && json_object_set_new(limit, "by", json_string(by)) == 0 &&
         (!on_failure || json_object_set_new(limit, "on_failure", json_string(on_failure)) == 0);
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

/* Whether an option says something about the limit itself. */
static bool gives_something(const struct args *a)
{
    for (const struct option *o = own; o->name; o++)
        if (strcmp(o->name, "by") != 0 && args_flag(a, o->name))
            return true;
    return false;
}

/* set writes the limit anew: with nothing given it would wipe it; and the others would take no notice of what is given. */
static bool fits(const struct args *a, enum verb verb)
{
    bool given = gives_something(a);
    if (verb == SET && !given)
        complain(
            "limits set %s: nothing is given; say what is limited, e.g. --max-queued 100 (millrace limits "
            "--help lists all), or take the limit away: millrace limits delete %s",
            a->words[1], a->words[1]);
    else if (verb != SET && (given || args_flag(a, "by")))
        complain(
            "limits %s takes no options of a limit; they go with: millrace limits set SELECTOR", verbs[verb]);
    else
        return true;
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
    if (!args_output(a, &as_json) || !read_verb(a, &verb) || !fits(a, verb))
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
    .words = "[list | get|set|delete SELECTOR]",
    .words_most = 2,
    .about = "Show and change limits of a group, a creator or all",
    .options = own,
    .asks_server = true,
    .run = limits,
    .notes =
        "A selector is CREATOR/USER, 'CREATOR/*' or '*'. set writes the whole limit anew: what is not given "
        "is not limited, also where it was before. delete takes it away. All programs follow within five "
        "seconds.\n"
        "Example: millrace limits set 'ide/*' --max-queued 1000 --weight 5 --forbidden-sql 'drop table' "
        "--row-limit 5000",
};
