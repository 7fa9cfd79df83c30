/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* strategies: how targets are written, and which strategies of a job or of its parts are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/duration.h"
#include "core/strategy.h"
#include "tests/unit/convert_world.h"

/* ---- how a target is written ---- */

static const struct {
    const char *text, *engine, *target; /* engine NULL: it is none; target NULL: the engine's default */
} targets[] = {
    {"warehouse", "postgres", "warehouse"},
    {"spark@big", "spark", "big"},
    {"spark@", "spark", NULL},
    {"spark@a@b", "spark", "a@b"},
    {"", NULL, NULL},
    {"@big", NULL, NULL},
    {"@", NULL, NULL},
    {"a b", NULL, NULL},
    {"a/b@c", NULL, NULL},
    {"a@b/c", NULL, NULL},
    {"..", NULL, NULL},
};

static void a_target_names_its_engine_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct strategy_target t;
        bool good = strategy_target_parse(bytes_of(targets[i].text), BYTES("postgres"), &t);
        if (good != (targets[i].engine != NULL))
            fail_msg("'%s' is %s", targets[i].text, good ? "good" : "bad");
        if (!good)
            continue;
        assert_true(bytes_equal_text(t.engine, targets[i].engine));
        if (targets[i].target == NULL)
            assert_null(t.target.data);
        else
            assert_true(bytes_equal_text(t.target, targets[i].target));
    }
}

/* ---- strategies of a job on postgres, which has warehouse and lake ---- */

#define FOUR(l) "\"" l "1\",\"" l "2\",\"" l "3\",\"" l "4\""
#define OF(kind, list) "{\"kind\":\"" kind "\",\"targets\":[" list "]}"

static const struct {
    const char *name, *engine, *strategy;
    const char *code, *message; /* NULL: the job is fine; else the error's, which begins so */
} cases[] = {
    {"single without a target", "postgres", OF("single", ""), NULL, NULL},
    {"single with a target", "postgres", OF("single", "\"lake\""), NULL, NULL},
    {"single with two", "postgres", OF("single", "\"lake\",\"warehouse\""), "bad_value",
        "strategy.targets: single takes at most one target, not 2"},
    {"race", "postgres", OF("race", "\"lake\",\"warehouse\""), NULL, NULL},
    {"all", "postgres", OF("all", "\"lake\",\"postgres@warehouse\""), NULL, NULL},
    {"fallback", "postgres", OF("fallback", "\"lake\""), NULL, NULL},
    {"race of engines", "postgres", OF("race", "\"lake\",\"sqlite@\""), NULL, NULL},
    {"race of nothing", "postgres", OF("race", ""), "bad_value",
        "strategy.targets: race takes 1 to 16 targets, not 0"},
    {"race without targets", "postgres", "{\"kind\":\"race\"}", "bad_value", "strategy.targets: race takes"},
    {"16 targets", "noop", OF("all", FOUR("a") "," FOUR("b") "," FOUR("c") "," FOUR("d")), NULL, NULL},
    {"17 targets", "noop", OF("all", FOUR("a") "," FOUR("b") "," FOUR("c") "," FOUR("d") ",\"e\""),
        "bad_value", "strategy.targets: all takes 1 to 16 targets, not 17"},
    {"another word", "postgres", OF("best", ""), "bad_value", "strategy.kind: single, race, all or fallback"},
    {"a target twice", "postgres", OF("all", "\"lake\",\"lake\""), "bad_value",
        "strategy.targets[1]: 'lake' is there twice"},
    {"a target twice by two names", "postgres", OF("all", "\"lake\",\"postgres@lake\""), "bad_value",
        "strategy.targets[1]: 'postgres@lake' is there twice"},
    {"the default twice", "postgres", OF("all", "\"postgres@\",\"postgres@\""), "bad_value",
        "strategy.targets[1]: "},
    {"a target that is none", "postgres", OF("all", "\"a b\""), "bad_value",
        "strategy.targets[0]: a target of"},
    {"an unknown target", "postgres", OF("all", "\"lake\",\"sea\""), "unknown_target",
        "strategy.targets[1]: engine 'postgres' has no target 'sea'; known: warehouse, lake"},
    {"a target of an engine without any", "sqlite", OF("all", "\"lake\""), "unknown_target",
        "strategy.targets[0]: engine 'sqlite' has no target 'lake'; known: none"},
    {"an unknown engine", "postgres", OF("all", "\"cobol@x\""), "unknown_engine",
        "strategy.targets[0]: there is no engine 'cobol'"},
    {"an engine that is not allowed", "postgres", OF("race", "\"lake\",\"spark@big\""), "engine_not_allowed",
        "strategy.targets[1]: ide/ann may not use 'spark'"},
    {"an engine for other code", "postgres", OF("race", "\"lake\",\"shell@\""), "bad_code_type",
        "strategy.targets[1]: engine 'shell' does not run 'sql', but: shell, bash"},
};

static void allow(struct limit *l, struct bytes names[4])
{
    shape_clear(&shape_limit, l);
    l->selector = BYTES("*");
    names[0] = BYTES("sqlite");
    names[1] = BYTES("postgres");
    names[2] = BYTES("noop");
    names[3] = BYTES("shell");
    l->engines = (struct strings){names, 4};
}

static void check(const char *name, struct job *j, const char *code, const char *message)
{
    bool fine = convert_job(&rules, j, 100, NOW, &arena);

    if (fine != (code == NULL))
        fail_msg("%s: %s", name, fine ? "was not refused" : (const char *)j->error->message.data);
    if (!fine && (!bytes_equal_text(j->error->code, code) || !bytes_starts_with(j->error->message, message)))
        fail_msg("%s: got %.*s, %.*s", name, BYTES_ARG(j->error->code), BYTES_ARG(j->error->message));
}

static void a_strategy_is_one_or_refused(void **state)
{
    struct bytes names[4];
    struct limit limit;
    struct job j;

    (void)state;
    allow(&limit, names);
    struct limits *groups = limits_of(&limit, 1);
    rules.groups = groups;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        arena_reset(&arena);
        make_job(&j, "strategy", cases[i].strategy);
        j.engine = bytes_of(cases[i].engine);
        check(cases[i].name, &j, cases[i].code, cases[i].message);
    }
    rules.groups = NULL;
    limits_free(groups);
}

/* ---- the job's, for its parts ---- */

static const struct {
    const char *name, *strategy, *parts;
    const char *code, *message;
} of_parts[] = {
    {"the job's fits all its parts", OF("race", "\"lake\",\"warehouse\""),
        "[{\"id\":\"a\",\"code\":\"x\"},{\"id\":\"b\",\"code\":\"x\"}]", NULL, NULL},
    {"a part on another engine has other targets", OF("race", "\"lake\""),
        "[{\"id\":\"a\",\"code\":\"x\"},{\"id\":\"b\",\"engine\":\"sqlite\",\"code\":\"x\"}]",
        "unknown_target", "strategy.targets[0]: engine 'sqlite' has no target 'lake'"},
    {"a part with a strategy of its own needs not the job's", OF("race", "\"lake\""),
        "[{\"id\":\"b\",\"engine\":\"sqlite\",\"code\":\"x\",\"strategy\":{\"kind\":\"single\"}}]", NULL,
        NULL},
    {"a target that is the part's own a second time", OF("race", "\"big\",\"spark@big\""),
        "[{\"id\":\"b\",\"engine\":\"spark\",\"code_type\":\"hql\",\"code\":\"x\"}]", "bad_value",
        "strategy.targets[1]: 'spark@big' is there twice"},
    {"a part's own is told with the part", OF("single", ""),
        "[{\"id\":\"b\",\"code\":\"x\",\"strategy\":{\"kind\":\"all\",\"targets\":[\"sea\"]}}]",
        "unknown_target", "parts[0].strategy.targets[0]: engine 'postgres' has no target 'sea'"},
    {"a part's own is one that there is", OF("single", ""),
        "[{\"id\":\"b\",\"code\":\"x\",\"strategy\":{\"kind\":\"luck\",\"targets\":[]}}]", "bad_value",
        "parts[0].strategy.kind: single, race"},
};

static void parts_have_the_jobs_strategy_or_their_own(void **state)
{
    struct job j, parts;

    (void)state;
    for (size_t i = 0; i < sizeof(of_parts) / sizeof(of_parts[0]); i++) {
        arena_reset(&arena);
        make_job(&j, "strategy", of_parts[i].strategy);
        make_job(&parts, "parts", of_parts[i].parts);
        j.engine = BYTES("postgres");
        j.code = BYTES("");
        j.parts.items = parts.parts.items;
        j.parts.count = parts.parts.count;
        check(of_parts[i].name, &j, of_parts[i].code, of_parts[i].message);
    }
    /* Of a text that is cut, the line is told. */
    arena_reset(&arena);
    make_job(&j, "strategy", of_parts[0].strategy);
    j.engine = BYTES("postgres");
    j.code = BYTES("select 1;\n--@engine sqlite\nselect 2");
    check("a text that is cut", &j, "unknown_target",
        "code: part p2, line 2: engine 'sqlite' has no target 'lake'");
    assert_int_equal(j.error->line, 2);
}

/* ---- durations ---- */

static const struct {
    const char *text;
    int64_t ms; /* NO_INT: it is none */
} durations[] = {
    {"10m", 600000},
    {"1h", 3600000},
    {"1d", 86400000},
    {"250ms", 250},
    {"7", 7},
    {"0", 0},
    {"", NO_INT},
    {"-1s", NO_INT},
    {"1 h", NO_INT},
    {"h", NO_INT},
    {"1w", NO_INT},
    {"99999999999999999999d", NO_INT},
    {"9223372036854775807d", NO_INT},
    {"0000000000000000000000000000000000000001s", NO_INT},
};

static void a_duration_has_a_unit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t ms = NO_INT;
        bool good = duration_parse(bytes_of(durations[i].text), &ms);
        if (good != (durations[i].ms != NO_INT) || (good && ms != durations[i].ms))
            fail_msg("'%s' is %lld", durations[i].text, (long long)ms);
    }
    assert_false(duration_parse((struct bytes){"1\0h", 3}, &(int64_t){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_names_its_engine_or_not),
        cmocka_unit_test(a_strategy_is_one_or_refused),
        cmocka_unit_test(parts_have_the_jobs_strategy_or_their_own),
        cmocka_unit_test(a_duration_has_a_unit),
    };
    return cmocka_run_group_tests(tests, world_set_up, world_tear_down);
}
