/* SPDX-License-Identifier: Apache-2.0 */
/* likely: was an unknown ${...} in code of a language with ${...} of its own meant for us? */
#include <string.h>
#include <strings.h>

#include "converter/variables_private.h"

enum { LOOKS_MAX = 2000 }; /* searches among the names, for one code: so that the time stays linear */

/* The same but for one character that is wrong, missing, too many, or in another case; or two that are swapped. */
static bool is_near(struct bytes a, struct bytes b)
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

static bool is_near_a_name(struct variables *v, struct bytes name)
{
    if (name.len < 3 || v->looks++ >= LOOKS_MAX)
        return false; /* of short names all are near */
    for (size_t i = 0; i < builtin_count; i++)
        if (builtins[i].name.len > 4 && is_near(name, builtins[i].name))
            return true;
    for (size_t i = 0; i < v->in.given->count; i++)
        if (is_near(name, v->in.given->items[i].key))
            return true;
    for (size_t i = 0; i < v->sets.count; i++)
        if (is_near(name, v->sets.items[i].name))
            return true;
    return false;
}

static bool is_count(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.len > 0;
}

bool variables_is_likely(struct variables *v, struct bytes name, char op, struct bytes right)
{
    if (!v->style->has_own)
        return true;
    if (name.len > 4 && strncasecmp(name.data, "run_", 4) == 0)
        return true;
    if (op != 0 && is_count(right))
        return true;
    return is_near_a_name(v, name);
}
