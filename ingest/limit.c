/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit: see limit.h.
 */
#include "ingest/limit.h"

#include "converter/creator_rules.h"
#include "core/limits.h"
#include "ingest/ingest.h"
#include "ingest/selected.h"

static bool from_bson(const bson_t *doc, struct arena *a, void *record)
{
    return limit_from_bson(doc, a, record);
}

static void check(const void *record, struct arena *a, struct field_problems *problems)
{
    (void)limit_check(record, a, problems);
    (void)creator_rules_check(record, a, problems);
}

static void changed(struct ingest *in)
{
    book_changed(in->book);
}

static const struct selected_kind limits = {.collection = "limits",
    .none = "limit for",
    .wanted = "a selector is creator/user, creator/* or *",
    .refused = "this is no limit: see errors",
    .shape = &shape_limit,
    .selector = offsetof(struct limit, selector),
    .by = offsetof(struct limit, by),
    .at = offsetof(struct limit, at),
    .selector_is_valid = limits_selector_is_valid,
    .from_bson = from_bson,
    .check = check,
    .changed = changed};

void limits_get(void *ingest, struct http_request *r)
{
    selected_list(&limits, ingest, r);
}

void limit_get(void *ingest, struct http_request *r)
{
    selected_get(&limits, ingest, r);
}

void limit_put(void *ingest, struct http_request *r)
{
    selected_put(&limits, ingest, r);
}

void limit_delete(void *ingest, struct http_request *r)
{
    selected_delete(&limits, ingest, r);
}
