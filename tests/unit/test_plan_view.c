/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: ingest */
/* test_plan_view: what GET /v1/jobs/{id}/plan shows of a document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "ingest/plan_view.h"

/* In single quotes, for reading: '...' stands for "...". */
#define LEAF(id, more)                                                                                       \
    "{'id': '" id "', 'kind': 'exec', 'engine': 'shell', 'statement': 0, 'retry': 3" more "}"
#define ONE(more) "{'pool': 'default', 'nodes': [" LEAF("n1", more) "]}"
#define ROOT(kind, more) "{'id': 'n1', 'kind': '" kind "', 'children': ['n2', 'n3']" more "}"
#define TREE(root, a, b) "{'pool': 'fast', 'nodes': [" root ", " LEAF("n2", a) ", " LEAF("n3", b) "]}"
#define STATE(name, more) ", 'state': '" name "', 'attempt': 1, 'try': 1, 'at': 'T2', 'started': 'T1'" more
#define ERROR(node) "'error': {'code': 'sql_error', 'message': 'no such table'" node "}"
#define RAN "'attempts': [{'n': 1, 'started': 'T1', 'ended': 'T9'}], 'times': {'finished': 'T9'}"

/* Expected: each node as "id:state", then what of @at, ~started, xcode of its error, /try, <children>, (reason) and {after} it has. */
static const struct {
    const char *name, *doc, *nodes;
} rows[] = {
    {"no plan yet", "'state': 'converted', 'final': false", ""},
    {"refused", "'state': 'rejected', 'final': true, " ERROR(""), ""},
    {"one leaf that waits", "'state': 'queued', 'attempt': 0, 'plan': " ONE(""), "n1:waiting "},
    {"one leaf that runs: as its job",
        "'state': 'running', 'attempt': 1, 'attempts': [{'n': 1, 'started': 'T1'}], 'plan': " ONE(""),
        "n1:running@T1~T1 "},
    {"one leaf that succeeded",
        "'state': 'succeeded', 'final': true, 'attempt': 1, " RAN ", 'plan': " ONE(""),
        "n1:succeeded@T9~T1 "},
    {"one leaf that failed",
        "'state': 'failed', 'final': true, 'attempt': 1, " RAN ", " ERROR("") ", 'plan': " ONE(""),
        "n1:failed@T9~T1xsql_error "},
    {"one leaf that ran too long",
        "'state': 'timed_out', 'final': true, 'attempt': 1, " RAN ", " ERROR("") ", 'plan': " ONE(""),
        "n1:failed@T9~T1xsql_error "},
    {"one leaf that was cancelled",
        "'state': 'cancelled', 'final': true, 'attempt': 1, 'reason': 'by ann', " RAN ", 'plan': " ONE(""),
        "n1:cancelled@T9~T1(by ann) "},
    {"cancelled before any start", "'state': 'cancelled', 'final': true, 'attempt': 0, 'plan': " ONE(""),
        "n1:skipped "},
    {"between two attempts", "'state': 'queued', 'attempt': 1, " RAN ", 'plan': " ONE(""), "n1:waiting "},
    {"cancelled between two attempts, the second was never started",
        "'state': 'cancelled', 'final': true, 'attempt': 2, " RAN ", 'plan': " ONE(""), "n1:skipped "},
    {"another job's results serve",
        "'state': 'succeeded', 'final': true, 'attempt': 1, 'cached_from': 'J', " RAN
        ", 'plan': " TREE(ROOT("all", ""), "", ""),
        "n1:skipped<n2 n3>(the results of job J serve) n2:skipped n3:skipped "},
    {"a tree that waits", "'state': 'planned', 'plan': " TREE(ROOT("all", ""), "", ""),
        "n1:waiting<n2 n3> n2:waiting n3:waiting "},
    {"a tree in the middle",
        "'state': 'running', 'attempt': 1, 'plan': " TREE(
            ROOT("sequence", STATE("running", "")), STATE("succeeded", ""), ""),
        "n1:running@T2~T1/1<n2 n3> n2:succeeded@T2~T1/1 n3:waiting "},
    {"a race that was won, told by its nodes",
        "'state': 'succeeded', 'final': true, 'attempt': 1, 'plan': " TREE(
            ROOT("race", STATE("succeeded", "")), STATE("succeeded", ""),
            STATE("cancelled", ", 'reason': 'n2 won'")),
        "n1:succeeded@T2~T1/1<n2 n3> n2:succeeded@T2~T1/1 n3:cancelled@T2~T1/1(n2 won) "},
    {"a leaf that is not needed once the job is over",
        "'state': 'succeeded', 'final': true, 'attempt': 1, 'plan': " TREE(
            ROOT("fallback", STATE("succeeded", "")), STATE("succeeded", ""), ""),
        "n1:succeeded@T2~T1/1<n2 n3> n2:succeeded@T2~T1/1 n3:skipped "},
    {"the leaf that the job's error names",
        "'state': 'failed', 'final': true, 'attempt': 1, " RAN ", " ERROR(", 'node': 'n3'") ", 'plan': " TREE(
            ROOT("sequence", ""), STATE("succeeded", ""), STATE("running", "")),
        "n1:failed@T9~T1<n2 n3> n2:succeeded@T2~T1/1 n3:failed@T9~T1xsql_error/1 "},
    {"the last words of a success were lost",
        "'state': 'succeeded', 'final': true, 'attempt': 1, " RAN ", 'plan': " TREE(
            ROOT("sequence", STATE("running", "")), STATE("succeeded", ""), STATE("running", "")),
        "n1:succeeded@T9~T1/1<n2 n3> n2:succeeded@T2~T1/1 n3:succeeded@T9~T1/1 "},
    {"those of a race, in which one was left",
        "'state': 'succeeded', 'final': true, 'attempt': 1, " RAN
        ", 'plan': " TREE(ROOT("race", STATE("running", "")), STATE("failed", ""), STATE("running", "")),
        "n1:succeeded@T9~T1/1<n2 n3> n2:failed@T2~T1/1 n3:succeeded@T9~T1/1 "},
    {"those of a race, in which two were left: nobody knows which",
        "'state': 'succeeded', 'final': true, 'attempt': 1, " RAN
        ", 'plan': " TREE(ROOT("race", STATE("running", "")), STATE("running", ""), STATE("running", "")),
        "n1:succeeded@T9~T1/1<n2 n3> n2:cancelled@T9~T1/1(the job was over) "
        "n3:cancelled@T9~T1/1(the job was over) "},
    {"those of a try after a pause",
        "'state': 'succeeded', 'final': true, 'attempt': 1, " RAN
        ", 'plan': " ONE(STATE("retrying", ", 'reason': 'try 1 failed', 'next_at': 'T5'")),
        "n1:succeeded@T9~T1/1 "},
    {"those of a failure",
        "'state': 'failed', 'final': true, 'attempt': 1, " RAN ", " ERROR(", 'node': 'n3'") ", 'plan': " TREE(
            ROOT("all", STATE("running", "")), STATE("running", ""), STATE("running", "")),
        "n1:failed@T9~T1/1<n2 n3> n2:cancelled@T9~T1/1(the job was over) n3:failed@T9~T1xsql_error/1 "},
    {"its own event told no error",
        "'state': 'failed', 'final': true, 'attempt': 1, " RAN ", " ERROR(", 'node': 'n3'") ", 'plan': " TREE(
            ROOT("sequence", ""), STATE("succeeded", ""), STATE("failed", "")),
        "n1:failed@T9~T1<n2 n3> n2:succeeded@T2~T1/1 n3:failed@T2~T1xsql_error/1 "},
    {"what ran in an attempt that is over does not run, what finished has finished",
        "'state': 'running', 'attempt': 2, 'plan': " TREE(
            ROOT("sequence", STATE("running", "")), STATE("succeeded", ""), STATE("running", "")),
        "n1:waiting<n2 n3> n2:succeeded@T2~T1/1 n3:waiting "},
    {"nothing runs while the job is queued again",
        "'state': 'queued', 'attempt': 1, 'plan': " TREE(
            ROOT("all", STATE("running", "")), "", STATE("running", "")),
        "n1:waiting<n2 n3> n2:waiting n3:waiting "},
    {"what ran when the job was over was cancelled",
        "'state': 'cancelled', 'final': true, 'attempt': 1, " RAN
        ", 'plan': " TREE(ROOT("all", ""), STATE("running", ""), ""),
        "n1:cancelled@T9~T1<n2 n3> n2:cancelled@T9~T1/1(the job was over) n3:skipped "},
    {"a try failed, the next is due: a node above the leaf",
        "'state': 'running', 'attempt': 1, 'plan': " TREE(ROOT("all", STATE("running", "")),
            STATE("retrying", ", 'next_at': 'T5', " ERROR("")), ", 'after': ['n2']"),
        "n1:running@T2~T1/1<n2.retry n3> n2.retry:running/1<n2> n2:retrying@T2~T1xsql_error/1 "
        "n3:waiting{n2.retry} "},
    {"the third try succeeded: the node above the leaf, too",
        "'state': 'running', 'attempt': 1, 'plan': " TREE(ROOT("all", STATE("running", "")),
            STATE("running", ""),
            ", 'after': ['n2'], 'state': 'succeeded', 'attempt': 1, 'try': 3, 'at': 'T8'"),
        "n1:running@T2~T1/1<n2 n3.retry> n2:running@T2~T1/1 n3.retry:succeeded/3<n3>{n2} n3:succeeded@T8/3 "},
    {"a root that is tried again",
        "'state': 'running', 'attempt': 1, 'plan': " ONE(
            ", 'state': 'running', 'attempt': 1, 'try': 2, 'at': 'T2'"),
        "n1.retry:running/2<n1> n1:running@T2/2 "},
    {"a retry that waits goes on in the next attempt",
        "'state': 'running', 'attempt': 2, 'plan': " ONE(STATE("retrying", ", 'next_at': 'T5'")),
        "n1.retry:running/1<n1> n1:retrying@T2~T1/1 "},
    {"a retry that waits when the job is over",
        "'state': 'cancelled', 'final': true, 'attempt': 1, 'plan': " ONE(
            ", 'state': 'retrying', 'attempt': 1, 'try': 2, 'next_at': 'T5'"),
        "n1.retry:cancelled/2<n1> n1:cancelled/2(the job was over) "},
    {"nodes that are none", "'state': 'running', 'plan': {'nodes': 'n1'}", ""},
};

static json_t *document(const char *members)
{
    struct buf text;
    json_error_t e;
    buf_init(&text);
    buf_printf(&text, "{'_id': 'J1', %s}", members);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\'')
            text.data[i] = '"';
    json_t *doc = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &e);
    if (!doc)
        fail_msg("%s: %s", e.text, text.data);
    buf_release(&text);
    return doc;
}

static void add_text(
    const json_t *node, const char *key, const char *before, const char *after, struct buf *out)
{
    const char *text = json_string_value(json_object_get(node, key));
    if (text)
        buf_printf(out, "%s%s%s", before, text, after);
}

static void add_list(
    const json_t *node, const char *key, const char *before, const char *after, struct buf *out)
{
    size_t i;
    const json_t *id;
    json_array_foreach(json_object_get(node, key), i, id)
    {
        buf_printf(out, "%s%s", i ? " " : before, json_string_value(id));
    }
    if (i > 0)
        buf_add_text(out, after);
}

static void add_node(const json_t *node, struct buf *out)
{
    const json_t *try = json_object_get(node, "try");
    add_text(node, "id", "", ":", out);
    add_text(node, "state", "", "", out);
    add_text(node, "at", "@", "", out);
    add_text(node, "started", "~", "", out);
    add_text(json_object_get(node, "error"), "code", "x", "", out);
    if (try)
        buf_printf(out, "/%lld", (long long)json_integer_value(try));
    add_list(node, "children", "<", ">", out);
    add_text(node, "reason", "(", ")", out);
    add_list(node, "after", "{", "}", out);
    buf_add_char(out, ' ');
}

static void nodes_have_states(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        size_t i;
        const json_t *node;
        struct buf got;
        json_t *doc = document(rows[r].doc), *before = json_deep_copy(doc), *view = plan_view(doc);
        buf_init(&got);
        buf_add_text(&got, "");
        assert_true(json_is_array(json_object_get(view, "nodes")));
        json_array_foreach(json_object_get(view, "nodes"), i, node)
        {
            add_node(node, &got);
            assert_null(json_object_get(node, "code"));
        }
        if (!bytes_equal_text(buf_bytes(&got), rows[r].nodes))
            fail_msg("%s:\n  got      %.*s\n  expected %s", rows[r].name, BYTES_ARG(buf_bytes(&got)),
                rows[r].nodes);
        assert_true(json_equal(doc, before)); /* the document stays as it is */
        buf_release(&got);
        json_decref(view);
        json_decref(before);
        json_decref(doc);
    }
}

static void the_head_says_what_the_job_is(void **state)
{
    (void)state;
    json_t *doc = document("'state': 'failed', 'final': true, 'attempt': 2, 'code': 'x', " ERROR(
        "") ", 'plan': "
            "{'pool': 'fast', 'cache': {'key': 'k', 'ttl_ms': 1}, 'nodes': [" LEAF(
                "n1", ", 'code': 'x'") "]}");
    json_t *view = plan_view(doc);
    assert_string_equal(json_string_value(json_object_get(view, "job_id")), "J1");
    assert_string_equal(json_string_value(json_object_get(view, "state")), "failed");
    assert_string_equal(json_string_value(json_object_get(view, "pool")), "fast");
    assert_true(json_is_true(json_object_get(view, "final")));
    assert_int_equal(json_integer_value(json_object_get(view, "attempt")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(view, "cache"), "ttl_ms")), 1);
    assert_true(json_equal(json_object_get(view, "error"), json_object_get(doc, "error")));
    assert_null(json_object_get(view, "code"));
    assert_null(json_object_get(view, "cached_from"));
    json_decref(view);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_have_states),
        cmocka_unit_test(the_head_says_what_the_job_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
