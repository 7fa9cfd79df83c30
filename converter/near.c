/* SPDX-License-Identifier: Apache-2.0 */
/* near: see near.h. */
#include "converter/near.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool near_is(struct bytes a, struct bytes b)
{
    size_t same = 0, tail = 0;

    if (a.len > b.len + 1 || b.len > a.len + 1)
        return false;
    if (a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0)
        return true;
    while (same < a.len && same < b.len && a.data[same] == b.data[same])
        same++;
    while (tail < a.len - same && tail < b.len - same && a.data[a.len - 1 - tail] == b.data[b.len - 1 - tail])
        tail++;
    size_t left_a = a.len - same - tail, left_b = b.len - same - tail;
    if (left_a <= 1 && left_b <= 1)
        return true;
    return left_a == 2 && left_b == 2 && a.data[same] == b.data[same + 1] && a.data[same + 1] == b.data[same];
}

struct bytes near_hint(struct bytes name, const char *(*name_at)(size_t index), struct arena *a)
{
    struct bytes hint = BYTES("");
    const char *other, *last = "";
    char *lower = arena_text(a, name);

    for (char *c = lower; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    for (size_t i = 0; name.len >= NEAR_LENGTH_LEAST && (other = name_at(i)) != NULL; i++) {
        if (strcmp(other, last) == 0 || !near_is(bytes_of(lower), bytes_of(other)))
            continue; /* rows of a table may share a name */
        hint = arena_printf(a, "%.*s%s %s", BYTES_ARG(hint), hint.len > 0 ? "," : "; near:", other);
        last = other;
    }
    return hint;
}
