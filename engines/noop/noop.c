/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noop: an engine that answers every run at once. It measures what everything around an engine costs.
 */
#include <string.h>

#include "engines/lib/engine.h"

#define CONCURRENCY 64

static void answer(struct buf *out, const char *type, const json_t *line)
{
    if (strcmp(type, "run") == 0) {
        engine_say_done(out, engine_text(line, "run"), -1);
    } else if (strcmp(type, "hello") == 0) {
        engine_say_ready(out, "noop", CONCURRENCY, "[\"clean\"]");
    } else if (strcmp(type, "ping") == 0) {
        engine_say_pong(out);
    }
}

int main(void)
{
    struct line_reader in;
    struct buf out;
    line_reader_init(&in);
    buf_init(&out);
    while (engine_read(&in)) {
        const char *type;
        json_t *line;
        while ((line = engine_next(&in, &type)) != NULL) {
            answer(&out, type, line);
            json_decref(line);
        }
        engine_send(&out); /* all answers of one read at once */
    }
    line_reader_release(&in);
    buf_release(&out);
    return 0;
}
