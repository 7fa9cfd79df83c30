/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: records */
/*
 * job: states, phases and their ranks, names, and the codes that users see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/job.h"

/* ---- states ---- */

static const char *const state_names[JOB_STATES] = {"accepted", "converted", "planned", "queued", "running",
    "succeeded", "failed", "cancelled", "timed_out", "rejected"};

static void states_have_their_names(void **state)
{
    (void)state;
    for (unsigned s = 0; s < JOB_STATES; s++) {
        enum job_state parsed = JOB_STATES;
        assert_string_equal(job_state_name((enum job_state)s), state_names[s]);
        assert_true(job_state_parse(bytes_of(state_names[s]), &parsed));
        assert_int_equal(parsed, s);
    }
    enum job_state untouched = JOB_PLANNED;
    assert_false(job_state_parse(BYTES("done"), &untouched));
    assert_false(job_state_parse(BYTES(""), &untouched));
    assert_false(job_state_parse(BYTES_NONE, &untouched));
    assert_int_equal(untouched, JOB_PLANNED);
}

/* ---- phases ---- */

static void phases_have_name_rank_and_state(void **state)
{
    (void)state;
    static const struct {
        enum job_phase phase;
        const char *name;
        int rank;
        enum job_state state;
        bool final;
    } rows[JOB_PHASES] = {
        {PHASE_ACCEPTED, "accepted", 0, JOB_ACCEPTED, false},
        {PHASE_CONVERTED, "converted", 1, JOB_CONVERTED, false},
        {PHASE_PLANNED, "planned", 2, JOB_PLANNED, false},
        {PHASE_QUEUED, "queued", 3, JOB_QUEUED, false},
        {PHASE_STARTED, "started", 4, JOB_RUNNING, false},
        {PHASE_PROGRESS, "progress", 5, JOB_RUNNING, false},
        {PHASE_NODE, "node", 5, JOB_RUNNING, false},
        {PHASE_RETRYING, "retrying", 6, JOB_QUEUED, false},
        {PHASE_LOST, "lost", 6, JOB_QUEUED, false},
        {PHASE_SUCCEEDED, "succeeded", 7, JOB_SUCCEEDED, true},
        {PHASE_FAILED, "failed", 7, JOB_FAILED, true},
        {PHASE_CANCELLED, "cancelled", 7, JOB_CANCELLED, true},
        {PHASE_TIMED_OUT, "timed_out", 7, JOB_TIMED_OUT, true},
        {PHASE_REJECTED, "rejected", 7, JOB_REJECTED, true},
    };
    for (unsigned i = 0; i < JOB_PHASES; i++) {
        assert_int_equal(rows[i].phase, i);
        assert_string_equal(job_phase_names[i], rows[i].name);
        assert_int_equal(job_phase_rank(rows[i].phase), rows[i].rank);
        assert_int_equal(job_phase_state(rows[i].phase), rows[i].state);
        assert_int_equal(job_phase_is_final(rows[i].phase), rows[i].final);
    }
    assert_null(job_phase_names[JOB_PHASES]);
}

/* ---- questions about a job ---- */

static void names_are_fit_for_folders_or_refused(void **state)
{
    (void)state;
    const struct {
        struct bytes name;
        bool valid;
    } rows[] = {
        {BYTES("alice"), true},
        {BYTES("A.b_c-9@x"), true},
        {BYTES("..."), true},
        {BYTES(".hidden"), true},
        {BYTES(""), false},
        {BYTES_NONE, false},
        {BYTES("."), false},
        {BYTES(".."), false},
        {BYTES("a/b"), false},
        {BYTES("a b"), false},
        {BYTES("a\nb"), false},
        {BYTES("a\0b"), false},
        {BYTES("\0"), false},
        {BYTES("a\x7f"), false},
        {BYTES("\xc3\xa4"), false},
        {BYTES("a:b"), false},
        {BYTES("$a"), false},
        {BYTES("1234567890123456789012345678901234567890123456789012345678901234"), true},
        {BYTES("12345678901234567890123456789012345678901234567890123456789012345"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (job_name_is_valid(rows[i].name) != rows[i].valid)
            fail_msg("\"%.*s\": expected %d", BYTES_ARG(rows[i].name), rows[i].valid);
}

static void a_group_is_creator_and_user(void **state)
{
    (void)state;
    struct arena a;
    struct job job;
    arena_init(&a);
    shape_clear(&shape_submitted, &job);
    assert_true(bytes_equal_text(job_group(&a, &job), "/"));
    job.creator = BYTES("ide");
    job.user = BYTES("alice");
    assert_true(bytes_equal_text(job_group(&a, &job), "ide/alice"));
    arena_release(&a);
}

static void a_statement_is_its_own_text_or_a_slice_of_the_code(void **state)
{
    (void)state;
    struct job job;
    shape_clear(&shape_submitted, &job);
    job.code = BYTES("select 1;select 2");
    struct job_statement slice = {.offset = 9, .length = 8};
    struct job_statement own = {.text = BYTES("own"), .offset = 9, .length = 8};
    struct job_statement beyond = {.offset = 9, .length = 1000};
    struct job_statement broken = {.offset = -1, .length = 5};
    assert_true(bytes_equal_text(job_statement_text(&job, &slice), "select 2"));
    assert_true(bytes_equal_text(job_statement_text(&job, &own), "own"));
    assert_true(bytes_equal_text(job_statement_text(&job, &beyond), "select 2"));
    assert_true(bytes_equal_text(job_statement_text(&job, &broken), ""));
}

/* ---- shapes ---- */

static void each_record_of_a_job_extends_the_one_before(void **state)
{
    (void)state;
    const struct shape *chain[] = {&shape_submitted, &shape_converted, &shape_planned};
    static const char *const last[] = {"trace", "times", "cache"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(chain[i]->fields[chain[i]->count - 1].name, last[i]);
        assert_int_equal(chain[i]->size, sizeof(struct job));
        for (size_t f = 0; i > 0 && f < chain[i - 1]->count; f++)
            assert_string_equal(chain[i]->fields[f].name, chain[i - 1]->fields[f].name);
    }
    assert_string_equal(shape_plan.fields[0].name, "pool");
    assert_int_equal(shape_plan.count, 3);
}

static void a_cleared_submission_has_no_value_in_the_later_parts_either(void **state)
{
    (void)state;
    struct job job;
    memset(&job, 0x55, sizeof job);
    shape_clear(&shape_submitted, &job);
    assert_int_equal(job.times.accepted, NO_INT);
    assert_int_equal(job.limits.run_timeout_ms, NO_INT);
    assert_int_equal(job.retry.on_lost, NO_ENUM);
    assert_null(job.error);
    assert_null(job.cache);
    assert_int_equal(job.nodes.count, 0);
    assert_int_equal(job.submitted_at, NO_INT);
    assert_null(job.target.data);
    assert_non_null(job.name.data);
}

/* ---- codes ---- */

static void codes_are_unique_lower_case_and_explained(void **state)
{
    (void)state;
    for (const struct error_code *row = job_error_codes; row->code; row++) {
        assert_true(strspn(row->code, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(row->code));
        assert_true(strlen(row->code) < ERROR_CODE_MAX);
        assert_true(strlen(row->meaning) > 10);
        assert_in_range(row->class, 0, ERROR_CLASSES - 1);
        assert_true(row->http_status == 0 || (row->http_status >= 400 && row->http_status <= 599));
        if (job_error_code(row->code) != row)
            fail_msg("%s is there twice", row->code);
    }
    assert_null(job_error_code("no_such_code"));
}

static void codes_that_other_modules_set_are_in_the_table(void **state)
{
    (void)state;
    static const char *const codes[] = {/* codec, guard, registry */
        "garbage", "unknown_schema", "wrong_record", "truncated", "too_deep", "too_large", "trailing_bytes",
        "bad_utf8", "bad_json", "bad_value", "null_value", "registry_away",
        /* shape_from_json */
        "unknown_field", "wrong_type", "missing", "nul_byte", "too_long",
        /* stages */
        "unknown_pool", "unknown_target", "unknown_outcome", "poison", "lost"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (!job_error_code(codes[i]))
            fail_msg("%s is not in job_error_codes", codes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_have_their_names),
        cmocka_unit_test(phases_have_name_rank_and_state),
        cmocka_unit_test(names_are_fit_for_folders_or_refused),
        cmocka_unit_test(a_group_is_creator_and_user),
        cmocka_unit_test(a_statement_is_its_own_text_or_a_slice_of_the_code),
        cmocka_unit_test(each_record_of_a_job_extends_the_one_before),
        cmocka_unit_test(a_cleared_submission_has_no_value_in_the_later_parts_either),
        cmocka_unit_test(codes_are_unique_lower_case_and_explained),
        cmocka_unit_test(codes_that_other_modules_set_are_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
