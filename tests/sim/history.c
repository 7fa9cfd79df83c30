/* SPDX-License-Identifier: Apache-2.0 */
/* history: one line per event. Printed: the last lines, and before them everything about the job and the group concerned. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { LAST_LINES = 200, BEFORE_LINES = 400 };

const char *const coverage_texts[COVERAGE_COUNT] = {
#define X(name, text) text,
    COVERAGE_ROWS(X)
#undef X
};

void note(struct sim *s, const char *who, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_printf(&s->history, "%9.3f  %-8s %s\n", (double)s->now / 1000, who, text);
}

/* "job 7" is not in "job 71". */
static bool has(const char *line, size_t len, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; n && i + n <= len; i++)
        if (memcmp(line + i, what, n) == 0 && (i + n == len || line[i + n] < '0' || line[i + n] > '9'))
            return true;
    return false;
}

void history_print(const struct sim *s)
{
    char job[32] = "", group[80] = "";
    const char *end = s->history.data + s->history.len;
    size_t lines = 0, concerned = 0, at = 0;
    if (s->concerned) {
        snprintf(job, sizeof job, "job %d", s->concerned->number);
        snprintf(group, sizeof group, "%.*s", BYTES_ARG(s->concerned->group->name));
    }
    for (const char *l = s->history.data; l < end; l = strchr(l, '\n') + 1) {
        size_t len = (size_t)(strchr(l, '\n') - l);
        lines++;
        concerned += has(l, len, job) || has(l, len, group);
    }
    for (const char *l = s->history.data; l < end; l = strchr(l, '\n') + 1, at++) {
        size_t len = (size_t)(strchr(l, '\n') - l);
        bool mine = has(l, len, job) || has(l, len, group), last = at + LAST_LINES >= lines;
        if (last || (mine && concerned <= BEFORE_LINES))
            printf("%.*s\n", (int)len, l);
        concerned -= mine;
    }
}
