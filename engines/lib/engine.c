/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine: see the header.
 */
#include "engines/lib/engine.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "core/json_text.h"

#define READ_SIZE ((size_t)64 * 1024)

bool engine_read(struct line_reader *in)
{
    static char chunk[READ_SIZE]; /* one reader */
    ssize_t n;
    do {
        n = read(STDIN_FILENO, chunk, sizeof(chunk));
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        line_reader_add(in, (struct bytes){chunk, (size_t)n});
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

json_t *engine_next(struct line_reader *in, const char **type)
{
    struct bytes line;
    while (line_reader_next(in, &line)) {
        json_t *o = json_loadb(line.data, line.len, JSON_ALLOW_NUL, NULL);
        if (json_is_object(o)) {
            const char *text = json_string_value(json_object_get(o, "type"));
            *type = text == NULL ? "" : text;
            return o;
        }
        json_decref(o);
    }
    return NULL;
}

struct bytes engine_text(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return json_is_string(v) ? (struct bytes){json_string_value(v), json_string_length(v)} : BYTES_NONE;
}

static void begin(struct buf *out, const char *type, struct bytes run)
{
    buf_printf(out, "{\"type\":\"%s\"", type);
    if (run.data != NULL) {
        json_text_field(out, "run", run);
    }
}

static void end(struct buf *out)
{
    buf_add(out, "}\n", 2);
}

void engine_say_ready(struct buf *out, const char *name, int concurrency, const char *capabilities)
{
    begin(out, "ready", BYTES_NONE);
    json_text_field(out, "engine", bytes_of(name));
    json_text_field(out, "version", bytes_of(MILLRACE_VERSION));
    buf_printf(out, ",\"concurrency\":%d,\"capabilities\":%s", concurrency, capabilities);
    end(out);
}

void engine_say_pong(struct buf *out)
{
    begin(out, "pong", BYTES_NONE);
    end(out);
}

void engine_say_log(struct buf *out, struct bytes run, const char *level, struct bytes text, bool partial)
{
    struct buf clean;
    buf_init(&clean);
    json_text_clean(&clean, text);
    begin(out, "log", run);
    json_text_field(out, "level", bytes_of(level));
    json_text_field(out, "text", buf_bytes(&clean));
    buf_add_text(out, partial ? ",\"partial\":true" : "");
    end(out);
    buf_release(&clean);
}

void engine_say_done(struct buf *out, struct bytes run, long long exit_code)
{
    begin(out, "done", run);
    if (exit_code >= 0) {
        buf_printf(out, ",\"exit_code\":%lld", exit_code);
    }
    end(out);
}

void engine_say_error(struct buf *out, struct bytes run, const struct engine_failure *f)
{
    begin(out, "error", run);
    json_text_field(out, "code", bytes_of(f->code));
    json_text_field(out, "message", f->message);
    if (f->line > 0) {
        buf_printf(out, ",\"line\":%lld", f->line);
    }
    if (f->offset >= 0) {
        buf_printf(out, ",\"offset\":%lld", f->offset);
    }
    if (f->exit_code >= 0) {
        buf_printf(out, ",\"exit_code\":%lld", f->exit_code);
    }
    buf_add_text(out, f->retryable ? ",\"retryable\":true" : "");
    end(out);
}

void engine_send(struct buf *out)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&lock);
    for (size_t sent = 0; sent < out->len;) {
        ssize_t n = write(STDOUT_FILENO, out->data + sent, out->len - sent);
        if (n > 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) { /* somebody made the pipe non-blocking */
            struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
            (void)poll(&p, 1, -1);
        } else if (errno != EINTR) {
            _exit(0);
        }
    }
    (void)pthread_mutex_unlock(&lock);
    buf_clear(out);
}
