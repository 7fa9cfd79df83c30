/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: ingest */
/* test_submit: bodies and the problems that they are answered with; identity of submissions; lines of NDJSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/post.h"
#include "ingest/submit.h"
#include "tests/unit/engines_folder.h"

static const struct folder_engine engines[] = {
    {"shell", "\"code_types\":[\"bash\"],\"targets\":[\"t\"],\"conf\":[\"s\"]"},
    {"noop", "\"code_types\":[\"noop\"]"},
};
static struct engines_folder folder;
static struct submit_rules rules = {4096, NULL};

#define WHO "\"creator\":\"ide\",\"user\":\"ann\","
#define GOOD "{" WHO "\"engine\":\"noop\",\"code\":\"x\"}"
#define WITH(more) "{" WHO "\"engine\":\"noop\",\"code\":\"x\"," more "}"

/* problems: "field:code field:code", in the order of the answer; status 0: accepted. */
static const struct {
    const char *name, *body;
    int status;
    const char *code, *problems;
} rows[] = {
    {"the least job is accepted", GOOD, 0, NULL, ""},
    {"every optional field is accepted",
        WITH("\"name\":\"n\",\"target\":\"t\",\"code_type\":\"\",\"variables\":{\"a\":\"b\",\"n\":1,\"t\":"
             "true},"
             "\"conf\":{},\"labels\":{\"x\":\"y\"},\"source\":{\"file\":\"f\"},\"limits\":{\"run_timeout_"
             "ms\":5},"
             "\"retry\":{\"max_attempts\":3,\"on_lost\":\"fail\"},\"not_before\":\"2026-01-31T08:30:00Z\","
             "\"callback_url\":\"https://x.example/y\",\"idempotency_key\":\"k\",\"timezone\":\"UTC\","
             "\"strategy\":{\"kind\":\"race\",\"targets\":[\"a\",\"b\"]}"),
        0, NULL, ""},
    {"null is as if it were absent", WITH("\"target\":null,\"name\":null"), 0, NULL, ""},
    {"an empty body is no JSON", "", 400, "bad_json", ""},
    {"blanks are no JSON", " \r\n\t", 400, "bad_json", ""},
    {"text is no JSON", "hello", 400, "bad_json", ""},
    {"half of an object is no JSON", "{\"creator\":", 400, "bad_json", ""},
    {"two objects are no JSON", GOOD GOOD, 400, "bad_json", ""},
    {"a field twice is no JSON", "{\"creator\":\"a\",\"creator\":\"a\"}", 400, "bad_json", ""},
    {"a list is no submission", "[" GOOD "]", 400, "bad_request", ""},
    {"bytes that are not UTF-8 are told", WITH("\"name\":\"\xff\""), 400, "bad_utf8", ""},
    {"half a surrogate is no JSON", WITH("\"name\":\"\\ud800\""), 400, "bad_json", ""},
    {"a NUL is told with its field", WITH("\"name\":\"a\\u0000b\""), 400, "invalid", "name:nul_byte"},
    {"an unknown field is named", WITH("\"color\":1"), 400, "invalid", "color:unknown_field"},
    {"an unknown field inside is named with its path", WITH("\"limits\":{\"x\":1}"), 400, "invalid",
        "limits.x:unknown_field"},
    {"a job id is the server's to give", WITH("\"job_id\":\"018f3c1e-0000-7000-8000-000000000000\""), 400,
        "invalid", "job_id:unknown_field"},
    {"the submitter is the server's to say", WITH("\"submitter\":\"root\""), 400, "invalid",
        "submitter:unknown_field"},
    {"all that is missing is told", "{}", 400, "invalid",
        "creator:missing user:missing engine:missing code:missing"},
    {"wrong types are told", "{" WHO "\"engine\":1,\"code\":[]}", 400, "invalid",
        "engine:wrong_type code:wrong_type"},
    {"shape and values are told together",
        "{\"creator\":\"a/b\",\"user\":7,\"engine\":\"nope\",\"code\":\" \"}", 400, "invalid",
        "user:wrong_type creator:bad_name engine:unknown_engine code:empty_code"},
    {"all bad values are told", "{\"creator\":\"a b\",\"user\":\"..\",\"engine\":\"nope\",\"code\":\"\\n\"}",
        422, "invalid", "creator:bad_name user:bad_name engine:unknown_engine code:empty_code"},
    {"an empty user is no name", "{\"creator\":\"a\",\"user\":\"\",\"engine\":\"noop\",\"code\":\"x\"}", 422,
        "invalid", "user:bad_name"},
    {"a control character is in no name", WITH("\"name\":\"a\\u001bb\""), 422, "invalid", "name:bad_name"},
    {"a code type that fits is accepted",
        "{" WHO "\"engine\":\"shell\",\"code_type\":\"bash\",\"code\":\"x\"}", 0, NULL, ""},
    {"a code type of another engine is told",
        "{" WHO "\"engine\":\"shell\",\"code_type\":\"sql\",\"code\":\"x\"}", 422, "invalid",
        "code_type:bad_code_type"},
    {"a target that the engine has is accepted",
        "{" WHO "\"engine\":\"shell\",\"target\":\"t\",\"conf\":{\"s\":\"1\"},\"code\":\"x\"}", 0, NULL, ""},
    {"a target that the engine does not have is told",
        "{" WHO "\"engine\":\"shell\",\"target\":\"u\",\"code\":\"x\"}", 422, "invalid",
        "target:unknown_target"},
    {"a setting that the engine does not have is told",
        "{" WHO "\"engine\":\"shell\",\"conf\":{\"s\":\"1\",\"S\":\"1\"},\"code\":\"x\"}", 422, "invalid",
        "conf.S:unknown_field"},
    {"settings of Millrace's own are right for every engine",
        "{" WHO
        "\"engine\":\"shell\",\"code\":\"x\",\"conf\":{\"session\":\"statement\",\"reuse\":\"never\"}}",
        0, NULL, ""},
    {"what their values may be is told",
        "{" WHO "\"engine\":\"shell\",\"code\":\"x\",\"conf\":{\"session\":\"each\",\"reuse\":\"\"}}", 422,
        "invalid", "conf.session:bad_value conf.reuse:bad_value"},
    {"a label that stands for such a setting is right",
        "{" WHO "\"engine\":\"shell\",\"code\":\"x\",\"labels\":{\"executeOnce\":\"true\"}}", 0, NULL, ""},
    {"a setting is right when one of the job's engines has it",
        WITH("\"conf\":{\"S\":\"1\"},\"parts\":[{\"id\":\"a\",\"engine\":\"shell\",\"code\":\"x\"}]"), 0,
        NULL, ""},
    {"a setting is right when an engine of a strategy has it",
        "{" WHO "\"engine\":\"shell\",\"code\":\"x\",\"conf\":{\"S\":\"1\"},\"strategy\":{\"kind\":\"race\","
        "\"targets\":[\"noop@\"]}}",
        0, NULL, ""},
    {"the target of a part is its engine's",
        WITH("\"parts\":[{\"id\":\"a\",\"engine\":\"shell\",\"target\":\"u\",\"code\":\"x\"}]"), 422,
        "invalid", "parts[0].target:unknown_target"},
    {"numbers out of range are told",
        WITH("\"limits\":{\"run_timeout_ms\":-1},\"retry\":{\"max_attempts\":0,\"backoff_ms\":-5}"), 422,
        "invalid", "limits.run_timeout_ms:bad_value retry.max_attempts:bad_value retry.backoff_ms:bad_value"},
    {"rules of retries are checked at once",
        WITH("\"retry\":{\"exit_codes\":[75,256],\"errors\":[\"time.*out\",\"(\"]}"), 422, "invalid",
        "retry.exit_codes[1]:bad_value retry.errors[1]:bad_value"},
    {"a word that is none of the allowed is told", WITH("\"retry\":{\"on_lost\":\"maybe\"}"), 400, "invalid",
        "retry.on_lost:bad_value"},
    {"tries of a node and results from before have limits",
        WITH("\"retry\":{\"node_attempts\":101},\"labels\":{\"cache\":\"soon\"}"), 422, "invalid",
        "retry.node_attempts:bad_value labels.cache:bad_value"},
    {"results from before may serve", WITH("\"retry\":{\"node_attempts\":3},\"labels\":{\"cache\":\"1h\"}"),
        0, NULL, ""},
    {"a strategy has targets, none twice",
        WITH("\"strategy\":{\"kind\":\"all\",\"targets\":[\"a\",\"noop@a\"]}"), 422, "invalid",
        "strategy.targets[1]:bad_value"},
    {"a race of nothing is told", WITH("\"strategy\":{\"kind\":\"race\",\"targets\":[]}"), 422, "invalid",
        "strategy.targets:bad_value"},
    {"engines and targets of a strategy are told",
        WITH("\"strategy\":{\"kind\":\"race\",\"targets\":[\"nope@x\",\"shell@u\",\"shell@t\"]}"), 422,
        "invalid", "strategy.targets[0]:unknown_engine strategy.targets[1]:unknown_target"},
    {"a target is a name", WITH("\"strategy\":{\"kind\":\"race\",\"targets\":[\"a b\"]}"), 422, "invalid",
        "strategy.targets[0]:bad_value"},
    {"an unknown strategy is told", WITH("\"strategy\":{\"kind\":\"luck\"}"), 422, "invalid",
        "strategy.kind:bad_value"},
    {"a callback is an http address", WITH("\"callback_url\":\"file:///etc/passwd\""), 422, "invalid",
        "callback_url:bad_value"},
    {"an empty key is no key", WITH("\"idempotency_key\":\"\""), 422, "invalid", "idempotency_key:bad_value"},
    {"parts have ids of their own and known engines",
        WITH("\"parts\":[{\"id\":\"a\",\"engine\":\"noop\",\"code\":\"x\"},{\"id\":\"a\",\"engine\":\"nope\","
             "\"code\":\" \"}]"),
        422, "invalid", "parts[1].id:bad_parts parts[1].code:empty_code parts[1].engine:unknown_engine"},
    {"parts wait for parts that there are",
        WITH("\"parts\":[{\"id\":\"a\",\"code\":\"x\",\"after\":[\"b\"]},{\"id\":\"b\",\"code\":\"x\","
             "\"after\":[\"c\",\"d\"]}]"),
        422, "invalid", "parts[1].after[0]:bad_parts parts[1].after[1]:bad_parts"},
    {"parts that wait for each other are told",
        WITH("\"parts\":[{\"id\":\"a\",\"code\":\"x\",\"after\":[\"b\"]},{\"id\":\"b\",\"code\":\"x\","
             "\"after\":[\"a\"]}]"),
        422, "invalid", "parts[0].after:bad_parts"},
    {"a part's name has no @", WITH("\"parts\":[{\"id\":\"a@b\",\"code\":\"x\"}]"), 422, "invalid",
        "parts[0].id:bad_name"},
    {"what a part lacks is told once",
        "{" WHO "\"engine\":\"\",\"code\":\"\",\"parts\":[{\"code\":\"x\"},{\"id\":\"b\",\"engine\":\"noop\","
        "\"code\":\"\"}]}",
        400, "invalid", "parts[0].id:missing parts[0].engine:missing parts[1].code:missing"},
    {"a part's strategy is checked on its engine",
        WITH("\"parts\":[{\"id\":\"a\",\"engine\":\"shell\",\"code\":\"x\",\"strategy\":{\"kind\":\"all\","
             "\"targets\":[\"t\",\"u\"]}}]"),
        422, "invalid", "parts[0].strategy.targets[1]:unknown_target"},
    {"a job whose parts have engines needs none, nor code",
        "{" WHO "\"parts\":[{\"id\":\"a\",\"engine\":\"noop\",\"code\":\"x\"}]}", 0, NULL, ""},
    {"a list without parts is none", "{" WHO "\"parts\":[]}", 400, "invalid", "engine:missing code:missing"},
};

static void told(const struct refusal *why, struct buf *out)
{
    for (size_t i = 0; i < why->problems.count; i++)
        buf_printf(out, "%s%.*s:%s", i ? " " : "", BYTES_ARG(why->problems.items[i].field),
            why->problems.items[i].code);
    buf_add_char(out, '\0');
}

/* An endless list is told as a whole. */
static void too_many_parts_are_told_and_not_looked_at(void **state)
{
    const struct submit_rules large = {1024 * 1024, rules.engines};
    struct arena a;
    struct submission s;
    const struct refusal *why = NULL;
    struct buf body, problems;
    (void)state;
    arena_init(&a);
    buf_init(&body);
    buf_init(&problems);
    buf_add_text(&body, "{" WHO "\"engine\":\"noop\",\"code\":\"\",\"parts\":[");
    for (int i = 0; i <= 1000; i++)
        buf_printf(&body, "%s{\"id\":\"%d\",\"engine\":\"noop\",\"code\":\"%s\"}", i ? "," : "", i,
            i < 1000 ? "x" : " ");
    buf_add_text(&body, "]}");
    assert_false(submit_parse(&large, buf_bytes(&body), BYTES_NONE, &a, &s, &why));
    told(why, &problems);
    assert_string_equal(problems.data, "parts:too_many");
    buf_release(&problems);
    buf_release(&body);
    arena_release(&a);
}

static void a_body_is_accepted_or_told_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena a;
        struct submission s;
        const struct refusal *why = NULL;
        struct buf problems;
        arena_init(&a);
        buf_init(&problems);
        print_message("%s\n", rows[i].name);
        bool ok = submit_parse(&rules, bytes_of(rows[i].body), BYTES_NONE, &a, &s, &why);
        assert_int_equal(ok, rows[i].status == 0);
        if (!ok) {
            told(why, &problems);
            assert_int_equal(why->status, rows[i].status);
            assert_string_equal(why->code, rows[i].code);
            assert_string_equal(problems.data, rows[i].problems);
            assert_true(why->detail.len > 0);
        }
        buf_release(&problems);
        arena_release(&a);
    }
}

static void a_large_submission_is_refused_before_it_is_read(void **state)
{
    (void)state;
    static char body[4097];
    struct arena a;
    struct submission s;
    const struct refusal *why = NULL;
    arena_init(&a);
    memset(body, '[', sizeof body);
    assert_false(submit_parse(&rules, (struct bytes){body, sizeof body}, BYTES_NONE, &a, &s, &why));
    assert_int_equal(why->status, 413);
    assert_string_equal(why->code, "too_large");
    arena_release(&a);
}

/* Parses a body that must be good, and identifies it. */
static struct submission good(
    const char *body, const char *key, int64_t now, const char *trace, struct arena *a)
{
    struct submission s;
    const struct refusal *why = NULL;
    assert_true(submit_parse(&rules, bytes_of(body), bytes_of(key), a, &s, &why));
    submit_identify(&s, now, bytes_of(trace), a);
    return s;
}

static bool same_hash(const struct submission *x, const struct submission *y)
{
    return memcmp(x->hash, y->hash, SUBMIT_HASH_SIZE) == 0;
}

static void a_key_gives_the_same_id_and_the_payload_the_same_hash(void **state)
{
    (void)state;
    static const char trace[] = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
    struct arena a;
    arena_init(&a);
    struct submission first = good(WITH("\"labels\":{\"a\":\"1\",\"b\":\"2\"}"), "k", 1000, trace, &a);
    struct submission again =
        good(WITH("\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"idempotency_key\":\"k\""), NULL, 2000, NULL, &a);
    struct submission other = good(WITH("\"labels\":{\"b\":\"2\",\"a\":\"2\"}"), "k", 2000, NULL, &a);
    struct uuid expected;
    uuid_v5(&expected, BYTES("ide/ann/k"));
    assert_memory_equal(&first.id, &expected, sizeof expected);
    assert_string_equal(first.id_text, again.id_text);
    assert_string_equal(first.id_text, other.id_text);
    assert_true(same_hash(&first, &again));
    assert_false(same_hash(&first, &other));
    assert_true(bytes_equal_text(first.job.trace, trace));
    assert_true(bytes_equal_text(first.group, "ide/ann"));
    assert_true(bytes_equal_text(first.job.submitter, "ann"));
    assert_int_equal(first.job.submitted_at, 1000);
    assert_true(bytes_equal_text(first.job.job_id, first.id_text));
    arena_release(&a);
}

static void without_a_key_every_submission_is_a_job_of_its_own(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct submission first = good(GOOD, NULL, 1000, NULL, &a), second = good(GOOD, NULL, 1000, NULL, &a);
    assert_false(first.keyed);
    assert_string_not_equal(first.id_text, second.id_text);
    assert_true(same_hash(&first, &second));
    assert_int_equal(first.id_text[14], '7');
    arena_release(&a);
}

static void two_different_keys_are_refused(void **state)
{
    (void)state;
    struct arena a;
    struct submission s;
    const struct refusal *why = NULL;
    arena_init(&a);
    assert_false(submit_parse(&rules, BYTES(WITH("\"idempotency_key\":\"a\"")), BYTES("b"), &a, &s, &why));
    assert_int_equal(why->status, 400);
    assert_true(bytes_equal_text(why->problems.items[0].field, "idempotency_key"));
    assert_true(submit_parse(&rules, BYTES(WITH("\"idempotency_key\":\"a\"")), BYTES("a"), &a, &s, &why));
    assert_false(submit_parse(&rules, BYTES(GOOD), BYTES("\xff"), &a, &s, &why));
    assert_int_equal(why->status, 400);
    arena_release(&a);
}

static void a_malformed_traceparent_counts_as_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "00-0123",
        "00-0123456789ABCDEF0123456789abcdef-0123456789abcdef-01",
        "00_0123456789abcdef0123456789abcdef-0123456789abcdef-01",
        "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(submit_trace(bytes_of(bad[i])).data);
    assert_null(submit_trace(BYTES_NONE).data);
    assert_non_null(submit_trace(BYTES("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")).data);
}

static void lines_end_with_lf_or_crlf_or_the_end(void **state)
{
    (void)state;
    struct bytes rest = BYTES("a\nbc\r\n\nd"), line;
    static const char *const expected[] = {"a", "bc", "", "d"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(post_next_line(&rest, &line));
        assert_true(bytes_equal_text(line, expected[i]));
    }
    assert_false(post_next_line(&rest, &line));
    rest = BYTES("a\n");
    assert_true(post_next_line(&rest, &line));
    assert_false(post_next_line(&rest, &line));
}

static int set_up(void **state)
{
    (void)state;
    bool ok = engines_folder_open(&folder, engines, sizeof engines / sizeof *engines);
    rules.engines = folder.list;
    return ok ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    engines_folder_close(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_accepted_or_told_what_is_wrong),
        cmocka_unit_test(too_many_parts_are_told_and_not_looked_at),
        cmocka_unit_test(a_large_submission_is_refused_before_it_is_read),
        cmocka_unit_test(a_key_gives_the_same_id_and_the_payload_the_same_hash),
        cmocka_unit_test(without_a_key_every_submission_is_a_job_of_its_own),
        cmocka_unit_test(two_different_keys_are_refused),
        cmocka_unit_test(a_malformed_traceparent_counts_as_none),
        cmocka_unit_test(lines_end_with_lf_or_crlf_or_the_end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
