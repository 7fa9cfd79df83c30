/* SPDX-License-Identifier: Apache-2.0 */
/* shrink: see shrink.h. The steps are a table: what is least missed comes first. */
#include "collector/shrink.h"

#include "collector/brief.h"
#include "core/log.h"

#define NODE_BYTES_LEAST 60

/* ---- the steps ---- */

static void cut_nodes(struct job_doc *doc, size_t bytes, struct arena *a)
{
    for (size_t i = 0; i < doc->count; i++) {
        struct fold_state *f = &doc->views[i]->fold;
        for (size_t k = 0; k < f->nodes.count; k++) {
            struct node_state *n = &f->nodes.items[k];
            n->reason = bytes ? brief_text(n->reason, bytes) : BYTES_NONE;
            n->error = brief_error(n->error, bytes, a);
        }
    }
}

static void shorten_nodes(struct job_doc *doc, struct arena *a)
{
    cut_nodes(doc, NODE_BYTES_LEAST, a);
}

/* The code of an error stays. */
static void silence_nodes(struct job_doc *doc, struct arena *a)
{
    cut_nodes(doc, 0, a);
}

static void shorten_attempts(struct job_doc *doc, struct arena *a)
{
    for (size_t i = 0; i < doc->count; i++) {
        struct attempts *list = &doc->views[i]->attempts;
        for (size_t k = 0; k < list->count; k++) {
            struct attempt *t = &list->items[k];
            t->reason = brief_text(t->reason, NODE_BYTES_LEAST);
            t->error = brief_error(t->error, NODE_BYTES_LEAST, a);
            t->results.count = 0;
        }
    }
}

/* A table's file has its columns. */
static void drop_columns(struct job_doc *doc, struct arena *a)
{
    for (size_t i = 0; i < doc->count; i++) {
        struct event *shown = &doc->views[i]->shown;
        struct job_result *items = arena_array(a, shown->results.count + 1, sizeof *items);
        for (size_t k = 0; k < shown->results.count; k++) {
            items[k] = shown->results.items[k];
            items[k].columns.count = 0;
        }
        shown->results.items = items;
    }
}

/* Of other groups that claim the job id: as where there are too many of them. */
static void drop_others(struct job_doc *doc, struct arena *a)
{
    (void)a;
    doc->count = 1;
}

static const struct {
    const char *name;
    void (*take)(struct job_doc *doc, struct arena *a);
} steps[] = {
    {"node_texts_cut", shorten_nodes},
    {"node_texts", silence_nodes},
    {"attempts", shorten_attempts},
    {"columns", drop_columns},
    {"other_groups", drop_others},
};

/* ---- the way ---- */

void shrink_write(struct job_doc *doc, int64_t keep_ms, size_t bytes_max, struct arena *a, bson_t *out)
{
    job_doc_write(doc, keep_ms, out);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && out->len > bytes_max; i++) {
        log_warn(
            "document_shrinks", "job=%.*s bytes=%u without=%s", BYTES_ARG(doc->id), out->len, steps[i].name);
        steps[i].take(doc, a);
        bson_reinit(out);
        job_doc_write(doc, keep_ms, out);
    }
}
