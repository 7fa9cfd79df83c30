/* SPDX-License-Identifier: Apache-2.0 */
/* attempts: see attempts.h. */
#include "collector/attempts.h"

#include <string.h>

#include "collector/brief.h"
#include "collector/fold.h"
#include "core/shape_bson.h"

/* ---- an event ---- */

static bool is_end(enum job_phase phase)
{
    return phase == PHASE_RETRYING || phase == PHASE_LOST || job_phase_is_final(phase);
}

/* Where the attempt stands, or must be put. */
static size_t place_of(const struct attempts *list, int64_t n, bool *found)
{
    size_t place = list->count;
    while (place > 0 && list->items[place - 1].n > n)
        place--;
    *found = place > 0 && list->items[place - 1].n == n;
    return *found ? place - 1 : place;
}

/* NULL: later ones fill the list. */
static struct attempt *attempt_of(struct attempts *list, int64_t n, struct arena *a)
{
    bool found;
    size_t place = place_of(list, n, &found);
    if (found)
        return &list->items[place];
    bool full = list->count == ATTEMPTS_MAX;
    if (full && place == 0)
        return NULL;
    /* In a full list the first one goes. */
    size_t skip = full ? 1 : 0, count = list->count + 1 - skip;
    struct attempt *items = arena_array(a, count, sizeof *items);
    place -= skip;
    if (place > 0)
        memcpy(items, list->items + skip, place * sizeof *items);
    if (count > place + 1)
        memcpy(items + place + 1, list->items + skip + place, (count - place - 1) * sizeof *items);
    items[place] = (struct attempt){.n = n, .started = NO_INT, .phase = NO_ENUM, .exit_code = NO_INT};
    *list = (struct attempts){items, count};
    return &items[place];
}

static bool fold_start(struct attempt *t, const struct event *e)
{
    if (t->started != NO_INT && claim_compare(e->at, e->instance, t->started, t->instance) >= 0)
        return false;
    t->started = e->at;
    t->instance = e->instance;
    return true;
}

/* Less than 0 when the event counts before the end that is known. */
static int compare_end(const struct event *e, const struct attempt *t)
{
    int order = job_phase_rank((enum job_phase)e->phase) - job_phase_rank((enum job_phase)t->phase);
    if (order == 0)
        order = claim_compare(e->at, e->instance, t->ended, t->ended_by);
    return order ? order : e->phase - t->phase;
}

static bool fold_end(struct attempt *t, const struct event *e, struct arena *a)
{
    if (t->phase != NO_ENUM && compare_end(e, t) >= 0)
        return false;
    bool told_above = job_phase_is_final((enum job_phase)e->phase);
    t->phase = e->phase;
    t->ended = e->at;
    t->ended_by = e->instance;
    t->reason = told_above ? BYTES_NONE : brief_text(e->reason, BRIEF_ATTEMPT_REASON_BYTES);
    t->error = told_above ? NULL : brief_error(e->error, BRIEF_ATTEMPT_ERROR_BYTES, a);
    t->exit_code = told_above ? NO_INT : e->exit_code;
    t->results.count = told_above ? 0 : e->results.count;
    t->results.items = brief_results(e->results.items, &t->results.count, BRIEF_ATTEMPT_RESULTS_BYTES, a);
    t->log = told_above ? NULL : e->log;
    return true;
}

/* The end of a job that waited: it is about no attempt, though it carries the number of the one before. */
static bool is_about_none(const struct event *e)
{
    enum job_phase phase = (enum job_phase)e->phase;
    return (phase == PHASE_CANCELLED || phase == PHASE_TIMED_OUT) && e->times.started == NO_INT;
}

bool attempts_fold(struct attempts *list, const struct event *e, struct arena *a)
{
    enum job_phase phase = (enum job_phase)e->phase;
    if (e->attempt < 1 || (phase != PHASE_STARTED && !is_end(phase)) || is_about_none(e))
        return false;
    struct attempt *t = attempt_of(list, e->attempt, a);
    if (!t)
        return false;
    return phase == PHASE_STARTED ? fold_start(t, e) : fold_end(t, e, a);
}

/* ---- the document ---- */

#define ROW(type_, name_, flags_)                                                                            \
    {                                                                                                        \
        .name = #name_, .type = (type_), .flags = (flags_), .offset = offsetof(struct attempt, name_)        \
    }
#define NESTED(type_, name_, flags_, shape_)                                                                 \
    {                                                                                                        \
        .name = #name_, .type = (type_), .flags = (flags_), .offset = offsetof(struct attempt, name_),       \
        .shape = (shape_)                                                                                    \
    }

static const struct field attempt_fields[] = {
    ROW(FIELD_INT, n, 0),
    ROW(FIELD_TIME, started, FIELD_NULLABLE),
    ROW(FIELD_TEXT, instance, FIELD_NULLABLE),
    ROW(FIELD_TIME, ended, FIELD_NULLABLE),
    {.name = "phase",
        .type = FIELD_ENUM,
        .flags = FIELD_NULLABLE,
        .offset = offsetof(struct attempt, phase),
        .names = job_phase_names},
    ROW(FIELD_TEXT, ended_by, FIELD_NULLABLE),
    ROW(FIELD_TEXT, reason, FIELD_NULLABLE),
    NESTED(FIELD_POINTER, error, FIELD_NULLABLE, &shape_error),
    ROW(FIELD_INT, exit_code, FIELD_NULLABLE),
    NESTED(FIELD_LIST, results, FIELD_OPTIONAL, &shape_result),
    NESTED(FIELD_POINTER, log, FIELD_NULLABLE, &shape_log_totals),
};
static const struct shape shape_attempt = {.name = "Attempt",
    .size = sizeof(struct attempt),
    .fields = attempt_fields,
    .count = sizeof attempt_fields / sizeof attempt_fields[0]};

/* ended_by is left out where it is `instance`. */
void attempts_write(const struct attempts *list, bson_t *out)
{
    bson_t array, item;
    char space[16];
    const char *key;
    if (list->count == 0)
        return;
    bson_append_array_begin(out, "attempts", -1, &array);
    for (size_t i = 0; i < list->count; i++) {
        struct attempt t = list->items[i];
        bool over = t.phase != NO_ENUM;
        if (!over)
            t.ended = NO_INT;
        if (!over || bytes_equal(t.ended_by, t.instance))
            t.ended_by = BYTES_NONE;
        else if (!t.ended_by.data)
            t.ended_by = BYTES("");
        bson_uint32_to_string((uint32_t)i, &key, space, sizeof space);
        bson_append_document_begin(&array, key, -1, &item);
        shape_to_bson(&shape_attempt, &t, SHAPE_COMPACT, &item);
        bson_append_document_end(&array, &item);
    }
    bson_append_array_end(out, &array);
}

void attempts_read(const bson_t *doc, struct arena *a, struct attempts *out)
{
    bson_iter_t it, array;
    *out = (struct attempts){NULL, 0};
    if (!bson_iter_init_find(&it, doc, "attempts") || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &array))
        return;
    size_t most = 0;
    for (bson_iter_t counting = array; bson_iter_next(&counting);)
        most++;
    most = most < ATTEMPTS_MAX ? most : ATTEMPTS_MAX;
    out->items = arena_array(a, most, sizeof *out->items);
    while (bson_iter_next(&array) && out->count < most) {
        bson_t item;
        uint32_t len;
        const uint8_t *data;
        if (!BSON_ITER_HOLDS_DOCUMENT(&array))
            continue;
        bson_iter_document(&array, &len, &data);
        if (!bson_init_static(&item, data, len))
            continue;
        struct attempt *t = &out->items[out->count++];
        shape_from_bson(&shape_attempt, &item, a, t);
        if (t->phase != NO_ENUM && !t->ended_by.data)
            t->ended_by = t->instance;
    }
}
