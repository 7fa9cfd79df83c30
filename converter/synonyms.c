/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synonyms: see synonyms.h.
 */
#include "converter/synonyms.h"

#include <string.h>

enum { SHOWN_MAX = 80, SECOND_MS = 1000 };

struct applying {
    struct job *job;
    struct arena *arena;
    struct field_problems *problems;
    const struct pair *label;
};

static void add(struct applying *p, const char *code, struct bytes detail)
{
    struct bytes field =
        arena_printf(p->arena, "labels.%.*s", BYTES_ARG(bytes_cut(p->label->key, SHOWN_MAX)));

    field_problems_add(p->problems, field, code, detail);
}

static void add_contradiction(struct applying *p, const char *field, struct bytes given)
{
    add(p, "bad_value",
        arena_printf(p->arena, "'%.*s' contradicts %s '%.*s'; give one of them",
            BYTES_ARG(bytes_cut(p->label->value, SHOWN_MAX)), field, BYTES_ARG(bytes_cut(given, SHOWN_MAX))));
}

static void set_text(struct applying *p, const char *field, struct bytes *to, struct bytes value)
{
    if (to->len == 0)
        *to = value;
    else if (!bytes_equal(*to, value))
        add_contradiction(p, field, *to);
}

/* ---- the values ---- */

/* "spark-3.4.4": the engine's name, and a version that is the target's affair. */
static struct bytes engine_name(struct bytes value)
{
    const char *dash = value.len > 0 ? memchr(value.data, '-', value.len) : NULL;

    return dash != NULL ? bytes_slice(value, 0, (size_t)(dash - value.data)) : value;
}

static void take_engine(struct applying *p)
{
    struct bytes value = p->label->value, *engine = &p->job->engine;

    /* An engine's own name may hold a dash. */
    if (engine->len > 0 && value.len > engine->len && value.data[engine->len] == '-' &&
        memcmp(value.data, engine->data, engine->len) == 0)
        return;
    if (engine->len > 0 && bytes_equal(*engine, value))
        return;
    set_text(p, "engine", engine, engine_name(value));
}

/* "ann-IDE": the user, and behind the last dash the creator. */
static bool split_user_creator(struct bytes value, struct bytes *user, struct bytes *creator)
{
    size_t at = value.len;

    while (at > 0 && value.data[at - 1] != '-')
        at--;
    if (at < 2 || at == value.len)
        return false;
    *user = bytes_slice(value, 0, at - 1);
    *creator = bytes_slice(value, at, value.len);
    return true;
}

static void take_user_creator(struct applying *p)
{
    struct bytes user, creator;

    if (!split_user_creator(p->label->value, &user, &creator)) {
        add(p, "bad_value", BYTES("expected user-creator, such as ann-IDE"));
        return;
    }
    set_text(p, "user", &p->job->user, user);
    set_text(p, "creator", &p->job->creator, creator);
}

static void take_code_type(struct applying *p)
{
    set_text(p, "code_type", &p->job->code_type, p->label->value);
}

static void take_number(struct applying *p, const char *field, int64_t *to, int64_t times, int64_t plus)
{
    int64_t value;

    if (!bytes_parse_int64(p->label->value, &value) || value < 0 || value > 1000000000) {
        add(p, "bad_value", BYTES("expected a number from 0 to 1000000000"));
        return;
    }
    value = value * times + plus;
    if (*to == NO_INT)
        *to = value;
    else if (*to != value)
        add_contradiction(p, field, arena_printf(p->arena, "%lld", (long long)*to));
}

static void take_queue_timeout(struct applying *p)
{
    take_number(p, "limits.queue_timeout_ms", &p->job->limits.queue_timeout_ms, SECOND_MS, 0);
}

static void take_run_timeout(struct applying *p)
{
    take_number(p, "limits.run_timeout_ms", &p->job->limits.run_timeout_ms, SECOND_MS, 0);
}

static void take_retry_count(struct applying *p)
{
    take_number(p, "retry.max_attempts", &p->job->retry.max_attempts, 1, 1);
}

static void take_retry_wait(struct applying *p)
{
    take_number(p, "retry.backoff_ms", &p->job->retry.backoff_ms, 1, 0);
}

static void take_once(struct applying *p)
{
    const struct pair never = {BYTES("reuse"), BYTES("never")};
    struct pairs *conf = &p->job->conf, all;

    if (bytes_equal_text(p->label->value, "false"))
        return;
    for (size_t i = 0; i < conf->count; i++) {
        if (!bytes_equal(conf->items[i].key, never.key))
            continue;
        if (!bytes_equal(conf->items[i].value, never.value))
            add_contradiction(p, "conf.reuse", conf->items[i].value);
        return;
    }
    all = (struct pairs){arena_array(p->arena, conf->count + 1, sizeof(*all.items)), conf->count + 1};
    if (conf->count > 0)
        memcpy(all.items, conf->items, conf->count * sizeof(*all.items));
    all.items[conf->count] = never;
    *conf = all;
}

/* ---- the table ---- */

static const struct {
    struct synonym shown;
    void (*take)(struct applying *p);
} rows[] = {
    {{"engineType", "engine", "the name of the engine; what follows its first `-`, a version, counts nothing",
         "spark-3.4.4"},
        take_engine},
    {{"userCreator", "user, creator", "the user, and behind the last `-` the creator", "ann-IDE"},
        take_user_creator},
    {{"codeType", "code_type", "the code type", "sql"}, take_code_type},
    {{"runType", "code_type", "the code type", "sql"}, take_code_type},
    {{"jobQueuingTimeout", "limits.queue_timeout_ms", "seconds", "600"}, take_queue_timeout},
    {{"jobRunningTimeout", "limits.run_timeout_ms", "seconds", "3600"}, take_run_timeout},
    {{"jobRetryCount", "retry.max_attempts", "tries after the first", "2"}, take_retry_count},
    {{"jobRetryTimeout", "retry.backoff_ms", "milliseconds before the second try", "30000"}, take_retry_wait},
    {{"executeOnce", "conf.reuse", "an engine process of its own (`never`); `false`: no", "true"}, take_once},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const struct synonym *synonym_at(size_t index)
{
    return index < ROWS ? &rows[index].shown : NULL;
}

void synonyms_apply(struct job *j, struct arena *a, struct field_problems *problems)
{
    struct applying p = {j, a, problems, NULL};

    for (size_t i = 0; i < j->labels.count; i++) {
        p.label = &j->labels.items[i];
        for (size_t k = 0; k < ROWS; k++)
            if (bytes_equal_text(p.label->key, rows[k].shown.label))
                rows[k].take(&p);
    }
}

static struct bytes label_of(json_t *labels, const char *name)
{
    json_t *value = json_object_get(labels, name);

    return json_is_string(value) ? (struct bytes){json_string_value(value), json_string_length(value)}
                                 : BYTES_NONE;
}

static void set_missing(json_t *o, const char *field, struct bytes value)
{
    if (value.len > 0 && json_object_get(o, field) == NULL)
        json_object_set_new(o, field, json_stringn(value.data, value.len));
}

void synonyms_complete(json_t *submission)
{
    json_t *labels = json_object_get(submission, "labels");
    struct bytes user, creator;

    if (!json_is_object(labels))
        return;
    set_missing(submission, "engine", engine_name(label_of(labels, "engineType")));
    if (!split_user_creator(label_of(labels, "userCreator"), &user, &creator))
        return;
    set_missing(submission, "user", user);
    set_missing(submission, "creator", creator);
}
