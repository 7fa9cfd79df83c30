/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert: see convert.h.
 */
#include "converter/convert.h"

#include <inttypes.h>
#include <string.h>

#include "converter/creator_rules.h"
#include "converter/fill.h"
#include "converter/statements.h"
#include "converter/synonyms.h"
#include "converter/told.h"
#include "core/uuid.h"

/* What a record may be larger than the submission itself: ids, times and names that ingest adds. */
enum { ENVELOPE_BYTES = 4096 };

/* ---- id ---- */

static struct bytes id_text(const struct uuid *id, struct arena *a)
{
    char text[UUID_TEXT_LEN + 1];

    uuid_format(id, text);
    return arena_copy(a, bytes_of(text));
}

void convert_identify(struct job *j, const char *topic, const struct origin *where, struct arena *a)
{
    struct uuid id;
    struct bytes name;

    if (j->job_id.data != NULL && uuid_parse(j->job_id, &id)) {
        j->job_id = id_text(&id, a);
        return;
    }
    if (j->idempotency_key.len > 0)
        name = arena_printf(
            a, "%.*s/%.*s/%.*s", BYTES_ARG(j->creator), BYTES_ARG(j->user), BYTES_ARG(j->idempotency_key));
    else
        name = arena_printf(a, "%s/%" PRId64 "/%" PRId64 "/%" PRId64, topic, where->partition, where->offset,
            where->timestamp);
    uuid_v5(&id, name);
    j->job_id = id_text(&id, a);
}

/* ---- refusing ---- */

/* What could be too much, or harm a reader further on, does not travel with a refused job. */
static void strip(struct job *j)
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

static void refuse(
    struct job *j, const char *code, struct bytes message, struct bytes detail, int64_t line, struct arena *a)
{
    const struct error_code *row = job_error_code(code);
    struct job_error *error = arena_alloc(a, sizeof(*error));

    MUST(row != NULL);
    *error = (struct job_error){.code = bytes_of(code),
        .class = row->class,
        .message = message,
        .detail = detail,
        .statement = NO_INT,
        .line = line};
    j->error = error;
    j->statements.count = 0;
}

static void refuse_problems(struct job *j, const struct field_problems *problems, struct arena *a)
{
    const struct field_problem *first = &problems->items[0];
    struct bytes all = BYTES("");
    bool harmful = false;

    for (size_t i = 0; i < problems->count; i++) {
        const struct field_problem *p = &problems->items[i];
        all = arena_printf(a, "%.*s%s%.*s: %s: %.*s", BYTES_ARG(all), i > 0 ? "\n" : "", BYTES_ARG(p->field),
            p->code, BYTES_ARG(p->detail));
        harmful = harmful || strcmp(p->code, "nul_byte") == 0;
    }
    struct bytes message = arena_printf(a, "%.*s: %.*s", BYTES_ARG(first->field), BYTES_ARG(first->detail));
    refuse(j, first->code, message, problems->count > 1 ? all : BYTES_NONE, NO_INT, a);
    if (harmful)
        strip(j);
}

static void refuse_large(struct job *j, const char *what, int64_t bytes, int64_t most, struct arena *a)
{
    refuse(j, "too_large",
        arena_printf(
            a, "%s has %lld bytes, at most %lld are allowed", what, (long long)bytes, (long long)most),
        BYTES_NONE, NO_INT, a);
    strip(j);
}

void convert_refuse_size(const struct convert_rules *rules, struct job *j, size_t bytes, struct arena *a)
{
    refuse_large(j, "the completed job", (int64_t)bytes, rules->derived_max_bytes, a);
}

/* ---- statements ---- */

static bool make_statements(const struct convert_rules *rules, struct job *j, int64_t now, struct arena *a)
{
    size_t left_bytes = (size_t)rules->derived_max_bytes;
    const struct statements_piece whole = {j->code, j->code_type, j->engine, 0, 1};
    struct statements_problem problem;

    j->statements.count = 0;
    if (statements_add(rules, j, &whole, now, &left_bytes, a, &problem))
        return true;
    refuse(j, problem.code, problem.message, problem.detail, problem.line, a);
    j->error->statement = problem.statement;
    if (strcmp(problem.code, "too_large") == 0)
        strip(j);
    return false;
}

bool convert_job(
    const struct convert_rules *rules, struct job *j, size_t record_bytes, int64_t now, struct arena *a)
{
    struct field_problems *problems = arena_alloc(a, sizeof(*problems));
    struct limits_effective group;

    j->error = NULL;
    j->warnings.count = 0;
    problems->count = 0;
    if ((int64_t)record_bytes > rules->submission_max_bytes + ENVELOPE_BYTES) {
        fill_job(rules, j, a);
        refuse_large(j, "the submission", (int64_t)record_bytes, rules->submission_max_bytes, a);
        return false;
    }
    synonyms_apply(j, a, problems);
    checks_limits(rules, j, &group);
    creator_rules_apply(&group, j, a, problems);
    fill_strategy(rules, j, a);
    bool fit = checks_run(rules, j, now, a, problems);
    fill_job(rules, j, a);
    if (!fit) {
        if (rules->told != NULL)
            rules->told->problems = *problems;
        refuse_problems(j, problems, a);
        return false;
    }
    return make_statements(rules, j, now, a);
}
