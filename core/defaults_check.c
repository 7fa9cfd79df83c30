/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defaults_check: what a client may write into a defaults document, and what of one written by hand counts. One table of numbers serves
 * both.
 */
#include <string.h>

#include "core/defaults.h"
#include "core/limits.h"
#include "core/retry.h"
#include "core/strategy.h"

static const struct {
    const char *name;
    size_t offset;
    int64_t min, max;
} numbers[] = {
    {"limits.queue_timeout_ms", offsetof(struct job_default, limits.queue_timeout_ms), 0,
        LIMITS_TIMEOUT_MAX_MS},
    {"limits.run_timeout_ms", offsetof(struct job_default, limits.run_timeout_ms), 0, LIMITS_TIMEOUT_MAX_MS},
    {"limits.max_log_bytes", offsetof(struct job_default, limits.max_log_bytes), 0, INT64_MAX},
    {"limits.max_result_rows", offsetof(struct job_default, limits.max_result_rows), 0, INT64_MAX},
    {"retry.max_attempts", offsetof(struct job_default, retry.max_attempts), 1, RETRY_ATTEMPTS_MAX},
    {"retry.backoff_ms", offsetof(struct job_default, retry.backoff_ms), 0, RETRY_BACKOFF_MAX_MS},
    {"retry.max_backoff_ms", offsetof(struct job_default, retry.max_backoff_ms), 0, RETRY_BACKOFF_MAX_MS},
    {"retry.node_attempts", offsetof(struct job_default, retry.node_attempts), 1, RETRY_ATTEMPTS_MAX},
};
#define NUMBERS (sizeof numbers / sizeof numbers[0])

static const struct {
    const char *name;
    size_t offset;
    bool (*key_is_valid)(struct bytes key);
    size_t value_max;
} maps[] = {
    {"conf", offsetof(struct job_default, conf), job_key_is_valid, JOB_VALUE_BYTES},
    {"variables", offsetof(struct job_default, variables), job_variable_name_is_valid, JOB_VALUE_BYTES},
};
#define MAPS (sizeof maps / sizeof maps[0])

static int64_t number_get(const struct job_default *d, size_t i)
{
    int64_t value;
    memcpy(&value, (const char *)d + numbers[i].offset, sizeof value);
    return value;
}

static bool number_is_good(const struct job_default *d, size_t i)
{
    int64_t value = number_get(d, i);
    return value == NO_INT || (value >= numbers[i].min && value <= numbers[i].max);
}

static struct pairs map_get(const struct job_default *d, size_t i)
{
    struct pairs pairs;
    memcpy(&pairs, (const char *)d + maps[i].offset, sizeof pairs);
    return pairs;
}

static bool is_plain_text(struct bytes text)
{
    return text.len == 0 || (!memchr(text.data, '\0', text.len) && bytes_is_utf8(text));
}

static bool pair_is_good(size_t map, const struct pair *p)
{
    return maps[map].key_is_valid(p->key) && p->value.len <= maps[map].value_max && is_plain_text(p->value);
}

/* ---- what a client may write ---- */

static bool check_numbers(const struct job_default *d, struct arena *a, struct field_problems *problems)
{
    bool ok = true;
    for (size_t i = 0; i < NUMBERS; i++)
        if (!number_is_good(d, i))
            ok = field_problems_add(problems, bytes_of(numbers[i].name), "bad_value",
                arena_printf(a, "expected %lld to %lld, got %lld", (long long)numbers[i].min,
                    (long long)numbers[i].max, (long long)number_get(d, i)));
    return ok;
}

static bool check_maps(const struct job_default *d, struct arena *a, struct field_problems *problems)
{
    bool ok = true;
    for (size_t i = 0; i < MAPS; i++) {
        struct pairs pairs = map_get(d, i);
        if (pairs.count > JOB_PAIRS_MAX)
            ok = field_problems_add(problems, bytes_of(maps[i].name), "too_many",
                arena_printf(a, "at most %d entries", JOB_PAIRS_MAX));
        for (size_t k = 0; k < pairs.count && k < JOB_PAIRS_MAX; k++) {
            const struct pair *p = &pairs.items[k];
            struct bytes field = arena_printf(a, "%s.%.*s", maps[i].name, BYTES_ARG(bytes_cut(p->key, 80)));
            if (!maps[i].key_is_valid(p->key))
                ok = field_problems_add(problems, field, "bad_name", BYTES("expected a name as in a job"));
            else if (!pair_is_good(i, p))
                ok = field_problems_add(problems, field, "bad_value",
                    arena_printf(a, "expected up to %zu bytes of UTF-8 without NUL", maps[i].value_max));
        }
    }
    return ok;
}

static bool check_retry(const struct job_default *d, struct arena *a, struct field_problems *problems)
{
    const struct job_retry *r = &d->retry;
    bool ok = true;
    if (r->exit_codes.count > RETRY_RULES_MAX || r->errors.count > RETRY_RULES_MAX)
        ok = field_problems_add(
            problems, BYTES("retry"), "too_many", arena_printf(a, "at most %d rules", RETRY_RULES_MAX));
    for (size_t i = 0; i < r->exit_codes.count && i < RETRY_RULES_MAX; i++)
        if (r->exit_codes.items[i] < 0 || r->exit_codes.items[i] > 255)
            ok = field_problems_add(
                problems, BYTES("retry.exit_codes"), "bad_value", BYTES("expected 0 to 255"));
    for (size_t i = 0; i < r->errors.count && i < RETRY_RULES_MAX; i++) {
        const char *why = retry_pattern_problem(r->errors.items[i], a);
        if (why)
            ok = field_problems_add(
                problems, arena_printf(a, "retry.errors[%zu]", i), "bad_value", bytes_of(why));
    }
    return ok;
}

bool default_check(const struct job_default *d, struct arena *a, struct field_problems *problems)
{
    struct default_selector selector;
    bool ok = default_selector_parse(d->selector, &selector);
    if (!ok)
        field_problems_add(problems, BYTES("selector"), "bad_value",
            BYTES("expected creator/user, creator/* or *, then ,engine=NAME and ,label=KEY=VALUE as needed"));
    ok = check_numbers(d, a, problems) && ok;
    ok = check_maps(d, a, problems) && ok;
    ok = check_retry(d, a, problems) && ok;
    /* Whether its targets are such only the converter knows, which knows the job's engine. */
    return (!d->strategy || strategy_check(d->strategy, BYTES("strategy"), selector.engine, a, problems)) &&
           ok;
}

/* ---- what of a document written by hand counts ---- */

static void tame_maps(struct job_default *d)
{
    for (size_t i = 0; i < MAPS; i++) {
        struct pairs pairs = map_get(d, i), kept = {pairs.items, 0};
        for (size_t k = 0; k < pairs.count && kept.count < JOB_PAIRS_MAX; k++)
            if (pair_is_good(i, &pairs.items[k]))
                kept.items[kept.count++] = pairs.items[k];
        memcpy((char *)d + maps[i].offset, &kept, sizeof kept);
    }
}

static void tame_retry(struct job_retry *r, struct arena *a)
{
    struct ints codes = {r->exit_codes.items, 0};
    struct strings errors = {r->errors.items, 0};
    for (size_t i = 0; i < r->exit_codes.count && codes.count < RETRY_RULES_MAX; i++)
        if (r->exit_codes.items[i] >= 0 && r->exit_codes.items[i] <= 255)
            codes.items[codes.count++] = r->exit_codes.items[i];
    for (size_t i = 0; i < r->errors.count && errors.count < RETRY_RULES_MAX; i++)
        if (is_plain_text(r->errors.items[i]) && !retry_pattern_problem(r->errors.items[i], a))
            errors.items[errors.count++] = r->errors.items[i];
    r->exit_codes = codes;
    r->errors = errors;
}

void default_tame(struct job_default *d, struct arena *a)
{
    const int64_t none = NO_INT;
    for (size_t i = 0; i < NUMBERS; i++)
        if (!number_is_good(d, i))
            memcpy((char *)d + numbers[i].offset, &none, sizeof none);
    tame_maps(d);
    tame_retry(&d->retry, a);
    struct field_problems ignored = {.count = 0};
    if (d->strategy && !strategy_check(d->strategy, BYTES(""), BYTES_NONE, a, &ignored))
        d->strategy = NULL;
}
