/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_doc: see job_doc.h. The order of the fields is made for people who look at documents.
 *
 *   _id, rev, state, final, <view>, <fields of others>, expire_at, stub
 *   view: creator ... source, times, attempt, progress, plan, results, cached_from, error, exit_code, reason, retry_at, instance,
 *         log, attempts, fold
 */
#include "collector/job_doc.h"

#include <string.h>

#include "collector/fold.h"
#include "core/shape_bson.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* ---- the sub-document fold ---- */

#define ROW(type_, struct_, name_, flags_)                                                                   \
    {                                                                                                        \
        .name = #name_, .type = (type_), .flags = (flags_), .offset = offsetof(struct_, name_)               \
    }
#define NESTED(type_, struct_, name_, flags_, shape_)                                                        \
    {                                                                                                        \
        .name = #name_, .type = (type_), .flags = (flags_), .offset = offsetof(struct_, name_),              \
        .shape = (shape_)                                                                                    \
    }
#define NAMED(struct_, name_, names_)                                                                        \
    {                                                                                                        \
        .name = #name_, .type = FIELD_ENUM, .offset = offsetof(struct_, name_), .names = (names_)            \
    }
#define SHAPE(c_name, struct_, title, fields_)                                                               \
    static const struct shape c_name = {                                                                     \
        .name = (title), .size = sizeof(struct_), .fields = (fields_), .count = COUNT(fields_)}

static const struct field claim_fields[] = {
    ROW(FIELD_TIME, struct claim, at, FIELD_NULLABLE),
    ROW(FIELD_TEXT, struct claim, instance, FIELD_NULLABLE),
};
SHAPE(shape_claim, struct claim, "Claim", claim_fields);

static const struct field origin_fields[] = {
    ROW(FIELD_INT, struct origin, partition, 0),
    ROW(FIELD_INT, struct origin, offset, 0),
    ROW(FIELD_TIME, struct origin, timestamp, 0),
};
SHAPE(shape_fold_origin, struct origin, "Origin", origin_fields);

static const struct field node_fields[] = {
    ROW(FIELD_TEXT, struct node_state, id, 0),
    ROW(FIELD_TEXT, struct node_state, state, 0),
    ROW(FIELD_INT, struct node_state, attempt, 0),
    ROW(FIELD_INT, struct node_state, try, 0),
    ROW(FIELD_TIME, struct node_state, at, 0),
    ROW(FIELD_TIME, struct node_state, started, FIELD_NULLABLE),
    ROW(FIELD_TEXT, struct node_state, reason, FIELD_NULLABLE),
    ROW(FIELD_TIME, struct node_state, next_at, FIELD_NULLABLE),
    NESTED(FIELD_POINTER, struct node_state, error, FIELD_NULLABLE, &shape_error),
    ROW(FIELD_TEXT, struct node_state, instance, FIELD_NULLABLE),
};
SHAPE(shape_node_state, struct node_state, "NodeState", node_fields);

static const char *const standing_names[STANDINGS + 1] = {
    [STANDING_STUB] = "stub",
    [STANDING_EVENT] = "event",
    [STANDING_EXECUTOR] = "executor",
    [STANDINGS] = NULL,
};

static const struct field fold_fields[] = {
    ROW(FIELD_INT, struct fold_state, attempt, 0),
    ROW(FIELD_INT, struct fold_state, rank, 0),
    NAMED(struct fold_state, phase, job_phase_names),
    ROW(FIELD_TIME, struct fold_state, at, FIELD_NULLABLE),
    ROW(FIELD_TEXT, struct fold_state, stage, FIELD_NULLABLE),
    ROW(FIELD_TEXT, struct fold_state, instance, FIELD_NULLABLE),
    NAMED(struct fold_state, standing, standing_names),
    NESTED(FIELD_RECORD, struct fold_state, origin, 0, &shape_fold_origin),
    NESTED(FIELD_POINTER, struct fold_state, spec, FIELD_NULLABLE, &shape_claim),
    NESTED(FIELD_POINTER, struct fold_state, plan, FIELD_NULLABLE, &shape_claim),
    ROW(FIELD_INT, struct fold_state, progress_attempt, 0),
    ROW(FIELD_DOUBLE, struct fold_state, progress, 0),
    NESTED(FIELD_LIST, struct fold_state, nodes, 0, &shape_node_state),
};
SHAPE(shape_fold, struct fold_state, "Fold", fold_fields);

/* ---- parts of the big shapes ---- */

static size_t place_of(const struct shape *s, const char *name)
{
    size_t i = 0;
    while (i < s->count && strcmp(s->fields[i].name, name) != 0)
        i++;
    return i;
}

/* The fields from `first` up to, but not including, `end` (NULL: all the rest). */
static struct shape part_of(const struct shape *s, const char *first, const char *end)
{
    size_t from = place_of(s, first), to = end ? place_of(s, end) : s->count;
    MUST(from < to && to <= s->count);
    struct shape part = *s;
    part.fields = s->fields + from;
    part.count = to - from;
    return part;
}

static void append_part(bson_t *out, const struct shape *s, const void *record, const char *first,
    const char *end, unsigned options)
{
    struct shape part = part_of(s, first, end);
    shape_to_bson(&part, record, options, out);
}

/* One field, left out when it has no value. */
static void append_field(bson_t *out, const struct shape *s, const void *record, const char *name)
{
    struct shape one = part_of(s, name, NULL);
    one.count = 1;
    shape_to_bson(&one, record, SHAPE_COMPACT, out);
}

size_t node_state_place(const struct fold_state *f, struct bytes id, bool *found)
{
    size_t low = 0, high = f->nodes.count;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(f->nodes.items[middle].id, id);
        *found = order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return high;
}

/* ---- writing ---- */

/* Before its specification is known a job is known by its group. */
static void write_names(const struct job_view *v, bson_t *out)
{
    const char *slash = memchr(v->group.data, '/', v->group.len);
    size_t len = slash ? (size_t)(slash - v->group.data) : v->group.len;
    bson_add_text(out, "creator", bytes_slice(v->group, 0, len));
    bson_add_text(out, "user", bytes_slice(v->group, len + 1, v->group.len));
    bson_add_text(out, "group", v->group);
}

static void write_spec(const struct job_view *v, bson_t *out)
{
    if (!v->fold.spec) {
        write_names(v, out);
        return;
    }
    append_part(out, &shape_submitted, &v->spec, "creator", "submitter", 0);
    bson_add_text(out, "group", v->group);
    append_part(out, &shape_submitted, &v->spec, "submitter", "parts", 0);
    append_part(out, &shape_submitted, &v->spec, "parts", NULL, SHAPE_COMPACT);
}

static double shown_progress(const struct job_view *v)
{
    if (v->fold.phase == PHASE_SUCCEEDED)
        return 1;
    return v->fold.progress_attempt == v->fold.attempt ? v->fold.progress : 0;
}

static void write_nodes(const struct job_view *v, bson_t *out)
{
    const struct shape *shape = shape_plan.fields[place_of(&shape_plan, "nodes")].shape;
    const struct job *plan = v->shown.plan;
    bson_t array, node;
    char space[16];
    const char *key;
    bson_append_array_begin(out, "nodes", -1, &array);
    for (size_t i = 0; i < plan->nodes.count; i++) {
        bool known;
        size_t place = node_state_place(&v->fold, plan->nodes.items[i].id, &known);
        bson_uint32_to_string((uint32_t)i, &key, space, sizeof space);
        bson_append_document_begin(&array, key, -1, &node);
        shape_to_bson(shape, &plan->nodes.items[i], SHAPE_COMPACT, &node);
        if (known)
            append_part(
                &node, &shape_node_state, &v->fold.nodes.items[place], "state", "instance", SHAPE_COMPACT);
        bson_append_document_end(&array, &node);
    }
    bson_append_array_end(out, &array);
}

static void write_plan(const struct job_view *v, bson_t *out)
{
    bson_t plan;
    if (!v->fold.plan || !v->shown.plan)
        return;
    bson_append_document_begin(out, "plan", -1, &plan);
    append_field(&plan, &shape_plan, v->shown.plan, "pool");
    write_nodes(v, &plan);
    append_field(&plan, &shape_plan, v->shown.plan, "cache");
    bson_append_document_end(out, &plan);
}

static void write_fold(
    const struct job_view *v, const struct job_view *const *others, size_t count, bson_t *out);

/* `others`: the views that wait behind this one. */
static void write_view(
    const struct job_view *v, const struct job_view *const *others, size_t count, bson_t *out)
{
    bson_t times;
    write_spec(v, out);
    bson_append_document_begin(out, "times", -1, &times);
    shape_to_bson(&shape_times, &v->shown.times, SHAPE_COMPACT, &times);
    bson_append_document_end(out, &times);
    bson_append_int64(out, "attempt", -1, v->fold.attempt);
    bson_append_double(out, "progress", -1, shown_progress(v));
    write_plan(v, out);
    append_field(out, &shape_event, &v->shown, "results");
    append_field(out, &shape_event, &v->shown, "cached_from");
    append_field(out, &shape_event, &v->shown, "error");
    append_field(out, &shape_event, &v->shown, "exit_code");
    append_field(out, &shape_event, &v->shown, "reason");
    if (v->shown.next_at != NO_INT)
        bson_append_date_time(out, "retry_at", -1, v->shown.next_at);
    if (v->fold.instance.data && bytes_equal_text(v->fold.stage, "executor"))
        bson_add_text(out, "instance", v->fold.instance);
    append_field(out, &shape_event, &v->shown, "log");
    attempts_write(&v->attempts, out);
    write_fold(v, others, count, out);
}

static void write_fold(
    const struct job_view *v, const struct job_view *const *others, size_t count, bson_t *out)
{
    bson_t fold, array, other;
    char space[16];
    const char *key;
    bson_append_document_begin(out, "fold", -1, &fold);
    shape_to_bson(&shape_fold, &v->fold, SHAPE_COMPACT, &fold);
    if (count) {
        bson_append_array_begin(&fold, "others", -1, &array);
        for (size_t i = 0; i < count; i++) {
            bson_uint32_to_string((uint32_t)i, &key, space, sizeof space);
            bson_append_document_begin(&array, key, -1, &other);
            write_view(others[i], NULL, 0, &other);
            bson_append_document_end(&array, &other);
        }
        bson_append_array_end(&fold, &array);
    }
    bson_append_document_end(out, &fold);
}

/* Written by this file; anything else in a stored document is another's and is kept. */
static const char *const own_fields[] = {"_id", "rev", "state", "final", "group", "times", "attempt",
    "progress", "plan", "results", "cached_from", "error", "exit_code", "reason", "retry_at", "instance",
    "log", "attempts", "expire_at", "fold", "stub"};

static bool is_own_field(const char *key)
{
    for (size_t i = 0; i < COUNT(own_fields); i++)
        if (strcmp(key, own_fields[i]) == 0)
            return true;
    return place_of(&shape_submitted, key) < shape_submitted.count;
}

static void write_fields_of_others(const bson_t *before, bson_t *out)
{
    bson_iter_t it;
    if (!before || !bson_iter_init(&it, before))
        return;
    while (bson_iter_next(&it))
        if (!is_own_field(bson_iter_key(&it)))
            bson_append_iter(out, NULL, -1, &it);
}

/* The hash stays, so that a late repeat of the idempotency key finds it; nobody needs to produce the job again. */
static void write_stub(const bson_t *before, bson_t *out)
{
    bson_iter_t it, inner;
    bson_t stub;
    if (!before || !bson_iter_init_find(&it, before, "stub") || !bson_iter_recurse(&it, &inner))
        return;
    bson_append_document_begin(out, "stub", -1, &stub);
    while (bson_iter_next(&inner))
        if (strcmp(bson_iter_key(&inner), "submission") != 0 && strcmp(bson_iter_key(&inner), "next_at") != 0)
            bson_append_iter(&stub, NULL, -1, &inner);
    bson_append_document_end(out, &stub);
}

void job_doc_write(const struct job_doc *doc, int64_t keep_ms, bson_t *out)
{
    MUST(doc->count > 0);
    const struct job_view *owner = doc->views[0];
    enum job_state state = job_phase_state((enum job_phase)owner->fold.phase);
    bson_add_text(out, "_id", doc->id);
    bson_append_int64(out, "rev", -1, doc->rev + 1);
    bson_append_utf8(out, "state", -1, job_state_name(state), -1);
    bson_append_bool(out, "final", -1, job_state_is_final(state));
    write_view(owner, (const struct job_view *const *)doc->views + 1, doc->count - 1, out);
    write_fields_of_others(doc->before, out);
    if (job_state_is_final(state))
        bson_append_date_time(out, "expire_at", -1, owner->fold.at + keep_ms);
    write_stub(doc->before, out);
}

/* ---- reading ---- */

static bool find_document(const bson_t *doc, const char *key, bson_iter_t *it, bson_t *out)
{
    uint32_t len;
    const uint8_t *data;
    if (!bson_iter_init_find(it, doc, key) || !BSON_ITER_HOLDS_DOCUMENT(it))
        return false;
    bson_iter_document(it, &len, &data);
    return bson_init_static(out, data, len);
}

static struct bytes find_text(const bson_t *doc, const char *key, struct arena *a)
{
    bson_iter_t it;
    uint32_t len;
    if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_UTF8(&it))
        return BYTES("");
    const char *text = bson_iter_utf8(&it, &len);
    return arena_copy(a, (struct bytes){text, len});
}

static int64_t find_time(const bson_t *doc, const char *key)
{
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_DATE_TIME(&it))
        return NO_INT;
    return bson_iter_date_time(&it);
}

/* What a stub says about itself: a specification, without a time that could win over an event's. */
static void read_stub_fold(struct job_view *v, struct arena *a)
{
    v->fold.phase = PHASE_ACCEPTED;
    v->fold.standing = STANDING_STUB;
    v->fold.at = NO_INT;
    v->fold.spec = arena_alloc(a, sizeof *v->fold.spec);
    v->fold.spec->at = NO_INT;
}

static struct job_view *read_view(const bson_t *doc, struct arena *a)
{
    struct job_view *v = arena_alloc(a, sizeof *v);
    bson_iter_t it;
    bson_t fold;
    v->group = find_text(doc, "group", a);
    shape_from_bson(&shape_submitted, doc, a, &v->spec);
    shape_from_bson(&shape_event, doc, a, &v->shown);
    v->shown.next_at = find_time(doc, "retry_at");
    attempts_read(doc, a, &v->attempts);
    shape_clear(&shape_fold, &v->fold);
    if (find_document(doc, "fold", &it, &fold))
        shape_from_bson(&shape_fold, &fold, a, &v->fold);
    else
        read_stub_fold(v, a);
    /* Documents from before there were tries. */
    for (size_t i = 0; i < v->fold.nodes.count; i++)
        if (v->fold.nodes.items[i].try < 1)
            v->fold.nodes.items[i].try = 1;
    return v;
}

static void read_others(const bson_t *doc, struct arena *a, struct job_doc *out)
{
    bson_iter_t it, others, other;
    bson_t fold, view;
    uint32_t len;
    const uint8_t *data;
    if (!find_document(doc, "fold", &it, &fold) || !bson_iter_init_find(&others, &fold, "others") ||
        !bson_iter_recurse(&others, &other))
        return;
    while (bson_iter_next(&other) && out->count < JOB_DOC_VIEWS) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&other))
            continue;
        bson_iter_document(&other, &len, &data);
        if (bson_init_static(&view, data, len))
            out->views[out->count++] = read_view(&view, a);
    }
}

void job_doc_read(const bson_t *doc, struct arena *a, struct job_doc *out)
{
    bson_iter_t it;
    *out = (struct job_doc){.id = find_text(doc, "_id", a), .stored = true, .before = doc};
    out->rev = bson_iter_init_find(&it, doc, "rev") ? bson_iter_as_int64(&it) : 0;
    out->views[out->count++] = read_view(doc, a);
    read_others(doc, a, out);
}
