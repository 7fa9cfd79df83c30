/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: see the header. A snapshot is a table of the documents, sorted by selector, in an arena of its own; what counts for a group is
 * found by three searches. No store here (core/limits_load.c has it), so that the scheduler and the simulator need none.
 */
#include "core/limits.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/job.h"

/* ---- the document ---- */

#define FIELD(type_, name_, flags_, help_)                                                                   \
    {                                                                                                        \
        .name = #name_, .type = (type_), .flags = (flags_), .offset = offsetof(struct limit, name_),         \
        .help = (help_)                                                                                      \
    }

static const struct field limit_fields[] = {
    FIELD(FIELD_INT, max_queued, FIELD_NULLABLE,
        "jobs that may wait; more are refused (too_many_queued); null: any number"),
    FIELD(FIELD_INT, max_running, FIELD_NULLABLE,
        "jobs that may run at once: of a group (null: 1), or of all groups together (null: any number)"),
    FIELD(FIELD_INT, weight, FIELD_NULLABLE, "share of a creator, 1 to 1000; null: 1"),
    FIELD(FIELD_STRINGS, engines, FIELD_OPTIONAL, "the engines that may be used; none: all"),
    FIELD(FIELD_INT, queue_timeout_ms, FIELD_NULLABLE,
        "longest wait for a start where the job names none; 0: no limit"),
    FIELD(FIELD_INT, run_timeout_ms, FIELD_NULLABLE,
        "longest run of one attempt where the job names none; 0: no limit"),
    FIELD(FIELD_TEXT, on_failure, FIELD_NULLABLE,
        "hold: a failed job holds its group; next (the default): the next job runs"),
    FIELD(FIELD_STRINGS, required, FIELD_OPTIONAL,
        "fields that a job must give, such as name or labels.project; none: only those that all must"),
    FIELD(FIELD_STRINGS, allowed, FIELD_OPTIONAL,
        "the optional fields that a job may give, such as labels or conf.database; none: all"),
    FIELD(FIELD_STRINGS, forbidden_sql, FIELD_OPTIONAL,
        "what SQL may not do, such as drop table or delete without where; none: nothing is forbidden"),
    FIELD(FIELD_STRINGS, forbidden_code, FIELD_OPTIONAL,
        "rules for shell, Python and Scala, such as shell.rm or all of python; none: nothing is forbidden"),
    FIELD(FIELD_INT, row_limit, FIELD_NULLABLE,
        "most rows that a query may give: SQL gets a limit; 0 or null: no such limit"),
    FIELD(FIELD_TEXT, by, FIELD_NULLABLE | FIELD_INTERNAL, "who wrote it"),
    FIELD(FIELD_TIME, at, FIELD_NULLABLE | FIELD_INTERNAL, "when it was written"),
};
const struct shape shape_limit = {
    .name = "Limit",
    .size = sizeof(struct limit),
    .fields = limit_fields,
    .count = sizeof limit_fields / sizeof limit_fields[0],
    .help = "A limit for the groups that its selector names.",
};

bool limits_selector_is_valid(struct bytes selector)
{
    const char *slash = selector.len ? memchr(selector.data, '/', selector.len) : NULL;
    if (!slash)
        return bytes_equal_text(selector, "*");
    size_t creator_len = (size_t)(slash - selector.data);
    struct bytes user = bytes_slice(selector, creator_len + 1, selector.len);
    return job_name_is_valid(bytes_slice(selector, 0, creator_len)) &&
           (bytes_equal_text(user, "*") || job_name_is_valid(user));
}

/* The numbers and what they may be, for the check and for documents written by hand. */
static const struct {
    const char *name;
    size_t offset;
    int64_t min, max;
    bool unset_below; /* below min: as if it were not set */
} numbers[] = {
    {"max_queued", offsetof(struct limit, max_queued), 0, LIMITS_QUEUED_MAX, false},
    {"max_running", offsetof(struct limit, max_running), 1, LIMITS_RUNNING_MAX, false},
    {"weight", offsetof(struct limit, weight), 1, LIMITS_WEIGHT_MAX, false},
    {"queue_timeout_ms", offsetof(struct limit, queue_timeout_ms), 0, LIMITS_TIMEOUT_MAX_MS, true},
    {"run_timeout_ms", offsetof(struct limit, run_timeout_ms), 0, LIMITS_TIMEOUT_MAX_MS, true},
    {"row_limit", offsetof(struct limit, row_limit), 0, LIMITS_ROWS_MAX, true},
};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

/* The lists, and where each counts. */
static const struct {
    const char *name;
    size_t offset, effective;
} lists[] = {
    {"engines", offsetof(struct limit, engines), offsetof(struct limits_effective, engines)},
    {"required", offsetof(struct limit, required), offsetof(struct limits_effective, required)},
    {"allowed", offsetof(struct limit, allowed), offsetof(struct limits_effective, allowed)},
    {"forbidden_sql", offsetof(struct limit, forbidden_sql),
        offsetof(struct limits_effective, forbidden_sql)},
    {"forbidden_code", offsetof(struct limit, forbidden_code),
        offsetof(struct limits_effective, forbidden_code)},
};
#define LISTS (sizeof lists / sizeof lists[0])

static const struct strings *list_of(const struct limit *l, size_t i)
{
    return (const struct strings *)(const void *)((const char *)l + lists[i].offset);
}

/* Only engines have no word for none: an engine may have that name. */
static bool is_none(const struct strings *list, size_t i)
{
    return i > 0 && list->count == 1 && bytes_equal_text(list->items[0], LIMITS_LIST_NONE);
}

static int64_t number_get(const struct limit *l, size_t i)
{
    int64_t value;
    memcpy(&value, (const char *)l + numbers[i].offset, sizeof value);
    return value;
}

static void number_set(struct limit *l, size_t i, int64_t value)
{
    memcpy((char *)l + numbers[i].offset, &value, sizeof value);
}

void limit_tame(struct limit *l)
{
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t value = number_get(l, i);
        if (value == NO_INT)
            continue;
        if (value < numbers[i].min)
            number_set(l, i, numbers[i].unset_below ? NO_INT : numbers[i].min);
        else if (value > numbers[i].max)
            number_set(l, i, numbers[i].max);
    }
}

static bool is_of_a_group(struct bytes selector)
{
    return !bytes_equal_text(selector, "*") && selector.data[selector.len - 1] != '*';
}

static bool problem(struct field_problems *problems, const char *field, const char *code, struct bytes detail)
{
    return field_problems_add(problems, bytes_of(field), code, detail);
}

bool limit_check(const struct limit *l, struct arena *a, struct field_problems *problems)
{
    bool ok = true;
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t value = number_get(l, i);
        if (value != NO_INT && (value < numbers[i].min || value > numbers[i].max))
            ok = problem(problems, numbers[i].name, "bad_value",
                arena_printf(a, "expected %lld to %lld, got %lld", (long long)numbers[i].min,
                    (long long)numbers[i].max, (long long)value));
    }
    if (!limits_selector_is_valid(l->selector))
        ok = problem(problems, "selector", "bad_value", BYTES("expected creator/user, creator/* or *"));
    else if (l->weight != NO_INT && is_of_a_group(l->selector))
        ok = problem(problems, "weight", "bad_value", BYTES("a weight is a creator's: set it for creator/*"));
    for (size_t i = 0; i < LISTS; i++)
        if (list_of(l, i)->count > LIMITS_LIST_MAX)
            ok = problem(
                problems, lists[i].name, "too_many", arena_printf(a, "at most %d entries", LIMITS_LIST_MAX));
    for (size_t i = 0; i < l->engines.count && i < LIMITS_LIST_MAX; i++)
        if (!job_name_is_valid(l->engines.items[i]))
            ok = problem(problems, "engines", "bad_name", BYTES("expected names of engines"));
    if (l->on_failure.data && !bytes_equal_text(l->on_failure, "hold") &&
        !bytes_equal_text(l->on_failure, "next"))
        ok = problem(problems, "on_failure", "bad_value", BYTES("expected hold or next"));
    return ok;
}

/* ---- snapshots ---- */

struct limits {
    struct arena arena;
    const struct limit **items; /* by selector, each once */
    size_t count, room;
};

static struct limits *snapshot_new(void)
{
    struct limits *l = calloc(1, sizeof *l);
    MUST(l);
    arena_init(&l->arena);
    return l;
}

void limits_free(struct limits *l)
{
    if (!l)
        return;
    arena_release(&l->arena);
    free(l->items);
    free(l);
}

/* Where the selector is, or where it belongs. */
static size_t position(const struct limits *l, struct bytes selector, bool *found)
{
    size_t from = 0, to = l->count;
    *found = false;
    while (from < to && !*found) {
        size_t middle = from + (to - from) / 2;
        int order = bytes_compare(selector, l->items[middle]->selector);
        *found = order == 0;
        if (order == 0)
            from = middle;
        else if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

static void add(struct limits *l, const struct limit *item)
{
    bool found;
    size_t at = position(l, item->selector, &found);
    if (found) {
        l->items[at] = item;
        return;
    }
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 16;
        l->items = realloc(l->items, l->room * sizeof *l->items);
        MUST(l->items);
    }
    memmove(l->items + at + 1, l->items + at, (l->count - at) * sizeof *l->items);
    l->items[at] = item;
    l->count++;
}

struct limits *limits_none(void)
{
    return snapshot_new();
}

struct limits *limits_of(const struct limit *items, size_t count)
{
    struct limits *l = snapshot_new();
    for (size_t i = 0; i < count; i++) {
        struct limit *copy = arena_alloc(&l->arena, sizeof *copy);
        shape_copy(&shape_limit, &items[i], copy, &l->arena);
        copy->selector = arena_copy(&l->arena, items[i].selector);
        limit_tame(copy);
        add(l, copy);
    }
    return l;
}

static bool limit_is_equal(const struct limit *a, const struct limit *b)
{
    if (!bytes_equal(a->selector, b->selector) || a->max_queued != b->max_queued ||
        a->max_running != b->max_running || a->weight != b->weight ||
        a->queue_timeout_ms != b->queue_timeout_ms || a->run_timeout_ms != b->run_timeout_ms ||
        !bytes_equal(a->on_failure, b->on_failure) || a->engines.count != b->engines.count)
        return false;
    for (size_t i = 0; i < a->engines.count; i++)
        if (!bytes_equal(a->engines.items[i], b->engines.items[i]))
            return false;
    return true;
}

bool limits_are_equal(const struct limits *a, const struct limits *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!limit_is_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

/* ---- what counts for a group ---- */

static const struct limit *find(const struct limits *l, struct bytes creator, struct bytes user)
{
    char text[LIMITS_SELECTOR_MAX];
    bool found;
    if (creator.len + 1 + user.len >= sizeof text)
        return NULL;
    memcpy(text, creator.data, creator.len);
    text[creator.len] = '/';
    memcpy(text + creator.len + 1, user.data, user.len);
    size_t at = position(l, (struct bytes){text, creator.len + 1 + user.len}, &found);
    return found ? l->items[at] : NULL;
}

static const struct limit *find_all(const struct limits *l)
{
    bool found;
    size_t at = position(l, BYTES("*"), &found);
    return found ? l->items[at] : NULL;
}

void limits_find(
    const struct limits *l, struct bytes creator, struct bytes user, struct limits_effective *out)
{
    *out = (struct limits_effective){
        .weight = 1, .max_running = 1, .queue_timeout_ms = NO_INT, .run_timeout_ms = NO_INT};
    if (l->count == 0 || creator.len == 0 || user.len == 0)
        return;
    enum { OF_GROUP, OF_CREATOR, OF_ALL, LEVELS };
    const struct limit *const levels[LEVELS] = {
        find(l, creator, user), find(l, creator, BYTES("*")), find_all(l)};
    /* The widest first: what is narrower replaces it. */
    for (int level = LEVELS - 1; level >= 0; level--) {
        const struct limit *item = levels[level];
        if (!item)
            continue;
        if (item->weight != NO_INT && level != OF_GROUP)
            out->weight = item->weight;
        for (size_t i = 0; i < LISTS; i++) {
            const struct strings *list = list_of(item, i);
            const struct strings *counts = is_none(list, i) ? NULL : list;
            if (list->count)
                memcpy((char *)out + lists[i].effective, &counts, sizeof counts);
        }
        if (item->row_limit != NO_INT)
            out->row_limit = item->row_limit;
        if (item->queue_timeout_ms != NO_INT)
            out->queue_timeout_ms = item->queue_timeout_ms;
        if (item->run_timeout_ms != NO_INT)
            out->run_timeout_ms = item->run_timeout_ms;
        if (item->on_failure.data)
            out->hold_on_failure = bytes_equal_text(item->on_failure, "hold");
    }
    for (int level = 0; level < LEVELS; level++) {
        const struct limit *item = levels[level];
        if (!item)
            continue;
        if (item->max_queued != NO_INT)
            out->queued[out->queued_count++] = (struct limit_count){item->selector, item->max_queued};
        if (item->max_running == NO_INT)
            continue;
        if (level == OF_GROUP)
            out->max_running = item->max_running;
        else
            out->shared[out->shared_count++] = (struct limit_count){item->selector, item->max_running};
    }
}

void limits_find_group(const struct limits *l, struct bytes group, struct limits_effective *out)
{
    const char *slash = group.len ? memchr(group.data, '/', group.len) : NULL;
    size_t creator_len = slash ? (size_t)(slash - group.data) : group.len;
    limits_find(l, bytes_slice(group, 0, creator_len), bytes_slice(group, creator_len + 1, group.len), out);
}

int64_t limits_max_running(const struct limits *l, struct bytes selector)
{
    bool found;
    size_t at = position(l, selector, &found);
    return found ? l->items[at]->max_running : NO_INT;
}

bool limits_engine_is_allowed(const struct limits_effective *limits, struct bytes engine)
{
    for (size_t i = 0; limits->engines && i < limits->engines->count; i++)
        if (bytes_equal(limits->engines->items[i], engine))
            return true;
    return limits->engines == NULL;
}
