/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: plan */
/* plan: where jobs go by labels and by the setting routes, which of equals is picked, and the keys of cached results. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_case.h"
#include "planner/plan_world.h"

static bool read_rules(
    const char *pools, const char *routes, struct arena *a, struct plan_rules *out, struct error *e)
{
    const struct plan_settings settings = {pools, routes};

    *out = (struct plan_rules){.derived_max_bytes = 1000};
    error_clear(e);
    return plan_rules_read(&settings, world.engines, a, out, e);
}

/* ---- the settings ---- */

static void knows_valid_pools(void **state)
{
    static const struct {
        const char *name;
        bool valid;
    } names[] = {{"default", true}, {"a-1", true}, {"", false}, {"A", false}, {"a.b", false}, {"a b", false},
        {"abcdefghijklmnopqrstuvwxyz012345", true}, {"abcdefghijklmnopqrstuvwxyz0123456", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_equal(plan_pool_is_valid(bytes_of(names[i].name)), names[i].valid);
}

static void settings_are_read_or_refused(void **state)
{
    static const struct {
        const char *name, *pools, *routes;
        const char *wrong; /* in the error; NULL: none */
        size_t pool_count, route_count;
    } rows[] = {
        {"only the default", "default", "", NULL, 1, 0},
        {"pools by commas and spaces", "a, b,c", "", NULL, 3, 0},
        {"a bad pool", "a,B", "", "'B' is no pool's name", 0, 0},
        {"too many pools", "a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "",
            "more than 32", 0, 0},
        {"a route to a pool", "fast", "team=x pool/fast", NULL, 1, 1},
        {"the default pool is always there", "fast", "team=x pool/default", NULL, 1, 1},
        {"a route to a target", "fast", "team=x target/postgres@lake", NULL, 1, 1},
        {"a group of equals is a target", "fast", "team=x target/postgres@warehouse", NULL, 1, 1},
        {"any target, where the manifest does not say", "fast", "team=x target/free@y", NULL, 1, 1},
        {"several rows", "fast",
            " team=x pool/fast;\n\tteam=y  pool/fast target/postgres@w1 target/free@y ; ", NULL, 1, 2},
        {"a value may hold =", "fast", "team=x=y pool/fast", NULL, 1, 1},
        {"no value", "fast", "team= pool/fast", "'team=' is not LABEL=VALUE", 0, 0},
        {"no label", "fast", "=x pool/fast", "'=x' is not LABEL=VALUE", 0, 0},
        {"no label at all", "fast", "pool/fast", "'pool/fast' is not LABEL=VALUE", 0, 0},
        {"nothing decided", "fast", "team=x", "decides nothing", 0, 0},
        {"an unknown word", "fast", "team=x queue/fast", "'queue/fast' is neither", 0, 0},
        {"an unknown pool", "fast", "team=x pool/slow", "'slow' is no pool", 0, 0},
        {"two pools", "fast", "team=x pool/fast pool/default", "'default' is a second pool", 0, 0},
        {"a target without engine", "fast", "team=x target/lake", "'lake' is not ENGINE@TARGET", 0, 0},
        {"an unknown engine", "fast", "team=x target/trino@lake", "'trino@lake' is not ENGINE@TARGET", 0, 0},
        {"an unknown target", "fast", "team=x target/postgres@sea", "'postgres@sea' is no target", 0, 0},
        {"no target", "fast", "team=x target/postgres@", "'postgres@' is not ENGINE@TARGET", 0, 0},
        {"two targets of an engine", "fast", "team=x target/postgres@lake target/postgres@w1",
            "'postgres@w1' is a second target", 0, 0},
        {"the row is named", "fast", "team=a pool/fast; team=b pool/b", "routes: 'team=b pool/b'", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct plan_rules rules;
        struct arena a;
        struct error e;
        arena_init(&a);
        bool ok = read_rules(rows[i].pools, rows[i].routes, &a, &rules, &e);
        if (ok != (rows[i].wrong == NULL))
            fail_msg("%s: %s", rows[i].name, ok ? "taken" : e.text);
        if (rows[i].wrong && (!error_is(&e, "bad_setting") || !strstr(e.text, rows[i].wrong)))
            fail_msg("%s: expected %s, got %s: %s", rows[i].name, rows[i].wrong, e.code, e.text);
        if (ok && (rules.pools.count != rows[i].pool_count || rules.routes.count != rows[i].route_count))
            fail_msg("%s: %zu pools, %zu routes", rows[i].name, rules.pools.count, rules.routes.count);
        arena_release(&a);
    }
}

/* ---- where a job goes ---- */

enum { LABELS = 3 };

struct test_label {
    const char *key, *value;
};

static const char routes[] = "team=finance pool/fast target/postgres@lake target/free@f;"
                             "tier=gold pool/gold;"
                             "team=ops target/postgres@w2;"
                             "tier=silver pool/fast target/postgres@w1";

static const struct {
    const char *name;
    struct test_label labels[LABELS];
    const char *target, *strategy; /* of the job */
    const char *part_engine;       /* a second part on this engine */
    const char *refused;           /* before */
    const char *pool, *plan;       /* wanted */
    const char *message;           /* a piece of the refusal's */
} goals[] = {
    {"no label", .pool = "default", .plan = "postgres#0"},
    {"the label pool", {{"pool", "fast"}}, .pool = "fast", .plan = "postgres#0"},
    {"the default pool by name", {{"pool", "default"}}, .pool = "default", .plan = "postgres#0"},
    {"an empty label", {{"pool", ""}, {"target", ""}}, .pool = "default", .plan = "postgres#0"},
    {"an unknown pool", {{"pool", "slow"}}, .pool = "default", .plan = "unknown_pool", .message = "'slow'"},
    {"an unknown pool is not mended by a route", {{"pool", "slow"}, {"tier", "gold"}}, .pool = "default",
        .plan = "unknown_pool"},
    {"a route to pool and target", {{"team", "finance"}}, .pool = "fast", .plan = "postgres@lake#0"},
    {"a route to a pool", {{"tier", "gold"}}, .pool = "gold", .plan = "postgres#0"},
    {"a route to a target", {{"team", "ops"}}, .pool = "default", .plan = "postgres@w2#0"},
    {"another value", {{"team", "other"}}, .pool = "default", .plan = "postgres#0"},
    {"the first that fits counts", {{"tier", "gold"}, {"team", "finance"}}, .pool = "fast",
        .plan = "postgres@lake#0"},
    {"pool and target each by the first", {{"tier", "silver"}, {"team", "ops"}}, .pool = "fast",
        .plan = "postgres@w2#0"},
    {"the label pool comes before routes", {{"pool", "default"}, {"team", "finance"}}, .pool = "default",
        .plan = "postgres@lake#0"},
    {"the job's target comes before routes", {{"team", "finance"}}, .target = "w1", .pool = "fast",
        .plan = "postgres@w1#0"},
    {"a strategy comes before routes", {{"team", "finance"}}, .strategy = "race w1,w2", .pool = "fast",
        .plan = "race(postgres@w1#0 postgres@w2#0)"},
    {"single without target does not", {{"team", "finance"}}, .strategy = "single", .pool = "fast",
        .plan = "postgres@lake#0"},
    {"routes are by engine", {{"team", "finance"}}, .part_engine = "free", .pool = "fast",
        .plan = "all(a:postgres@lake#0 b:free@f#1)"},
    {"an engine without a row stays", {{"team", "finance"}}, .part_engine = "shell", .pool = "fast",
        .plan = "all(a:postgres@lake#0 b:shell#1)"},

    {"the label target", {{"target", "lake"}}, .pool = "default", .plan = "postgres@lake#0"},
    {"with its engine", {{"target", "postgres@lake"}}, .pool = "default", .plan = "postgres@lake#0"},
    {"the job's target comes before the label", {{"target", "lake"}}, .target = "w1", .pool = "default",
        .plan = "postgres@w1#0"},
    {"the label target comes before routes", {{"team", "finance"}, {"target", "w1"}}, .pool = "fast",
        .plan = "postgres@w1#0"},
    {"an unknown target is refused", {{"target", "sea"}}, .pool = "default", .plan = "unknown_target",
        .message = "engine 'postgres' has no target 'sea'; known: lake, warehouse, equal, w1, w2"},
    {"on its pool", {{"target", "sea"}, {"pool", "fast"}}, .pool = "fast", .plan = "unknown_target"},
    {"not where the job says its own", {{"target", "sea"}}, .target = "w1", .pool = "default",
        .plan = "postgres@w1#0"},
    {"another engine's target is refused", {{"target", "free@x"}}, .pool = "default",
        .plan = "unknown_target", .message = "'free', which runs nothing"},
    {"also one that is not there", {{"target", "trino@lake"}}, .pool = "default", .plan = "unknown_target",
        .message = "'trino', which runs nothing"},
    {"what is no engine's name is not one", {{"target", "@lake"}}, .pool = "default",
        .plan = "unknown_target", .message = "engine 'postgres' has no target '@lake'"},
    {"one engine's of two", {{"target", "free@x"}}, .part_engine = "free", .pool = "default",
        .plan = "all(a:postgres#0 b:free@x#1)"},
    {"each engine must have it", {{"target", "lake"}}, .part_engine = "shell", .pool = "default",
        .plan = "unknown_target", .message = "engine 'shell' has no target"},

    {"a refused job stays so", .refused = "unknown_engine", .pool = "default", .plan = "unknown_engine"},
    {"a refused job goes to its pool", {{"pool", "fast"}}, .refused = "unknown_engine", .pool = "fast",
        .plan = "unknown_engine"},
    {"also by a route", {{"tier", "gold"}}, .refused = "unknown_engine", .pool = "gold",
        .plan = "unknown_engine"},
    {"a refused job keeps its first reason", {{"pool", "slow"}}, .refused = "unknown_engine",
        .pool = "default", .plan = "unknown_engine"},
};

static struct pairs labels_of(const struct test_label *labels, struct arena *a)
{
    struct pairs pairs = {arena_array(a, LABELS, sizeof(struct pair)), 0};

    for (size_t i = 0; i < LABELS && labels[i].key; i++)
        pairs.items[pairs.count++] = (struct pair){bytes_of(labels[i].key), bytes_of(labels[i].value)};
    return pairs;
}

static void add_two_parts(struct job *j, const char *engine, struct arena *a)
{
    j->parts.items = arena_array(a, 2, sizeof(*j->parts.items));
    j->parts.count = 2;
    j->parts.items[0] = (struct job_part){.id = BYTES("a")};
    j->parts.items[1] = (struct job_part){.id = BYTES("b"), .engine = bytes_of(engine)};
    j->statements.items[0].part = BYTES("a");
    j->statements.items[1].part = BYTES("b");
}

static void jobs_go_by_labels_and_routes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
        struct plan_rules rules;
        struct arena a;
        struct error e;
        struct job j;
        struct job_error refused = {.code = bytes_of(goals[i].refused)};
        arena_init(&a);
        assert_true(read_rules("default,fast,gold", routes, &a, &rules, &e));
        plan_case_job(&j, &a, goals[i].part_engine ? 2 : 1);
        j.labels = labels_of(goals[i].labels, &a);
        j.target = bytes_of(goals[i].target);
        j.strategy = plan_case_strategy(goals[i].strategy, &a);
        j.error = goals[i].refused ? &refused : NULL;
        if (goals[i].part_engine)
            add_two_parts(&j, goals[i].part_engine, &a);
        plan_job(&rules, &j, &a);
        const char *plan = plan_case_text(&j, &a);
        if (strcmp(plan, goals[i].plan) != 0 || !bytes_equal_text(j.pool, goals[i].pool))
            fail_msg("%s: expected %s on %s, got %s on %.*s", goals[i].name, goals[i].plan, goals[i].pool,
                plan, BYTES_ARG(j.pool));
        if (goals[i].message && !strstr(arena_text(&a, j.error->message), goals[i].message))
            fail_msg("%s: %.*s", goals[i].name, BYTES_ARG(j.error->message));
        arena_release(&a);
    }
}

/* ---- equals ---- */

static void equals_share_the_jobs_by_weight(void **state)
{
    enum { JOBS = 10000 };
    struct plan_rules rules;
    struct arena a, job_arena;
    struct error e;
    struct job j;
    long first = 0;

    (void)state;
    arena_init(&a);
    arena_init(&job_arena);
    assert_true(read_rules("default", "", &a, &rules, &e));
    for (unsigned i = 0; i < JOBS; i++) {
        plan_case_job(&j, &job_arena, 1);
        j.job_id = arena_printf(&job_arena, "019a0000-0000-7000-8000-%012x", i);
        j.target = BYTES("warehouse");
        assert_true(plan_job(&rules, &j, &job_arena));
        struct bytes target = j.nodes.items[0].target;
        first += bytes_equal_text(target, "w1") ? 1 : 0;
        assert_true(bytes_equal_text(target, "w1") || bytes_equal_text(target, "w2"));
        assert_true(plan_job(&rules, &j, &job_arena));
        assert_true(bytes_equal(target, j.nodes.items[0].target));
        arena_reset(&job_arena);
    }
    if (labs(first - JOBS * 3 / 4) > JOBS * 3 / 100)
        fail_msg("3 to 1: %ld of %d", first, JOBS);
    arena_release(&job_arena);
    arena_release(&a);
}

/* ---- keys of cached results ---- */

struct change {
    const char *name;
    void (*make)(struct job *j, struct arena *a); /* of a job that is like all others before */
    bool same;                                    /* is the key the one of the job without it */
};

static void nothing(struct job *j, struct arena *a)
{
    (void)j, (void)a;
}
static void other_id(struct job *j, struct arena *a)
{
    (void)a;
    j->job_id = BYTES("019a0000-0000-7000-8000-0000000000ff");
    j->name = BYTES("another name");
    j->submitter = BYTES("bob");
}
static void other_limits(struct job *j, struct arena *a)
{
    (void)a;
    j->limits.run_timeout_ms = 5;
    j->retry.max_attempts = 7;
}
static void label(struct job *j, struct arena *a)
{
    static const struct test_label labels[LABELS] = {{"cache", "1h"}, {"team", "x"}};

    j->labels = labels_of(labels, a);
}
static void variables_turned(struct job *j, struct arena *a)
{
    (void)a;
    struct pair first = j->variables.items[0];
    j->variables.items[0] = j->variables.items[1];
    j->variables.items[1] = first;
}
static void same_text_as_a_change(struct job *j, struct arena *a)
{
    (void)a;
    j->statements.items[0].text = BYTES("s0");
}
static void other_user(struct job *j, struct arena *a)
{
    (void)a;
    j->user = BYTES("bob");
}
static void other_creator(struct job *j, struct arena *a)
{
    (void)a;
    j->creator = BYTES("cron");
}
static void other_pool(struct job *j, struct arena *a)
{
    static const struct test_label labels[LABELS] = {{"cache", "1h"}, {"pool", "fast"}};

    j->labels = labels_of(labels, a);
}
static void moved_border(struct job *j, struct arena *a)
{
    (void)a;
    j->creator = BYTES("idea");
    j->user = BYTES("nn");
}
static void other_text(struct job *j, struct arena *a)
{
    (void)a;
    j->statements.items[1].text = BYTES("s2");
}
static void fewer_statements(struct job *j, struct arena *a)
{
    (void)a;
    j->statements.count = 1;
}
static void other_target(struct job *j, struct arena *a)
{
    (void)a;
    j->target = BYTES("lake");
}
static void other_engine(struct job *j, struct arena *a)
{
    (void)a;
    j->engine = BYTES("free");
}
static void other_code_type(struct job *j, struct arena *a)
{
    (void)a;
    j->code_type = BYTES("hql");
}
static void other_value(struct job *j, struct arena *a)
{
    (void)a;
    j->variables.items[0].value = BYTES("2");
}
static void no_variables(struct job *j, struct arena *a)
{
    (void)a;
    j->variables.count = 0;
}
static void variables_are_conf(struct job *j, struct arena *a)
{
    (void)a;
    struct pairs conf = j->conf;
    j->conf = j->variables;
    j->variables = conf;
}
static void more_rows(struct job *j, struct arena *a)
{
    (void)a;
    j->limits.max_result_rows = 2000;
}
static void race(struct job *j, struct arena *a)
{
    j->strategy = plan_case_strategy("race lake,w1", a);
}
static void fallback(struct job *j, struct arena *a)
{
    j->strategy = plan_case_strategy("fallback lake,w1", a);
}
static void parts(struct job *j, struct arena *a)
{
    add_two_parts(j, "postgres", a);
}
static void parts_in_order(struct job *j, struct arena *a)
{
    add_two_parts(j, "postgres", a);
    j->parts.items[1].after = plan_case_list("a", a);
}

static const struct change changes[] = {
    {"nothing", nothing, true},
    {"id, name and submitter", other_id, true},
    {"limits and retries", other_limits, true},
    {"another label", label, true},
    {"variables in another order", variables_turned, true},
    {"a statement that is changed into itself", same_text_as_a_change, true},
    {"another user", other_user, false},
    {"another creator", other_creator, false},
    {"another pool", other_pool, false},
    {"another border between creator and user", moved_border, false},
    {"another value in the code", other_text, false},
    {"fewer statements", fewer_statements, false},
    {"another target", other_target, false},
    {"another engine", other_engine, false},
    {"another code type", other_code_type, false},
    {"another value of a variable", other_value, false},
    {"no variables", no_variables, false},
    {"variables as conf", variables_are_conf, false},
    {"more rows", more_rows, false},
    {"a race", race, false},
    {"a fallback on the same", fallback, false},
    {"parts", parts, false},
    {"parts in order", parts_in_order, false},
};
enum { CHANGES = sizeof(changes) / sizeof(changes[0]) };

static struct bytes key_after(const struct change *c, struct arena *a)
{
    static const struct test_label cached[LABELS] = {{"cache", "1h"}};
    struct plan_rules rules;
    struct error e;
    struct job j;

    assert_true(read_rules("default,fast", "", a, &rules, &e));
    plan_case_job(&j, a, 2);
    j.labels = labels_of(cached, a);
    j.variables = (struct pairs){arena_array(a, 2, sizeof(struct pair)), 2};
    j.variables.items[0] = (struct pair){BYTES("a"), BYTES("1")};
    j.variables.items[1] = (struct pair){BYTES("b"), BYTES("1")};
    c->make(&j, a);
    assert_true(plan_job(&rules, &j, a));
    struct job_cache none = {.ttl_ms = 0};
    const struct job_cache *cache = j.cache ? j.cache : &none;
    assert_int_equal(cache->ttl_ms, 3600000);
    assert_int_equal(cache->key.len, 64);
    return cache->key;
}

static void equal_work_has_equal_keys_and_no_other(void **state)
{
    struct bytes keys[CHANGES];
    struct arena a;

    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < CHANGES; i++) {
        keys[i] = key_after(&changes[i], &a);
        for (size_t k = 0; k < i; k++)
            if (bytes_equal(keys[i], keys[k]) != (changes[i].same && changes[k].same))
                fail_msg("'%s' and '%s' have %s keys", changes[i].name, changes[k].name,
                    bytes_equal(keys[i], keys[k]) ? "equal" : "different");
    }
    arena_release(&a);
}

static void equals_have_one_key(void **state)
{
    static const struct test_label cached[LABELS] = {{"cache", "10m"}};
    struct bytes key = BYTES_NONE;
    struct plan_rules rules;
    struct error e;
    struct arena a;
    size_t second = 0;

    (void)state;
    arena_init(&a);
    assert_true(read_rules("default", "", &a, &rules, &e));
    for (unsigned i = 0; i < 100; i++) {
        struct job j;
        plan_case_job(&j, &a, 1);
        j.labels = labels_of(cached, &a);
        j.job_id = arena_printf(&a, "%u", i);
        j.target = BYTES("warehouse");
        assert_true(plan_job(&rules, &j, &a));
        second += bytes_equal_text(j.nodes.items[0].target, "w2") ? 1 : 0;
        assert_true(i == 0 || bytes_equal(key, j.cache->key));
        key = j.cache->key;
    }
    assert_true(second > 0 && second < 100);
    arena_release(&a);
}

static void only_a_duration_means_a_cache(void **state)
{
    static const struct {
        const char *label;
        int64_t ttl_ms; /* 0: no cache */
    } rows[] = {{"10m", 600000}, {"1h", 3600000}, {"1d", 86400000}, {"90s", 90000}, {"", 0}, {"0", 0},
        {"-5m", 0}, {"yes", 0}, {"1 h", 0}};
    struct plan_rules rules;
    struct error e;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct test_label labels[LABELS] = {{"cache", rows[i].label}};
        struct arena a;
        struct job j;
        arena_init(&a);
        assert_true(read_rules("default", "", &a, &rules, &e));
        plan_case_job(&j, &a, 1);
        j.labels = labels_of(labels, &a);
        assert_true(plan_job(&rules, &j, &a));
        if ((j.cache != NULL) != (rows[i].ttl_ms > 0) || (j.cache && j.cache->ttl_ms != rows[i].ttl_ms))
            fail_msg("'%s': %lld", rows[i].label, j.cache ? (long long)j.cache->ttl_ms : 0);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_valid_pools),
        cmocka_unit_test(settings_are_read_or_refused),
        cmocka_unit_test(jobs_go_by_labels_and_routes),
        cmocka_unit_test(equals_share_the_jobs_by_weight),
        cmocka_unit_test(equal_work_has_equal_keys_and_no_other),
        cmocka_unit_test(equals_have_one_key),
        cmocka_unit_test(only_a_duration_means_a_cache),
    };
    return cmocka_run_group_tests(tests, plan_case_set_up, plan_case_tear_down);
}
