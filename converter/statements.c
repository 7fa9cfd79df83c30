/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statements: see statements.h.
 */
#include "converter/statements.h"

#include <inttypes.h>
#include <string.h>

#include "converter/dangers.h"
#include "converter/row_limit.h"
#include "converter/split.h"
#include "converter/told.h"
#include "converter/variables.h"
#include "converter/verbs.h"

enum { LIMIT_WARNINGS_MAX = 20, WARNINGS_MAX = 100 };

/* A piece that is made into statements. */
struct making {
    struct statements *all;
    struct bytes code; /* the whole text: offsets and lines are of it */
    const struct statements_piece *piece;
    enum language language;
    enum sql_dialect dialect;
    bool dialect_is_known;
    struct variables *variables;
    struct findings findings;
    size_t limited; /* statements that the row limit changed */
    struct arena *arena;
    struct statements_problem *problem;
};

/* "part a, line 3: ...", "part a: ..." where the text begins with no place. */
static struct bytes with_part(struct arena *a, struct bytes part, struct bytes text)
{
    bool has_place = bytes_starts_with(text, "line ") || bytes_starts_with(text, "code: ");

    if (part.len == 0)
        return text;
    return arena_printf(a, "part %.*s%s %.*s", BYTES_ARG(part), has_place ? "," : ":", BYTES_ARG(text));
}

static void warn(struct statements *s, struct bytes part, struct bytes text)
{
    if (s->warnings.items == NULL)
        s->warnings.items = arena_array(s->arena, WARNINGS_MAX + 1, sizeof(*s->warnings.items));
    if (s->warnings.count < WARNINGS_MAX)
        s->warnings.items[s->warnings.count++] = with_part(s->arena, part, text);
    else
        s->warnings.items[WARNINGS_MAX] = BYTES("there are more warnings about the code");
}

static bool refuse(struct making *m, const char *code, int64_t line, struct bytes message)
{
    if (m->all->rules->told != NULL)
        m->all->rules->told->part = m->piece->part;
    *m->problem = (struct statements_problem){
        code, with_part(m->arena, m->piece->part, message), BYTES_NONE, line, NO_INT};
    return false;
}

static bool refuse_variables(struct making *m, const struct variables_problem *problem)
{
    return refuse(m, problem->code, problem->line, problem->message);
}

/* ---- splitting ---- */

static bool split_piece(struct making *m, struct bytes code, struct split *out)
{
    size_t most = SPLIT_STATEMENTS_MAX - m->all->job->statements.count;

    *out = (struct split){NULL, 0, NULL, 0};
    if (m->language != LANGUAGE_SQL) {
        if (!language_has_code(m->language, code))
            return refuse(
                m, "empty_code", NO_INT, BYTES("code: there is nothing to run but white space and comments"));
        out->items = arena_alloc(m->arena, sizeof(*out->items));
        out->items[0] = (struct job_statement){.length = (int64_t)code.len, .first_line = 1};
        out->count = 1;
        return true;
    }
    switch (split_sql(code, m->dialect, most, m->arena, out)) {
    case SPLIT_OK:
        return true;
    case SPLIT_EMPTY:
        return refuse(
            m, "empty_code", NO_INT, BYTES("code: there is nothing to run but white space, comments and ;"));
    case SPLIT_TOO_MANY:
        break;
    }
    return refuse(m, "too_many_statements", NO_INT,
        arena_printf(m->arena, "code: the job has more than %d statements; submit it as several jobs",
            SPLIT_STATEMENTS_MAX));
}

/* The statements of the piece, by their places in the text. */
static bool split(struct making *m, struct split *out)
{
    const struct statements_piece *p = m->piece;

    if (!split_piece(m, bytes_slice(m->code, p->from, p->to - p->from), out))
        return false;
    for (size_t i = 0; i < out->count; i++) {
        struct job_statement *s = &out->items[i];
        s->index = (int64_t)(m->all->job->statements.count + i);
        s->offset += (int64_t)p->from;
        s->first_line += p->first_line - 1;
        s->part = p->part;
    }
    if (out->unclosed != NULL)
        warn(m->all, p->part,
            arena_printf(m->arena, "line %" PRId64 ": %s is not closed",
                out->unclosed_line + p->first_line - 1, out->unclosed));
    return true;
}

/* ---- checks ---- */

/* Findings are about the statement's text; here they get their places in the user's. */
static void place_findings(struct making *m, const struct job_statement *s, size_t from)
{
    for (size_t i = from; i < m->findings.count; i++) {
        struct finding *f = &m->findings.items[i];
        f->offset = s->text.data != NULL
                        ? variables_origin(m->variables, (size_t)s->offset, (size_t)s->length, f->offset)
                        : (size_t)s->offset + f->offset;
        finding_place(m->code, f->offset, &f->line, &f->column);
    }
}

static void check(struct making *m, const struct job_statement *s, struct bytes text)
{
    size_t before = m->findings.count;

    if (m->language == LANGUAGE_SQL && m->all->group.forbidden_sql != NULL)
        verbs_check(text, m->dialect, m->all->group.forbidden_sql, m->arena, &m->findings);
    if (m->language != LANGUAGE_SQL && m->all->group.forbidden_code != NULL)
        dangers_check(text, m->language, m->all->group.forbidden_code, m->arena, &m->findings);
    place_findings(m, s, before);
    if (before == 0 && m->findings.count > 0)
        m->problem->statement = s->index;
}

static struct bytes finding_text(struct making *m, const struct finding *f)
{
    return arena_printf(m->arena, "line %" PRId64 ", column %" PRId64 ": rule %.*s: %.*s", f->line, f->column,
        BYTES_ARG(f->rule), BYTES_ARG(f->message));
}

static bool refuse_findings(struct making *m)
{
    int64_t statement = m->problem->statement;
    struct buf all;

    if (m->all->rules->told != NULL)
        m->all->rules->told->findings = m->findings;
    buf_init(&all);
    for (size_t i = 0; i < m->findings.count; i++) {
        if (i > 0)
            buf_add_char(&all, '\n');
        buf_add_bytes(&all, with_part(m->arena, m->piece->part, finding_text(m, &m->findings.items[i])));
    }
    if (m->findings.more)
        buf_add_text(&all, "\nand more");
    refuse(m, "forbidden_code", m->findings.items[0].line, finding_text(m, &m->findings.items[0]));
    m->problem->statement = statement;
    if (m->findings.count > 1)
        m->problem->detail = arena_copy(m->arena, buf_bytes(&all));
    buf_release(&all);
    return false;
}

/* ---- the row limit ---- */

/* Where the statement can't be limited, or its dialect is not known, the fetch is: job.limits.max_result_rows (fill.c). */
static void limit_rows(struct making *m, struct job_statement *s, struct bytes text)
{
    struct row_limit limited;

    if (m->language != LANGUAGE_SQL || !m->dialect_is_known || m->all->group.row_limit <= 0)
        return;
    enum row_limit_end end = row_limit_apply(text, m->dialect, m->all->group.row_limit, m->arena, &limited);
    if (end != ROW_LIMIT_ADDED && end != ROW_LIMIT_LOWERED)
        return;
    if (limited.text.len > m->all->left_bytes)
        return;
    m->all->left_bytes -= limited.text.len;
    s->text = limited.text;
    if (m->limited++ < LIMIT_WARNINGS_MAX)
        warn(m->all, m->piece->part,
            arena_printf(m->arena,
                "line %" PRId64 ": the row limit of this creator was %s: at most %" PRId64 " rows",
                s->first_line, end == ROW_LIMIT_ADDED ? "added" : "put for a larger one",
                m->all->group.row_limit));
}

/* ---- making them ---- */

static bool make(struct making *m, struct job_statement *s)
{
    struct variables_problem problem;
    struct bytes text;

    enum variables_end end =
        variables_replace(m->variables, (size_t)s->offset, (size_t)s->length, &text, &problem);
    if (end == VARIABLES_REFUSED)
        return refuse_variables(m, &problem);
    if (end == VARIABLES_TOO_LARGE || (end == VARIABLES_REPLACED && text.len > m->all->left_bytes))
        return refuse(m, "too_large", NO_INT,
            arena_printf(m->arena, "with its variables filled in, the code has more than %lld bytes",
                (long long)m->all->rules->derived_max_bytes));
    if (end == VARIABLES_REPLACED) {
        m->all->left_bytes -= text.len;
        s->text = text;
    }
    check(m, s, text);
    if (m->findings.count == 0)
        limit_rows(m, s, text);
    return true;
}

/* Room doubles, so that many small pieces cost no more than a large one. */
static void append(struct statements *s, struct job_statement *items, size_t count)
{
    struct job *j = s->job;

    if (count == 0)
        return;
    if (j->statements.count == 0) {
        j->statements.items = items;
        j->statements.count = s->room = count;
        return;
    }
    if (j->statements.count + count > s->room) {
        s->room = 2 * (j->statements.count + count);
        struct job_statement *all = arena_array(s->arena, s->room, sizeof(*all));
        if (j->statements.count > 0)
            memcpy(all, j->statements.items, j->statements.count * sizeof(*all));
        j->statements.items = all;
    }
    memcpy(j->statements.items + j->statements.count, items, count * sizeof(*items));
    j->statements.count += count;
}

static bool make_piece(struct making *m)
{
    struct split pieces;

    m->language = language_of(m->piece->code_type);
    m->dialect = language_dialect(m->piece->engine, m->piece->code_type, &m->dialect_is_known);
    if (!split(m, &pieces))
        return false;
    for (size_t i = 0; i < pieces.count; i++) {
        if (!make(m, &pieces.items[i]))
            return false;
    }
    if (m->findings.count > 0)
        return refuse_findings(m);
    append(m->all, pieces.items, pieces.count);
    return true;
}

/* Of a text that is one part, problems and warnings name it; in one of several, the line tells. */
static struct bytes part_of(const struct statements_text *text)
{
    return text->count == 1 ? text->pieces[0].part : BYTES_NONE;
}

static bool make_text(struct statements *s, const struct statements_text *text, struct variables *v,
    struct statements_problem *problem)
{
    for (size_t i = 0; i < text->count; i++) {
        struct making m = {.all = s,
            .code = text->code,
            .piece = &text->pieces[i],
            .variables = v,
            .arena = s->arena,
            .problem = problem};
        if (!make_piece(&m))
            return false;
    }
    return true;
}

bool statements_add(
    struct statements *s, const struct statements_text *text, struct statements_problem *problem)
{
    const struct job *j = s->job;
    const struct zone *zone = zones_find(s->rules->zones, j->timezone);
    const struct variables_input input = {.code = text->code,
        .code_type = text->code_type,
        .given = &j->variables,
        .user = j->user,
        .submitter = j->submitter,
        .zone = zone != NULL ? zone : zone_of_utc,
        .submitted_at = j->submitted_at != NO_INT ? j->submitted_at : s->now,
        .max_bytes = s->left_bytes,
        .told = s->rules->told};
    struct variables_problem wrong;

    struct variables *v = variables_new(&input, s->arena, &wrong);
    if (v == NULL) {
        struct bytes part = wrong.line != NO_INT ? part_of(text) : BYTES_NONE;
        *problem = (struct statements_problem){
            wrong.code, with_part(s->arena, part, wrong.message), BYTES_NONE, wrong.line, NO_INT};
        if (s->rules->told != NULL)
            s->rules->told->part = part;
        return false;
    }
    bool done = make_text(s, text, v, problem);
    struct strings more = variables_warnings(v);
    for (size_t i = 0; i < more.count; i++)
        warn(s, part_of(text), more.items[i]);
    return done;
}

void statements_begin(struct statements *s, const struct convert_rules *rules, struct job *j, int64_t now,
    size_t left_bytes, struct arena *a)
{
    *s = (struct statements){.rules = rules, .job = j, .now = now, .left_bytes = left_bytes, .arena = a};
    checks_limits(rules, j, &s->group);
    j->statements.count = 0;
}

void statements_end(struct statements *s)
{
    struct job *j = s->job;
    if (s->warnings.count == 0)
        return;
    size_t more = s->warnings.count + (s->warnings.items[WARNINGS_MAX].data != NULL ? 1 : 0);
    struct strings all = {arena_array(s->arena, j->warnings.count + more, sizeof(*all.items)), 0};
    for (size_t i = 0; i < j->warnings.count; i++)
        all.items[all.count++] = j->warnings.items[i];
    for (size_t i = 0; i < more; i++)
        all.items[all.count++] = s->warnings.items[i];
    j->warnings = all;
}
