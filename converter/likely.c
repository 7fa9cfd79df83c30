/* SPDX-License-Identifier: Apache-2.0 */
/* likely: was an unknown ${...} in code of a language with ${...} of its own meant for us? */
#include <string.h>
#include <strings.h>

#include "converter/near.h"
#include "converter/variables_private.h"

enum { LOOKS_MAX = 2000 }; /* searches among the names, for one code: so that the time stays linear */

static bool is_near_a_name(struct variables *v, struct bytes name)
{
    if (name.len < NEAR_LENGTH_LEAST || v->looks++ >= LOOKS_MAX)
        return false;
    for (size_t i = 0; i < builtin_count; i++)
        if (builtins[i].name.len > 4 && near_is(name, builtins[i].name))
            return true;
    for (size_t i = 0; i < v->in.given->count; i++)
        if (near_is(name, v->in.given->items[i].key))
            return true;
    for (size_t i = 0; i < v->sets.count; i++)
        if (near_is(name, v->sets.items[i].name))
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
