/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error: see error.h. Texts are cut at a UTF-8 border, since they end up in JSON documents and records that
 * must be valid UTF-8.
 */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

void error_clear(struct error *e)
{
    e->code[0] = '\0';
    e->text[0] = '\0';
}

/* Formats into out (size bytes) and drops the bytes of a character that the cut went through. Bytes that were
 * not UTF-8 before the cut stay as they are. */
__attribute__((format(printf, 3, 0))) static void format_cut(
    char *out, size_t size, const char *format, va_list args)
{
    int len = vsnprintf(out, size, format, args);
    MUST(len >= 0);
    if ((size_t)len < size)
        return;
    size_t end = size - 1;
    size_t start = end;
    while (start > 0 && end - start < 3 && ((unsigned char)out[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && ((unsigned char)out[start - 1] & 0xC0) == 0xC0)
        start--;
    if (!bytes_is_utf8((struct bytes){out + start, end - start}))
        out[start] = '\0';
}

bool error_set(struct error *e, const char *code, const char *format, ...)
{
    /* Formatted aside: arguments may point into e itself. */
    char text[ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    format_cut(text, sizeof(text), format, args);
    va_end(args);
    char kept[ERROR_CODE_MAX];
    snprintf(kept, sizeof(kept), "%s", code);
    memcpy(e->code, kept, sizeof(kept));
    memcpy(e->text, text, sizeof(text));
    return false;
}

__attribute__((format(printf, 3, 4))) static void join_cut(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    format_cut(out, size, format, args);
    va_end(args);
}

bool error_wrap(struct error *e, const char *format, ...)
{
    char context[ERROR_TEXT_MAX];
    char text[ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    format_cut(context, sizeof(context), format, args);
    va_end(args);
    join_cut(text, sizeof(text), "%s: %s", context, e->text);
    memcpy(e->text, text, sizeof(text));
    return false;
}

bool error_is(const struct error *e, const char *code)
{
    return strcmp(e->code, code) == 0;
}

void error_bug(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: bug: %s does not hold\n", file, line, condition);
    abort();
}
