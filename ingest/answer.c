/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer: see answer.h.
 */
#include "ingest/answer.h"

#include "core/clock.h"
#include "core/shape.h"

json_t *answer_text(struct bytes text)
{
    return text.data ? shape_text_json(text) : json_null();
}

json_t *answer_time(int64_t utc_ms)
{
    char text[CLOCK_TEXT_SIZE];
    return utc_ms == NO_INT ? json_null() : json_string(clock_text(utc_ms, text));
}

json_t *answer_order(const struct order *o)
{
    if (!o)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "by", answer_text(o->by), "reason", answer_text(o->reason), "at",
        answer_time(o->at));
}

void answer_add(json_t *object, json_t *members)
{
    json_object_update(object, members);
    json_decref(members);
}
