/* SPDX-License-Identifier: Apache-2.0 */
/* duration: see the header. */
#include "core/duration.h"

#include <string.h>

#include "core/config_private.h"

bool duration_parse(struct bytes text, int64_t *ms)
{
    char number[CONFIG_NUMBER_MAX];

    if (text.len == 0 || text.len >= sizeof number || memchr(text.data, '\0', text.len))
        return false;
    memcpy(number, text.data, text.len);
    number[text.len] = '\0';
    return config_parse_number(SETTING_MS, number, ms) && *ms >= 0;
}
