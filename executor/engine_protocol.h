/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_protocol: the lines between executor and engine process, one JSON object each (docs/engines.md).
 * Pure: bytes in, structs out, and back. An engine is not trusted: every line is checked, lines have a size
 * limit.
 */
#ifndef MILLRACE_EXECUTOR_ENGINE_PROTOCOL_H
#define MILLRACE_EXECUTOR_ENGINE_PROTOCOL_H

#include <jansson.h>

#include "core/error.h"
#include "core/line_reader.h"
#include "core/shape.h"

#define ENGINE_LINE_MAX (8 * 1024 * 1024)
#define ENGINE_CONCURRENCY_MAX 1024
#define ENGINE_COLUMNS_MAX 4096
#define ENGINE_WORD_MAX 255 /* names and formats of results */

/* ---- from the engine ---- */
enum engine_line_type {
    LINE_READY,
    LINE_LOG,
    LINE_PROGRESS,
    LINE_COLUMNS,
    LINE_ROWS,
    LINE_RESULT,
    LINE_DONE,
    LINE_ERROR,
    LINE_PONG,
    ENGINE_LINE_TYPES
};

/* What an engine may say of itself in `ready`. */
enum engine_capability {
    ENGINE_CLEAN = 1, /* leaves no process behind when it says done or error: the executor need not sweep */
    ENGINE_FILES = 2, /* writes result files itself: wants a result_dir */
};

/* Texts are borrowed from `root`; fields that a type does not have are BYTES_NONE, NO_INT or NULL. */
struct engine_line {
    enum engine_line_type type;
    json_t *root;
    struct bytes run; /* all but ready and pong */
    /* ready */
    struct bytes engine, version;
    int64_t concurrency;
    unsigned capabilities;
    /* log */
    struct bytes level, text;
    bool partial; /* the text's last line goes on in the next log line */
    double progress;
    /* columns, result, error: the byte of the run's code at which the statement begins that this is about */
    int64_t offset;
    /* columns: [{"name", "type", "comment"}]; name: of the table. rows: [[...], ...] */
    json_t *columns, *rows;
    bool last; /* no more rows of this table: it is complete whatever comes */
    /* result: a file in result_dir */
    struct bytes path, name, kind, format;
    int64_t row_count;
    /* error; line is 1-based in the code of the run */
    struct bytes code, message, detail;
    int64_t line, exit_code;
    bool retryable;
};
/* False: code engine_protocol, and a text that shows the beginning of the line. On success release it. */
bool engine_line_parse(struct bytes line, struct engine_line *out, struct error *e);
void engine_line_release(struct engine_line *l);

/* ---- to the engine; each appends one line ---- */
void engine_say_hello(struct buf *out, const char *instance);
struct engine_run {
    struct bytes run, job_id, creator, user, target, code_type, code, node;
    int64_t attempt, timeout_ms, max_result_rows;
    struct pairs variables, conf;
};
/* Without result_dir and the end: engine_say_run_end completes the line. */
void engine_say_run(struct buf *out, const struct engine_run *r);
/* result_dir: BYTES_NONE for engines without ENGINE_FILES. */
void engine_say_run_end(struct buf *out, struct bytes result_dir);
void engine_say_cancel(struct buf *out, struct bytes run);
void engine_say_ping(struct buf *out);

#endif
