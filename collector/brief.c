/* SPDX-License-Identifier: Apache-2.0 */
/* brief: see brief.h. */
#include "collector/brief.h"

/* Names of fields, numbers and the frame, about. */
#define RESULT_FRAME 160
#define COLUMN_FRAME 60

struct bytes brief_text(struct bytes text, size_t bytes)
{
    return text.len <= bytes ? text : bytes_cut(text, bytes);
}

struct job_error *brief_error(struct job_error *e, size_t bytes, struct arena *a)
{
    if (!e || e->message.len + e->detail.len <= bytes)
        return e;
    struct job_error *out = arena_alloc(a, sizeof *out);
    *out = *e;
    out->detail = BYTES_NONE;
    out->message = brief_text(e->message, bytes);
    return out;
}

static size_t bare_size(const struct job_result *r)
{
    return RESULT_FRAME + r->name.len + r->path.len + r->kind.len + r->format.len + r->node.len +
           r->target.len + r->part.len;
}

static size_t whole_size(const struct job_result *r)
{
    size_t size = bare_size(r);
    for (size_t i = 0; i < r->columns.count; i++) {
        const struct result_column *c = &r->columns.items[i];
        size += COLUMN_FRAME + c->name.len + c->type.len + c->comment.len;
    }
    return size;
}

static struct job_result *without_columns(
    const struct job_result *items, size_t *count, size_t bytes, struct arena *a)
{
    struct job_result *out = arena_array(a, *count, sizeof *out);
    size_t kept = 0, size = 0;
    for (; kept < *count && (size += bare_size(&items[kept])) <= bytes; kept++) {
        out[kept] = items[kept];
        out[kept].columns.count = 0;
    }
    *count = kept;
    return out;
}

struct job_result *brief_results(struct job_result *items, size_t *count, size_t bytes, struct arena *a)
{
    size_t size = 0;
    for (size_t i = 0; i < *count; i++)
        size += whole_size(&items[i]);
    return size <= bytes ? items : without_columns(items, count, bytes, a);
}
