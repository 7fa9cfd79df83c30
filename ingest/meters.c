/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meters: see meters.h.
 */
#include "ingest/meters.h"

#include <string.h>

enum {
    ACCEPTED,
    REPLAYED,
    FIRST_REFUSED, /* the rows of refusals are found by code */
    INVALID = FIRST_REFUSED,
    TOO_LARGE,
    CONFLICT,
    KAFKA_AWAY,
    STORE_AWAY,
    UNKNOWN_OUTCOME,
    BUSY,
    TOO_MANY_QUEUED,
    OTHER,
    SUBMIT_SECONDS,
    READ_SECONDS,
    INSERT_SECONDS,
    WAITING,
    SWEPT,
    CANCELS,
    METERS
};

#define SUBMISSIONS "millrace_ingest_submissions_total"
#define SUBMISSIONS_HELP "submissions, by what came of them"

static struct metric table[METERS] = {
    [ACCEPTED] = {.name = SUBMISSIONS,
        .labels = "outcome=\"accepted\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [REPLAYED] = {.name = SUBMISSIONS,
        .labels = "outcome=\"replayed\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [INVALID] = {.name = SUBMISSIONS,
        .labels = "outcome=\"invalid\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [TOO_LARGE] = {.name = SUBMISSIONS,
        .labels = "outcome=\"too_large\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [CONFLICT] = {.name = SUBMISSIONS,
        .labels = "outcome=\"idempotency_conflict\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [KAFKA_AWAY] = {.name = SUBMISSIONS,
        .labels = "outcome=\"kafka_away\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [STORE_AWAY] = {.name = SUBMISSIONS,
        .labels = "outcome=\"store_away\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [UNKNOWN_OUTCOME] = {.name = SUBMISSIONS,
        .labels = "outcome=\"unknown_outcome\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [BUSY] = {.name = SUBMISSIONS,
        .labels = "outcome=\"busy\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [TOO_MANY_QUEUED] = {.name = SUBMISSIONS,
        .labels = "outcome=\"too_many_queued\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [OTHER] = {.name = SUBMISSIONS,
        .labels = "outcome=\"other\"",
        .kind = METRIC_COUNTER,
        .help = SUBMISSIONS_HELP},
    [SUBMIT_SECONDS] = {.name = "millrace_ingest_submit_seconds",
        .kind = METRIC_SECONDS,
        .help = "a request with submissions, from its arrival to its answer"},
    [READ_SECONDS] = {.name = "millrace_ingest_read_seconds",
        .kind = METRIC_SECONDS,
        .help = "a request that reads or cancels, from its arrival to its answer"},
    [INSERT_SECONDS] = {.name = "millrace_ingest_insert_seconds",
        .kind = METRIC_SECONDS,
        .help = "one bulk insert of stubs"},
    [WAITING] = {.name = "millrace_ingest_waiting",
        .kind = METRIC_GAUGE,
        .help = "submissions that wait for the bulk insert"},
    [SWEPT] = {.name = "millrace_ingest_swept_total",
        .kind = METRIC_COUNTER,
        .help = "stubs that saw no event in time and were produced again"},
    [CANCELS] = {.name = "millrace_ingest_cancels_total", .kind = METRIC_COUNTER, .help = "cancels written"},
};

/* Codes that have a row of their own; all others of class 4xx are `invalid` or `other`. */
static const struct {
    const char *code;
    int row;
} rows_of_codes[] = {
    {"too_large", TOO_LARGE},
    {"idempotency_conflict", CONFLICT},
    {"kafka_away", KAFKA_AWAY},
    {"store_away", STORE_AWAY},
    {"unknown_outcome", UNKNOWN_OUTCOME},
    {"busy", BUSY},
    {"too_many_queued", TOO_MANY_QUEUED},
};

void meters_register(void)
{
    metrics_register(table, METERS);
}

static int row_of(const struct refusal *why)
{
    for (size_t i = 0; i < sizeof rows_of_codes / sizeof *rows_of_codes; i++)
        if (strcmp(why->code, rows_of_codes[i].code) == 0)
            return rows_of_codes[i].row;
    return why->status < 500 ? INVALID : OTHER;
}

void meters_submission(enum submission_end end, const struct refusal *why)
{
    switch (end) {
    case SUBMISSION_OPEN:
        break;
    case SUBMISSION_ACCEPTED:
        metric_add(&table[ACCEPTED], 1);
        break;
    case SUBMISSION_REPLAYED:
        metric_add(&table[REPLAYED], 1);
        break;
    case SUBMISSION_REFUSED:
        metric_add(&table[row_of(why)], 1);
        break;
    }
}

void meters_submit_us(int64_t us)
{
    metric_observe_us(&table[SUBMIT_SECONDS], us);
}

void meters_read_us(int64_t us)
{
    metric_observe_us(&table[READ_SECONDS], us);
}

void meters_batch(int64_t insert_us)
{
    metric_observe_us(&table[INSERT_SECONDS], insert_us);
}

void meters_waiting(size_t submissions)
{
    metric_set(&table[WAITING], (int64_t)submissions);
}

void meters_swept(size_t stubs)
{
    metric_add(&table[SWEPT], (int64_t)stubs);
}

void meters_cancels(size_t count)
{
    metric_add(&table[CANCELS], (int64_t)count);
}
