/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_world: what decides about a conversion beside the job itself: the settings, the engines, the time zones. The converter and
 * ingest (for dry runs) have the same rows in their tables and open the same world, so that both say the same of a job when they are
 * given the same settings.
 */
#ifndef MILLRACE_CONVERTER_CONVERT_WORLD_H
#define MILLRACE_CONVERTER_CONVERT_WORLD_H

#include "converter/checks.h"
#include "core/config.h"

struct convert_settings {
    const char *engines_dir, *zoneinfo_dir, *timezone;
    int64_t submission_max_bytes, derived_max_bytes;
    struct job_limits limits, most;
    int64_t backoff_ms, max_backoff_ms;
};

#define CONVERT_YEAR_MS (366LL * 24 * 3600 * 1000)
/* Rows of a settings table. */
#define CONVERT_SETTINGS(type, member)                                                                       \
    {"engines.dir", SETTING_TEXT, offsetof(type, member.engines_dir), "engines", 1, 4096,                    \
        "folder with one folder per engine, each with an engine.json"},                                      \
        {"timezone", SETTING_TEXT, offsetof(type, member.timezone), "UTC", 1, 64,                            \
            "time zone of jobs that name none: what day it is for their variables"},                         \
        {"zoneinfo.dir", SETTING_TEXT, offsetof(type, member.zoneinfo_dir), "/usr/share/zoneinfo", 1, 4096,  \
            "folder with the system's time zones (the package tzdata), read at start"},                      \
        {"submission.max_bytes", SETTING_SIZE, offsetof(type, member.submission_max_bytes), "1m", 1024,      \
            8 * 1024 * 1024, "most bytes of one submission; larger ones are refused"},                       \
        {"derived.max_bytes", SETTING_SIZE, offsetof(type, member.derived_max_bytes), "8m", 4096,            \
            10 * 1024 * 1024, "most bytes of what a submission becomes"},                                    \
        {"limits.queue_timeout", SETTING_MS, offsetof(type, member.limits.queue_timeout_ms), "0", 0,         \
            CONVERT_YEAR_MS, "how long a job may wait for its start, where it does not say; 0: no limit"},   \
        {"limits.run_timeout", SETTING_MS, offsetof(type, member.limits.run_timeout_ms), "24h", 1,           \
            CONVERT_YEAR_MS, "how long a job may run, where it does not say"},                               \
        {"limits.max_log_bytes", SETTING_SIZE, offsetof(type, member.limits.max_log_bytes), "16m", 1,        \
            1LL << 40, "bytes kept of a job's log, where it does not say"},                                  \
        {"limits.max_result_rows", SETTING_INT, offsetof(type, member.limits.max_result_rows), "1000000", 1, \
            1LL << 40, "rows kept of a result, where the job does not say"},                                 \
        {"most.queue_timeout", SETTING_MS, offsetof(type, member.most.queue_timeout_ms), "8784h", 1,         \
            CONVERT_YEAR_MS, "the longest queue timeout that a job may ask for"},                            \
        {"most.run_timeout", SETTING_MS, offsetof(type, member.most.run_timeout_ms), "8784h", 1,             \
            CONVERT_YEAR_MS, "the longest run timeout that a job may ask for"},                              \
        {"most.max_log_bytes", SETTING_SIZE, offsetof(type, member.most.max_log_bytes), "1g", 1, 1LL << 40,  \
            "the largest log that a job may ask for"},                                                       \
        {"most.max_result_rows", SETTING_INT, offsetof(type, member.most.max_result_rows), "1000000000", 1,  \
            1LL << 40, "the most result rows that a job may ask for"},                                       \
        {"retry.backoff", SETTING_MS, offsetof(type, member.backoff_ms), "1s", 0, 86400000,                  \
            "pause before the second try, where the job does not say"},                                      \
    {                                                                                                        \
        "retry.max_backoff", SETTING_MS, offsetof(type, member.max_backoff_ms), "5m", 0, 86400000,           \
            "longest pause between tries, where the job does not say"                                        \
    }

struct convert_world {
    struct engine_list *engines;
    struct zones *zones;
    struct convert_rules rules; /* without snapshots of limits and defaults: these change, the rest doesn't */
};

/* Reads the folders. False: e says which setting is wrong. `s` is borrowed as long as the world. */
bool convert_world_open(struct convert_world *w, const struct convert_settings *s, struct error *e);
/* One that was not opened (all zero) is fine. */
void convert_world_release(struct convert_world *w);

#endif
