/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: millrace log ID: the log as it is, on stdout, or that of one node; with --follow until the job has ended.
 */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/wait.h"

enum { PAUSE_FIRST_MS = 50, PAUSE_MOST_MS = 1000 };

static const struct option own[] = {
    {'F', "follow", NULL, false, "go on until the job has ended; a new attempt is told on stderr"},
    {0, "attempt", "N", false, "of this attempt; default the latest"},
    {0, "offset", "BYTES", false, "from this byte on; default 0"},
    {0, "node", "ID", false, "only the lines of this node of the plan: n2"},
    {0, "nodes", NULL, false, "begin each line with its node"},
    OPTION_END,
};

struct place {
    int64_t attempt; /* 0: whatever is the latest */
    int64_t offset;
    bool complete;
    bool moved; /* there was text */
};

static int64_t number(const struct reply *r, const char *name)
{
    return (int64_t)json_integer_value(json_object_get(r->json, name));
}

/* One piece, printed. */
static enum outcome piece(struct client *c, const struct args *a, struct place *p, struct reply *reply)
{
    char text[24];
    struct buf path;
    buf_init(&path);
    path_add_job(&path, a->words[0], "/log");
    (void)snprintf(text, sizeof text, "%lld", (long long)p->offset);
    path_add(&path, "offset", text);
    path_add(&path, "attempt", args_text(a, "attempt", NULL));
    path_add(&path, "node", args_text(a, "node", NULL));
    path_add(&path, "nodes", args_flag(a, "nodes") ? "true" : NULL);
    client_get(c, path_text(&path), NULL, reply);
    buf_release(&path);
    p->moved = false;
    if (!reply_ok(reply))
        return reply_explain(reply);
    int64_t attempt = number(reply, "attempt");
    if (p->attempt && attempt != p->attempt) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "--- attempt %lld ---\n", (long long)attempt);
        *p = (struct place){.attempt = attempt, .moved = true};
        return OUTCOME_DONE;
    }
    const json_t *log = json_object_get(reply->json, "text");
    (void)fwrite(json_string_value(log) ? json_string_value(log) : "", 1, json_string_length(log), stdout);
    (void)fflush(stdout);
    p->attempt = attempt;
    p->moved = number(reply, "next_offset") > p->offset;
    p->offset = number(reply, "next_offset");
    p->complete = json_is_true(json_object_get(reply->json, "complete"));
    return OUTCOME_DONE;
}

static enum outcome show(const struct args *a)
{
    struct place place = {.attempt = 0};
    struct reply reply;
    int pause_ms = PAUSE_FIRST_MS;
    bool follow = args_flag(a, "follow"), more = true;
    enum outcome outcome = OUTCOME_DONE;
    if (!args_number(a, "offset", 0, INT64_MAX / 4, 0, &place.offset))
        return OUTCOME_USAGE;
    struct client *c = client_open(a);
    reply_init(&reply);
    while (more && outcome == OUTCOME_DONE) {
        outcome = piece(c, a, &place, &reply);
        more = !place.complete && (place.moved || follow);
        if (place.moved)
            pause_ms = PAUSE_FIRST_MS;
        else if (more)
            wait_pause(pause_ms);
        pause_ms = wait_longer(pause_ms, PAUSE_MOST_MS);
    }
    reply_release(&reply);
    client_close(c);
    return outcome;
}

const struct command command_log = {
    .name = "log",
    .words = "ID",
    .words_least = 1,
    .words_most = 1,
    .about = "Print a job's log",
    .options = own,
    .asks_server = true,
    .run = show,
};
