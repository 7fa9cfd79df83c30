/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dry_run_answer: see dry_run_answer.h.
 */
#include "ingest/dry_run_answer.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/json_text.h"
#include "ingest/answer.h"

static json_t *strings_json(const struct strings *list, json_t *to)
{
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(to, shape_text_json(list->items[i]));
    return to;
}

static int add_dumped(const char *text, size_t len, void *out)
{
    buf_add(out, text, len);
    return 0;
}

/* `,"name":value`; takes the value. */
static void add_member(struct buf *out, const char *name, json_t *value)
{
    buf_printf(out, ",\"%s\":", name);
    MUST(json_dump_callback(value, add_dumped, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0);
    json_decref(value);
}

/* Code makes most of an answer, and is written straight: as values of a tree it would cost more than the conversion. */
static void add_job(struct buf *out, const struct job *j)
{
    struct job rest = *j;
    rest.code = BYTES("");
    json_t *object = shape_to_json(&shape_submitted, &rest, SHAPE_EXTERNAL | SHAPE_COMPACT);
    json_object_del(object, "code");
    add_member(out, "job", object);
    out->len--; /* its closing brace */
    json_text_field(out, "code", j->code.data ? j->code : BYTES(""));
    buf_add_char(out, '}');
}

static void add_code(struct buf *out, const struct job *j)
{
    buf_add_text(out, ",\"code\":[");
    for (size_t i = 0; i < j->statements.count; i++) {
        const struct job_statement *s = &j->statements.items[i];
        buf_printf(out, "%s{\"statement\":%lld,\"first_line\":%lld", i ? "," : "", (long long)s->index,
            (long long)s->first_line);
        json_text_field(out, "part", s->part);
        json_text_field(out, "text", job_statement_text(j, s));
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static json_t *variables_json(const struct told *t)
{
    json_t *used = json_object(), *left = json_array();
    for (size_t i = 0; i < t->used_count; i++)
        json_object_setn_new(
            used, t->used[i].key.data, t->used[i].key.len, shape_text_json(t->used[i].value));
    for (size_t i = 0; i < t->left_count; i++)
        json_array_append_new(left, shape_text_json(t->left[i]));
    json_t *variables = json_pack("{s:o, s:o}", "used", used, "left", left);
    if (t->more)
        json_object_set_new(variables, "more", json_true());
    return variables;
}

static void add_number(json_t *object, const char *key, int64_t n, int64_t least)
{
    if (n != NO_INT && n >= least)
        json_object_set_new(object, key, json_integer((json_int_t)n));
}

static json_t *with_part(json_t *error, const struct told *t)
{
    if (t->part.len > 0)
        json_object_set_new(error, "part", shape_text_json(t->part));
    return error;
}

static json_t *finding_json(const struct finding *f)
{
    return json_pack("{s:s, s:o, s:o, s:I, s:I}", "code", "forbidden_code", "detail",
        shape_text_json(f->message), "rule", shape_text_json(f->rule), "line", (json_int_t)f->line, "column",
        (json_int_t)f->column);
}

static json_t *error_json(const struct dry_run *d)
{
    const struct job_error *error = d->submission.job.error;
    json_t *object = json_pack(
        "{s:o, s:o}", "code", shape_text_json(error->code), "detail", shape_text_json(error->message));
    add_number(object, "line", error->line, 1);
    if (error->line != NO_INT)
        add_number(object, "column", d->told.column, 1);
    add_number(object, "statement", error->statement, 0);
    return with_part(object, &d->told);
}

static json_t *errors_json(const struct dry_run *d)
{
    const struct field_problems *problems = d->refusal ? &d->refusal->problems : &d->told.problems;
    const struct job_error *error = d->submission.job.error;
    int64_t line = !d->refusal && error ? error->line : NO_INT; /* of the first problem in the code */
    json_t *errors = field_problems_json(problems);
    for (size_t i = 0; i < problems->count; i++) {
        if (bytes_equal_text(problems->items[i].field, "code")) {
            add_number(json_array_get(errors, i), "line", line, 1);
            line = NO_INT;
        }
    }
    for (size_t i = 0; i < d->told.findings.count; i++)
        json_array_append_new(errors, with_part(finding_json(&d->told.findings.items[i]), &d->told));
    if (json_array_size(errors) == 0 && error)
        json_array_append_new(errors, error_json(d));
    return errors;
}

/* Without the leaves' code: `code` has it. */
static json_t *plan_json(const struct job *j)
{
    struct job shown = *j;
    shown.nodes.items = calloc(j->nodes.count + 1, sizeof *shown.nodes.items);
    MUST(shown.nodes.items != NULL);
    for (size_t i = 0; i < j->nodes.count; i++) {
        shown.nodes.items[i] = j->nodes.items[i];
        shown.nodes.items[i].code = BYTES_NONE;
    }
    json_t *plan = shape_to_json(&shape_plan, &shown, SHAPE_COMPACT);
    free(shown.nodes.items);
    return plan;
}

static json_t *where_json(const struct job *j, int64_t executors)
{
    json_t *where = json_array();
    for (size_t i = 0; i < j->nodes.count; i++) {
        const struct job_node *n = &j->nodes.items[i];
        if (n->children.count > 0)
            continue;
        json_array_append_new(
            where, json_pack("{s:o, s:o, s:o, s:o, s:o}", "node", answer_text(n->id), "engine",
                       answer_text(n->engine), "target", answer_text(n->target), "pool", answer_text(j->pool),
                       "executors", executors == NO_INT ? json_null() : json_integer((json_int_t)executors)));
    }
    return where;
}

void dry_run_write(const struct dry_run *d, const struct dry_run_world *w, struct buf *out)
{
    const struct job *j = &d->submission.job;
    bool accepted = !d->refusal && !j->error;
    json_t *warnings = strings_json(&w->warnings, strings_json(&j->warnings, json_array()));
    buf_printf(out, "{\"dry_run\":true,\"accepted\":%s", accepted ? "true" : "false");
    add_job(out, j);
    add_code(out, j);
    add_member(out, "variables", variables_json(&d->told));
    add_member(out, "warnings", warnings);
    add_member(out, "errors", errors_json(d));
    add_member(out, "plan", accepted ? plan_json(j) : json_null());
    add_member(out, "where", accepted ? where_json(j, w->executors) : json_array());
    buf_add_char(out, '}');
}
