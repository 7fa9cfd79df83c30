/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit: millrace submit: one job, from the command line, a file or stdin.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/pairs.h"
#include "cli/show.h"
#include "cli/show_dry_run.h"
#include "cli/table.h"
#include "cli/wait.h"

#define CODE_MOST (16 * 1024 * 1024)

static const struct option own[] = {
    {'e', "engine", "NAME", false, "what runs the code; default shell"},
    {'c', "creator", "NAME", false, "the system that the job comes from; default MILLRACE_CREATOR, else cli"},
    {'u', "user", "NAME", false, "the person that it runs for; default MILLRACE_USER, else who you are"},
    {'n', "name", "TEXT", false, "for people"},
    {'t', "target", "NAME", false, "a named configuration of the engine"},
    {0, "strategy", "KIND", false,
        "race, all or fallback: how the targets of --strategy-target are used; default single"},
    {0, "strategy-target", "TARGET", true,
        "warehouse (of the engine), postgres@warehouse, or sqlite@ (an engine's default)"},
    {0, "code-type", "TYPE", false, "sql, shell, ...; default the engine's first"},
    {0, "var", "K=V", true, "a value for ${K} in the code; a ${K} without one stays as it is"},
    {0, "conf", "K=V", true, "a setting of the engine"},
    {0, "label", "K=V", true, "for routing, limits and search"},
    {0, "run-timeout", "DURATION", false, "longest run of one attempt, e.g. 30m"},
    {0, "queue-timeout", "DURATION", false, "longest wait for the first start, e.g. 2h"},
    {0, "not-before", "TIME", false,
        "start no earlier, e.g. 2026-01-31T08:00:00Z; later jobs of the group pass it until then"},
    {0, "max-attempts", "N", false, "tries in all; 1 is no retry"},
    {0, "backoff", "DURATION", false,
        "wait before the second try, e.g. 5s; doubled with each further one; by chance down to half of it"},
    {0, "max-backoff", "DURATION", false, "longest wait between two tries"},
    {0, "retry-on-exit", "N", true, "an exit code that is worth another try"},
    {0, "retry-on-error", "REGEX", true, "a pattern of errors (code or message) that are worth another try"},
    {0, "node-attempts", "N", false, "tries of each node of the plan within one try of the job; default 1"},
    {0, "on-lost", "retry|fail", false, "when the executor that ran it is lost; default retry"},
    {'f', "file", "FILE", false, "read the code from a file"},
    {'k', "key", "KEY", false, "idempotency key: a repeat with the same key is the same job"},
    {'w', "wait", NULL, false, "wait for the end; the exit code tells it"},
    {0, "dry-run", NULL, false,
        "submit nothing; show what would run, where, with which values, or why it would be refused"},
    OPTION_END,
};

static bool read_all(FILE *from, const char *name, struct buf *out)
{
    char block[65536];
    size_t got;
    while ((got = fread(block, 1, sizeof block, from)) > 0 && out->len <= CODE_MOST)
        buf_add(out, block, got);
    if (ferror(from))
        complain("can't read %s: %s", name, strerror(errno));
    else if (out->len > CODE_MOST)
        complain("%s is too large", name);
    else
        return true;
    return false;
}

static enum outcome read_code(const struct args *a, struct buf *out)
{
    const char *file = args_text(a, "file", NULL), *word = a->word_count ? a->words[0] : NULL;
    if (!file == !word) {
        complain("the code is expected: as a word, - for stdin, or --file FILE");
        return OUTCOME_USAGE;
    }
    if (word && strcmp(word, "-") != 0) {
        buf_add_text(out, word);
        return OUTCOME_DONE;
    }
    FILE *from = file && strcmp(file, "-") != 0 ? fopen(file, "rb") : stdin;
    if (!from) {
        complain("can't open %s: %s", file, strerror(errno));
        return OUTCOME_FAILED;
    }
    bool ok = read_all(from, file ? file : "stdin", out);
    if (from != stdin)
        (void)fclose(from);
    return ok ? OUTCOME_DONE : OUTCOME_FAILED;
}

static bool add_text(json_t *job, const char *field, const char *value)
{
    if (!value || json_object_set_new(job, field, json_string(value)) == 0)
        return true;
    complain("%s is not UTF-8", field);
    return false;
}

/* All --option K=V of one name as an object. */
static bool add_pairs(const struct args *a, const char *option, json_t *job, const char *field)
{
    json_t *pairs = pairs_of(a, option);
    if (json_object_size(pairs) > 0)
        json_object_set(job, field, pairs);
    json_decref(pairs);
    return pairs != NULL;
}

/* A field of a part of the job (limits, retry); takes the value. */
static void add_to(json_t *job, const char *part, const char *field, json_t *value)
{
    if (!json_object_get(job, part))
        json_object_set_new(job, part, json_object());
    json_object_set_new(json_object_get(job, part), field, value);
}

/* A number of at least 0 that was read; nothing where it was not given. */
static void add_number(json_t *job, const char *part, const char *field, int64_t n)
{
    if (n >= 0)
        add_to(job, part, field, json_integer((json_int_t)n));
}

static bool add_duration(
    const struct args *a, const char *option, json_t *job, const char *part, const char *field)
{
    int64_t ms;
    if (!args_duration(a, option, -1, &ms))
        return false;
    add_number(job, part, field, ms);
    return true;
}

/* All values of a repeated option as an array, where there are any; numbers where `numbers`. */
static bool add_list(
    const struct args *a, const char *option, bool numbers, json_t *job, const char *part, const char *field)
{
    json_t *list = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < a->count; i++) {
        const char *text = a->given[i].value;
        int64_t n = 0;
        if (strcmp(a->given[i].option->name, option) != 0)
            continue;
        ok = !numbers || bytes_parse_int64(bytes_of(text), &n);
        ok =
            ok && json_array_append_new(list, numbers ? json_integer((json_int_t)n) : json_string(text)) == 0;
        if (!ok)
            complain("--%s %s: %s is expected", option, text, numbers ? "a whole number" : "UTF-8 text");
    }
    if (ok && json_array_size(list) > 0)
        add_to(job, part, field, json_incref(list));
    json_decref(list);
    return ok;
}

static bool add_strategy(const struct args *a, json_t *job)
{
    const char *kind = args_text(a, "strategy", NULL);
    if (!kind && args_flag(a, "strategy-target")) {
        complain("--strategy-target: say how they are used with --strategy race, all or fallback");
        return false;
    }
    json_t *text = kind ? json_string(kind) : NULL;
    if (kind && !text)
        complain("--strategy is not UTF-8");
    else if (kind)
        add_to(job, "strategy", "kind", text);
    return (!kind || text) && add_list(a, "strategy-target", false, job, "strategy", "targets");
}

static bool add_retry(const struct args *a, json_t *job)
{
    const char *on_lost = args_text(a, "on-lost", NULL);
    int64_t attempts, node_attempts;
    if (on_lost)
        add_to(job, "retry", "on_lost", json_string(on_lost));
    if (!args_number(a, "max-attempts", 0, INT64_MAX, -1, &attempts) ||
        !args_number(a, "node-attempts", 0, INT64_MAX, -1, &node_attempts))
        return false;
    add_number(job, "retry", "max_attempts", attempts);
    add_number(job, "retry", "node_attempts", node_attempts);
    return add_duration(a, "backoff", job, "retry", "backoff_ms") &&
           add_duration(a, "max-backoff", job, "retry", "max_backoff_ms") &&
           add_list(a, "retry-on-exit", true, job, "retry", "exit_codes") &&
           add_list(a, "retry-on-error", false, job, "retry", "errors");
}

static bool build(const struct args *a, struct bytes code, json_t *job)
{
    const char *creator = getenv("MILLRACE_CREATOR");
    bool ok = add_text(job, "creator", args_text(a, "creator", creator && *creator ? creator : "cli")) &&
              add_text(job, "user", args_text(a, "user", args_user())) &&
              add_text(job, "name", args_text(a, "name", NULL)) &&
              add_text(job, "engine", args_text(a, "engine", "shell")) &&
              add_text(job, "target", args_text(a, "target", NULL)) &&
              add_text(job, "code_type", args_text(a, "code-type", NULL)) &&
              add_pairs(a, "var", job, "variables") && add_pairs(a, "conf", job, "conf") &&
              add_pairs(a, "label", job, "labels") &&
              add_text(job, "not_before", args_text(a, "not-before", NULL)) &&
              add_duration(a, "run-timeout", job, "limits", "run_timeout_ms") &&
              add_duration(a, "queue-timeout", job, "limits", "queue_timeout_ms") && add_strategy(a, job) &&
              add_retry(a, job);
    if (!ok)
        return false;
    if (json_object_set_new(job, "code", json_stringn(code.data ? code.data : "", code.len)) == 0)
        return true;
    complain("the code is not UTF-8 text");
    return false;
}

/* A submission that may have been taken all the same names its job. */
static bool is_stored(const struct reply *r)
{
    return r->status == 503 && strcmp(reply_text(r, "code"), "unknown_outcome") == 0;
}

static enum outcome send(const struct args *a, const json_t *job, bool as_json)
{
    struct client *c = client_open(a);
    struct reply reply;
    enum outcome outcome = OUTCOME_DONE;
    bool waits = args_flag(a, "wait");
    reply_init(&reply);
    client_post(c, "/v1/jobs", job, args_text(a, "key", NULL), &reply);
    if (!reply_ok(&reply)) {
        outcome = reply_explain(&reply);
        if (outcome == OUTCOME_REFUSED)
            outcome = OUTCOME_REJECTED;
    }
    if (reply_ok(&reply) || is_stored(&reply)) {
        char id[64];
        (void)snprintf(id, sizeof id, "%s", reply_text(&reply, "job_id"));
        if (!as_json)
            puts(id);
        else if (!waits)
            print_json(reply.json);
        if (fflush(stdout) != 0)
            complain(
                "the job's id is %s", id); /* main tells that it could not be written where it was wanted */
        if (waits) {
            outcome = wait_for_job(c, id, &reply);
            if (reply_ok(&reply))
                as_json ? print_json(reply.json) : show_end(reply.json);
        }
    }
    reply_release(&reply);
    client_close(c);
    return outcome;
}

/* A job that would be refused is answered with 422 and the same body. */
static enum outcome send_dry(const struct args *a, const json_t *job, bool as_json)
{
    struct client *c = client_open(a);
    struct reply reply;
    enum outcome outcome = OUTCOME_DONE;
    reply_init(&reply);
    client_post(c, "/v1/jobs?dry_run=true", job, args_text(a, "key", NULL), &reply);
    if (!json_is_true(json_object_get(reply.json, "dry_run"))) {
        outcome = reply_explain(&reply);
        outcome = outcome == OUTCOME_REFUSED ? OUTCOME_REJECTED : outcome;
    } else {
        as_json ? print_json(reply.json) : show_dry_run(reply.json);
        if (!json_is_true(json_object_get(reply.json, "accepted")))
            outcome = OUTCOME_REJECTED;
    }
    reply_release(&reply);
    client_close(c);
    return outcome;
}

static enum outcome submit(const struct args *a)
{
    bool as_json, dry = args_flag(a, "dry-run");
    struct buf code;
    if (!args_output(a, &as_json))
        return OUTCOME_USAGE;
    if (dry && args_flag(a, "wait")) {
        complain("--wait: nothing runs in a dry run");
        return OUTCOME_USAGE;
    }
    json_t *job = json_object();
    buf_init(&code);
    enum outcome outcome = read_code(a, &code);
    if (outcome == OUTCOME_DONE)
        outcome = !build(a, buf_bytes(&code), job) ? OUTCOME_USAGE
                  : dry                            ? send_dry(a, job, as_json)
                                                   : send(a, job, as_json);
    buf_release(&code);
    json_decref(job);
    return outcome;
}

const struct command command_submit = {
    .name = "submit",
    .words = "[CODE | -]",
    .words_most = 1,
    .about = "Submit a job and print its id",
    .options = own,
    .asks_server = true,
    .run = submit,
    .notes =
        "The id goes to stdout alone; with --wait the end is told on stderr, with --output json the "
        "whole document on stdout.\n"
        "With --dry-run: the plan as a tree, the code as it would run, variables and warnings; nothing is "
        "stored or sent. A job that would be refused ends with exit code 5.\n"
        "Code that begins with - goes behind --, as the last word, or into a file.\n"
        "Several parts in one SQL text: lines such as `--@part report after=load` (docs/code.md).\n"
        "Example: millrace submit -e sqlite 'select 1' --wait && echo it worked",
};
