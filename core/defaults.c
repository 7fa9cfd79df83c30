/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defaults: see the header. A snapshot is a table of the documents, sorted by whom they are for and then the more specific first, in an
 * arena of its own; what fits a job is found by three searches.
 */
#include "core/defaults.h"

#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

/* ---- the document ---- */

#define ROW(type_, name_, flags_, shape_, help_)                                                             \
    {                                                                                                        \
        .name = #name_, .type = (type_), .flags = (flags_), .offset = offsetof(struct job_default, name_),   \
        .shape = (shape_), .help = (help_)                                                                   \
    }

static const struct field default_fields[] = {
    ROW(FIELD_PAIRS, conf, FIELD_OPTIONAL, NULL, "settings of the engine, each where the job has none"),
    ROW(FIELD_PAIRS, variables, FIELD_OPTIONAL, NULL, "variables, each where the job has none"),
    ROW(FIELD_RECORD, limits, FIELD_OPTIONAL, &shape_limits,
        "timeouts and sizes, each where the job names none; before those of the limits documents"),
    ROW(FIELD_RECORD, retry, FIELD_OPTIONAL, &shape_retry, "what is done after a failed try, field by field"),
    ROW(FIELD_POINTER, strategy, FIELD_NULLABLE, &shape_strategy, "how several targets are used"),
    ROW(FIELD_TEXT, by, FIELD_NULLABLE | FIELD_INTERNAL, NULL, "who wrote it"),
    ROW(FIELD_TIME, at, FIELD_NULLABLE | FIELD_INTERNAL, NULL, "when it was written"),
};
const struct shape shape_default = {
    .name = "Default",
    .size = sizeof(struct job_default),
    .fields = default_fields,
    .count = sizeof default_fields / sizeof default_fields[0],
    .help = "What counts for jobs that say nothing themselves.",
};

/* ---- selectors ---- */

/* Takes ",engine=" and such off the front. */
static bool take(struct bytes *text, const char *prefix)
{
    if (!bytes_starts_with(*text, prefix))
        return false;
    *text = bytes_slice(*text, strlen(prefix), text->len);
    return true;
}

static struct bytes take_until(struct bytes *text, char end)
{
    const char *at = text->len ? memchr(text->data, end, text->len) : NULL;
    size_t len = at ? (size_t)(at - text->data) : text->len;
    struct bytes taken = bytes_slice(*text, 0, len);
    *text = bytes_slice(*text, len, text->len);
    return taken;
}

bool default_selector_parse(struct bytes text, struct default_selector *out)
{
    *out = (struct default_selector){.who = BYTES_NONE};
    if (text.len > DEFAULT_SELECTOR_MAX)
        return false;
    out->who = take_until(&text, ',');
    if (!limits_selector_is_valid(out->who))
        return false;
    if (take(&text, ",engine=")) {
        out->engine = take_until(&text, ',');
        if (!job_name_is_valid(out->engine))
            return false;
    }
    if (take(&text, ",label=")) {
        out->label = take_until(&text, '=');
        if (!job_key_is_valid(out->label) || !take(&text, "="))
            return false;
        out->label_value = text; /* to the end, whatever it holds */
        return !bytes_has_control(text) && bytes_is_utf8(text);
    }
    return text.len == 0;
}

/* ---- snapshots ---- */

struct item {
    const struct job_default *value;
    struct default_selector selector;
};

struct defaults {
    struct arena arena;
    struct item *items;
    size_t count, room;
};

static int rank(const struct default_selector *s)
{
    return (s->label.data ? 2 : 0) + (s->engine.data ? 1 : 0);
}

static int compare(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    int order = bytes_compare(left->selector.who, right->selector.who);
    if (order == 0)
        order = rank(&right->selector) - rank(&left->selector);
    return order ? order : bytes_compare(left->value->selector, right->value->selector);
}

static struct defaults *snapshot_new(void)
{
    struct defaults *d = calloc(1, sizeof *d);
    MUST(d);
    arena_init(&d->arena);
    return d;
}

void defaults_free(struct defaults *d)
{
    if (!d)
        return;
    arena_release(&d->arena);
    free(d->items);
    free(d);
}

static void add(struct defaults *d, const struct job_default *value)
{
    struct default_selector selector;
    if (!default_selector_parse(value->selector, &selector))
        return;
    for (size_t i = 0; i < d->count; i++)
        if (bytes_equal(d->items[i].value->selector, value->selector)) {
            d->items[i] = (struct item){value, selector};
            return;
        }
    if (d->count == d->room) {
        d->room = d->room ? 2 * d->room : 16;
        d->items = realloc(d->items, d->room * sizeof *d->items);
        MUST(d->items);
    }
    d->items[d->count++] = (struct item){value, selector};
}

static struct defaults *sorted(struct defaults *d)
{
    if (d->count)
        qsort(d->items, d->count, sizeof *d->items, compare);
    return d;
}

struct defaults *defaults_of(const struct job_default *items, size_t count)
{
    struct defaults *d = snapshot_new();
    for (size_t i = 0; i < count; i++) {
        struct job_default *copy = arena_alloc(&d->arena, sizeof *copy);
        shape_copy(&shape_default, &items[i], copy, &d->arena);
        copy->selector = arena_copy(&d->arena, items[i].selector);
        default_tame(copy, &d->arena);
        add(d, copy);
    }
    return sorted(d);
}

/* ---- what fits a job ---- */

static bool has_label(const struct job *j, struct bytes key, struct bytes value)
{
    for (size_t i = 0; i < j->labels.count; i++)
        if (bytes_equal(j->labels.items[i].key, key) && bytes_equal(j->labels.items[i].value, value))
            return true;
    return false;
}

static bool fits(const struct default_selector *s, const struct job *j)
{
    if (s->engine.data && !bytes_equal(s->engine, j->engine))
        return false;
    return !s->label.data || has_label(j, s->label, s->label_value);
}

static void find(const struct defaults *d, struct bytes who, const struct job *j, struct defaults_found *out)
{
    size_t from = 0, to = d->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (bytes_compare(d->items[middle].selector.who, who) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < d->count && bytes_equal(d->items[from].selector.who, who); from++)
        if (fits(&d->items[from].selector, j))
            out->items[out->count++] = d->items[from].value;
}

struct defaults_found defaults_find(const struct defaults *d, const struct job *j, struct arena *a)
{
    struct defaults_found out = {NULL, 0};
    if (!d || d->count == 0)
        return out;
    out.items = arena_array(a, d->count, sizeof *out.items);
    if (job_name_is_valid(j->creator) && job_name_is_valid(j->user)) {
        find(d, job_group(a, j), j, &out);
        find(d, arena_printf(a, "%.*s/*", BYTES_ARG(j->creator)), j, &out);
    }
    find(d, BYTES("*"), j, &out);
    return out;
}
