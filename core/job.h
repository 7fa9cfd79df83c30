/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job: the nouns that travel: a job and how it grows on its way, its events, logs and control messages; the states
 * and what leads to them; the error codes that users see.
 *
 * One `struct job` serves three records. JobSubmitted fills the first part, the converter completes it and adds the
 * second (JobConverted), the planner the third (JobPlanned). Which fields a record carries is told by the shapes at
 * the end (core/shape.h); schemas/ holds the same as Avro, and a unit test compares the two.
 *
 * Strings are borrowed from the record or from the batch's arena. "No value" is BYTES_NONE, a NULL pointer or
 * NO_INT. Times are UTC milliseconds.
 */
#ifndef MILLRACE_CORE_JOB_H
#define MILLRACE_CORE_JOB_H

#include "core/arena.h"
#include "core/error.h"
#include "core/shape.h"

/* ---- states ---- */

enum job_state {
    JOB_ACCEPTED,
    JOB_CONVERTED,
    JOB_PLANNED,
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_TIMED_OUT,
    JOB_REJECTED,
    JOB_STATES
};

const char *job_state_name(enum job_state s);
bool job_state_parse(struct bytes name, enum job_state *out);
bool job_state_is_final(enum job_state s);

/* What an event tells. Rows of one table: name, rank (see the fold, collector/fold.h) and the state it puts a job in. */
enum job_phase {
    PHASE_ACCEPTED,
    PHASE_CONVERTED,
    PHASE_PLANNED,
    PHASE_QUEUED,
    PHASE_STARTED,
    PHASE_PROGRESS,
    PHASE_NODE,
    PHASE_RETRYING,
    PHASE_LOST,
    PHASE_SUCCEEDED,
    PHASE_FAILED,
    PHASE_CANCELLED,
    PHASE_TIMED_OUT,
    PHASE_REJECTED,
    JOB_PHASES
};

extern const char *const job_phase_names[JOB_PHASES + 1]; /* NULL-terminated, by enum */
int job_phase_rank(enum job_phase p);
enum job_state job_phase_state(enum job_phase p);
bool job_phase_is_final(enum job_phase p);

/* ---- parts of a job ---- */

/* error.class: who has to act. */
enum error_class {
    CLASS_INPUT,  /* the job is wrong: its author */
    CLASS_ENGINE, /* the engine refused or the code failed: its author, or the target's owner */
    CLASS_LIMIT,  /* a limit was reached: its author, or an operator */
    CLASS_SYSTEM, /* Millrace or its servers: an operator */
    CLASS_USER,   /* somebody asked for it (cancel) */
    ERROR_CLASSES
};
extern const char *const error_class_names[ERROR_CLASSES + 1];

struct job_error {
    struct bytes code; /* a row of job_error_codes */
    int class;         /* enum error_class */
    struct bytes message;
    struct bytes detail;
    struct bytes node;
    int64_t statement; /* index, or NO_INT */
    int64_t line;      /* 1-based line of the user's text, or NO_INT */
    bool retryable;    /* of a run: it may be tried again, says the engine or the job's own rules */
};

struct job_limits {
    int64_t queue_timeout_ms; /* NO_INT until the converter fills it; 0: no limit */
    int64_t run_timeout_ms;
    int64_t max_log_bytes;
    int64_t max_result_rows;
};

enum on_lost { ON_LOST_RETRY, ON_LOST_FAIL, ON_LOST_KINDS };

struct job_retry {
    int64_t max_attempts; /* NO_INT until filled */
    int64_t backoff_ms;
    int64_t max_backoff_ms;
    int on_lost; /* enum on_lost, or NO_ENUM */
    /* A failed try is repeated when the engine calls its error retryable, or when one of these fits (core/retry.h). */
    struct ints exit_codes;
    struct strings errors; /* POSIX extended regular expressions; the error's code or message holds a match */
    int64_t node_attempts; /* tries of one node by itself within an attempt; NO_INT: 1 */
};

struct job_strategy {
    struct bytes kind;      /* single | race | all | fallback */
    struct strings targets; /* "warehouse" (of the engine), or "postgres@warehouse" */
};

/* The converter cuts a text with `--@part` lines into parts without code: their statements lie in the job's. */
struct job_part {
    struct bytes id, engine, target, code_type, code;
    struct strings after;
    struct job_strategy *strategy; /* NULL: the job's */
};

struct job_statement {
    int64_t index;
    struct bytes text; /* none when it stands unchanged in the code at offset, length (bytes) */
    int64_t offset, length;
    int64_t first_line; /* 1-based, in the user's text */
    struct bytes part;  /* id of its part: "the code" is that part's, or the job's where the part has none */
};

/* Identifies the submission: where the *submitted* record lies, and the broker's time of it. */
struct origin {
    int64_t partition, offset, timestamp;
};

struct job_node {
    struct bytes id; /* "n1", ... */
    /* sequence: one child after the other, all must succeed. all: all must succeed, at once but for `after`. race: at once, the first
     * success wins, the others are cancelled. fallback: the next child when one failed retryably. exec: a leaf. */
    struct bytes kind;
    struct strings children;
    struct bytes engine, target, code_type;
    struct bytes code;    /* none: the statement's text */
    int64_t statement;    /* index into statements, NO_INT for inner nodes */
    struct bytes reuse;   /* warm | never: may an engine process that ran other jobs be used */
    int64_t retry;        /* tries of the node by itself, within an attempt of the job */
    int64_t timeout_ms;   /* 0: only the job's */
    struct bytes part;    /* id of the part that it is made from */
    struct strings after; /* of a child of `all`: siblings that must have succeeded before it starts */
};

struct job_cache {
    struct bytes key;
    int64_t ttl_ms;
};

struct job_times {
    int64_t accepted, converted, planned, queued, started, finished; /* NO_INT: not yet */
};

#define ARRAY_OF(type)                                                                                       \
    struct {                                                                                                 \
        type *items;                                                                                         \
        size_t count;                                                                                        \
    }

struct job {
    /* JobSubmitted */
    struct bytes job_id; /* UUID text, lower case */
    struct bytes creator, user, submitter, name;
    struct bytes engine, target, code_type, code;
    struct pairs variables, conf, labels, source;
    ARRAY_OF(struct job_part) parts;
    struct job_strategy *strategy;
    struct job_limits limits;
    struct job_retry retry;
    int64_t not_before; /* NO_INT: at once */
    struct bytes callback_url, idempotency_key, timezone;
    int64_t submitted_at; /* NO_INT: unknown, the broker's time of the record counts */
    struct bytes trace;
    /* JobConverted */
    ARRAY_OF(struct job_statement) statements;
    struct strings warnings;
    struct origin origin;
    struct job_error *error; /* refused: why. Nothing will run. */
    struct job_times times;
    /* JobPlanned */
    struct bytes pool;
    ARRAY_OF(struct job_node) nodes; /* the root is the first */
    struct job_cache *cache;
};

/* "creator/user", from the arena: the key of every record of the job. */
struct bytes job_group(struct arena *a, const struct job *j);
const struct job_part *job_part_find(const struct job *j, struct bytes id); /* NULL: there is none */
/* The text of a statement: its own, or the slice of the code of its part or job. */
struct bytes job_statement_text(const struct job *j, const struct job_statement *s);
/* Settings in `conf` that Millrace itself understands, whatever the engine: `session` (job, statement) and `reuse` (warm, never). Is it
 * one of them? *wanted: what its value may be, if this is none of it; else NULL. */
bool job_conf_is_own(const struct pair *setting, const char **wanted);

/* The label `cache`: how old an earlier result may be that serves instead of a run. *ms NO_INT: there is no such label. False: it is no
 * duration (core/duration.h) of 1 ms to JOB_CACHE_MAX_MS. */
bool job_cache_ttl(const struct job *j, int64_t *ms);
#define JOB_CACHE_MAX_MS (366 * 24 * 3600 * (int64_t)1000)
#define JOB_CACHE_WANTED "how old a result may be that serves instead of a run: 10m, 1h, 1d, at most 366d"
/* [A-Za-z0-9._@-]{1,64}, and neither "." nor "..": names become folders. */
bool job_name_is_valid(struct bytes creator_or_user);
/* A variable's: [A-Za-z_][A-Za-z0-9_.-]*, up to JOB_VARIABLE_BYTES. */
bool job_variable_name_is_valid(struct bytes name);
/* A part's id: [A-Za-z0-9_.-]{1,64}. */
bool job_part_id_is_valid(struct bytes id);
/* A key of conf, labels or source: 1 to 255 letters, digits and _ . - / : @, so that it can stand in a query, a path and a setting. */
bool job_key_is_valid(struct bytes key);
#define JOB_VARIABLE_BYTES 128
#define JOB_PAIRS_MAX 256 /* variables, or settings of the engine */
#define JOB_PARTS_MAX 1000
#define JOB_VALUE_BYTES 65536   /* most of a setting's value */
#define JOB_NAME_CHARACTERS 256 /* most of a job's own name */
#define JOB_KEY_BYTES 255       /* most of an idempotency key */

/* ---- results, events, logs, control ---- */

struct result_column {
    struct bytes name, type, comment;
};

struct job_result {
    int64_t n; /* 0-based */
    struct bytes name, kind /* table|text|image|html|file */, path, format /* avro|txt|... */;
    int64_t rows, bytes; /* rows: NO_INT where it means nothing */
    ARRAY_OF(struct result_column) columns;
    int64_t statement; /* index, NO_INT: unknown */
    struct bytes node, target,
        part; /* of the plan's leaf that made it; target: engine@target, or the engine alone */
};

struct log_totals {
    int64_t bytes, lines;
    bool truncated;
};

struct event {
    struct bytes job_id, group;
    struct origin origin;
    int64_t attempt; /* 0 before the first start */
    int phase;       /* enum job_phase */
    int64_t at;
    struct bytes stage, instance;
    struct job *spec; /* on accepted: the job as submitted, defaults filled */
    struct job *plan; /* on planned: pool, nodes, cache */
    double progress;  /* 0..1, on progress; negative: none */
    struct bytes node, node_state;
    struct bytes reason; /* retrying, lost, cancelled: why, for people */
    int64_t next_at;     /* retrying: not before */
    ARRAY_OF(struct job_result) results;
    struct job_error *error;
    int64_t exit_code; /* NO_INT: none */
    struct job_times times;
    struct log_totals *log;   /* on ends of attempts that ran: how much log there is to read */
    int64_t node_try;         /* on node: from 1; 0 (older records): the first */
    struct bytes cached_from; /* on succeeded: the job whose results serve */
};

struct job_log {
    struct bytes job_id;
    int64_t attempt;
    struct bytes node;
    int64_t seq;        /* 0, 1, 2, ... per attempt */
    int64_t offset;     /* of text's first byte in the attempt's whole log */
    struct bytes level; /* the level of all of the text: stdout|stderr|info|warn|error */
    int64_t at;
    struct bytes
        text; /* whole lines, each ended by \n, except where a line is longer than a chunk; at most 64 KiB */
};

enum control_kind { CONTROL_CANCEL, CONTROL_HOLD, CONTROL_RELEASE, CONTROL_DRAIN, CONTROL_KINDS };

struct control {
    int kind; /* enum control_kind */
    struct bytes job_id, group, instance;
    struct bytes by, reason;
    int64_t at;
};

extern const struct shape shape_submitted;  /* struct job */
extern const struct shape shape_converted;  /* struct job */
extern const struct shape shape_planned;    /* struct job */
extern const struct shape shape_plan;       /* struct job: pool, nodes, cache (event.plan) */
extern const struct shape shape_event;      /* struct event */
extern const struct shape shape_log;        /* struct job_log */
extern const struct shape shape_control;    /* struct control */
extern const struct shape shape_limits;     /* struct job_limits */
extern const struct shape shape_retry;      /* struct job_retry */
extern const struct shape shape_strategy;   /* struct job_strategy */
extern const struct shape shape_error;      /* struct job_error */
extern const struct shape shape_result;     /* struct job_result */
extern const struct shape shape_times;      /* struct job_times */
extern const struct shape shape_log_totals; /* struct log_totals */
/* The records of topics, then those inside them; NULL-terminated. For tests and the reference page. */
extern const struct shape *const job_shapes[];

/* ---- codes that users see ---- */

/* One row per code: what it means and what to do. The page docs/reference/errors.md is made from it. */
struct error_code {
    const char *code;
    int class;
    int http_status; /* when ingest answers with it, 0: never */
    const char *meaning;
};
extern const struct error_code job_error_codes[];          /* ends with code NULL */
const struct error_code *job_error_code(const char *code); /* NULL: unknown, a bug of the caller */

/* ---- refusing (job_refuse.c) ---- */

/* False, always; j->error tells why, and there is no plan. `code` is a row of job_error_codes. */
bool job_refuse(struct job *j, const char *code, struct bytes message, struct arena *a);
/* Takes out what could be too much, or harm a reader further on: it does not travel with a refused job. */
void job_strip(struct job *j);
/* Refused as too_large, and stripped. `what` has so many bytes. */
void job_refuse_large(struct job *j, const char *what, int64_t bytes, int64_t most, struct arena *a);

#endif
