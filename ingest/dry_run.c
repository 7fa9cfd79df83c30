/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dry_run: see dry_run.h.
 */
#include "ingest/dry_run.h"

/* Could a record of this job be over the limit? Only then it is made, to be weighed. */
static bool may_be_large(const struct dry_run_rules *rules, const struct job *j, size_t text_bytes)
{
    enum { SLACK = 65536 };
    size_t bytes = text_bytes + SLACK + plan_bytes(j);
    for (size_t i = 0; i < j->statements.count; i++)
        bytes += j->statements.items[i].text.len;
    return (int64_t)bytes > rules->convert.derived_max_bytes;
}

/* The size of its record if that is too large, else 0. */
static size_t too_large(
    const struct dry_run_rules *rules, const struct shape *s, const struct job *j, size_t text_bytes)
{
    size_t bytes = may_be_large(rules, j, text_bytes) ? rules->size(rules->self, s, j) : 0;
    return (int64_t)bytes > rules->convert.derived_max_bytes ? bytes : 0;
}

static bool convert(
    const struct dry_run_rules *rules, struct job *j, size_t text_bytes, int64_t now, struct arena *a)
{
    if (!convert_job(&rules->convert, j, text_bytes, now, a))
        return false;
    size_t bytes = too_large(rules, &shape_converted, j, text_bytes);
    if (bytes > 0)
        convert_refuse_size(&rules->convert, j, bytes, a);
    return bytes == 0;
}

static bool plan(const struct dry_run_rules *rules, struct job *j, size_t text_bytes, struct arena *a)
{
    if (!plan_job(rules->plan, j, a))
        return false;
    size_t bytes = too_large(rules, &shape_planned, j, text_bytes);
    if (bytes > 0)
        plan_refuse_size(rules->plan, j, bytes, a);
    return bytes == 0;
}

bool dry_run_make(const struct dry_run_rules *rules, struct bytes text, struct bytes key, int64_t now,
    struct arena *a, struct dry_run *out)
{
    struct dry_run_rules mine = *rules;
    struct job *j = &out->submission.job;
    mine.convert.told = &out->told;
    out->refusal = NULL;
    out->told.used_count = out->told.left_count = 0;
    out->told.problems.count = out->told.findings.count = 0;
    out->told.more = false;
    out->told.column = 0;
    out->told.part = BYTES_NONE;
    if (!submit_parse(rules->submit, text, key, a, &out->submission, &out->refusal))
        return false;
    /* Without the hash of what was sent: nothing is stored, and of large code it costs as much as the conversion. */
    submit_name(&out->submission, now, BYTES_NONE, a);
    return convert(&mine, j, text.len, now, a) && plan(&mine, j, text.len, a);
}
