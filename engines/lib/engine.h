/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: a small helper for engines written in C. It reads the executor's lines from stdin and writes lines to stdout
 * (the protocol: docs/engines.md). Lines are built in a buffer and sent with engine_send: one write for many lines.
 */
#ifndef MILLRACE_ENGINES_LIB_ENGINE_H
#define MILLRACE_ENGINES_LIB_ENGINE_H

#include <jansson.h>

#include "core/line_reader.h"

/* ---- from the executor ---- */

/* Reads once from stdin (waits if there is nothing, unless stdin is non-blocking). False: the end, or broken. */
bool engine_read(struct line_reader *in);
/* The next whole line as an object, and its type ("" if it has none); lines that are no objects are skipped. NULL: none
 * left. The caller has the reference. */
json_t *engine_next(struct line_reader *in, const char **type);
/* A string field; BYTES_NONE if missing or of another type. Borrowed from the object. */
struct bytes engine_text(const json_t *o, const char *name);

/* ---- to the executor; each appends a line ---- */

/* capabilities: a JSON list, e.g. "[\"clean\"]". */
void engine_say_ready(struct buf *out, const char *name, int concurrency, const char *capabilities);
void engine_say_pong(struct buf *out);
/* What is not UTF-8, and NUL bytes, become U+FFFD. partial: the last line goes on in the next text. */
void engine_say_log(struct buf *out, struct bytes run, const char *level, struct bytes text, bool partial);
/* exit_code: of the process that was run; -1: there was none. */
void engine_say_done(struct buf *out, struct bytes run, long long exit_code);

struct engine_failure {
    const char *code; /* a row of job_error_codes */
    struct bytes message;
    long long offset;    /* of the statement's first byte in the code; -1: none */
    long long line;      /* 1-based; 0: none */
    long long exit_code; /* -1: none */
    bool retryable;
};
void engine_say_error(struct buf *out, struct bytes run, const struct engine_failure *f);

/* Writes all to stdout and clears the buffer. Ends the process when the executor is gone. Safe from every thread. */
void engine_send(struct buf *out);

#endif
