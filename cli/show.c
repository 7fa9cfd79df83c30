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

/* From one time to another, in ms; false while one is unknown. */
static bool span(const char *from, const char *to, int64_t *ms)
{
    int64_t begin, end;
    if (!clock_parse(bytes_of(from), &begin) || !clock_parse(bytes_of(to), &end))
        return false;
    *ms = end - begin;
    return true;
}

/* Documents without attempts (none has started, or of older programs) have the job's own times alone. */
const char *show_took(const json_t *job, char out[DURATION_TEXT_SIZE])
{
    int64_t ms;
    const json_t *attempts = json_object_get(job, "attempts");
    size_t count = json_array_size(attempts);
    const json_t *last = count ? json_array_get(attempts, count - 1) : NULL;
    const char *from = last ? show_text(last, "started", NULL) : show_text(job, "times", "started");
    const char *to = last ? show_text(last, "ended", NULL) : show_text(job, "times", "finished");
    return span(from, to, &ms) ? duration_text(ms, out) : "";
}

void show_who(const json_t *order, bool with_time, struct buf *out)
{
    char at[32];
    const char *by = show_text(order, "by", NULL), *reason = show_text(order, "reason", NULL);
    const char *when = with_time ? show_text(order, "at", NULL) : "";
    struct bytes shown = time_shown(when, at);
    buf_printf(out, "%s%s%s%.*s%s%s", *by ? " by " : "", by, *when ? " at " : "", BYTES_ARG(shown),
        *reason ? ": " : "", reason);
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

/* One line for each of all that is wrong. */
static void add_detail(struct table *t, const char *detail)
{
    const char *name = "  detail";
    while (*detail) {
        size_t len = strcspn(detail, "\n");
        table_add_text(t, name);
        table_add(t, (struct bytes){detail, len});
        detail += len + (detail[len] == '\n');
        name = "";
    }
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
    row(t, "  node", show_text(error, "node", NULL));
    row_json(t, "  line", json_is_integer(line) ? line : NULL);
    add_detail(t, show_text(error, "detail", NULL));
}

void show_maker(const json_t *result, struct buf *out)
{
    const char *node = show_text(result, "node", NULL), *target = show_text(result, "target", NULL);
    const char *part = show_text(result, "part", NULL);
    const json_t *statement = json_object_get(result, "statement");
    if (*node)
        buf_printf(out, ", %s%s%s", node, *target ? " " : "", target);
    if (*part)
        buf_printf(out, "%s (%s)", *node ? "" : ",", part);
    if (json_is_integer(statement))
        buf_printf(out, ", statement %lld", (long long)json_integer_value(statement));
}

static void add_result(struct table *t, const char *label, const json_t *result)
{
    struct buf text;
    int64_t rows = json_integer_value(json_object_get(result, "rows"));
    buf_init(&text);
    buf_printf(&text, "%lld  %s  %s  %lld row%s  %lld bytes",
        (long long)json_integer_value(json_object_get(result, "n")), show_text(result, "kind", NULL),
        show_text(result, "name", NULL), (long long)rows, rows == 1 ? "" : "s",
        (long long)json_integer_value(json_object_get(result, "bytes")));
    show_maker(result, &text);
    buf_add_char(&text, '\0');
    row(t, label, text.data);
    buf_release(&text);
}

static void add_results(struct table *t, const json_t *job)
{
    size_t i;
    const json_t *result;
    json_array_foreach(json_object_get(job, "results"), i, result)
    {
        add_result(t, i == 0 ? "results" : "", result);
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

static void show_held(const json_t *hold, char *out, size_t size)
{
    struct buf who;
    buf_init(&who);
    show_who(hold, true, &who);
    (void)snprintf(out, size, "its group to be released: held%s", who.len ? who.data : "");
    buf_release(&who);
}

/* Why it waits, in words, by "kind" (GET /v1/jobs/{id}). */
const char *show_waiting(const json_t *job, char *out, size_t size)
{
    const json_t *waiting = json_object_get(job, "waiting_for");
    const char *kind = show_text(waiting, "kind", NULL), *at = show_text(waiting, "at", NULL);
    long long position = (long long)json_integer_value(json_object_get(waiting, "position"));
    if (strcmp(kind, "job") == 0)
        (void)snprintf(out, size, "job %s before it in its group, which is %s (%lld%s before it)",
            show_text(waiting, "job_id", NULL), show_text(waiting, "state", NULL), position,
            position >= 1000 ? " or more" : "");
    else if (strcmp(kind, "held") == 0)
        show_held(waiting, out, size);
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

/* Events that end an attempt, in words; others (failed, cancelled, ...) are words already. */
static const char *attempt_end(const json_t *attempt)
{
    const char *phase = show_text(attempt, "phase", NULL);
    return !*phase ? "running" : strcmp(phase, "retrying") == 0 ? "failed" : phase;
}

/* One line for each attempt: how it ended, after what time, and why; what ended the job itself stands in the job's error. */
static void add_attempts(struct table *t, const json_t *job)
{
    size_t i;
    const json_t *attempt;
    json_array_foreach(json_object_get(job, "attempts"), i, attempt)
    {
        struct buf text;
        int64_t ms;
        char took[DURATION_TEXT_SIZE];
        const json_t *exit_code = json_object_get(attempt, "exit_code");
        const char *code = show_text(attempt, "error", "code"), *reason = show_text(attempt, "reason", NULL);
        buf_init(&text);
        buf_printf(&text, "%lld  %s", (long long)json_integer_value(json_object_get(attempt, "n")),
            attempt_end(attempt));
        if (span(show_text(attempt, "started", NULL), show_text(attempt, "ended", NULL), &ms))
            buf_printf(&text, " after %s", duration_text(ms, took));
        if (*code)
            buf_printf(&text, ": %s: %s", code, show_text(attempt, "error", "message"));
        else if (*reason && strcmp(reason, "retry") != 0)
            buf_printf(&text, ": %s", reason);
        if (json_is_integer(exit_code) && strcmp(code, "exit_code") != 0)
            buf_printf(&text, " (exit code %lld)", (long long)json_integer_value(exit_code));
        row(t, i == 0 ? "attempts" : "", text.data);
        buf_release(&text);
    }
    if (i == 0)
        row_json(t, "attempt", json_object_get(job, "attempt"));
}

/* A cancel that is on its way. */
static void add_cancel(struct table *t, const json_t *job)
{
    struct buf text;
    const json_t *cancel = json_object_get(job, "cancel");
    if (!json_is_object(cancel) || json_is_true(json_object_get(job, "final")))
        return;
    buf_init(&text);
    buf_add_text(&text, "asked for");
    show_who(cancel, true, &text);
    row(t, "cancel", text.data);
    buf_release(&text);
}

/* Of the last attempt; of several also from the first start to the end. */
static void add_took(struct table *t, const json_t *job)
{
    int64_t ms;
    char took[DURATION_TEXT_SIZE], whole[DURATION_TEXT_SIZE], text[2 * DURATION_TEXT_SIZE + 64];
    const char *last = show_took(job, took);
    if (json_array_size(json_object_get(job, "attempts")) < 2 || !*last ||
        !span(show_text(job, "times", "started"), show_text(job, "times", "finished"), &ms))
        (void)snprintf(text, sizeof text, "%s", last);
    else
        (void)snprintf(text, sizeof text, "%s (the last attempt); from the first start to the end %s", last,
            duration_text(ms, whole));
    row(t, "took", text);
}

void show_job(const json_t *job)
{
    static const char *const times[] = {"accepted", "converted", "planned", "queued", "started", "finished"};
    char out[32];
    struct table *t = table_new(2, NULL);
    row(t, "job", show_text(job, "job_id", NULL));
    row(t, "state", show_text(job, "state", NULL));
    add_cancel(t, job);
    add_waiting(t, job);
    row(t, "group", show_text(job, "group", NULL));
    row(t, "name", show_text(job, "name", NULL));
    row(t, "engine", show_text(job, "engine", NULL));
    row(t, "target", show_text(job, "target", NULL));
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
    add_took(t, job);
    add_error(t, job);
    row_json(t, "exit code", json_object_get(job, "exit_code"));
    row(t, "cached from", show_text(job, "cached_from", NULL));
    add_results(t, job);
    add_log(t, job);
    row_json(t, "labels", json_object_get(job, "labels"));
    table_print(t);
    table_free(t);
}

void show_end(const json_t *job)
{
    char out[DURATION_TEXT_SIZE];
    const char *took = show_took(job, out), *code = show_text(job, "error", "code");
    (void)fprintf(stderr, "%s%s%s\n", show_text(job, "state", NULL), *took ? " after " : "", took);
    if (*code)
        (void)fprintf(stderr, "%s: %s\n", code, show_text(job, "error", "message"));
}
