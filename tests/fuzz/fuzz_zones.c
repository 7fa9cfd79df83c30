/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/*
 * Files of time zones: whatever one holds, it is read or it is not, and one that is read answers every question, with an offset of not
 * much more than a day.
 */
#include <string.h>

#include "converter/zone_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct zone *z)
{
    static const int64_t times[] = {
        -100000000000, -86400, 0, 951782400, 1711846800, 4102444800, 250000000000};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int32_t offset = zone_offset(z, times[i]);
        MUST(offset >= -26 * 3600 && offset <= 26 * 3600);
        zone_utc(z, times[i], offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes file = {(const char *)data, size};
    struct zone z = {.name = "x"};

    if (zone_read(file, "x", &z))
        ask(&z);
    z = (struct zone){.name = "x"};
    if (zone_rule_read(file, &z))
        ask(&z);
    return 0;
}
