/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show_dry_run: see show_dry_run.h.
 */
#include "cli/show_dry_run.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/plan_tree.h"
#include "cli/show.h"
#include "cli/table.h"

static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text ? text : "";
}

/* "part b, line 4, column 3: ", as in the error of a job that is refused; some texts begin with it already. */
static void add_place(const json_t *error, struct buf *out)
{
    const char *const fields[] = {"line", "column"};
    const char *part = show_text(error, "part", NULL);
    if (*part)
        buf_printf(out, "part %s", part);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const json_t *number = json_object_get(error, fields[i]);
        if (json_is_integer(number))
            buf_printf(
                out, "%s%s %lld", out->len ? ", " : "", fields[i], (long long)json_integer_value(number));
    }
    if (out->len)
        buf_add_text(out, ": ");
}

static void show_error(const json_t *error)
{
    struct buf place;
    const char *field = show_text(error, "field", NULL), *rule = show_text(error, "rule", NULL);
    const char *detail = show_text(error, "detail", NULL);
    buf_init(&place);
    if (*field)
        buf_printf(&place, "%s: ", field);
    else if (strncmp(detail, "line ", 5) != 0 && strncmp(detail, "part ", 5) != 0)
        add_place(error, &place);
    if (*rule)
        buf_printf(&place, "rule %s: ", rule);
    complain("  %s%s (%s)", place.len ? place.data : "", detail, show_text(error, "code", NULL));
    buf_release(&place);
}

static void show_errors(const json_t *answer)
{
    size_t i;
    const json_t *error;
    complain("the job would be refused");
    json_array_foreach(json_object_get(answer, "errors"), i, error)
    {
        show_error(error);
    }
}

static void show_where(const json_t *answer)
{
    const json_t *first = json_array_get(json_object_get(answer, "where"), 0);
    const json_t *executors = json_object_get(first, "executors");
    long long count = (long long)json_integer_value(executors);
    printf("it would run in pool %s", show_text(first, "pool", NULL));
    if (json_is_integer(executors))
        printf(", where %lld executor%s live%s", count, count == 1 ? "" : "s", count == 1 ? "s" : "");
    (void)putchar('\n');
}

/* Whether there is such a result is not looked at. */
static void show_cache(const json_t *answer)
{
    char age[DURATION_TEXT_SIZE];
    const json_t *cache = json_object_get(json_object_get(answer, "plan"), "cache");
    const json_t *ttl = json_object_get(cache, "ttl_ms");
    if (json_is_integer(ttl))
        printf("label cache: if the same ran within the last %s, its results serve and nothing runs\n",
            duration_text(json_integer_value(ttl), age));
}

static void show_variables(const json_t *answer)
{
    size_t i;
    const char *name;
    const json_t *left;
    json_t *value;
    const json_t *variables = json_object_get(answer, "variables");
    json_t *used = json_object_get(variables, "used");
    struct table *t = table_new(2, NULL);
    json_object_foreach(used, name, value)
    {
        struct buf shown;
        buf_init(&shown);
        buf_printf(&shown, "${%s}", name);
        table_add(t, buf_bytes(&shown));
        table_add_json(t, value);
        buf_release(&shown);
    }
    json_array_foreach(json_object_get(variables, "left"), i, left)
    {
        struct buf shown;
        buf_init(&shown);
        buf_printf(&shown, "${%s}", text_of(left));
        table_add(t, buf_bytes(&shown));
        table_add_text(t, "(stays as it is)");
        buf_release(&shown);
    }
    table_print(t);
    table_free(t);
}

/* A statement of the code, each line as a row: control characters must not steer the terminal. */
static void add_lines(struct table *t, const json_t *statement)
{
    struct bytes rest = bytes_of(show_text(statement, "text", NULL));
    bool first = true;
    while (rest.len > 0 || first) {
        const char *end = rest.len ? memchr(rest.data, '\n', rest.len) : NULL;
        size_t len = end ? (size_t)(end - rest.data) : rest.len;
        char number[32] = "";
        if (first)
            (void)snprintf(number, sizeof number, "%lld",
                (long long)json_integer_value(json_object_get(statement, "first_line")));
        table_add_text(t, first ? show_text(statement, "part", NULL) : "");
        table_add_text(t, number);
        table_add(t, bytes_slice(rest, 0, len));
        rest = bytes_slice(rest, end ? len + 1 : len, rest.len);
        first = false;
    }
}

static void show_code(const json_t *answer)
{
    size_t i;
    const json_t *statement, *code = json_object_get(answer, "code");
    struct table *t = table_new(3, NULL);
    json_array_foreach(code, i, statement)
    {
        add_lines(t, statement);
    }
    table_print(t);
    table_free(t);
}

static void show_warnings(const json_t *answer)
{
    size_t i;
    const json_t *warning;
    struct table *t = table_new(1, NULL);
    json_array_foreach(json_object_get(answer, "warnings"), i, warning)
    {
        struct buf line;
        buf_init(&line);
        buf_printf(&line, "warning: %s", text_of(warning));
        table_add(t, buf_bytes(&line));
        buf_release(&line);
    }
    table_print(t);
    table_free(t);
}

void show_dry_run(const json_t *answer)
{
    if (!json_is_true(json_object_get(answer, "accepted"))) {
        show_warnings(answer);
        show_errors(answer);
        return;
    }
    show_where(answer);
    show_cache(answer);
    plan_tree_print(json_object_get(json_object_get(answer, "plan"), "nodes"));
    show_code(answer);
    show_variables(answer);
    show_warnings(answer);
}
