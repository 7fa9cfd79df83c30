/* SPDX-License-Identifier: Apache-2.0 */
/*
 * default: see default.h.
 */
#include "ingest/default.h"

#include "converter/variables.h"
#include "core/defaults.h"
#include "ingest/ingest.h"
#include "ingest/selected.h"
#include "ingest/wish.h"

static bool selector_is_valid(struct bytes selector)
{
    struct default_selector pieces;
    return default_selector_parse(selector, &pieces);
}

static bool from_bson(const bson_t *doc, struct arena *a, void *record)
{
    return default_from_bson(doc, a, record);
}

/* What the converter would pass over. */
static void check_variables(const struct job_default *d, struct arena *a, struct field_problems *problems)
{
    for (size_t i = 0; i < d->variables.count; i++)
        if (variable_is_fixed(d->variables.items[i].key))
            field_problems_add(problems,
                arena_printf(a, "variables.%.*s", BYTES_ARG(d->variables.items[i].key)), "fixed_variable",
                BYTES("the variable is built in and can't be set"));
}

static void check(const void *record, struct arena *a, struct field_problems *problems)
{
    (void)default_check(record, a, problems);
    check_variables(record, a, problems);
}

static void changed(struct ingest *in)
{
    book_changed(in->book);
}

static const struct selected_kind defaults = {.collection = "defaults",
    .none = "defaults for",
    .wanted =
        "a selector is creator/user, creator/* or *, then ,engine=NAME and ,label=KEY=VALUE where wanted",
    .refused = "these are no defaults: see errors",
    .shape = &shape_default,
    .selector = offsetof(struct job_default, selector),
    .by = offsetof(struct job_default, by),
    .at = offsetof(struct job_default, at),
    .selector_is_valid = selector_is_valid,
    .from_bson = from_bson,
    .check = check,
    .changed = changed};

void defaults_get(void *ingest, struct http_request *r)
{
    selected_list(&defaults, ingest, r);
}

void default_get(void *ingest, struct http_request *r)
{
    selected_get(&defaults, ingest, r);
}

void default_put(void *ingest, struct http_request *r)
{
    selected_put(&defaults, ingest, r);
}

void default_delete(void *ingest, struct http_request *r)
{
    selected_delete(&defaults, ingest, r);
}
