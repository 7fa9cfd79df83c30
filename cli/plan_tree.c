/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_tree: see plan_tree.h.
 */
#include "cli/plan_tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/show.h"
#include "cli/table.h"
#include "core/clock.h"

enum { COLUMNS = 4, DEPTH_MOST = 64 };

/* How a node hangs on the one above it, and what goes on before those below it. */
struct lines {
    const char *middle, *last, *through, *blank;
};
static const struct lines plain = {"|- ", "`- ", "|  ", "   "};
static const struct lines drawn = {"├─ ", "└─ ", "│  ", "   "};

/* Only a terminal that says so gets more than ASCII. */
static const struct lines *lines_of_terminal(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !locale; i++) {
        const char *value = getenv(names[i]);
        locale = value && *value ? value : NULL;
    }
    const char *charset = locale ? strchr(locale, '.') : NULL;
    bool utf8 = charset && (strncasecmp(charset, ".utf-8", 6) == 0 || strncasecmp(charset, ".utf8", 5) == 0);
    return utf8 && isatty(STDOUT_FILENO) ? &drawn : &plain;
}

struct tree {
    struct table *table;
    const struct lines *lines;
    json_t *by_id; /* those that are not shown yet: each node has one place */
    int64_t now;
};

static void add_name(const json_t *node, struct buf *out)
{
    const char *engine = show_text(node, "engine", NULL), *target = show_text(node, "target", NULL);
    const char *part = show_text(node, "part", NULL);
    buf_printf(out, "%s %s", show_text(node, "id", NULL), show_text(node, "kind", NULL));
    if (*engine)
        buf_printf(out, " %s%s%s", engine, *target ? "@" : "", target);
    if (*part)
        buf_printf(out, " (%s)", part);
}

/* Of a node that is over from its start to its end; of one that runs until now. */
static void add_took(const struct tree *t, const json_t *node, struct buf *out)
{
    char text[DURATION_TEXT_SIZE];
    int64_t from, to = t->now;
    const char *state = show_text(node, "state", NULL);
    if (!clock_parse(bytes_of(show_text(node, "started", NULL)), &from))
        return;
    if (strcmp(state, "running") != 0 && !clock_parse(bytes_of(show_text(node, "at", NULL)), &to))
        return;
    buf_add_text(out, duration_text(to > from ? to - from : 0, text));
}

static void add_and(struct buf *out, const char *text)
{
    if (*text)
        buf_printf(out, "%s%s", out->len ? "; " : "", text);
}

/* Tries, what failed, why, what it waits for. */
static void add_why(const json_t *node, struct buf *out)
{
    char text[64];
    size_t i;
    const json_t *id, *error = json_object_get(node, "error");
    const char *code = show_text(error, "code", NULL), *message = show_text(error, "message", NULL);
    const char *reason = show_text(node, "reason", NULL), *next = show_text(node, "next_at", NULL);
    if (strcmp(show_text(node, "kind", NULL), "retry") == 0)
        buf_printf(out, "%lld of %lld tries", (long long)json_integer_value(json_object_get(node, "try")),
            (long long)json_integer_value(json_object_get(node, "retry")));
    bool told = *message && strstr(reason, message); /* the reason of a failed try has its error in it */
    if (*code && !told)
        buf_printf(out, "%s%s: %s", out->len ? "; " : "", code, message);
    if (told || !*code || !strstr(message, reason)) /* or the other way round */
        add_and(out, reason);
    if (*next) {
        struct bytes at = time_shown(next, text);
        buf_printf(out, "%snext try %.*s", out->len ? "; " : "", BYTES_ARG(at));
    }
    json_array_foreach(json_object_get(node, "after"), i, id)
    {
        buf_printf(out, "%s%s", i > 0 ? ", " : out->len ? "; after " : "after ", json_string_value(id));
    }
}

static void add_row(struct tree *t, const char *before, const char *mark, const json_t *node)
{
    struct buf name, took, why;
    buf_init(&name);
    buf_init(&took);
    buf_init(&why);
    buf_printf(&name, "%s%s", before, mark);
    add_name(node, &name);
    add_took(t, node, &took);
    add_why(node, &why);
    table_add(t->table, buf_bytes(&name));
    table_add_text(t->table, show_text(node, "state", NULL));
    table_add(t->table, buf_bytes(&took));
    table_add(t->table, buf_bytes(&why));
    buf_release(&name);
    buf_release(&took);
    buf_release(&why);
}

/* `before`: what stands before the node; `mark`: how it hangs there. */
static void add_node(
    struct tree *t, const char *id, const char *before, const char *mark, const char *below, int depth)
{
    size_t i;
    const json_t *child;
    struct buf deeper;
    json_t *node = json_incref(json_object_get(t->by_id, id));
    if (!node || depth == DEPTH_MOST) {
        json_decref(node);
        return;
    }
    json_object_del(t->by_id, id);
    add_row(t, before, mark, node);
    buf_init(&deeper);
    buf_printf(&deeper, "%s%s", before, below);
    const json_t *children = json_object_get(node, "children");
    json_array_foreach(children, i, child)
    {
        bool last = i + 1 == json_array_size(children);
        if (json_is_string(child))
            add_node(t, json_string_value(child), deeper.data, last ? t->lines->last : t->lines->middle,
                last ? t->lines->blank : t->lines->through, depth + 1);
    }
    buf_release(&deeper);
    json_decref(node);
}

void plan_tree_print(const json_t *nodes)
{
    size_t i;
    json_t *node;
    struct tree t = {table_new(COLUMNS, NULL), lines_of_terminal(), json_object(), clock_utc_ms()};
    json_array_foreach(nodes, i, node)
    {
        json_object_set(t.by_id, show_text(node, "id", NULL), node);
    }
    add_node(&t, show_text(json_array_get(nodes, 0), "id", NULL), "", "", "", 0);
    table_print(t.table);
    table_free(t.table);
    json_decref(t.by_id);
}
