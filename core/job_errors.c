/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_errors: every code that a user, an operator or a program can meet, one row each: in answers of REST, in
 * the error of a job, in the reason of a dead letter. docs/reference/errors.md is made from this table.
 *
 * A code is never renamed and never gets another meaning: programs compare it. In the meaning: what it is,
 * then what to do.
 */
#include <string.h>

#include "core/job.h"

const struct error_code job_error_codes[] = {
    /* ---- a request (REST): what was sent ---- */
    {"bad_json", CLASS_INPUT, 400, "the text is not JSON; the detail tells the place"},
    {"bad_utf8", CLASS_INPUT, 400, "text that is not UTF-8; send UTF-8"},
    {"bad_query", CLASS_INPUT, 400, "a query parameter is unknown or has a bad value"},
    {"bad_path", CLASS_INPUT, 400,
        "the path is malformed: a bad escape, a group or a selector that is none, or the like"},
    {"bad_header", CLASS_INPUT, 400, "a request header has a bad value; the detail names it"},
    {"bad_request", CLASS_INPUT, 400, "the request is not understood; the detail tells why"},
    {"invalid", CLASS_INPUT, 400,
        "the input has problems; see errors, one entry for each field (422 when it can be read and only "
        "values are not right)"},
    {"too_large", CLASS_INPUT, 413,
        "the body, the record, or what a job becomes when its variables are filled in, is over the size "
        "limit"},
    {"unsupported_media_type", CLASS_INPUT, 415, "send application/json or application/x-ndjson"},

    /* ---- a field of the input (REST answers 400 or 422, on Kafka the job is rejected) ---- */
    {"unknown_field", CLASS_INPUT, 400,
        "there is no such field, or only the server may set it; in conf: the engine has no such setting"},
    {"missing", CLASS_INPUT, 400, "a field that must be given is missing or empty"},
    {"wrong_type", CLASS_INPUT, 400, "the field has another type; the detail tells which is expected"},
    {"bad_value", CLASS_INPUT, 400,
        "the field's value is not one of those allowed; the detail tells which are"},
    {"bad_name", CLASS_INPUT, 400,
        "creator, user and such names are [A-Za-z0-9._@-], 1 to 64 characters, not . or .."},
    {"nul_byte", CLASS_INPUT, 400, "the text holds a NUL byte; remove it"},
    {"too_long", CLASS_INPUT, 400, "the text is longer than the field allows"},
    {"too_many", CLASS_INPUT, 400, "more entries than the field allows"},
    {"unknown_engine", CLASS_INPUT, 422, "no such engine is installed; the detail names those that are"},
    {"unknown_target", CLASS_INPUT, 422, "the engine has no such target; the detail names those it has"},
    {"engine_not_allowed", CLASS_LIMIT, 422,
        "a limit of this installation does not allow the creator or user this engine; the detail names those "
        "it allows"},
    {"field_not_allowed", CLASS_LIMIT, 422,
        "a limit of this installation does not let the creator's jobs give this field; leave it out"},
    {"bad_code_type", CLASS_INPUT, 422,
        "the engine does not take this code type; the detail names those it takes"},
    {"unknown_pool", CLASS_INPUT, 422,
        "no executors serve this pool; correct the label, or have it configured"},
    {"bad_variable", CLASS_INPUT, 422,
        "a ${...} or &{...} in the code cannot be computed; the message tells the place, and what it takes"},
    {"bad_set", CLASS_INPUT, 422,
        "a line that sets a variable in the code is not understood; write: @set name = value"},
    {"fixed_variable", CLASS_INPUT, 422,
        "the variable is built in and its value cannot be given; use another name"},
    {"unknown_timezone", CLASS_INPUT, 422, "there is no such time zone; names are such as Europe/Berlin"},
    {"empty_code", CLASS_INPUT, 422, "there is nothing to run: the code is empty or only comments"},
    {"too_many_statements", CLASS_LIMIT, 422, "the code has more statements than a job may have"},
    {"bad_parts", CLASS_INPUT, 422,
        "the parts do not fit together: an id twice, an unknown id, a circle, parts in both places; or a "
        "line "
        "that makes parts is not understood"},
    {"unsupported", CLASS_INPUT, 422, "a valid wish that this version cannot fulfil; the detail names it"},
    {"forbidden_code", CLASS_INPUT, 422,
        "a rule of this installation refuses the code; the message tells line, column, rule and what to do"},

    /* ---- a request: who, what and when ---- */
    {"not_found", CLASS_INPUT, 404, "there is nothing at this path, or no such job, result or group"},
    {"method_not_allowed", CLASS_INPUT, 405,
        "the path exists, but not with this method; see the header Allow"},
    {"conflict", CLASS_INPUT, 409, "the present state does not allow this; the detail tells which state"},
    {"idempotency_conflict", CLASS_INPUT, 409, "the idempotency key was used for another job; use a new key"},
    {"too_many_queued", CLASS_LIMIT, 429,
        "as many jobs of this group, creator or installation wait as max_queued allows; nothing was "
        "accepted, try "
        "again after Retry-After"},
    {"unknown_outcome", CLASS_SYSTEM, 503,
        "the job is stored and will run, but Kafka did not confirm it in time; ask for its job_id, or repeat "
        "with the "
        "same idempotency key"},
    {"kafka_away", CLASS_SYSTEM, 503, "Kafka does not answer; nothing was accepted, try again"},
    {"store_away", CLASS_SYSTEM, 503,
        "MongoDB does not answer; try again. With a job_id in the answer the job may have been accepted: "
        "repeat "
        "with the same idempotency key"},
    {"registry_away", CLASS_SYSTEM, 503, "the schema registry does not answer; it is asked again"},
    {"busy", CLASS_SYSTEM, 503, "too many requests wait already; try again"},
    {"internal", CLASS_SYSTEM, 500, "a fault of Millrace; the log of the program tells more"},

    /* ---- why a job did not succeed ---- */
    {"exit_code", CLASS_ENGINE, 0, "the program ended with an exit code that is not 0; see the job's log"},
    {"killed", CLASS_ENGINE, 0,
        "a signal ended the program, one that Millrace did not send; see the job's log"},
    {"sql_error", CLASS_ENGINE, 0, "the database refused a statement; message and line tell which and why"},
    {"syntax_error", CLASS_ENGINE, 0, "the engine could not read the code"},
    {"code_error", CLASS_ENGINE, 0, "the code failed while it ran; see message and log"},
    {"access_denied", CLASS_ENGINE, 0, "the engine's target refused the user"},
    {"connection_failed", CLASS_ENGINE, 0, "the engine could not reach its target"},
    {"engine_error", CLASS_ENGINE, 0, "the engine reported a failure without a code of its own"},
    {"engine_died", CLASS_ENGINE, 0, "the engine process ended in the middle of the job; see the job's log"},
    {"engine_unavailable", CLASS_SYSTEM, 0,
        "the engine could not be started; its log on the executor tells why"},
    {"engine_protocol", CLASS_SYSTEM, 0,
        "the engine sent what the protocol does not allow; a fault of the engine"},
    {"engine_silent", CLASS_SYSTEM, 0, "the engine did not answer in time and was ended"},
    {"memory_limit", CLASS_LIMIT, 0, "the job used more memory than it may"},
    {"run_timeout", CLASS_LIMIT, 0, "an attempt took longer than limits.run_timeout_ms"},
    {"queue_timeout", CLASS_LIMIT, 0, "it waited for a start longer than limits.queue_timeout_ms"},
    {"cancelled", CLASS_USER, 0, "somebody cancelled the job; reason and name are in the detail"},
    {"lost", CLASS_SYSTEM, 0,
        "the executor that ran it was lost, too often or with on_lost: fail; effects may have happened"},
    {"drained", CLASS_SYSTEM, 0, "its executor was stopped and the job must not run twice (on_lost: fail)"},
    {"bad_plan", CLASS_SYSTEM, 0, "the plan can't be walked: no nodes, a missing child, or a cycle"},
    {"result_error", CLASS_SYSTEM, 0, "the result could not be written or recorded"},
    {"result_too_large", CLASS_LIMIT, 0, "a result is larger than it may be"},
    {"result_corrupt", CLASS_SYSTEM, 500, "the result file is damaged: a fault of the store's disk"},
    {"result_missing", CLASS_SYSTEM, 410,
        "the result file is not in the store any more, or not on this machine"},
    {"plan_error", CLASS_SYSTEM, 0, "the plan does not fit together; a fault of the planner"},

    /* ---- why a record lies in jobs.dead ---- */
    {"garbage", CLASS_INPUT, 0, "the bytes are no record in any framing that is accepted here"},
    {"unknown_schema", CLASS_INPUT, 0,
        "no schema has this fingerprint or id; register it, or use a released one"},
    {"wrong_record", CLASS_INPUT, 0, "a record of another kind than the topic's"},
    {"truncated", CLASS_INPUT, 0, "the record ends before its last field, or a length points beyond its end"},
    {"trailing_bytes", CLASS_INPUT, 0, "bytes are left over after the record's last field"},
    {"too_deep", CLASS_INPUT, 0, "values are nested deeper than the limit"},
    {"null_value", CLASS_INPUT, 0, "the record has no value"},
    {"document_too_large", CLASS_LIMIT, 0,
        "with this record a document in MongoDB would have more than 16 MiB; the document stays as it is "
        "without it"},
    {"poison", CLASS_SYSTEM, 0,
        "the stage died several times on this very record; a fault of Millrace, report it"},
    {"group_conflict", CLASS_INPUT, 0, "the job id belongs to a job of another group already"},

    {NULL, CLASS_SYSTEM, 0, NULL},
};

const struct error_code *job_error_code(const char *code)
{
    for (const struct error_code *row = job_error_codes; row->code; row++)
        if (strcmp(row->code, code) == 0)
            return row;
    return NULL;
}
