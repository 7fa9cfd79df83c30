/* SPDX-License-Identifier: Apache-2.0 */
/* engine_slots: see the header. */
#include "executor/engine_slots.h"

#include <string.h>

/* The text up to the separator (or its end); *rest is what follows it. */
static struct bytes cut_off(struct bytes text, char separator, struct bytes *rest, bool *found)
{
    const char *at = text.len ? memchr(text.data, separator, text.len) : NULL;
    size_t n = at ? (size_t)(at - text.data) : text.len;
    *found = at != NULL;
    *rest = bytes_slice(text, n + (at ? 1 : 0), text.len);
    return bytes_trim(bytes_slice(text, 0, n));
}

static bool read_entry(struct bytes entry, struct bytes *engine, int64_t *slots, struct error *e)
{
    struct bytes number;
    bool has_number;
    *engine = cut_off(entry, '=', &number, &has_number);
    if (engine->len == 0 || !has_number || !bytes_parse_int64(bytes_trim(number), slots) || *slots < 1 ||
        *slots > ENGINE_SLOTS_MAX)
        return error_set(e, "bad_setting",
            "engine.slots: \"%.*s\": expected engine=slots or engine@target=slots, with 1 to %d slots",
            BYTES_ARG(entry), ENGINE_SLOTS_MAX);
    return true;
}

bool engine_slots_read(struct bytes text, void (*each)(void *self, struct bytes engine, size_t slots),
    void *self, struct error *e)
{
    bool more = bytes_trim(text).len > 0;
    while (more) {
        struct bytes engine, entry = cut_off(text, ',', &text, &more);
        int64_t slots = 0;
        if (!read_entry(entry, &engine, &slots, e))
            return false;
        if (each)
            each(self, engine, (size_t)slots);
    }
    return true;
}
