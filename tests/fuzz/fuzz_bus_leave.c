/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: bus */
/*
 * A broker's answers, or anybody's: whatever the bytes are, reading them gives a value that keeps the promises of the header,
 * or an error with a text. The first four bytes are also the number that is expected, so that the rest is read.
 */
#include <string.h>

#include "core/bus_leave.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes answer = {(const char *)data, size};
    struct bus_coordinator c;
    struct error e;
    int code = 0;
    uint32_t expected = 0;

    for (size_t i = 0; i < 4 && i < size; i++)
        expected = expected << 8 | data[i];
    error_clear(&e);
    if (bus_leave_read_coordinator(answer, (int32_t)expected, &c, &e)) {
        MUST(size >= 4 + 4 + 2 + 2 + 4 + 2 + 4);
        MUST(c.error_code != 0 || (c.host[0] != '\0' && c.port >= 1 && c.port <= 65535));
        MUST(strnlen(c.host, sizeof(c.host)) < sizeof(c.host));
    } else {
        MUST(error_is(&e, "bad_answer") && e.text[0] != '\0');
    }
    error_clear(&e);
    if (bus_leave_read_said(answer, (int32_t)expected, &code, &e))
        MUST(size >= 4 + 4 + 2);
    else
        MUST(error_is(&e, "bad_answer") && e.text[0] != '\0');
    MUST(!bus_leave_read_said(answer, (int32_t)(expected + 1), &code, &e));
    return 0;
}
