/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/*
 * Statements with all rules on: the first byte chooses engine and code type, the rest is the code. Statements lie in the code, in order; what
 * is refused has its place in it.
 */
#include "converter/dangers.h"
#include "converter/statements.h"
#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *engine, *type;
} kinds[] = {{"sqlite", "sql"}, {"postgres", "sql"}, {"mysql", "sql"}, {"sqlserver", "sql"}, {"spark", "sql"},
    {"nobody", "sql"}, {"shell", "shell"}, {"python", "python"}, {"spark", "scala"}, {"x", "json"},
    {"x", "java"}, {"x", "text"}};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int64_t lines_of(struct bytes code)
{
    int64_t lines = 1;

    for (size_t i = 0; i < code.len; i++)
        lines += code.data[i] == '\n';
    return lines;
}

static void check(const struct job *j, struct bytes code)
{
    int64_t at = 0, line = 1;

    MUST(j->statements.count > 0);
    for (size_t i = 0; i < j->statements.count; i++) {
        const struct job_statement *s = &j->statements.items[i];
        MUST(s->index == (int64_t)i && s->offset >= at && s->length > 0 && s->first_line >= line);
        at = s->offset + s->length;
        line = s->first_line;
        MUST(at <= (int64_t)code.len && line <= lines_of(code));
        MUST(lines_of(bytes_slice(code, 0, (size_t)s->offset)) == line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pair given[] = {
        {BYTES("a"), BYTES("x\n;drop t")}, {BYTES("b"), BYTES("")}, {BYTES("c"), BYTES("rm /")}};
    struct bytes phrases[] = {BYTES("drop"), BYTES("delete without where"), BYTES("create table")};
    struct bytes languages[] = {BYTES("shell"), BYTES("python"), BYTES("scala")};
    size_t kind = size > 0 ? data[0] % KINDS : 0;
    const struct bytes code = {size > 0 ? (const char *)data + 1 : "", size > 0 ? size - 1 : 0};
    const struct statements_piece piece = {
        0, code.len, 1, bytes_of(kinds[kind].engine), bytes_of(kinds[kind].type), BYTES_NONE};
    const struct statements_text text = {code, piece.code_type, &piece, 1};
    struct statements all;
    struct convert_rules rules = {.derived_max_bytes = 1 << 20};
    struct statements_problem problem = {.line = NO_INT};
    struct limit limit;
    struct arena a;
    struct job j;

    arena_init(&a);
    shape_clear(&shape_limit, &limit);
    limit.selector = BYTES("*");
    limit.forbidden_sql = (struct strings){phrases, 3};
    limit.forbidden_code = (struct strings){languages, 3};
    limit.row_limit = 10;
    struct limits *groups = limits_of(&limit, 1);
    rules.groups = groups;
    shape_clear(&shape_converted, &j);
    j.creator = BYTES("ide");
    j.user = BYTES("ann");
    j.code = code;
    j.variables = (struct pairs){given, 3};
    statements_begin(&all, &rules, &j, 0, 1 << 20, &a);
    bool done = statements_add(&all, &text, &problem);
    statements_end(&all);
    if (done)
        check(&j, code);
    else
        MUST(job_error_code(problem.code) != NULL && problem.message.len > 0 &&
             (problem.line == NO_INT || (problem.line > 0 && problem.line <= lines_of(code))));
    limits_free(groups);
    arena_release(&a);
    return 0;
}
