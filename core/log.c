/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: see log.h. A line is built on the stack and goes out with one write(2), so that lines of several
 * threads and processes on one stderr don't mix. A line that is too long is cut with "..."; control
 * characters in values that were not quoted become spaces: one event stays one line.
 */
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"

enum { LINE_MAX_BYTES = 8192, QUOTE_BYTES = 512, QUOTE_RING = 4 };

static const char *log_program = "millrace"; /* set once by log_init, before threads */
static enum log_level log_least = LOG_INFO;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

void log_init(const char *program, enum log_level least)
{
    log_program = program;
    log_least = least;
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_wants(enum log_level level)
{
    return level >= log_least;
}

static void write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody listens: there is no other place to tell */
        data += n;
        len -= (size_t)n;
    }
}

__attribute__((format(printf, 3, 0))) static void log_line(
    const char *level, const char *event, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    char time[CLOCK_TEXT_SIZE];
    const size_t room = sizeof(line) - 1; /* the last one is for the newline */
    int n = snprintf(line, room, "ts=%s level=%s stage=%s event=%s ", clock_text(clock_utc_ms(), time), level,
        log_program, event);
    size_t len = n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
    size_t start = len;

    n = vsnprintf(line + len, room - len, format, args);
    if (n > 0 && (size_t)n < room - len) {
        len += (size_t)n;
    } else if (n > 0) {
        len = room - 1;
        for (size_t i = 1; i <= 3; i++)
            line[len - i] = '.';
    }
    for (size_t i = start; i < len; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7F)
            line[i] = ' ';
    }
    while (len > 0 && line[len - 1] == ' ')
        len--;
    line[len++] = '\n';
    write_all(line, len);
}

#define LOG_AT(level, event, format)                                                                         \
    do {                                                                                                     \
        if ((level) >= log_least) {                                                                          \
            va_list args;                                                                                    \
            va_start(args, format);                                                                          \
            log_line(level_names[level], event, format, args);                                               \
            va_end(args);                                                                                    \
        }                                                                                                    \
    } while (0)

void log_debug(const char *event, const char *format, ...)
{
    LOG_AT(LOG_DEBUG, event, format);
}

void log_info(const char *event, const char *format, ...)
{
    LOG_AT(LOG_INFO, event, format);
}

void log_warn(const char *event, const char *format, ...)
{
    LOG_AT(LOG_WARN, event, format);
}

void log_error(const char *event, const char *format, ...)
{
    LOG_AT(LOG_ERROR, event, format);
}

void log_fatal(const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line("fatal", event, format, args);
    va_end(args);
    _exit(EXIT_BROKEN); /* not exit(): other threads run, and nothing of ours needs atexit */
}

/* Appends the escaped form of one character of text to out; returns how many bytes of text it took. */
static size_t quote_one(struct bytes text, char out[8], size_t *out_len)
{
    unsigned char c = (unsigned char)text.data[0];
    const char *name = c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\r' ? "\\r" : c == '"' ? "\\\"" : NULL;

    if (c == '\\')
        name = "\\\\";
    if (name) {
        memcpy(out, name, 2);
        *out_len = 2;
        return 1;
    }
    if (c >= 0x20 && c < 0x7F) {
        out[0] = (char)c;
        *out_len = 1;
        return 1;
    }
    if (c >= 0xC2) {
        size_t len = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        if (len <= text.len && bytes_is_utf8((struct bytes){text.data, len})) {
            memcpy(out, text.data, len);
            *out_len = len;
            return len;
        }
    }
    snprintf(out, 8, "\\x%02x", (unsigned)c);
    *out_len = 4;
    return 1;
}

const char *log_quote(struct bytes text)
{
    static _Thread_local char ring[QUOTE_RING][QUOTE_BYTES];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % QUOTE_RING];
    size_t at = 0;

    out[at++] = '"';
    while (text.len > 0) {
        char piece[8];
        size_t len;
        size_t taken = quote_one(text, piece, &len);
        if (at + len + sizeof("...\"") > QUOTE_BYTES) {
            memcpy(out + at, "...", 3);
            at += 3;
            break;
        }
        memcpy(out + at, piece, len);
        at += len;
        text.data += taken;
        text.len -= taken;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}
