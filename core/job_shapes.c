/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_shapes: the fields of every record that travels, one row each. From these rows come the Avro records,
 * the JSON of REST, the BSON documents and docs/reference/records.md.
 *
 * A new field is a new row at the end of its part, with a default (NULLABLE or OPTIONAL), plus the same field
 * in schemas/ after the released version was kept (schemas/README.md). Nothing is renamed or retyped.
 */
#include "core/job.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* A row: the struct's field of the same name. R: must be given; O: has a default; N: may be null. */
#define ROW(type_, struct_, name_, flags_, shape_, names_, help_)                                            \
    {                                                                                                        \
        .name = #name_, .type = (type_), .flags = (flags_), .offset = offsetof(struct_, name_),              \
        .shape = (shape_), .names = (names_), .help = (help_)                                                \
    }
#define PLAIN(type, strct, name, flags, help) ROW(type, strct, name, flags, NULL, NULL, help)
#define NESTED(type, strct, name, flags, shape, help) ROW(type, strct, name, flags, shape, NULL, help)
#define ONE_OF(strct, name, flags, names, help) ROW(FIELD_ENUM, strct, name, flags, NULL, names, help)
#define R 0
#define O FIELD_OPTIONAL
#define N FIELD_NULLABLE
#define HIDDEN FIELD_INTERNAL

#define SHAPE(c_name, strct, title, fields_, help_)                                                          \
    const struct shape c_name = {.name = (title),                                                            \
        .size = sizeof(strct),                                                                               \
        .fields = (fields_),                                                                                 \
        .count = COUNT(fields_),                                                                             \
        .help = (help_)}

const char *const error_class_names[ERROR_CLASSES + 1] = {
    [CLASS_INPUT] = "input",
    [CLASS_ENGINE] = "engine",
    [CLASS_LIMIT] = "limit",
    [CLASS_SYSTEM] = "system",
    [CLASS_USER] = "user",
    [ERROR_CLASSES] = NULL,
};

static const char *const on_lost_names[ON_LOST_KINDS + 1] = {
    [ON_LOST_RETRY] = "retry",
    [ON_LOST_FAIL] = "fail",
    [ON_LOST_KINDS] = NULL,
};

static const char *const control_kind_names[CONTROL_KINDS + 1] = {
    [CONTROL_CANCEL] = "cancel",
    [CONTROL_HOLD] = "hold",
    [CONTROL_RELEASE] = "release",
    [CONTROL_DRAIN] = "drain",
    [CONTROL_KINDS] = NULL,
};

/* ---- parts ---- */

static const struct field error_fields[] = {
    PLAIN(FIELD_TEXT, struct job_error, code, R, "a stable word for programs; docs/reference/errors.md"),
    ONE_OF(struct job_error, class, R, error_class_names,
        "who has to act: input, engine (the author), limit, system (an operator), user (somebody asked for "
        "it)"),
    PLAIN(FIELD_TEXT, struct job_error, message, O, "one line for people"),
    PLAIN(FIELD_TEXT, struct job_error, detail, N, "more, as the engine told it"),
    PLAIN(FIELD_TEXT, struct job_error, node, N, "the plan's node where it happened"),
    PLAIN(FIELD_INT, struct job_error, statement, N, "index of the statement"),
    PLAIN(FIELD_INT, struct job_error, line, N, "line of the user's text, from 1"),
    PLAIN(FIELD_BOOL, struct job_error, retryable, O,
        "of a run: it may be tried again, says the engine, or a rule in the job's retry"),
};
SHAPE(shape_error, struct job_error, "JobError", error_fields, "Why a job was refused or did not succeed.");

static const struct field limits_fields[] = {
    PLAIN(FIELD_INT, struct job_limits, queue_timeout_ms, N,
        "longest wait for a start, 0 no limit; null: the default"),
    PLAIN(FIELD_INT, struct job_limits, run_timeout_ms, N,
        "longest run of one attempt, 0 no limit; null: the default"),
    PLAIN(FIELD_INT, struct job_limits, max_log_bytes, N,
        "log bytes kept; the middle is dropped beyond; null: the default"),
    PLAIN(FIELD_INT, struct job_limits, max_result_rows, N, "rows kept of each result; null: the default"),
};
SHAPE(shape_limits, struct job_limits, "JobLimits", limits_fields, "What a job may use up.");

static const struct field retry_fields[] = {
    PLAIN(FIELD_INT, struct job_retry, max_attempts, N, "tries in all, 1 is no retry; null: the default"),
    PLAIN(FIELD_INT, struct job_retry, backoff_ms, N,
        "pause before the second try, doubled each time; null: the default"),
    PLAIN(FIELD_INT, struct job_retry, max_backoff_ms, N, "longest pause; null: the default"),
    ONE_OF(struct job_retry, on_lost, N, on_lost_names,
        "when the process that ran it is lost: retry, or fail (for work that must not run twice); null: "
        "retry"),
    PLAIN(FIELD_INTS, struct job_retry, exit_codes, O,
        "exit codes, 0 to 255, after which it is tried again though the engine did not call the error "
        "retryable"),
    PLAIN(FIELD_STRINGS, struct job_retry, errors, O,
        "the same for errors: POSIX extended regular expressions, searched for in the error's code and "
        "message"),
    PLAIN(FIELD_INT, struct job_retry, node_attempts, N,
        "tries of one node of the plan by itself, within an attempt of the job, 1 is no retry; null: 1"),
};
SHAPE(shape_retry, struct job_retry, "JobRetry", retry_fields, "What happens after a failed try.");

static const struct field strategy_fields[] = {
    PLAIN(FIELD_TEXT, struct job_strategy, kind, R, "single, race, all or fallback"),
    PLAIN(FIELD_STRINGS, struct job_strategy, targets, O,
        "the targets that it is about: names of the engine's, or engine@target"),
};
SHAPE(shape_strategy, struct job_strategy, "JobStrategy", strategy_fields, "How several targets are used.");

static const struct field part_fields[] = {
    PLAIN(FIELD_TEXT, struct job_part, id, R, "name of the part within the job"),
    PLAIN(FIELD_TEXT, struct job_part, engine, O, "empty: the job's"),
    PLAIN(FIELD_TEXT, struct job_part, target, N, "null: the job's"),
    PLAIN(FIELD_TEXT, struct job_part, code_type, O, "empty: the engine's first"),
    PLAIN(FIELD_TEXT, struct job_part, code, R, "what to run"),
    PLAIN(FIELD_STRINGS, struct job_part, after, O, "ids of parts that must have succeeded before"),
    NESTED(FIELD_POINTER, struct job_part, strategy, N, &shape_strategy,
        "use of several targets by this part; null: the job's"),
};
static SHAPE(shape_part, struct job_part, "JobPart", part_fields, "A part of a job with parts.");

static const struct field statement_fields[] = {
    PLAIN(FIELD_INT, struct job_statement, index, R, "from 0"),
    PLAIN(FIELD_TEXT, struct job_statement, text, N, "null: the bytes of code at offset, length"),
    PLAIN(FIELD_INT, struct job_statement, offset, O, "first byte in code"),
    PLAIN(FIELD_INT, struct job_statement, length, O, "bytes in code"),
    PLAIN(FIELD_INT, struct job_statement, first_line, O, "line of the user's text, from 1"),
    PLAIN(FIELD_TEXT, struct job_statement, part, N,
        "id of its part, in whose code it stands (in the job's, where the part has none); null: the job's "
        "own"),
};
static SHAPE(
    shape_statement, struct job_statement, "JobStatement", statement_fields, "One statement of the code.");

static const struct field origin_fields[] = {
    PLAIN(FIELD_INT, struct origin, partition, R, "partition of the submitted record"),
    PLAIN(FIELD_INT, struct origin, offset, R, "offset of the submitted record"),
    PLAIN(FIELD_TIME, struct origin, timestamp, R, "the broker's time of the submitted record"),
};
static SHAPE(
    shape_origin, struct origin, "JobOrigin", origin_fields, "Identifies a submission; it orders nothing.");

static const struct field times_fields[] = {
    PLAIN(FIELD_TIME, struct job_times, accepted, N, "submitted: the broker's time"),
    PLAIN(FIELD_TIME, struct job_times, converted, N, "checked and completed"),
    PLAIN(FIELD_TIME, struct job_times, planned, N, "its plan was made"),
    PLAIN(FIELD_TIME, struct job_times, queued, N, "an executor wrote it into the ledger"),
    PLAIN(FIELD_TIME, struct job_times, started, N, "the first start of this attempt"),
    PLAIN(FIELD_TIME, struct job_times, finished, N, "the end"),
};
SHAPE(shape_times, struct job_times, "JobTimes", times_fields, "When a job reached what; null: not yet.");

static const struct field node_fields[] = {
    PLAIN(FIELD_TEXT, struct job_node, id, R, "n1, n2, ..."),
    PLAIN(FIELD_TEXT, struct job_node, kind, R, "sequence, race, all, fallback, or exec (a leaf)"),
    PLAIN(FIELD_STRINGS, struct job_node, children, O, "ids of nodes"),
    PLAIN(FIELD_TEXT, struct job_node, engine, N, "of a leaf"),
    PLAIN(FIELD_TEXT, struct job_node, target, N, "of a leaf"),
    PLAIN(FIELD_TEXT, struct job_node, code_type, N, "of a leaf"),
    PLAIN(FIELD_TEXT, struct job_node, code, N, "of a leaf; null: the text of its statement"),
    PLAIN(FIELD_INT, struct job_node, statement, N, "index of a leaf's statement"),
    PLAIN(FIELD_TEXT, struct job_node, reuse, N,
        "warm or never: may an engine process that ran other jobs be used"),
    PLAIN(FIELD_INT, struct job_node, retry, O, "tries of the node by itself"),
    PLAIN(FIELD_INT, struct job_node, timeout_ms, O, "0: only the job's limit"),
    PLAIN(FIELD_TEXT, struct job_node, part, N, "id of the part that it is made from; null: none"),
    PLAIN(FIELD_STRINGS, struct job_node, after, O,
        "of a child of all: its siblings that must have succeeded before it starts"),
};
static SHAPE(shape_node, struct job_node, "JobNode", node_fields, "A node of the plan.");

static const struct field cache_fields[] = {
    PLAIN(FIELD_TEXT, struct job_cache, key, R, "what identifies the result"),
    PLAIN(FIELD_INT, struct job_cache, ttl_ms, R, "how old a result may be"),
};
static SHAPE(
    shape_cache, struct job_cache, "JobCache", cache_fields, "Where to look for the result before a start.");

/* ---- the job ---- */

/* JobSubmitted, JobConverted and JobPlanned are the first so many rows of one table; a JobPlan the last ones.
 */
static const struct field job_fields[] = {
    PLAIN(FIELD_TEXT, struct job, job_id, N | HIDDEN,
        "UUID; null: made from creator, user and idempotency_key, else from where the record lies"),
    PLAIN(FIELD_TEXT, struct job, creator, R, "the system that the job comes from; [A-Za-z0-9._@-]{1,64}"),
    PLAIN(FIELD_TEXT, struct job, user, R, "the person that it runs for; [A-Za-z0-9._@-]{1,64}"),
    PLAIN(FIELD_TEXT, struct job, submitter, N | HIDDEN, "who authenticated; null: user"),
    PLAIN(FIELD_TEXT, struct job, name, O, "for people; default empty"),
    PLAIN(FIELD_TEXT, struct job, engine, R, "what executes the code: shell, sqlite, postgres, python, ..."),
    PLAIN(FIELD_TEXT, struct job, target, N, "a named configuration of the engine; null: its default"),
    PLAIN(FIELD_TEXT, struct job, code_type, O,
        "sql, shell, python, ...; empty (the default): the engine's first"),
    PLAIN(FIELD_TEXT, struct job, code, R, "what to run"),
    PLAIN(FIELD_PAIRS, struct job, variables, O, "values for ${name} in the code; default none"),
    PLAIN(FIELD_PAIRS, struct job, conf, O, "settings of the engine, at start and at run; default none"),
    PLAIN(FIELD_PAIRS, struct job, labels, O, "for routing, limits and search; default none"),
    PLAIN(FIELD_PAIRS, struct job, source, O, "where the code came from; default none"),
    NESTED(FIELD_LIST, struct job, parts, O, &shape_part,
        "several pieces of code with dependencies; default none"),
    NESTED(FIELD_POINTER, struct job, strategy, N, &shape_strategy,
        "use of several targets; null: a single one"),
    NESTED(FIELD_RECORD, struct job, limits, O, &shape_limits, "default: the installation's"),
    NESTED(FIELD_RECORD, struct job, retry, O, &shape_retry, "default: the installation's"),
    PLAIN(FIELD_TIME, struct job, not_before, N, "do not start earlier; null: at once"),
    PLAIN(FIELD_TEXT, struct job, callback_url, N, "told of the end by POST; null: nobody"),
    PLAIN(
        FIELD_TEXT, struct job, idempotency_key, N, "a repeat with the same key is the same job; null: none"),
    PLAIN(FIELD_TEXT, struct job, timezone, N, "for dates in variables, e.g. Europe/Berlin; null: UTC"),
    PLAIN(FIELD_TIME, struct job, submitted_at, N | HIDDEN, "the producer's time; null: the broker's"),
    PLAIN(FIELD_TEXT, struct job, trace, N | HIDDEN, "W3C traceparent; null: none"),
#define SUBMITTED_FIELDS 23
    NESTED(FIELD_LIST, struct job, statements, O, &shape_statement, "the code, split; variables replaced"),
    PLAIN(FIELD_STRINGS, struct job, warnings, O, "become the first lines of the job's log"),
    NESTED(FIELD_RECORD, struct job, origin, R, &shape_origin, "where the submission lies"),
    NESTED(FIELD_POINTER, struct job, error, N, &shape_error, "refused: why; nothing will run"),
    NESTED(FIELD_RECORD, struct job, times, O, &shape_times, "so far"),
#define CONVERTED_FIELDS (SUBMITTED_FIELDS + 5)
    PLAIN(FIELD_TEXT, struct job, pool, R, "which executors run it"),
    NESTED(
        FIELD_LIST, struct job, nodes, O, &shape_node, "the plan; the root is the first; none when refused"),
    NESTED(FIELD_POINTER, struct job, cache, N, &shape_cache, "a result that may serve instead of a run"),
#define PLANNED_FIELDS (CONVERTED_FIELDS + 3)
};
_Static_assert(COUNT(job_fields) == PLANNED_FIELDS, "a row was added: correct the counts beside it");

#define JOB_SHAPE(c_name, title, from, to, help_)                                                            \
    const struct shape c_name = {.name = (title),                                                            \
        .size = sizeof(struct job),                                                                          \
        .fields = job_fields + (from),                                                                       \
        .count = (to) - (from),                                                                              \
        .help = (help_),                                                                                     \
        .whole = &shape_planned}

JOB_SHAPE(shape_submitted, "JobSubmitted", 0, SUBMITTED_FIELDS,
    "A job as it was submitted. Topic jobs.submitted; written by ingest and by outside producers.");
JOB_SHAPE(shape_converted, "JobConverted", 0, CONVERTED_FIELDS,
    "The checked and completed job: every default filled in, variables replaced, statements split; or "
    "refused, then "
    "with error. Topic jobs.converted; written by the converter.");
JOB_SHAPE(shape_plan, "JobPlan", CONVERTED_FIELDS, PLANNED_FIELDS, "How a job will run.");
const struct shape shape_planned = {
    .name = "JobPlanned",
    .size = sizeof(struct job),
    .fields = job_fields,
    .count = PLANNED_FIELDS,
    .help =
        "The job with its plan. Topics jobs.planned and jobs.planned.<pool>; written by the planner, and by "
        "executors when a delayed job is due.",
};

/* ---- results, events, logs, control ---- */

static const struct field column_fields[] = {
    PLAIN(FIELD_TEXT, struct result_column, name, R, "as the engine named it"),
    PLAIN(FIELD_TEXT, struct result_column, type, O, "as the engine named it; empty: unknown"),
    PLAIN(FIELD_TEXT, struct result_column, comment, N, "for people"),
};
static SHAPE(shape_column, struct result_column, "ResultColumn", column_fields, "A column of a table.");

static const struct field result_fields[] = {
    PLAIN(FIELD_INT, struct job_result, n, R, "from 0"),
    PLAIN(FIELD_TEXT, struct job_result, name, O, "for people"),
    PLAIN(FIELD_TEXT, struct job_result, kind, R, "table, text, image, html or file"),
    PLAIN(FIELD_TEXT, struct job_result, path, R, "where it lies in the result store"),
    PLAIN(FIELD_TEXT, struct job_result, format, R, "avro, txt, ..."),
    PLAIN(FIELD_INT, struct job_result, rows, N, "of a table"),
    PLAIN(FIELD_INT, struct job_result, bytes, O, "size of the file"),
    NESTED(FIELD_LIST, struct job_result, columns, O, &shape_column, "of a table"),
    PLAIN(FIELD_INT, struct job_result, statement, N,
        "index of the statement that made it; null: one of its node's, the engine did not tell which"),
    PLAIN(FIELD_TEXT, struct job_result, node, N, "the plan's node that made it; null: older records"),
    PLAIN(FIELD_TEXT, struct job_result, target, N,
        "where it ran: engine@target, or the engine alone (its default target); null: older records"),
    PLAIN(FIELD_TEXT, struct job_result, part, N, "id of the part that made it; null: the job has none"),
};
SHAPE(shape_result, struct job_result, "JobResult", result_fields, "A result of a job.");

static const struct field log_totals_fields[] = {
    PLAIN(FIELD_INT, struct log_totals, bytes, O, "of the attempt's log"),
    PLAIN(FIELD_INT, struct log_totals, lines, O, "of the attempt's log"),
    PLAIN(FIELD_BOOL, struct log_totals, truncated, O, "the middle was dropped"),
};
SHAPE(shape_log_totals, struct log_totals, "LogTotals", log_totals_fields, "How much log there is to read.");

static const struct field event_fields[] = {
    PLAIN(FIELD_TEXT, struct event, job_id, R, "UUID"),
    PLAIN(FIELD_TEXT, struct event, group, R, "creator/user"),
    NESTED(FIELD_RECORD, struct event, origin, R, &shape_origin, "of the submission"),
    PLAIN(FIELD_INT, struct event, attempt, O, "0 before the first start"),
    ONE_OF(struct event, phase, R, job_phase_names,
        "accepted, converted, planned, queued, started, progress, node, retrying, lost, succeeded, failed, "
        "cancelled, "
        "timed_out or rejected"),
    PLAIN(FIELD_TIME, struct event, at, R, "when it happened"),
    PLAIN(FIELD_TEXT, struct event, stage, R, "who tells it: converter, planner, executor"),
    PLAIN(FIELD_TEXT, struct event, instance, N, "the executor process"),
    NESTED(
        FIELD_POINTER, struct event, spec, N, &shape_submitted, "on accepted: the job, defaults filled in"),
    NESTED(FIELD_POINTER, struct event, plan, N, &shape_plan, "on planned"),
    PLAIN(FIELD_DOUBLE, struct event, progress, N, "on progress: 0 to 1"),
    PLAIN(FIELD_TEXT, struct event, node, N, "on node: which"),
    PLAIN(FIELD_TEXT, struct event, node_state, N,
        "on node: running, retrying, succeeded, failed, cancelled or skipped"),
    PLAIN(FIELD_TEXT, struct event, reason, N, "on retrying, lost, cancelled, node: why, for people"),
    PLAIN(FIELD_TIME, struct event, next_at, N, "on retrying, also of a node: not before"),
    NESTED(FIELD_LIST, struct event, results, O, &shape_result, "on the end of an attempt"),
    NESTED(FIELD_POINTER, struct event, error, N, &shape_error,
        "on the end of an attempt, when it was not a success"),
    PLAIN(FIELD_INT, struct event, exit_code, N, "on the end of an attempt, where there was a process"),
    NESTED(FIELD_RECORD, struct event, times, O, &shape_times, "all times so far"),
    NESTED(FIELD_POINTER, struct event, log, N, &shape_log_totals, "on the end of attempts that ran"),
    PLAIN(FIELD_INT, struct event, node_try, O, "on node: which try of it, from 1; 0: the first"),
    PLAIN(FIELD_TEXT, struct event, cached_from, N,
        "on succeeded: the job whose results serve, because the label cache allows it; null: its own"),
};
SHAPE(shape_event, struct event, "JobEvent", event_fields,
    "Something happened to a job. Topic jobs.events; written by converter, planner and executor.");

static const struct field log_fields[] = {
    PLAIN(FIELD_TEXT, struct job_log, job_id, R, "UUID"),
    PLAIN(FIELD_INT, struct job_log, attempt, R, "from 1"),
    PLAIN(FIELD_TEXT, struct job_log, node, N, "the plan's node; null: the job as a whole"),
    PLAIN(FIELD_INT, struct job_log, seq, R, "0, 1, 2, ... within the attempt"),
    PLAIN(FIELD_INT, struct job_log, offset, R, "of the text's first byte in the attempt's log"),
    PLAIN(FIELD_TEXT, struct job_log, level, R, "of all of the text: stdout, stderr, info, warn or error"),
    PLAIN(FIELD_TIME, struct job_log, at, R, "when it was read from the engine"),
    PLAIN(FIELD_TEXT, struct job_log, text, R, "whole lines; at most 64 KiB"),
};
SHAPE(shape_log, struct job_log, "JobLog", log_fields,
    "A chunk of a job's log. Topic jobs.logs; written by the executor.");

static const struct field control_fields[] = {
    ONE_OF(struct control, kind, R, control_kind_names, "cancel, hold, release or drain"),
    PLAIN(FIELD_TEXT, struct control, job_id, N, "cancel: which job"),
    PLAIN(FIELD_TEXT, struct control, group, N, "hold, release: which group"),
    PLAIN(FIELD_TEXT, struct control, instance, N, "drain: which executor process"),
    PLAIN(FIELD_TEXT, struct control, by, O, "who asked for it"),
    PLAIN(FIELD_TEXT, struct control, reason, O, "why, for people"),
    PLAIN(FIELD_TIME, struct control, at, R, "when"),
};
SHAPE(shape_control, struct control, "JobControl", control_fields,
    "A doorbell: look at the collection cancels. Topic jobs.control; written by ingest, read by every "
    "executor.");

const struct shape *const job_shapes[] = {
    &shape_submitted,
    &shape_converted,
    &shape_planned,
    &shape_event,
    &shape_log,
    &shape_control,
    /* inside them */
    &shape_limits,
    &shape_retry,
    &shape_part,
    &shape_strategy,
    &shape_statement,
    &shape_origin,
    &shape_times,
    &shape_error,
    &shape_plan,
    &shape_node,
    &shape_cache,
    &shape_result,
    &shape_column,
    &shape_log_totals,
    NULL,
};
