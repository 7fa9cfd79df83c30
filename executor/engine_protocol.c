/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_protocol: see the header. Each type of line is a row: its name, and a function that takes its
 * fields.
 */
#include "executor/engine_protocol.h"

#include <stdlib.h>
#include <string.h>

#include "core/json_text.h"

/* ---- fields ---- */

static bool wrong(struct error *e, const char *field, const char *wanted)
{
    return error_set(e, "engine_protocol", "field \"%s\" must be %s", field, wanted);
}

/* Missing and null: *out stays. */
static bool take_text(const json_t *o, const char *field, struct bytes *out, struct error *e)
{
    const json_t *v = json_object_get(o, field);
    if (v == NULL || json_is_null(v)) {
        return true;
    }
    if (!json_is_string(v)) {
        return wrong(e, field, "a string");
    }
    *out = (struct bytes){json_string_value(v), json_string_length(v)};
    return true;
}

/* A text that ends up in the job's last event and its document, a thousand times perhaps: so it is short. */
static bool take_word(const json_t *o, const char *field, struct bytes *out, struct error *e)
{
    if (!take_text(o, field, out, e)) {
        return false;
    }
    return out->len <= ENGINE_WORD_MAX || wrong(e, field, "at most 255 bytes");
}

static bool need_text(const json_t *o, const char *field, struct bytes *out, struct error *e)
{
    if (!take_text(o, field, out, e)) {
        return false;
    }
    return out->data != NULL || wrong(e, field, "a string");
}

static bool take_int(const json_t *o, const char *field, int64_t *out, struct error *e)
{
    const json_t *v = json_object_get(o, field);
    if (v == NULL || json_is_null(v)) {
        return true;
    }
    if (!json_is_integer(v)) {
        return wrong(e, field, "an integer");
    }
    *out = json_integer_value(v);
    return true;
}

/* Where in the code a statement begins. */
static bool take_offset(const json_t *o, int64_t *out, struct error *e)
{
    if (!take_int(o, "offset", out, e)) {
        return false;
    }
    return *out == NO_INT || *out >= 0 || wrong(e, "offset", "a number of bytes");
}

static bool take_bool(const json_t *o, const char *field, bool *out, struct error *e)
{
    const json_t *v = json_object_get(o, field);
    if (v == NULL || json_is_null(v)) {
        return true;
    }
    if (!json_is_boolean(v)) {
        return wrong(e, field, "true or false");
    }
    *out = json_is_true(v);
    return true;
}

/* ---- one function per type ---- */

static bool take_ready(struct engine_line *l, struct error *e)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {{"clean", ENGINE_CLEAN}, {"files", ENGINE_FILES}};
    l->concurrency = 1;
    if (!need_text(l->root, "engine", &l->engine, e) || !take_text(l->root, "version", &l->version, e) ||
        !take_int(l->root, "concurrency", &l->concurrency, e)) {
        return false;
    }
    if (l->concurrency < 1 || l->concurrency > ENGINE_CONCURRENCY_MAX) {
        return wrong(e, "concurrency", "1 to 1024");
    }
    const json_t *list = json_object_get(l->root, "capabilities");
    if (list != NULL && !json_is_array(list)) {
        return wrong(e, "capabilities", "a list of strings");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        for (size_t k = 0; name != NULL && k < sizeof(known) / sizeof(known[0]); k++) {
            l->capabilities |= strcmp(name, known[k].name) == 0 ? known[k].bit : 0;
        }
    }
    return true;
}

static bool take_log(struct engine_line *l, struct error *e)
{
    static const char *const levels[] = {"stdout", "stderr", "info", "warn", "error"};
    l->level = BYTES("info");
    if (!take_text(l->root, "level", &l->level, e) || !need_text(l->root, "text", &l->text, e) ||
        !take_bool(l->root, "partial", &l->partial, e)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (bytes_equal_text(l->level, levels[i])) {
            return true;
        }
    }
    return wrong(e, "level", "stdout, stderr, info, warn or error");
}

static bool take_progress(struct engine_line *l, struct error *e)
{
    const json_t *v = json_object_get(l->root, "done");
    if (!json_is_number(v)) {
        return wrong(e, "done", "a number from 0 to 1");
    }
    l->progress = json_number_value(v);
    return (l->progress >= 0.0 && l->progress <= 1.0) || wrong(e, "done", "a number from 0 to 1");
}

static bool take_columns(struct engine_line *l, struct error *e)
{
    l->columns = json_object_get(l->root, "columns");
    size_t count = json_array_size(l->columns);
    if (count == 0 || count > ENGINE_COLUMNS_MAX) {
        return wrong(e, "columns", "a list of 1 to 4096 columns");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *column = json_array_get(l->columns, i);
        struct bytes text = BYTES_NONE;
        if (!json_is_object(column)) {
            return wrong(e, "columns", "a list of objects");
        }
        if (!need_text(column, "name", &text, e) || !take_text(column, "type", &text, e) ||
            !take_text(column, "comment", &text, e)) {
            return error_wrap(e, "column %zu", i + 1);
        }
    }
    return take_word(l->root, "name", &l->name, e) && take_offset(l->root, &l->offset, e);
}

static bool take_rows(struct engine_line *l, struct error *e)
{
    l->rows = json_object_get(l->root, "rows");
    if (!json_is_array(l->rows)) {
        return wrong(e, "rows", "a list of rows");
    }
    for (size_t i = 0; i < json_array_size(l->rows); i++) {
        if (!json_is_array(json_array_get(l->rows, i))) {
            return wrong(e, "rows", "a list of lists of values");
        }
    }
    return take_bool(l->root, "last", &l->last, e);
}

static bool take_result(struct engine_line *l, struct error *e)
{
    static const char *const kinds[] = {"table", "text", "image", "html", "file"};
    l->kind = BYTES("file");
    if (!need_text(l->root, "path", &l->path, e) || !take_word(l->root, "name", &l->name, e) ||
        !take_text(l->root, "kind", &l->kind, e) || !take_word(l->root, "format", &l->format, e) ||
        !take_int(l->root, "rows", &l->row_count, e) || !take_offset(l->root, &l->offset, e)) {
        return false;
    }
    /* A plain file name: it can't leave the folder that the engine was given. */
    if (l->path.len == 0 || l->path.len > 255 || l->path.data[0] == '.' ||
        memchr(l->path.data, '/', l->path.len) != NULL || memchr(l->path.data, '\0', l->path.len) != NULL) {
        return wrong(
            e, "path", "the name of a file in result_dir, without slashes and not beginning with a dot");
    }
    if (l->row_count != NO_INT && l->row_count < 0) {
        return wrong(e, "rows", "a number of rows");
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (bytes_equal_text(l->kind, kinds[i])) {
            return true;
        }
    }
    return wrong(e, "kind", "table, text, image, html or file");
}

static bool take_done(struct engine_line *l, struct error *e)
{
    return take_int(l->root, "exit_code", &l->exit_code, e);
}

static bool take_error(struct engine_line *l, struct error *e)
{
    if (!need_text(l->root, "code", &l->code, e) || !need_text(l->root, "message", &l->message, e) ||
        !take_text(l->root, "detail", &l->detail, e) || !take_int(l->root, "line", &l->line, e) ||
        !take_int(l->root, "exit_code", &l->exit_code, e) ||
        !take_bool(l->root, "retryable", &l->retryable, e) || !take_offset(l->root, &l->offset, e)) {
        return false;
    }
    if (l->code.len == 0 || l->code.len > ERROR_CODE_MAX - 1) {
        return wrong(e, "code", "a word of at most 39 bytes");
    }
    return true;
}

static bool take_pong(struct engine_line *l, struct error *e)
{
    (void)l;
    (void)e;
    return true;
}

static const struct {
    const char *name;
    bool of_run;
    bool (*take)(struct engine_line *l, struct error *e);
} line_types[ENGINE_LINE_TYPES] = {
    [LINE_READY] = {"ready", false, take_ready},
    [LINE_LOG] = {"log", true, take_log},
    [LINE_PROGRESS] = {"progress", true, take_progress},
    [LINE_COLUMNS] = {"columns", true, take_columns},
    [LINE_ROWS] = {"rows", true, take_rows},
    [LINE_RESULT] = {"result", true, take_result},
    [LINE_DONE] = {"done", true, take_done},
    [LINE_ERROR] = {"error", true, take_error},
    [LINE_PONG] = {"pong", false, take_pong},
};

static bool parse_object(struct engine_line *l, struct error *e)
{
    struct bytes type = BYTES_NONE;
    if (!need_text(l->root, "type", &type, e)) {
        return false;
    }
    for (int i = 0; i < ENGINE_LINE_TYPES; i++) {
        if (!bytes_equal_text(type, line_types[i].name)) {
            continue;
        }
        l->type = (enum engine_line_type)i;
        if (line_types[i].of_run && !need_text(l->root, "run", &l->run, e)) {
            return false;
        }
        return line_types[i].take(l, e);
    }
    return error_set(
        e, "engine_protocol", "there is no type \"%.*s\"", (int)(type.len > 40 ? 40 : type.len), type.data);
}

bool engine_line_parse(struct bytes line, struct engine_line *out, struct error *e)
{
    *out = (struct engine_line){.row_count = NO_INT, .line = NO_INT, .exit_code = NO_INT, .offset = NO_INT};
    json_error_t why;
    bool ok = false;
    if (line.len > ENGINE_LINE_MAX) {
        return error_set(e, "engine_protocol", "a line has more than %d bytes", ENGINE_LINE_MAX);
    }
    out->root = json_loadb(line.data, line.len, JSON_ALLOW_NUL, &why);
    if (json_is_object(out->root)) {
        ok = parse_object(out, e);
    } else {
        error_set(e, "engine_protocol", "not a JSON object");
    }
    if (!ok) {
        struct buf shown;
        buf_init(&shown);
        json_text_clean(&shown, bytes_slice(line, 0, 100));
        error_wrap(
            e, "the engine wrote \"%.*s%s\"", BYTES_ARG(buf_bytes(&shown)), line.len > 100 ? "..." : "");
        buf_release(&shown);
        engine_line_release(out);
    }
    return ok;
}

void engine_line_release(struct engine_line *l)
{
    json_decref(l->root);
    l->root = NULL;
}

/* ---- to the engine ---- */

static void add_int(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, ",\"%s\":%lld", name, (long long)value);
}

static void add_pairs(struct buf *out, const char *name, struct pairs pairs)
{
    buf_printf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < pairs.count; i++) {
        if (i > 0) {
            buf_add_char(out, ',');
        }
        json_text(out, pairs.items[i].key);
        buf_add_char(out, ':');
        json_text(out, pairs.items[i].value);
    }
    buf_add_char(out, '}');
}

void engine_say_hello(struct buf *out, const char *instance)
{
    buf_add_text(out, "{\"type\":\"hello\",\"protocol\":1");
    json_text_field(out, "instance", bytes_of(instance));
    buf_add_text(out, "}\n");
}

void engine_say_run(struct buf *out, const struct engine_run *r)
{
    buf_add_text(out, "{\"type\":\"run\"");
    json_text_field(out, "run", r->run);
    json_text_field(out, "job", r->job_id);
    add_int(out, "attempt", r->attempt);
    json_text_field(out, "node", r->node);
    json_text_field(out, "creator", r->creator);
    json_text_field(out, "user", r->user);
    json_text_field(out, "target", r->target);
    json_text_field(out, "code_type", r->code_type);
    json_text_field(out, "code", r->code);
    add_pairs(out, "variables", r->variables);
    add_pairs(out, "conf", r->conf);
    add_int(out, "timeout_ms", r->timeout_ms);
    add_int(out, "max_result_rows", r->max_result_rows);
}

void engine_say_run_end(struct buf *out, struct bytes result_dir)
{
    json_text_field(out, "result_dir", result_dir);
    buf_add_text(out, "}\n");
}

void engine_say_cancel(struct buf *out, struct bytes run)
{
    buf_add_text(out, "{\"type\":\"cancel\"");
    json_text_field(out, "run", run);
    buf_add_text(out, "}\n");
}

void engine_say_ping(struct buf *out)
{
    buf_add_text(out, "{\"type\":\"ping\"}\n");
}
