/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs: see pairs.h.
 */
#include "cli/pairs.h"

#include <string.h>

static bool add(const char *option, const char *pair, json_t *pairs)
{
    const char *equals = strchr(pair, '=');
    size_t len = equals ? (size_t)(equals - pair) : 0;
    if (len > 0 && json_object_getn(pairs, pair, len)) {
        complain("--%s %s: %.*s is given twice", option, pair, (int)len, pair);
        return false;
    }
    if (len > 0 && json_object_setn_new(pairs, pair, len, json_string(equals + 1)) == 0)
        return true;
    complain("--%s %s: K=V in UTF-8 is expected", option, pair);
    return false;
}

json_t *pairs_of(const struct args *a, const char *option)
{
    json_t *pairs = json_object();
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->given[i].option->name, option) == 0 && !add(option, a->given[i].value, pairs)) {
            json_decref(pairs);
            return NULL;
        }
    return pairs;
}
