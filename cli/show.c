/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show: see show.h.
 */
#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#include "cli/table.h"
#include "core/clock.h"

const char *show_text(const json_t *value, const char *first, const char *second)
{
    const json_t *member = json_object_get(value, first);
    const char *text = json_string_value(second ? json_object_get(member, second) : member);
    return text ? text : "";
}

const char *show_took(const json_t *job, char out[32])
{
    int64_t from, to;
    if (!clock_parse(bytes_of(show_text(job, "times", "started")), &from) ||
        !clock_parse(bytes_of(show_text(job, "times", "finished")), &to))
        return "";
    (void)snprintf(out, 32, "%.3f s", (double)(to - from) / 1000);
    return out;
}

static void row(struct table *t, const char *name, const char *value)
{
    if (!*value)
        return;
    table_add_text(t, name);
    table_add_text(t, value);
}

static void row_json(struct table *t, const char *name, const json_t *value)
{
    bool empty = !value || json_is_null(value) ||
                 ((json_is_object(value) || json_is_array(value)) && !json_object_size(value) &&
                     !json_array_size(value));
    if (empty)
        return;
    table_add_text(t, name);
    table_add_json(t, value);
}

static void add_error(struct table *t, const json_t *job)
{
    char text[1024];
    const json_t *error = json_object_get(job, "error");
    const char *code = show_text(error, "code", NULL);
    const json_t *line = json_object_get(error, "line");
    if (!*code)
        return;
    (void)snprintf(text, sizeof text, "%s: %s", code, show_text(error, "message", NULL));
    row(t, "error", text);
    row_json(t, "  line", json_is_integer(line) ? line : NULL);
    row(t, "  detail", show_text(error, "detail", NULL));
}

static void add_results(struct table *t, const json_t *job)
{
    size_t i;
    const json_t *result;
    json_array_foreach(json_object_get(job, "results"), i, result)
    {
        char text[512];
        int64_t rows = json_integer_value(json_object_get(result, "rows"));
        (void)snprintf(text, sizeof text, "%lld  %s  %s  %lld row%s  %lld bytes",
            (long long)json_integer_value(json_object_get(result, "n")), show_text(result, "kind", NULL),
            show_text(result, "name", NULL), (long long)rows, rows == 1 ? "" : "s",
            (long long)json_integer_value(json_object_get(result, "bytes")));
        row(t, i == 0 ? "results" : "", text);
    }
}

static void add_log(struct table *t, const json_t *job)
{
    char text[96];
    int64_t lines;
    const json_t *log = json_object_get(job, "log");
    if (!json_is_object(log))
        return;
    lines = json_integer_value(json_object_get(log, "lines"));
    (void)snprintf(text, sizeof text, "%lld bytes, %lld line%s%s",
        (long long)json_integer_value(json_object_get(log, "bytes")), (long long)lines, lines == 1 ? "" : "s",
        json_is_true(json_object_get(log, "truncated")) ? ", the middle was dropped" : "");
    row(t, "log", text);
}

static const char *time_of(const char *text, char out[32])
{
    if (!*text)
        return "";
    struct bytes shown = time_shown(text, out);
    if (shown.data != out)
        (void)snprintf(out, 32, "%.*s", BYTES_ARG(shown));
    return out;
}

/* Why it waits, in words, by "kind" (GET /v1/jobs/{id}). */
const char *show_waiting(const json_t *job, char *out, size_t size)
{
    const json_t *waiting = json_object_get(job, "waiting_for");
    const char *kind = show_text(waiting, "kind", NULL), *at = show_text(waiting, "at", NULL);
    const char *by = show_text(waiting, "by", NULL), *reason = show_text(waiting, "reason", NULL);
    long long position = (long long)json_integer_value(json_object_get(waiting, "position"));
    if (strcmp(kind, "job") == 0)
        (void)snprintf(out, size, "job %s before it in its group, which is %s (%lld%s before it)",
            show_text(waiting, "job_id", NULL), show_text(waiting, "state", NULL), position,
            position >= 1000 ? " or more" : "");
    else if (strcmp(kind, "held") == 0)
        (void)snprintf(out, size, "its group to be released: held%s%s at %s%s%s", *by ? " by " : "", by, at,
            *reason ? ": " : "", reason);
    else if (strcmp(kind, "not_before") == 0)
        (void)snprintf(out, size, "its time: %s", at);
    else if (strcmp(kind, "retry") == 0)
        (void)snprintf(out, size, "its next attempt: %s", at);
    else if (strcmp(kind, "limit") == 0)
        (void)snprintf(out, size, "a place under the limit of %s: %lld run",
            show_text(waiting, "selector", NULL),
            (long long)json_integer_value(json_object_get(waiting, "max_running")));
    else if (strcmp(kind, "slot") == 0)
        (void)snprintf(out, size, "a free place: it is its turn");
    else if (strcmp(kind, "pipeline") == 0)
        (void)snprintf(out, size, "the pipeline: it is on its way to an executor");
    else
        (void)snprintf(out, size, "%s", kind);
    return out;
}

static void add_waiting(struct table *t, const json_t *job)
{
    char text[2400]; /* by and reason are up to 1024 bytes each */
    row(t, "waits for", show_waiting(job, text, sizeof text));
}

/* One line for each attempt: how it ended, and why. */
static void add_attempts(struct table *t, const json_t *job)
{
    size_t i;
    const json_t *attempt;
    bool first = true;
    const json_t *attempts = json_object_get(job, "attempts");
    if (json_array_size(attempts) < 2 && !json_object_get(job, "retry_at"))
        return; /* the only one is told by the job itself */
    json_array_foreach(attempts, i, attempt)
    {
        char text[1024];
        const json_t *exit_code = json_object_get(attempt, "exit_code");
        const char *code = show_text(attempt, "error", "code"), *reason = show_text(attempt, "reason", NULL);
        int len = snprintf(text, sizeof text, "%lld  %s",
            (long long)json_integer_value(json_object_get(attempt, "n")), show_text(attempt, "phase", NULL));
        if (*reason)
            len += snprintf(text + len, sizeof text - (size_t)len, "  %.200s", reason);
        if (*code)
            len += snprintf(text + len, sizeof text - (size_t)len, "  %.40s: %.400s", code,
                show_text(attempt, "error", "message"));
        if (json_is_integer(exit_code))
            (void)snprintf(text + len, sizeof text - (size_t)len, "  exit code %lld",
                (long long)json_integer_value(exit_code));
        row(t, first ? "attempts" : "", text);
        first = false;
    }
}

void show_job(const json_t *job)
{
    static const char *const times[] = {"accepted", "converted", "planned", "queued", "started", "finished"};
    char out[32];
    struct table *t = table_new(2, NULL);
    row(t, "job", show_text(job, "job_id", NULL));
    row(t, "state", show_text(job, "state", NULL));
    add_waiting(t, job);
    row(t, "group", show_text(job, "group", NULL));
    row(t, "name", show_text(job, "name", NULL));
    row(t, "engine", show_text(job, "engine", NULL));
    row(t, "target", show_text(job, "target", NULL));
    row_json(t, "attempt", json_object_get(job, "attempt"));
    add_attempts(t, job);
    row(t, "next try", time_of(show_text(job, "retry_at", NULL), out));
    if (json_number_value(json_object_get(job, "progress")) > 0)
        row_json(t, "progress", json_object_get(job, "progress"));
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const char *at = show_text(job, "times", times[i]);
        if (*at) {
            table_add_text(t, times[i]);
            table_add(t, time_shown(at, out));
        }
    }
    row(t, "took", show_took(job, out));
    add_error(t, job);
    row_json(t, "exit code", json_object_get(job, "exit_code"));
    add_results(t, job);
    add_log(t, job);
    row_json(t, "labels", json_object_get(job, "labels"));
    table_print(t);
    table_free(t);
}

void show_end(const json_t *job)
{
    char out[32];
    const char *took = show_took(job, out), *code = show_text(job, "error", "code");
    (void)fprintf(stderr, "%s%s%s\n", show_text(job, "state", NULL), *took ? " after " : "", took);
    if (*code)
        (void)fprintf(stderr, "%s: %s\n", code, show_text(job, "error", "message"));
}
