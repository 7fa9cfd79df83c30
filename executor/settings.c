/* SPDX-License-Identifier: Apache-2.0 */
/* settings: the executor's settings and metrics, as tables. */
#include "executor/executor.h"

#define ROW(name, type, field, value, min, max, help)                                                        \
    {                                                                                                        \
        name, type, offsetof(struct executor_settings, field), value, min, max, help                         \
    }
const struct setting executor_settings_table[] = {
    ROW("http.port", SETTING_INT, stage.http_port, "8423", 0, 65535, "port of /metrics, /healthz, /readyz"),
    ROW("pool", SETTING_TEXT, pool, "default", 1, 32, "whose planned topic is read"),
    ROW("slots", SETTING_INT, slots, "32", 1, 10000, "jobs that run at once in this process"),
    ROW("engine.slots", SETTING_TEXT, engine_slots, "", 0, 4000,
        "jobs of an engine's default target, or of one of its targets, that run at once in this process; "
        "and so many of their nodes: shell=16,postgres@warehouse=4"),
    ROW("nodes_at_once", SETTING_INT, nodes_at_once, "8", 1, 1000,
        "nodes of one job that run at once in this process; the others wait"),
    ROW("window", SETTING_INT, window, "32", 1, 10000, "queued jobs of a group known in memory"),
    ROW("engines.dir", SETTING_TEXT, engines_dir, "engines", 1, 400,
        "folder of the engines and their manifests"),
    ROW("results.dir", SETTING_TEXT, results_dir, "results", 1, 400, "folder of the result files"),
    ROW("state.dir", SETTING_TEXT, state_dir, "state", 1, 400,
        "folder of lock files and the jobs' working folders"),
    ROW("isolation", SETTING_TEXT, isolation, "auto", 4, 4,
        "auto: PID namespaces where permitted; none: never"),
    ROW("lease.renew", SETTING_MS, lease_renew_ms, "3s", 100, 3600000, "how often the lease is renewed"),
    ROW("lease.hold", SETTING_MS, lease_hold_ms, "30s", 500, 3600000,
        "an executor without a renewal for so long kills its engines and ends"),
    ROW("lease.watch", SETTING_MS, lease_watch_ms, "40s", 500, 3600000,
        "another's lease is ended when its counter stood still for so long; must be more than lease.hold"),
    ROW("drain", SETTING_MS, drain_ms, "30s", 0, 86400000,
        "how long running jobs have when the executor is stopped"),
    ROW("grace", SETTING_MS, grace_ms, "5s", 0, 3600000, "between SIGTERM and SIGKILL of a cancelled job"),
    ROW("engine.idle", SETTING_MS, idle_ms, "60s", 0, 86400000, "an idle engine process ends after so long"),
    ROW("engine.start_timeout", SETTING_MS, start_timeout_ms, "20s", 100, 3600000,
        "an engine must be ready within"),
    ROW("engine.processes", SETTING_INT, max_processes, "64", 1, 10000,
        "engine processes of all engines at once"),
    ROW("ledger.keep", SETTING_MS, keep_ms, "192h", 3600000, 31536000000,
        "how long ended runs are remembered (dedupe)"),
    ROW("payload_cache", SETTING_SIZE, payload_cache_bytes, "16m", 0, 1099511627776,
        "memory for payloads of queued jobs; without room they are read again at the start"),
    SETTING_END,
};

#define COUNTER(name, labels, help)                                                                          \
    {                                                                                                        \
        name, labels, METRIC_COUNTER, help, 0, {0}, 0                                                        \
    }
#define GAUGE(name, help)                                                                                    \
    {                                                                                                        \
        name, NULL, METRIC_GAUGE, help, 0, {0}, 0                                                            \
    }
#define SECONDS(name, help)                                                                                  \
    {                                                                                                        \
        name, NULL, METRIC_SECONDS, help, 0, {0}, 0                                                          \
    }
#define ENDED(outcome)                                                                                       \
    COUNTER("millrace_executor_ended_total", "outcome=\"" outcome "\"", "jobs ended, by outcome")
#define CACHE(outcome)                                                                                       \
    COUNTER("millrace_executor_cache_lookups_total", "outcome=\"" outcome "\"",                              \
        "jobs with the label cache that looked for earlier results, by what came of it")
struct metric executor_metrics[EXECUTOR_METRICS] = {
    [M_STARTED] = COUNTER("millrace_executor_started_total", NULL, "jobs started"),
    [M_SUCCEEDED] = ENDED("succeeded"),
    [M_FAILED] = ENDED("failed"),
    [M_CANCELLED] = ENDED("cancelled"),
    [M_TIMED_OUT] = ENDED("timed_out"),
    [M_REJECTED] = ENDED("rejected"),
    [M_RETRIES] =
        COUNTER("millrace_executor_retries_total", NULL, "failed tries that went back into the queue"),
    [M_DISCARDED] = COUNTER(
        "millrace_executor_discarded_total", NULL, "ends refused by the ledger: another closed the run"),
    [M_DUPLICATES] =
        COUNTER("millrace_executor_duplicates_total", NULL, "records that were in the ledger already"),
    [M_TAKEOVERS] =
        COUNTER("millrace_executor_takeovers_total", NULL, "runs of dead executors put back into the queue"),
    [M_REQUEUED] = COUNTER(
        "millrace_executor_requeued_total", NULL, "own runs put back (drained, held, forgotten starts)"),
    [M_RENEWALS] = COUNTER("millrace_executor_renewals_total", NULL, "lease renewals acknowledged"),
    [M_RESENT] = COUNTER("millrace_executor_resent_total", NULL, "outcomes whose events were sent again"),
    [M_PARTITIONS] = GAUGE("millrace_executor_partitions", "partitions of its pool's topic that it owns"),
    [M_RUNNING] = GAUGE("millrace_executor_running", "jobs that hold a slot"),
    [M_GROUPS] = GAUGE("millrace_executor_groups", "groups in memory"),
    [M_READY] = GAUGE("millrace_executor_ready_groups", "groups that wait for a slot"),
    [M_OUTGOING] = GAUGE("millrace_executor_outgoing", "records on their way to Kafka"),
    [M_QUEUE_SECONDS] = SECONDS("millrace_executor_queue_seconds", "from the ledger to the start"),
    [M_RUN_SECONDS] = SECONDS("millrace_executor_run_seconds", "from the launch to the end"),
    [M_LOG_BYTES] = COUNTER("millrace_executor_log_bytes_total", NULL, "log text sent"),
    [M_TURN_SECONDS] =
        SECONDS("millrace_executor_turn_seconds", "one turn of the loop; cancels and leases wait for it"),
    [M_CACHE_HITS] = CACHE("hit"),
    [M_CACHE_MISSES] = CACHE("miss"),
    [M_CACHE_UNANSWERED] = CACHE("unanswered"),
    [M_CACHE_UNKEPT] = COUNTER("millrace_executor_cache_unkept_total", NULL,
        "results of jobs with the label cache that could not be kept: too large, or MongoDB did not answer"),
};

void executor_metrics_of_rules(const struct rules_counts *c)
{
    const struct {
        enum executor_metric metric;
        int64_t value;
    } rows[] = {
        {M_STARTED, c->launched},
        {M_SUCCEEDED, c->ends[PHASE_SUCCEEDED]},
        {M_FAILED, c->ends[PHASE_FAILED]},
        {M_CANCELLED, c->ends[PHASE_CANCELLED]},
        {M_TIMED_OUT, c->ends[PHASE_TIMED_OUT]},
        {M_REJECTED, c->ends[PHASE_REJECTED]},
        {M_RETRIES, c->retries},
        {M_DISCARDED, c->discarded},
        {M_DUPLICATES, c->duplicates},
        {M_TAKEOVERS, c->takeovers},
        {M_REQUEUED, c->requeued},
        {M_RENEWALS, c->renewals},
        {M_RESENT, c->resent},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        metric_set(&executor_metrics[rows[i].metric], rows[i].value);
}
