/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error: what went wrong, as text made where the fact is known.
 *
 * The caller holds the struct; a function that can fail takes `struct error *` last and returns bool (true is
 * success) or a pointer. Each layer may extend the message at most once (error_wrap). It is logged once, at
 * the top. `code` is a stable word for programs (see core/job.h for those that users see), `text` is for
 * people and says what to do.
 *
 * Two kinds of failure: bad input is a value (an error is returned, the user is told); a broken world (lost
 * memory, own file corrupt, servers gone for good) ends the process through log_fatal (core/log.h). A bug is
 * an assertion: MUST(), always compiled in.
 */
#ifndef MILLRACE_CORE_ERROR_H
#define MILLRACE_CORE_ERROR_H

#include <stdbool.h>

#define ERROR_CODE_MAX 40
#define ERROR_TEXT_MAX 1024

struct error {
    char code[ERROR_CODE_MAX]; /* "" when nothing went wrong */
    char text[ERROR_TEXT_MAX];
};

void error_clear(struct error *e);
/* Sets code and text; always returns false, so that `return error_set(...)` reads well. Text is cut at a UTF-8 border. */
bool error_set(struct error *e, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "context: " before the text, keeps the code; returns false. */
bool error_wrap(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_is(const struct error *e, const char *code);

/* An assertion that stays in release builds: prints file, line and condition, then aborts. */
#define MUST(condition) ((condition) ? (void)0 : error_bug(__FILE__, __LINE__, #condition))
_Noreturn void error_bug(const char *file, int line, const char *condition);

#endif
