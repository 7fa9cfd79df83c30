/* SPDX-License-Identifier: Apache-2.0 */
/*
 * results: millrace results ID [N]: the tables that a job made; without N all of them, each under a line that names it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/table.h"

enum { LIMIT_DEFAULT = 1000, PAGE_MOST = 10000 };

static const struct option own[] = {
    {0, "offset", "N", false, "first row, from 0"},
    {'l', "limit", "N", false, "at most so many rows; default 1000"},
    {'F', "format", "table|csv|json", false, "how rows are shown; default what --output says"},
    OPTION_END,
};

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

struct wish {
    struct client *client;
    const char *id;
    enum format format;
    int64_t offset, limit;
};

static const char *page_path(const struct wish *w, int64_t n, int64_t done, struct buf *path)
{
    char text[24];
    int64_t rest = w->limit - done;
    buf_clear(path);
    path_add_job(path, w->id, "");
    buf_printf(path, "/results/%" PRId64, n);
    (void)snprintf(text, sizeof text, "%" PRId64, w->offset + done);
    path_add(path, "offset", text);
    (void)snprintf(text, sizeof text, "%" PRId64, rest < PAGE_MOST ? rest : PAGE_MOST);
    path_add(path, "limit", text);
    return path_text(path);
}

static struct table *table_of(const json_t *columns)
{
    size_t count = json_array_size(columns), i;
    const json_t *column;
    struct table *t = table_new(count ? count : 1, NULL);
    json_array_foreach(columns, i, column)
    {
        const char *type = show_text(column, "type", NULL);
        table_add_json(t, json_object_get(column, "name"));
        if (strcmp(type, "long") == 0 || strcmp(type, "double") == 0)
            table_right(t, i);
    }
    return t;
}

static void add_rows(struct table *t, const json_t *rows)
{
    size_t i, k;
    const json_t *row, *value;
    json_array_foreach(rows, i, row) json_array_foreach(row, k, value) table_add_json(t, value);
}

/* All pages up to the limit; JSON and tables are put together here. */
static enum outcome print_rows(const struct wish *w, int64_t n)
{
    struct reply reply;
    struct buf path;
    struct table *t = NULL;
    json_t *whole = NULL;
    enum outcome outcome = OUTCOME_DONE;
    reply_init(&reply);
    buf_init(&path);
    for (int64_t done = 0, next = 0; next >= 0 && done < w->limit && outcome == OUTCOME_DONE;) {
        client_get(w->client, page_path(w, n, done, &path), NULL, &reply);
        if (!reply_ok(&reply)) {
            outcome = reply_explain(&reply);
            break;
        }
        json_t *rows = json_object_get(reply.json, "rows");
        if (w->format == FORMAT_JSON && whole)
            json_array_extend(json_object_get(whole, "rows"), rows);
        else if (w->format == FORMAT_JSON)
            whole = json_incref(reply.json);
        if (w->format == FORMAT_TABLE) {
            t = t ? t : table_of(json_object_get(reply.json, "columns"));
            add_rows(t, rows);
        }
        done += (int64_t)json_array_size(rows);
        next =
            json_is_integer(json_object_get(reply.json, "next_offset")) && json_array_size(rows) > 0 ? 0 : -1;
        if (whole)
            json_object_set(whole, "next_offset", json_object_get(reply.json, "next_offset"));
    }
    if (t)
        table_print(t);
    if (whole && outcome == OUTCOME_DONE)
        print_json(whole);
    table_free(t);
    json_decref(whole);
    reply_release(&reply);
    buf_release(&path);
    return outcome;
}

/* CSV comes ready from the server; the head of further pages is left out. */
static enum outcome print_csv(const struct wish *w, int64_t n)
{
    struct reply reply;
    struct buf path;
    enum outcome outcome = OUTCOME_DONE;
    int64_t done = 0;
    reply_init(&reply);
    buf_init(&path);
    for (bool more = true; more && outcome == OUTCOME_DONE;) {
        client_get(w->client, page_path(w, n, done, &path), "text/csv", &reply);
        if (!reply_ok(&reply)) {
            outcome = reply_explain(&reply);
            break;
        }
        struct bytes text = buf_bytes(&reply.body);
        const char *end = done && text.len ? memchr(text.data, '\n', text.len) : NULL;
        if (end)
            text = bytes_slice(text, (size_t)(end - text.data) + 1, text.len);
        (void)fwrite(text.data ? text.data : "", 1, text.len, stdout);
        more = reply.next_offset >= 0 && reply.next_offset - w->offset < w->limit;
        done = reply.next_offset - w->offset;
    }
    reply_release(&reply);
    buf_release(&path);
    return outcome;
}

static enum outcome print_one(const struct wish *w, int64_t n)
{
    switch (w->format) {
    case FORMAT_CSV:
        return print_csv(w, n);
    case FORMAT_TABLE:
    case FORMAT_JSON:
        break;
    }
    return print_rows(w, n);
}

static enum outcome print_all(const struct wish *w)
{
    struct reply reply;
    struct buf maker;
    size_t i;
    const json_t *result;
    reply_init(&reply);
    buf_init(&maker);
    client_get_job(w->client, w->id, "/results", &reply);
    enum outcome outcome = reply_outcome(&reply);
    const json_t *results = json_object_get(reply.json, "results");
    if (outcome == OUTCOME_DONE && w->format == FORMAT_JSON) {
        print_json(reply.json);
    } else if (outcome == OUTCOME_DONE) {
        if (json_array_size(results) == 0)
            (void)fprintf(stderr, "no results; the job's state: %s\n", reply_text(&reply, "state"));
        json_array_foreach(results, i, result)
        {
            int64_t n = (int64_t)json_integer_value(json_object_get(result, "n"));
            int64_t rows = (int64_t)json_integer_value(json_object_get(result, "rows"));
            buf_clear(&maker);
            show_maker(result, &maker);
            (void)fprintf(stderr, "%s%lld: %s, %lld row%s%.*s\n", i ? "\n" : "", (long long)n,
                show_text(result, "name", NULL), (long long)rows, rows == 1 ? "" : "s",
                BYTES_ARG(buf_bytes(&maker)));
            if (strcmp(show_text(result, "kind", NULL), "table") == 0 && outcome == OUTCOME_DONE)
                outcome = print_one(w, n);
            (void)fflush(stdout);
        }
    }
    reply_release(&reply);
    buf_release(&maker);
    return outcome;
}

static bool parse_format(const struct args *a, enum format *out)
{
    bool as_json;
    if (!args_output(a, &as_json))
        return false;
    const char *text = args_text(a, "format", as_json ? "json" : "table");
    *out = strcmp(text, "csv") == 0 ? FORMAT_CSV : strcmp(text, "json") == 0 ? FORMAT_JSON : FORMAT_TABLE;
    if (*out != FORMAT_TABLE || strcmp(text, "table") == 0)
        return true;
    complain("--format %s: table, csv or json is expected", text);
    return false;
}

static enum outcome results(const struct args *a)
{
    struct wish w = {.id = a->words[0]};
    int64_t n = 0;
    if (!parse_format(a, &w.format) || !args_number(a, "offset", 0, INT64_MAX / 4, 0, &w.offset) ||
        !args_number(a, "limit", 1, INT64_MAX / 4, LIMIT_DEFAULT, &w.limit))
        return OUTCOME_USAGE;
    if (a->word_count > 1 && (!bytes_parse_int64(bytes_of(a->words[1]), &n) || n < 0)) {
        complain("%s: the number of a result is expected", a->words[1]);
        return OUTCOME_USAGE;
    }
    w.client = client_open(a);
    enum outcome outcome = a->word_count > 1 ? print_one(&w, n) : print_all(&w);
    client_close(w.client);
    return outcome;
}

const struct command command_results = {
    .name = "results",
    .words = "ID [N]",
    .words_least = 1,
    .words_most = 2,
    .about = "Print the tables that a job made",
    .options = own,
    .asks_server = true,
    .run = results,
    .notes = "Without N all tables, one after the other; with --format json then the list of results, not "
             "their rows.",
};
