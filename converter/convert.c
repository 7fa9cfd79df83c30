/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert: see convert.h.
 */
#include "converter/convert.h"

#include <inttypes.h>
#include <string.h>

#include "converter/creator_rules.h"
#include "converter/fill.h"
#include "converter/parts.h"
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
    job_refuse(j, first->code, message, a);
    j->error->detail = problems->count > 1 ? all : BYTES_NONE;
    if (harmful)
        job_strip(j);
}

void convert_refuse_size(const struct convert_rules *rules, struct job *j, size_t bytes, struct arena *a)
{
    job_refuse_large(j, "the completed job", (int64_t)bytes, rules->derived_max_bytes, a);
}

/* ---- statements ---- */

/* A text of its own: the job's, or a part's. */
static bool add_text(struct statements *s, struct bytes code, struct statements_piece piece,
    struct statements_problem *problem)
{
    piece.to = code.len;
    piece.first_line = 1;
    return statements_add(s, &(struct statements_text){code, piece.code_type, &piece, 1}, problem);
}

static bool add_parts(struct statements *s, struct statements_problem *problem)
{
    const struct job *j = s->job;

    for (size_t i = 0; i < j->parts.count; i++) {
        const struct job_part *p = &j->parts.items[i];
        if (!add_text(s, p->code,
                (struct statements_piece){.engine = p->engine, .code_type = p->code_type, .part = p->id},
                problem))
            return false;
    }
    return true;
}

/* One text, cut. */
static bool add_cut(struct statements *s, const struct parts_cut *cut, struct statements_problem *problem)
{
    const struct job *j = s->job;
    struct statements_piece *pieces = arena_array(s->arena, cut->count, sizeof(*pieces));

    for (size_t i = 0; i < cut->count; i++)
        pieces[i] =
            (struct statements_piece){cut->places[i].from, cut->places[i].to, cut->places[i].first_line,
                j->parts.items[i].engine, j->parts.items[i].code_type, j->parts.items[i].id};
    return statements_add(s, &(struct statements_text){j->code, j->code_type, pieces, cut->count}, problem);
}

static bool make_statements(const struct convert_rules *rules, struct job *j, const struct parts_cut *cut,
    int64_t now, struct arena *a)
{
    struct statements s;
    struct statements_problem problem;
    bool done;

    statements_begin(&s, rules, j, now, (size_t)rules->derived_max_bytes, a);
    if (cut != NULL)
        done = add_cut(&s, cut, &problem);
    else if (j->parts.count > 0)
        done = add_parts(&s, &problem);
    else
        done = add_text(
            &s, j->code, (struct statements_piece){.engine = j->engine, .code_type = j->code_type}, &problem);
    statements_end(&s);
    if (done)
        return true;
    job_refuse(j, problem.code, problem.message, a);
    j->error->detail = problem.detail;
    j->error->line = problem.line;
    j->error->statement = problem.statement;
    j->statements.count = 0;
    if (strcmp(problem.code, "too_large") == 0)
        job_strip(j);
    return false;
}

/* ---- parts ---- */

static bool is_without_code(const struct job *j)
{
    for (size_t i = 0; i < j->parts.count; i++)
        if (j->parts.items[i].code.len > 0)
            return false;
    return true;
}

/* Lines in the code make the job's parts. Parts without code are those that such lines made before: a job that was converted once may be
 * submitted again. False: problems has one more, about *line. */
static bool cut_code(const struct convert_rules *rules, struct job *j, struct arena *a, struct parts_cut *cut,
    struct field_problems *problems, int64_t *line)
{
    struct parts_problem problem;
    struct fill_unit unit;

    fill_unit(rules, j, NULL, &unit);
    switch (parts_cut(j->code, unit.engine, unit.code_type, a, cut, &problem)) {
    case PARTS_NONE:
        return true;
    case PARTS_WRONG:
        break;
    case PARTS_CUT:
        if (is_without_code(j)) {
            j->parts.items = cut->parts;
            j->parts.count = cut->count;
            return true;
        }
        problem = (struct parts_problem){"bad_parts",
            arena_printf(a, "line %lld: the job has parts of its own: write either parts, or such lines",
                (long long)cut->places[0].line),
            cut->places[0].line};
        break;
    }
    cut->count = 0;
    if (problems->count == 0)
        *line = problem.line;
    return field_problems_add(problems, BYTES("code"), problem.code, problem.message);
}

/* The code of a job whose parts have theirs does not run. */
static void warn_of_code(struct job *j, struct arena *a)
{
    struct strings all = {arena_array(a, j->warnings.count + 1, sizeof(*all.items)), 0};

    if (j->parts.count == 0 || bytes_trim(j->code).len == 0)
        return;
    for (size_t i = 0; i < j->warnings.count; i++)
        all.items[all.count++] = j->warnings.items[i];
    all.items[all.count++] = BYTES("the job's own code does not run: it has parts, and only theirs runs");
    j->warnings = all;
}

/* ---- the job ---- */

static struct bytes without_mark(struct bytes code)
{
    static const char mark[] = "\xEF\xBB\xBF";

    return bytes_starts_with(code, mark) ? bytes_slice(code, sizeof(mark) - 1, code.len) : code;
}

/* The byte order mark that some editors put in front of a text is no code: no engine wants it, and it would hide a first line with @set. */
static void drop_marks(struct job *j)
{
    j->code = without_mark(j->code);
    for (size_t i = 0; i < j->parts.count; i++)
        j->parts.items[i].code = without_mark(j->parts.items[i].code);
}

bool convert_job(
    const struct convert_rules *rules, struct job *j, size_t record_bytes, int64_t now, struct arena *a)
{
    struct field_problems *problems = arena_alloc(a, sizeof(*problems));
    struct limits_effective group;
    struct parts_cut cut;
    int64_t cut_line = NO_INT, line = NO_INT;

    j->error = NULL;
    j->warnings.count = 0;
    problems->count = 0;
    if ((int64_t)record_bytes > rules->submission_max_bytes + ENVELOPE_BYTES) {
        fill_job(rules, j, a);
        job_refuse_large(j, "the submission", (int64_t)record_bytes, rules->submission_max_bytes, a);
        return false;
    }
    drop_marks(j);
    synonyms_apply(j, a, problems);
    cut_code(rules, j, a, &cut, problems, &cut_line);
    const struct parts_cut *lines = cut.count > 0 ? &cut : NULL;
    checks_limits(rules, j, &group);
    creator_rules_apply(&group, j, a, problems);
    fill_strategy(rules, j, a);
    checks_run(rules, j, lines, now, a, problems, &line);
    fill_job(rules, j, a);
    if (problems->count > 0) {
        if (rules->told != NULL)
            rules->told->problems = *problems;
        refuse_problems(j, problems, a);
        j->error->line = cut_line != NO_INT ? cut_line : line;
        return false;
    }
    if (lines == NULL)
        warn_of_code(j, a);
    return make_statements(rules, j, lines, now, a);
}
