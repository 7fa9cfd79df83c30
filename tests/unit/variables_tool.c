/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variables-tool: fills in variables, for tests in other set_styles and for the reference page.
 *     variables-tool fill       one JSON object a line in: code, code_type, variables, user, submitter, timezone, at (UTC ms); one out:
 *                               text, warnings; or code, message, line
 *     variables-tool offset     lines "ZONE UTC LOCAL PREFERRED" in; out: the offset at UTC, and the UTC of the wall clock's LOCAL
 *     variables-tool zones      the names of all zones
 *     variables-tool markdown   docs/reference/variables.md
 */
#define _GNU_SOURCE /* getline */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converter/builtins.h"
#include "converter/decimal.h"
#include "converter/patterns.h"
#include "converter/sets.h"
#include "converter/variables.h"

struct tool {
    struct zones *zones;
    struct arena arena;
};

static struct bytes text_of(json_t *o, const char *name)
{
    return bytes_of(json_string_value(json_object_get(o, name)));
}

static void read_pairs(struct tool *t, json_t *o, struct pairs *out)
{
    const char *key;
    json_t *value;

    *out = (struct pairs){arena_array(&t->arena, json_object_size(o), sizeof(*out->items)), 0};
    json_object_foreach(o, key, value) out->items[out->count++] =
        (struct pair){bytes_of(key), bytes_of(json_string_value(value))};
}

static json_t *fill(struct tool *t, json_t *o)
{
    const struct zone *zone = zones_find(t->zones, text_of(o, "timezone"));
    struct variables_problem problem;
    struct bytes text;
    struct pairs given;

    MUST(zone != NULL);
    read_pairs(t, json_object_get(o, "variables"), &given);
    struct bytes code = text_of(o, "code");
    const struct variables_input input = {.code = code,
        .code_type = text_of(o, "code_type"),
        .given = &given,
        .user = text_of(o, "user"),
        .submitter = text_of(o, "submitter"),
        .zone = zone,
        .submitted_at = json_integer_value(json_object_get(o, "at")),
        .max_bytes = 64 * 1024 * 1024};
    struct variables *v = variables_new(&input, &t->arena, &problem);
    if (v == NULL || variables_replace(v, 0, code.len, &text, &problem) == VARIABLES_REFUSED)
        return json_pack("{s:s, s:s%, s:I}", "code", problem.code, "message", problem.message.data,
            problem.message.len, "line", (json_int_t)problem.line);
    json_t *warnings = json_array();
    struct strings list = variables_warnings(v);
    for (size_t i = 0; i < list.count; i++)
        json_array_append_new(warnings, json_stringn(list.items[i].data, list.items[i].len));
    return json_pack("{s:s%, s:o}", "text", text.data, text.len, "warnings", warnings);
}

static bool fill_line(struct tool *t, const char *line)
{
    json_t *in = json_loads(line, 0, NULL);
    json_t *out = in != NULL ? fill(t, in) : NULL;
    bool ok = out != NULL && json_dumpf(out, stdout, JSON_COMPACT) == 0;

    putchar('\n');
    json_decref(in);
    json_decref(out);
    arena_reset(&t->arena);
    return ok;
}

static bool offset_line(struct tool *t, const char *line)
{
    char name[128];
    int64_t utc, local;
    int32_t preferred;

    if (sscanf(line, "%127s %" SCNd64 " %" SCNd64 " %" SCNd32, name, &utc, &local, &preferred) != 4)
        return false;
    const struct zone *zone = zones_find(t->zones, bytes_of(name));
    if (zone == NULL)
        return false;
    printf("%" PRId32 " %" PRId64 "\n", zone_offset(zone, utc), zone_utc(zone, local, preferred));
    return true;
}

static int each_line(struct tool *t, bool (*take)(struct tool *t, const char *line))
{
    char *line = NULL;
    size_t room = 0;
    bool ok = true;

    while (ok && getline(&line, &room, stdin) > 0)
        ok = take(t, line);
    free(line);
    return ok ? 0 : 1;
}

/* ---- the page ---- */

static void markdown_builtins(struct buf *out)
{
    buf_add_text(out,
        "## Built in\n\n"
        "The examples: the job runs for `ann`, `ops` submitted it at 09:30 on 2024-05-16. With `_std` after "
        "the name a "
        "date has dashes. A sum counts in the unit.\n\n"
        "| name | example | with `_std` | unit | may be set | meaning |\n|---|---|---|---|---|---|\n");
    for (const struct builtin *b = builtins; b < builtins + builtin_count; b++)
        buf_printf(out, "| `%.*s` | `%s` | %s%s%s | %s | %s | %s |\n", BYTES_ARG(b->name), b->example,
            b->example_std ? "`" : "", b->example_std ? b->example_std : "-", b->example_std ? "`" : "",
            builtin_unit_names[b->unit], b->may_be_set ? "yes" : "no", b->meaning);
}

static void markdown_letters(const char *title, const struct pattern_letter *letters, struct buf *out)
{
    buf_printf(out, "| %s | meaning |\n|---|---|\n", title);
    for (; letters->letter != '\0'; letters++) {
        buf_add_text(out, "| `");
        for (int i = 0; i < letters->most; i++)
            buf_add_char(out, letters->letter);
        buf_printf(out, "` | %s |\n", letters->meaning);
    }
    buf_add_char(out, '\n');
}

static void markdown_sets(struct buf *out)
{
    buf_add_text(out, "| language | line | code types |\n|---|---|---|\n");
    for (const struct set_style *l = set_styles; l->name != NULL; l++) {
        if (l->comments[0] == NULL)
            continue;
        buf_printf(out, "| %s | ", l->name);
        for (const char *const *c = l->comments; *c != NULL; c++)
            buf_printf(out, "%s`%s@set name = value`", c == l->comments ? "" : ", ", *c);
        buf_add_text(out, " | ");
        for (const char *const *t = l->code_types; *t != NULL; t++)
            buf_printf(out, "%s%s", t == l->code_types ? "" : ", ", *t);
        buf_add_text(out, " |\n");
    }
    buf_add_char(out, '\n');
}

static void markdown(struct buf *out)
{
    buf_add_text(out,
        "# Variables\n\nMade from converter/builtins.c, patterns.c and sets.c.\n\n"
        "In the code of a job, `${name}` becomes the value of a variable. The value is taken as it is: what "
        "it holds is not looked at "
        "again. A name that no variable has stays as it is, with a warning in the job's log. A variable is "
        "looked for in the code "
        "itself, then in the job's `variables`, then in the defaults of its creator and user.\n\n"
        "## Sums\n\n`${name op right}`, blanks wherever one likes; `right` may be the name of a variable.\n\n"
        "| left | operators | right |\n|---|---|---|\n"
        "| a built-in date | `+ -` | a whole number, of the variable's unit |\n"
        "| a number | `+ - * /` | a number |\n"
        "| text, and what begins with `0` | `+` | text |\n\n");
    buf_printf(out,
        "Numbers are decimal, with up to %d digits, and exact; a quotient that does not end is rounded to %d "
        "places (half up). A name "
        "may hold dashes: `${a-b}` is the variable `a-b` if there is one. What cannot be computed is refused "
        "(`bad_variable`), "
        "with its line and column.\n\n",
        DECIMAL_DIGITS, DECIMAL_PLACES);
    markdown_builtins(out);
    buf_add_text(out, "\nAll of them follow `run_date`, which a job may set (`20240515` or `2024-05-15`); "
                      "otherwise it is the day before the job was "
                      "submitted, in its `timezone`. The hours may be set, too (`2024051609` or `2024-05-16 "
                      "09`); they pass as in the zone: after 01 "
                      "comes 03 where the clocks are put forward at 02. Other values that are given are "
                      "refused (`fixed_variable`).\n\n"
                      "## Dates in a form of one's own\n\n`&{yyyy-MM-01%-2M}`: the letters below (text in "
                      "single quotes), then steps: each `%`, a "
                      "number and a unit. It begins at `run_date`, at the time of day of the submission. "
                      "Days, months and years are steps on the "
                      "calendar; a day that the month does not have becomes its last.\n\n");
    markdown_letters("letters, at most", pattern_letters, out);
    markdown_letters("unit", pattern_units, out);
    buf_add_text(out,
        "## Set in the code\n\nIn a line of its own. The value is the rest of the line, without blanks and "
        "`;` at its end. Of two "
        "with one name the last counts, for the whole code. A value may not name other variables. The lines "
        "stay in the "
        "code as comments (`!!@set` gives way to blanks), so that the numbers of lines stay.\n\n");
    markdown_sets(out);
    buf_add_text(out, "## JSON\n\nIn code of the types json and data_calc, values go into strings only, with "
                      "the escapes that they need; the names "
                      "of members and all else stay as they are. Code that is no JSON is refused "
                      "(`bad_json`) if something in it were "
                      "to be filled in.\n");
}

static int print_zones(const struct tool *t)
{
    for (size_t i = 0; zones_at(t->zones, i) != NULL; i++)
        puts(zone_name(zones_at(t->zones, i)));
    return 0;
}

static int print_markdown(void)
{
    struct buf page;

    buf_init(&page);
    markdown(&page);
    fwrite(page.data, 1, page.len, stdout);
    buf_release(&page);
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc == 2 ? argv[1] : "";
    struct tool t = {.zones = NULL};
    struct error e;
    int status = 2;

    if (strcmp(verb, "markdown") == 0)
        return print_markdown();
    error_clear(&e);
    t.zones = zones_open("/usr/share/zoneinfo", &e);
    if (t.zones == NULL) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    arena_init(&t.arena);
    if (strcmp(verb, "fill") == 0)
        status = each_line(&t, fill_line);
    else if (strcmp(verb, "offset") == 0)
        status = each_line(&t, offset_line);
    else if (strcmp(verb, "zones") == 0)
        status = print_zones(&t);
    else
        fprintf(stderr, "usage: variables-tool fill|offset|zones|markdown\n");
    arena_release(&t.arena);
    zones_close(t.zones);
    return status;
}
