/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* creator_rules: which fields a job must or may give; and labels that stand for fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converter/convert.h"
#include "converter/creator_rules.h"

#define NOW 1800000000000LL

static struct convert_rules rules;
static struct arena arena;

static void make_job(struct job *j, const char *field, const char *value)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s}", "creator", "ide", "user", "ann", "engine", "shell", "code", "ls");
    struct field_problems problems;

    json_object_set_new(o, field, json_loads(value, JSON_DECODE_ANY, NULL));
    assert_true(shape_from_json(&shape_submitted, o, SHAPE_NUL, &arena, j, &problems));
    json_decref(o);
}

/* ---- labels that stand for fields ---- */

static const struct {
    const char *name, *labels;
    const char *refused; /* the field, or NULL */
} label_cases[] = {
    {"an engine with its version", "{\"engineType\":\"shell-1\"}", NULL},
    {"an engine's name alone", "{\"engineType\":\"shell\"}", NULL},
    {"another engine", "{\"engineType\":\"shells-1\"}",
        "labels.engineType: 'shells-1' contradicts engine 'shell'"},
    {"user and creator", "{\"userCreator\":\"ann-ide\"}", NULL},
    {"another user", "{\"userCreator\":\"bob-ide\"}", "labels.userCreator: 'bob-ide' contradicts user 'ann'"},
    {"no creator", "{\"userCreator\":\"ann\"}", "labels.userCreator: expected user-creator"},
    {"nothing behind the dash", "{\"userCreator\":\"ann-\"}", "labels.userCreator: expected user-creator"},
    {"a code type that does not fit", "{\"codeType\":\"sql\"}",
        "code_type: engine 'shell' does not run 'sql'"},
    {"two code types", "{\"codeType\":\"bash\",\"runType\":\"sh\"}",
        "labels.runType: 'sh' contradicts code_type 'bash'"},
    {"no seconds", "{\"jobRunningTimeout\":\"1h\"}", "labels.jobRunningTimeout: expected a number"},
    {"negative seconds", "{\"jobQueuingTimeout\":\"-1\"}", "labels.jobQueuingTimeout: expected a number"},
    {"a timeout beyond the most", "{\"jobRunningTimeout\":\"1000000000\"}", "limits.run_timeout_ms: 0 to "},
    {"labels of the user's own", "{\"enginetype\":\"x\",\"team\":\"a\"}", NULL},
};

static void takes_labels_for_fields(void **state)
{
    struct job j;

    (void)state;
    for (size_t i = 0; i < sizeof(label_cases) / sizeof(label_cases[0]); i++) {
        arena_reset(&arena);
        make_job(&j, "labels", label_cases[i].labels);
        bool fine = convert_job(&rules, &j, 100, NOW, &arena);
        const char *wanted = label_cases[i].refused;
        if (fine != (wanted == NULL))
            fail_msg("%s: %s", label_cases[i].name, fine ? "was not refused" : j.error->message.data);
        if (wanted != NULL && !bytes_starts_with(j.error->message, wanted))
            fail_msg("%s: %s", label_cases[i].name, j.error->message.data);
    }
    arena_reset(&arena);
    make_job(&j, "labels",
        "{\"engineType\":\"shell-2.4\",\"userCreator\":\"li-si-ide\",\"codeType\":\"bash\","
        "\"jobQueuingTimeout\":\"0\","
        "\"jobRetryCount\":\"2\",\"jobRetryTimeout\":\"9\",\"executeOnce\":\"\"}");
    j.engine = j.user = j.creator = BYTES_NONE;
    for (int again = 0; again < 2; again++) {
        assert_true(convert_job(&rules, &j, 100, NOW, &arena));
        assert_true(bytes_equal_text(j.engine, "shell") && bytes_equal_text(j.user, "li-si") &&
                    bytes_equal_text(j.creator, "ide") && bytes_equal_text(j.code_type, "bash"));
        assert_int_equal(j.limits.queue_timeout_ms, 0);
        assert_int_equal(j.retry.max_attempts, 3);
        assert_int_equal(j.retry.backoff_ms, 9);
        assert_int_equal(j.conf.count, 1);
        assert_true(bytes_equal_text(j.conf.items[0].key, "reuse") &&
                    bytes_equal_text(j.conf.items[0].value, "never"));
    }
}

/* ---- fields by the rules of a creator ---- */

static void asks_for_fields_by_the_rules_of_the_group(void **state)
{
    struct bytes must[] = {BYTES("name"), BYTES("labels.project"), BYTES("limits.run_timeout_ms")};
    struct bytes may[] = {BYTES("labels.project"), BYTES("conf"), BYTES("retry.errors")};
    struct bytes none = BYTES("none");
    struct job_strategy single = {BYTES("single"), {NULL, 0}};
    struct job_default item;
    struct limit items[3];
    struct job j;

    (void)state;
    arena_reset(&arena);
    for (int i = 0; i < 3; i++)
        shape_clear(&shape_limit, &items[i]);
    items[0].selector = BYTES("ide/*");
    items[0].required = (struct strings){must, 3};
    items[1].selector = BYTES("ide/bob");
    items[1].allowed = (struct strings){may, 3};
    items[1].required = (struct strings){&none, 1};
    items[2].selector = BYTES("ide/free");
    items[2].required = (struct strings){&none, 1};
    struct limits *groups = limits_of(items, 3);
    rules.groups = groups;

    make_job(&j, "labels", "{\"project\":\"\"}");
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "missing"));
    assert_true(
        bytes_equal_text(j.error->detail, "name: missing: jobs of ide must give it\n"
                                          "labels.project: missing: jobs of ide must give it\n"
                                          "limits.run_timeout_ms: missing: jobs of ide must give it"));
    make_job(&j, "labels", "{\"project\":\"x\",\"jobRunningTimeout\":\"0\"}");
    j.name = BYTES("n");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    make_job(&j, "user", "\"free\"");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));

    /* What defaults fill in nobody gave. */
    shape_clear(&shape_default, &item);
    item.selector = BYTES("ide/bob");
    item.strategy = &single;
    item.limits.run_timeout_ms = 7;
    struct defaults *defaults = defaults_of(&item, 1);
    rules.defaults = defaults;
    make_job(&j, "labels", "{\"project\":\"x\"}");
    j.user = BYTES("bob");
    assert_true(convert_job(&rules, &j, 100, NOW, &arena));
    assert_int_equal(j.limits.run_timeout_ms, 7);
    make_job(&j, "labels", "{\"project\":\"x\",\"team\":\"y\"}");
    j.user = BYTES("bob");
    j.retry.max_attempts = 2;
    assert_false(convert_job(&rules, &j, 100, NOW, &arena));
    assert_true(bytes_equal_text(j.error->code, "field_not_allowed"));
    assert_true(bytes_equal_text(j.error->detail,
        "labels.team: field_not_allowed: jobs of ide may not give it; leave it out\n"
        "retry.max_attempts: field_not_allowed: jobs of ide may not give it; leave it out"));
    rules.defaults = NULL;
    rules.groups = NULL;
    defaults_free(defaults);
    limits_free(groups);
}

/* ---- documents that a client wants to write ---- */

static const struct {
    const char *name, *list, *entry;
    const char *refused; /* how its detail ends, or NULL */
} documents[] = {
    {"a verb alone", "forbidden_sql", "truncate", NULL},
    {"a phrase, however it is written", "forbidden_sql", "DELETE Without where", NULL},
    {"a typo", "forbidden_sql", "dorp table", "such as drop table or delete without where; near: drop"},
    {"a typo in capitals", "forbidden_sql", "TRUNCTE", "without where; near: truncate"},
    {"several are near", "forbidden_sql", "sen x", "without where; near: send, set"},
    {"no verb at all", "forbidden_sql", "please drop", "such as drop table or delete without where"},
    {"no words", "forbidden_sql", "drop; table", "without where; near: drop"},
    {"a rule", "forbidden_code", "shell.rm", NULL},
    {"a rule that there is not", "forbidden_code", "shell.rmm", "shell, python, scala; near: shell.rm"},
    {"a language that there is not", "forbidden_code", "cobol", "rules: shell, python, scala"},
    {"a field that there is not", "required", "timezne", "labels.project; near: timezone"},
};

static void refuses_documents_whose_names_mean_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        struct field_problems problems = {.count = 0};
        struct bytes entry = bytes_of(documents[i].entry);
        const struct strings list = {&entry, 1};
        struct limit l;
        arena_reset(&arena);
        shape_clear(&shape_limit, &l);
        if (strcmp(documents[i].list, "required") == 0)
            l.required = list;
        else if (strcmp(documents[i].list, "forbidden_sql") == 0)
            l.forbidden_sql = list;
        else
            l.forbidden_code = list;
        bool fine = creator_rules_check(&l, &arena, &problems);
        struct bytes detail = fine ? BYTES("") : problems.items[0].detail;
        struct bytes wanted = bytes_of(documents[i].refused);
        size_t end = detail.len > wanted.len ? detail.len - wanted.len : 0;
        if (fine != (documents[i].refused == NULL) ||
            !bytes_equal(bytes_slice(detail, end, detail.len), wanted))
            fail_msg("%s: %.*s", documents[i].name, BYTES_ARG(detail));
        assert_true(fine || bytes_equal_text(problems.items[0].field, documents[i].list));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_labels_for_fields),
        cmocka_unit_test(asks_for_fields_by_the_rules_of_the_group),
        cmocka_unit_test(refuses_documents_whose_names_mean_nothing),
    };
    struct error e;

    error_clear(&e);
    struct engine_list *engines = engine_list_open(SOURCE_DIR "/engines", &e);
    if (engines == NULL)
        return 1;
    rules = (struct convert_rules){.engines = engines,
        .submission_max_bytes = 10000,
        .derived_max_bytes = 20000,
        .limits = {0, 1000, 2000, 3000},
        .most = {100000, 100000, 100000, 100000},
        .retry = {.max_attempts = 1, .backoff_ms = 5, .max_backoff_ms = 6, .on_lost = ON_LOST_RETRY}};
    arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    engine_list_close(engines);
    return failed;
}
