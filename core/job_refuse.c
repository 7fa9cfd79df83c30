/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_refuse: how a stage refuses a job: it travels on with an error, to an executor, who ends it.
 */
#include <string.h>

#include "core/job.h"

bool job_refuse(struct job *j, const char *code, struct bytes message, struct arena *a)
{
    const struct error_code *row = job_error_code(code);
    struct job_error *error = arena_alloc(a, sizeof(*error));

    MUST(row != NULL);
    *error = (struct job_error){
        .code = bytes_of(code), .class = row->class, .message = message, .statement = NO_INT, .line = NO_INT};
    j->error = error;
    j->nodes.count = 0;
    return false;
}

void job_strip(struct job *j)
{
    j->code = BYTES("");
    j->variables = j->conf = j->labels = j->source = (struct pairs){NULL, 0};
    j->parts.count = 0;
    j->strategy = NULL;
    j->statements.count = 0;
    j->callback_url = j->idempotency_key = j->timezone = BYTES_NONE;
    if (bytes_characters(j->name) > JOB_NAME_CHARACTERS ||
        (j->name.len > 0 && memchr(j->name.data, '\0', j->name.len) != NULL))
        j->name = BYTES("");
    if (!job_name_is_valid(j->target))
        j->target = BYTES_NONE;
    if (!job_name_is_valid(j->submitter))
        j->submitter = j->user;
    if (!job_name_is_valid(j->engine))
        j->engine = BYTES("");
    if (!job_name_is_valid(j->code_type))
        j->code_type = BYTES("");
}

void job_refuse_large(struct job *j, const char *what, int64_t bytes, int64_t most, struct arena *a)
{
    job_refuse(j, "too_large",
        arena_printf(
            a, "%s has %lld bytes, at most %lld are allowed", what, (long long)bytes, (long long)most),
        a);
    job_strip(j);
}
