/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/*
 * The cutter of parts: the first byte chooses the job's engine, the rest is the text. Whatever it is, parts lie in it in order with nothing but
 * lines and comments between, they fit together, cutting the text again gives the same, and each part's statements lie in its own piece.
 * A text that is refused has a reason, and a line of its own.
 */
#include <string.h>

#include "converter/part_graph.h"
#include "converter/parts.h"
#include "converter/statements.h"
#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const engines[] = {"sqlite", "postgres", "mysql", "duckdb", "spark", "sqlserver", "trino"};
enum { ENGINES = sizeof(engines) / sizeof(engines[0]) };

static int64_t line_of(struct bytes code, size_t at)
{
    int64_t line = 1;

    for (size_t i = 0; i < at; i++)
        line += code.data[i] == '\n';
    return line;
}

static void none(void *self, size_t part, size_t after, const char *code, struct bytes detail)
{
    (void)self;
    (void)part;
    (void)after;
    (void)code;
    (void)detail;
    MUST(false);
}

static void check_places(struct bytes code, const struct parts_cut *cut)
{
    size_t end = 0;

    for (size_t i = 0; i < cut->count; i++) {
        const struct parts_place *p = &cut->places[i];
        MUST(p->from >= end && p->from < p->to && p->to <= code.len);
        MUST(p->first_line == line_of(code, p->from));
        MUST(p->line >= 1 && p->line <= p->first_line);
        MUST(i == 0 || p->from - end >= strlen("--@part"));
        end = p->to;
    }
}

static void check_again(struct bytes code, struct bytes engine, const struct parts_cut *cut, struct arena *a)
{
    struct parts_problem problem;
    struct parts_cut again;

    MUST(
        parts_cut(code, engine, BYTES("sql"), a, &again, &problem) == PARTS_CUT && again.count == cut->count);
    for (size_t i = 0; i < cut->count; i++) {
        MUST(bytes_equal(again.parts[i].id, cut->parts[i].id));
        MUST(memcmp(&again.places[i], &cut->places[i], sizeof(again.places[i])) == 0);
    }
}

static void check_statements(
    struct bytes code, struct bytes engine, const struct parts_cut *cut, struct arena *a)
{
    const struct convert_rules rules = {.derived_max_bytes = 1 << 20};
    struct statements_piece *pieces = arena_array(a, cut->count, sizeof(*pieces));
    struct statements_text text = {code, BYTES("sql"), pieces, cut->count};
    struct statements_problem problem = {.line = NO_INT};
    struct statements all;
    struct job j;
    size_t part = 0;

    for (size_t i = 0; i < cut->count; i++)
        pieces[i] =
            (struct statements_piece){cut->places[i].from, cut->places[i].to, cut->places[i].first_line,
                cut->parts[i].engine.len > 0 ? cut->parts[i].engine : engine, BYTES("sql"), cut->parts[i].id};
    shape_clear(&shape_converted, &j);
    j.creator = BYTES("ide");
    j.user = BYTES("ann");
    j.code = code;
    statements_begin(&all, &rules, &j, 0, 1 << 20, a);
    bool done = statements_add(&all, &text, &problem);
    statements_end(&all);
    if (!done) {
        MUST(job_error_code(problem.code) != NULL && problem.message.len > 0);
        return;
    }
    for (size_t i = 0; i < j.statements.count; i++) {
        const struct job_statement *s = &j.statements.items[i];
        while (part < cut->count && !bytes_equal(cut->parts[part].id, s->part))
            part++;
        MUST(part < cut->count && s->index == (int64_t)i);
        MUST(s->offset >= (int64_t)cut->places[part].from &&
             s->offset + s->length <= (int64_t)cut->places[part].to);
        MUST(s->first_line == line_of(code, (size_t)s->offset));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes engine = bytes_of(engines[size > 0 ? data[0] % ENGINES : 0]);
    struct bytes code = {size > 0 ? (const char *)data + 1 : "", size > 0 ? size - 1 : 0};
    struct parts_problem problem;
    struct parts_cut cut;
    struct arena a;

    arena_init(&a);
    switch (parts_cut(code, engine, BYTES("sql"), &a, &cut, &problem)) {
    case PARTS_NONE:
        break;
    case PARTS_CUT:
        MUST(cut.count > 0 && cut.count <= JOB_PARTS_MAX);
        MUST(part_graph_check(cut.parts, cut.count, &a, none, NULL));
        check_places(code, &cut);
        check_again(code, engine, &cut, &a);
        check_statements(code, engine, &cut, &a);
        break;
    case PARTS_WRONG:
        MUST(job_error_code(problem.code) != NULL && problem.message.len > 0);
        MUST(problem.line >= 1 && problem.line <= line_of(code, code.len));
        break;
    }
    arena_release(&a);
    return 0;
}
