/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: facts as key=value lines on stderr: "ts=2026-01-02T03:04:05.678Z level=info stage=planner event=started ...".
 *
 * Callers write the keys: log_info("assigned", "topic=%s partition=%d", topic, partition). Values with spaces or
 * quotes are written through log_quote. A line that nobody can act on is debug. One write(2) per line, safe from
 * every thread.
 */
#ifndef MILLRACE_CORE_LOG_H
#define MILLRACE_CORE_LOG_H

#include "core/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* `program` is borrowed for the life of the process. */
void log_init(const char *program, enum log_level least);
bool log_level_parse(const char *name, enum log_level *out);
/* Whether such a line would be written: for hot paths whose arguments cost something. */
bool log_wants(enum log_level level);

void log_debug(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warn(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_error(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A broken world: logs and ends the process with EXIT_BROKEN. Nothing was committed, so a restart recovers. */
_Noreturn void log_fatal(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "text" with quotes, backslashes and control characters escaped; in a ring of per-thread buffers, good for the
 * same log call (up to 4 at once, 512 bytes each, longer text is cut with "..."). */
const char *log_quote(struct bytes text);

/* Exit codes of every program (documented in docs/operations.md). */
enum exit_code {
    EXIT_DONE = 0,    /* asked to stop, and stopped in order */
    EXIT_BROKEN = 1,  /* the world is broken: look at the last log line; a restart recovers */
    EXIT_SETTINGS = 2 /* wrong settings or arguments: a restart does not help */
};

#endif
