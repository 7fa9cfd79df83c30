/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creator_rules: see creator_rules.h.
 */
#include "converter/creator_rules.h"

#include <string.h>

#include "converter/dangers.h"
#include "converter/near.h"
#include "converter/verbs.h"

enum { SHOWN_MAX = 80 };

enum kind { KIND_TEXT, KIND_NUMBER, KIND_MAP, KIND_LIST, KIND_POINTER };

/* The optional fields. Those of a list have their count behind a pointer: struct strings, ints and the like. */
static const struct {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
    {"name", KIND_TEXT, offsetof(struct job, name)},
    {"target", KIND_TEXT, offsetof(struct job, target)},
    {"code_type", KIND_TEXT, offsetof(struct job, code_type)},
    {"variables", KIND_MAP, offsetof(struct job, variables)},
    {"conf", KIND_MAP, offsetof(struct job, conf)},
    {"labels", KIND_MAP, offsetof(struct job, labels)},
    {"source", KIND_MAP, offsetof(struct job, source)},
    {"parts", KIND_LIST, offsetof(struct job, parts)},
    {"strategy", KIND_POINTER, offsetof(struct job, strategy)},
    {"limits.queue_timeout_ms", KIND_NUMBER, offsetof(struct job, limits.queue_timeout_ms)},
    {"limits.run_timeout_ms", KIND_NUMBER, offsetof(struct job, limits.run_timeout_ms)},
    {"limits.max_log_bytes", KIND_NUMBER, offsetof(struct job, limits.max_log_bytes)},
    {"limits.max_result_rows", KIND_NUMBER, offsetof(struct job, limits.max_result_rows)},
    {"retry.max_attempts", KIND_NUMBER, offsetof(struct job, retry.max_attempts)},
    {"retry.backoff_ms", KIND_NUMBER, offsetof(struct job, retry.backoff_ms)},
    {"retry.max_backoff_ms", KIND_NUMBER, offsetof(struct job, retry.max_backoff_ms)},
    {"retry.exit_codes", KIND_LIST, offsetof(struct job, retry.exit_codes)},
    {"retry.errors", KIND_LIST, offsetof(struct job, retry.errors)},
    {"retry.node_attempts", KIND_NUMBER, offsetof(struct job, retry.node_attempts)},
    {"not_before", KIND_NUMBER, offsetof(struct job, not_before)},
    {"callback_url", KIND_TEXT, offsetof(struct job, callback_url)},
    {"idempotency_key", KIND_TEXT, offsetof(struct job, idempotency_key)},
    {"timezone", KIND_TEXT, offsetof(struct job, timezone)},
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

const char *creator_rules_field(size_t index)
{
    return index < FIELDS ? fields[index].name : NULL;
}

/* Which row a name is of, and of a map which key (none: any). FIELDS: there is no such field. */
static size_t find_field(struct bytes name, struct bytes *key)
{
    *key = BYTES_NONE;
    for (size_t i = 0; i < FIELDS; i++) {
        size_t len = strlen(fields[i].name);
        if (bytes_equal_text(name, fields[i].name))
            return i;
        if (fields[i].kind == KIND_MAP && name.len > len + 1 && bytes_starts_with(name, fields[i].name) &&
            name.data[len] == '.') {
            *key = bytes_slice(name, len + 1, name.len);
            return job_key_is_valid(*key) ? i : FIELDS;
        }
    }
    return FIELDS;
}

/* ---- a job's fields ---- */

static const struct pairs *map_of(const struct job *j, size_t row)
{
    return (const struct pairs *)(const void *)((const char *)j + fields[row].offset);
}

static bool has_key(const struct pairs *pairs, struct bytes key)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (bytes_equal(pairs->items[i].key, key) && pairs->items[i].value.len > 0)
            return true;
    return false;
}

static bool is_given(const struct job *j, size_t row, struct bytes key)
{
    const void *at = (const char *)j + fields[row].offset;
    const void *pointer;
    int64_t number;

    switch (fields[row].kind) {
    case KIND_TEXT:
        return bytes_trim(*(const struct bytes *)at).len > 0;
    case KIND_NUMBER:
        memcpy(&number, at, sizeof(number));
        return number != NO_INT;
    case KIND_MAP:
        return key.data != NULL ? has_key(at, key) : map_of(j, row)->count > 0;
    case KIND_LIST:
        return ((const struct strings *)at)->count > 0;
    case KIND_POINTER:
        memcpy(&pointer, at, sizeof(pointer));
        return pointer != NULL;
    }
    return false;
}

static bool holds(const struct strings *list, struct bytes name)
{
    for (size_t i = 0; i < list->count; i++)
        if (bytes_equal(list->items[i], name))
            return true;
    return false;
}

static void check_required(const struct limits_effective *group, const struct job *j, struct arena *a,
    struct field_problems *problems)
{
    struct bytes key;

    for (size_t i = 0; i < group->required->count; i++) {
        struct bytes name = group->required->items[i];
        size_t row = find_field(name, &key);
        if (row < FIELDS && !is_given(j, row, key))
            field_problems_add(problems, arena_copy(a, name), "missing",
                arena_printf(a, "jobs of %.*s must give it", BYTES_ARG(j->creator)));
    }
}

static void check_allowed(const struct limits_effective *group, const struct job *j, struct arena *a,
    struct field_problems *problems)
{
    static const char detail[] = "jobs of %.*s may not give it; leave it out";

    for (size_t row = 0; row < FIELDS; row++) {
        struct bytes name = bytes_of(fields[row].name);
        if (!is_given(j, row, BYTES_NONE) || holds(group->allowed, name))
            continue;
        if (fields[row].kind != KIND_MAP) {
            field_problems_add(
                problems, name, "field_not_allowed", arena_printf(a, detail, BYTES_ARG(j->creator)));
            continue;
        }
        for (size_t i = 0; i < map_of(j, row)->count; i++) {
            struct bytes path = arena_printf(a, "%.*s.%.*s", BYTES_ARG(name),
                BYTES_ARG(bytes_cut(map_of(j, row)->items[i].key, SHOWN_MAX)));
            if (!holds(group->allowed, path))
                field_problems_add(
                    problems, path, "field_not_allowed", arena_printf(a, detail, BYTES_ARG(j->creator)));
        }
    }
}

void creator_rules_apply(const struct limits_effective *group, const struct job *j, struct arena *a,
    struct field_problems *problems)
{
    if (group->required != NULL)
        check_required(group, j, a, problems);
    if (group->allowed != NULL)
        check_allowed(group, j, a, problems);
}

/* ---- a document ---- */

static bool is_field(struct bytes name)
{
    struct bytes key;

    return find_field(name, &key) < FIELDS;
}

static const char *danger_at(size_t index)
{
    return danger_rules[index].name;
}

/* Each list, and what its entries must be. */
static const struct {
    const char *name;
    size_t offset;
    bool (*is_good)(struct bytes entry);
    const char *wanted;
    const char *(*name_at)(size_t index); /* what an entry's first word may be; NULL behind the last */
} lists[] = {
    {"required", offsetof(struct limit, required), is_field,
        "the name of an optional field of a submission, such as name or labels.project", creator_rules_field},
    {"allowed", offsetof(struct limit, allowed), is_field,
        "the name of an optional field of a submission, such as name or labels.project", creator_rules_field},
    {"forbidden_sql", offsetof(struct limit, forbidden_sql), verbs_phrase_is_valid,
        "1 to 4 words that begin with a verb, such as drop table or delete without where", verb_at},
    {"forbidden_code", offsetof(struct limit, forbidden_code), danger_name_is_known,
        "a rule such as shell.rm, or a language that has rules: shell, python, scala", danger_at},
};

static struct bytes what_is_wrong(size_t list, struct bytes entry, struct arena *a)
{
    const char *blank = entry.len > 0 ? memchr(entry.data, ' ', entry.len) : NULL;
    struct bytes first = bytes_slice(entry, 0, blank != NULL ? (size_t)(blank - entry.data) : entry.len);
    struct bytes hint = near_hint(first, lists[list].name_at, a);

    return arena_printf(a, "'%.*s' is not %s%.*s", BYTES_ARG(bytes_cut(entry, SHOWN_MAX)), lists[list].wanted,
        BYTES_ARG(hint));
}

bool creator_rules_check(const struct limit *l, struct arena *a, struct field_problems *problems)
{
    bool ok = true;

    for (size_t n = 0; n < sizeof(lists) / sizeof(lists[0]); n++) {
        const struct strings *list =
            (const struct strings *)(const void *)((const char *)l + lists[n].offset);
        if (list->count == 1 && bytes_equal_text(list->items[0], LIMITS_LIST_NONE))
            continue;
        for (size_t i = 0; i < list->count && i < LIMITS_LIST_MAX; i++)
            if (!lists[n].is_good(list->items[i]))
                ok = field_problems_add(
                    problems, bytes_of(lists[n].name), "bad_value", what_is_wrong(n, list->items[i], a));
    }
    return ok;
}
