/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: engines */
/*
 * The lines of an engine: framing in pieces gives the same lines as in one piece; whatever a line holds, parsing it gives a
 * value that keeps the promises of the header, or an error with a text.
 */
#include <stdlib.h>
#include <string.h>

#include "executor/engine_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct bytes line)
{
    struct engine_line l;
    struct error e;
    error_clear(&e);
    if (!engine_line_parse(line, &l, &e)) {
        MUST(error_is(&e, "engine_protocol") && e.text[0] != '\0');
        MUST(bytes_is_utf8(bytes_of(e.text)));
        return;
    }
    MUST(l.type < ENGINE_LINE_TYPES);
    MUST(l.type == LINE_READY || l.type == LINE_PONG || l.run.data != NULL);
    MUST(l.type != LINE_READY || (l.concurrency >= 1 && l.concurrency <= ENGINE_CONCURRENCY_MAX));
    MUST(l.type != LINE_PROGRESS || (l.progress >= 0 && l.progress <= 1));
    MUST(l.type != LINE_COLUMNS || json_array_size(l.columns) > 0);
    MUST(l.type != LINE_RESULT || (l.path.len > 0 && memchr(l.path.data, '/', l.path.len) == NULL));
    MUST(l.type != LINE_ERROR || (l.code.len > 0 && l.code.len < ERROR_CODE_MAX));
    engine_line_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = {(const char *)data, size};
    struct line_reader whole;
    struct line_reader pieces;
    struct bytes line;
    struct bytes same;
    if (size == 0) {
        return 0;
    }
    line_reader_init(&whole);
    line_reader_init(&pieces);
    line_reader_add(&whole, all);
    size_t fed = 0;
    while (line_reader_next(&whole, &line)) {
        while (!line_reader_next(&pieces, &same)) {
            MUST(fed < size);
            size_t piece = 1 + data[fed] % 7u;
            line_reader_add(&pieces, bytes_slice(all, fed, piece));
            fed += piece > size - fed ? size - fed : piece;
        }
        MUST(bytes_equal(line, same));
        check(line);
    }
    check(line_reader_rest(&whole).data == NULL ? BYTES("") : line_reader_rest(&whole));
    line_reader_release(&whole);
    line_reader_release(&pieces);
    return 0;
}
