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

enum { LIMIT_WARNINGS_MAX = 20 };

struct making {
    const struct convert_rules *rules;
    const struct statements_piece *piece;
    struct limits_effective group;
    enum language language;
    enum sql_dialect dialect;
    bool dialect_is_known;
    struct variables *variables;
    struct findings findings;
    struct strings warnings;
    size_t limited; /* statements that the row limit changed */
    struct arena *arena;
    struct statements_problem *problem;
};

static void warn(struct making *m, struct bytes text)
{
    m->warnings.items[m->warnings.count++] = text;
}

static bool refuse(struct making *m, const char *code, int64_t line, struct bytes message)
{
    *m->problem = (struct statements_problem){code, message, BYTES_NONE, line, NO_INT};
    return false;
}

static bool refuse_variables(struct making *m, const struct variables_problem *problem)
{
    return refuse(m, problem->code, problem->line, problem->message);
}

/* ---- splitting ---- */

static bool split(struct making *m, struct split *out)
{
    const struct statements_piece *p = m->piece;

    *out = (struct split){NULL, 0, NULL, 0};
    if (m->language != LANGUAGE_SQL) {
        if (!language_has_code(m->language, p->code))
            return refuse(
                m, "empty_code", NO_INT, BYTES("code: there is nothing to run but white space and comments"));
        out->items = arena_alloc(m->arena, sizeof(*out->items));
        out->items[0] = (struct job_statement){.length = (int64_t)p->code.len, .first_line = 1};
        out->count = 1;
        return true;
    }
    switch (split_sql(p->code, m->dialect, SPLIT_STATEMENTS_MAX, m->arena, out)) {
    case SPLIT_OK:
        break;
    case SPLIT_EMPTY:
        return refuse(
            m, "empty_code", NO_INT, BYTES("code: there is nothing to run but white space, comments and ;"));
    case SPLIT_TOO_MANY:
        return refuse(m, "too_many_statements", NO_INT,
            arena_printf(m->arena, "code: it has more than %d statements; submit it as several jobs",
                SPLIT_STATEMENTS_MAX));
    }
    if (out->unclosed != NULL)
        warn(m, arena_printf(m->arena, "line %" PRId64 ": %s is not closed",
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
        finding_place(m->piece->code, f->offset, &f->line, &f->column);
        f->line += m->piece->first_line - 1;
    }
}

/* s->offset counts in the piece. */
static void check(struct making *m, const struct job_statement *s, struct bytes text)
{
    size_t before = m->findings.count;

    if (m->language == LANGUAGE_SQL && m->group.forbidden_sql != NULL)
        verbs_check(text, m->dialect, m->group.forbidden_sql, m->arena, &m->findings);
    if (m->language != LANGUAGE_SQL && m->group.forbidden_code != NULL)
        dangers_check(text, m->language, m->group.forbidden_code, m->arena, &m->findings);
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

    if (m->rules->told != NULL)
        m->rules->told->findings = m->findings;

    buf_init(&all);
    for (size_t i = 0; i < m->findings.count; i++) {
        if (i > 0)
            buf_add_char(&all, '\n');
        buf_add_bytes(&all, finding_text(m, &m->findings.items[i]));
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
static void limit_rows(struct making *m, struct job_statement *s, struct bytes text, size_t *left_bytes)
{
    struct row_limit limited;

    if (m->language != LANGUAGE_SQL || !m->dialect_is_known || m->group.row_limit <= 0)
        return;
    enum row_limit_end end = row_limit_apply(text, m->dialect, m->group.row_limit, m->arena, &limited);
    if (end != ROW_LIMIT_ADDED && end != ROW_LIMIT_LOWERED)
        return;
    if (limited.text.len > *left_bytes)
        return;
    *left_bytes -= limited.text.len;
    s->text = limited.text;
    if (m->limited++ < LIMIT_WARNINGS_MAX)
        warn(m, arena_printf(m->arena,
                    "line %" PRId64 ": the row limit of this creator was %s: at most %" PRId64 " rows",
                    s->first_line + m->piece->first_line - 1,
                    end == ROW_LIMIT_ADDED ? "added" : "put for a larger one", m->group.row_limit));
}

/* ---- making them ---- */

static bool make(struct making *m, struct job_statement *s, size_t *left_bytes)
{
    struct variables_problem problem;
    struct bytes text;

    enum variables_end end =
        variables_replace(m->variables, (size_t)s->offset, (size_t)s->length, &text, &problem);
    if (end == VARIABLES_REFUSED)
        return refuse_variables(m, &problem);
    if (end == VARIABLES_TOO_LARGE || (end == VARIABLES_REPLACED && text.len > *left_bytes))
        return refuse(m, "too_large", NO_INT,
            arena_printf(m->arena, "with its variables filled in, the code has more than %lld bytes",
                (long long)m->rules->derived_max_bytes));
    if (end == VARIABLES_REPLACED) {
        *left_bytes -= text.len;
        s->text = text;
    }
    check(m, s, text);
    if (m->findings.count == 0)
        limit_rows(m, s, text, left_bytes);
    return true;
}

static bool make_all(struct making *m, struct job *j, size_t *left_bytes)
{
    const struct statements_piece *p = m->piece;
    struct split pieces;

    if (!split(m, &pieces))
        return false;
    for (size_t i = 0; i < pieces.count; i++) {
        pieces.items[i].index = (int64_t)(j->statements.count + i);
        if (!make(m, &pieces.items[i], left_bytes))
            return false;
    }
    if (m->findings.count > 0)
        return refuse_findings(m);
    struct job_statement *all = pieces.items;
    if (j->statements.count > 0) {
        all = arena_array(m->arena, j->statements.count + pieces.count, sizeof(*all));
        memcpy(all, j->statements.items, j->statements.count * sizeof(*all));
        memcpy(all + j->statements.count, pieces.items, pieces.count * sizeof(*all));
    }
    for (size_t i = j->statements.count; i < j->statements.count + pieces.count; i++) {
        all[i].offset += p->offset;
        all[i].first_line += p->first_line - 1;
    }
    j->statements.items = all;
    j->statements.count += pieces.count;
    return true;
}

void statements_warn(struct job *j, struct strings more, struct arena *a)
{
    struct strings all = {arena_array(a, j->warnings.count + more.count, sizeof(*all.items)), 0};

    if (more.count == 0)
        return;
    for (size_t i = 0; i < j->warnings.count; i++)
        all.items[all.count++] = j->warnings.items[i];
    for (size_t i = 0; i < more.count; i++)
        all.items[all.count++] = more.items[i];
    j->warnings = all;
}

bool statements_add(const struct convert_rules *rules, struct job *j, const struct statements_piece *p,
    int64_t now, size_t *left_bytes, struct arena *a, struct statements_problem *problem)
{
    const struct zone *zone = zones_find(rules->zones, j->timezone);
    const struct variables_input input = {.code = p->code,
        .code_type = p->code_type,
        .given = &j->variables,
        .user = j->user,
        .submitter = j->submitter,
        .zone = zone != NULL ? zone : zone_of_utc,
        .submitted_at = j->submitted_at != NO_INT ? j->submitted_at : now,
        .max_bytes = *left_bytes,
        .first_line = p->first_line,
        .told = rules->told};
    struct making m = {.rules = rules,
        .piece = p,
        .language = language_of(p->code_type),
        .warnings = {arena_array(a, LIMIT_WARNINGS_MAX + 1, sizeof(struct bytes)), 0},
        .arena = a,
        .problem = problem};
    struct variables_problem wrong;

    checks_limits(rules, j, &m.group);
    m.dialect = language_dialect(p->engine, p->code_type, &m.dialect_is_known);
    m.variables = variables_new(&input, a, &wrong);
    if (m.variables == NULL)
        return refuse_variables(&m, &wrong);
    bool done = make_all(&m, j, left_bytes);
    statements_warn(j, variables_warnings(m.variables), a);
    statements_warn(j, m.warnings, a);
    return done;
}
