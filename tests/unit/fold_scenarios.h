/* SPDX-License-Identifier: Apache-2.0 */
/* fold_scenarios: what may happen to a job, as rows of events, and what its document then says. For test_fold.c. */
#ifndef MILLRACE_TESTS_FOLD_SCENARIOS_H
#define MILLRACE_TESTS_FOLD_SCENARIOS_H

#include "core/job.h"

#define JOB "0190c0de-0000-7000-8000-000000000001"
#define KEEP_MS 1000000
enum { EVENTS_MAX = 7, EXPECT_MAX = 24 };

/* An event as a row; what is not named has no value. */
struct row {
    const char *group;
    int phase;
    int64_t attempt, at;
    const char *stage, *instance;
    int64_t origin;    /* its timestamp */
    const char *text;  /* accepted: the code; node: the node; final: the error's message; else the reason */
    const char *state; /* node: its state */
    double progress;
    int64_t accepted;  /* times.accepted, 0: none */
    int64_t started;   /* times.started, 0: none */
    int64_t results;   /* so many */
    const char *error; /* retrying, lost: the error's message */
    int64_t next_at;   /* retrying */
};
struct expectation {
    const char *path, *value; /* "-": there is no such field */
};
struct scenario {
    const char *name;
    const char *stub; /* group of ingest's stub; NULL: none */
    struct row rows[EVENTS_MAX];
    struct expectation expect[EXPECT_MAX];
};

#define A "ide/ann"
#define B "cron/bob"
#define C "web/cat"
#define CONV .stage = "converter"
#define PLAN .stage = "planner"
#define EXEC .stage = "executor", .instance = "x1"

static const struct scenario scenarios[] = {
    {.name = "a job that succeeds",
        .rows = {{A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 5, .text = "echo", .accepted = 5},
            {A, PHASE_CONVERTED, .at = 11, CONV, .origin = 5, .accepted = 5},
            {A, PHASE_PLANNED, .at = 12, PLAN, .origin = 5, .accepted = 5},
            {A, PHASE_QUEUED, .at = 13, EXEC, .origin = 5},
            {A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_PROGRESS, .attempt = 1, .at = 15, EXEC, .origin = 5, .progress = 0.5},
            {A, PHASE_SUCCEEDED, .attempt = 1, .at = 16, EXEC, .origin = 5, .results = 2}},
        .expect = {{"state", "succeeded"}, {"final", "true"}, {"creator", "ide"}, {"user", "ann"},
            {"group", A}, {"code", "echo"}, {"times.accepted", "5"}, {"times.converted", "11"},
            {"times.planned", "12"}, {"times.queued", "13"}, {"times.started", "14"},
            {"times.finished", "16"}, {"attempt", "1"}, {"progress", "1"}, {"plan.pool", "default"},
            {"plan.nodes.0.id", "n1"}, {"results.1.n", "1"}, {"error", "-"}, {"instance", "x1"},
            {"expire_at", "1000016"}, {"rev", "1"}, {"stub", "-"}}},
    {.name = "a stub becomes a job that runs",
        .stub = A,
        .rows = {{A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 5, .text = "echo", .accepted = 5},
            {A, PHASE_PLANNED, .at = 12, PLAN, .origin = 5, .accepted = 5},
            {A, PHASE_QUEUED, .at = 13, EXEC, .origin = 5},
            {A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_PROGRESS, .attempt = 1, .at = 15, EXEC, .origin = 5, .progress = 0.25},
            {A, PHASE_PROGRESS, .attempt = 1, .at = 16, EXEC, .origin = 5, .progress = 0.75}},
        .expect = {{"state", "running"}, {"final", "false"}, {"code", "echo"}, {"times.accepted", "3"},
            {"progress", "0.75"}, {"expire_at", "-"}, {"stub.hash", "binary"}, {"stub.submission", "-"},
            {"stub.next_at", "-"}, {"retry_of", "somebody else's"}}},
    {.name = "a stub whose job nobody accepted yet keeps its own words",
        .stub = A,
        .rows = {{A, PHASE_QUEUED, .at = 13, EXEC, .origin = 5},
            {A, PHASE_PLANNED, .at = 12, PLAN, .origin = 5}},
        .expect = {{"state", "queued"}, {"code", "of the stub"}, {"engine", "shell"}, {"stub.next_at", "-"}}},
    {.name = "a retry: the second attempt's state, the first start's time",
        .rows = {{A, PHASE_PLANNED, .at = 12, PLAN, .origin = 5},
            {A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_PROGRESS, .attempt = 1, .at = 15, EXEC, .origin = 5, .progress = 0.9},
            {A, PHASE_RETRYING, .attempt = 1, .at = 16, EXEC, .origin = 5, .text = "flaky"},
            {A, PHASE_QUEUED, .attempt = 1, .at = 17, EXEC, .origin = 5},
            {A, PHASE_STARTED, .attempt = 2, .at = 18, .stage = "executor", .instance = "x2", .origin = 5},
            {A, PHASE_PROGRESS, .attempt = 2, .at = 19, .stage = "executor", .instance = "x2", .origin = 5,
                .progress = 0.1}},
        .expect = {{"state", "running"}, {"attempt", "2"}, {"times.started", "14"}, {"times.queued", "17"},
            {"instance", "x2"}, {"progress", "0.1"}, {"reason", "-"}, {"creator", "ide"}, {"code", "-"}}},
    {.name = "a retry that is due: queued, why and when",
        .rows = {{A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_RETRYING, .attempt = 1, .at = 16, EXEC, .origin = 5, .text = "flaky",
                .error = "deadlock", .results = 1, .next_at = 90},
            {A, PHASE_QUEUED, .attempt = 1, .at = 17, EXEC, .origin = 5}},
        .expect = {{"state", "queued"}, {"reason", "flaky"}, {"final", "false"}, {"retry_at", "90"},
            {"error", "-"}, {"exit_code", "-"}, {"results", "-"}, {"log", "-"}, {"attempts.0.n", "1"},
            {"attempts.0.started", "14"}, {"attempts.0.ended", "16"}, {"attempts.0.phase", "retrying"},
            {"attempts.0.instance", "x1"}, {"attempts.0.ended_by", "-"}, {"attempts.0.reason", "flaky"},
            {"attempts.0.error.message", "deadlock"}, {"attempts.0.exit_code", "3"},
            {"attempts.0.results.0.path", "p"}, {"attempts.0.log.bytes", "77"}}},
    {.name = "a retry that runs and fails for good: each attempt keeps its own end",
        .rows = {{A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_RETRYING, .attempt = 1, .at = 16, EXEC, .origin = 5, .text = "flaky",
                .error = "deadlock", .next_at = 90},
            {A, PHASE_STARTED, .attempt = 2, .at = 91, .stage = "executor", .instance = "x2", .origin = 5},
            {A, PHASE_FAILED, .attempt = 2, .at = 95, .stage = "executor", .instance = "x2", .origin = 5,
                .text = "no such table", .results = 1}},
        .expect = {{"state", "failed"}, {"retry_at", "-"}, {"reason", "-"},
            {"error.message", "no such table"}, {"results.0.n", "0"},
            {"attempts.0.error.message", "deadlock"}, {"attempts.1.n", "2"}, {"attempts.1.started", "91"},
            {"attempts.1.ended", "95"}, {"attempts.1.phase", "failed"}, {"attempts.1.instance", "x2"},
            {"attempts.1.error", "-"}, {"attempts.1.results", "-"}, {"attempts.1.exit_code", "-"},
            {"attempts.1.log", "-"}, {"attempts.2", "-"}}},
    {.name = "the next start clears the time of the retry",
        .rows =
            {{A, PHASE_RETRYING, .attempt = 1, .at = 16, EXEC, .origin = 5, .text = "flaky", .next_at = 90},
                {A, PHASE_STARTED, .attempt = 2, .at = 91, EXEC, .origin = 5}},
        .expect = {{"state", "running"}, {"retry_at", "-"}, {"reason", "-"}, {"attempts.0.started", "-"},
            {"attempts.0.instance", "-"}, {"attempts.0.ended_by", "x1"}, {"attempts.1.phase", "-"},
            {"attempts.1.ended", "-"}, {"attempts.1.ended_by", "-"}}},
    {.name = "a lost attempt was ended by another instance, and is due at once",
        .rows = {{A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_LOST, .attempt = 1, .at = 50, .stage = "executor", .instance = "x2", .origin = 5,
                .text = "its executor is gone", .error = "lost"},
            {A, PHASE_LOST, .attempt = 1, .at = 50, .stage = "executor", .instance = "x3", .origin = 5,
                .text = "repeated by x3"}},
        .expect = {{"state", "queued"}, {"reason", "its executor is gone"}, {"retry_at", "-"},
            {"attempts.0.instance", "x1"}, {"attempts.0.ended_by", "x2"}, {"attempts.0.phase", "lost"},
            {"attempts.0.error.message", "lost"}, {"attempts.1", "-"}}},
    {.name = "cancelled while it waits for another try: the attempt before keeps its own end",
        .rows = {{A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_RETRYING, .attempt = 1, .at = 16, EXEC, .origin = 5, .text = "flaky",
                .error = "deadlock", .next_at = 90},
            {A, PHASE_CANCELLED, .attempt = 1, .at = 17, EXEC, .origin = 5, .text = "by ann"}},
        .expect = {{"state", "cancelled"}, {"retry_at", "-"}, {"error.message", "by ann"},
            {"attempts.0.phase", "retrying"}, {"attempts.0.ended", "16"},
            {"attempts.0.error.message", "deadlock"}, {"attempts.1", "-"}}},
    {.name = "cancelled before any start: there is no attempt",
        .rows = {{A, PHASE_QUEUED, .at = 14, EXEC, .origin = 5},
            {A, PHASE_CANCELLED, .at = 17, EXEC, .origin = 5, .text = "by ann"}},
        .expect = {{"state", "cancelled"}, {"attempt", "0"}, {"attempts", "-"}}},
    {.name = "cancelled while it waits, and no attempt before was heard of: there is none",
        .rows = {{A, PHASE_QUEUED, .at = 14, EXEC, .origin = 5},
            {A, PHASE_CANCELLED, .attempt = 1, .at = 17, EXEC, .origin = 5, .text = "by ann"}},
        .expect = {{"state", "cancelled"}, {"attempts", "-"}, {"times.started", "-"}}},
    {.name = "cancelled while it runs, and its start was not heard of: the end tells of it",
        .rows = {{A, PHASE_QUEUED, .at = 14, EXEC, .origin = 5},
            {A, PHASE_CANCELLED, .attempt = 1, .at = 17, EXEC, .origin = 5, .text = "by ann", .started = 15}},
        .expect = {{"state", "cancelled"}, {"attempts.0.n", "1"}, {"attempts.0.phase", "cancelled"},
            {"times.started", "15"}}},
    {.name = "attempts: ties are broken by time, then instance, then phase",
        .rows =
            {{A, PHASE_STARTED, .attempt = 1, .at = 14, .stage = "executor", .instance = "x2", .origin = 5},
                {A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
                {A, PHASE_STARTED, .attempt = 1, .at = 14, .stage = "executor", .origin = 5},
                {A, PHASE_LOST, .attempt = 1, .at = 50, EXEC, .origin = 5, .text = "lost"},
                {A, PHASE_RETRYING, .attempt = 1, .at = 50, EXEC, .origin = 5, .text = "retrying"},
                {A, PHASE_RETRYING, .attempt = 1, .at = 50, .stage = "executor", .instance = "x2",
                    .origin = 5, .text = "not this one"},
                {A, PHASE_LOST, .attempt = 1, .at = 51, .stage = "executor", .origin = 5,
                    .text = "nor this"}},
        .expect = {{"attempts.0.started", "14"}, {"attempts.0.instance", "-"}, {"attempts.0.ended_by", "x1"},
            {"attempts.0.phase", "retrying"}, {"attempts.0.reason", "retrying"}}},
    {.name = "an end that names no instance is nobody's",
        .rows = {{A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 5},
            {A, PHASE_LOST, .attempt = 1, .at = 50, .stage = "executor", .origin = 5},
            {A, PHASE_LOST, .attempt = 1, .at = 50, EXEC, .origin = 5}},
        .expect = {{"attempts.0.instance", "x1"}, {"attempts.0.ended_by", ""}}},
    {.name = "nodes: the latest attempt, the furthest state",
        .rows = {{A, PHASE_PLANNED, .at = 12, PLAN, .origin = 5},
            {A, PHASE_NODE, .attempt = 1, .at = 14, EXEC, .origin = 5, .text = "n1", .state = "running"},
            {A, PHASE_NODE, .attempt = 1, .at = 15, EXEC, .origin = 5, .text = "n1", .state = "succeeded"},
            {A, PHASE_NODE, .attempt = 1, .at = 16, EXEC, .origin = 5, .text = "n2", .state = "failed"},
            {A, PHASE_NODE, .attempt = 2, .at = 17, EXEC, .origin = 5, .text = "n2", .state = "running"},
            {A, PHASE_NODE, .attempt = 2, .at = 9, EXEC, .origin = 5, .text = "a0", .state = "skipped"},
            {A, PHASE_NODE, .attempt = 2, .at = 8, EXEC, .origin = 5, .text = "a0", .state = "cancelled"}},
        .expect = {{"plan.nodes.0.state", "succeeded"}, {"plan.nodes.1.state", "running"},
            {"plan.nodes.1.attempt", "2"}, {"fold.nodes.0.state", "cancelled"}, {"state", "running"}}},
    {.name = "nodes: ties are broken by time, then state",
        .rows = {{A, PHASE_NODE, .attempt = 1, .at = 9, EXEC, .origin = 5, .text = "n1", .state = "skipped"},
            {A, PHASE_NODE, .attempt = 1, .at = 9, EXEC, .origin = 5, .text = "n1", .state = "failed"},
            {A, PHASE_NODE, .attempt = 1, .at = 10, EXEC, .origin = 5, .text = "n1", .state = "cancelled"}},
        .expect = {{"fold.nodes.0.state", "failed"}, {"fold.nodes.0.at", "9"}}},
    {.name = "late events after the end change no end",
        .rows = {{A, PHASE_FAILED, .attempt = 2, .at = 30, EXEC, .origin = 5, .text = "no such table",
                     .results = 1},
            {A, PHASE_PROGRESS, .attempt = 2, .at = 40, EXEC, .origin = 5, .progress = 0.4},
            {A, PHASE_RETRYING, .attempt = 1, .at = 41, EXEC, .origin = 5, .text = "late"},
            {A, PHASE_NODE, .attempt = 2, .at = 42, EXEC, .origin = 5, .text = "n1", .state = "running"},
            {A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 5, .text = "select 1", .accepted = 5},
            {A, PHASE_LOST, .attempt = 2, .at = 43, EXEC, .origin = 5, .text = "late too"}},
        .expect = {{"state", "failed"}, {"error.message", "no such table"}, {"error.code", "engine_error"},
            {"exit_code", "3"}, {"log.bytes", "77"}, {"times.finished", "30"}, {"progress", "0.4"},
            {"reason", "-"}, {"results.0.kind", "table"}}},
    {.name = "ties are broken by time, then instance, then phase",
        .rows = {{A, PHASE_ACCEPTED, .at = 10, .stage = "converter", .instance = "c2", .origin = 5,
                     .text = "second"},
            {A, PHASE_ACCEPTED, .at = 10, .stage = "converter", .instance = "c1", .origin = 5,
                .text = "first"},
            {A, PHASE_ACCEPTED, .at = 11, .stage = "converter", .origin = 5, .text = "third"},
            {A, PHASE_FAILED, .attempt = 1, .at = 20, EXEC, .origin = 5, .text = "x1 says"},
            {A, PHASE_FAILED, .attempt = 1, .at = 20, .stage = "executor", .instance = "x0", .origin = 5,
                .text = "x0 says"},
            {A, PHASE_CANCELLED, .attempt = 1, .at = 20, .stage = "executor", .instance = "x0", .origin = 5,
                .text = "x0 also says"},
            {A, PHASE_SUCCEEDED, .attempt = 1, .at = 21, EXEC, .origin = 5}},
        .expect = {{"code", "first"}, {"state", "failed"}, {"error.message", "x0 says"}, {"instance", "x0"}}},
    {.name = "of two groups the least origin owns the document, while no executor spoke",
        .rows = {{A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 6, .text = "of ann", .accepted = 6},
            {A, PHASE_CONVERTED, .at = 11, CONV, .origin = 6},
            {A, PHASE_PLANNED, .at = 12, PLAN, .origin = 6},
            {B, PHASE_ACCEPTED, .at = 20, CONV, .origin = 5, .text = "of bob", .accepted = 5},
            {B, PHASE_CONVERTED, .at = 21, CONV, .origin = 5},
            {C, PHASE_ACCEPTED, .at = 9, CONV, .origin = 7, .text = "of cat"}},
        .expect = {{"group", B}, {"state", "converted"}, {"code", "of bob"}, {"times.accepted", "5"},
            {"plan", "-"}, {"fold.others.0.group", A}, {"fold.others.0.code", "of ann"},
            {"fold.others.1.group", C}}},
    {.name = "the group that an executor speaks for owns the document, whoever was first",
        .rows = {{A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 6, .text = "of ann", .accepted = 6},
            {A, PHASE_PLANNED, .at = 12, PLAN, .origin = 6},
            {B, PHASE_ACCEPTED, .at = 8, CONV, .origin = 5, .text = "of bob", .accepted = 5},
            {B, PHASE_PLANNED, .at = 9, PLAN, .origin = 5},
            {A, PHASE_STARTED, .attempt = 1, .at = 14, EXEC, .origin = 6},
            {A, PHASE_SUCCEEDED, .attempt = 1, .at = 16, EXEC, .origin = 6, .results = 1}},
        .expect = {{"group", A}, {"state", "succeeded"}, {"code", "of ann"}, {"times.accepted", "6"},
            {"times.planned", "12"}, {"fold.others", "-"}}},
    {.name = "a stub of another group gives way",
        .stub = C,
        .rows = {{A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 6, .text = "of ann", .accepted = 6},
            {A, PHASE_CONVERTED, .at = 11, CONV, .origin = 6}},
        .expect = {{"group", A}, {"code", "of ann"}, {"times.accepted", "6"}, {"fold.others.0.group", C},
            {"fold.others.0.code", "of the stub"}, {"stub.submission", "-"}}},
    {.name = "a stub of another group comes back with the earlier submission",
        .stub = C,
        .rows = {{A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 6, .text = "of ann", .accepted = 6},
            {C, PHASE_ACCEPTED, .at = 11, CONV, .origin = 5, .text = "of cat", .accepted = 5}},
        .expect = {{"group", C}, {"code", "of cat"}, {"times.accepted", "3"}, {"fold.others.0.group", A}}},
    {.name = "a refused job",
        .rows = {{A, PHASE_ACCEPTED, .at = 10, CONV, .origin = 5, .text = "", .accepted = 5},
            {A, PHASE_REJECTED, .at = 20, EXEC, .origin = 5, .text = "unknown engine"}},
        .expect = {{"state", "rejected"}, {"final", "true"}, {"attempt", "0"},
            {"error.message", "unknown engine"}, {"expire_at", "1000020"}, {"plan", "-"}}},
};
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

#endif
